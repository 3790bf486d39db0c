//! P7: for any challenges, a success is no rejection, the case of the scheme does not matter, and
//! field lines mean the same as one line with commas between them (RFC 9110 §5.3), unless one of them
//! cannot be parsed.

use http::{HeaderMap, StatusCode, header::WWW_AUTHENTICATE};

use crate::{
    layer::{
        challenge::{RejectionPolicy, Verdict, classify},
        challenges,
    },
    support::field_value,
};

pub fn run(data: &[u8]) {
    let Some((mode, text)) = data.split_first() else { return };
    let status = [401, 403, 400, 407, 404, 200][usize::from(*mode) % 6];
    let status = StatusCode::from_u16(status).expect("a status");
    let lines: Vec<_> = text.split(|byte| *byte == b'\n').filter_map(field_value).collect();
    let rules = [RejectionPolicy::by_challenge(), RejectionPolicy::any_scheme()];
    let rule = &rules[usize::from(*mode) / 6 % 2];
    let classify = |lines: &mut dyn Iterator<Item = http::HeaderValue>, scheme| {
        let headers: HeaderMap = lines.map(|line| (WWW_AUTHENTICATE, line)).collect();
        classify(status, &headers, &WWW_AUTHENTICATE, scheme, rule)
    };
    let verdict = classify(&mut lines.iter().cloned(), "Bearer");
    assert_eq!(verdict, classify(&mut lines.iter().cloned(), "bEARER"));
    if !matches!(status.as_u16(), 400..=403) {
        assert_eq!(verdict, Verdict::PassThrough);
    }
    // As many bytes as are read.
    let length: usize = lines.iter().map(|line| line.len() + 2).sum();
    let is_well_formed = |line: &http::HeaderValue| challenges(line.as_bytes()).is_some();
    if length <= 16 * 1024 && lines.iter().all(is_well_formed) {
        let joined = lines.iter().map(|line| line.as_bytes()).collect::<Vec<_>>().join(&b", "[..]);
        assert_eq!(verdict, classify(&mut field_value(&joined).into_iter(), "Bearer"));
    }
}
