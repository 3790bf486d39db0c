//! RFC 9700 and FAPI 2.0, requirement by requirement, with the test of each.
//!
//! * [The FAPI 2.0 Security Profile](#the-fapi-20-security-profile)
//! * [Its settings](#its-settings)
//! * [The best current practice (RFC 9700)](#the-best-current-practice-rfc-9700)
//!
//! Both documents are mostly about users and browsers. These tables have the requirements for clients
//! that apply to a service without a user. The requirements for authorization servers and APIs are the
//! responsibility of those.
//!
//! # The FAPI 2.0 Security Profile
//!
//! The Final version, §5. The tests are those of the OpenID Foundation's test plan for clients
//! (`fapi2-security-profile-final-client-test-plan`, profile `fapi_client_credentials_grant`), expressed
//! again against the [mock servers](crate::testing). `tests/fapi/README.md` lists its modules. The
//! crate itself is not certified.
//!
//! | requirement | how | test |
//! | --- | --- | --- |
//! | §5.2.1: TLS 1.2 or later, and the server's certificate is checked | rustls, which has no older version, with the platform's root certificates. Plain http only to loopback, or by [`allow_plain_http`](ClientCredentialsBuilder::allow_plain_http). | `fapi_a_server_of_an_unknown_authority_gets_no_request`, `plain_http_is_for_loopback_or_by_choice` |
//! | §5.3.3.1 no. 1: sender-constrained tokens | [`dpop`](ClientCredentialsBuilder::dpop) or `client_identity` | `fapi_happy_path_with_a_key_and_dpop`, `fapi_happy_path_with_a_key_and_a_certificate`, `fapi_a_stolen_token_is_refused_by_the_api` |
//! | no. 1: a token without the binding is not used | The token type must be `DPoP` if a key is set, unless [`dpop_optional`](ClientCredentialsBuilder::dpop_optional) is on. The binding to a certificate cannot be seen in the response, and a missing token type then counts as `Bearer`. | `fapi_a_token_type_that_does_not_fit_the_binding_is_refused` |
//! | no. 2: client authentication by a key or a certificate | [`private_key_jwt`](ClientCredentialsBuilder::private_key_jwt), [`tls_client_auth`](ClientCredentialsBuilder::tls_client_auth), [`self_signed_tls_client_auth`](ClientCredentialsBuilder::self_signed_tls_client_auth) | `fapi_happy_path_with_a_certificate_for_both`, `fapi_happy_path_with_a_certificate_and_dpop` |
//! | no. 3: tokens are sent in the header field only | The layer adds `Authorization`, and does not change URI or body. | `fapi_happy_path_with_a_key_and_dpop` |
//! | no. 4: no open redirectors | The crate serves no requests. It does not follow redirects of the token endpoint. | `fapi_a_redirect_of_the_token_endpoint_is_not_followed` |
//! | no. 5: `aud` is the issuer, as one string | [`AssertionAudience::discovered_issuer`](crate::client_auth::AssertionAudience::discovered_issuer) | `fapi_the_audience_is_the_issuer_as_a_string` |
//! | no. 6: refresh tokens | The grant has none (RFC 6749 §4.4.3). If a server sends one, it is ignored. | `fapi_a_refresh_token_is_ignored` |
//! | no. 7: `mtls_endpoint_aliases` | The alias is used whenever a certificate is configured. | `fapi_a_client_with_a_certificate_uses_the_alias`, `fapi_a_proof_for_the_alias_names_the_alias`, `fapi_without_aliases_the_token_endpoint_is_used` |
//! | no. 8: nonces for DPoP | Stored for each server. A request that was refused because of its nonce is sent again at once. | `fapi_a_new_nonce_is_followed`, `fapi_a_nonce_of_one_server_is_not_for_the_other`, `fapi_happy_path_without_nonces`, `fapi_the_case_of_the_scheme_in_a_nonce_challenge_does_not_matter` |
//! | no. 9: endpoints come from the metadata only | [`ClientCredentials::discover`] | `fapi_happy_path_with_a_key_and_dpop` |
//! | no. 10: the issuer's URL comes from a trusted source over a secure channel | You configure it. It must be `https`, and a document cannot name an endpoint with plain http. | `fapi_a_plain_http_endpoint_in_metadata_is_refused` |
//! | no. 11: the issuer in the metadata is the requested one | Another one, or none, is an error, and no token request is sent. | `fapi_metadata_of_another_issuer_is_refused`, `fapi_metadata_without_an_issuer_is_refused` |
//! | §5.4.1: PS256, ES256 or EdDSA; RSA keys of 2048 bits or more | Your key decides. Shorter RSA keys are refused. With [`strict_metadata`](ClientCredentialsBuilder::strict_metadata) an algorithm that the server does not list is not sent. | `fapi_each_algorithm_of_the_profile_signs`, `fapi_a_short_rsa_key_is_refused`, `fapi_an_algorithm_that_is_not_listed_is_not_sent`, `fapi_proofs_are_not_sent_with_an_algorithm_that_is_not_listed` |
//! | §5.4.1: no assertion or proof is sent twice | Each request has new ones. | `fapi_no_assertion_and_no_proof_is_sent_twice` |
//! | responses of the test plan | A token type in another case, and a response without `expires_in`, are accepted. | `fapi_the_case_of_the_token_type_does_not_matter`, `fapi_a_response_without_expires_in_is_used` |
//!
//! # Its settings
//!
//! `strict_metadata` makes a server that does not list the client's method or algorithm an error. The
//! tests above use these functions. Replace `my-service`, and take the issuer from documentation that
//! you trust.
//!
#![cfg_attr(all(feature = "hyper-transport", feature = "jwt", feature = "dpop"), doc = "```")]
#![cfg_attr(
    not(all(feature = "hyper-transport", feature = "jwt", feature = "dpop")),
    doc = "```text"
)]
#![doc = include_str!("../../../tests/fapi/profile.rs")]
//! ```
//!
//! Requests to the API need the same certificate: build its client with the same
//! `ClientIdentity`.
//!
//! # The best current practice (RFC 9700)
//!
//! | requirement | how | test |
//! | --- | --- | --- |
//! | §2.2.1, §4.10.1: sender-constrained tokens | as above; opt-in | `one_identity_serves_the_token_endpoint_and_the_api_and_no_other_passes`, `fapi_a_stolen_token_is_refused_by_the_api` |
//! | §2.3: minimum privileges | [`scope`](ClientCredentialsBuilder::scope), [`resource`](ClientCredentialsBuilder::resource), [`audience`](ClientCredentialsBuilder::audience), [`authorization_details`](ClientCredentialsBuilder::authorization_details). An event reports a scope that is smaller than the requested one. | `a_resource_is_an_absolute_uri_without_a_fragment`, `authorization_details_are_objects_with_a_string_type`, `less_scope_than_asked_for_is_an_event` |
//! | §2.4: no resource owner password grant | The grant is `client_credentials`, unless [`grant_type`](ClientCredentialsBuilder::grant_type) names another one. Don't use `password`. | `fapi_happy_path_with_a_certificate_for_both` |
//! | §2.5: asymmetric client authentication | as above. For servers without either method, see [how to choose](crate::docs::providers#which-client-authentication-to-choose). | `every_algorithm_is_verified_by_another_library`, `the_right_certificate_is_accepted_and_only_the_id_is_in_the_request` |
//! | §2.6: metadata instead of endpoints by hand | [`ClientCredentials::discover`] | `both_locations_are_asked_in_order_for_issuers_of_all_shapes`, `a_document_of_another_issuer_is_not_used` |
//! | §2.6: end-to-end TLS | `https` for tokens and credentials. Plain http only to loopback, or by choice. | `plain_http_is_for_loopback_or_by_choice`, `p9_any_origin_still_means_https_or_loopback` |
//! | §4.3.2: no token in a query or a URI | The layer adds a header field. | `fapi_happy_path_with_a_key_and_dpop` |
//! | §4.9.2: tokens are handled like secrets, in logs and in stores | [Logs](super#logs). A shared token is sealed. | `p8_no_token_is_shown_anywhere`, `p8_no_encoding_of_a_sent_secret_is_shown_wherever_a_server_repeats_it` |
//! | §4.9.1: a counterfeit API gets no token | [`Origins`], also below a layer that follows redirects | `p9_a_token_goes_to_the_named_origins_only`, `p9_below_a_redirect_follower_the_token_does_not_reach_another_origin` |
//! | §4.10.2: tokens for one audience | One cache for each audience; a cache for each origin with a `KeyedTokenCache`. | `each_api_gets_the_token_of_its_own_authorization_server` |
//! | §4.12: credentials do not follow a redirect | Redirects of the token endpoint and of the metadata are errors. | `fapi_a_redirect_of_the_token_endpoint_is_not_followed`, `an_answer_that_is_not_a_document_is_an_error_that_says_so` |
//! | §2.1, §4.1, §4.2, §4.4 to §4.8, §4.11, §4.16, §4.17: authorization endpoint and browser | The grant has no authorization request, no redirect URI and no browser. | |
//! | §2.2.2, §4.14: refresh tokens | The grant has none (RFC 6749 §4.4.3). | `fapi_a_refresh_token_is_ignored` |
//! | §4.13, §4.15: proxies in front of servers, client ids that look like users | for authorization servers and APIs | |

// Names for the links above.
#[cfg(doc)]
use crate::docs::links::*;
