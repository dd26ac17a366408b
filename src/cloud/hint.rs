//! How long a throttled caller shall wait, as the answer's headers say.

use std::time::Duration;

/// Reads `x-ratelimit-user-api`, `x-ratelimit-user` (lists as `Limit:10,Remain:0,TimeLeft:500`, in milliseconds) and
/// `Retry-After` (seconds): the longest of them, as the official SDK does. What cannot be read says nothing.
pub(super) fn retry_after<'a>(header: impl Fn(&str) -> Option<&'a str>) -> Option<Duration> {
    let listed = ["x-ratelimit-user-api", "x-ratelimit-user"]
        .into_iter()
        .filter_map(|name| time_left(header(name)?));
    let seconds = header("retry-after").and_then(|text| text.trim().parse().ok());
    listed.chain(seconds.map(Duration::from_secs)).max()
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
}
