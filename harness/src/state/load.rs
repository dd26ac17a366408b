//! Reading a state file: YAML in, a checked [`State`] out; errors say where and what, never a value.

use std::collections::HashMap;
use std::fmt;

use super::State;
use super::places::{Place, Places};

/// Why a state file was refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LoadError {
    /// Line and column, counted from 1, where they are known.
    pub at: Option<Place>,
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
        let text = error.without_snippet().to_string();
        // The library says the place once more, at the end.
        let again = at.map(|(line, column)| format!(" at line {line}, column {column}"));
        let problem = again.and_then(|again| text.strip_suffix(&again).map(str::to_owned));
        LoadError {
            at,
            problem: problem.unwrap_or(text),
        }
    })?;
    match first_problem(&state) {
        None => Ok(state),
        Some((path, problem)) => {
            let path: Vec<&str> = path.iter().map(String::as_str).collect();
            Err(LoadError {
                at: Places::of(text).find(&path),
                problem,
            })
        }
    }
}

/// A path of keys, and what is wrong there.
type Problem = (Vec<String>, String);

fn path<const N: usize>(parts: [&str; N]) -> Vec<String> {
    parts.map(String::from).into()
}

/// References that lead nowhere, keys that two principals share, numbers out of range.
fn first_problem(state: &State) -> Option<Problem> {
    let Some(home) = state.accounts.get(&state.account) else {
        let problem = format!("account: there is no account {:?} under accounts", state.account);
        return Some((path(["account"]), problem));
    };
    if let Some(role) = &state.metadata.role
        && !home.roles.contains_key(role)
    {
        let problem = format!("metadata.role: account {} has no role {role:?}", state.account);
        return Some((path(["metadata", "role"]), problem));
    }
    if let Some(provider) = &state.kubernetes.oidc_provider
        && !home.oidc_providers.contains_key(provider)
    {
        let problem = format!(
            "kubernetes.oidc_provider: account {} has no {provider:?}",
            state.account
        );
        return Some((path(["kubernetes", "oidc_provider"]), problem));
    }
    dangling_policy(state)
        .or_else(|| shared_key(state))
        .or_else(|| bad_fault(state))
}

fn dangling_policy(state: &State) -> Option<Problem> {
    state.accounts.iter().find_map(|(id, account)| {
        let users = account
            .users
            .iter()
            .map(|(name, user)| ("users", name, &user.policies));
        let roles = account
            .roles
            .iter()
            .map(|(name, role)| ("roles", name, &role.policies));
        users.chain(roles).find_map(|(kind, name, policies)| {
            let policy = policies
                .iter()
                .find(|policy| !account.policies.contains_key(*policy))?;
            let problem =
                format!("accounts.{id}.{kind}.{name}.policies: no policy {policy:?} in this account");
            Some((path(["accounts", id, kind, name, "policies", policy]), problem))
        })
    })
}

/// An AccessKey id names one principal, in the whole cloud.
fn shared_key(state: &State) -> Option<Problem> {
    let mut owners: HashMap<&str, String> = HashMap::new();
    for (id, account) in &state.accounts {
        let root = account
            .access_keys
            .iter()
            .map(|key| (key.id.as_str(), path(["accounts", id])));
        let users = account.users.iter().flat_map(|(name, user)| {
            let place = path(["accounts", id, "users", name]);
            user.access_keys
                .iter()
                .map(move |key| (key.id.as_str(), place.clone()))
        });
        let sessions = account.roles.iter().flat_map(|(name, role)| {
            let place = path(["accounts", id, "roles", name]);
            role.sessions
                .iter()
                .map(move |session| (session.id.as_str(), place.clone()))
        });
        for (key, place) in root.chain(users).chain(sessions) {
            let name = place.join(".");
            if let Some(first) = owners.insert(key, name.clone()) {
                return Some((
                    place,
                    format!("{name}: the AccessKey id {key:?} belongs to {first} already"),
                ));
            }
        }
    }
    None
}

fn bad_fault(state: &State) -> Option<Problem> {
    state.faults.iter().enumerate().find_map(|(index, rule)| {
        let problem = rule.problem()?;
        let index = index.to_string();
        Some((path(["faults", &index]), format!("faults[{index}]: {problem}")))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::state::SMALL_WORLD;

    fn error(text: &str) -> LoadError {
        from_yaml(text).expect_err("a wrong state file")
    }

    #[test]
    fn a_place_is_said_once() {
        let error = State::from_yaml("regionn: x\n")
            .expect_err("no such field")
            .to_string();
        assert!(
            error.starts_with("state file, line 1, column 1: unknown field"),
            "{error}"
        );
        assert_eq!(error.matches("line 1").count(), 1, "{error}");
    }

    #[test]
    fn the_small_world_is_valid() {
        let state = from_yaml(SMALL_WORLD).expect("the embedded world");
        assert!(state.first_access_key().is_some());
    }

    #[test]
    fn an_unknown_key_is_named_with_its_place() {
        let error = error("region: r\naccount: a\naccounts:\n  a:\n    usrs: {}\n");
        assert_eq!(error.at, Some((5, 5)), "{error}");
        assert!(error.problem.contains("usrs"), "{error}");
    }

    #[test]
    fn what_leads_nowhere_is_named_with_its_place() {
        let begin = "region: r\naccount: a\naccounts:\n  a:\n";
        for (rest, place, problem) in [
            (
                "    users: {u: {policies: [p]}}\n",
                (5, 28),
                "accounts.a.users.u.policies: no policy \"p\" in this account",
            ),
            (
                "    users: {}\nmetadata:\n  role: r\n",
                (7, 3),
                "metadata.role: account a has no role \"r\"",
            ),
            (
                "    users: {}\nkubernetes: {oidc_provider: o}\n",
                (6, 14),
                "kubernetes.oidc_provider: account a has no \"o\"",
            ),
            (
                "    access_keys: [{id: k, secret: s}]\n    users: {u: {access_keys: [{id: k, secret: t}]}}\n",
                (6, 13),
                "accounts.a.users.u: the AccessKey id \"k\" belongs to accounts.a already",
            ),
            (
                "    users: {}\nfaults:\n  - { probability: 2, then: throttle }\n",
                (7, 5),
                "faults[0]: probability is from 0 to 1",
            ),
        ] {
            let error = error(&format!("{begin}{rest}"));
            assert_eq!((error.at, error.problem.as_str()), (Some(place), problem));
        }
        let error = error("region: r\naccount: b\naccounts: {a: {}}\n");
        assert_eq!(
            error.to_string(),
            "state file, line 2, column 1: account: there is no account \"b\" under accounts"
        );
    }

    #[test]
    fn an_error_beside_a_value_does_not_show_it() {
        let text = "region: r\naccount: a\naccounts:\n  a:\n    regions:\n      r:\n        secrets:\n          \
                    s: {text: canary, binary: canary, color: canary}\n";
        assert!(!error(text).to_string().contains("canary"));
    }
}
