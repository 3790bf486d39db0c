//! Splits Rust code into tokens, and removes test code from them.

/// Identifiers, `::` and single characters. Comments, literals and lifetimes are left out.
pub(crate) fn tokens(text: &str) -> Vec<&str> {
    let bytes = text.as_bytes();
    let mut found = Vec::new();
    let mut at = 0;
    while at < bytes.len() {
        let rest = &text[at..];
        let c = rest.chars().next().unwrap();
        at += match c {
            _ if rest.starts_with("//") => rest.find('\n').unwrap_or(rest.len()),
            _ if rest.starts_with("/*") => rest.find("*/").map_or(rest.len(), |end| end + 2),
            '"' => string(rest),
            'r' | 'b' | 'c' if literal_prefix(rest).is_some() => literal_prefix(rest).unwrap(),
            '\'' => quote(rest),
            _ if is_word(c) => {
                let end = rest.find(|c| !is_word(c)).unwrap_or(rest.len());
                if !c.is_ascii_digit() {
                    found.push(&rest[..end]);
                }
                end
            }
            _ if rest.starts_with("::") => {
                found.push("::");
                2
            }
            _ if c.is_whitespace() => c.len_utf8(),
            _ => {
                found.push(&rest[..c.len_utf8()]);
                c.len_utf8()
            }
        };
    }
    found
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

/// The length of the string literal at the beginning.
fn string(text: &str) -> usize {
    let mut escaped = false;
    for (at, c) in text.char_indices().skip(1) {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '"' => return at + 1,
            _ => {}
        }
    }
    text.len()
}

/// The length of a literal such as `b"…"`, `r#"…"#` or `b'…'`, if the text begins with one.
fn literal_prefix(text: &str) -> Option<usize> {
    let prefix = text.find(|c: char| !matches!(c, 'r' | 'b' | 'c')).filter(|len| *len <= 2)?;
    let raw = text[..prefix].contains('r');
    let body = &text[prefix..];
    if raw {
        let hashes = body.find(|c| c != '#').unwrap_or(0);
        body[hashes..].strip_prefix('"')?;
        let end = format!("\"{}", "#".repeat(hashes));
        let found = body[hashes + 1..].find(&end)?;
        return Some(prefix + hashes + 1 + found + end.len());
    }
    match body.chars().next()? {
        '"' => Some(prefix + string(body)),
        '\'' => Some(prefix + quote(body)),
        _ => None,
    }
}

/// The length of a character literal, or of a lifetime.
fn quote(text: &str) -> usize {
    let mut chars = text.char_indices().skip(1);
    match (chars.next(), chars.next()) {
        (Some((_, '\\')), Some((escaped, _))) => {
            let from = escaped + 1;
            text[from..].find('\'').map_or(text.len(), |end| from + end + 1)
        }
        (Some(_), Some((at, '\''))) => at + 1,
        _ => text[1..].find(|c| !is_word(c)).map_or(text.len(), |end| end + 1),
    }
}

/// The tokens without the items that are compiled for tests only, and the names of the modules
/// among those items.
pub(crate) fn without_tests<'a>(tokens: &[&'a str]) -> (Vec<&'a str>, Vec<&'a str>) {
    let (mut kept, mut test_modules) = (Vec::new(), Vec::new());
    let mut at = 0;
    while at < tokens.len() {
        if tokens[at..].starts_with(&["#", "["]) && is_test(&tokens[at..]) {
            while tokens.get(at) == Some(&"#") {
                at += attribute(&tokens[at..]);
            }
            let item = item(&tokens[at..]);
            let body = &tokens[at..at + item];
            if let Some(module) = body.iter().position(|token| *token == "mod") {
                test_modules.extend(body.get(module + 1));
            }
            at += item;
        } else {
            kept.push(tokens[at]);
            at += 1;
        }
    }
    (kept, test_modules)
}

/// Whether the attribute at the beginning leaves an item to tests: `cfg(test)`, `cfg(all(test, …))`.
fn is_test(tokens: &[&str]) -> bool {
    let attribute = &tokens[..attribute(tokens)];
    let all = ["cfg", "(", "all", "(", "test"];
    attribute[2..].starts_with(&["cfg", "(", "test", ")"]) || attribute[2..].starts_with(&all)
}

/// The length of the attribute at the beginning.
fn attribute(tokens: &[&str]) -> usize {
    let mut depth = 0;
    for (at, token) in tokens.iter().enumerate() {
        match *token {
            "[" => depth += 1,
            "]" if depth == 1 => return at + 1,
            "]" => depth -= 1,
            _ => {}
        }
    }
    tokens.len()
}

/// The length of the item, field or match arm at the beginning.
fn item(tokens: &[&str]) -> usize {
    const ITEMS: [&str; 13] = [
        "async",
        "const",
        "enum",
        "fn",
        "impl",
        "macro_rules",
        "mod",
        "pub",
        "static",
        "struct",
        "trait",
        "type",
        "use",
    ];
    let is_item = tokens.first().is_some_and(|token| ITEMS.contains(token));
    let is_use = tokens.iter().take(5).any(|token| *token == "use");
    let mut depth = 0;
    for (at, token) in tokens.iter().enumerate() {
        match *token {
            "{" | "(" | "[" => depth += 1,
            "}" | ")" | "]" if depth == 0 => return at,
            "}" | ")" | "]" => {
                depth -= 1;
                if depth == 0 && *token == "}" && !is_use {
                    return at + 1;
                }
            }
            ";" if depth == 0 => return at + 1,
            "," if depth == 0 && !is_item => return at + 1,
            _ => {}
        }
    }
    tokens.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comments_and_literals_are_no_tokens() {
        let text = r##"/// `a::b`
            let x: &'a str = "c::\"d"; /* e::f */ let y = ('"', '\'', b'g', r#"h"::i"#, 1_000u64);"##;
        let joined = tokens(text).join(" ");
        assert_eq!(joined, "let x : & str = ; let y = ( , , , , ) ;");
    }

    #[test]
    fn test_items_are_left_out() {
        let text = "use a::b; #[cfg(test)] #[path = \"x\"] mod more; #[cfg(all(test, unix))]
            pub(crate) use c::{d, e}; #[cfg(not(test))] fn f() {} #[cfg(test)] impl g { fn h() {} }
            struct I { #[cfg(test)] j: J<K>, l: L } #[cfg(any(test, unix))] fn m() {}";
        let tokens = tokens(text);
        let (kept, modules) = without_tests(&tokens);
        let expected = "use a :: b ; # [ cfg ( not ( test ) ) ] fn f ( ) { } struct I { l : L } \
                        # [ cfg ( any ( test , unix ) ) ] fn m ( ) { }";
        assert_eq!((kept.join(" ").as_str(), modules), (expected, vec!["more"]));
    }
}
