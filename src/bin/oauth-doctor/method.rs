//! The methods of client authentication.

use std::fmt;

use clap::ValueEnum;

/// A method, by the name that the setting `auth_method` has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
#[value(rename_all = "snake_case")]
pub(crate) enum Method {
    ClientSecretBasic,
    /// Basic without form-encoding, for servers that do not decode it.
    ClientSecretBasicRaw,
    ClientSecretPost,
    ClientSecretJwt,
    PrivateKeyJwt,
    ClientAssertionFile,
    TlsClientAuth,
    SelfSignedTlsClientAuth,
    /// A public client.
    None,
}

impl Method {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::ClientSecretBasic => "client_secret_basic",
            Self::ClientSecretBasicRaw => "client_secret_basic_raw",
            Self::ClientSecretPost => "client_secret_post",
            Self::ClientSecretJwt => "client_secret_jwt",
            Self::PrivateKeyJwt => "private_key_jwt",
            Self::ClientAssertionFile => "client_assertion_file",
            Self::TlsClientAuth => "tls_client_auth",
            Self::SelfSignedTlsClientAuth => "self_signed_tls_client_auth",
            Self::None => "none",
        }
    }

    /// The name in metadata (`token_endpoint_auth_methods_supported`).
    pub(crate) fn registered_name(self) -> &'static str {
        match self {
            Self::ClientSecretBasicRaw => "client_secret_basic",
            Self::ClientAssertionFile => "private_key_jwt",
            other => other.name(),
        }
    }

    pub(crate) fn is_basic(self) -> bool {
        matches!(self, Self::ClientSecretBasic | Self::ClientSecretBasicRaw)
    }

    pub(crate) fn needs_secret(self) -> bool {
        self.is_basic() || matches!(self, Self::ClientSecretPost | Self::ClientSecretJwt)
    }
}

impl fmt::Display for Method {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
