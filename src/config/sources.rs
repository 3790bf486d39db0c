//! The sources of settings: a serde format, or the environment.

use std::{env, ffi::OsStr};

use serde_core::de::{Deserialize, Deserializer};

use super::{
    ClientCredentialsConfig,
    setting_names::SETTINGS,
    unknown_names::{VariableOrigin, nearest},
    value::Value,
};

impl ClientCredentialsConfig {
    /// From the environment's variables that begin with `OAUTH_`, such as `OAUTH_TOKEN_URL`,
    /// `OAUTH_CLIENT_ID` and `OAUTH_CLIENT_SECRET_FILE`.
    ///
    /// A variable with that prefix that is not a setting is an error. If other programs have such
    /// variables, use another [prefix](Self::from_env_with_prefix).
    ///
    /// # Examples
    ///
    /// ```no_run
    /// # #[cfg(feature = "hyper-transport")] {
    /// use tower_oauth2_client_credentials::config::ClientCredentialsConfig;
    ///
    /// let tokens = ClientCredentialsConfig::from_env().into_cache()?;
    /// # let _ = tokens;
    /// # }
    /// # Ok::<(), tower_oauth2_client_credentials::Error>(())
    /// ```
    #[must_use]
    pub fn from_env() -> Self {
        Self::from_env_with_prefix("OAUTH_")
    }

    /// The same with another prefix, such as `BILLING_OAUTH_`, for one of several clients.
    #[must_use]
    pub fn from_env_with_prefix(prefix: &str) -> Self {
        Self::from_vars(prefix, env::vars_os())
    }

    /// From the given variables, for tests and for other sources of variables. Variables that do not
    /// begin with the prefix are ignored. On Windows, names are compared without regard to case.
    ///
    /// An empty prefix is an error, since every variable would then be read as a setting.
    #[must_use]
    pub fn from_vars<N, V>(prefix: &str, vars: impl IntoIterator<Item = (N, V)>) -> Self
    where
        N: AsRef<OsStr>,
        V: AsRef<OsStr>,
    {
        let mut config = Self { prefix: Some(prefix.to_owned()), ..Self::default() };
        if prefix.is_empty() {
            config.mistakes.push("the prefix of the variables is empty".into());
            return config;
        }
        for (name, value) in vars {
            let name = name.as_ref().to_string_lossy();
            let Some(setting) = after(prefix, &name) else { continue };
            let value = value.as_ref().to_str().map(Value::text);
            match (config.known(setting), value) {
                (Some(known), Some(value)) => config.set(known, value),
                (Some(known), None) => {
                    config.mistakes.push(format!("{}: it is not UTF-8", config.name(known)));
                }
                (None, _) => config.unknown(setting),
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
                config.mistakes.push("it is not a map of settings".into());
                Vec::new()
            }
        };
        for (name, value) in pairs {
            let Value::Text(name) = name else {
                config.mistakes.push("a key is not text".into());
                continue;
            };
            match config.known(&name) {
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

    /// The setting with this name in a file, or with this name after the prefix of a variable.
    fn known(&self, name: &str) -> Option<&'static str> {
        SETTINGS.iter().copied().find(|known| match self.prefix {
            None => *known == name,
            Some(_) => same(&known.to_ascii_uppercase(), name),
        })
    }

    /// Stores the error of an unknown name. The name is shown only if it looks like one: it may
    /// include a secret, as in YAML's `{client_secret:s3cret}`.
    fn unknown(&mut self, name: &str) {
        let in_name = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.');
        let end = name.find(|c| !in_name(c)).unwrap_or(name.len());
        let meant = nearest(name);
        let is_unrelated = self.prefix.is_some() && meant.is_none();
        if is_unrelated && self.unknown_origin != Some(VariableOrigin::Kubernetes) {
            self.unknown_origin = Some(VariableOrigin::of(name));
        }
        let prefix = self.prefix.as_deref().unwrap_or_default();
        self.mistakes.push(match self.known(&name[..end]) {
            Some(known) => format!(
                "{}: the name continues after this; put a space between the name and its value",
                self.name(known)
            ),
            None if end == name.len() && end <= MAX_SHOWN_NAME => {
                let meant = meant.map(|setting| format!(" (did you mean {}?)", self.name(setting)));
                let meant = meant.unwrap_or_default();
                format!("{prefix}{name}: there is no such setting{meant}")
            }
            None => "a name that is not shown: there is no such setting".into(),
        });
    }
}

/// Maximum length of an unknown name that is shown. Misspelled settings are shorter, most secrets are
/// longer.
const MAX_SHOWN_NAME: usize = 64;

fn after<'a>(prefix: &str, name: &'a str) -> Option<&'a str> {
    let (start, rest) = name.split_at_checked(prefix.len())?;
    same(start, prefix).then_some(rest)
}

/// Whether two names are the same variable.
fn same(one: &str, other: &str) -> bool {
    if cfg!(windows) { one.eq_ignore_ascii_case(other) } else { one == other }
}

impl<'de> Deserialize<'de> for ClientCredentialsConfig {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Value::deserialize(deserializer).map(Self::from_value)
    }
}
