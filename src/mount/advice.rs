//! What the reader of a pod's events can do about a failed call, where the cloud's own words do not say.

use crate::auth::{ResolvedIdentity, Source};
use crate::cloud::endpoint::is_kms_instance;
use crate::cloud::error::{ApiError, Error, Kind};
use crate::http::{self, Certificate, ErrorKind};
use crate::params::{Object, Service};

/// What was asked for, and as whom.
#[derive(Clone, Copy, Debug)]
pub struct Asked {
    /// Where it lives.
    pub service: Service,
    /// Whether a version or a stage of it was asked for.
    pub is_pinned: bool,
    /// As whom.
    pub source: Source,
}

impl Asked {
    pub(super) fn new(object: &Object, identity: &ResolvedIdentity) -> Self {
        Self {
            service: object.service,
            is_pinned: object.version.is_some() || object.stage.is_some(),
            source: identity.source,
        }
    }
}

/// What to do about `error`.
pub(super) fn advice(error: &Error, asked: Asked) -> Option<&'static str> {
    match error {
        Error::Api(error) if error.is_about_time() => Some("set the node's clock (NTP); kubelet tries again"),
        Error::Api(error) => advice_by_code(error).or_else(|| advice_by_kind(error, asked)),
        Error::Answer { .. } => Some(IN_BETWEEN),
        Error::Http(error) => advice_on_network(error),
    }
}

const IN_BETWEEN: &str = "something else than the service answers there: check the endpoint and HTTPS_PROXY, or a gateway on the way";

/// Codes that say what is wrong, to those who know KMS by heart.
fn advice_by_code(error: &ApiError) -> Option<&'static str> {
    Some(match error.code.as_str() {
        "Forbidden.KeyNotFound" => {
            "the KMS key that encrypts it is gone; store the secret anew with another key"
        }
        "Forbidden.KmsServiceNotEnabled" => "activate KMS for the account in the KMS console",
        "Forbidden.ProhibitedByRiskControl" => "Alibaba Cloud has locked the account; ask its support",
        code if code.starts_with("Forbidden.InDebt") => "settle the account's bill",
        code if code.starts_with("Forbidden.DKMSInstance") => "check the KMS instance in the KMS console",
        "Rejected.Disabled" => "enable the KMS key that encrypts it",
        "Rejected.PendingDeletion" => "cancel the deletion of the KMS key that encrypts it",
        "Rejected.PendingImport" => "import the material of the KMS key that encrypts it",
        "Rejected.ResourceInDeleteWindow" => {
            "its deletion is planned; restore it in the KMS console, or take it out of the class"
        }
        _ => return None,
    })
}

fn advice_by_kind(error: &ApiError, asked: Asked) -> Option<&'static str> {
    Some(match (error.kind(), asked.service) {
        (Kind::Credentials, _) => match asked.source {
            Source::NodePublishSecret => {
                "check access_key and access_secret in the Secret of the pod's nodePublishSecretRef"
            }
            Source::AccessKey => {
                "check the provider's AccessKey pair: is it active in RAM, and do id and secret belong together?"
            }
            _ => "the role's temporary credentials are refused; kubelet tries again with new ones",
        },
        // Of the key rather than of the secret.
        (Kind::Denied, _) if error.message.contains(":key/") => {
            "grant the identity kms:Decrypt on that key (a new policy takes up to 5 minutes)"
        }
        (Kind::Denied, Service::Kms) => {
            "grant the identity kms:GetSecretValue, and kms:Decrypt for a key of your own (a new policy takes up to 5 minutes)"
        }
        (Kind::Denied, Service::Oos) => {
            "grant the identity oos:GetSecretParameter and kms:GetSecretValue (a new policy takes up to 5 minutes)"
        }
        (Kind::NotFound, _) if asked.is_pinned => "check objectName, objectType, version and region",
        (Kind::NotFound, _) => "check objectName, objectType and region",
        (Kind::Throttled, _) => "the quota of the account and region is used up; kubelet tries again",
        (Kind::Unavailable, _) => "the service is out of order; kubelet tries again",
        (Kind::Broken, _) => IN_BETWEEN,
        (Kind::Refused, _) => return None,
    })
}

fn advice_on_network(error: &http::Error) -> Option<&'static str> {
    let is_instance = is_kms_instance(&error.host);
    Some(match error.kind {
        ErrorKind::Certificate(Certificate::Authority) if is_instance => {
            "a KMS instance has a certificate of its own CA: download it in the KMS console (Instances, the instance's details) and name the file by --kms-ca-file (see docs/migrate.md)"
        }
        ErrorKind::Certificate(Certificate::Authority) => {
            "trust a private CA by SSL_CERT_FILE if the endpoint, or a proxy on the way, has one"
        }
        ErrorKind::Certificate(Certificate::Time) => {
            "set the node's clock (NTP) if it is wrong; else the certificate must be renewed"
        }
        ErrorKind::Certificate(Certificate::Name | Certificate::Other)
        | ErrorKind::Tls
        | ErrorKind::TooLarge => IN_BETWEEN,
        ErrorKind::Request => return None,
        _ if error.proxy.is_some() => {
            "check HTTPS_PROXY, NO_PROXY and whether the proxy lets this host through; kubelet tries again"
        }
        ErrorKind::Resolve if is_instance => {
            "check the endpoint's name, and that the KMS instance is bound to the node's VPC; kubelet tries again"
        }
        ErrorKind::Resolve => {
            "check the region, and the node's DNS: names of a VPC resolve in that VPC only; kubelet tries again"
        }
        ErrorKind::Connect | ErrorKind::Interrupted | ErrorKind::Protocol | ErrorKind::Timeout => {
            "check the node's way to this endpoint (VPC, DNS, security group); kubelet tries again"
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const KMS: Asked = Asked {
        service: Service::Kms,
        is_pinned: false,
        source: Source::AccessKey,
    };

    fn api(status: u16, code: &str, message: &str) -> Error {
        Error::Api(ApiError {
            status,
            code: code.to_owned(),
            message: message.to_owned(),
            request_id: String::new(),
            host: "kms.example".to_owned(),
            retry_after: None,
        })
    }

    fn network(kind: ErrorKind, host: &str, proxy: Option<&str>) -> Error {
        Error::Http(http::Error {
            kind,
            host: host.to_owned(),
            proxy: proxy.map(str::to_owned),
            detail: String::new(),
        })
    }

    /// Each remedy fits what is wrong: a word of it is enough to tell.
    #[test]
    fn remedies_fit() {
        let pinned = Asked {
            is_pinned: true,
            ..KMS
        };
        let oos = Asked {
            service: Service::Oos,
            ..KMS
        };
        let by = |source| Asked { source, ..KMS };
        let instance = "kst-x.cryptoservice.kms.aliyuncs.com";
        let unknown_key = api(404, "InvalidAccessKeyId.NotFound", "");
        for (error, asked, words) in [
            (api(409, "Rejected.Disabled", ""), KMS, "enable the KMS key"),
            (
                api(409, "Rejected.PendingDeletion", ""),
                KMS,
                "cancel the deletion",
            ),
            (api(409, "Rejected.PendingImport", ""), KMS, "import"),
            (api(409, "Rejected.ResourceInDeleteWindow", ""), KMS, "restore it"),
            (
                api(403, "Forbidden.KmsServiceNotEnabled", ""),
                KMS,
                "activate KMS",
            ),
            (api(403, "Forbidden.InDebtOverdue", ""), KMS, "bill"),
            (api(403, "Forbidden.ProhibitedByRiskControl", ""), KMS, "support"),
            (
                api(403, "Forbidden.DKMSInstanceNotFound", ""),
                KMS,
                "KMS instance",
            ),
            (api(404, "Forbidden.KeyNotFound", ""), KMS, "another key"),
            (
                api(403, "Forbidden.NoPermission", "for acs:kms:r:1:secret/s is"),
                KMS,
                "kms:GetSecretValue, and",
            ),
            (
                api(403, "Forbidden.NoPermission", "for acs:kms:r:1:key/k is"),
                oos,
                "kms:Decrypt on that",
            ),
            (api(403, "Forbidden.RAM", ""), oos, "oos:GetSecretParameter"),
            (api(404, "Forbidden.ResourceNotFound", ""), KMS, "objectType and"),
            (api(404, "Forbidden.ResourceNotFound", ""), pinned, "version"),
            (unknown_key.clone(), KMS, "AccessKey pair"),
            (
                unknown_key.clone(),
                by(Source::NodePublishSecret),
                "nodePublishSecretRef",
            ),
            (unknown_key, by(Source::WorkerRole), "temporary credentials"),
            (api(400, "InvalidTimeStamp.Expired", ""), KMS, "clock"),
            (api(429, "", ""), KMS, "quota"),
            (api(503, "", ""), KMS, "out of order"),
            (api(302, "", ""), KMS, "something else"),
            (network(ErrorKind::Connect, "h", None), KMS, "security group"),
            (network(ErrorKind::Connect, "h", Some("p")), KMS, "HTTPS_PROXY"),
            (network(ErrorKind::Resolve, "h", None), KMS, "region"),
            (network(ErrorKind::Resolve, instance, None), KMS, "bound to"),
            (
                network(ErrorKind::Certificate(Certificate::Authority), "h", None),
                KMS,
                "SSL_CERT_FILE",
            ),
            (
                network(ErrorKind::Certificate(Certificate::Authority), instance, None),
                KMS,
                "--kms-ca-file",
            ),
            (
                network(ErrorKind::Certificate(Certificate::Time), instance, None),
                KMS,
                "clock",
            ),
            (network(ErrorKind::Tls, "h", None), KMS, "something else"),
        ] {
            let told = advice(&error, asked).unwrap_or_default();
            assert!(
                told.contains(words),
                "{error} {asked:?}: {told:?} lacks {words:?}"
            );
            // A pod's event holds 1,024 bytes of everything.
            assert!(told.len() <= 180, "{told}");
        }
        assert_eq!(advice(&api(400, "InvalidParameter", ""), KMS), None);
    }
}
