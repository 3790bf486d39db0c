//! HTTP/2 PINGs, which find connections whose peer is gone.

use std::time::Duration;

/// How long a connection with requests in flight may be silent before a PING is sent.
pub(super) const PING_INTERVAL: Duration = Duration::from_secs(15);

/// How long a PING may remain unanswered before the connection is closed.
pub(super) const PING_TIMEOUT: Duration = Duration::from_secs(10);
