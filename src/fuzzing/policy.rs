//! What must hold of every policy, whatever it says: for the fuzzer, and for a replay of its seeds.

use crate::params::{Input, Options, Plan, Service, parse};
use crate::policy::{Decision, Grant, Pattern, Policy, Principal, Question, Subject};

/// A policy's text; what is no UTF-8 is passed on with replacements. It is asked about the very words it names.
pub(super) fn policy(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let Ok(policy) = Policy::parse(&text) else {
        return;
    };
    let nothing = Policy { rules: Vec::new() };
    for rule in policy.rules.iter().take(8) {
        let alone = Policy {
            rules: vec![rule.clone()],
        };
        let subjects = rule.subjects.iter().take(4);
        for (subject, grant) in
            subjects.flat_map(|subject| rule.objects.iter().take(4).map(move |it| (subject, it)))
        {
            for mut plan in plans(subject, grant) {
                let ask = |policy: &Policy, plan: &Plan| {
                    policy.decide(&Question {
                        plan,
                        principal: Principal::Provider,
                        region: None,
                    })
                };
                assert!(
                    matches!(ask(&nothing, &plan), Decision::Denied(_)),
                    "nothing permits"
                );
                let (by_one, by_all) = (ask(&alone, &plan), ask(&policy, &plan));
                if by_one == Decision::Permitted {
                    assert_eq!(by_all, Decision::Permitted, "other rules take nothing away");
                }
                assert_ne!(
                    by_all,
                    Decision::Exempt,
                    "the provider's own identities never are"
                );
                plan.pod.namespace.clear();
                assert!(
                    matches!(ask(&policy, &plan), Decision::Denied(_)),
                    "who is unknown reads nothing"
                );
            }
        }
    }
}

/// What a grant is about, and the same with more than it may give; as far as a class can ask for it.
fn plans(subject: &Subject, grant: &Grant) -> Vec<Plan> {
    let word = |patterns: &[Pattern]| Some(patterns.first()?.as_str().to_owned());
    let name = word(&grant.names).unwrap_or_else(|| "x".to_owned());
    // A wildcard is no part of a region's id.
    let region = word(&grant.regions).map(|it| it.replace(['*', '?'], "x"));
    let instance = (grant.service == Service::Kms).then_some("kst-1.cryptoservice.kms.aliyuncs.com");
    let of = |region: Option<&str>, role: Option<&str>, endpoint: Option<&str>| {
        let item = serde_json::json!({
            "objectName": name,
            "objectAlias": "x",
            "objectType": grant.service.to_string(),
            "region": region,
            "crossAccountRoleArn": role,
            "kmsEndpoint": endpoint,
        });
        let attributes = serde_json::json!({"objects": format!("[{item}]")}).to_string();
        let input = Input {
            attributes: &attributes,
            permission: "420",
        };
        let mut plan = parse(&input, &Options::default()).ok()?;
        plan.pod.namespace = subject.namespace.as_str().to_owned();
        plan.pod.service_account = word(&subject.service_accounts).unwrap_or_else(|| "any".to_owned());
        Some(plan)
    };
    let region = region.as_deref();
    [
        of(region, None, None),
        of(None, Some("acs:ram::1:role/r"), None),
        of(region, None, instance),
    ]
    .into_iter()
    .flatten()
    .collect()
}
