//! What a challenge says: its schemes and error codes.

use http::{HeaderMap, header};

use crate::secrets::Secrets;

/// `scheme`, or `scheme error="code"`, for each field. Other parameters are left out.
pub(super) fn names(headers: &HeaderMap, secrets: &Secrets) -> Vec<String> {
    let values = headers.get_all(header::WWW_AUTHENTICATE).into_iter().take(8);
    let values = values.filter_map(|value| value.to_str().ok());
    values
        .map(|value| {
            let scheme = secrets.clean(value.split([' ', ',']).next().unwrap_or_default());
            match error(value) {
                Some(code) => format!("{scheme} error=\"{}\"", secrets.clean(code)),
                None => scheme,
            }
        })
        .collect()
}

fn error(value: &str) -> Option<&str> {
    let (_, rest) = value.split_once("error=")?;
    let code = match rest.strip_prefix('"') {
        Some(quoted) => quoted.split('"').next(),
        None => rest.split([',', ' ']).next(),
    };
    code.filter(|code| !code.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_challenge_is_its_scheme_and_code() {
        let secrets = Secrets::default();
        for (value, expected) in [
            ("Bearer", "Bearer"),
            (
                "Bearer realm=\"a b\", error=\"invalid_token\", error_description=\"x\"",
                "Bearer error=\"invalid_token\"",
            ),
            ("DPoP error=use_dpop_nonce, algs=\"ES256\"", "DPoP error=\"use_dpop_nonce\""),
        ] {
            let headers = [(header::WWW_AUTHENTICATE, value.parse().unwrap())];
            assert_eq!(names(&headers.into_iter().collect(), &secrets), [expected]);
        }
    }
}
