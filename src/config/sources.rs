//! Where settings come from: a reader of serde's, or the environment.

use std::{env, ffi::OsStr};

use serde_core::de::{Deserialize, Deserializer};

use super::{ClientCredentialsConfig, SETTINGS, value::Value};
use crate::error::sanitise;

impl ClientCredentialsConfig {
    /// From the environment's variables that begin with `OAUTH_`, such as `OAUTH_TOKEN_URL`,
    /// `OAUTH_CLIENT_ID` and `OAUTH_CLIENT_SECRET_FILE`.
    ///
    /// A variable with that prefix that is no setting is a mistake. Where others have variables
    /// that begin so, take a [prefix](Self::from_env_with_prefix) of your own.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// # #[cfg(feature = "hyper")] {
    /// use tower_oauth2_client_credentials::ClientCredentialsConfig;
    ///
    /// let tokens = ClientCredentialsConfig::from_env().into_cache()?;
    /// # let _ = tokens;
    /// # }
    /// # Ok::<(), tower_oauth2_client_credentials::Error>(())
    /// ```
    pub fn from_env() -> Self {
        Self::from_env_with_prefix("OAUTH_")
    }

    /// The same with another prefix, such as `BILLING_OAUTH_`, for one of several clients.
    pub fn from_env_with_prefix(prefix: &str) -> Self {
        Self::from_vars(prefix, env::vars_os())
    }

    /// From variables that are given: for tests, and for environments that come from elsewhere.
    /// Those that do not begin with the prefix are passed over.
    pub fn from_vars<N, V>(prefix: &str, vars: impl IntoIterator<Item = (N, V)>) -> Self
    where
        N: AsRef<OsStr>,
        V: AsRef<OsStr>,
    {
        let mut config = Self { prefix: Some(prefix.to_owned()), ..Self::default() };
        for (name, value) in vars {
            let Some(setting) = name.as_ref().to_str().and_then(|it| it.strip_prefix(prefix))
            else {
                continue;
            };
            let value = value.as_ref().to_str().map(Value::text);
            let known = SETTINGS.into_iter().find(|known| known.to_ascii_uppercase() == setting);
            match (known, value) {
                (Some(known), Some(value)) => config.set(known, value),
                (Some(known), None) => {
                    config.mistakes.push(format!("{}: it is not UTF-8", config.name(known)));
                }
                (None, _) => config.unknown(&format!("{prefix}{setting}")),
            }
        }
        config
    }

    fn from_value(value: Value) -> Self {
        let mut config = Self::default();
        let pairs = match value {
            Value::Map(pairs) => pairs,
            Value::Nothing => Vec::new(),
            _ => {
                config.mistakes.push("it is no map of settings".into());
                Vec::new()
            }
        };
        for (name, value) in pairs {
            let Value::Text(name) = name else {
                config.mistakes.push("a key is not text".into());
                continue;
            };
            match SETTINGS.into_iter().find(|known| *known == *name) {
                Some(known) => config.set(known, value),
                None => config.unknown(&name),
            }
        }
        config
    }

    fn set(&mut self, setting: &'static str, value: Value) {
        if self.values.iter().any(|(earlier, _)| *earlier == setting) {
            self.mistakes.push(format!("{}: it is set twice", self.name(setting)));
        } else {
            self.values.push((setting, value));
        }
    }

    fn unknown(&mut self, name: &str) {
        self.mistakes.push(format!("{}: there is no such setting", sanitise(name)));
    }
}

impl<'de> Deserialize<'de> for ClientCredentialsConfig {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Value::deserialize(deserializer).map(Self::from_value)
    }
}
