//! Finds the pods in the manifests that mount a class, and their identity, for the access policy.

use std::collections::BTreeMap;

use crate::commands::manifest::{each_resource, metadata};
use crate::yaml::Node;

/// The volume attribute that names the class. Without this word, a document has no pod that mounts one.
pub(super) const CLASS: &str = "secretProviderClass";

/// A pod, or a workload's pods, and a class that they mount.
pub(super) struct User {
    /// `Deployment web`
    pub(super) name: String,
    /// Empty if the manifest names none.
    pub(super) namespace: String,
    pub(super) class: String,
    /// The Secret that the volume's `nodePublishSecretRef` names.
    pub(super) secret: Option<String>,
    pub(super) mount: Mount,
}

/// How a class is mounted. Pods that mount it in the same way are checked once.
#[derive(Clone, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Mount {
    pub(super) service_account: String,
    /// Whether the volume has a `nodePublishSecretRef`.
    pub(super) has_secret: bool,
    /// The volume's other `volumeAttributes`; the driver lets them override the class's parameters.
    pub(super) overrides: BTreeMap<String, String>,
}

/// Paths to the pod spec: in a Pod, in workloads with a pod template, in a CronJob.
const SPECS: [&[&str]; 3] = [
    &["spec"],
    &["spec", "template", "spec"],
    &["spec", "jobTemplate", "spec", "template", "spec"],
];

/// The pods that mount classes, from the documents of a file that can be parsed.
pub(super) fn users(text: &str) -> Vec<User> {
    let mut found = Vec::new();
    each_resource(text, CLASS, |resource| users_in(resource, &mut found));
    found
}

fn users_in(root: &Node, found: &mut Vec<User>) {
    for path in SPECS {
        let spec = path.iter().try_fold(root, |node, key| node.get(key));
        let Some((spec, volumes)) = spec.and_then(|spec| Some((spec, spec.get("volumes")?))) else {
            continue;
        };
        let metadata = |key| metadata(root, key).unwrap_or_default();
        let accounts = ["serviceAccountName", "serviceAccount"].iter();
        let account = accounts
            .filter_map(|key| spec.text_of(key))
            .find(|name| !name.is_empty());
        for volume in volumes.items() {
            let Some(csi) = volume.get("csi") else { continue };
            let mut attributes = csi.get("volumeAttributes").map(texts).unwrap_or_default();
            let (Some("secrets-store.csi.k8s.io"), Some(class)) =
                (csi.text_of("driver"), attributes.remove(CLASS))
            else {
                continue;
            };
            attributes.retain(|key, _| !key.starts_with(KUBELETS));
            let secret = csi.get("nodePublishSecretRef");
            let kind = root.text_of("kind").unwrap_or("Pod");
            found.push(User {
                name: format!("{kind} {}", metadata("name")),
                namespace: metadata("namespace").to_owned(),
                class,
                secret: secret
                    .and_then(|secret| secret.text_of("name"))
                    .map(str::to_owned),
                mount: Mount {
                    service_account: account.unwrap_or("default").to_owned(),
                    has_secret: secret.is_some(),
                    overrides: attributes,
                },
            });
        }
    }
}

/// Prefix of the keys that kubelet sets.
const KUBELETS: &str = "csi.storage.k8s.io/";

/// The text entries of a mapping; Kubernetes accepts no others.
fn texts(node: &Node) -> BTreeMap<String, String> {
    let text = |node: &Node| node.as_text().map(str::to_owned);
    let entries = node.entries().iter();
    entries
        .filter_map(|(key, value)| Some((text(key)?, text(value)?)))
        .collect()
}
