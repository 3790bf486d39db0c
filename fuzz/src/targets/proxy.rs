//! P8, P9: any proxy variables become proxies, or an error that shows no password. Loopback and the
//! hosts of `NO_PROXY` have none, a CGI process ignores `HTTP_PROXY`, and a proxy as it is shown means
//! the same proxy.

use crate::{
    support::{leaks, with_secret},
    transport::{VARIABLES, fixed, proxies, set_variable},
};

pub fn run(data: &[u8]) {
    let text = with_secret(data);
    let data = text.as_ref().map_or(data, |text| text.as_bytes());
    if data.contains(&0) {
        return;
    }
    let mut lines = data.split(|byte| *byte == b'\n');
    let Some(Ok(host)) = lines.next().map(str::from_utf8) else { return };
    let values: Vec<_> = VARIABLES.iter().map(|_| lines.next().unwrap_or_default()).collect();
    VARIABLES.iter().zip(&values).for_each(|(name, value)| set_variable(name, value));
    // A secret is what stands before an @.
    let has_other = values[..6].iter().any(|value| {
        value
            .rsplit(|byte| *byte == b'@')
            .next()
            .is_some_and(|it| leaks(&String::from_utf8_lossy(it)))
    });
    let chosen = match proxies(host) {
        Ok(chosen) => chosen,
        Err(error) => return assert!(!leaks(&error.0), "{}", error.0),
    };
    for shown in chosen.iter().flatten() {
        assert!(has_other || !leaks(shown), "{shown}");
        assert_eq!(fixed(shown), *shown);
    }
    for loopback in ["localhost", "127.0.0.1", "[::1]"] {
        assert_eq!(proxies(loopback).expect("as before"), [None, None]);
    }
    if !values[8].is_empty() && values[0].is_empty() && values[4].is_empty() && values[5].is_empty()
    {
        assert_eq!(chosen[0], None);
    }
    let is_name = |byte: u8| byte.is_ascii_alphanumeric() || b"-.".contains(&byte);
    if !host.is_empty() && host.bytes().all(is_name) {
        let list = [values[6], b",", host.as_bytes()].concat();
        set_variable(VARIABLES[6], &list);
        // A lone asterisk hides errors in the other variables.
        if let Ok(chosen) = proxies(host) {
            assert_eq!(chosen, [None, None]);
        }
    }
}
