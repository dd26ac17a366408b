//! What is likely wrong with a state that is valid: a role that nobody can assume, a policy for a secret that is not
//! there, and their like. Warnings, since a test may want just that.

use std::collections::BTreeMap;
use std::fmt;

use crate::api::decide;
use crate::api::sts::trusts;
use crate::state::identity::{Identity, Principal};
use crate::state::places::{Place, Places};
use crate::state::policy::{Decision, Effect, TrustStatement, matches};
use crate::state::{Account, Role, State};

/// Something to look at again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Warning {
    /// Line and column, where the text is known.
    pub at: Option<Place>,
    /// What is odd.
    pub text: String,
}

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.at {
            Some((line, column)) => write!(f, "state file, line {line}, column {column}: {}", self.text),
            None => write!(f, "state file: {}", self.text),
        }
    }
}

/// Looks a state over; `yaml` is the text that it was read from.
pub fn warnings(state: &State, yaml: &str) -> Vec<Warning> {
    let places = Places::of(yaml);
    let mut found = Vec::new();
    for (id, account) in &state.accounts {
        roles(state, id, account, &mut found);
        policies(id, account, &mut found);
    }
    cluster(state, &mut found);
    let place = |path: &[String]| places.find(&path.iter().map(String::as_str).collect::<Vec<_>>());
    found
        .into_iter()
        .map(|(path, text)| Warning {
            at: place(&path),
            text,
        })
        .collect()
}

type Found = Vec<(Vec<String>, String)>;

fn path(parts: &[&str]) -> Vec<String> {
    parts.iter().map(|part| (*part).to_owned()).collect()
}

fn roles(state: &State, id: &str, account: &Account, found: &mut Found) {
    for (name, role) in &account.roles {
        let arn = format!("acs:ram::{id}:role/{name}");
        let instance = id == state.account && state.metadata.role.as_deref() == Some(name);
        if role.sessions.is_empty() && !can_be_assumed(state, role, &arn, instance) {
            let text = format!(
                "nobody can assume the role {name}: no principal that its trust policy allows exists here with \
                 permission for sts:AssumeRole on {arn}"
            );
            found.push((path(&["accounts", id, "roles", name]), text));
        }
    }
}

fn can_be_assumed(state: &State, role: &Role, arn: &str, is_instance_role: bool) -> bool {
    let allowing = role
        .trust
        .statement
        .iter()
        .filter(|statement| statement.effect == Effect::Allow);
    allowing.into_iter().any(|statement| {
        let principal = &statement.principal;
        let by_ram = principals(state).any(|identity| {
            trusts(principal, &identity) && decide(state, &identity, "sts:AssumeRole", arn) == Decision::Allow
        });
        let by_service = is_instance_role
            && principal
                .service
                .iter()
                .any(|service| service == "ecs.aliyuncs.com");
        by_ram
            || by_service
            || principal
                .federated
                .iter()
                .any(|provider| issues(state, provider, statement))
    })
}

/// Everyone who may ask for a role: users with keys, and roles in turn.
fn principals(state: &State) -> impl Iterator<Item = Identity> {
    state.accounts.iter().flat_map(|(id, account)| {
        let users = account
            .users
            .iter()
            .filter(|(_, user)| user.access_keys.iter().any(|key| key.active));
        let users = users.map(|(name, _)| Principal::User { name: name.clone() });
        let roles = account.roles.keys().map(|name| Principal::Role {
            name: name.clone(),
            session: "any".into(),
        });
        users.chain(roles).map(|principal| Identity {
            account: id.clone(),
            principal,
            session_policy: None,
        })
    })
}

/// Whether tokens of a provider can meet the conditions on issuer and audience.
fn issues(state: &State, provider_arn: &str, statement: &TrustStatement) -> bool {
    let provider = provider_arn
        .strip_prefix("acs:ram::")
        .and_then(|rest| rest.split_once(":oidc-provider/"))
        .and_then(|(account, name)| state.accounts.get(account)?.oidc_providers.get(name));
    provider.is_some_and(|provider| {
        provider.client_ids.iter().any(|audience| {
            let known = BTreeMap::from([
                ("oidc:iss", provider.issuer.as_str()),
                ("oidc:aud", audience.as_str()),
            ]);
            statement.condition.may_hold(&known)
        })
    })
}

fn policies(id: &str, account: &Account, found: &mut Found) {
    let mut names: Vec<(&str, String)> = Vec::new();
    for (region, content) in &account.regions {
        names.extend(
            content
                .secrets
                .keys()
                .map(|name| ("secret/", format!("acs:kms:{region}:{id}:secret/{name}"))),
        );
        names.extend(content.parameters.keys().map(|name| {
            (
                "secretparameter/",
                format!("acs:oos:{region}:{id}:secretparameter/{name}"),
            )
        }));
        // A parameter's value is kept as a KMS secret, and takes a permission for that too.
        names.extend(
            content
                .parameters
                .keys()
                .map(|name| ("secret/", format!("acs:kms:{region}:{id}:secret/{name}"))),
        );
    }
    for (name, policy) in &account.policies {
        let place = || path(&["accounts", id, "policies", name]);
        for pattern in policy
            .statement
            .iter()
            .flat_map(|statement| statement.resource.iter())
        {
            let kind = ["secret/", "secretparameter/"].into_iter().find(|kind| {
                pattern
                    .splitn(5, ':')
                    .nth(4)
                    .is_some_and(|resource| resource.starts_with(kind))
            });
            let names_something = kind.is_none_or(|kind| {
                names
                    .iter()
                    .any(|(of_kind, arn)| *of_kind == kind && matches(pattern, arn))
            });
            if !names_something {
                let text = format!("the policy {name} is about {pattern}, and nothing here has such a name");
                found.push((place(), text));
            }
        }
        let attached = account.users.values().any(|user| user.policies.contains(name))
            || account.roles.values().any(|role| role.policies.contains(name));
        if !attached {
            found.push((place(), format!("the policy {name} is attached to nobody")));
        }
    }
}

fn cluster(state: &State, found: &mut Found) {
    let accounts = &state.kubernetes.service_accounts;
    for (namespace, names) in accounts {
        for (name, service_account) in names {
            let Some(arn) = service_account.annotations.get(ROLE_ANNOTATION) else {
                continue;
            };
            let role = arn
                .strip_prefix("acs:ram::")
                .and_then(|rest| rest.split_once(":role/"))
                .and_then(|(account, role)| state.accounts.get(account)?.roles.get(role));
            if role.is_none() {
                let text = format!(
                    "the ServiceAccount {namespace}/{name} names the role {arn}, which does not exist"
                );
                found.push((path(&["kubernetes", "service_accounts", namespace, name]), text));
            }
        }
    }
    for (index, token) in state.kubernetes.tokens.iter().enumerate() {
        let known = accounts
            .get(&token.namespace)
            .is_some_and(|names| names.contains_key(&token.service_account));
        if !known {
            let text = format!(
                "a token stands for the ServiceAccount {}/{}, which does not exist",
                token.namespace, token.service_account
            );
            found.push((path(&["kubernetes", "tokens", &index.to_string()]), text));
        }
    }
}

const ROLE_ANNOTATION: &str = "ack.alibabacloud.com/role-arn";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::state::SMALL_WORLD;

    fn of(yaml: &str) -> Vec<String> {
        let state = State::from_yaml(yaml).expect("a valid state");
        warnings(&state, yaml).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn the_small_world_gives_no_warning() {
        assert_eq!(of(SMALL_WORLD), [""; 0]);
    }

    #[test]
    fn a_role_that_nobody_can_assume() {
        let yaml = |principal: &str, policies: &str| {
            format!(
                "region: r\naccount: '1'\naccounts:\n  '1':\n    users:\n      u: {{ access_keys: [{{ id: k, secret: s \
                 }}], policies: [{policies}] }}\n    policies:\n      p: {{ Statement: {{ Effect: Allow, Action: 'sts:*', \
                 Resource: '*' }} }}\n    oidc_providers:\n      o: {{ issuer: https://i, client_ids: [a] }}\n    \
                 roles:\n      r:\n        trust:\n          Statement: {{ Effect: Allow, Action: sts:AssumeRole, \
                 Principal: {principal} }}\n"
            )
        };
        let nobody = "state file, line 12, column 7: nobody can assume the role r: no principal that its trust \
                      policy allows exists here with permission for sts:AssumeRole on acs:ram::1:role/r";
        let federated = |condition: &str| {
            format!(
                "{{ Federated: ['acs:ram::1:oidc-provider/o'] }}, Condition: {{ StringEquals: {{ {condition} }} }}"
            )
        };
        for (principal, policies, expected) in [
            ("{ RAM: ['acs:ram::1:root'] }".to_owned(), "p", false),
            ("{ RAM: ['acs:ram::1:root'] }".to_owned(), "", true),
            ("{ RAM: ['acs:ram::1:user/v'] }".to_owned(), "p", true),
            ("{ RAM: ['acs:ram::2:root'] }".to_owned(), "p", true),
            ("{ Service: [ecs.aliyuncs.com] }".to_owned(), "p", true),
            (
                "{ Federated: ['acs:ram::1:oidc-provider/x'] }".to_owned(),
                "p",
                true,
            ),
            (
                federated("'oidc:iss': https://i, 'oidc:aud': a, 'oidc:sub': s"),
                "p",
                false,
            ),
            (federated("'oidc:iss': https://other"), "p", true),
            (federated("'oidc:aud': other"), "p", true),
        ] {
            let found = of(&yaml(&principal, policies));
            assert_eq!(
                found.iter().any(|text| text == nobody),
                expected,
                "{principal}: {found:?}"
            );
        }
    }

    #[test]
    fn a_policy_for_what_is_not_there() {
        let yaml = "region: r\naccount: '1'\naccounts:\n  '1':\n    users:\n      u: { policies: [p] }\n    policies:\n      \
                    p: { Statement: { Effect: Allow, Action: '*', Resource: ['acs:kms:*:*:secret/gone', \
                    'acs:kms:*:*:secret/there', 'acs:oos:*:*:secretparameter/x*', '*', 'acs:kms:*:*:key/k'] } }\n      \
                    q: { Statement: { Effect: Allow, Action: '*', Resource: '*' } }\n    \
                    regions: { r: { secrets: { there: { text: v } } } }\n";
        assert_eq!(
            of(yaml),
            [
                "state file, line 8, column 7: the policy p is about acs:kms:*:*:secret/gone, and nothing here has \
                 such a name",
                "state file, line 8, column 7: the policy p is about acs:oos:*:*:secretparameter/x*, and nothing \
                 here has such a name",
                "state file, line 9, column 7: the policy q is attached to nobody",
            ]
        );
    }

    #[test]
    fn a_cluster_that_names_what_is_not_there() {
        let yaml = "region: r\naccount: '1'\naccounts: { '1': {} }\nkubernetes:\n  service_accounts:\n    ns:\n      \
                    sa: { annotations: { ack.alibabacloud.com/role-arn: 'acs:ram::1:role/gone' } }\n  tokens:\n    \
                    - { token: t, namespace: ns, service_account: other }\n";
        assert_eq!(
            of(yaml),
            [
                "state file, line 7, column 7: the ServiceAccount ns/sa names the role acs:ram::1:role/gone, which \
                 does not exist",
                "state file, line 9, column 7: a token stands for the ServiceAccount ns/other, which does not exist",
            ]
        );
    }
}
