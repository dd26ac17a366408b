//! What an answer's headers say about a refusal: how long a throttled caller must wait, and what time it is.

use std::time::Duration;

use jiff::Timestamp;
use jiff::fmt::rfc2822;

/// Reads `x-ratelimit-user-api`, `x-ratelimit-user` (lists as `Limit:10,Remain:0,TimeLeft:500`, in milliseconds) and
/// `Retry-After` (seconds): the longest of them, as the official SDK does. What cannot be read says nothing.
pub(super) fn retry_after<'a>(header: impl Fn(&str) -> Option<&'a str>) -> Option<Duration> {
    let listed = ["x-ratelimit-user-api", "x-ratelimit-user"]
        .into_iter()
        .filter_map(|name| time_left(header(name)?));
    let seconds = header("retry-after").and_then(|text| text.trim().parse().ok());
    listed.chain(seconds.map(Duration::from_secs)).max()
}

/// How far this machine's clock is from a `Date` header, to be said behind the service's own words; `None` if it is no
/// date, or the same time.
pub(super) fn clock_gap(date: &str, here: Timestamp) -> Option<String> {
    let there = rfc2822::parse(date.trim()).ok()?.timestamp();
    match here.as_second().checked_sub(there.as_second())? {
        0 => None,
        ahead @ 1.. => Some(format!(" This node's clock is {ahead} s ahead of the service's.")),
        behind => Some(format!(
            " This node's clock is {} s behind the service's.",
            behind.unsigned_abs()
        )),
    }
}

fn time_left(list: &str) -> Option<Duration> {
    let mut pairs = list.split(',').filter_map(|pair| pair.split_once(':'));
    let (_, millis) = pairs.find(|(name, _)| name.trim().eq_ignore_ascii_case("TimeLeft"))?;
    millis.trim().parse().ok().map(Duration::from_millis)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hint(headers: &[(&str, &'static str)]) -> Option<u128> {
        let find = |name: &str| {
            headers
                .iter()
                .find(|(key, _)| *key == name)
                .map(|(_, value)| *value)
        };
        retry_after(find).map(|hint| hint.as_millis())
    }

    #[test]
    fn the_longest_counts_and_nonsense_says_nothing() {
        let list = "Limit:10,Remain:0,TimeLeft:500,Reset:1";
        for (headers, expected) in [
            (&[][..], None),
            (&[("x-ratelimit-user-api", list)], Some(500)),
            (&[("x-ratelimit-user", "TimeLeft: 700")], Some(700)),
            (
                &[
                    ("x-ratelimit-user-api", list),
                    ("x-ratelimit-user", "TimeLeft:700"),
                ],
                Some(700),
            ),
            (
                &[("x-ratelimit-user-api", list), ("retry-after", "2")],
                Some(2000),
            ),
            (&[("x-ratelimit-user-api", "Limit:10,Remain:0")], None),
            (&[("x-ratelimit-user-api", "TimeLeft:-1")], None),
            (&[("x-ratelimit-user-api", "TimeLeft")], None),
            (&[("retry-after", "Wed, 21 Oct 2026 07:28:00 GMT")], None),
            (&[("retry-after", "99999999999999999999999")], None),
        ] {
            assert_eq!(hint(headers), expected, "{headers:?}");
        }
    }

    #[test]
    fn the_clock_is_compared() {
        let here: Timestamp = "2026-05-04T04:02:01Z".parse().expect("a time");
        for (date, words) in [
            ("Mon, 04 May 2026 03:02:01 GMT", Some("3600 s ahead")),
            ("Mon, 04 May 2026 05:02:01 GMT", Some("3600 s behind")),
            ("Mon, 04 May 2026 04:02:01 GMT", None),
            ("yesterday", None),
            ("", None),
        ] {
            let gap = clock_gap(date, here);
            assert_eq!(gap.is_some(), words.is_some(), "{date}: {gap:?}");
            assert!(
                gap.unwrap_or_default().contains(words.unwrap_or_default()),
                "{date}"
            );
        }
    }
}
