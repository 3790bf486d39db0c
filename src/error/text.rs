//! Server text before it reaches a log: bounded, one line, nothing a terminal would obey.

/// How much of a server's text an error shows, in characters.
const MAX_CHARS: usize = 200;

/// Cuts a server's text and replaces what could forge log lines or terminal output: everything
/// but printable ASCII becomes `?`, quotes become `'` (RFC 6749 §5.2 allows no others anyway).
pub(crate) fn sanitise(text: &str) -> String {
    let mut clean: String = text
        .chars()
        .take(MAX_CHARS)
        .map(|c| match c {
            '"' => '\'',
            '\\' => '?',
            ' '..='~' => c,
            _ => '?',
        })
        .collect();
    if text.chars().nth(MAX_CHARS).is_some() {
        clean.push('…');
    }
    clean
}

#[cfg(test)]
mod tests {
    use super::sanitise;

    #[test]
    fn control_and_foreign_characters_are_replaced() {
        assert_eq!(sanitise("a\r\nb\u{1b}[31m\u{202e}\"c\""), "a??b?[31m?'c'");
    }

    #[test]
    fn long_text_is_cut() {
        let cut = sanitise(&"x".repeat(1_000_000));
        assert_eq!(cut.chars().count(), 201);
        assert!(cut.ends_with('…'));
    }
}
