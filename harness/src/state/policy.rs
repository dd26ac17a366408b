//! RAM policies and role trust policies: Allow and Deny statements with wildcards, in RAM's own JSON spelling
//! (YAML is a superset, so a policy can be pasted).
//!
//! Modelled: `Effect`, `Action`, `Resource`, `Principal`, and the conditions `StringEquals` and `StringLike` (the ones
//! that trust policies for RRSA use). `NotAction`, `NotResource` and other conditions are refused when read.

use std::collections::BTreeMap;

use serde::Deserialize;

/// A RAM policy document.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "PascalCase")]
pub struct Policy {
    /// Always `1`.
    #[serde(default)]
    pub version: Option<Version>,
    /// The statements; their order has no meaning.
    pub statement: OneOrMany<Statement>,
}

/// One statement of a policy.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "PascalCase")]
pub struct Statement {
    /// What a match means.
    pub effect: Effect,
    /// Patterns of actions, such as `kms:Get*`.
    pub action: OneOrMany<String>,
    /// Patterns of resource names.
    pub resource: OneOrMany<String>,
}

/// A role's trust policy.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "PascalCase")]
pub struct TrustPolicy {
    /// Always `1`.
    #[serde(default)]
    pub version: Option<Version>,
    /// The statements; their order has no meaning.
    pub statement: OneOrMany<TrustStatement>,
}

/// One statement of a trust policy.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "PascalCase")]
pub struct TrustStatement {
    /// What a match means.
    pub effect: Effect,
    /// `sts:AssumeRole`.
    pub action: OneOrMany<String>,
    /// Who it is about.
    pub principal: TrustedPrincipal,
    /// Under which conditions.
    #[serde(default)]
    pub condition: Condition,
}

/// The `Principal` of a trust statement.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "PascalCase", default)]
pub struct TrustedPrincipal {
    /// ARNs of accounts (`…:root`), users and roles.
    #[serde(rename = "RAM")]
    pub ram: OneOrMany<String>,
    /// ARNs of OIDC providers.
    pub federated: OneOrMany<String>,
    /// Cloud services, such as `ecs.aliyuncs.com`.
    pub service: OneOrMany<String>,
}

/// Conditions: all must hold; each holds if one of its values does.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "PascalCase", default)]
pub struct Condition {
    /// Exact texts by key.
    pub string_equals: BTreeMap<String, OneOrMany<String>>,
    /// Texts with `*` and `?` by key.
    pub string_like: BTreeMap<String, OneOrMany<String>>,
}

/// `Allow` or `Deny`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
pub enum Effect {
    /// Grants, unless something denies.
    Allow,
    /// Refuses, whatever grants.
    Deny,
}

/// The only policy version there is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
pub enum Version {
    /// Version 1.
    #[serde(rename = "1")]
    V1,
}

/// RAM writes a list of one as the item itself, if it likes.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(untagged)]
pub enum OneOrMany<T> {
    /// The item itself.
    One(T),
    /// A list.
    Many(Vec<T>),
}

impl<T> Default for OneOrMany<T> {
    fn default() -> Self {
        Self::Many(Vec::new())
    }
}

impl<T> OneOrMany<T> {
    /// The items, however they were written.
    pub fn iter(&self) -> std::slice::Iter<'_, T> {
        match self {
            Self::One(item) => std::slice::from_ref(item).iter(),
            Self::Many(items) => items.iter(),
        }
    }
}

/// What policies say about one action on one resource.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decision {
    /// Something allows and nothing denies.
    Allow,
    /// Nothing allows.
    ImplicitDeny,
    /// Something denies.
    ExplicitDeny,
}

impl Decision {
    fn of(effects: impl Iterator<Item = Effect>) -> Self {
        effects.fold(Self::ImplicitDeny, |decision, effect| match (decision, effect) {
            (Self::ExplicitDeny, _) | (_, Effect::Deny) => Self::ExplicitDeny,
            (_, Effect::Allow) => Self::Allow,
        })
    }
}

/// What these policies together say.
pub fn decide<'a>(policies: impl Iterator<Item = &'a Policy>, action: &str, resource: &str) -> Decision {
    let statements = policies.flat_map(|policy| policy.statement.iter());
    Decision::of(
        statements
            .filter(|statement| statement.covers(action, resource))
            .map(|s| s.effect),
    )
}

impl Statement {
    fn covers(&self, action: &str, resource: &str) -> bool {
        // RAM compares actions without regard to case, resources with it.
        let action = action.to_ascii_lowercase();
        self.action
            .iter()
            .any(|pattern| matches(&pattern.to_ascii_lowercase(), &action))
            && self.resource.iter().any(|pattern| matches(pattern, resource))
    }
}

impl TrustPolicy {
    /// Whether the role may be assumed by a principal that `is_meant` recognises, given the context's values.
    pub fn allows(
        &self,
        is_meant: impl Fn(&TrustedPrincipal) -> bool,
        context: &BTreeMap<&str, &str>,
    ) -> bool {
        let covering = self.statement.iter().filter(|statement| {
            statement
                .action
                .iter()
                .any(|pattern| matches(&pattern.to_ascii_lowercase(), "sts:assumerole"))
                && is_meant(&statement.principal)
                && statement.condition.holds(context)
        });
        Decision::of(covering.map(|statement| statement.effect)) == Decision::Allow
    }
}

impl Condition {
    /// Whether the condition can hold for somebody of whom only these values are known.
    pub fn may_hold(&self, known: &BTreeMap<&str, &str>) -> bool {
        let fits = |key: &String, fits: &dyn Fn(&str) -> bool| {
            known.get(key.as_str()).is_none_or(|value| fits(value))
        };
        self.string_equals
            .iter()
            .all(|(key, wanted)| fits(key, &|value| wanted.iter().any(|wanted| wanted == value)))
            && self.string_like.iter().all(|(key, patterns)| {
                fits(key, &|value| {
                    patterns.iter().any(|pattern| matches(pattern, value))
                })
            })
    }

    fn holds(&self, context: &BTreeMap<&str, &str>) -> bool {
        let value = |key: &String| context.get(key.as_str()).copied();
        let equals = self
            .string_equals
            .iter()
            .all(|(key, wanted)| value(key).is_some_and(|value| wanted.iter().any(|wanted| wanted == value)));
        let like = self.string_like.iter().all(|(key, patterns)| {
            value(key).is_some_and(|value| patterns.iter().any(|pattern| matches(pattern, value)))
        });
        equals && like
    }
}

/// Whether a text matches a pattern in which `*` stands for any text and `?` for any one character.
pub fn matches(pattern: &str, text: &str) -> bool {
    let (pattern, text): (Vec<char>, Vec<char>) = (pattern.chars().collect(), text.chars().collect());
    let (mut p, mut t) = (0, 0);
    let mut star: Option<(usize, usize)> = None;
    while t < text.len() {
        match pattern.get(p) {
            Some('*') => {
                star = Some((p, t));
                p += 1;
            }
            Some(&wanted) if wanted == '?' || wanted == text[t] => (p, t) = (p + 1, t + 1),
            // No match here: let the last star take one character more.
            _ => match star {
                Some((at, taken)) => {
                    star = Some((at, taken + 1));
                    (p, t) = (at + 1, taken + 1);
                }
                None => return false,
            },
        }
    }
    pattern[p..].iter().all(|&left| left == '*')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn policy(json: &str) -> Policy {
        serde_json::from_str(json).expect("a policy")
    }

    #[test]
    fn wildcards_match_as_in_ram() {
        for (pattern, text, expected) in [
            ("*", "", true),
            ("kms:Get*", "kms:GetSecretValue", true),
            (
                "acs:kms:*:*:secret/app/*",
                "acs:kms:cn-hangzhou:1:secret/app/db",
                true,
            ),
            (
                "acs:kms:*:*:secret/app/*",
                "acs:kms:cn-hangzhou:1:secret/other",
                false,
            ),
            ("a*b*c", "aXbYbZc", true),
            ("a*b*c", "aXbYbZ", false),
            ("v?", "v1", true),
            ("v?", "v", false),
            ("acs:ram::*:role/**", "acs:ram::1:role/r", true),
        ] {
            assert_eq!(matches(pattern, text), expected, "{pattern} on {text}");
        }
    }

    #[test]
    fn deny_wins_over_allow_in_any_order() {
        let allow =
            policy(r#"{"Version":"1","Statement":[{"Effect":"Allow","Action":"kms:*","Resource":"*"}]}"#);
        let deny =
            policy(r#"{"Statement":{"Effect":"Deny","Action":["KMS:getsecretvalue"],"Resource":["*/x"]}}"#);
        for policies in [[&allow, &deny], [&deny, &allow]] {
            assert_eq!(
                decide(policies.into_iter(), "kms:GetSecretValue", "a/x"),
                Decision::ExplicitDeny
            );
            assert_eq!(
                decide(policies.into_iter(), "kms:GetSecretValue", "a/y"),
                Decision::Allow
            );
            assert_eq!(
                decide(policies.into_iter(), "oos:GetSecretParameter", "a/y"),
                Decision::ImplicitDeny
            );
        }
    }

    #[test]
    fn a_trust_condition_must_hold() {
        let trust: TrustPolicy = serde_json::from_str(
            r#"{"Version":"1","Statement":[{"Effect":"Allow","Action":"sts:AssumeRole",
                "Principal":{"Federated":["acs:ram::1:oidc-provider/p"]},
                "Condition":{"StringEquals":{"oidc:aud":"sts.aliyuncs.com"},"StringLike":{"oidc:sub":["a:*","b"]}}}]}"#,
        )
        .expect("a trust policy");
        let allows = |provider: &str, aud, sub| {
            trust.allows(
                |principal| principal.federated.iter().any(|arn| arn == provider),
                &BTreeMap::from([("oidc:aud", aud), ("oidc:sub", sub)]),
            )
        };
        assert!(allows("acs:ram::1:oidc-provider/p", "sts.aliyuncs.com", "a:x"));
        assert!(!allows("acs:ram::1:oidc-provider/p", "sts.aliyuncs.com", "c"));
        assert!(!allows("acs:ram::1:oidc-provider/p", "other", "b"));
        assert!(!allows("acs:ram::1:oidc-provider/q", "sts.aliyuncs.com", "b"));
    }

    #[test]
    fn what_is_not_modelled_is_refused() {
        for json in [
            r#"{"Statement":[{"Effect":"Allow","NotAction":"a","Resource":"*"}]}"#,
            r#"{"Statement":[{"Effect":"Allow","Action":"a","Resource":"*","Condition":{"IpAddress":{}}}]}"#,
            r#"{"Version":"2","Statement":[]}"#,
        ] {
            assert!(serde_json::from_str::<Policy>(json).is_err(), "{json}");
        }
    }
}
