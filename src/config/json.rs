//! Settings as JSON, for the claims of a JWT.

use serde_json::{Map, Number, Value as Json};

use super::value::Value;

/// Above this a float does not hold each integer.
const EXACT: f64 = 9_007_199_254_740_992.0;

impl Value {
    /// Converts the value to JSON, if all keys are text.
    pub(super) fn to_json(&self) -> Option<serde_json::Value> {
        Some(match self {
            Self::Nothing => Json::Null,
            Self::Flag(flag) => Json::Bool(*flag),
            Self::Number(number) if number.fract() == 0.0 && number.abs() <= EXACT => {
                Json::from(*number as i64)
            }
            Self::Number(number) => Json::Number(Number::from_f64(*number)?),
            Self::Text(text) => Json::String(text.to_string()),
            Self::List(values) => {
                Json::Array(values.iter().map(Self::to_json).collect::<Option<_>>()?)
            }
            Self::Map(pairs) => {
                let members = pairs.iter().map(|(name, value)| match name {
                    Self::Text(name) => Some((name.to_string(), value.to_json()?)),
                    _ => None,
                });
                Json::Object(members.collect::<Option<Map<_, _>>>()?)
            }
        })
    }
}
