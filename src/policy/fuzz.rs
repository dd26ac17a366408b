//! What must hold of every policy, whatever it says: for the fuzzer, and for a replay of its seeds.

use super::{Decision, Grant, Identity, Policy, Question, Wish};

/// A policy's text; what is no UTF-8 is passed on with replacements. It is asked about the very words it names.
pub(crate) fn policy(data: &[u8]) {
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
            let namespace = subject.namespace.as_str();
            let account = subject
                .service_accounts
                .first()
                .map_or("any", super::Pattern::as_str);
            for wish in wishes(grant) {
                let ask = |policy: &Policy, namespace| {
                    policy.decide(&Question {
                        identity: Identity::Provider,
                        namespace,
                        service_account: account,
                        wishes: vec![wish.clone()],
                    })
                };
                assert!(
                    matches!(ask(&nothing, namespace), Decision::Denied(_)),
                    "nothing permits"
                );
                assert!(
                    matches!(ask(&policy, ""), Decision::Denied(_)),
                    "who is unknown reads nothing"
                );
                let (by_one, by_all) = (ask(&alone, namespace), ask(&policy, namespace));
                if by_one == Decision::Permitted {
                    assert_eq!(by_all, Decision::Permitted, "other rules take nothing away");
                }
                assert_ne!(
                    by_all,
                    Decision::Exempt,
                    "the provider's own identities never are"
                );
            }
        }
    }
}

/// What a grant is about, and the same with more than it may give.
fn wishes(grant: &Grant) -> Vec<Wish<'_>> {
    let plain = Wish {
        object: "item 1".to_owned(),
        service: grant.service,
        name: grant.names.first().map_or("x", super::Pattern::as_str),
        region: grant.regions.first().map(super::Pattern::as_str),
        cross_account_role: None,
        kms_endpoint: None,
    };
    let elsewhere = Wish {
        region: None,
        cross_account_role: Some("acs:ram::1:role/r"),
        ..plain.clone()
    };
    let instance = Wish {
        kms_endpoint: Some("kst-1.cryptoservice.kms.aliyuncs.com"),
        ..plain.clone()
    };
    vec![plain, elsewhere, instance]
}
