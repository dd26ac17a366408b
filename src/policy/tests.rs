//! What must hold for every policy and every Mount.

use proptest::prelude::*;

use super::*;

fn question<'a>(identity: Identity, namespace: &'a str, account: &'a str, name: &'a str) -> Question<'a> {
    Question {
        identity,
        namespace,
        service_account: account,
        wishes: vec![Wish {
            object: "item 1".to_owned(),
            service: Service::Kms,
            name,
            region: Some("cn-hangzhou"),
            cross_account_role: None,
            kms_endpoint: None,
        }],
    }
}

proptest! {
    /// Any text is a policy or an error, and neither panics.
    #[test]
    fn any_text(text in "\\PC{0,200}") {
        let _ = Policy::parse(&text);
    }

    /// No rules, no reading, whoever asks.
    #[test]
    fn nothing_is_permitted_by_nothing(namespace in "[a-z]{0,6}", account in "[a-z]{0,6}", name in "[a-z/]{1,8}") {
        let policy = Policy::parse("version: 1\nrules: []\n").expect("a policy");
        let denied = matches!(
            policy.decide(&question(Identity::Provider, &namespace, &account, &name)),
            Decision::Denied(_)
        );
        prop_assert!(denied);
    }

    /// Another rule never takes a permission away.
    #[test]
    fn rules_only_add(names in proptest::collection::vec("[ab*?/]{1,4}", 2..4), asked in "[ab/]{1,4}") {
        let text = |names: &[String]| {
            let mut text = "version: 1\nrules:\n".to_owned();
            for (at, name) in names.iter().enumerate() {
                text.push_str(&format!(
                    "- name: r{at}\n  subjects: [{{namespace: n}}]\n  objects: [{{service: kms, names: ['{name}']}}]\n"
                ));
            }
            Policy::parse(&text).expect("a policy")
        };
        let fewer = text(&names[..names.len() - 1]);
        let more = text(&names);
        let asked = question(Identity::Provider, "n", "s", &asked);
        if fewer.decide(&asked) == Decision::Permitted {
            prop_assert_eq!(more.decide(&asked), Decision::Permitted);
        }
    }
}
