//! Reading a state file: YAML in, a checked [`State`] out; errors say where and what, never a value.

use std::fmt;

use super::State;

/// Why a state file was refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LoadError {
    /// Line and column, counted from 1, where the parser knows them.
    pub at: Option<(u64, u64)>,
    /// What is wrong.
    pub problem: String,
}

impl fmt::Display for LoadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.at {
            Some((line, column)) => write!(f, "state file, line {line}, column {column}: {}", self.problem),
            None => write!(f, "state file: {}", self.problem),
        }
    }
}

impl std::error::Error for LoadError {}

pub(super) fn from_yaml(text: &str) -> Result<State, LoadError> {
    let state: State = serde_saphyr::from_str(text).map_err(|error| {
        // The rendered form shows lines of the file, and with them values.
        let at = error
            .location()
            .map(|location| (location.line(), location.column()));
        LoadError {
            at,
            problem: error.without_snippet().to_string(),
        }
    })?;
    match problems(&state).into_iter().next() {
        None => Ok(state),
        Some(problem) => Err(LoadError { at: None, problem }),
    }
}

/// References that lead nowhere.
fn problems(state: &State) -> Vec<String> {
    let mut problems = Vec::new();
    let Some(home) = state.accounts.get(&state.account) else {
        return vec![format!(
            "account: there is no account {:?} under accounts",
            state.account
        )];
    };
    if let Some(role) = &state.metadata.role
        && !home.roles.contains_key(role)
    {
        problems.push(format!(
            "metadata.role: account {} has no role {role:?}",
            state.account
        ));
    }
    if let Some(provider) = &state.kubernetes.oidc_provider
        && !home.oidc_providers.contains_key(provider)
    {
        problems.push(format!(
            "kubernetes.oidc_provider: account {} has no {provider:?}",
            state.account
        ));
    }
    for (id, account) in &state.accounts {
        let users = account
            .users
            .iter()
            .map(|(name, user)| (format!("users.{name}"), &user.policies));
        let roles = account
            .roles
            .iter()
            .map(|(name, role)| (format!("roles.{name}"), &role.policies));
        for (place, policies) in users.chain(roles) {
            for policy in policies
                .iter()
                .filter(|policy| !account.policies.contains_key(*policy))
            {
                problems.push(format!(
                    "accounts.{id}.{place}.policies: no policy {policy:?} in this account"
                ));
            }
        }
    }
    problems
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::state::SMALL_WORLD;

    #[test]
    fn the_small_world_is_valid() {
        let state = from_yaml(SMALL_WORLD).expect("the embedded world");
        assert!(state.first_access_key().is_some());
    }

    #[test]
    fn an_unknown_key_is_named_with_its_place() {
        let error =
            from_yaml("region: r\naccount: a\naccounts:\n  a:\n    usrs: {}\n").expect_err("a typing error");
        assert_eq!(error.at, Some((5, 5)), "{error}");
        assert!(error.problem.contains("usrs"), "{error}");
    }

    #[test]
    fn a_missing_policy_is_named_with_its_user() {
        let error = from_yaml("region: r\naccount: a\naccounts:\n  a:\n    users: {u: {policies: [p]}}\n");
        let problem = error.expect_err("a dangling reference").problem;
        assert_eq!(
            problem,
            "accounts.a.users.u.policies: no policy \"p\" in this account"
        );
    }

    #[test]
    fn an_error_beside_a_value_does_not_show_it() {
        let text = "region: r\naccount: a\naccounts:\n  a:\n    regions:\n      r:\n        secrets:\n          \
                    s: {text: canary, binary: canary, color: canary}\n";
        assert!(
            !from_yaml(text)
                .expect_err("both kinds of value")
                .to_string()
                .contains("canary")
        );
    }
}
