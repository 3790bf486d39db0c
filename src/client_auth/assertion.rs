//! The settings of all client assertions (RFC 7521 §4.2).

use zeroize::Zeroizing;

use super::draft::Draft;

/// RFC 7523 §2.2.
pub(crate) const JWT_BEARER: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

/// Long enough for a slow network. Short, so that a leaked assertion is soon useless.
#[cfg(feature = "jwt")]
const LIFETIME: std::time::Duration = std::time::Duration::from_secs(60);

/// The settings of client assertions.
#[derive(Clone, Debug)]
pub(crate) struct AssertionSettings {
    pub(crate) assertion_type: String,
    pub(crate) client_id_in_body: bool,
    #[cfg(feature = "jwt")]
    pub(crate) lifetime: std::time::Duration,
    #[cfg(feature = "jwt")]
    pub(crate) typ: bool,
}

impl Default for AssertionSettings {
    fn default() -> Self {
        Self {
            assertion_type: JWT_BEARER.to_owned(),
            client_id_in_body: true,
            #[cfg(feature = "jwt")]
            lifetime: LIFETIME,
            #[cfg(feature = "jwt")]
            typ: true,
        }
    }
}

impl AssertionSettings {
    /// # Errors
    ///
    /// The first invalid setting, with what to do.
    pub(crate) fn check(&self) -> Result<(), &'static str> {
        if self.assertion_type.trim().is_empty() {
            return Err("client_assertion_type: it is empty; leave it out, or pass a URI");
        }
        #[cfg(feature = "jwt")]
        if self.lifetime < std::time::Duration::from_secs(1) {
            return Err("assertion_lifetime: it is below 1 s; set 1 s or more");
        }
        Ok(())
    }

    /// Puts an assertion into the request.
    pub(super) fn present(
        &self,
        client_id: Option<&str>,
        assertion: Zeroizing<String>,
        draft: &mut Draft,
    ) {
        if let Some(id) = client_id.filter(|_| self.client_id_in_body) {
            draft.form.push("client_id", id);
        }
        draft.form.push("client_assertion_type", &self.assertion_type);
        draft.form.push("client_assertion", &assertion);
        draft.secrets.push(assertion);
    }
}
