//! Each public type and trait has an example in its documentation. `cargo test` compiles them.

use super::sources;

/// Items without an example, and why.
const WITHOUT: [(&str, &str); 31] = [
    ("Action", "inside a sealed trait"),
    ("AcquisitionReason", "a field of events"),
    ("AuthorizedToken", "inside a sealed trait"),
    ("Buffered", "what a policy keeps; `BufferBodies` has the example"),
    ("ByKey", "the type of a keyed layer; `OAuthClientCredentialsLayer::keyed` has the example"),
    ("Event", "`TokenCacheBuilder::observer` has the example"),
    ("Get", "a future"),
    ("Grpc", "a marker"),
    ("Http", "a marker"),
    ("HyperClientFuture", "a future"),
    ("HyperTransportFuture", "a future"),
    ("LastToken", "inside a sealed trait"),
    ("LayerShared", "inside a sealed trait"),
    ("NotReplayedReason", "a field of events"),
    ("Observer", "`TokenCacheBuilder::observer` has the example"),
    ("Protocol", "sealed"),
    ("ProtocolHooks", "seals a trait"),
    ("RejectionAction", "a field of events"),
    ("ReplayReason", "a field of events"),
    ("Replacement", "a future"),
    ("RequestTokens", "inside a sealed trait"),
    ("ReqwestFuture", "a future"),
    ("ResponseBody", "a body"),
    ("ResponseFuture", "a future"),
    ("SelectAction", "seals a trait"),
    ("SelectCache", "sealed"),
    ("ServerMetadata", "`ClientCredentials::server_metadata` has the example"),
    ("Settings", "inside a sealed trait"),
    ("SystemClock", "the default clock"),
    ("Tee", "a body; `BufferBodies` has the example"),
    ("WithheldReason", "a field of events"),
];

/// The public types and traits of a file, each with whether its documentation has an example that is
/// compiled. The lint `unreachable_pub` makes sure that `pub` means public.
fn items(text: &str) -> Vec<(&str, bool)> {
    let mut found = Vec::new();
    let mut documentation = String::new();
    for line in text.lines().map(str::trim) {
        let name = ["pub struct ", "pub enum ", "pub trait "]
            .iter()
            .find_map(|start| line.strip_prefix(start))
            .and_then(|rest| rest.split(|c: char| !c.is_alphanumeric()).next());
        if let Some(prose) = line.strip_prefix("///") {
            documentation.push_str(prose.trim());
            documentation.push('\n');
        } else if let Some(name) = name {
            found.push((name, has_example(&documentation)));
            documentation.clear();
        } else if line.is_empty() || line.ends_with('}') || line.ends_with(';') {
            documentation.clear();
        }
    }
    found
}

fn has_example(documentation: &str) -> bool {
    let Some((_, examples)) = documentation.split_once("\n# Examples\n") else { return false };
    examples.lines().any(|line| matches!(line, "```" | "```no_run"))
}

/// The names of all public structs and enums.
pub(crate) fn public_types() -> Vec<String> {
    let sealed = |name: &str| {
        WITHOUT.iter().any(|(excused, why)| *excused == name && *why == "inside a sealed trait")
    };
    let sources = sources();
    let all = sources.iter().flat_map(|source| {
        let traits: Vec<_> = source.text.split("pub trait ").skip(1).collect();
        let items = items(&source.text).into_iter();
        items.filter(move |(name, _)| !traits.iter().any(|rest| rest.starts_with(name)))
    });
    all.map(|(name, _)| name.to_owned()).filter(|name| !sealed(name)).collect()
}

#[test]
fn each_public_type_has_an_example_or_a_reason() {
    let sources = sources();
    let all: Vec<_> = sources.iter().flat_map(|source| items(&source.text)).collect();
    assert!(all.len() > 90, "the items were not found: {}", all.len());
    let excused = |name: &str| WITHOUT.iter().any(|(excused, _)| *excused == name);
    let missing: Vec<_> =
        all.iter().filter(|(name, has)| !has && !excused(name)).map(|(name, _)| name).collect();
    assert!(missing.is_empty(), "add `# Examples` to {missing:?}, or a reason to `WITHOUT`");
    for (name, reason) in WITHOUT {
        let without = all.iter().any(|(item, has)| *item == name && !has);
        assert!(without, "{name} ({reason}) has an example or is gone; remove it from `WITHOUT`");
    }
}

#[test]
fn an_example_must_be_under_its_heading_and_be_compiled() {
    let item = |documentation: &str| {
        let text = format!("{documentation}\n#[derive(\n    Clone,\n)]\npub struct A<B>;\n");
        items(&text).iter().map(|(name, has)| ((*name).to_owned(), *has)).collect::<Vec<_>>()
    };
    let expected = |has| vec![("A".to_owned(), has)];
    assert_eq!(
        item("/// An item.\n///\n/// # Examples\n///\n/// ```\n/// f();\n/// ```"),
        expected(true)
    );
    assert_eq!(
        item("/// An item.\n///\n/// # Examples\n///\n/// ```text\n/// f();\n"),
        expected(false)
    );
    assert_eq!(item("/// An item.\n///\n/// ```\n/// f();\n/// ```"), expected(false));
    assert_eq!(item("/// # Examples\n/// ```\nfn other() {}\n\n/// An item."), expected(false));
}
