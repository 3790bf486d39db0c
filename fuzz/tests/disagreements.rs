//! Texts that this crate and `http-auth` read differently. README.md judges them by RFC 9110.

use fuzz::targets::challenge_differential::{Challenge, ours, theirs};

const README: &str = include_str!("../README.md");

/// Each text, and what this crate reads. `http-auth` refuses all of them.
const DISAGREEMENTS: &[(&str, &str)] = &[
    // Valid.
    ("", ""),
    ("Bearer  a=b", "Bearer[a=b]"),
    ("Bearer ,a=b", "Bearer[a=b]"),
    ("Negotiate oRQw==, Bearer a=b", "Negotiate[] Bearer[a=b]"),
    ("Bearer a=", "Bearer[]"),
    ("Bearer a=\"é\"", "Bearer[a=é]"),
    // Not valid.
    ("Bearer a=https://x.example/y?z", "Bearer[a=https://x.example/y?z]"),
    ("Bearer a=b c=d", "Bearer[a=b,c=d]"),
    ("Bearer a=\"b\"c=\"d\"", "Bearer[a=b,c=d]"),
    ("Bearer Basic a=b", "Bearer[] Basic[a=b]"),
    ("Bearer\ta=b", "Bearer[a=b]"),
    ("Bearer abc, d=e", "Bearer[d=e]"),
    ("Bearer a='b c'", "Bearer[a='b] c'[]"),
    ("Bearer a=é", "Bearer[a=é]"),
];

#[test]
fn only_this_crate_reads_the_listed_texts() {
    for (text, read) in DISAGREEMENTS {
        assert_eq!(ours(text.as_bytes()).map(|it| shown(&it)).as_deref(), Some(*read), "{text}");
        assert!(theirs(text).is_err(), "{text}");
        let listed = format!("| `{}` |", text.replace('\t', "⇥"));
        assert!(README.contains(&listed) || text.is_empty(), "README.md lacks {listed}");
    }
}

fn shown(challenges: &[Challenge]) -> String {
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    let param = |(name, value): &(Vec<u8>, Vec<u8>)| format!("{}={}", text(name), text(value));
    let challenge = |(scheme, params): &Challenge| {
        format!("{}[{}]", text(scheme), params.iter().map(param).collect::<Vec<_>>().join(","))
    };
    challenges.iter().map(challenge).collect::<Vec<_>>().join(" ")
}
