//! `Retry-After` (RFC 9110 §10.2.3).

use std::time::{Duration, SystemTime};

use http::{HeaderMap, header};

use super::lifetime::delta_seconds;

/// Seconds, or a date in any of the three forms. A past date means zero. Other values are ignored. Of
/// several fields the longest counts.
pub(super) fn read(headers: &HeaderMap, now: SystemTime) -> Option<Duration> {
    let values = headers.get_all(header::RETRY_AFTER).iter();
    values.filter_map(|value| one(value.to_str().ok()?, now)).max()
}

fn one(value: &str, now: SystemTime) -> Option<Duration> {
    delta_seconds(value).or_else(|| {
        let date = httpdate::parse_http_date(value.trim()).ok()?;
        Some(date.duration_since(now).unwrap_or_default())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seconds_and_three_forms_of_dates() {
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_795_521_600);
        for (value, expected) in [
            ("7", Some(7)),
            ("0", Some(0)),
            ("Tue, 24 Nov 2026 12:02:00 GMT", Some(120)),
            ("Tuesday, 24-Nov-26 12:00:30 GMT", Some(30)),
            ("Tue Nov 24 12:00:30 2026", Some(30)),
            ("Tue, 24 Nov 2026 11:00:00 GMT", Some(0)),
            ("1.5", None),
            ("-1", None),
            ("soon", None),
            ("", None),
            ("1, 2", None),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(header::RETRY_AFTER, value.parse().unwrap());
            assert_eq!(read(&headers, now), expected.map(Duration::from_secs), "{value:?}");
        }
    }

    #[test]
    fn the_longest_of_several_counts() {
        let mut headers = HeaderMap::new();
        for value in ["5", "soon", "60", "1"] {
            headers.append(header::RETRY_AFTER, value.parse().unwrap());
        }
        assert_eq!(read(&headers, SystemTime::UNIX_EPOCH), Some(Duration::from_secs(60)));
    }
}
