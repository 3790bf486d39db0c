//! The form of a token response: everything except the token.

use std::time::{Duration, SystemTime};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::Value;

use crate::secrets::Secrets;

/// Stands for a `token_type` that is a number or the like.
pub(super) const NOT_A_STRING: &str = "not a string";

#[derive(Clone, Debug, Default)]
pub(crate) struct TokenAnswer {
    /// The form of `expires_in`, such as "a number".
    pub(crate) lifetime_form: &'static str,
    pub(crate) token_type: Option<String>,
    /// The form of `scope`, if it is not text.
    pub(crate) has_odd_scope: bool,
    pub(crate) has_refresh_token: bool,
    /// `exp` − `iat` of a token that is a JWT.
    pub(crate) jwt_lifetime: Option<Duration>,
    pub(crate) is_jwt: bool,
    /// Whether `exp` of a JWT has passed, or is before `iat`.
    pub(crate) is_jwt_expired: bool,
    /// `cnf.jkt` or `cnf.x5t#S256` of a JWT.
    pub(crate) jwt_binding: Option<&'static str>,
}

impl TokenAnswer {
    pub(super) fn read(json: &Value, secrets: &Secrets) -> Option<Self> {
        let token = json.get("access_token")?.as_str()?;
        let claims = claims(token);
        let claim = |name: &str| claims.as_ref().and_then(|claims| claims.get(name));
        let seconds = |name: &str| claim(name).and_then(Value::as_f64);
        let confirmation = claim("cnf");
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
        let now = now.map_or(0.0, |now| now.as_secs_f64());
        Some(Self {
            lifetime_form: form(json.get("expires_in")),
            token_type: json.get("token_type").filter(|it| !it.is_null()).map(|it| {
                match it.as_str() {
                    Some(text) => secrets.clean(text),
                    None => NOT_A_STRING.to_owned(),
                }
            }),
            has_odd_scope: json.get("scope").is_some_and(|scope| !scope.is_string()),
            has_refresh_token: json.get("refresh_token").is_some_and(|it| !it.is_null()),
            jwt_lifetime: seconds("exp")
                .zip(seconds("iat"))
                .and_then(|(exp, iat)| Duration::try_from_secs_f64(exp - iat).ok()),
            is_jwt: claims.is_some(),
            is_jwt_expired: seconds("exp")
                .is_some_and(|exp| exp < now || seconds("iat").is_some_and(|iat| exp < iat)),
            jwt_binding: ["jkt", "x5t#S256"]
                .into_iter()
                .find(|name| confirmation.is_some_and(|it| it.get(name).is_some())),
        })
    }
}

fn form(value: Option<&Value>) -> &'static str {
    match value {
        None => "missing",
        Some(Value::Number(number)) if number.is_u64() => "a number",
        Some(Value::Number(number)) if number.is_i64() => "a negative number",
        Some(Value::Number(number)) => match number.as_f64() {
            Some(seconds) if seconds < 0.0 => "a negative number",
            Some(seconds) if seconds.fract() == 0.0 => "a number",
            _ => "a number with a fraction",
        },
        Some(Value::String(text)) => match text.trim().parse::<f64>() {
            Ok(seconds) if seconds.is_finite() && seconds >= 0.0 => "a string",
            _ => "a string without a number",
        },
        Some(Value::Null) => "null",
        Some(_) => "neither a number nor a string",
    }
}

/// The claims of a JWT. Nothing is verified.
fn claims(token: &str) -> Option<Value> {
    let mut parts = token.split('.');
    let (_, payload, _) = (parts.next()?, parts.next()?, parts.next()?);
    let payload = URL_SAFE_NO_PAD.decode(payload.trim_end_matches('=')).ok()?;
    serde_json::from_slice(&payload).ok().filter(Value::is_object)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_form_of_the_lifetime_and_the_claims_of_a_jwt_are_read() {
        let payload = URL_SAFE_NO_PAD.encode(r#"{"iat":100,"exp":400,"cnf":{"jkt":"x"}}"#);
        let json = json!({"access_token": format!("e30.{payload}.c2ln"), "expires_in": "3600"});
        let answer = TokenAnswer::read(&json, &Secrets::default()).unwrap();
        assert_eq!(answer.lifetime_form, "a string");
        assert_eq!(answer.jwt_lifetime, Some(Duration::from_secs(300)));
        assert_eq!((answer.is_jwt, answer.jwt_binding), (true, Some("jkt")));
        let opaque = json!({"access_token": "a.b.c"});
        let answer = TokenAnswer::read(&opaque, &Secrets::default()).unwrap();
        assert_eq!((answer.is_jwt, answer.lifetime_form), (false, "missing"));
    }
}
