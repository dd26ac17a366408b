//! What must hold for every policy and every mount.

use proptest::prelude::*;

use super::*;
use crate::params::{Input, Options, Plan, parse};

fn plan(namespace: &str, account: &str, name: &str) -> Plan {
    let attributes = serde_json::json!({
        "csi.storage.k8s.io/pod.namespace": namespace,
        "csi.storage.k8s.io/serviceAccount.name": account,
        "objects": serde_json::json!([{"objectName": name, "objectAlias": "x", "region": "cn-hangzhou"}]).to_string(),
    });
    let input = Input {
        attributes: &attributes.to_string(),
        permission: "420",
    };
    parse(&input, &Options::default()).expect("a plan")
}

fn question(plan: &Plan) -> Question<'_> {
    Question {
        plan,
        principal: Principal::Provider,
        region: None,
    }
}

proptest! {
    /// Any text is a policy or an error, and neither panics.
    #[test]
    fn any_text(text in "\\PC{0,200}") {
        let _ = Policy::parse(&text);
    }

    /// Without rules, no pod may read anything.
    #[test]
    fn nothing_is_permitted_by_nothing(namespace in "[a-z]{0,6}", account in "[a-z]{0,6}", name in "[a-z/]{1,8}") {
        let policy = Policy::parse("version: 1\nrules: []\n").expect("a policy");
        let denied = matches!(
            policy.decide(&question(&plan(&namespace, &account, &name))),
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
        let plan = plan("n", "s", &asked);
        let asked = question(&plan);
        if fewer.decide(&asked) == Decision::Permitted {
            prop_assert_eq!(more.decide(&asked), Decision::Permitted);
        }
    }
}
