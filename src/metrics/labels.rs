//! Labels: enumerations with all of their values.

macro_rules! label {
    ($(#[$doc:meta])* $name:ident { $($(#[$value_doc:meta])* $value:ident = $text:literal,)* }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum $name {
            $($(#[$value_doc])* $value,)*
        }

        impl $name {
            /// Every value as label text.
            pub(super) const NAMES: &'static [&'static str] = &[$($text,)*];

            /// The value as label text.
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$value => $text,)*
                }
            }
        }
    };
}

label! {
    /// The called service.
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

/// The services that hold secrets and parameters.
pub(super) const OF_VALUES: &[&str] = &[Service::Kms.name(), Service::Oos.name()];

label! {
    /// The outcome of a call.
    Outcome {
        /// Success.
        Ok = "ok",
        /// The credentials were rejected.
        Credentials = "credentials",
        /// The identity lacks the permission.
        Denied = "denied",
        /// The object does not exist.
        NotFound = "not_found",
        /// The request is invalid.
        Refused = "refused",
        /// Throttled.
        Throttled = "throttled",
        /// Unreachable, failed or timed out.
        Unavailable = "unavailable",
        /// An answer that cannot be understood.
        Broken = "broken",
    }
}

label! {
    /// How a host name was resolved.
    Resolution {
        /// The name server answered with addresses.
        Ok = "ok",
        /// The name does not exist or has no address.
        NotFound = "not_found",
        /// The name server failed or did not answer.
        Failed = "failed",
        /// Earlier addresses were used because the name server failed.
        Stale = "stale",
    }
}

label! {
    /// How a value was served without a separate call.
    SharedCopy {
        /// From the cache.
        Cached = "cached",
        /// Shared with another mount's call.
        Coalesced = "coalesced",
    }
}

label! {
    /// Why the access policy denied a mount.
    Denial {
        /// No rule of the access policy permits it.
        Rules = "rules",
        /// The access policy could not be read yet.
        NoPolicy = "no_policy",
    }
}

label! {
    /// The identity of temporary credentials.
    Identity {
        /// Another account's role, assumed with one of the other identities.
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

/// Every action that is called, with its service. Others are counted as `other`.
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

    /// A label that nothing counts would stay zero.
    #[test]
    fn every_action_of_the_table_is_called_somewhere() {
        let mut text = String::new();
        sources(concat!(env!("CARGO_MANIFEST_DIR"), "/src"), &mut text);
        for (_, action) in CALLS {
            assert!(text.contains(&format!("\"{action}\"")), "{action}");
        }
    }
}
