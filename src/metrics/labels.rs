//! Labels: enumerations with all of their values.

macro_rules! label {
    ($(#[$doc:meta])* $name:ident { $($(#[$value_doc:meta])* $value:ident = $text:literal,)* }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum $name {
            $($(#[$value_doc])* $value,)*
        }

        impl $name {
            /// Every value, as the label says it.
            pub(super) const NAMES: &'static [&'static str] = &[$($text,)*];

            /// As the label says it.
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$value => $text,)*
                }
            }
        }
    };
}

label! {
    /// Who is called.
    Service {
        /// Key Management Service.
        Kms = "kms",
        /// CloudOps Orchestration Service.
        Oos = "oos",
        /// Security Token Service.
        Sts = "sts",
        /// The node's instance metadata.
        Metadata = "metadata",
        /// The Kubernetes API.
        Kubernetes = "kubernetes",
    }
}

/// The services that hold what pods mount.
pub(super) const OF_VALUES: &[&str] = &[Service::Kms.name(), Service::Oos.name()];

label! {
    /// How a call ended.
    Outcome {
        /// Well.
        Ok = "ok",
        /// The credentials were refused.
        Credentials = "credentials",
        /// The identity may not do this.
        Denied = "denied",
        /// There is no such thing.
        NotFound = "not_found",
        /// The request was refused for what it says.
        Refused = "refused",
        /// Too many calls.
        Throttled = "throttled",
        /// Out of reach, out of order or out of time.
        Unavailable = "unavailable",
        /// An answer that makes no sense.
        Broken = "broken",
    }
}

label! {
    /// How a value came without asking for it once more.
    SharedCopy {
        /// It was kept, and fresh enough.
        Cached = "cached",
        /// Another Mount's call for the same was under way.
        Coalesced = "coalesced",
    }
}

label! {
    /// Why a Mount was denied without asking the cloud.
    Denial {
        /// No rule of the access policy permits it.
        Rules = "rules",
        /// There is to be an access policy, and none could be read so far.
        NoPolicy = "no_policy",
    }
}

label! {
    /// Whose temporary credentials.
    Identity {
        /// Another account's role, assumed with one of the others.
        CrossAccount = "cross_account",
        /// The provider's role, assumed with its AccessKey pair.
        AssumedRole = "assumed_role",
        /// The provider's role, assumed with its ServiceAccount token.
        OidcRole = "oidc_role",
        /// The pod's role, assumed with the pod's ServiceAccount token.
        PodRole = "pod_role",
        /// The node's role.
        WorkerRole = "worker_role",
    }
}

/// Every action that is called, with its service. What is missing here is counted as `other`.
pub(super) const CALLS: &[(Service, &str)] = &[
    (Service::Kms, "GetSecretValue"),
    (Service::Oos, "GetSecretParameter"),
    (Service::Sts, "AssumeRole"),
    (Service::Sts, "AssumeRoleWithOIDC"),
    (Service::Sts, "GetCallerIdentity"),
    (Service::Metadata, "Token"),
    (Service::Metadata, "Region"),
    (Service::Metadata, "Role"),
    (Service::Metadata, "RoleCredentials"),
    (Service::Kubernetes, "GetServiceAccount"),
];

#[cfg(test)]
mod tests {
    use super::*;

    fn sources(directory: &str, text: &mut String) {
        for entry in std::fs::read_dir(directory).expect("sources") {
            let path = entry.expect("entry").path();
            if path.is_dir() {
                sources(&path.display().to_string(), text);
            } else if !path.ends_with("metrics/labels.rs") && path.extension().is_some_and(|it| it == "rs") {
                text.push_str(&std::fs::read_to_string(&path).expect("source"));
            }
        }
    }

    /// A label that nothing counts would promise a number that stays zero.
    #[test]
    fn every_action_of_the_table_is_called_somewhere() {
        let mut text = String::new();
        sources(concat!(env!("CARGO_MANIFEST_DIR"), "/src"), &mut text);
        for (_, action) in CALLS {
            assert!(text.contains(&format!("\"{action}\"")), "{action}");
        }
    }
}
