//! Every default, and why it is what it is.
//!
//! The aim of them all: the simple case needs no setting, and what a service does when something
//! is wrong was decided beforehand. Each is a setting unless it says *fixed*.
//!
//! ```
//! use std::time::Duration;
//! use tower_oauth2_client_credentials::{AcquireContext, Token, TokenCache};
//!
//! // A user is waiting behind each request: give up sooner.
//! let tokens = TokenCache::builder(|_: AcquireContext| async { Token::bearer("abc") })
//!     .wait_timeout(Duration::from_secs(3))
//!     .cooldown(Duration::from_millis(500)..=Duration::from_secs(20))
//!     .build();
//! # let _ = tokens;
//! ```
//!
//! # When a token is refreshed
//!
//! [`TokenCacheBuilder`] has these. Lifetimes count from the instant before the token request was
//! sent, so that a slow answer never makes a token look younger than it is.
//!
//! | setting | default | why |
//! | --- | --- | --- |
//! | [`refresh_lead`] | 15 % to 30 % of the lifetime before the expiry, drawn for each token | Leaves most of the life in use and time for many attempts: of an hour, 9 to 18 minutes. A draw keeps instances apart that share an authorization server. |
//! | [`first_refresh_lead`] | 15 % to 60 % | A fleet that is deployed at once would come back at once; after its first token it is spread out. |
//! | lead, at least | 3 × the last acquisition's duration (*fixed*) | With a slow endpoint the refresh must start earlier to be done in time, with room for one retry. |
//! | lead, at most | 60 % of the lifetime (*fixed*) | However slow the endpoint, tokens are not asked for all the time. |
//! | earliest refresh | a third of what was left on arrival; half of it when the server handed the same token out again (*fixed*) | No hint, no slow endpoint and no nearly dead token can make a cache spin. |
//! | `refresh_in` from the server | moves the refresh earlier, never later (*fixed*) | The server knows about its own keys, not about our endpoint's latency. |
//! | [`leeway`] | 30 s, at most 10 % of the lifetime | Covers the way to the API and clocks that differ; a share, so that short tokens stay usable. |
//! | [`default_lifetime`] | 5 minutes | For servers that do not say (RFC 6749 §5.1 only recommends it). Below the shortest lifetime in common use, so the guess is on the safe side. |
//! | longest lifetime believed | 10 years (*fixed*) | Far above any real token, far below what overflows an instant. |
//! | after a token that was dead on arrival | the next acquisition starts 1 s later (*fixed*) | A server with a clock that is off is asked once a second and not in a loop. |
//! | [`wall_clock`](TokenCacheBuilder::wall_clock) | the system's | The monotonic clock does not count a suspend. If the wall clock moves forward by over 5 s more (*fixed*), the refresh comes earlier by as much. NTP corrects smaller differences. |
//! | wait for a token that expired in a suspend | 1 s, at most [`rejected_token_wait`] (*fixed*) | The wall clock may only have been corrected, and the token be good. |
//! | [`keep_warm`] | off | An idle service costs the authorization server nothing; the first request after a long pause waits for one acquisition. |
//!
//! # One acquisition
//!
//! The bound is the cache's, the attempts are [`ClientCredentialsBuilder`]'s.
//!
//! | setting | default | why |
//! | --- | --- | --- |
//! | [`attempt_timeout`] | 10 s | A token endpoint answers in well under a second; 10 s outlast a failover. |
//! | [`attempts`] | 3 | The second heals a lost connection, the third a failover. What three don't heal is an outage, and has a schedule of its own, below. |
//! | [`retry_base`] | 100 ms, doubled, full jitter, at most 10 s | Short beside a person's patience, long beside a round trip. Full jitter, so that clients which failed together don't return together. |
//! | what is tried again | connections and answers that broke, timeouts, 408, 425, 429, 5xx, `temporarily_unavailable`, credentials that could not be read (*fixed*) | Asking again can't help wrong credentials, and may lock the client out. |
//! | [`acquisition_timeout`] | 25 s | Two full attempts and most of a third. |
//! | abandoned after | 5 s more (*fixed*) | On a waiter's own clock: its runtime stands still, or is gone, and a waiter starts another. |
//! | attempts after a failed acquisition | 1 (*fixed*) | It is a probe; whether to go on is for the backoff to say. |
//!
//! # Waiting
//!
//! | setting | default | why |
//! | --- | --- | --- |
//! | [`wait_timeout`] | 30 s | Above the acquisition's bound, so that a waiter hears what went wrong and not only that it took too long. A service with a deadline of its own sets it lower; the acquisition goes on. |
//! | [`rejected_token_wait`] | 1 s | After one API rejected the token, requests to all wait this long for another and then go with the old one: it is probably good elsewhere. |
//! | [`probe_wait`] | 1 s | While one request finds out whether the server is back, others get the remembered error soon rather than hang. |
//!
//! # After failures
//!
//! | setting | default | why |
//! | --- | --- | --- |
//! | [`cooldown`] | 1 s, doubled to 60 s, each lengthened by up to a quarter at random | An hour's outage costs about 60 token requests an instance, whatever its traffic, and its next probe comes at most 75 s after the end (85 s if the server hung). |
//! | [`permanent_error_cooldown`] | 30 s | Wrong credentials seldom mend by themselves, and servers lock accounts. Not for ever: a person or a rotation does mend them. |
//! | [`retry_after_cap`] | 5 minutes | Without a token a server's wish is honored, but a typo in it must not take a service down for a day. |
//! | [`retry_after_cap_with_token`] | 1 hour | While a valid token is cached, waiting is free. |
//! | every pause | at least 100 ms (*fixed*) | With a pause of zero a failing server would be asked in a loop. |
//! | when a failure is forgotten | at the first success (*fixed*) | An outage that is over leaves nothing behind. |
//!
//! # Rejections by an API
//!
//! | setting | default | why |
//! | --- | --- | --- |
//! | [`rejections`] | [`Rejections::by_challenge`] | 401, unless its code or scheme says that another token would not help (RFC 6750 §3.1), and 403 with `invalid_token`. A needless acquisition is limited; a token that stays rejected is an outage. |
//! | [`rejection_interval`] | 60 s to 10 minutes, at least 1 s | A budget limits the acquisitions that rejections cause: three at once (*fixed*), then one after 60 s, doubled to 10 minutes. A few revocations in a row are replaced without delay. An API that rejects every token causes at most six acquisitions in ten minutes. |
//! | the budget is full again | after 30 minutes without a rejection (*fixed*) | Or earlier, when a token reaches its scheduled refresh unrejected. The time is longer than the longest interval, so a constant share of rejections never refills it. |
//! | [`replay`] | [`EmptyBodies`] | Costs nothing, is always possible and covers reads. Other bodies are memory or time, and so your choice. |
//! | replays of a request | one for a token, one for a DPoP nonce (*fixed*) | A second fresh token that is refused will not be the last, nor a second nonce. |
//! | challenges read | 16 KiB (*fixed*) | The longest real ones have a few thousand bytes. |
//!
//! # Where a token goes
//!
//! | setting | default | why |
//! | --- | --- | --- |
//! | [`Origins`] | none: you say it | Nothing else decides who can act as your service. |
//! | [`elsewhere`] | [`Elsewhere::Pass`], without the token | Clients that also fetch from elsewhere, and redirects, keep working. |
//! | [`own_authorization`] | [`OwnAuthorization::Pass`], untouched | A caller who sets the field means it; its answer says nothing about our token. |
//! | [`header_name`] | `Authorization` | RFC 6750 §2.1. |
//! | plain `http` | to loopback only | Whoever sees a token can use it. |
//!
//! # The token request and its answer
//!
//! | setting | default | why |
//! | --- | --- | --- |
//! | client authentication | none: you say it | Servers differ, and a wrong guess counts as a failed log-in. |
//! | secrets, keys, assertions of others | read again for each attempt (*fixed*) | A rotated one is used without a restart. |
//! | longest file of these; of certificates | 64 KiB; 1 MiB (*fixed*) | A wrong path must not fill the memory. |
//! | kind of these files | regular files, and symbolic links to them (*fixed*) | A FIFO or device may block for ever. |
//! | wait for such a file | 5 s, at most half of the attempt; 1 s for certificates (*fixed*) | The error then names the file, and not the authorization server. |
//! | stuck reads | one for each file, 64 for the process (*fixed*) | A stuck thread cannot be ended. Further reads fail at once. |
//! | a space in Basic credentials | `%20` (*fixed*) | Both `%20` and `+` mean a space in a form (RFC 6749 App. B), but some servers only decode the first. |
//! | blank scope or audience, an empty parameter | not sent (*fixed*) | A parameter without a value counts as omitted (RFC 6749 §3.2). |
//! | [`grant_type`] | `client_credentials` | [Extension grants](super::grants) set another. |
//! | lifetime of a [`SignedJwt`] | 60 s | As for client assertions. All known servers accept it, and some refuse 5 minutes. |
//! | [`token_lifetime`] | the server's `expires_in` | The server knows, unless it is known to be wrong. |
//! | `Accept-Encoding` | `identity`; a compressed answer is refused (*fixed*) | Compression saves nothing on a kilobyte, and a compressed answer can be a bomb. Without the field a server may compress (RFC 9110 §12.5.3). |
//! | redirects | not followed (*fixed*) | The secret would go along. |
//! | [`body_cap`] | 1 MiB | A token of 64 KiB and much beside it; bounds memory. |
//! | longest token | 64 KiB (*fixed*) | Above every real one; most servers refuse header fields over 8 KiB. |
//! | [`lifetime_cap`] | none | Most servers tell the truth. For those that give milliseconds, or whose tokens die early. |
//! | a missing `token_type` | Bearer (*fixed*) | RFC 6749 §5.1 requires one, and servers leave it out. |
//! | [`token_type_override`] | none: an unknown type is refused | RFC 6749 §7.1: a client must not use what it does not understand. |
//! | [`wall_clock`] | the system's | Read for dates in `Retry-After`, assertions and proofs; schedules run on tokio's clock. |
//! | events | `tracing` only: DEBUG while all is well, WARN for an operator | The healthy case stays silent at INFO. |
//!
//! # Client assertions
//!
//! | setting | default | why |
//! | --- | --- | --- |
//! | `aud` | none: you say it; always one string (*fixed*) | Servers disagree (issuer or token URL), and an assertion for two audiences can be used by either at the other (rfc7523bis). |
//! | [`assertion_lifetime`] | 60 s | Long enough for a slow network, worth little in a log. Below the shortest limit of known servers. |
//! | `jti` | new for each attempt (*fixed*) | Servers that allow each once would refuse the second attempt. |
//! | [`assertion_typ`] | on: `client-authentication+jwt` | Another JWT can't pass for an assertion, nor the reverse. Servers that know nothing of it ignore it; off for those that don't. |
//! | [`client_id_beside_assertion`] | on | Optional by RFC 7521 §4.2; some servers want it, none is known to refuse it. |
//! | [`client_assertion_type`] | that of RFC 7523 §2.2 | What every server but those for SPIFFE expects. |
//! | an assertion of others that can't be read, or is no whole JWT | the one before, until its own `exp` (*fixed*) | Files are caught while they are written, and agents restart. |
//! | weakest key | RSA of 2048 bits (*fixed*) | RFC 7518 §3.3. |
//!
//! # Clock skew
//!
//! | setting | default | why |
//! | --- | --- | --- |
//! | tolerance | 5 s (*fixed*) | Servers allow for more, NTP stays far below. Beyond it assertions and proofs have the server's time, by the `Date` of its answers, and an [event](Event::ClockSkew) says so. Proofs for an API go by the `Date` of that API alone. |
//! | most that is made up for | 48 h (*fixed*) | Wrong time zones are within 26 h; a `Date` further off is a broken server's. |
//! | a refusal that taught us the time | is tried again (*fixed*) | The clock may be all that was wrong. |
//!
//! # Discovery
//!
//! With [`ClientCredentials::discover`] only.
//!
//! | setting | default | why |
//! | --- | --- | --- |
//! | where | RFC 8414, then OpenID Connect (*fixed*) | The first is made for this; many servers have the second only. |
//! | issuer | identical to the given one, by code point (*fixed*) | RFC 8414 §3.3: what is not that may be anybody's. |
//! | [`metadata_max_age`] | 24 h | Endpoints move with announcements, not by the hour. |
//! | a look that fails while a document is at hand | the document stays; the next look 5 minutes later (*fixed*) | What worked yesterday works better than nothing, and a broken server is not asked each time. |
//! | [`strict_metadata`] | off: an event warns | Metadata is often wrong about client authentication. |
//! | [`prefer_mtls_endpoint`] | when a client certificate is configured | RFC 8705 §5 requires it. Without a certificate the endpoint may refuse the connection. |
//!
//! # Client certificates
//!
//! [`ClientIdentity`], with feature `hyper`.
//!
//! | setting | default | why |
//! | --- | --- | --- |
//! | files are looked at | before each token request; beside API calls and new connections at most every 5 s (*fixed*) | Certificates are replaced long before they expire. |
//! | longest file | 1 MiB (*fixed*) | A long chain is a few KiB. |
//! | files that are damaged, or don't belong together | the last good identity stays (*fixed*) | Two files are never replaced in one instant. |
//! | with a new certificate | tokens got with the old one are dropped, connections are new (*fixed*) | A bound token is refused beside another certificate (RFC 8705 §3). |
//!
//! # DPoP
//!
//! With feature `dpop`.
//!
//! | setting | default | why |
//! | --- | --- | --- |
//! | a generated key | ES256; EdDSA, ES384, PS256 or RS256 where the discovered server lists others only | Most servers take ES256, and RSA is slow. |
//! | a bearer token in spite of the proof | refused (`dpop_optional` is off) | You asked for tokens that a thief can't use. |
//! | a proof | new for each request (*fixed*) | `jti` is good once, and the URI is in it. |
//! | refusals for want of a nonce | sent once more, apart from the one replay with another token (*fixed*) | The nonce comes with the refusal; the second time something else is wrong. |
//! | longest nonce | 512 bytes (*fixed*) | Real ones have some dozen bytes, those with state in them a few hundred. |
//! | nonces kept | the newest of the token endpoint, and of each of 64 API origins, the one unused longest goes (*fixed*) | Bounds memory; who calls more is asked for a nonce now and then. |
//!
//! # Many tokens
//!
//! `KeyedTokenCacheBuilder` has these, with feature `keyed`; each key's cache has the settings above.
//!
//! | setting | default | why |
//! | --- | --- | --- |
//! | `capacity` | 10,000 keys | Some 50 MB with large tokens. A key that is pushed out costs one acquisition when it comes back, and nothing else: its pauses stay. |
//! | pauses remembered of keys that were pushed out | as many; each until it has been over for as long as the longest of its kind (*fixed*) | Forgotten then, a key is asked for no more often than one that is remembered. To push one out, as many other acquisitions must fail. |
//! | `idle_time` | 1 h | Most tokens have expired by then, so that nothing is lost. |
//! | `concurrent_acquisitions` | 16 | Enough for new keys at a rate of hundreds a second, little for a server. |
//! | wait for a turn | half of the acquisition's bound, and no more than the capacity wait (*fixed*) | Who gets one has a full attempt's time left. |
//! | a request without a key | goes out without a token (`without_key`) | As with other origins. |
//!
//! # The default transport
//!
//! [`HyperTransport`], with feature `hyper`; [`HyperTransportBuilder`] has the settings.
//!
//! | setting | default | why |
//! | --- | --- | --- |
//! | root certificates | the platform's | They are what the machine's owner decided on. [Extra ones] come on top. |
//! | TLS | 1.2 and 1.3, aws-lc-rs, given explicitly (*fixed*) | Neither needs nor changes a process-wide choice. |
//! | [proxy](crate::ProxySettings) | from the environment; never for loopback | As curl reads it, so that one setting serves both. To a proxy, loopback is another machine than the one that was meant. |
//! | [`connect_timeout`] | 5 s, name lookup and TLS included | A slow link with one repeated lookup fits; two connections fit into one attempt. |
//! | HTTP | 1.1 or 2, by ALPN (*fixed*) | What the server prefers. |
//! | idle connections | 20 s, 4 a host (*fixed*) | Shorter than servers and balancers keep them, so one is seldom found closed; long enough for the retries of an acquisition. |
//! | after a request that was given up | the connections to its host are closed (*fixed*) | One may be dead without a sign, and HTTP/2 would put every retry on it. Other hosts are not affected. |
//! | bytes of one answer beside its body | 1 MiB (*fixed*) | Real answers need a few thousand. A server cannot keep a client busy with header fields, informational responses or control frames. |
//! | TCP | keepalive after 15 s, twice, 5 s apart; sent data must be acknowledged within 30 s (Linux) (*fixed*) | A peer that is gone is noticed within 30 s. |
//! | HTTP/2 PING of API clients ([`HyperClient`], [`ReqwestService`]) | after 15 s of silence, answered within 10 s, while requests are in flight (*fixed*) | As above, where TCP is kept alive by something in between. Idle connections cost nothing. |
//!
//! [Extra ones]: HyperTransportBuilder::extra_root_certificates_pem
//! [`acquisition_timeout`]: TokenCacheBuilder::acquisition_timeout
//! [`assertion_lifetime`]: ClientCredentialsBuilder::assertion_lifetime
//! [`assertion_typ`]: ClientCredentialsBuilder::assertion_typ
//! [`attempt_timeout`]: ClientCredentialsBuilder::attempt_timeout
//! [`attempts`]: ClientCredentialsBuilder::attempts
//! [`body_cap`]: ClientCredentialsBuilder::body_cap
//! [`client_assertion_type`]: ClientCredentialsBuilder::client_assertion_type
//! [`client_id_beside_assertion`]: ClientCredentialsBuilder::client_id_beside_assertion
//! [`connect_timeout`]: HyperTransportBuilder::connect_timeout
//! [`cooldown`]: TokenCacheBuilder::cooldown
//! [`default_lifetime`]: TokenCacheBuilder::default_lifetime
//! [`dpop_optional`]: ClientCredentialsBuilder::dpop_optional
//! [`dpop`]: ClientCredentialsBuilder::dpop
//! [`elsewhere`]: OAuthClientCredentialsLayer::elsewhere
//! [`first_refresh_lead`]: TokenCacheBuilder::first_refresh_lead
//! [`header_name`]: OAuthClientCredentialsLayer::header_name
//! [`keep_warm`]: TokenCacheBuilder::keep_warm
//! [`leeway`]: TokenCacheBuilder::leeway
//! [`lifetime_cap`]: ClientCredentialsBuilder::lifetime_cap
//! [`metadata_max_age`]: ClientCredentialsBuilder::metadata_max_age
//! [`own_authorization`]: OAuthClientCredentialsLayer::own_authorization
//! [`prefer_mtls_endpoint`]: ClientCredentialsBuilder::prefer_mtls_endpoint
//! [`probe_wait`]: TokenCacheBuilder::probe_wait
//! [`refresh_lead`]: TokenCacheBuilder::refresh_lead
//! [`rejection_interval`]: TokenCacheBuilder::rejection_interval
//! [`rejections`]: OAuthClientCredentialsLayer::rejections
//! [`replay`]: OAuthClientCredentialsLayer::replay
//! [`retry_after_cap`]: TokenCacheBuilder::retry_after_cap
//! [`retry_after_cap_with_token`]: TokenCacheBuilder::retry_after_cap_with_token
//! [`retry_base`]: ClientCredentialsBuilder::retry_base
//! [`strict_metadata`]: ClientCredentialsBuilder::strict_metadata
//! [`rejected_token_wait`]: TokenCacheBuilder::rejected_token_wait
//! [`permanent_error_cooldown`]: TokenCacheBuilder::permanent_error_cooldown
//! [`grant_type`]: ClientCredentialsBuilder::grant_type
//! [`token_lifetime`]: ClientCredentialsBuilder::token_lifetime
//! [`token_type_override`]: ClientCredentialsBuilder::token_type_override
//! [`wait_timeout`]: TokenCacheBuilder::wait_timeout
//! [`wall_clock`]: ClientCredentialsBuilder::wall_clock

// Names for the links above.
#[cfg(doc)]
use crate::*;
