//! The texts of an error.

use std::{error::Error as StdError, fmt};

use super::{Error, problem::Problem};

/// Maximum number of causes in `Debug`.
const MAX_CAUSES: usize = 16;

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let inner = &*self.inner;
        let name = match inner.problem {
            Problem::OtherOAuthError => inner.oauth_code.as_deref(),
            _ => None,
        };
        let advice = inner.advice.unwrap_or(inner.problem.advice());
        if let Some(client) = &self.client {
            write!(f, "client '{client}': ")?;
        }
        write!(f, "{}: ", name.unwrap_or(inner.problem.as_str()))?;
        match &inner.detail {
            // The detail of the transport has the problem and the advice.
            Some(detail) if inner.problem == Problem::Transport => f.write_str(detail)?,
            Some(detail) => write!(f, "{advice}; {detail}")?,
            None => f.write_str(advice)?,
        }
        match (&inner.status, &inner.server_text) {
            (Some(status), Some(text)) => write!(f, " (HTTP {}: \"{text}\")", status.as_u16())?,
            (Some(status), None) => write!(f, " (HTTP {})", status.as_u16())?,
            (None, Some(text)) => write!(f, " (\"{text}\")")?,
            (None, None) => {}
        }
        if let Some(next) = self.next_attempt_in {
            write!(f, "; the next attempt is due in {:.1} s", next.as_secs_f32())?;
        }
        Ok(())
    }
}

/// The text of `Display` and its causes in one line, for a `main` that returns an error. The
/// alternate form adds the fields.
impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)?;
        let mut cause = self.source();
        for _ in 0..MAX_CAUSES {
            let Some(error) = cause else { break };
            write!(f, "; caused by: {error}")?;
            cause = error.source();
        }
        if !f.alternate() {
            return Ok(());
        }
        let inner = &*self.inner;
        f.write_str("\n")?;
        f.debug_struct("Error")
            .field("client", &self.client)
            .field("kind", &self.kind())
            .field("code", &self.code())
            .field("oauth_code", &inner.oauth_code)
            .field("status", &inner.status)
            .field("retry_after", &inner.retry_after)
            .field("retryable", &self.is_retryable())
            .field("permanent", &self.is_permanent())
            .field("next_attempt_in", &self.next_attempt_in)
            .finish_non_exhaustive()
    }
}
