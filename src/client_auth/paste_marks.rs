//! Finds quotes and blanks that were copied together with a credential. For instance,
//! `docker --env-file` keeps quotes and trailing blanks.

/// A hint about such marks around a value, without the value.
pub(super) fn describe(name: &str, value: &str) -> Option<String> {
    const QUOTES: [(char, char); 5] =
        [('"', '"'), ('\'', '\''), ('`', '`'), ('\u{201c}', '\u{201d}'), ('\u{2018}', '\u{2019}')];
    let (first, last) = (value.chars().next()?, value.chars().next_back()?);
    let opens = QUOTES.iter().any(|(open, _)| *open == first);
    let closes = QUOTES.iter().any(|(_, close)| *close == last);
    let what = if value.chars().count() > 1 && QUOTES.contains(&(first, last)) {
        "is in quotes, which are"
    } else if matches!(last, '\n' | '\r') {
        "ends with a line break, which is"
    } else if last.is_whitespace() {
        "ends with a blank, which is"
    } else if first.is_whitespace() {
        "begins with a blank, which is"
    } else if is_invisible(last) || is_invisible(first) {
        "begins or ends with an invisible character, which is"
    } else if value.ends_with("\\n") || value.ends_with("\\r") {
        "ends with a backslash and a letter, which are"
    } else if opens || closes {
        "begins or ends with a quote, which is"
    } else {
        return None;
    };
    Some(format!("the {name} {what} sent as a part of it; remove that unless it belongs to it"))
}

/// A byte order mark or a zero-width character.
fn is_invisible(c: char) -> bool {
    c.is_control() || matches!(c, '\u{feff}' | '\u{200b}'..='\u{200f}' | '\u{2060}')
}

#[cfg(test)]
mod tests {
    use super::describe;

    #[test]
    fn marks_around_a_value_are_named_and_the_value_is_not_shown() {
        for (value, mark) in [
            ("\"hunter2\"", "in quotes"),
            ("'hunter2'", "in quotes"),
            ("\u{201c}hunter2\u{201d}", "in quotes"),
            ("\"\"", "in quotes"),
            ("hunter2\n", "ends with a line break"),
            ("hunter2\r\n", "ends with a line break"),
            ("\"hunter2\"\n", "ends with a line break"),
            ("hunter2 ", "ends with a blank"),
            ("hunter2\u{a0}", "ends with a blank"),
            ("\thunter2", "begins with a blank"),
            ("\u{feff}hunter2", "an invisible character"),
            ("hunter2\u{200b}", "an invisible character"),
            ("hunter2\\n", "a backslash and a letter"),
            ("\"hunter2", "begins or ends with a quote"),
            ("hunter2'", "begins or ends with a quote"),
            ("'", "begins or ends with a quote"),
        ] {
            let hint = describe("client secret", value).expect(value);
            assert!(hint.starts_with("the client secret ") && hint.contains(mark), "{hint}");
            assert!(!hint.contains("hunter2"), "{hint}");
        }
        for value in ["hunter2", "", "a \"quoted\" word", "x", "n\\", "é"] {
            assert_eq!(describe("client secret", value), None, "{value}");
        }
    }
}
