//! The client's credentials, read once.

use std::{
    env::{self, VarError},
    fmt, fs, io,
    path::Path,
};

use tower_oauth2_client_credentials::{
    jose::{SigningAlgorithm, SigningKey},
    transport::{ChainAndKey, ClientIdentity},
};
use zeroize::Zeroizing;

use crate::{args::Args, method::Method};

/// The secret that `--demo` uses.
pub(crate) const DEMO_SECRET: &str = "s3cret of the demo";

#[derive(Default)]
pub(crate) struct Credential {
    pub(crate) secret: Option<Zeroizing<String>>,
    key: Option<Zeroizing<String>>,
    pub(crate) assertion: Option<Zeroizing<String>>,
    pub(crate) identity: Option<ClientIdentity>,
}

impl Credential {
    /// # Errors
    ///
    /// A line that says which file or variable is wrong, and what to do.
    pub(crate) fn read(args: &Args) -> Result<Self, String> {
        let mut this = Self::default();
        if args.demo {
            this.secret = Some(Zeroizing::new(DEMO_SECRET.to_owned()));
        } else if let Some(name) = &args.secret_env {
            let value = env::var(name).map_err(|error| match error {
                VarError::NotPresent => {
                    format!("--secret-env: the variable {name} is not set; export it")
                }
                VarError::NotUnicode(_) => format!(
                    "--secret-env: the variable {name} is not UTF-8; export the secret as UTF-8"
                ),
            })?;
            this.secret = Some(Zeroizing::new(value));
        } else if let Some(path) = &args.secret_file {
            this.secret = Some(file("--secret-file", path)?);
        }
        if this.secret.as_ref().is_some_and(|secret| secret.trim().is_empty()) {
            return Err("the client secret is empty; check the file or variable".to_owned());
        }
        if let Some(path) = &args.key_file {
            this.key = Some(file("--key-file", path)?);
            // A mistake is reported before anything is sent.
            this.signing_key(args, &[])?;
        }
        if let Some(path) = &args.assertion_file {
            let text = file("--assertion-file", path)?;
            let text = text.trim();
            let path = path.display();
            if text.is_empty() {
                return Err(format!(
                    "--assertion-file: {path} is empty; write the assertion to it"
                ));
            }
            if !text.bytes().all(|byte| byte.is_ascii_graphic()) {
                return Err(format!(
                    "--assertion-file: {path} has white space or other characters that no assertion \
                     has; write only the assertion to it"
                ));
            }
            this.assertion = Some(Zeroizing::new(text.to_owned()));
        }
        if let (Some(chain), Some(key)) = (&args.cert, args.cert_key()) {
            let identity = ClientIdentity::from_files(ChainAndKey { chain, key });
            this.identity = Some(identity.map_err(|error| {
                let text = format!("{error:?}");
                let cause = text.split_once("client identity: ").map_or(&*text, |(_, cause)| cause);
                format!("--cert: {cause}; give PEM files with the certificate and its key")
            })?);
        }
        this.check_method(args)?;
        Ok(this)
    }

    fn check_method(&self, args: &Args) -> Result<(), String> {
        let any = self.secret.is_some()
            || self.key.is_some()
            || self.assertion.is_some()
            || self.identity.is_some();
        let needs = match args.auth_method {
            None if any => return Ok(()),
            None => {
                return Err("no credential: give --secret-env, --secret-file, --key-file, \
                            --assertion-file or --cert, or --auth-method none for a public client"
                    .to_owned());
            }
            Some(method) if method.needs_secret() && self.secret.is_none() => {
                "--secret-env or --secret-file"
            }
            Some(Method::PrivateKeyJwt) if self.key.is_none() => "--key-file",
            Some(Method::ClientAssertionFile) if self.assertion.is_none() => "--assertion-file",
            Some(Method::TlsClientAuth | Method::SelfSignedTlsClientAuth)
                if self.identity.is_none() =>
            {
                "--cert"
            }
            Some(_) => return Ok(()),
        };
        Err(format!("--auth-method: this method needs {needs}; add it"))
    }

    /// The methods that this credential allows, the most common first.
    pub(crate) fn methods(&self) -> Vec<Method> {
        if self.secret.is_some() {
            vec![Method::ClientSecretBasic, Method::ClientSecretPost, Method::ClientSecretJwt]
        } else if self.key.is_some() {
            vec![Method::PrivateKeyJwt]
        } else if self.assertion.is_some() {
            vec![Method::ClientAssertionFile]
        } else if self.identity.is_some() {
            vec![Method::TlsClientAuth, Method::SelfSignedTlsClientAuth]
        } else {
            vec![Method::None]
        }
    }

    /// Whether form-encoding changes the id or the secret, so that Basic shows whether the server
    /// decodes.
    pub(crate) fn is_changed_by_encoding(&self, id: &str) -> bool {
        let is_changed = |text: &str| {
            text.bytes().any(|byte| !byte.is_ascii_alphanumeric() && !b"-._*".contains(&byte))
        };
        is_changed(id) || self.secret.as_ref().is_some_and(|secret| is_changed(secret))
    }

    /// The private key. `listed`: the algorithms in the server's metadata.
    ///
    /// # Errors
    ///
    /// A line that says what is wrong with it.
    pub(crate) fn signing_key(&self, args: &Args, listed: &[String]) -> Result<SigningKey, String> {
        let text = self.key.as_ref().ok_or("--key-file: it is not given; add it")?;
        let wrong = |error: &dyn fmt::Display| format!("--key-file: {error}");
        let key = match &args.algorithm {
            Some(name) => {
                let algorithm: SigningAlgorithm = name.parse().map_err(|_| {
                    "--algorithm: it is not one of RS256, RS384, RS512, PS256, PS384, PS512, ES256, \
                     ES384, EdDSA"
                        .to_owned()
                })?;
                parse(text, algorithm).map_err(|error| wrong(&error))?
            }
            None => match SigningKey::from_jwk(text.as_bytes()) {
                Ok(key) => key,
                Err(_) => guess(text, listed).map_err(|error| wrong(&error))?,
            },
        };
        Ok(match &args.key_id {
            Some(id) => key.with_key_id(id.as_str()),
            None => key,
        })
    }

    pub(crate) fn key_is_jwk(&self) -> bool {
        self.key.as_ref().is_some_and(|text| text.trim_start().starts_with('{'))
    }

    /// The texts that must not be printed.
    pub(crate) fn secrets(&self) -> impl Iterator<Item = &str> {
        let texts = [&self.secret, &self.key, &self.assertion];
        texts.into_iter().flatten().map(|text| text.as_str())
    }
}

/// The first algorithm that fits the key. An RSA key fits several; listed ones come first.
fn guess(
    text: &str,
    listed: &[String],
) -> Result<SigningKey, tower_oauth2_client_credentials::Error> {
    use SigningAlgorithm as A;
    let mut candidates = vec![A::Es256, A::Es384, A::EdDsa, A::Rs256, A::Ps256];
    candidates.sort_by_key(|algorithm| !listed.iter().any(|name| name == algorithm.as_str()));
    let mut last = None;
    for algorithm in candidates {
        match parse(text, algorithm) {
            Ok(key) => return Ok(key),
            Err(error) => last = Some(error),
        }
    }
    Err(last.expect("there are candidates"))
}

fn parse(
    text: &str,
    algorithm: SigningAlgorithm,
) -> Result<SigningKey, tower_oauth2_client_credentials::Error> {
    if text.trim_start().starts_with('{') {
        SigningKey::from_jwk_as(algorithm, text.as_bytes())
    } else {
        SigningKey::from_pem(algorithm, text.as_bytes())
    }
}

fn file(option: &str, path: &Path) -> Result<Zeroizing<String>, String> {
    let text = fs::read_to_string(path).map(Zeroizing::new).map_err(|error| {
        let path = path.display();
        match error.kind() {
            io::ErrorKind::InvalidData => {
                format!("{option}: {path} is not UTF-8; write it as UTF-8 text")
            }
            _ => format!("{option}: {path} cannot be read: {error}; check path and permissions"),
        }
    })?;
    // As the crate reads secrets.
    let text = text.strip_prefix('\u{feff}').unwrap_or(&text).trim_end_matches(['\r', '\n']);
    Ok(Zeroizing::new(text.to_owned()))
}
