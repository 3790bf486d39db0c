//! The cryptographic library: why AWS-LC, FIPS mode, and why not `ring`.
//!
//! * [What it does](#what-it-does)
//! * [FIPS mode](#fips-mode)
//! * [Why not ring](#why-not-ring)
//!
//! # What it does
//!
//! | feature | uses |
//! | --- | --- |
//! | `hyper-transport` | TLS by rustls, with its provider for AWS-LC |
//! | `jwt` | signatures of assertions: RSA (PKCS#1 v1.5, PSS), ECDSA (P-256, P-384), Ed25519, HMAC |
//! | `dpop` | ECDSA P-256 by default; SHA-256 for `ath` and thumbprints |
//! | `store` | AES-256-GCM with random nonces, SHA-256, random numbers |
//!
//! Without these features the crate has no cryptography. All of it is AWS-LC, by `aws-lc-rs`: one library
//! to audit, to update and to certify.
//!
//! # FIPS mode
//!
//! AWS-LC has a build that is validated for FIPS 140-3. This crate has no feature for it. The features of
//! `aws-lc-rs` and rustls are enough, because Cargo unifies them for the whole program. Add to *your*
//! `Cargo.toml`:
//!
//! ```toml
//! [dependencies]
//! tower-oauth2-client-credentials = { version = "0.1", features = ["jwt", "dpop", "rustls"] }
//! aws-lc-rs = { version = "1", default-features = false, features = ["fips"] }
//! rustls = { version = "0.23", default-features = false, features = ["fips"] }
//! ```
//!
//! The build needs CMake, Go and a C compiler, in addition to Rust. If `bindgen` does not compile because of
//! two versions of `syn`, run `cargo update -p prettyplease --precise 0.2.37`. Check at the start of the program
//! that both libraries are in FIPS mode:
//!
//! ```no_run
//! # #[cfg(not(all(feature = "rustls", feature = "jwt")))]
//! # fn main() {}
//! # #[cfg(all(feature = "rustls", feature = "jwt"))]
//! # fn main() -> Result<(), tower_oauth2_client_credentials::BoxError> {
//! use tower_oauth2_client_credentials::transport::HyperTransport;
//!
//! aws_lc_rs::try_fips_mode()?;
//! let tls = HyperTransport::builder().build_tls_config()?; // feature `rustls` of this crate
//! assert!(tls.fips());
//! # Ok(())
//! # }
//! ```
//!
//! * TLS then offers the approved cipher suites and key exchanges only, and requires extended master
//!   secrets with TLS 1.2. A server with ChaCha20 or X25519 only can't be reached.
//! * Sealed entries use AES-256-GCM with nonces that the module draws, as its security policy requires.
//! * The module does not refuse everything that is not approved. Two choices are yours: Ed25519 depends on
//!   the certificate of the module's version, and `client_secret_jwt` needs a secret of at least 112 bits. RSA
//!   keys have 2048 bits or more in every mode.
//! * `fastrand` draws times and jitter, and nothing secret. `jti`, lease owners and nonces come from AWS-LC.
//! * Other crates in your program may have another TLS library. `cargo tree -i ring` shows one of them.
//!
//! The unit tests and the tests of credentials, DPoP, certificates, TLS and fleets pass in FIPS mode (Linux on
//! x86-64, `aws-lc-rs` 1.19, `aws-lc-fips-sys` 0.14.4). CI does not repeat that, because it would need Go.
//!
//! This page says how to build it. Whether your program is compliant depends on the certificate, its
//! version and its platforms: read the documentation of `aws-lc-fips-sys`.
//!
//! A feature `fips` of this crate would turn on the same two features. It would also be part of
//! `--all-features`, so that every such build, including that of the documentation, would need Go and CMake.
//!
//! # Why not ring
//!
//! `ring` is smaller, and builds with fewer tools on some platforms. These are the reasons for AWS-LC:
//!
//! * **One library.** rustls's default provider is AWS-LC. With `ring` for signatures, the default features
//!   of most programs would have both.
//! * **FIPS.** `ring` has no validated build.
//! * **Wiping.** AWS-LC overwrites keys when it frees them. `ring` does not. [Promise 8](super#memory) counts
//!   on it.
//! * **Keys.** AWS-LC reads SEC 1, generates RSA keys, and draws the nonces of AES-GCM itself. With `ring`
//!   the first two are missing, and the third is our code.
//! * **Key exchange after quantum computers.** AWS-LC has ML-KEM, which rustls offers.
//!
//! Supporting both takes four steps, and an offer of them is welcome:
//!
//! 1. A module that wraps the primitives. `jose` and `store` call AWS-LC in nine files:
//!    `jose/{key_pair,public_jwk,compact,jwk}.rs`, `store/{identity,sealing/key,sealing/envelope}.rs`,
//!    `store/file/record.rs` and `store/shared/lease_guard.rs`. Apart from the keys above, the two interfaces are nearly equal there.
//! 2. A feature for each library, which must not exclude each other, and a rule for both: AWS-LC.
//! 3. A provider setting in the transport. `transport/hyper/tls.rs` names AWS-LC's, and
//!    `transport/hyper/identity` reads keys by it.
//! 4. SEC 1 keys and wiping for `ring`, or documentation that both are missing, and all tests of
//!    `tests/credentials`, `tests/dpop` and `tests/store` with each library.
//!
//! Until then, a program that must not contain AWS-LC uses no default features, its own
//! [transport](crate::docs::recipes#a-custom-transport), and an assertion that it signs itself
//! ([`client_assertion_fn`](crate::endpoint::ClientCredentialsBuilder::client_assertion_fn)). This builds without a
//! C compiler.
