//! The calls on the way of a Mount, and the setting that makes the provider send them: every call of `src/cloud/` and
//! `src/cloud/kubernetes.rs`, by every source of `src/auth/` that makes it.
//!
//! | source (`src/auth/`) | calls of its own |
//! |---|---|
//! | `access_key`, `key_files`, `publish_secret` | none: a pair signs the reads |
//! | `role` with a pair | STS `AssumeRole` |
//! | `role` with the provider's token | STS `AssumeRoleWithOIDC` |
//! | `pod` | the ServiceAccount from Kubernetes, STS `AssumeRoleWithOIDC` |
//! | `worker` | instance metadata: session token, role name unless it is configured, credentials; in normal mode without the token |
//! | `cross_account` | STS `AssumeRole`, signed by a pair, or by a role, which is renewed if STS no longer knows it |
//! | any | metadata: region, for objects without one and for STS without an endpoint; KMS and OOS: the values |

use harness::{Fault, FaultRule, Service};

/// The field of answers that are texts.
pub(crate) const NO_FIELD: &str = "/none";

/// A call on the way of a Mount.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Call {
    /// Its row of the table.
    pub(crate) name: &'static str,
    pub(crate) service: Service,
    /// A pattern.
    pub(crate) action: &'static str,
    /// The role it is about, a pattern, where there is another call of the same kind.
    pub(crate) role: Option<&'static str>,
    pub(crate) setting: Setting,
    /// A field of its answer that it cannot do without.
    pub(crate) field: &'static str,
    /// When a Mount makes it again.
    pub(crate) again: Again,
    /// What a failure's message must say, one of these.
    pub(crate) says: &'static [&'static str],
    /// Whether nobody can say who asks while it goes unanswered (docs/refresh.md, "Through an outage").
    pub(crate) tells_who_asks: bool,
}

/// When a Mount after the first makes a call again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Again {
    /// In each Mount.
    Always,
    /// When credentials are due.
    Due,
    /// After half a minute, for which a ServiceAccount's annotation is taken for true.
    HalfMinute,
    /// Not for hours.
    Kept,
}

/// What the provider and the pod's volume are given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Setting {
    /// The provider's own pair.
    AccessKey,
    /// The pair of the pod's `nodePublishSecretRef`.
    PodPair,
    /// A role, assumed with the provider's pair.
    AssumedRole,
    /// A role, assumed with the provider's ServiceAccount token.
    Oidc,
    /// The pod's own role.
    Pod,
    /// The node's role; metadata gives session tokens.
    Worker,
    /// The node's role; metadata gives no session tokens.
    WorkerNormal,
    /// The node's role; nothing may be asked without a session token.
    WorkerHardened,
    /// The node's role, by its name.
    WorkerNamed,
    /// Objects of another account, by the provider's pair.
    Cross,
    /// Objects of another account, by a role that is assumed itself.
    CrossByRole,
    /// A role, and no endpoint in any flag: the cloud's own host names, through a proxy; STS where the node is.
    OwnHosts,
}

impl Call {
    /// A rule that strikes this call, or the handshakes of its service.
    pub(crate) fn rule(&self, fault: Fault) -> FaultRule {
        let is_handshake = matches!(fault, Fault::Certificate(_) | Fault::Handshake(_));
        let rule = FaultRule::new(fault).service(self.service);
        match self.role {
            _ if is_handshake => rule,
            None => rule.action(self.action),
            Some(role) => rule.action(self.action).name(role),
        }
    }

    /// A rule that makes the credentials end then which the call helps to get, so that it is due again.
    pub(crate) fn end_at(&self, end: jiff::Timestamp) -> Option<FaultRule> {
        if self.again != Again::Due {
            return None;
        }
        let (field, call) = match self.service {
            Service::Metadata => ("/Expiration", &CREDENTIALS),
            _ => ("/Credentials/Expiration", self),
        };
        let field = field.to_owned();
        let value = end.to_string().into();
        Some(call.rule(Fault::SetField { field, value }))
    }

    /// Whether it goes over TLS.
    pub(crate) fn is_over_tls(&self) -> bool {
        self.service != Service::Metadata
    }
}

const KMS: Call = Call {
    name: "kms GetSecretValue",
    service: Service::Kms,
    action: "GetSecretValue",
    role: None,
    setting: Setting::AccessKey,
    field: "/SecretData",
    again: Again::Always,
    says: &["(kms)"],
    tells_who_asks: false,
};

const OOS: Call = Call {
    name: "oos GetSecretParameter",
    service: Service::Oos,
    action: "GetSecretParameter",
    field: "/Parameter/Value",
    says: &["(oos)"],
    ..KMS
};

const ASSUME_ROLE: Call = Call {
    name: "sts AssumeRole",
    service: Service::Sts,
    action: "AssumeRole",
    role: None,
    setting: Setting::AssumedRole,
    field: "/Credentials/SecurityToken",
    again: Again::Due,
    // A role is given by a token even if the clock of STS is behind; others then notice that it has ended.
    says: &["cannot be assumed", "InvalidSecurityToken.Expired"],
    tells_who_asks: false,
};

const METADATA: Call = Call {
    name: "metadata token",
    service: Service::Metadata,
    action: "*api/token",
    role: None,
    setting: Setting::Worker,
    field: NO_FIELD,
    again: Again::Kept,
    says: &["metadata"],
    tells_who_asks: true,
};

const ROLE_NAME: Call = Call {
    name: "metadata role name",
    action: "*security-credentials/",
    again: Again::Due,
    ..METADATA
};

const CREDENTIALS: Call = Call {
    name: "metadata credentials",
    action: "*security-credentials/?*",
    field: "/SecurityToken",
    again: Again::Due,
    // Credentials that are no good are noticed by whoever is shown them.
    says: &["metadata", "(kms)", "(oos)"],
    ..METADATA
};

const REGION: Call = Call {
    name: "metadata region",
    action: "*region-id",
    says: &["region", "metadata"],
    ..METADATA
};

/// The rows of the table.
pub(crate) const CALLS: &[Call] = &[
    KMS,
    Call {
        name: "kms, pair of the pod",
        setting: Setting::PodPair,
        ..KMS
    },
    Call {
        name: "kms, role of the pod",
        setting: Setting::Pod,
        ..KMS
    },
    Call {
        name: "kms, other account",
        setting: Setting::Cross,
        ..KMS
    },
    OOS,
    Call {
        name: "oos, assumed role",
        setting: Setting::AssumedRole,
        ..OOS
    },
    Call {
        name: "oos, worker role",
        setting: Setting::Worker,
        ..OOS
    },
    ASSUME_ROLE,
    Call {
        name: "sts AssumeRoleWithOIDC",
        action: "AssumeRoleWithOIDC",
        setting: Setting::Oidc,
        ..ASSUME_ROLE
    },
    Call {
        name: "sts, role of the pod",
        action: "AssumeRoleWithOIDC",
        setting: Setting::Pod,
        ..ASSUME_ROLE
    },
    Call {
        name: "sts, other account",
        role: Some("*9999999999990000:role/target"),
        setting: Setting::Cross,
        ..ASSUME_ROLE
    },
    Call {
        name: "sts, other account by role",
        role: Some("*9999999999990000:role/target"),
        setting: Setting::CrossByRole,
        ..ASSUME_ROLE
    },
    Call {
        name: "sts where the node is",
        setting: Setting::OwnHosts,
        ..ASSUME_ROLE
    },
    Call {
        name: "kubernetes ServiceAccount",
        service: Service::Kubernetes,
        action: "*/serviceaccounts/*",
        role: None,
        setting: Setting::Pod,
        field: "/metadata/annotations",
        again: Again::HalfMinute,
        says: &["ServiceAccount rrsa-demo/demo-sa"],
        tells_who_asks: true,
    },
    METADATA,
    Call {
        name: "metadata token, required",
        setting: Setting::WorkerHardened,
        ..METADATA
    },
    ROLE_NAME,
    Call {
        name: "metadata role, normal mode",
        setting: Setting::WorkerNormal,
        ..ROLE_NAME
    },
    CREDENTIALS,
    Call {
        name: "credentials, normal mode",
        setting: Setting::WorkerNormal,
        ..CREDENTIALS
    },
    Call {
        name: "credentials, role named",
        setting: Setting::WorkerNamed,
        tells_who_asks: false,
        ..CREDENTIALS
    },
    REGION,
    Call {
        name: "region, normal mode",
        setting: Setting::WorkerNormal,
        ..REGION
    },
    Call {
        name: "region, for STS",
        setting: Setting::OwnHosts,
        ..REGION
    },
];
