//! Settings as typed values. Errors name the settings and never show a value.

use std::{collections::HashSet, time::Duration};

use zeroize::Zeroizing;

use super::{
    ClientCredentialsConfig,
    setting_names::SETTINGS,
    value::{Pair, Value},
};
use crate::{
    client_auth::form_decoded,
    endpoint,
    error::{Error, Problem},
};

/// The settings of a cache.
pub(super) struct CacheSettings {
    pub(super) acquisition_timeout: Option<Duration>,
    pub(super) wait_timeout: Option<Duration>,
    pub(super) leeway: Option<Duration>,
    pub(super) default_lifetime: Option<Duration>,
    pub(super) keep_warm: Option<bool>,
}

const NEEDS_HYPER: &str =
    "it needs this crate's feature `hyper-transport`; set it on your own transport instead";

const OF_DEFAULT_TRANSPORT: &str = "it is a setting of the default transport, but another one was \
     given (into_cache_with); remove it, and set it on that transport";

/// The settings that need a feature, the error without it, and whether it is on.
const FEATURES: [(&str, &str, bool); 5] = [
    ("jwt_claims", "it needs this crate's feature `jwt`", cfg!(feature = "jwt")),
    ("client_certificate_file", NEEDS_HYPER, cfg!(feature = "hyper-transport")),
    ("client_key_file", NEEDS_HYPER, cfg!(feature = "hyper-transport")),
    ("ca_file", NEEDS_HYPER, cfg!(feature = "hyper-transport")),
    ("proxy", NEEDS_HYPER, cfg!(feature = "hyper-transport")),
];

const A_DURATION: &str =
    "it must be a number of seconds, or such as \"500ms\", \"30s\", \"5m\", \"1h\"";

impl ClientCredentialsConfig {
    /// A setting as the user wrote it.
    pub(super) fn name(&self, setting: &str) -> String {
        match &self.prefix {
            Some(prefix) => format!("{prefix}{}", setting.to_ascii_uppercase()),
            None => setting.to_owned(),
        }
    }

    pub(super) fn names(&self, settings: &[&str], between: &str) -> String {
        settings.iter().map(|it| self.name(it)).collect::<Vec<_>>().join(between)
    }

    pub(super) fn wrong(&self, setting: &str, why: impl AsRef<str>) -> Error {
        config_error(format!("{}: {}", self.name(setting), why.as_ref()))
    }

    pub(super) fn missing(&self, settings: &[&str], advice: &str) -> Error {
        config_error(format!("{}: not set; {advice}", self.names(settings, ", ")))
    }

    pub(super) fn check_reading(&self) -> Result<(), Error> {
        if self.mistakes.is_empty() {
            return Ok(());
        }
        // With another program's prefix there may be hundreds.
        let shown = self.mistakes.len().min(10);
        let mut text = self.mistakes[..shown].join("; ");
        if shown < self.mistakes.len() {
            text.push_str(&format!("; and {} more mistakes", self.mistakes.len() - shown));
        }
        if let Some(origin) = self.unknown_origin {
            text.push_str(&format!("; {}", origin.advice()));
        }
        let known = self.names(SETTINGS, ", ");
        Err(config_error(format!("{text}; the settings are {known}")))
    }

    /// Checks that no setting needs a feature of this crate that is off.
    pub(super) fn check_features(&self) -> Result<(), Error> {
        let missing = |(setting, _, is_on): &&(&str, _, _)| !is_on && self.is_set(setting);
        match FEATURES.iter().find(missing) {
            None => Ok(()),
            Some((setting, why, _)) => Err(self.wrong(setting, why)),
        }
    }

    /// Refuses the settings that a transport given in code does not know.
    pub(super) fn refuse_transport_settings(&self) -> Result<(), Error> {
        let settings = ["ca_file", "proxy", "client_certificate_file", "client_key_file"];
        match settings.into_iter().find(|setting| self.is_set(setting)) {
            None => Ok(()),
            Some(setting) => Err(self.wrong(setting, OF_DEFAULT_TRANSPORT)),
        }
    }

    pub(super) fn cache_settings(&self) -> Result<CacheSettings, Error> {
        Ok(CacheSettings {
            acquisition_timeout: self.duration("acquisition_timeout")?,
            wait_timeout: self.duration("wait_timeout")?,
            leeway: self.duration("leeway")?,
            default_lifetime: self.duration("default_lifetime")?,
            keep_warm: self.flag("keep_warm")?,
        })
    }

    /// The value of a setting, unless it is empty.
    pub(super) fn value(&self, setting: &str) -> Option<&Value> {
        debug_assert!(SETTINGS.contains(&setting), "{setting}");
        let found = self.values.iter().find(|(it, _)| *it == setting);
        found.map(|(_, value)| value).filter(|value| !value.is_empty())
    }

    pub(super) fn is_set(&self, setting: &str) -> bool {
        self.value(setting).is_some()
    }

    /// The one of two settings that is set.
    pub(super) fn one_of(
        &self,
        one: &'static str,
        other: &'static str,
    ) -> Result<Option<&'static str>, Error> {
        match (self.is_set(one), self.is_set(other)) {
            (true, true) => {
                let names = self.names(&[one, other], " and ");
                Err(config_error(format!("{names}: both are set; set one of them")))
            }
            (true, false) => Ok(Some(one)),
            (false, true) => Ok(Some(other)),
            (false, false) => Ok(None),
        }
    }

    /// A text, without a byte order mark at its start and line breaks at its end. A secret in a file
    /// is read in the same way.
    pub(super) fn secret(&self, setting: &str) -> Result<Option<Zeroizing<String>>, Error> {
        match self.value(setting) {
            None => Ok(None),
            Some(Value::Text(text)) => {
                let text = text.strip_prefix('\u{feff}').unwrap_or(text);
                Ok(Some(Zeroizing::new(text.trim_end_matches(['\r', '\n']).to_owned())))
            }
            Some(Value::Number(_) | Value::Flag(_)) => {
                Err(self.wrong(setting, "it must be text; put it into quotes"))
            }
            Some(_) => Err(self.wrong(setting, "it must be text")),
        }
    }

    /// A text without white space around it.
    pub(super) fn text(&self, setting: &str) -> Result<Option<Zeroizing<String>>, Error> {
        let text = self.secret(setting)?;
        Ok(text.map(|text| Zeroizing::new(text.trim().to_owned())))
    }

    /// The token URL or the issuer.
    pub(super) fn url(&self, setting: &str, allow_plain_http: bool) -> Result<String, Error> {
        let text = self.text(setting)?.unwrap_or_default();
        let parse =
            if setting == "issuer" { endpoint::check_issuer } else { endpoint::check_token_url };
        parse(&self.name(setting), &text, allow_plain_http).map_err(config_error)?;
        Ok(text.to_string())
    }

    /// A list, or words in one text.
    pub(super) fn list(&self, setting: &str) -> Result<Option<Vec<String>>, Error> {
        let words = |text: &str| text.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
        let not_text = || self.wrong(setting, "it must be text, or a list of texts");
        let values = match self.value(setting) {
            None => return Ok(None),
            Some(Value::Text(text)) => return Ok(Some(words(text))),
            Some(Value::List(values)) => values,
            Some(_) => return Err(not_text()),
        };
        let mut all = Vec::new();
        for value in values {
            let Value::Text(text) = value else { return Err(not_text()) };
            all.extend(words(text));
        }
        Ok(Some(all))
    }

    /// A map, or a form such as `a=b&c=d`; no name twice.
    pub(super) fn pairs(&self, setting: &str) -> Result<Vec<Pair>, Error> {
        const A_MAP: &str =
            "it must be a map of texts, or a form as in \"a=b&c=d\" (a = in a value is %3D)";
        let pairs: Option<Vec<_>> = match self.value(setting) {
            None => return Ok(Vec::new()),
            Some(Value::Map(pairs)) => {
                let pairs = pairs.iter().map(|pair| match pair {
                    (Value::Text(name), Value::Text(value)) => {
                        Some((name.to_string(), value.clone()))
                    }
                    // Templates produce it for a variable that is not set.
                    (Value::Text(name), Value::Nothing) => {
                        Some((name.to_string(), Zeroizing::default()))
                    }
                    _ => None,
                });
                pairs.collect()
            }
            Some(Value::Text(form)) => {
                let pairs = form.trim().split('&').map(|pair| {
                    // A value with a `=`, such as Base64, must encode it: the text may not be a form.
                    let (name, value) = pair.split_once('=')?;
                    let is_value = !value.contains('=');
                    is_value.then_some((form_decoded(name)?.to_string(), form_decoded(value)?))
                });
                pairs.collect()
            }
            Some(_) => None,
        };
        let pairs = pairs.ok_or_else(|| self.wrong(setting, A_MAP))?;
        if pairs.iter().any(|(name, _)| name.trim().is_empty()) {
            return Err(self.wrong(setting, "one of the names is empty"));
        }
        // Not shown: it may be a secret.
        let mut seen = HashSet::new();
        if !pairs.iter().all(|(name, _)| seen.insert(name)) {
            return Err(self.wrong(setting, "one of the names is there twice"));
        }
        Ok(pairs)
    }

    pub(super) fn duration(&self, setting: &str) -> Result<Option<Duration>, Error> {
        let seconds = match self.value(setting) {
            None => return Ok(None),
            Some(Value::Number(seconds)) => Some(*seconds),
            Some(Value::Text(text)) => seconds(text.trim()),
            Some(_) => None,
        };
        let duration = seconds.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
        match duration {
            // A cache works without leeway. No other duration may be zero.
            Some(Duration::ZERO) if setting != "leeway" => {
                Err(self.wrong(setting, "it must be above zero"))
            }
            Some(duration) => Ok(Some(duration)),
            None => Err(self.wrong(setting, A_DURATION)),
        }
    }

    pub(super) fn count(&self, setting: &str) -> Result<Option<u32>, Error> {
        let count = match self.value(setting) {
            None => return Ok(None),
            Some(Value::Number(number)) => {
                Some(*number as u32).filter(|it| f64::from(*it) == *number)
            }
            Some(Value::Text(text)) => text.trim().parse().ok(),
            Some(_) => None,
        };
        let count = count.filter(|count| *count > 0);
        count.map(Some).ok_or_else(|| self.wrong(setting, "it must be a whole number above zero"))
    }

    pub(super) fn flag(&self, setting: &str) -> Result<Option<bool>, Error> {
        match self.value(setting) {
            None => Ok(None),
            Some(Value::Flag(flag)) => Ok(Some(*flag)),
            Some(Value::Text(text)) if text.trim() == "true" => Ok(Some(true)),
            Some(Value::Text(text)) if text.trim() == "false" => Ok(Some(false)),
            Some(_) => Err(self.wrong(setting, "it must be true or false")),
        }
    }
}

pub(super) fn config_error(detail: String) -> Error {
    Error::of(Problem::Config).with_detail(detail)
}

/// `90`, `1.5`, `500ms`, `30s`, `5m`, `1h`, `1d`.
fn seconds(text: &str) -> Option<f64> {
    let end = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let (number, unit) = text.split_at(end);
    let unit = match unit.trim_start() {
        "ms" => 0.001,
        "" | "s" => 1.0,
        "m" => 60.0,
        "h" => 3600.0,
        "d" => 86_400.0,
        _ => return None,
    };
    number.parse::<f64>().ok().map(|number| number * unit)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations() {
        let good = [("90", 90.0), ("1.5", 1.5), ("500ms", 0.5), ("30s", 30.0), ("5 m", 300.0)];
        for (text, expected) in
            good.into_iter().chain([("1h", 3600.0), ("1d", 86_400.0), ("0", 0.0)])
        {
            assert_eq!(seconds(text), Some(expected), "{text}");
        }
        for text in ["", "s", "-1", "+1", "1e3", "1.2.3", "5 minutes", "1m30s", "inf", "NaN", "١s"]
        {
            assert_eq!(seconds(text), None, "{text}");
        }
    }

    #[test]
    fn forms() {
        assert_eq!(*form_decoded("a+b%20%C3%A9").unwrap(), "a b é");
        assert_eq!(form_decoded("%ff"), None);
    }
}
