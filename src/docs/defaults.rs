//! Every default, with its reason.
//!
//! The simple case needs no setting, and the behavior after a failure is decided in advance. Each
//! default is a setting unless it is marked *fixed*.
//!
//! ```
//! use std::time::Duration;
//! use tower_oauth2_client_credentials::{Token, TokenCache, source::AcquireContext};
//!
//! // A user waits for each request, so give up earlier.
//! let tokens = TokenCache::builder(|_: AcquireContext| async { Token::bearer("abc") })
//!     .wait_timeout(Duration::from_secs(3))
//!     .cooldown(Duration::from_millis(500)..=Duration::from_secs(20))
//!     .build();
//! # let _ = tokens;
//! ```
//!
//! # When a token is refreshed
//!
//! These are settings of [`TokenCacheBuilder`]. A lifetime counts from the instant before the token
//! request was sent, so that a slow response never makes a token look younger than it is.
//!
//! | setting | default | why |
//! | --- | --- | --- |
//! | [`refresh_lead`] | 15 % to 30 % of the lifetime before the expiry, drawn at random for each token | Uses most of the lifetime and leaves time for many attempts: 9 to 18 minutes of an hour. |
//! | [`first_refresh_lead`] | 15 % to 60 % | Spreads the first refreshes of instances that start together. |
//! | refresh lead, at least | 3 × the last acquisition's duration (*fixed*) | With a slow endpoint the refresh must start earlier, with room for one retry. |
//! | refresh lead, at most | 60 % of the lifetime (*fixed*) | A slow endpoint does not cause permanent token requests. |
//! | earliest refresh | a third of the remaining lifetime on arrival; half of it if the server returned the same token again (*fixed*) | Prevents a loop, for any hint, any latency of the endpoint and any remaining lifetime. |
//! | `refresh_in` from the server | moves the refresh earlier, never later (*fixed*) | The server knows when its token should be renewed, but not how long that takes from here. |
//! | [`leeway`] | 30 s, at most 10 % of the lifetime | Covers the way to the API and clock differences. The limit of 10 % keeps short tokens usable. |
//! | [`default_lifetime`] | 5 minutes | For servers that send no lifetime (RFC 6749 §5.1 only recommends it). Shorter than the common lifetimes, so the guess is safe. |
//! | longest accepted lifetime | 10 years (*fixed*) | Far above any real token, far below the overflow of an instant. |
//! | after a token that was expired on arrival | the next acquisition starts 1 s later (*fixed*) | A server whose clock is wrong is asked once a second and not in a loop. |
//! | [`wall_clock`](TokenCacheBuilder::wall_clock) | the system's | Detects a suspend, which the monotonic clock does not count. |
//! | wait for a token that expired during a suspend | 1 s, at most [`rejected_token_wait`] (*fixed*) | Perhaps nothing was suspended and the clock was just corrected. Then the token is still valid. |
//! | [`keep_warm`] | off | An idle service sends no token requests. |
//!
//! If the wall clock moves forward by over 5 s more than the monotonic clock (*fixed*), the refresh
//! moves earlier by the difference. NTP corrects smaller differences.
//!
//! # One acquisition
//!
//! An *acquisition* gets one token. It makes up to three *attempts*, each with one token request.
//! [`acquisition_timeout`] is a setting of the cache. The others are settings of
//! [`ClientCredentialsBuilder`].
//!
//! | setting | default | why |
//! | --- | --- | --- |
//! | [`attempt_timeout`] | 10 s | A token endpoint answers in well under a second. 10 s outlast a failover. |
//! | [`attempts`] | 3 | The second attempt recovers from a lost connection, the third from a failover. Longer faults are outages, with the backoff below. |
//! | [`retry_base`] | 100 ms, doubled, full jitter, at most 10 s | Short for a user, long compared with a round trip. Full jitter keeps clients that failed together from returning together. |
//! | retried failures | broken connections and responses, timeouts, 408, 425, 429, 5xx, `temporarily_unavailable`, credentials that could not be read (*fixed*) | The next attempt may succeed. Refused credentials are not retried, because that can't fix them and may lock the client out. |
//! | [`acquisition_timeout`] | 25 s | Two attempts that time out, and up to 5 s for a third. |
//! | abandoned after | 5 s more (*fixed*) | Measured on a waiter's clock. The runtime of the acquisition is [stalled](super::outages#callers-clocks-and-runtimes), and a waiter starts another acquisition. If the runtime has ended, waiters do so at once. |
//! | attempts after a failed acquisition | 1 (*fixed*) | This attempt is a trial request. The backoff schedules the next one. |
//!
//! # Waiting
//!
//! | setting | default | why |
//! | --- | --- | --- |
//! | [`wait_timeout`] | 30 s | Above [`acquisition_timeout`], so that a waiter gets the acquisition's error and not only a timeout. |
//! | [`rejected_token_wait`] | 1 s | After this time requests use the rejected token, which is probably valid for other APIs. |
//! | [`probe_wait`] | 1 s | Requests get the last error soon instead of hanging. |
//!
//! A service with its own deadline sets [`wait_timeout`] lower. The acquisition continues without
//! the waiter. The *trial request* ([`probe_wait`]) is the first token request after a cooldown. It
//! checks whether the server is back.
//!
//! # After failures
//!
//! | setting | default | why |
//! | --- | --- | --- |
//! | [`cooldown`] | 1 s, doubled up to 60 s; up to 25 % is added at random | An outage of an hour costs at most 70 token requests per instance, for any traffic. |
//! | [`permanent_error_cooldown`] | 30 s | Wrong credentials rarely become valid, and servers lock accounts. The cooldown ends because an operator or a rotation may fix them. |
//! | [`retry_after_cap`] | 5 minutes | Without a token the server's `Retry-After` is honored, but a wrong value must not stop a service for a day. |
//! | [`retry_after_cap_with_token`] | 1 hour | While a valid token is cached, waiting costs nothing. |
//! | every cooldown | at least 100 ms (*fixed*) | With a cooldown of zero, requests to a failing server would form a loop. |
//! | failures are forgotten | at the first success (*fixed*) | After a success the next failure starts at the shortest cooldown again. |
//!
//! A *cooldown* is the wait after a failed acquisition, and the *backoff* is its growth. The next
//! trial request comes at most 75 s after an outage ends, or 85 s if the server hung.
//!
//! # Rejections by an API
//!
//! | setting | default | why |
//! | --- | --- | --- |
//! | [`rejection_policy`] | [`RejectionPolicy::by_challenge`] | A needless acquisition costs little, while a token that stays rejected is an outage. |
//! | [`rejection_interval`] | 60 s to 10 minutes, at least 1 s | An API that rejects every token causes at most six acquisitions in ten minutes. |
//! | the rejection budget is full again | after 30 minutes without a rejection (*fixed*) | Longer than the longest interval, so a constant rate of rejections never refills it. |
//! | [`replay`] | [`EmptyBodies`] | Covers reads, for one allocation per usual request. Custom header names, more than 8 fields or 256 bytes of values, and extensions cost more. |
//! | replays of a request | one for a token, one for a DPoP nonce, one after a replay's connection was lost (*fixed*) | If the second token or nonce is refused too, a third will not help. |
//! | challenges read | 16 KiB (*fixed*) | The longest real ones have a few thousand bytes. |
//!
//! * By default a 401 is a rejection, unless its code or scheme says that another token would not
//!   help (RFC 6750 §3.1). A 403 is a rejection only with `invalid_token`.
//! * The *rejection budget* limits the acquisitions that rejections cause: three without a delay
//!   (*fixed*), so that a few revocations in a row are replaced at once, then one after each interval.
//!   It is full again earlier when a token reaches its scheduled refresh unrejected.
//! * [`EmptyBodies`] needs a body type that is `Default`. Replays of other bodies cost memory or time,
//!   so they are your choice.
//!
//! # Where a token goes
//!
//! | setting | default | why |
//! | --- | --- | --- |
//! | [`Origins`] | none: required | Only you can decide which servers may act as your service. |
//! | [`withheld`] | [`WithoutToken::Pass`], without the token | Clients that also call other origins, and redirects, keep working. |
//! | [`existing_authorization`] | [`ExistingAuthorization::Pass`], untouched | A caller sets the field on purpose. The response says nothing about our token. |
//! | [`header_name`] | `Authorization` | RFC 6750 §2.1. |
//! | plain `http` | to loopback only | Anyone who reads a token can use it. |
//!
//! # The token request and its response
//!
//! | setting | default | why |
//! | --- | --- | --- |
//! | client authentication | none: required | Servers differ, and a wrong guess counts as a failed login. |
//! | secrets, keys, assertions from files and closures | read again for each attempt (*fixed*) | A rotated credential is used without a restart. |
//! | size limit of these files | 64 KiB (*fixed*) | A wrong path must not fill the memory. |
//! | kind of these files | regular files, and symbolic links to them (*fixed*) | A FIFO or device may block forever. |
//! | wait for such a file | 5 s, at most half of the attempt (*fixed*) | The error then names the file and not the authorization server. |
//! | limit of stuck reads | one for each file, 64 for the process (*fixed*) | A stuck thread cannot be ended. |
//! | a space in Basic credentials | `%20` (*fixed*) | Both `%20` and `+` mean a space in a form (RFC 6749 App. B), but some servers decode `%20` only. |
//! | blank scope or audience, an empty parameter | not sent (*fixed*) | A parameter without a value counts as omitted (RFC 6749 §3.2). |
//! | [`grant_type`] | `client_credentials` | [Extension grants](super::grants) set another. |
//! | lifetime of a [`SignedJwt`] | 60 s | The same as for client assertions. All known servers accept it, and some refuse 5 minutes. |
//! | [`token_lifetime`] | the server's `expires_in` | The server knows the lifetime, unless it is known to be wrong. |
//! | `Accept-Encoding` | `identity` (*fixed*) | Compression saves nothing on a kilobyte. Without the field a server may compress (RFC 9110 §12.5.3). |
//! | a compressed response | refused (*fixed*) | It can be a decompression bomb. |
//! | redirects | not followed (*fixed*) | The secret would be sent along. |
//! | [`body_cap`] | 1 MiB | Room for a token of 64 KiB and other members. |
//! | longest token | 64 KiB (*fixed*) | Above every real token. Most servers refuse header fields over 8 KiB. |
//! | [`lifetime_cap`] | 10 years, the maximum | Most servers send the right lifetime. |
//! | a missing `token_type` | Bearer (*fixed*) | RFC 6749 §5.1 requires one, but some servers omit it. |
//! | [`token_type_override`] | none: an unknown type is refused | RFC 6749 §7.1: a client must not use a type that it does not understand. |
//! | [`wall_clock`] | the system's | Read for dates in `Retry-After`, assertions and proofs. Schedules run on tokio's clock. |
//! | events | `tracing` only: DEBUG in normal operation, WARN for an operator | A healthy service logs nothing at INFO. |
//!
//! Set [`lifetime_cap`] for servers that send milliseconds, or whose tokens end early. Further
//! reads of a file fail at once while a read of it is stuck, or while 64 are.
//!
//! # Client assertions
//!
//! | setting | default | why |
//! | --- | --- | --- |
//! | `aud` | none: required; always one string (*fixed*) | Servers disagree whether it is the issuer or the token URL. |
//! | [`assertion_lifetime`] | 60 s | Long enough for a slow network, and below the shortest limit of known servers. |
//! | `jti` | new for each attempt (*fixed*) | Servers that accept each `jti` once would refuse the second attempt. |
//! | [`send_assertion_typ`] | on: `client-authentication+jwt` | Another JWT can't pass for an assertion, or the reverse. |
//! | [`send_client_id`] | on | Optional by RFC 7521 §4.2. Some servers require it, none is known to refuse it. |
//! | [`client_assertion_type`] | that of RFC 7523 §2.2 | Every server expects it, except those for SPIFFE. |
//! | an assertion that can't be read, or is not a whole JWT | the previous one, until its own `exp` (*fixed*) | A file may be read while it is written, and agents restart. |
//! | weakest key | RSA of 2048 bits (*fixed*) | RFC 7518 §3.3. |
//!
//! Of two audiences, each could use the assertion at the other (rfc7523bis). Servers that do not
//! know `typ` `client-authentication+jwt` ignore it. Turn [`send_assertion_typ`] off for those that
//! refuse it.
//!
//! # Clock skew
//!
//! | setting | default | why |
//! | --- | --- | --- |
//! | tolerance | 5 s (*fixed*) | Servers allow more, and NTP stays far below. |
//! | largest corrected difference | 48 h (*fixed*) | Wrong time zones are within 26 h. |
//! | a request whose refusal showed the time difference | is sent again (*fixed*) | The clock may have been the only error. |
//!
//! Beyond the tolerance, assertions and proofs use the server's time, from the `Date` of its
//! responses. An [event](EventKind::ClockSkew) says so. Proofs for an API use the `Date` of that API
//! only. A `Date` that is off by more than 48 h comes from a broken server.
//!
//! # Discovery
//!
//! With [`ClientCredentials::discover`] only.
//!
//! | setting | default | why |
//! | --- | --- | --- |
//! | location | RFC 8414, then OpenID Connect (*fixed*) | The first is meant for this. Many servers have the second only. |
//! | issuer | identical to the given one, by code point (*fixed*) | RFC 8414 §3.3: a document with another issuer may come from anyone. |
//! | [`metadata_max_age`] | 24 h | Endpoints rarely move, and moves are announced. |
//! | a failed request while a document is cached | the document stays; the next request 5 minutes later (*fixed*) | The cached document probably still works, and a broken server is not asked each time. |
//! | [`strict_metadata`] | off: an event warns | Metadata is often wrong about client authentication. |
//! | [`prefer_mtls_endpoint`] | off, which still uses it when a client certificate is known | RFC 8705 §5 requires it. Without a certificate the endpoint may refuse the connection. |
//!
//! # Client certificates
//!
//! [`ClientIdentity`], with feature `hyper-transport`.
//!
//! | setting | default | why |
//! | --- | --- | --- |
//! | files are checked | before each token request; for API calls at most every 5 s, in the background (*fixed*) | Certificates are replaced long before they expire. |
//! | size limit | 1 MiB (*fixed*) | A long chain is a few KiB. |
//! | wait for such a file | 1 s for a token request, 100 ms if the last read failed; 5 s in `from_files`, in `reload` and in the background (*fixed*) | A token request can use the last good identity. |
//! | files that are damaged, or don't match | the last good identity stays (*fixed*) | Two files are never replaced in one instant. |
//! | after a new certificate | tokens of the old one are dropped, connections are new (*fixed*) | A bound token is refused with another certificate (RFC 8705 §3). |
//!
//! # DPoP
//!
//! With feature `dpop`.
//!
//! | setting | default | why |
//! | --- | --- | --- |
//! | a generated key | ES256; EdDSA, ES384, PS256 or RS256 if the discovered server lists only others | Most servers accept ES256, and RSA is slow. |
//! | a bearer token in response to a proof | refused (`dpop_optional` is off) | You asked for tokens that a thief can't use. |
//! | a proof | new for each request (*fixed*) | A `jti` is valid once, and the proof contains the URI. |
//! | requests refused because they lack a nonce | sent again once (*fixed*) | The refusal contains the nonce. A second refusal has another cause. |
//! | longest nonce | 512 bytes (*fixed*) | Real ones have some dozen bytes, those with state in them a few hundred. |
//! | nonces kept | of the token endpoint and of 64 API origins (*fixed*) | Bounds memory. A client that calls more origins gets a nonce challenge now and then. |
//!
//! The retry with a nonce does not count as the one replay with another token. The nonce of the
//! least recently used origin is dropped first.
//!
//! # Many tokens
//!
//! These are settings of `KeyedTokenCacheBuilder`, with feature `keyed`. Each key's cache has the
//! settings above.
//!
//! | setting | default | why |
//! | --- | --- | --- |
//! | `capacity` | 10,000 keys | About 23 MB with tokens of 800 bytes, plus the sources, plus 4 KB of locks per core. |
//! | remembered backoff of evicted keys | up to `capacity` keys (*fixed*) | To push one out, `capacity` other acquisitions must fail. |
//! | `idle_time` | 1 h | Most tokens have expired by then, so nothing is lost. |
//! | `acquisition_start_limit` | 16 unfinished acquisitions that started in the last 250 ms; 16 more for keys whose last acquisition failed | Enough for hundreds of new keys a second, and little load for a server. |
//! | wait for a permit | half of [`acquisition_timeout`] (*fixed*) | An acquisition that gets a permit has time for a full attempt. |
//! | acquisitions that wait for a permit | `capacity` (*fixed*) | Bounds memory. |
//! | a request without a key | is sent without a token (`without_key`) | As with other origins. |
//!
//! An evicted key costs one acquisition when it is used again. Its backoff is forgotten one maximum
//! cooldown after its cooldown ends. If the next acquisition fails too, the backoff starts again at
//! the shortest cooldown.
//!
//! # The default transport
//!
//! [`HyperTransport`], with feature `hyper-transport`. [`HyperTransportBuilder`] has the settings.
//!
//! | setting | default | why |
//! | --- | --- | --- |
//! | root certificates | the platform's | The machine's owner chose them. [Extra ones] are added to them. |
//! | TLS | 1.2 and 1.3, with an explicit aws-lc-rs provider (*fixed*) | Independent of process-wide settings. |
//! | [proxy](crate::transport::ProxySettings) | from the environment; never for loopback | Read as curl reads it, so that one setting serves both. To a proxy, loopback is another machine. |
//! | [`connect_timeout`] | 5 s, name lookup and TLS included | Fits a slow link with one repeated lookup. Two connections fit into one attempt. |
//! | HTTP | 1.1 or 2, by ALPN (*fixed*) | The server chooses. |
//! | idle connections | 20 s, 4 per host (*fixed*) | Servers and load balancers keep them longer, so that one is rarely found closed. |
//! | after an abandoned request | the connections to its host are closed (*fixed*) | A connection may be dead without a sign, and HTTP/2 would send every retry over it. Other hosts are not affected. |
//! | bytes of one response in addition to its body | 1 MiB (*fixed*) | A server cannot keep a client busy with header fields or control frames. |
//! | TCP keepalive | after 15 s, twice, 5 s apart (*fixed*) | A lost peer is noticed within 30 s. |
//! | TCP acknowledgment of sent data (Linux) | within 30 s (*fixed*) | As above. |
//! | HTTP/2 PING of API clients ([`HyperClient`], [`ReqwestService`]) | after 15 s of silence (*fixed*) | Finds a lost peer where a middlebox keeps TCP alive. |
//!
//! A PING is sent only while requests are in flight, and must be acknowledged within 10 s. Idle
//! connections cost nothing.
//!
//! # A store of shared tokens
//!
//! `SharedBuilder` (feature `store`).
//!
//! | setting | default | why |
//! | --- | --- | --- |
//! | `sealed_with`, `plain_text` | none: required | Anyone who reads a token in the store can use it. |
//! | `store_timeout` | 250 ms | A store answers in milliseconds. A request that waits for a token loses at most this before the process acquires for itself. |
//! | `lease` | 5 s, renewed each third of it during the acquisition, for 40 % of `acquisition_timeout` at most | A process that dies delays the others by at most 5 s. A pause of a second does not end the lease. |
//! | `clock_skew` | 5 s | Hosts with NTP differ by far less. The leeway of 30 s covers it too; tokens that live for less than 10 s are shared for the first half of their lifetime. |
//! | `namespace` | none, required if the settings do not determine the token | Two clients must not get each other's token. |
//! | polls of a waiting process | after 50 ms to 250 ms, doubled up to 1 s, at random (*fixed*) | The announcement usually arrives first. |
//! | delay of the refresh in processes that did not acquire the token | up to 5 s, at most 1 % of the lifetime (*fixed*) | The next token is usually announced before they ask. |
//! | spread of the refreshes if the store fails when they are due | over 70 % of the remaining life (*fixed*) | All processes have one refresh time, and would ask at once. The rest is for retries. |
//! | a process whose acquisition failed | asks again a quarter of the cooldown and 250 ms after the others, 5 s at most (*fixed*) | One process with a wrong secret does not keep the others from a token. |
//! | acquisition without the lease | after two other processes had it one after the other and stored nothing, and 5 s (*fixed*) | The store keeps no entries. One process after the other would take too long. |
//!
//! `RedisStore` (feature `redis`) and `FileStore` (feature `file-store`).
//!
//! | setting | default | why |
//! | --- | --- | --- |
//! | `connect_timeout` | 2 s, login included | A name lookup, a TLS handshake and a login over a slow link. Callers give up earlier. The attempt goes on in the background for later callers. |
//! | `response_timeout` | 1 s | A script takes less than a millisecond, so this bounds the network. It exceeds the default `store_timeout`, which normally ends the wait first. |
//! | `prefix` | `oauth2-tokens` | An ACL can name it. Ids of entries are hashes, so services may share it. |
//! | after a failed connection | operations fail at once for 100 ms, doubled up to 2 s (*fixed*) | A Redis that is down is asked rarely, and sharing resumes within seconds. |
//! | operations in a row without an answer | 3 (*fixed*), then another connection | A caller with a short `store_timeout` would stay on a dead connection. |
//! | after a failed subscription | the next one after 1 s, doubled up to 30 s, half of it to one and a half at random (*fixed*) | Without announcements, processes poll while they wait. |
//! | check of a silent subscription | every 15 s (*fixed*) | A lost peer is noticed by then. |
//! | longest value | 512 KiB (*fixed*) | Twice the longest entry. |
//! | lock of a file | 2 s (*fixed*) | Its holder needs milliseconds, unless it is stopped. |
//! | threads of a `FileStore` | 16, one for each entry in use (*fixed*) | A file system that hangs blocks at most 16 threads. |
//!
//! [Extra ones]: HyperTransportBuilder::extra_root_certificates_pem
//! [`acquisition_timeout`]: TokenCacheBuilder::acquisition_timeout
//! [`assertion_lifetime`]: ClientCredentialsBuilder::assertion_lifetime
//! [`send_assertion_typ`]: ClientCredentialsBuilder::send_assertion_typ
//! [`attempt_timeout`]: ClientCredentialsBuilder::attempt_timeout
//! [`attempts`]: ClientCredentialsBuilder::attempts
//! [`body_cap`]: ClientCredentialsBuilder::body_cap
//! [`client_assertion_type`]: ClientCredentialsBuilder::client_assertion_type
//! [`send_client_id`]: ClientCredentialsBuilder::send_client_id
//! [`connect_timeout`]: HyperTransportBuilder::connect_timeout
//! [`cooldown`]: TokenCacheBuilder::cooldown
//! [`default_lifetime`]: TokenCacheBuilder::default_lifetime
//! [`dpop_optional`]: ClientCredentialsBuilder::dpop_optional
//! [`dpop`]: ClientCredentialsBuilder::dpop
//! [`withheld`]: OAuthClientCredentialsLayer::withheld
//! [`first_refresh_lead`]: TokenCacheBuilder::first_refresh_lead
//! [`header_name`]: OAuthClientCredentialsLayer::header_name
//! [`keep_warm`]: TokenCacheBuilder::keep_warm
//! [`leeway`]: TokenCacheBuilder::leeway
//! [`lifetime_cap`]: ClientCredentialsBuilder::lifetime_cap
//! [`metadata_max_age`]: ClientCredentialsBuilder::metadata_max_age
//! [`existing_authorization`]: OAuthClientCredentialsLayer::existing_authorization
//! [`prefer_mtls_endpoint`]: ClientCredentialsBuilder::prefer_mtls_endpoint
//! [`probe_wait`]: TokenCacheBuilder::probe_wait
//! [`refresh_lead`]: TokenCacheBuilder::refresh_lead
//! [`rejection_interval`]: TokenCacheBuilder::rejection_interval
//! [`rejection_policy`]: OAuthClientCredentialsLayer::rejection_policy
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
use crate::docs::links::*;
