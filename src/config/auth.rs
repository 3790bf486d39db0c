//! The settings of the client authentication: the method, and the settings that belong to it.

use super::ClientCredentialsConfig;
#[cfg(feature = "hyper-transport")]
use super::{files::Located, read::config_error};
#[cfg(feature = "jwt")]
use crate::{
    client_auth::AssertionAudience,
    error::BoxError,
    jose::{HmacAlgorithm, SigningAlgorithm, SigningKeySource},
};
use crate::{
    client_auth::{JWT_BEARER, Secret, check_assertion},
    endpoint::ClientCredentialsBuilder,
    error::Error,
};
#[cfg(feature = "hyper-transport")]
use crate::{limits::MAX_CERTIFICATE_BYTES, transport::ClientIdentity};

#[derive(Clone, Copy)]
enum Method {
    Basic,
    BasicRaw,
    Post,
    SecretJwt,
    PrivateKeyJwt,
    AssertionFile,
    Tls,
    SelfSignedTls,
    Public,
}

struct MethodInfo {
    method: Method,
    /// The name in the registry of RFC 7591 §2, if it has one.
    name: &'static str,
    /// The settings in [`METHOD_SETTINGS`] that it uses.
    uses: &'static [&'static str],
}

const SECRET: [&str; 2] = ["client_secret", "client_secret_file"];
const CERTIFICATE: [&str; 2] = ["client_certificate_file", "client_key_file"];

/// The key, which also signs the JWT with given claims.
const KEY: [&str; 3] = ["private_key_file", "signing_algorithm", "key_id"];

const METHODS: [MethodInfo; 9] = [
    MethodInfo { method: Method::Basic, name: "client_secret_basic", uses: &SECRET },
    MethodInfo { method: Method::BasicRaw, name: "client_secret_basic_raw", uses: &SECRET },
    MethodInfo { method: Method::Post, name: "client_secret_post", uses: &SECRET },
    MethodInfo {
        method: Method::SecretJwt,
        name: "client_secret_jwt",
        uses: &[
            "client_secret",
            "client_secret_file",
            "signing_algorithm",
            "assertion_audience",
            "client_assertion_type",
        ],
    },
    MethodInfo {
        method: Method::PrivateKeyJwt,
        name: "private_key_jwt",
        uses: &[
            "private_key_file",
            "signing_algorithm",
            "key_id",
            "assertion_audience",
            "client_assertion_type",
        ],
    },
    MethodInfo {
        method: Method::AssertionFile,
        name: "client_assertion_file",
        uses: &["client_assertion_file", "client_assertion_type"],
    },
    MethodInfo { method: Method::Tls, name: "tls_client_auth", uses: &[] },
    MethodInfo { method: Method::SelfSignedTls, name: "self_signed_tls_client_auth", uses: &[] },
    MethodInfo { method: Method::Public, name: "none", uses: &[] },
];

/// The settings that belong to some methods and not to others.
const METHOD_SETTINGS: [&str; 8] = [
    "client_secret",
    "client_secret_file",
    "private_key_file",
    "client_assertion_file",
    "signing_algorithm",
    "key_id",
    "assertion_audience",
    "client_assertion_type",
];

impl ClientCredentialsConfig {
    pub(super) fn authenticate(
        &self,
        builder: ClientCredentialsBuilder,
    ) -> Result<ClientCredentialsBuilder, Error> {
        let known = self.method()?;
        let signs = self.signs_a_jwt();
        let used = |it: &str| known.uses.contains(&it) || (signs && KEY.contains(&it));
        let unused = METHOD_SETTINGS.iter().find(|it| self.is_set(it) && !used(it));
        if let Some(unused) = unused {
            let why = format!(
                "{} does not use it; remove it, or set {} to a method that uses it",
                known.name,
                self.name("auth_method")
            );
            return Err(self.wrong(unused, why));
        }
        let id = self.text("client_id")?;
        if id.is_none() && matches!(known.method, Method::Public) {
            return self.certificate(builder.no_client_authentication());
        }
        let Some(id) = id else {
            return Err(self.missing(
                &["client_id"],
                "set the id that the authorization server gave this client",
            ));
        };
        let id = id.as_str();
        let mut builder = match known.method {
            Method::Basic => builder.client_secret_basic(id, self.client_secret(known)?),
            Method::BasicRaw => builder.client_secret_basic_raw(id, self.client_secret(known)?),
            Method::Post => builder.client_secret_post(id, self.client_secret(known)?),
            #[cfg(feature = "jwt")]
            Method::SecretJwt => self.client_secret_jwt(builder, id, known)?,
            #[cfg(feature = "jwt")]
            Method::PrivateKeyJwt => self.private_key_jwt(builder, id, known)?,
            #[cfg(not(feature = "jwt"))]
            Method::SecretJwt | Method::PrivateKeyJwt => {
                let chosen =
                    ["auth_method", "private_key_file"].into_iter().find(|it| self.is_set(it));
                let why = format!("{} needs this crate's feature `jwt`", known.name);
                return Err(self.wrong(chosen.unwrap_or("auth_method"), why));
            }
            Method::AssertionFile => match self.file("client_assertion_file")? {
                Some(file) => builder.client_assertion_in(id.to_owned(), file),
                None => return Err(self.needs(&["client_assertion_file"], known)),
            },
            Method::Tls => builder.tls_client_auth(id),
            Method::SelfSignedTls => builder.self_signed_tls_client_auth(id),
            Method::Public => builder.public_client(id),
        };
        if let Some(assertion_type) = self.text("client_assertion_type")? {
            builder = builder.client_assertion_type(&*assertion_type);
        }
        self.certificate(builder)
    }

    /// Checks the settings that are required when nothing is set in code.
    pub(super) fn check_alone(&self) -> Result<(), Error> {
        for setting in ["token_url", "issuer"].into_iter().filter(|it| self.is_set(it)) {
            self.url(setting, false)?;
        }
        let known = self.method()?;
        let by_certificate = matches!(known.method, Method::Tls | Method::SelfSignedTls);
        if by_certificate && !self.is_set("client_certificate_file") {
            return Err(self.needs(&["client_certificate_file", "client_key_file"], known));
        }
        Ok(())
    }

    /// The method that is named, or the method that uses the configured credential.
    fn method(&self) -> Result<&'static MethodInfo, Error> {
        let by = |name: &str| METHODS.iter().find(|known| known.name == name);
        if let Some(name) = self.text("auth_method")? {
            return by(&name).ok_or_else(|| {
                let names: Vec<_> = METHODS.iter().map(|known| known.name).collect();
                self.wrong("auth_method", format!("it is not one of {}", names.join(", ")))
            });
        }
        let credentials = [
            ("client_secret", "client_secret_basic"),
            ("client_secret_file", "client_secret_basic"),
            ("private_key_file", "private_key_jwt"),
            ("client_assertion_file", "client_assertion_file"),
        ];
        // The key of a JWT with given claims is not the client's, unless a setting says so.
        let is_set = |setting| {
            self.is_set(setting) && !(setting == "private_key_file" && self.signs_a_jwt())
        };
        let found = credentials.iter().find(|(setting, _)| is_set(setting));
        found.and_then(|(_, name)| by(name)).ok_or_else(|| {
            let settings = credentials.map(|(setting, _)| setting);
            let advice = format!("set one of them, or {}", self.name("auth_method"));
            self.missing(&settings, &advice)
        })
    }

    fn needs(&self, settings: &[&str], known: &MethodInfo) -> Error {
        self.missing(settings, &format!("{} needs it", known.name))
    }

    fn client_secret(&self, known: &MethodInfo) -> Result<Secret, Error> {
        match self.one_of("client_secret", "client_secret_file")? {
            None => Err(self.missing(&SECRET, &format!("{} needs one of them", known.name))),
            Some("client_secret") => Ok(self
                .secret("client_secret")?
                .map(Secret::from_wiped)
                .unwrap_or_else(|| "".into())),
            Some(file) => match self.file(file)? {
                Some(file) => Ok(Secret::in_file(file)),
                None => Err(self.needs(&SECRET, known)),
            },
        }
    }

    #[cfg(feature = "jwt")]
    fn client_secret_jwt(
        &self,
        builder: ClientCredentialsBuilder,
        id: &str,
        known: &MethodInfo,
    ) -> Result<ClientCredentialsBuilder, Error> {
        let algorithm = match self.text("signing_algorithm")? {
            None => HmacAlgorithm::Hs256,
            Some(name) => name.parse().map_err(|_| {
                self.wrong("signing_algorithm", "it is not one of HS256, HS384, HS512")
            })?,
        };
        let audience = self.assertion_audience()?;
        Ok(builder.client_secret_jwt(id, self.client_secret(known)?, algorithm, audience))
    }

    #[cfg(feature = "jwt")]
    fn private_key_jwt(
        &self,
        builder: ClientCredentialsBuilder,
        id: &str,
        known: &MethodInfo,
    ) -> Result<ClientCredentialsBuilder, Error> {
        let Some(key) = self.signing_key()? else {
            return Err(self.needs(&["private_key_file"], known));
        };
        Ok(builder.private_key_jwt(id, key, self.assertion_audience()?))
    }

    /// The private key in `private_key_file`, a JWK or PEM: for a client assertion or a JWT with given
    /// claims.
    #[cfg(feature = "jwt")]
    pub(super) fn signing_key(&self) -> Result<Option<SigningKeySource>, Error> {
        let Some(file) = self.file("private_key_file")? else { return Ok(None) };
        let algorithm = match self.text("signing_algorithm")? {
            None => None,
            Some(name) => Some(name.parse::<SigningAlgorithm>().map_err(|_| {
                let all = "it is not one of RS256, RS384, RS512, PS256, PS384, PS512, ES256, ES384, \
                           EdDSA";
                self.wrong("signing_algorithm", all)
            })?),
        };
        let advice = format!("set {}", self.name("signing_algorithm"));
        let mut key = SigningKeySource::in_file(file, algorithm, advice);
        if let Some(id) = self.text("key_id")? {
            key = key.and_then(move |key| Ok::<_, BoxError>(key.with_key_id(id.as_str())));
        }
        Ok(Some(key))
    }

    /// Checks the content of the files of the client authentication.
    pub(super) fn check_credential_files(&self) -> Result<(), Error> {
        self.check_file("client_secret_file", |_| Ok(()))?;
        #[cfg(feature = "jwt")]
        if let Some(key) = self.signing_key()? {
            key.check_file().map_err(|cause| self.unusable_file("private_key_file", cause))?;
        }
        let assertion_type = self.text("client_assertion_type")?;
        let assertion_type = assertion_type.as_ref().map_or(JWT_BEARER, |text| text.as_str());
        self.check_file("client_assertion_file", |text| check_assertion(text, assertion_type))?;
        #[cfg(feature = "hyper-transport")]
        if let Some([chain, key]) = self.certificate_files()? {
            for (setting, file) in CERTIFICATE.iter().zip([&chain, &key]) {
                if let Err(error) = &file.read {
                    return Err(self.unusable_file(setting, error.clone().into()));
                }
            }
        }
        Ok(())
    }

    #[cfg(feature = "jwt")]
    fn assertion_audience(&self) -> Result<AssertionAudience, Error> {
        match self.text("assertion_audience")? {
            Some(audience) => Ok(audience.as_str().into()),
            None if self.is_set("issuer") => Ok(AssertionAudience::discovered_issuer()),
            None => {
                let advice = "set it to the authorization server's issuer, or to its token URL if \
                              it expects that";
                Err(self.missing(&["assertion_audience"], advice))
            }
        }
    }

    /// Adds the client certificate, with any method.
    fn certificate(
        &self,
        builder: ClientCredentialsBuilder,
    ) -> Result<ClientCredentialsBuilder, Error> {
        let set = CERTIFICATE.map(|setting| self.is_set(setting));
        if set == [false, false] {
            return Ok(builder);
        }
        if set != [true, true] {
            let [chain, key] = CERTIFICATE;
            let [missing, there] = if set[0] { [key, chain] } else { [chain, key] };
            let advice = format!("{} needs it; both may be one file", self.name(there));
            return Err(self.missing(&[missing], &advice));
        }
        #[cfg(feature = "hyper-transport")]
        if let Some(files) = self.certificate_files()? {
            for (setting, file) in CERTIFICATE.iter().zip(&files) {
                if let Err(error) = &file.read {
                    self.warn_unread(setting, error);
                }
            }
            let [chain, key] = files.map(|file| file.file);
            let identity = ClientIdentity::in_files(chain, key).map_err(|error| {
                let names = self.names(&CERTIFICATE, ", ");
                let why = "no certificate with its key can be read there (the cause says why)";
                config_error(format!("{names}: {why}")).with_source(error)
            })?;
            let identity = self.identity.get_or_init(|| identity).clone();
            return Ok(builder.client_identity(identity));
        }
        Ok(builder)
    }

    #[cfg(feature = "hyper-transport")]
    fn certificate_files(&self) -> Result<Option<[Located; 2]>, Error> {
        let [chain, key] = CERTIFICATE.map(|setting| self.located(setting, MAX_CERTIFICATE_BYTES));
        Ok(chain?.zip(key?).map(Into::into))
    }
}
