//! What the fake cloud knows: accounts with their users, roles, policies, secrets and parameters; the instance; the
//! cluster. Plain data that a state file describes and that tests may change while the cloud runs.

pub mod identity;
mod load;
pub mod parameter;
pub mod places;
pub mod policy;
pub mod secret;

use std::collections::BTreeMap;

use serde::Deserialize;

use crate::fault::FaultRule;
use crate::oidc::jwt::KeySet;
use crate::quota::Quotas;
use identity::{Credential, Identity, Principal, Session, StaticKey};
use parameter::Parameter;
use policy::{Policy, TrustPolicy};
use secret::Secret;

pub use load::LoadError;

/// The whole world. Its fields are the state file's top-level keys.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct State {
    /// The region of the instance, and of requests whose host names none.
    pub region: String,
    /// The account of the instance and the cluster.
    pub account: String,
    /// All accounts by id.
    pub accounts: BTreeMap<String, Account>,
    /// What the instance metadata service says.
    #[serde(default)]
    pub metadata: Metadata,
    /// What the cluster's API server says.
    #[serde(default)]
    pub kubernetes: Kubernetes,
    /// Request quotas.
    #[serde(default)]
    pub quotas: Quotas,
    /// Faults that are active from the start.
    #[serde(default)]
    pub faults: Vec<FaultRule>,
}

/// One Alibaba Cloud account.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Account {
    /// AccessKeys of the account itself: everything is allowed to them but AssumeRole.
    pub access_keys: Vec<StaticKey>,
    /// RAM users by name.
    pub users: BTreeMap<String, User>,
    /// RAM roles by name.
    pub roles: BTreeMap<String, Role>,
    /// RAM policies by name.
    pub policies: BTreeMap<String, Policy>,
    /// OIDC identity providers by name.
    pub oidc_providers: BTreeMap<String, OidcProvider>,
    /// What lies in each region, by region id.
    pub regions: BTreeMap<String, Region>,
}

/// A RAM user.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct User {
    /// The user's AccessKeys.
    pub access_keys: Vec<StaticKey>,
    /// Names of the account's policies attached to the user.
    pub policies: Vec<String>,
}

/// A RAM role.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Role {
    /// Who may assume it.
    pub trust: TrustPolicy,
    /// Names of the account's policies attached to the role.
    #[serde(default)]
    pub policies: Vec<String>,
    /// The longest session, in seconds.
    #[serde(default = "default_session_duration")]
    pub max_session_duration: u32,
    /// Sessions that exist from the start, with fixed keys.
    #[serde(default)]
    pub sessions: Vec<identity::FixedSession>,
}

/// An OIDC identity provider registered with an account.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OidcProvider {
    /// The issuer's URL, as tokens carry it.
    pub issuer: String,
    /// The audiences it accepts.
    pub client_ids: Vec<String>,
    /// A JSON Web Key Set as text. Without one, the fake cloud's own issuer signs for this provider.
    #[serde(default)]
    pub jwks: Option<KeySet>,
}

/// KMS secrets and OOS parameters of one region.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Region {
    /// KMS secrets by name.
    pub secrets: BTreeMap<String, Secret>,
    /// OOS secret parameters by name.
    pub parameters: BTreeMap<String, Parameter>,
    /// OOS common parameters by name: not encrypted, `Type` String.
    pub common_parameters: BTreeMap<String, Parameter>,
}

/// The instance, as its metadata service describes it.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Metadata {
    /// The role attached to the instance, of the home account; none: 404, as on the real service.
    pub role: Option<String>,
    /// The instance id.
    pub instance_id: String,
    /// The zone id.
    pub zone_id: String,
    /// Whether a token is required.
    pub tokens: MetadataTokens,
}

/// The two modes of the metadata service.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MetadataTokens {
    /// With and without a token (`HttpTokens=optional`).
    #[default]
    Optional,
    /// With a token only (`HttpTokens=required`).
    Required,
}

/// The cluster.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Kubernetes {
    /// The OIDC provider of the home account that trusts this cluster's tokens.
    pub oidc_provider: Option<String>,
    /// ServiceAccounts by namespace and name.
    pub service_accounts: BTreeMap<String, BTreeMap<String, ServiceAccount>>,
    /// Bearer tokens that the API server knows.
    pub tokens: Vec<BearerToken>,
}

/// A ServiceAccount.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ServiceAccount {
    /// `metadata.annotations`.
    pub annotations: BTreeMap<String, String>,
    /// Whether it may `get` ServiceAccounts in all namespaces.
    pub may_get_service_accounts: bool,
}

/// A bearer token that stands for a ServiceAccount.
#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BearerToken {
    /// The token as sent.
    pub token: String,
    /// The ServiceAccount's namespace.
    pub namespace: String,
    /// The ServiceAccount's name.
    pub service_account: String,
}

impl State {
    /// Reads a state file's text.
    pub fn from_yaml(text: &str) -> Result<Self, LoadError> {
        load::from_yaml(text)
    }

    /// The built-in small world.
    pub fn small_world() -> Self {
        Self::from_yaml(SMALL_WORLD).expect("the embedded world is valid, as a test shows")
    }

    /// Home account and home region: where the setters write.
    pub fn home(&mut self) -> &mut Region {
        self.accounts
            .entry(self.account.clone())
            .or_default()
            .regions
            .entry(self.region.clone())
            .or_default()
    }

    /// An account's region, if anything lies there.
    pub fn region(&self, account: &str, region: &str) -> Option<&Region> {
        self.accounts.get(account)?.regions.get(region)
    }

    /// The fixed credential behind an AccessKey id.
    pub fn credential(&self, key_id: &str) -> Option<Credential> {
        self.accounts
            .iter()
            .find_map(|(id, account)| account.credential(id, key_id))
    }

    /// The URL of the cluster's token issuer, if a provider trusts it.
    pub fn cluster_issuer(&self) -> Option<&str> {
        let provider = self.kubernetes.oidc_provider.as_ref()?;
        Some(
            &self
                .accounts
                .get(&self.account)?
                .oidc_providers
                .get(provider)?
                .issuer,
        )
    }

    /// The first AccessKey of the home account's users.
    pub fn first_access_key(&self) -> Option<&StaticKey> {
        self.accounts
            .get(&self.account)?
            .users
            .values()
            .find_map(|user| user.access_keys.first())
    }
}

impl Account {
    fn credential(&self, account: &str, key_id: &str) -> Option<Credential> {
        let root = self.access_keys.iter().map(|key| (key, Principal::Root));
        let users = self.users.iter().flat_map(|(name, user)| {
            user.access_keys
                .iter()
                .map(move |key| (key, Principal::User { name: name.clone() }))
        });
        let fixed = root
            .chain(users)
            .find(|(key, _)| key.id == key_id)
            .map(|(key, principal)| Credential {
                secret: key.secret.clone(),
                active: key.active,
                session: None,
                identity: Identity {
                    account: account.to_owned(),
                    principal,
                    session_policy: None,
                },
            });
        fixed.or_else(|| self.fixed_session(account, key_id))
    }

    fn fixed_session(&self, account: &str, key_id: &str) -> Option<Credential> {
        let sessions = self
            .roles
            .iter()
            .flat_map(|(name, role)| role.sessions.iter().map(move |s| (name, s)));
        let (role, session) = sessions.into_iter().find(|(_, session)| session.id == key_id)?;
        let principal = Principal::Role {
            name: role.clone(),
            session: session.name.clone(),
        };
        Some(Credential {
            secret: session.secret.clone(),
            active: true,
            session: Some(Session {
                token: session.token.clone(),
                expires: session.expires.0,
            }),
            identity: Identity {
                account: account.to_owned(),
                principal,
                session_policy: None,
            },
        })
    }
}

impl std::fmt::Debug for BearerToken {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "BearerToken({}/{})", self.namespace, self.service_account)
    }
}

fn default_session_duration() -> u32 {
    3600
}

/// The embedded state file.
pub const SMALL_WORLD: &str = include_str!("../../worlds/small.yaml");
