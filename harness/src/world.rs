//! The state, and what the running cloud has issued or used up.

use std::collections::HashMap;

use jiff::{SignedDuration, Timestamp};
use ring::error::Unspecified;

use crate::ids::Ids;
use crate::oidc::issuer::Issuer;
use crate::quota::Buckets;
use crate::sign::nonce::Nonces;
use crate::state::State;
use crate::state::identity::{Credential, Identity, Principal, Session};
use crate::state::policy::Policy;

/// All that requests read and change.
#[derive(Debug)]
pub struct World {
    /// What the state file described, as changed since.
    pub state: State,
    /// The cluster's token issuer.
    pub issuer: Issuer,
    /// Spent nonces.
    pub nonces: Nonces,
    /// Tokens of the metadata service's hardened mode, and their ends.
    pub metadata_tokens: HashMap<String, Timestamp>,
    /// The keys that the metadata service gives out at present, and for which role.
    pub instance_keys: Option<(String, TemporaryKeys)>,
    /// Request quotas.
    pub buckets: Buckets,
    sessions: HashMap<String, Credential>,
}

/// Temporary keys as they are handed out.
#[derive(Clone)]
pub struct TemporaryKeys {
    /// The AccessKey id, `STS.…`.
    pub id: String,
    /// The AccessKey secret.
    pub secret: String,
    /// The security token.
    pub token: String,
    /// When they were made.
    pub issued: Timestamp,
    /// When they end.
    pub expires: Timestamp,
}

/// A role session to be opened.
#[derive(Debug)]
pub struct NewSession<'a> {
    /// The role's account.
    pub account: &'a str,
    /// The role's name.
    pub role: &'a str,
    /// The session's name.
    pub name: &'a str,
    /// The policy that narrows it.
    pub policy: Option<Policy>,
    /// How long it lasts.
    pub lifetime: SignedDuration,
}

impl World {
    /// A world that has issued nothing yet.
    pub fn new(state: State) -> Result<Self, Unspecified> {
        Ok(Self {
            state,
            issuer: Issuer::generate()?,
            nonces: Nonces::default(),
            metadata_tokens: HashMap::new(),
            instance_keys: None,
            buckets: Buckets::default(),
            sessions: HashMap::new(),
        })
    }

    /// The credential behind an AccessKey id: a fixed one of the state, or a session opened since the start.
    pub fn credential(&self, key_id: &str) -> Option<Credential> {
        self.sessions
            .get(key_id)
            .cloned()
            .or_else(|| self.state.credential(key_id))
    }

    /// Every secret and token that was issued.
    pub fn issued(&self) -> Vec<String> {
        let sessions = self.sessions.values().flat_map(|credential| {
            let token = credential.session.as_ref().map(|session| session.token.clone());
            [Some(credential.secret.clone()), token]
        });
        sessions
            .flatten()
            .chain(self.metadata_tokens.keys().cloned())
            .collect()
    }

    /// Opens a role session and hands out its keys.
    pub fn open_session(&mut self, new: NewSession<'_>, now: Timestamp, ids: &Ids) -> TemporaryKeys {
        // Expired keys are remembered for a while, so that their use is told apart from that of unknown keys.
        self.sessions.retain(|_, credential| {
            credential
                .session
                .as_ref()
                .is_none_or(|session| now.duration_since(session.expires) < EXPIRED_REMEMBERED)
        });
        let keys = TemporaryKeys {
            id: format!("STS.N{}", ids.alphanumeric(24)),
            secret: ids.alphanumeric(44),
            token: format!("CAIS{}", ids.alphanumeric(TOKEN_LENGTH)),
            issued: now,
            expires: now.saturating_add(new.lifetime).unwrap_or(Timestamp::MAX),
        };
        let principal = Principal::Role {
            name: new.role.into(),
            session: new.name.into(),
        };
        let credential = Credential {
            secret: keys.secret.clone(),
            active: true,
            session: Some(Session {
                token: keys.token.clone(),
                expires: keys.expires,
            }),
            identity: Identity {
                account: new.account.into(),
                principal,
                session_policy: new.policy,
            },
        };
        self.sessions.insert(keys.id.clone(), credential);
        keys
    }
}

impl std::fmt::Debug for TemporaryKeys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "TemporaryKeys({}, until {})", self.id, self.expires)
    }
}

const EXPIRED_REMEMBERED: SignedDuration = SignedDuration::from_hours(1);
/// Real tokens have 600 to 1,200 characters.
const TOKEN_LENGTH: usize = 800;
