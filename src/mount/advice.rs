//! Remedies for failed calls, for readers of pod events, where the cloud's own message gives none.

use crate::auth::{ResolvedIdentity, Source};
use crate::cloud::endpoint::is_kms_instance;
use crate::cloud::error::{ApiError, Error, Kind};
use crate::http::{self, Certificate, ErrorKind};
use crate::params::{Object, Service};

/// The failed request, as far as advice depends on it.
#[derive(Clone, Copy, Debug)]
pub struct Asked {
    /// KMS or OOS.
    pub service: Service,
    /// Whether it names a version or a stage.
    pub is_pinned: bool,
    /// Source of the identity.
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

/// The remedy for `error`, if there is one to add.
pub(super) fn advice(error: &Error, asked: Asked) -> Option<&'static str> {
    match error {
        Error::Api(error) if error.is_about_time() => Some("set the node's clock (NTP); kubelet retries"),
        Error::Api(error) => advice_by_code(error).or_else(|| advice_by_kind(error, asked)),
        Error::Answer { .. } => Some(IN_BETWEEN),
        Error::Http(error) => advice_on_network(error),
    }
}

const IN_BETWEEN: &str = "the response is not from the service: check the endpoint, HTTPS_PROXY and gateways";

/// Codes whose meaning is clear only to readers who know KMS well.
fn advice_by_code(error: &ApiError) -> Option<&'static str> {
    Some(match error.code.as_str() {
        "Forbidden.KeyNotFound" => {
            "the KMS key that encrypts it no longer exists; create the secret again with another key"
        }
        "Forbidden.KmsServiceNotEnabled" => "activate KMS for the account in the KMS console",
        "Forbidden.ProhibitedByRiskControl" => "Alibaba Cloud has locked the account; contact its support",
        code if code.starts_with("Forbidden.InDebt") => "pay the account's overdue bill",
        code if code.starts_with("Forbidden.DKMSInstance") => "check the KMS instance in the KMS console",
        "Rejected.Disabled" => "enable the KMS key that encrypts it",
        "Rejected.PendingDeletion" => "cancel the deletion of the KMS key that encrypts it",
        "Rejected.PendingImport" => "import the key material of the KMS key that encrypts it",
        "Rejected.ResourceInDeleteWindow" => {
            "it is scheduled for deletion; restore it in the KMS console, or remove it from the class"
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
                "check the provider's AccessKey pair: it must be active in RAM, and id and secret must match"
            }
            _ => "the role's temporary credentials were rejected; kubelet retries with new ones",
        },
        // Access to the key is denied, not to the secret.
        (Kind::Denied, _) if error.message.contains(":key/") => {
            "grant the identity kms:Decrypt on that key (a new policy takes up to 5 minutes)"
        }
        (Kind::Denied, Service::Kms) => {
            "grant the identity kms:GetSecretValue, and kms:Decrypt for your own key (a new policy takes up to 5 minutes)"
        }
        (Kind::Denied, Service::Oos) => {
            "grant the identity oos:GetSecretParameter and kms:GetSecretValue (a new policy takes up to 5 minutes)"
        }
        (Kind::NotFound, _) if asked.is_pinned => "check objectName, objectType, version and region",
        (Kind::NotFound, _) => "check objectName, objectType and region",
        (Kind::Throttled, _) => "the quota of the account and region is used up; kubelet retries",
        (Kind::Unavailable, _) => "the service is unavailable; kubelet retries",
        (Kind::Broken, _) => IN_BETWEEN,
        (Kind::Refused, _) => return None,
    })
}

fn advice_on_network(error: &http::Error) -> Option<&'static str> {
    let is_instance = is_kms_instance(&error.host);
    Some(match error.kind {
        ErrorKind::Certificate(Certificate::Authority) if is_instance => {
            "a KMS instance has its own CA: download the CA certificate in the KMS console (Instances, the instance's details) and set --kms-ca-file (see docs/migrate.md)"
        }
        ErrorKind::Certificate(Certificate::Authority) => {
            "set SSL_CERT_FILE if the endpoint, or a proxy in between, uses a private CA"
        }
        ErrorKind::Certificate(Certificate::Time) => {
            "set the node's clock (NTP) if it is wrong; otherwise renew the certificate"
        }
        ErrorKind::Certificate(Certificate::Name | Certificate::Other)
        | ErrorKind::Tls
        | ErrorKind::TooLarge => IN_BETWEEN,
        ErrorKind::Cancelled | ErrorKind::Request => return None,
        _ if error.proxy.is_some() => {
            "check HTTPS_PROXY and NO_PROXY, and that the proxy allows this host; kubelet retries"
        }
        ErrorKind::Resolve if is_instance => {
            "check the endpoint's host name, and that the KMS instance is bound to the node's VPC; kubelet retries"
        }
        ErrorKind::Resolve => {
            "check the region and the node's DNS (VPC names resolve only inside the VPC); kubelet retries"
        }
        ErrorKind::Connect | ErrorKind::Interrupted | ErrorKind::Protocol | ErrorKind::Timeout => {
            "check the node's network path to this endpoint (VPC, DNS, security group); kubelet retries"
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

    /// Each remedy fits its error; a few words identify it.
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
            (api(503, "", ""), KMS, "unavailable"),
            (api(302, "", ""), KMS, "is not from the service"),
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
            (network(ErrorKind::Tls, "h", None), KMS, "is not from the service"),
        ] {
            let told = advice(&error, asked).unwrap_or_default();
            assert!(
                told.contains(words),
                "{error} {asked:?}: {told:?} lacks {words:?}"
            );
            // The whole pod event is limited to 1,024 bytes.
            assert!(told.len() <= 180, "{told}");
        }
        assert_eq!(advice(&api(400, "InvalidParameter", ""), KMS), None);
    }
}
