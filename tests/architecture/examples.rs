//! Each public type, trait and free function has an example in its documentation. `cargo test` compiles
//! them. Methods may have one.

use super::{identifier, sources};

/// Items without an example, and why.
const WITHOUT: [(&str, &str); 34] = [
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
    ("ResultOrigin", "a field of events"),
    ("SelectAction", "seals a trait"),
    ("SelectCache", "sealed"),
    ("ServerMetadata", "`ClientCredentials::server_metadata` has the example"),
    ("Settings", "inside a sealed trait"),
    ("StoreOperation", "a field of events"),
    ("StoreOutcome", "a field of events"),
    ("SystemClock", "the default clock"),
    ("Tee", "a body; `BufferBodies` has the example"),
    ("WithheldReason", "a field of events"),
];

/// The beginnings of lines that declare a public item.
const DECLARATIONS: [&str; 6] =
    ["pub struct ", "pub enum ", "pub trait ", "pub type ", "pub fn ", "pub async fn "];

struct Item<'a> {
    declaration: &'static str,
    name: &'a str,
    has_example: bool,
}

/// The public items of a file without methods, each with whether its documentation has an example that
/// is compiled. The lint `unreachable_pub` makes sure that `pub` means public.
fn items(text: &str) -> Vec<Item<'_>> {
    let mut found = Vec::new();
    let mut documentation = String::new();
    for line in text.lines() {
        let is_nested = line.starts_with(' ');
        let line = line.trim();
        let declared = DECLARATIONS
            .iter()
            // An indented function is a method, and an indented type is an associated one.
            .filter(|it| !is_nested || !it.contains("fn ") && !it.contains("type "))
            .find_map(|it| line.strip_prefix(it).map(|rest| (*it, identifier(rest))));
        if let Some(prose) = line.strip_prefix("///") {
            documentation.push_str(prose.trim());
            documentation.push('\n');
        } else if let Some((declaration, name)) = declared {
            found.push(Item { declaration, name, has_example: has_example(&documentation) });
            documentation.clear();
        } else if line.is_empty() || line.ends_with('}') || line.ends_with(';') {
            documentation.clear();
        }
    }
    found
}

/// Whether a block under the heading is Rust that is compiled. The end of a block looks like the start of
/// one without attributes.
fn has_example(documentation: &str) -> bool {
    let Some((_, examples)) = documentation.split_once("\n# Examples\n") else { return false };
    let fences = examples.lines().filter(|line| line.starts_with("```"));
    fences.step_by(2).any(|start| matches!(start, "```" | "```no_run"))
}

/// The names of all public structs and enums.
pub(crate) fn public_types() -> Vec<String> {
    let sealed = |name: &str| {
        WITHOUT.iter().any(|(excused, why)| *excused == name && *why == "inside a sealed trait")
    };
    let sources = sources();
    let all = sources.iter().flat_map(|source| items(&source.text));
    let types = all.filter(|item| matches!(item.declaration, "pub struct " | "pub enum "));
    types.map(|item| item.name.to_owned()).filter(|name| !sealed(name)).collect()
}

#[test]
fn each_public_item_has_an_example_or_a_reason() {
    let sources = sources();
    let all: Vec<_> = sources.iter().flat_map(|source| items(&source.text)).collect();
    assert!(all.len() > 90, "the items were not found: {}", all.len());
    let excused = |name: &str| WITHOUT.iter().any(|(excused, _)| *excused == name);
    let missing: Vec<_> =
        all.iter().filter(|it| !it.has_example && !excused(it.name)).map(|it| it.name).collect();
    assert!(missing.is_empty(), "add `# Examples` to {missing:?}, or a reason to `WITHOUT`");
    for (name, reason) in WITHOUT {
        let without = all.iter().any(|item| item.name == name && !item.has_example);
        assert!(without, "{name} ({reason}) has an example or is gone; remove it from `WITHOUT`");
    }
}

#[test]
fn an_example_must_be_under_its_heading_and_be_compiled() {
    let item = |documentation: &str| {
        let text = format!("{documentation}\n#[derive(\n    Clone,\n)]\npub struct A<B>;\n");
        items(&text).iter().map(|it| (it.name.to_owned(), it.has_example)).collect::<Vec<_>>()
    };
    let expected = |has| vec![("A".to_owned(), has)];
    assert_eq!(
        item("/// An item.\n///\n/// # Examples\n///\n/// ```\n/// f();\n/// ```"),
        expected(true)
    );
    let fenced = |start: &str| {
        item(&format!("/// An item.\n///\n/// # Examples\n///\n/// {start}\n/// f();\n/// ```"))
    };
    assert_eq!(fenced("```no_run"), expected(true));
    for start in ["```text", "```ignore", "```toml", "```compile_fail", "```rust,ignore"] {
        assert_eq!(fenced(start), expected(false), "{start}");
    }
    assert_eq!(
        item(
            "/// An item.\n///\n/// # Examples\n///\n/// ```text\n/// a\n/// ```\n/// ```\n/// b\n/// ```"
        ),
        expected(true)
    );
    assert_eq!(item("/// An item.\n///\n/// ```\n/// f();\n/// ```"), expected(false));
    assert_eq!(item("/// # Examples\n/// ```\nfn other() {}\n\n/// An item."), expected(false));
}

#[test]
fn types_functions_and_aliases_are_items_and_methods_are_not() {
    let text = "pub trait TypesOf {\n    fn a();\n}\npub struct Types;\npub type Alias = u8;\n\
                pub fn free_one() {}\nimpl Types {\n    pub fn method(&self) {}\n}\n";
    let names: Vec<_> = items(text).iter().map(|item| item.name).collect();
    assert_eq!(names, ["TypesOf", "Types", "Alias", "free_one"]);
}
