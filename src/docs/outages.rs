//! Outages, throttling and rejections: what your request sees, what the authorization server sees,
//! and the test that checks it.
//!
//! The rule behind the tables: *a request needs only an unexpired cached token*. Requests are sent
//! with the cached token, even while the authorization server is down. A refresh is tried in the
//! background. The number of attempts follows the backoff below and does not depend on the traffic.
//!
//! An *acquisition* gets one token: a token request, with its retries. Each of these is an *attempt*.
//!
//! A *cooldown* is the wait after a failed acquisition. The *backoff* is the growth of cooldowns
//! from failure to failure: 1, 2, 4 … 60 s. Up to 25 % is added at random to each.
//!
//! # The authorization server fails
//!
//! "With a token" means: with a cached token that has not expired. Tokens are refreshed long before
//! they expire. With tokens of an hour, an outage of seven minutes goes unnoticed. An outage that
//! begins right after a refresh goes unnoticed for most of an hour.
//!
//! | fault | your request, with a token | your request, without one | the authorization server | test |
//! | --- | --- | --- | --- | --- |
//! | connection refused or reset, DNS failure, TLS failure | is sent at once | `transport`, shared by all waiting requests | 3 attempts, then one after each cooldown | `p6_an_hour_of_refused_connections_costs_at_most_seventy_token_requests` |
//! | 500, 502, 503, 504 | is sent at once | `server_error`, with the status | the same | `p6_an_hour_of_503_costs_at_most_seventy_token_requests_and_no_request_while_the_token_lives` |
//! | no response, or a body that does not end | is sent at once | waits for the acquisition, 25 s at most | attempts of 10 s, then one after each cooldown | `p6_an_hour_of_hanging_token_requests_costs_at_most_seventy_of_them` |
//! | 429 or 503 with `Retry-After` | is sent at once | an error that says when the next attempt is due | nothing before that time (see below) | `p6_retry_after_is_honored_up_to_five_minutes_without_a_token`, `p6_retry_after_is_honored_up_to_an_hour_with_a_token` |
//! | 429 without `Retry-After` | is sent at once | `rate_limited` | the usual cooldowns | `every_promise_holds_under_every_fault` |
//! | truncated body | is sent at once | `transport` | the usual attempts and cooldowns | `every_promise_holds_under_every_fault` |
//! | a login page, or another non-JSON body | is sent at once | `malformed_body`, with the first words of the body | one attempt, then the cooldowns | `every_token_response_case` |
//! | `invalid_client`, `invalid_scope`, … | is sent at once | that error | one attempt, then cooldowns of 30 s to 60 s | `p6_permanent_errors_begin_at_thirty_seconds` |
//! | a credential file whose read hangs, read before | is sent at once | is served with the last credential | the usual requests | `the_last_good_secret_is_used_while_the_file_cannot_be_read` |
//! | a credential file whose read hangs, never read | is sent at once | `credentials`, naming the file | nothing | `the_error_names_the_file_and_neither_other_clients_nor_the_shutdown_wait_for_it` |
//! | 401 or 403 without an OAuth code | is sent at once | `http_status`, with the server's words | one attempt, then cooldowns of 30 s to 60 s | `refused_credentials_without_a_code_cool_down_for_30_seconds_at_least` |
//! | 403 with `Retry-After` or an HTML page | is sent at once | `http_status`, naming a firewall or proxy | the usual attempts and cooldowns | `a_401_and_a_403_without_a_code_are_refused_credentials` |
//! | a response that takes longer than the token's lifetime | | is sent once with that token | at most one acquisition a second | `p5_a_token_that_is_expired_on_arrival_serves_its_acquisitions_waiters_once`, `p5_tokens_that_expire_on_arrival_are_requested_at_most_once_a_second` |
//! | the same token is returned again | is sent at once | gets it | asked again after half of the remaining lifetime | `every_promise_holds_under_every_fault` |
//! | the source panics | is sent at once | `panicked`, shared by all waiting requests | the usual cooldowns | `p3_a_source_that_panics_in_its_future_is_a_shared_failure` |
//!
//! * **`Retry-After`** is honored for at most 5 minutes without a token, and for at most 1 hour
//!   with one.
//! * **Permanent errors** (`invalid_client` and so on, and a 401 or 403 without a code) are
//!   reported by an event. Secrets from files and closures are read again at each attempt.
//! * **Credential files** are those of a secret, key, assertion or certificate. A read can hang on
//!   a lost network mount. An event reports that the last credential is used.
//! * **A waiting request** has its own deadline of 30 s, which is later than the acquisition's
//!   25 s.
//!
//! # During a cooldown, and after it
//!
//! | when | your request | the authorization server | test |
//! | --- | --- | --- | --- |
//! | during a cooldown, without a token | fails at once, with the last failure and the time of the next attempt | nothing | `p6_a_remembered_failure_is_returned_at_once_with_the_time_of_the_next_attempt` |
//! | the first request after a cooldown | makes the trial request and waits for it | one attempt | `p6_while_a_probe_is_in_flight_others_lose_at_most_a_second` |
//! | other requests while the trial request is in flight | wait for 1 s at most, then fail with the last failure | nothing more | `p6_while_a_probe_is_in_flight_others_lose_at_most_a_second` |
//! | the server is back | is served if it starts 75 s or more after the outage ended | the first success ends the backoff | `p6_every_request_is_served_75_s_after_an_outage` |
//! | down for an hour, 1,000 requests a second | as above | at most 70 token requests | `p6_an_hour_of_503_costs_at_most_seventy_token_requests_and_no_request_while_the_token_lives` |
//!
//! The *trial request* is the first token request after a cooldown. It makes one attempt. The 75 s
//! are the longest cooldown: 60 s and 25 %. After token requests that hung they are 85 s (one attempt more), and
//! `Retry-After` may ask for more. They assume traffic during the outage. After a silence the first
//! request makes the trial request. If the server takes longer than a second to respond to it, the
//! requests right behind it still get the last failure.
//!
//! # An API rejects the token
//!
//! | fault | your request | other requests | the authorization server | test |
//! | --- | --- | --- | --- | --- |
//! | the token was revoked (401) | waits for another token and is replayed | wait for 1 s at most, then use the cached token | one acquisition for any number of 401s | `p7_a_thousand_requests_that_see_a_401_cost_one_acquisition`, `p7_three_revocations_in_ten_seconds_fail_no_request_that_can_be_replayed` |
//! | … and the API closes the connection after its 401 | is sent again on another connection if it is idempotent | as above | as above | `p7_a_replay_whose_connection_is_lost_is_sent_again_if_that_is_safe` |
//! | the API returns 401 to everything | gets its 401 | are served by the other APIs | three acquisitions without a delay, one after another, then one after 60 s, 120 s … 10 minutes | `p7_the_budget_is_three_at_once_then_one_after_a_minute_up_to_ten`, `p7_ten_minutes_of_nothing_but_401s_cost_at_most_six_acquisitions` |
//! | … while the authorization server hangs | waits up to its deadline, then gets its own 401 | lose 1 s at most, once for each acquisition | as above | `p7_a_rejected_request_waits_up_to_its_deadline_and_gets_its_own_401_back`, `p4_continuous_rejections_do_not_renew_the_wait_of_a_second` |
//! | … and that acquisition fails | gets its 401 | use the cached token | an attempt after each cooldown until one succeeds | `every_promise_holds_under_every_fault` |
//! | the server returns the rejected token again | gets its 401: the same bytes are not sent twice | use it | no more than above | `p7_the_same_bytes_after_a_rejection_are_not_replayed` |
//! | a 401 for a token that has been replaced since | is replayed once with the newer token | | nothing | `p7_a_newer_token_is_used_without_an_acquisition` |
//! | 403 `insufficient_scope`, 400 `invalid_request` | gets it | | nothing | `p7_insufficient_scope_and_invalid_request_are_never_rejections` |
//!
//! A request whose body can't be replayed gets its 401, and an event says why. If the connection of
//! a replay is lost, a request that is not idempotent gets the client's error.
//!
//! # Callers, clocks and runtimes
//!
//! A runtime is *stalled* if it makes no progress: a current-thread runtime while no thread is in its
//! `block_on`. Its acquisition is abandoned 5 s after `acquisition_timeout` (25 s), on the clock of a
//! request that waits for it.
//!
//! | fault | your request | the authorization server | test |
//! | --- | --- | --- | --- |
//! | the caller that started an acquisition is dropped | | the acquisition continues, once | `p2_the_acquisition_continues_without_its_callers` |
//! | the runtime of the acquisition shuts down | another acquisition starts at once | a second token request | `p3_a_runtime_dropped_mid_acquisition_does_not_block_waiters_on_another` |
//! | the runtime of the acquisition is stalled | is sent at once with a token, waits without one | a second token request 30 s after the first | `p3_an_acquisition_that_is_not_driven_is_abandoned_and_its_late_result_dropped` |
//! | the process was suspended, or the clock made a step | never gets a token that has expired by the monotonic clock; for the wall clock see the next rows | no more requests than the backoff allows | `every_promise_holds_under_every_fault` |
//! | suspended for longer than the token's lifetime, with a monotonic clock that does not count it | waits for another token, 1 s at most | one acquisition | `p5_a_post_after_a_suspend_longer_than_the_life_is_not_answered_401` |
//! | suspended for a shorter time | is sent at once | the refresh is earlier by the same time | `p5_a_suspend_within_the_life_moves_the_refresh_earlier` |
//! | the wall clock is set a year ahead, and the authorization server is down | waits 1 s, once, then uses the token | the usual cooldown | `p5_a_wall_clock_a_year_ahead_costs_one_second_once_and_no_request` |
//! | the wall clock is set back, or stops | | nothing | `p5_a_wall_clock_that_stops_or_steps_back_changes_nothing` |
//!
//! Timeouts run on the monotonic clock. If that clock counts a suspend, a token request that was in
//! flight may have timed out when the machine wakes, and so may a request that waits for it. If it
//! does not, both continue.
//!
//! # The store of shared tokens fails
//!
//! Processes share a token through a [`store`](crate::store).
//!
//! | fault | your request | the authorization server | test |
//! | --- | --- | --- | --- |
//! | the store is down, too slow, full or read-only | with a token it is sent at once; without one it waits 250 ms longer | one acquisition for each process; if the refresh is due, spread over the rest of the token's life | `without_a_store_each_process_acquires_after_a_bounded_wait`, `a_store_that_is_down_at_the_refresh_spreads_the_token_requests` |
//! | … for less than 5 s, while another process acquires | is served | nothing more | `a_short_fault_during_a_cold_start_costs_no_token_request` |
//! | … and it works again | | one acquisition for all, from the next refresh of any process on | `sharing_resumes_by_itself` |
//! | the store takes leases and no entries | without a token it waits for up to two other processes and 5 s | one acquisition for each process | `a_store_that_refuses_entries_fails_no_request` |
//! | the store evicts or loses entries | is served | the next refresh; a process that starts in between costs another one | `a_store_that_evicts_entries_still_announces_them`, `a_lost_entry_costs_one_token_request` |
//! | a file of a `FileStore` is truncated or garbled | as if the store were down, for the process that finds it | one acquisition for that process, and one for all; the file is deleted | `a_file_that_is_not_an_entry_is_reported_once_and_replaced`, `a_fleet_recovers_from_a_damaged_file` |
//! | the code of the store panics | as if it were down | as if it were down | `a_store_that_panics_is_a_store_that_fails` |
//! | an entry is sealed by another key, or is garbage | waits for its process's acquisition, and there is a warning | one acquisition for each process; the entry stays | `an_entry_of_another_key_is_not_overwritten_and_reported_once`, `garbage_is_not_used_and_not_overwritten` |
//! | the process that acquires dies | without a token it waits up to 5 s longer | a second token request | `a_leader_that_dies_costs_one_lease` |
//! | the process that acquires gets no answer | without a token it waits up to 10 s longer | a second token request | `another_process_takes_over_from_a_leader_without_network` |
//! | that process stops, and continues later | as above | as above; its token does not replace the newer one | `a_leader_that_continues_after_its_lease_does_not_overwrite_a_newer_token` |
//! | a hundred processes see one revocation | is replayed with the next token | one acquisition | `a_hundred_processes_that_see_one_revocation_cost_one_token_request` |
//! | an API answers 401 to everything, and a hundred processes call it | gets its 401 | at most six acquisitions in ten minutes, for all processes | `an_api_that_always_answers_401_costs_at_most_six_token_requests_in_ten_minutes` |
//! | the authorization server is down | as for one process | as many token requests as one process sends | `an_outage_costs_as_many_token_requests_as_one_process_would_send` |
//! | clocks of hosts differ by more than 5 s | is served, and there is a warning | processes whose clocks agree share a token | `a_token_from_the_future_is_not_used` |
//!
//! # How it was tested
//!
//! `every_promise_holds_under_every_fault` is a simulator (`tests/simulator`). It is seeded and
//! runs in virtual time. It mixes all of the above with tokens that live from a second to a day,
//! requests at one a second or more, bursts, silences, dropped callers, revocations, forced
//! refreshes and steps of the clock. It computes the expected result of each promise independently,
//! and compares it at every request, response and acquisition. A failing seed is printed and can be
//! replayed. Set `SIM_SEEDS`, `SIM_FIRST_SEED` and `SIM_SECONDS` to run more.
//!
//! The tests named `p…` are in `tests/promises`, those of an hour in `tests/simulator`, those of a store in
//! `tests/fleet` (and with real processes in `tests/fleet/processes`). The others are in `tests/endpoint`, such as `every_token_response_case`, and next to the code in `src`.
