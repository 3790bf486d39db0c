//! Outages, throttling and rejections: what your request sees, what the authorization server sees,
//! and the test that checks it.
//!
//! The rule behind the tables: *a request needs only an unexpired cached token*. Requests are sent
//! with the cached token, even while the authorization server is down. A refresh is tried in the
//! background. The number of attempts follows the pauses below and does not depend on the traffic.
//!
//! # The authorization server fails
//!
//! "With a token" means: with a cached token that has not expired. Tokens are refreshed long before
//! they expire. With tokens of an hour, an outage of seven minutes goes unnoticed. An outage that
//! begins right after a refresh goes unnoticed for most of an hour.
//!
//! | fault | your request, with a token | your request, without one | the authorization server | test |
//! | --- | --- | --- | --- | --- |
//! | connection refused, reset, no name, TLS failure | is sent at once | the acquisition's error (`transport`), shared by all waiting requests | an acquisition of up to 3 attempts, then single attempts after 1, 2, 4 … 60 s, each pause up to a quarter longer | `p6_an_hour_of_refused_connections_costs_at_most_seventy_token_requests` |
//! | 500, 502, 503, 504 | is sent at once | as above (`server_error`, with the status) | the same | `p6_an_hour_of_503_costs_at_most_seventy_token_requests_and_no_request_while_the_token_lives` |
//! | no answer, or a body that does not end | is sent at once | waits for the acquisition: 25 s at most (its own deadline is 30 s) | attempts of 10 s; then the same pauses | `p6_an_hour_of_hanging_token_requests_costs_at_most_seventy_of_them` |
//! | 429 or 503 with `Retry-After` | is sent at once | an error that says when the next attempt is due | nothing before that time; at most 5 minutes without a token, 1 hour with one | `p6_retry_after_is_honored_up_to_five_minutes_without_a_token`, `p6_retry_after_is_honored_up_to_an_hour_with_a_token` |
//! | 429 without `Retry-After` | is sent at once | `rate_limited` | the usual pauses | `every_promise_holds_under_every_fault` |
//! | truncated body | is sent at once | `transport` | the usual attempts and pauses | `every_promise_holds_under_every_fault` |
//! | a login page, or other garbage | is sent at once | `malformed_body`, with the first words of the body | one attempt, then the pauses | `every_token_response_case` |
//! | `invalid_client`, `invalid_scope`, … | is sent at once, and there is an event | that error | one attempt, then pauses of 30 s to 60 s; the secret is read again each time | `p6_permanent_errors_begin_at_thirty_seconds` |
//! | a secret, key or certificate file that does not finish reading (hung mount) | is sent at once | is served with the last credential that was read, and there is an event; without one, `credentials`, naming the file | as usual with the last credential; otherwise nothing | `the_last_good_secret_is_used_while_the_file_cannot_be_read`, `the_error_names_the_file_and_neither_other_clients_nor_the_shutdown_wait_for_it` |
//! | 401 or 403 without an OAuth code | is sent at once, and there is an event | `http_status`, with the server's words | as above | `refused_credentials_without_a_code_cool_down_for_30_seconds_at_least` |
//! | 403 with `Retry-After` or an HTML page | is sent at once | `http_status`, naming a firewall or proxy | the usual attempts and pauses | `a_401_and_a_403_without_a_code_are_refused_credentials` |
//! | an answer that takes longer than the token's lifetime | | is sent once with the token as it came | at most one acquisition a second | `p5_a_token_that_is_expired_on_arrival_serves_its_acquisitions_waiters_once`, `p5_tokens_that_expire_on_arrival_are_requested_at_most_once_a_second` |
//! | the same token is returned again | is sent at once | gets it | asked again after half of the remaining lifetime | `every_promise_holds_under_every_fault` |
//! | the source panics | is sent at once | `panicked`, shared by all waiting requests | the usual pauses | `p3_a_source_that_panics_in_its_future_is_a_shared_failure` |
//!
//! # During a pause, and after it
//!
//! | when | your request | the authorization server | test |
//! | --- | --- | --- | --- |
//! | during a pause, without a token | fails at once, with the last failure and the time of the next attempt | nothing | `p6_a_remembered_failure_is_returned_at_once_with_the_time_of_the_next_attempt` |
//! | the first request after a pause | starts the probe and waits for it | one attempt | `p6_while_a_probe_is_in_flight_others_lose_at_most_a_second` |
//! | other requests while the probe is in flight | wait for 1 s at most, then fail with the last failure | nothing more | `p6_while_a_probe_is_in_flight_others_lose_at_most_a_second` |
//! | the server is back | is served if it starts 75 s later (85 s if token requests hung; `Retry-After` may ask for more) | the first success ends all pauses | `p6_every_request_is_served_75_s_after_an_outage` |
//! | down for an hour, 1,000 requests a second | as above | at most 70 token requests | `p6_an_hour_of_503_costs_at_most_seventy_token_requests_and_no_request_while_the_token_lives` |
//!
//! The 75 s are the longest pause: 60 s and a quarter. They assume traffic during the outage. After
//! a silence the first request makes the probe. If the server takes longer than a second to answer
//! the probe, the requests right behind it still get the last failure.
//!
//! # An API rejects the token
//!
//! | fault | your request | other requests | the authorization server | test |
//! | --- | --- | --- | --- | --- |
//! | the token was revoked (401) | waits for another token and is replayed; if its body can't be replayed it gets the 401, and an event says why | wait for 1 s at most, then use the cached token | one acquisition, however many requests saw the 401 | `p7_a_thousand_requests_that_see_a_401_cost_one_acquisition`, `p7_three_revocations_in_ten_seconds_fail_no_request_that_can_be_replayed` |
//! | … and the API closes the connection after its 401 | an idempotent one is sent again on another connection; others get the client's error | as above | as above | `p7_a_replay_whose_connection_is_lost_is_sent_again_if_that_is_safe` |
//! | the API answers 401 to everything | gets its 401 | are served by the other APIs | three acquisitions without a delay, one after another, then one after 60 s, 120 s … 10 minutes | `p7_the_budget_is_three_at_once_then_one_after_a_minute_up_to_ten`, `p7_ten_minutes_of_nothing_but_401s_cost_at_most_six_acquisitions` |
//! | … while the authorization server hangs | waits up to its deadline, then gets its own 401 | lose 1 s at most, once for each acquisition | as above | `p7_a_rejected_request_waits_up_to_its_deadline_and_gets_its_own_401_back`, `p4_continuous_rejections_do_not_renew_the_wait_of_a_second` |
//! | … and that acquisition fails | gets its 401 | use the cached token | tried again after the pauses above until one succeeds, without another 401 | `every_promise_holds_under_every_fault` |
//! | the server returns the rejected token again | gets its 401: the same bytes are not sent twice | use it | no more than above | `p7_the_same_bytes_after_a_rejection_are_not_replayed` |
//! | a 401 for a token that has been replaced since | is replayed once with the newer token | | nothing | `p7_a_newer_token_is_used_without_an_acquisition` |
//! | 403 `insufficient_scope`, 400 `invalid_request` | gets it | | nothing | `p7_insufficient_scope_and_invalid_request_are_never_rejections` |
//!
//! # Callers, clocks and runtimes
//!
//! | fault | your request | the authorization server | test |
//! | --- | --- | --- | --- |
//! | the caller that started an acquisition is dropped | | the acquisition continues, once | `p2_the_acquisition_continues_without_its_callers` |
//! | the runtime that drives the acquisition shuts down | another acquisition starts at once | a second token request | `p3_a_runtime_dropped_mid_acquisition_does_not_block_waiters_on_another` |
//! | that runtime is alive but not driven | with a token it is sent at once; without one it waits up to its deadline, and 30 s after the start the acquisition is abandoned and replaced | a second token request | `p3_an_acquisition_that_is_not_driven_is_abandoned_and_its_late_result_dropped` |
//! | the process was suspended, or the clock made a step | an expired token is not used; requests in flight count as timed out | as after a failure | `every_promise_holds_under_every_fault` |
//! | suspended for longer than the token's lifetime, with a monotonic clock that does not count it | waits for another token, 1 s at most | one acquisition | `p5_a_post_after_a_suspend_longer_than_the_life_is_not_answered_401` |
//! | suspended for a shorter time | is sent at once; the refresh is earlier by the same time | no more than usual | `p5_a_suspend_within_the_life_moves_the_refresh_earlier` |
//! | the wall clock is set a year ahead, and the authorization server is down | waits 1 s, once; then the token is used until it expires | the usual cooldown | `p5_a_wall_clock_a_year_ahead_costs_one_second_once_and_no_request` |
//! | the wall clock is set back, or stops | | nothing | `p5_a_wall_clock_that_stops_or_steps_back_changes_nothing` |
//!
//! # How it was tested
//!
//! `every_promise_holds_under_every_fault` is a simulator (`tests/simulator`). It is seeded and
//! runs in virtual time. It mixes all of the above with tokens that live from a second to a day,
//! requests at one a second or more, bursts, silences, dropped callers, revocations, forced
//! refreshes and steps of the clock. It computes independently what each promise demands, and
//! checks that at every request, answer and acquisition. A failing seed is printed and can be
//! replayed. Set `SIM_SEEDS`, `SIM_FIRST_SEED` and `SIM_SECONDS` to run more.
//!
//! The tests named `p…` are in `tests/promises`, those of an hour in `tests/simulator`. The others are
//! in `tests/endpoint`, such as `every_token_response_case`, and next to the code in `src`.
