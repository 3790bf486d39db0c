//! The authorization server, as a transport of token requests.

use std::{
    future::{Future, pending},
    pin::Pin,
    task::{Context, Poll},
    time::{Duration, SystemTime},
};

use bytes::Bytes;
use http::{Response, StatusCode};
use http_body::{Body, Frame, SizeHint};
use tower_oauth2_client_credentials::{BoxError, transport::TokenRequest};
use tower_service::Service;

use crate::{
    faults::{Fault, glitch},
    invariants::Answer,
    world::{Issued, Shared, World, lock},
};

tokio::task_local! {
    /// Which acquisition a token request belongs to.
    pub(crate) static FLIGHT: u64;
}

/// The message of a panic of the source. The hook in `main.rs` hides it from the terminal.
pub(crate) const PANIC: &str = "a simulated panic";

#[derive(Clone)]
pub(crate) struct TokenEndpoint(pub(crate) Shared);

/// A body that is complete, breaks, or never arrives.
pub(crate) enum Wire {
    Whole(Option<Bytes>),
    Breaks(Option<Bytes>),
    Stalls,
}

impl Body for Wire {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        match self.get_mut() {
            Self::Whole(data) => Poll::Ready(data.take().map(|data| Ok(Frame::data(data)))),
            Self::Breaks(data) => Poll::Ready(Some(match data.take() {
                Some(data) => Ok(Frame::data(data)),
                None => Err("the connection broke".into()),
            })),
            Self::Stalls => Poll::Pending,
        }
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::default()
    }
}

impl Service<TokenRequest> for TokenEndpoint {
    type Response = Response<Wire>;
    type Error = BoxError;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Wire>, BoxError>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: TokenRequest) -> Self::Future {
        let shared = self.0.clone();
        Box::pin(async move {
            let flight = FLIGHT.get();
            let (delay, fault) = lock(&shared).token_requested(flight);
            if fault == Some(Fault::Hang) {
                pending::<()>().await;
            }
            tokio::time::sleep(delay).await;
            if fault == Some(Fault::Panic) {
                lock(&shared).answered(flight, Answer::Panicked);
                std::panic::panic_any(PANIC);
            }
            lock(&shared).answer(flight, fault)
        })
    }
}

impl World {
    /// Chooses the response to a token request.
    fn token_requested(&mut self, flight: u64) -> (Duration, Option<Fault>) {
        let now = self.now();
        let fault = match self.plan.window(now.clock) {
            Some(window) => Some(window.fault),
            None if self.rng.f64() < self.plan.glitches => Some(glitch(&mut self.rng)),
            None => None,
        };
        self.tally.token_requests += 1;
        self.note("token request", fault.map_or("", name), flight, 0);
        self.attempted(flight, now, fault);
        let delay = match fault {
            Some(Fault::Refused) => Duration::ZERO,
            Some(Fault::Late(seconds)) => Duration::from_secs(seconds),
            _ => self.plan.latency.draw(&mut self.rng),
        };
        (delay, fault)
    }

    fn answer(&mut self, flight: u64, fault: Option<Fault>) -> Result<Response<Wire>, BoxError> {
        let whole = |text: String| Wire::Whole(Some(text.into()));
        let (status, body, answer) = match fault {
            None | Some(Fault::Late(_)) => {
                let (body, answer) = self.issue();
                (200, whole(body), answer)
            }
            Some(Fault::Refused) => {
                self.answered(flight, Answer::Bad);
                return Err("connection refused".into());
            }
            Some(Fault::Status(status)) => (status, whole("oops".into()), Answer::Bad),
            Some(Fault::Truncated) => {
                let part = Bytes::from_static(b"{\"access_token\":\"t99");
                (200, Wire::Breaks(Some(part)), Answer::Bad)
            }
            Some(Fault::Garbage) => (200, whole("<html>Please log in</html>".into()), Answer::Bad),
            Some(Fault::Stall) => (200, Wire::Stalls, Answer::Stalled),
            Some(Fault::InvalidClient) => {
                (401, whole(r#"{"error":"invalid_client"}"#.into()), Answer::Terminal)
            }
            Some(Fault::Throttled { retry_after, date }) => {
                // A date has no fractions of a second.
                let least = retry_after.map(|secs| secs.saturating_sub(date.map_or(0, |_| 1)));
                let answer =
                    least.map_or(Answer::Bad, |secs| Answer::Later(Duration::from_secs(secs)));
                self.answered(flight, answer);
                let mut response = Response::new(whole("slow down".into()));
                *response.status_mut() = StatusCode::TOO_MANY_REQUESTS;
                if let Some(secs) = retry_after {
                    let text = self.retry_after(secs, date);
                    response.headers_mut().insert("retry-after", text.parse()?);
                }
                return Ok(response);
            }
            Some(Fault::Hang | Fault::Panic) => unreachable!("it does not answer"),
        };
        self.answered(flight, answer);
        let mut response = Response::new(body);
        *response.status_mut() = StatusCode::from_u16(status)?;
        Ok(response)
    }

    fn issue(&mut self) -> (String, Answer) {
        let now = self.real();
        let again = self.rng.f64() < self.plan.same_token;
        let last = self.issued.len().wrapping_sub(1);
        if let Some(issued) = self.issued.get(last).filter(|_| again)
            && issued.dies_at > now
            && (self.plan.stubborn || !issued.revoked)
        {
            self.tally.same_token += 1;
            let left = (issued.dies_at - now).as_secs() as i64;
            let lifetime = issued.states_lifetime.then_some(left);
            return self.response(last, lifetime);
        }
        if self.plan.revokes_old
            && let Some(issued) = self.issued.get_mut(last)
        {
            issued.revoked = true;
        }
        let lifetime = self.plan.lifetimes.draw(&mut self.rng);
        let lives = lifetime.unwrap_or_else(|| self.rng.i64(60..600)).max(0);
        self.issued.push(Issued {
            dies_at: now + Duration::from_secs(lives.unsigned_abs()),
            states_lifetime: lifetime.is_some(),
            revoked: false,
        });
        self.response(last.wrapping_add(1), lifetime)
    }

    fn response(&mut self, token: usize, lifetime: Option<i64>) -> (String, Answer) {
        let mut body = format!(r#"{{"access_token":"t{token}","token_type":"Bearer""#);
        if let Some(secs) = lifetime {
            body += &match self.rng.u8(0..3) {
                0 => format!(r#","expires_in":"{secs}""#),
                1 => format!(r#","expires_in":{secs}.0"#),
                _ => format!(r#","expires_in":{secs}"#),
            };
            if let Some(share) = self.plan.refresh_in {
                body += &format!(r#","refresh_in":{}"#, (secs.max(0) as f64 * share) as u64);
            }
        }
        let lifetime = lifetime.map(|secs| Duration::from_secs(secs.max(0).unsigned_abs()));
        (body + "}", Answer::Token { token, lifetime })
    }

    /// The run's wall clock.
    pub(crate) fn wall(&self) -> SystemTime {
        let seconds = 1_795_521_600_i64.saturating_add(self.wall_set).max(0).unsigned_abs();
        SystemTime::UNIX_EPOCH + Duration::from_secs(seconds) + self.real()
    }

    /// Seconds, or one of the three forms of a date (RFC 9110 §5.6.7).
    fn retry_after(&self, secs: u64, date: Option<u8>) -> String {
        let Some(form) = date else { return secs.to_string() };
        let text = httpdate::fmt_http_date(self.wall() + Duration::from_secs(secs));
        let part = |range: std::ops::Range<usize>| &text[range];
        let (day, month, year, time) = (part(5..7), part(8..11), part(12..16), part(17..25));
        let long = ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"];
        let weekday = long.into_iter().find(|it| it.starts_with(part(0..3))).expect("a day");
        match form {
            0 => text,
            1 => format!("{weekday}, {day}-{month}-{} {time} GMT", &year[2..]),
            _ => {
                let day = day.parse::<u8>().expect("a number");
                format!("{} {month} {day:>2} {time} {year}", &weekday[..3])
            }
        }
    }
}

fn name(fault: Fault) -> &'static str {
    match fault {
        Fault::Refused => "refused",
        Fault::Status(_) => "5xx",
        Fault::Throttled { retry_after: None, .. } => "429",
        Fault::Throttled { .. } => "429 with Retry-After",
        Fault::Truncated => "truncated",
        Fault::Garbage => "garbage",
        Fault::Hang => "hangs",
        Fault::Stall => "stalls",
        Fault::Late(_) => "late",
        Fault::InvalidClient => "invalid_client",
        Fault::Panic => "panics",
    }
}
