//! `oauth-doctor`: a program that probes an authorization server and prints the settings to use.
//!
//! ```sh
//! cargo install tower-oauth2-client-credentials --features doctor
//! oauth-doctor --demo
//! oauth-doctor --issuer https://idp.example.com --client-id my-service \
//!     --secret-file /run/secrets/idp --scope invoices:read --api https://api.example.com/invoices
//! ```
//!
//! It requests a token as your service would, calls the API with it, and reports:
//!
//! * the discovery document, and whether its issuer matches
//! * TLS, the proxy, the latency, and the difference between the clocks
//! * the methods of client authentication that the server offers, and whether yours works
//! * the scope that was asked for and granted, the token's lifetime and its form, `refresh_in`
//! * DPoP and client certificates: offered or required
//! * quirks, such as a missing `expires_in`
//! * the API's answer to the token
//! * the line for Cargo.toml, the Rust function, and the environment variables
//!   ([`ClientCredentialsConfig`])
//!
//! Each problem is one line that ends with what to do. `--json` prints the same report for programs.
//!
//! # Token requests
//!
//! | run | token requests |
//! | --- | --- |
//! | default | 1 |
//! | `--dpop` | 1, and another if the server wants a nonce |
//! | `--thorough` | up to 8 |
//!
//! `--thorough` warns first, and asks at a terminal (`--yes` answers). It requests a second token: on
//! some servers that ends the first. It tries DPoP, the other methods for the same credential, and whether
//! the server decodes Basic credentials (RFC 6749 §2.3.1). Failed logins may lock an account.
//!
//! Any run stops after two failed logins: a 401, `invalid_client`, or a 400 that may mean a failed login
//! (`invalid_grant`, `invalid_request`, `access_denied`). It also stops after a 429, a `Retry-After`, or a
//! 403 of the token endpoint or API.
//!
//! # Secrets
//!
//! A secret is read from a variable (`--secret-env`) or a file, and never from the command line, which
//! other users of the machine can see. The report contains no secret and no token: neither as it
//! is, nor percent-encoded, escaped, in base64 or in hexadecimal. A server's text that repeats 8
//! characters of one in a row is left out. The query of a token URL, and user and password of any URL, are left out too.
//!
//! The token is sent to `--api` only if that is `https` or loopback.
//!
//! # Exit codes
//!
//! | code | meaning |
//! | --- | --- |
//! | 0 | The server issued a token, and the API accepted it if `--api` was given. |
//! | 1 | The server refused the client, or its answer cannot be used. |
//! | 2 | The command line or a file is wrong, or the run was declined. No token request was sent. |
//! | 3 | The server could not be reached: name, connection, TLS, proxy or timeout. |
//! | 4 | The metadata could not be read, or is of another issuer. |
//! | 5 | The server issued a token, but the API could not be reached or refused the token. |
//! | 6 | The server or API throttles (429, `Retry-After`), or the token endpoint answers 403. |
//! | 7 | The report could not be written. Token requests may have been sent. |
//!
//! # Output
//!
//! The report is written to standard output, warnings and mistakes in the arguments to standard error.
//! Colors are used on a terminal only, unless `NO_COLOR` is set. `--color` overrides that.
//!
//! If a file or variable is wrong, there is no report, with `--json` either: standard output is empty, and
//! the exit code is 2. A wrong URL gives a report.
//!
//! In JSON, each topic is an object (`discovery`, `connection`, `client_authentication`, `token`,
//! `dpop`, `quirks`, `api`, `clock`). `findings` and `requests` are lists. `rust`, `environment`, `cargo`
//! and `notes` exist if settings were found that work. `version` changes when a member is renamed or
//! removed.

// Names for the links above.
#[cfg(doc)]
use crate::docs::links::*;
