//! Which pods of the manifests mount which class, as whom: for the access policy, which is about pods.

use std::collections::BTreeMap;

use super::manifest::Document;
use crate::yaml::Node;

/// The attribute of a volume that names its class.
const CLASS: &str = "secretProviderClass";

/// Whether a pod that mounts a class can be in there.
pub(super) fn may_be_in(document: &Document<'_>) -> bool {
    document.text.contains(CLASS)
}

/// A pod, or a workload's pods, and a class that they mount.
pub(super) struct User {
    /// `Deployment web`
    pub(super) name: String,
    /// Empty when the manifest leaves it open.
    pub(super) namespace: String,
    pub(super) class: String,
    /// The Secret that the volume's `nodePublishSecretRef` names.
    pub(super) secret: Option<String>,
    pub(super) mount: Mount,
}

/// How a class is mounted: pods that do it alike get the same.
#[derive(Clone, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Mount {
    pub(super) service_account: String,
    /// Whether the volume has a `nodePublishSecretRef`.
    pub(super) has_secret: bool,
    /// What else stands in the volume's `volumeAttributes`: the driver lets it take the place of the class's parameters.
    pub(super) overrides: BTreeMap<String, String>,
}

/// Where a resource has its pods' spec: a pod itself, whatever has a template of pods, and what makes such by the clock.
const SPECS: [&[&str]; 3] = [
    &["spec"],
    &["spec", "template", "spec"],
    &["spec", "jobTemplate", "spec", "template", "spec"],
];

/// The classes that a resource's pods mount.
pub(super) fn users(root: &Node, found: &mut Vec<User>) {
    for path in SPECS {
        let spec = path.iter().try_fold(root, |node, key| node.get(key));
        let Some((spec, volumes)) = spec.and_then(|spec| Some((spec, spec.get("volumes")?))) else {
            continue;
        };
        for volume in volumes.items() {
            let Some(csi) = volume.get("csi") else { continue };
            let attributes = csi.get("volumeAttributes").map(texts).unwrap_or_default();
            let (Some("secrets-store.csi.k8s.io"), Some(class)) =
                (csi.text_of("driver"), attributes.get(CLASS))
            else {
                continue;
            };
            let metadata = |key| root.get("metadata").and_then(|metadata| metadata.text_of(key));
            let account = ["serviceAccountName", "serviceAccount"]
                .iter()
                .find_map(|key| spec.text_of(key));
            let kind = root.text_of("kind").unwrap_or("Pod");
            found.push(User {
                name: format!("{kind} {}", metadata("name").unwrap_or_default()),
                namespace: metadata("namespace").unwrap_or_default().to_owned(),
                class: (*class).to_owned(),
                secret: csi
                    .get("nodePublishSecretRef")
                    .and_then(|secret| secret.text_of("name"))
                    .map(str::to_owned),
                mount: Mount {
                    service_account: account
                        .filter(|name| !name.is_empty())
                        .unwrap_or("default")
                        .to_owned(),
                    has_secret: csi.get("nodePublishSecretRef").is_some(),
                    overrides: attributes
                        .into_iter()
                        .filter(|(key, _)| *key != CLASS && !key.starts_with(KUBELETS))
                        .map(|(key, value)| (key.to_owned(), value.to_owned()))
                        .collect(),
                },
            });
        }
    }
}

/// What such keys begin with is kubelet's to say.
const KUBELETS: &str = "csi.storage.k8s.io/";

/// The entries of a mapping that are texts; Kubernetes takes no others.
fn texts(node: &Node) -> BTreeMap<&str, &str> {
    let entries = node.entries().iter();
    entries
        .filter_map(|(key, value)| Some((key.as_text()?, value.as_text()?)))
        .collect()
}
