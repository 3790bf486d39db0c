//! P8, P12: of any entry in a store, a process uses a valid token that is in it, a failure by its
//! name, or nothing. An entry that was sealed by another key or not at all never opens for a process
//! with a key, and is not overwritten. Neither does a sealed one for a process without a key.

use tower_oauth2_client_credentials::{
    Error, Token,
    source::AcquireContext,
    store::{SealingKey, Shared},
};

use crate::{
    planted::{Planted, now},
    support::{acquire, check_error},
};

pub fn run(data: &[u8]) {
    let Some((mode, content)) = data.split_first() else { return };
    let (has_key, is_raw) = (mode & 1 != 0, mode & 2 != 0);
    let opens = !has_key && !is_raw;
    let store = Planted { opens, is_raw, content: content.into() };
    let source = |_: AcquireContext| async { Token::bearer("own") };
    let shared = Shared::builder(source, store).namespace("fuzz").wall_clock(now);
    let key = SealingKey::from_bytes(b"not a real key, just an example.").expect("32 bytes");
    let shared = if has_key { shared.sealed_with([key]) } else { shared.plain_text() };
    let token = match acquire(&shared.build().expect("the settings are good")) {
        Ok(token) => token,
        Err(error) => return check_failure(&error, opens),
    };
    if token.secret() != "own" {
        let holds = |text: &str| content.windows(text.len().max(1)).any(|it| it == text.as_bytes());
        assert!(opens && holds(token.secret()));
        assert!(token.secret().bytes().all(|byte| (0x21..=0x7e).contains(&byte)));
        assert!(token.scope().is_none_or(|scope| scope.is_empty() || holds(scope)));
        assert!(token.header_value().is_sensitive());
    }
}

fn check_failure(error: &Error, opens: bool) {
    assert!(opens);
    check_error(error);
    assert!(error.oauth_code().is_none_or(|code| code.len() <= 64), "{error}");
}
