//! The threat model: assets, attackers, and the risks that remain.
//!
//! # What is protected
//!
//! | | a thief can | for |
//! | --- | --- | --- |
//! | the client's credential: secret, key, assertion, certificate | get tokens as your service | years, or until it is replaced |
//! | an access token | act as your service | the token's lifetime |
//! | a DPoP key | use tokens that are bound to it | the life of the process, unless you provided the key |
//! | the key that seals a store | read the tokens of the fleet | until it is rotated |
//!
//! Two more are protected from harm: the **authorization server** from floods by this client, and **your
//! service** from requests that never end, unbounded memory and panics.
//!
//! # What is trusted
//!
//! * The process, all code in it, and anyone who can read its memory or attach a debugger. This includes
//!   your sources, transports, observers and layers. (A panic or a hang in one of them is contained. A secret
//!   in the text of one of their errors is not removed.)
//! * The settings: URLs, origins, paths, environment variables, root certificates, proxies.
//! * The authorization server to issue tokens for the right client. Its responses are not trusted
//!   otherwise.
//! * An API with the tokens that are sent to it. A bearer token is as safe as the least careful API that
//!   gets it.
//! * Clocks only so far: see [suspended machines](crate::docs::serverless#suspended-machines).
//!
//! The network, DNS, proxies, all response bodies and header fields, and the contents of a store are not
//! trusted.
//!
//! # Attackers
//!
//! The tests of each promise are named after its number: `p8_…` for P8.
//!
//! | attacker | what this crate does | what remains |
//! | --- | --- | --- |
//! | **On the network**: reads, changes, delays, redirects | `https` only, beyond loopback. Certificates are checked. Redirects of the token endpoint are not followed. Silent peers end at a timeout (P3, P13). | Denial of service, and the sizes and times of requests. |
//! | **An API, or a server that it redirects to** | Tokens go to the named origins, checked for each hop (P9). Rejections have a budget (P7). Challenges are parsed with limits. | It has its token, and can use it at any other API that accepts it. Use an audience, a resource or bound tokens. |
//! | **Someone who chooses URLs or header fields of your requests**: SSRF | Another origin, a differing `Host`, an unusual path or `TRACE` gets no token (P9). | Any path of a named origin. Requests with the caller's own `Authorization`. |
//! | **The token endpoint**, or an attacker who controls it | Bounded bodies, clamped lifetimes, no header injection, no panic (P12). `Retry-After` has a cap. Its text is cleaned before it is shown (P8). | It sees a secret that is sent to it. It can refuse. |
//! | **The issuer's metadata**: mix-up | The document must name the requested issuer. Endpoints must be `https`. An assertion names one audience. | It chooses where the credential is sent. Configure the token URL if others control `/.well-known/`. |
//! | **A reader of logs, errors, metrics, traces, panics** | None of these contains a secret, even if a server repeats it (P8). | Names of clients, hosts, scopes, times. |
//! | **A reader of a store** | Entries are sealed, names are hashes. | Number and times of entries. All tokens with [`plain_text`], or with the sealing key. |
//! | **A writer of a store** | An entry that is changed, copied or renamed does not open, and is not used. | Removing entries, which costs token requests. Restoring an earlier entry while its token is valid. With [`plain_text`]: any token. |
//! | **Another user of the machine** | Only regular files are read. A store in files is for its owner only. | Files that your permissions expose. Loopback ports: see below. |
//! | **A tenant of your service** | Each key has its own cache, backoff and rejections. Keys are bounded, and so are starts of acquisitions. | Your function chooses the key. If it derives the key from unchecked input, a tenant gets another one's token. |
//! | **Callers that flood your service** | The number of token requests does not depend on the traffic (P1, P6). | Your own limits. |
//! | **A dependency**: supply chain | Licenses, sources, duplicates and advisories are checked in CI. `unsafe` is forbidden in this crate. | Everything a dependency can do in your process. |
//!
//! [`plain_text`]: crate::store::SharedBuilder::plain_text
//!
//! # Accepted risks
//!
//! * **Loopback without TLS.** Tokens and secrets are sent over plain `http` to loopback, because sidecars
//!   work that way. A local process that takes the port of a sidecar that stopped gets them. Where users
//!   of the machine do not trust each other, use `https` there too.
//! * **`Origins::any`, `Origins::fixed_upstream`, `parse_with_plain_http`, `allow_plain_http`,
//!   `dpop_optional`, `plain_text`** each turn off a protection of this page. Their documentation says which.
//!   Look for them in a review.
//! * **A rejected token stays in use** for other APIs until the next one arrives. The API and the
//!   authorization server enforce a revocation. `TokenCache::clear` drops a token at once.
//! * **Memory is wiped as far as this crate can**: [the limits](super#memory).
//! * **Timing.** Comparisons of tokens in the cache are not in constant time. They compare the process's
//!   own tokens. No attacker supplies one side.
//!
//! # Out of scope
//!
//! User logins, refresh tokens, and the tokens of incoming requests. A server that issues tokens to the
//! wrong client. Malicious code in the process. Physical access.
