//! Faults as they are written on the command line.

use serde::Deserialize as _;
use serde::de::value::{Error as ValueError, StrDeserializer};

use crate::fault::{CutPoint, Fault, FaultRule};
use crate::service::Service;

/// `SERVICE[/NAME]=KIND[:TIMES]`, or a rule as in a state file, in braces.
///
/// # Errors
/// What was expected where.
pub(in crate::cli) fn parse(text: &str) -> Result<FaultRule, String> {
    if text.trim_start().starts_with('{') {
        let rule: FaultRule = serde_saphyr::from_str(text).map_err(|error| error.to_string())?;
        return rule.problem().map_or(Ok(rule), |problem| Err(problem.to_owned()));
    }
    let form = "expected SERVICE=KIND, such as kms=throttle:1";
    let (subject, effect) = text.split_once('=').ok_or(form)?;
    let (service, name) = match subject.split_once('/') {
        Some((service, name)) => (service, Some(name)),
        None => (subject, None),
    };
    let service = Service::deserialize(StrDeserializer::<ValueError>::new(service))
        .ok()
        .filter(|service| !matches!(service, Service::Control | Service::Unknown))
        .ok_or_else(|| {
            format!("expected one of kms, oos, sts, metadata, kubernetes, issuer, found {service:?}")
        })?;
    let (kind, times) = match effect.split_once(':') {
        Some((kind, times)) => (kind, Some(times)),
        None => (effect, None),
    };
    let then = match kind {
        "throttle" => Fault::Throttle,
        "hold" => Fault::Hold,
        "cut" => Fault::Cut(CutPoint::InsideBody),
        "empty_body" => Fault::EmptyBody,
        "truncated_body" => Fault::TruncatedBody,
        _ => match kind.parse() {
            Ok(status @ 500..=599) => {
                Fault::error(status, "InternalFailure", "The request processing has failed.")
            }
            Ok(status @ 400..=499) => Fault::error(
                status,
                "Forbidden",
                "The request is refused by a fault of the test.",
            ),
            _ => {
                return Err(format!(
                    "expected throttle, hold, cut, empty_body, truncated_body or a status from 400 to 599, found {kind:?}; \
                     other faults as a rule: '{{service: {service}, then: {{…}}}}'"
                ));
            }
        },
    };
    let mut rule = FaultRule::new(then).service(service);
    rule.name = name.map(str::to_owned);
    if let Some(times) = times {
        let count = times
            .parse()
            .ok()
            .filter(|count| *count > 0)
            .ok_or_else(|| format!("expected a number of times after the last colon, found {times:?}"))?;
        rule = rule.times(count);
    }
    Ok(rule)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_and_full_forms() {
        for (text, expected) in [
            (
                "kms=throttle:1",
                FaultRule::new(Fault::Throttle).service(Service::Kms).times(1),
            ),
            ("sts=hold", FaultRule::new(Fault::Hold).service(Service::Sts)),
            (
                "oos/My/Path=cut",
                FaultRule::new(Fault::Cut(CutPoint::InsideBody))
                    .service(Service::Oos)
                    .name("My/Path"),
            ),
            (
                "kms=503",
                FaultRule::new(Fault::error(
                    503,
                    "InternalFailure",
                    "The request processing has failed.",
                ))
                .service(Service::Kms),
            ),
            (
                "{service: kms, times: 2, then: throttle}",
                FaultRule::new(Fault::Throttle).service(Service::Kms).times(2),
            ),
        ] {
            assert_eq!(parse(text).as_ref(), Ok(&expected), "{text}");
        }
    }

    #[test]
    fn wrong_forms_say_what_is_expected() {
        for (text, words) in [
            ("throttle", "expected SERVICE=KIND, such as kms=throttle:1"),
            ("ecs=throttle", "expected one of kms, oos, sts"),
            ("kms=thrott", "expected throttle, hold, cut"),
            ("kms=200", "expected throttle, hold, cut"),
            ("kms=throttle:0", "expected a number of times"),
            ("{service: kms, then: {cut: x}}", "x"),
            (
                "{service: kms, then: {html: {status: 1}}}",
                "status is from 200 to 999",
            ),
        ] {
            let error = parse(text).expect_err(text);
            assert!(error.contains(words), "{text}: {error}");
        }
    }
}
