//! Methods that send the client id, with or without the client secret.

use http::header;

use super::{
    draft::Draft,
    form::encoded,
    method::{Authenticating, ClientAuth},
    secret::{BLANK_SECRET, Secret},
};
use crate::basic_auth::basic;

/// `client_secret_post`: id and secret in the body.
#[derive(Debug)]
pub(crate) struct SecretPost {
    pub(crate) id: String,
    pub(crate) secret: Secret,
}

impl ClientAuth for SecretPost {
    fn mistake(&self) -> Option<&'static str> {
        self.secret.is_blank().then_some(BLANK_SECRET)
    }

    fn unknown_client(&self) -> Option<&'static str> {
        self.secret
            .is_closure()
            .then_some("the closure of client_secret_post may return the secret of any client")
    }

    fn method(&self) -> Option<&'static str> {
        Some("client_secret_post")
    }

    fn authenticate<'a>(&'a self, draft: &'a mut Draft) -> Authenticating<'a> {
        Box::pin(async move {
            let secret = self.secret.read(&draft.reading).await?;
            draft.form.push("client_id", &self.id);
            draft.form.push("client_secret", &secret);
            draft.secrets.push_password(&self.id, secret);
            Ok(())
        })
    }
}

/// `client_secret_basic`: id and secret in the `Authorization` field.
#[derive(Debug)]
pub(crate) struct SecretBasic {
    pub(crate) id: String,
    pub(crate) secret: Secret,
    /// Without form-encoding, for servers that do not decode it (RFC 7617 instead of RFC 6749 §2.3.1).
    pub(crate) raw: bool,
}

impl ClientAuth for SecretBasic {
    fn mistake(&self) -> Option<&'static str> {
        self.secret.is_blank().then_some(BLANK_SECRET)
    }

    fn unknown_client(&self) -> Option<&'static str> {
        self.secret
            .is_closure()
            .then_some("the closure of client_secret_basic may return the secret of any client")
    }

    fn method(&self) -> Option<&'static str> {
        Some("client_secret_basic")
    }

    fn authenticate<'a>(&'a self, draft: &'a mut Draft) -> Authenticating<'a> {
        Box::pin(async move {
            let secret = self.secret.read(&draft.reading).await?;
            let value = if self.raw {
                basic(self.id.as_bytes(), secret.as_bytes())
            } else {
                basic(encoded(&self.id).as_bytes(), encoded(&secret).as_bytes())
            };
            draft.headers.insert(header::AUTHORIZATION, value);
            draft.secrets.push_password(&self.id, secret);
            Ok(())
        })
    }
}

/// A public client, which sends only its id.
#[derive(Debug)]
pub(crate) struct PublicClient {
    pub(crate) id: String,
}

impl ClientAuth for PublicClient {
    fn method(&self) -> Option<&'static str> {
        Some("none")
    }

    fn authenticate<'a>(&'a self, draft: &'a mut Draft) -> Authenticating<'a> {
        draft.secrets.check("client id", &self.id);
        draft.form.push("client_id", &self.id);
        Box::pin(async { Ok(()) })
    }
}

/// No client authentication: the grant identifies the client (RFC 7523 §2.1, RFC 8693 §2.1).
#[derive(Debug)]
pub(crate) struct NoClient;

impl ClientAuth for NoClient {
    fn method(&self) -> Option<&'static str> {
        Some("none")
    }

    fn authenticate<'a>(&'a self, _: &'a mut Draft) -> Authenticating<'a> {
        Box::pin(async { Ok(()) })
    }

    fn is_anonymous(&self) -> bool {
        true
    }
}

#[cfg(test)]
mod tests {
    use base64::{Engine as _, engine::general_purpose::STANDARD};
    use http::HeaderValue;

    use super::*;

    async fn authorization(id: &str, secret: &str, raw: bool) -> HeaderValue {
        let mut draft = Draft::default();
        SecretBasic { id: id.into(), secret: secret.into(), raw }
            .authenticate(&mut draft)
            .await
            .unwrap();
        assert!(draft.form.encode().is_empty());
        draft.headers.remove(header::AUTHORIZATION).unwrap()
    }

    #[tokio::test]
    async fn basic_form_encodes_both_parts_and_writes_a_space_as_percent_20() {
        let value = authorization("my client:1", "p+s% é~", false).await;
        let pair = STANDARD.decode(&value.as_bytes()[6..]).unwrap();
        assert_eq!(pair, b"my%20client%3A1:p%2Bs%25%20%C3%A9%7E");
        assert!(value.is_sensitive());
    }

    #[tokio::test]
    async fn basic_raw_is_rfc_7617s_example() {
        let value = authorization("Aladdin", "open sesame", true).await;
        assert_eq!(value, "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==");
    }

    #[tokio::test]
    async fn basic_of_rfc_6749_section_2_3_1() {
        let value = authorization("s6BhdRkqt3", "7Fjfp0ZBr1KtDRbnfVdmIw", false).await;
        assert_eq!(value, "Basic czZCaGRSa3F0Mzo3RmpmcDBaQnIxS3REUmJuZlZkbUl3");
    }

    #[test]
    fn debug_shows_no_secret() {
        let basic = SecretBasic { id: "me".into(), secret: "hunter2".into(), raw: false };
        let post = SecretPost { id: "me".into(), secret: "hunter2".into() };
        let text = format!("{basic:?} {post:?}");
        assert!(text.contains("me") && !text.contains("hunter2"), "{text}");
    }
}
