//! Hints for failures when token and Secret come from flags, not from kubelet. The error messages stay those of pod
//! events.

use std::path::Path;

use jiff::Timestamp;

use crate::auth::{self, AUDIENCE, Claims};
use crate::config::Cluster;
use crate::params::Plan;

/// What is wrong with `--token-file`, for a class that uses its pod's identity.
pub(super) fn token(plan: &Plan, file: Option<&Path>, now: Timestamp) -> Option<String> {
    if !plan.pod_identity {
        return None;
    }
    let (namespace, account) = (&plan.pod.namespace, &plan.pod.service_account);
    let command = format!("kubectl create token {account} -n {namespace} --audience {AUDIENCE}");
    let Some(file) = file.map(Path::display) else {
        return Some(format!(
            "the class uses its pod's identity: set --token-file to a file with the output of {command}"
        ));
    };
    let Some(Claims { subject, ends }) = plan.tokens.as_ref().and_then(Claims::among) else {
        return Some(format!(
            "--token-file={file}: expected a ServiceAccount token; get one with {command}"
        ));
    };
    if subject != format!("system:serviceaccount:{namespace}:{account}") {
        return Some(format!(
            "--token-file={file}: expected a token of ServiceAccount {account} in namespace {namespace} (from --service-account, --namespace and the class), found one of {subject:?}"
        ));
    }
    let end = Timestamp::from_second(ends?).ok()?;
    (end <= now).then(|| format!("the token in --token-file={file} expired at {end}; renew it: {command}"))
}

/// What is missing to call the Kubernetes API from outside a pod.
pub(super) fn cluster(plan: &Plan, cluster: &Cluster) -> Option<String> {
    if !plan.pod_identity {
        return None;
    }
    let wanted = "the role is read from the pod's ServiceAccount through the Kubernetes API";
    if cluster.server.is_none() {
        return Some(format!(
            "{wanted}; set KUBERNETES_SERVICE_HOST and KUBERNETES_SERVICE_PORT"
        ));
    }
    let directory = cluster.credentials.display();
    (!cluster.credentials.join("token").exists()).then(|| {
        format!("{wanted}; write token and ca.crt of a permitted ServiceAccount to --service-account-dir={directory}")
    })
}

/// The file of a Secret for `nodePublishSecretRef` that cannot be used.
pub(super) fn publish_secret(plan: &Plan, file: Option<&Path>, secrets: &str) -> Option<String> {
    let file = file?.display();
    (!plan.pod_identity && auth::brings_pair(secrets).is_err()).then(|| {
        format!("the Secret comes from --publish-secret={file}; correct it there and in the cluster")
    })
}

#[cfg(test)]
mod tests {
    use base64::Engine as _;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;
    use serde_json::json;

    use super::*;
    use crate::auth::TOKENS_KEY;
    use crate::params::{self, Input, Options};

    fn plan(pod_identity: &str, given: Option<&str>) -> Plan {
        let mut attributes = json!({
            "objects": "- objectName: a",
            "usePodServiceAccountToken": pod_identity,
            "csi.storage.k8s.io/pod.namespace": "shop",
            "csi.storage.k8s.io/serviceAccount.name": "web",
        });
        if let Some(token) = given {
            attributes[TOKENS_KEY] = json!(json!({ AUDIENCE: { "token": token } }).to_string());
        }
        let attributes = attributes.to_string();
        let input = Input {
            attributes: &attributes,
            permission: "420",
        };
        params::parse(&input, &Options::default()).expect("a plan")
    }

    fn jwt(subject: &str, end: i64) -> String {
        let claims = json!({ "sub": subject, "exp": end }).to_string();
        format!("h.{}.s", URL_SAFE_NO_PAD.encode(claims))
    }

    #[test]
    fn a_token_is_told_by_what_is_wrong_with_it() {
        let now = Timestamp::from_second(1000).expect("a time");
        let file = Some(Path::new("t"));
        let hint = |given: Option<&str>, file| token(&plan("true", given), file, now);
        for (given, file, words) in [
            (None, None, "set --token-file to a file"),
            (
                Some("nonsense".to_owned()),
                file,
                "expected a ServiceAccount token",
            ),
            (
                Some(jwt("system:serviceaccount:other:web", 2000)),
                file,
                "other:web",
            ),
            (
                Some(jwt("system:serviceaccount:shop:web", 999)),
                file,
                "expired at 1970",
            ),
        ] {
            let told = hint(given.as_deref(), file).expect("a hint");
            assert!(told.contains(words), "{told}");
        }
        assert_eq!(
            hint(Some(&jwt("system:serviceaccount:shop:web", 2000)), file),
            None
        );
        assert_eq!(token(&plan("false", None), None, now), None);
    }
}
