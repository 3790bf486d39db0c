//! Sanitizes server text for logs: bounded, one line, without control and invisible characters.

/// Maximum length of a server's text in an error, in characters.
const MAX_CHARS: usize = 200;

/// Shortens a server's text and replaces characters that could forge log lines or terminal output.
/// Printable Unicode stays. Control, bidirectional and invisible characters become `?`. Spaces of any width
/// become a space, and quotes become `'`, because messages quote this text.
pub(crate) fn sanitise(text: &str) -> String {
    let mut clean: String = text.chars().take(MAX_CHARS).map(printable).collect();
    if text.chars().nth(MAX_CHARS).is_some() {
        clean.push('…');
    }
    clean
}

/// The names in a list for a message, at most 12 of them.
pub(crate) fn join_names(names: &[String]) -> String {
    const MAX_NAMES: usize = 12;
    let more = if names.len() > MAX_NAMES { ", …" } else { "" };
    format!("{}{more}", names[..names.len().min(MAX_NAMES)].join(", "))
}

fn printable(c: char) -> char {
    match c {
        '"' => '\'',
        ' '..='~' => c,
        // Zs, the separators that have a width.
        '\u{a0}' | '\u{1680}' | '\u{2000}'..='\u{200a}' | '\u{202f}' | '\u{205f}' | '\u{3000}' => {
            ' '
        }
        _ if is_invisible(c) || !is_printable(c) => '?',
        _ => c,
    }
}

/// By the standard library's table, which `Debug` of a string uses. It excludes control, format,
/// private-use and unassigned characters, and line and paragraph separators.
fn is_printable(c: char) -> bool {
    // The table alone: at the start of a string, combining marks are escaped too.
    let mut text = [0; 5];
    text[0] = b'a';
    let end = 1 + c.encode_utf8(&mut text[1..]).len();
    str::from_utf8(&text[..end]).is_ok_and(|text| text.escape_debug().count() == 2)
}

/// Code points without a glyph that are not format characters: combining joiners, fillers
/// and variation selectors (`Default_Ignorable_Code_Point`), and the blank Braille pattern.
fn is_invisible(c: char) -> bool {
    matches!(c,
        '\u{34f}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}'
        | '\u{180b}'..='\u{180f}' | '\u{2800}' | '\u{3164}' | '\u{fe00}'..='\u{fe0f}'
        | '\u{ffa0}' | '\u{e0000}'..='\u{e0fff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn printable_characters_of_every_script_stay() {
        for text in [
            "§ 5.2: accès refusé — Größe €",
            "クライアント認証に失敗しました。",
            "Неверный секрет клиента",
            "فشل مصادقة العميل",
            "e\u{301} नमस्ते 🔑",
            "CORP\\svc",
            "!#$%&'()*+,-./:;<=>?@[]^_`{|}~",
        ] {
            assert_eq!(sanitise(text), text);
        }
    }

    #[test]
    fn controls_bidi_marks_invisible_characters_and_separators_do_not_stay() {
        assert_eq!(sanitise("a\r\nb\u{1b}[31m\u{202e}\"c\""), "a??b?[31m?'c'");
        let controls = (0..0x20).chain(0x7f..0xa0);
        let bidi =
            [0x61c, 0x200e, 0x200f].into_iter().chain(0x202a..=0x202e).chain(0x2066..=0x2069);
        let invisible = [0xad, 0x34f, 0x180e, 0xfeff, 0x3164, 0xfe0f, 0xe0061, 0xe0100];
        let invisible = invisible.into_iter().chain(0x200b..=0x200d).chain(0x2060..=0x2064);
        let other = [0x2028, 0x2029, 0xe000, 0xfffe, 0xfff9, 0x10ffff];
        for code in controls.chain(bidi).chain(invisible).chain(other) {
            let text = format!("a{}b", char::from_u32(code).unwrap());
            assert_eq!(sanitise(&text), "a?b", "U+{code:04X}");
        }
        for space in ['\u{a0}', '\u{2003}', '\u{202f}', '\u{3000}'] {
            assert_eq!(sanitise(&format!("a{space}b")), "a b");
        }
    }

    #[test]
    fn long_text_is_cut() {
        for unit in ["x", "é", "🔑"] {
            let cut = sanitise(&unit.repeat(100_000));
            assert_eq!(cut.chars().count(), 201);
            assert!(cut.ends_with('…'));
        }
    }
}
