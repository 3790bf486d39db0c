//! The state of the server, which changes while it runs.

use std::{collections::VecDeque, sync::Arc, time::Duration};

use super::{metadata::Metadata, tokens::Tokens};
use crate::testing::{MockResponse, RecordedRequest, recorded::Log};

pub(super) type Hook = Arc<dyn Fn(&RecordedRequest) -> MockResponse + Send + Sync>;

pub(super) struct State {
    pub(super) lifetime: Duration,
    pub(super) delay: Duration,
    pub(super) script: VecDeque<MockResponse>,
    pub(super) outage: Option<MockResponse>,
    pub(super) hook: Option<Hook>,
    pub(super) tokens: Tokens,
    pub(super) log: Log,
    pub(super) metadata: Metadata,
    pub(super) token_requests: u64,
    pub(super) in_flight: u64,
    pub(super) max_in_flight: u64,
}

impl State {
    pub(super) fn new(lifetime: Duration, delay: Duration) -> Self {
        Self {
            lifetime,
            delay,
            script: VecDeque::new(),
            outage: None,
            hook: None,
            tokens: Tokens::default(),
            log: Log::default(),
            metadata: Metadata::default(),
            token_requests: 0,
            in_flight: 0,
            max_in_flight: 0,
        }
    }

    pub(super) fn arrive(&mut self) {
        self.token_requests += 1;
        self.in_flight += 1;
        self.max_in_flight = self.max_in_flight.max(self.in_flight);
    }
}
