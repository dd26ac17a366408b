//! Which pods of the manifests mount which class, as whom: for the access policy, which is about pods.

use super::manifest::text_of;
use crate::params::yaml::{Kind, Node};

/// The attribute of a volume that names its class.
pub(super) const CLASS: &str = "secretProviderClass";

/// A pod, or a workload's pods, and a class that they mount.
pub(super) struct User {
    /// `Deployment web`
    pub(super) name: String,
    /// Empty when the manifest leaves it open.
    pub(super) namespace: String,
    pub(super) service_account: String,
    pub(super) class: String,
    /// Whether the volume has a `nodePublishSecretRef`.
    pub(super) has_secret: bool,
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
        let volumes = spec.and_then(|spec| Some((spec, spec.get("volumes")?)));
        let Some((spec, Kind::List(volumes))) = volumes.map(|(spec, volumes)| (spec, &volumes.kind)) else {
            continue;
        };
        for volume in volumes {
            let Some(csi) = volume.get("csi") else { continue };
            let class = csi
                .get("volumeAttributes")
                .and_then(|attributes| text_of(attributes, CLASS));
            let (Some("secrets-store.csi.k8s.io"), Some(class)) = (text_of(csi, "driver"), class) else {
                continue;
            };
            let metadata = |key| root.get("metadata").and_then(|metadata| text_of(metadata, key));
            let account = ["serviceAccountName", "serviceAccount"]
                .iter()
                .find_map(|key| text_of(spec, key));
            let kind = text_of(root, "kind").unwrap_or("Pod");
            found.push(User {
                name: format!("{kind} {}", metadata("name").unwrap_or_default()),
                namespace: metadata("namespace").unwrap_or_default().to_owned(),
                service_account: account
                    .filter(|name| !name.is_empty())
                    .unwrap_or("default")
                    .to_owned(),
                class: class.to_owned(),
                has_secret: csi.get("nodePublishSecretRef").is_some(),
            });
        }
    }
}
