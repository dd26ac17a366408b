//! A SecretProviderClass and a pod's volume become a Mount request.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::client::MountRequest;

/// A SecretProviderClass manifest, as far as the driver reads it.
#[derive(Clone, Debug, Deserialize)]
pub struct SecretProviderClass {
    /// Name and namespace.
    pub metadata: Metadata,
    /// Provider and parameters.
    pub spec: Spec,
}

/// Name and namespace of a manifest.
#[derive(Clone, Debug, Deserialize)]
pub struct Metadata {
    /// The class's name.
    pub name: String,
    /// The class's namespace.
    pub namespace: Option<String>,
}

/// What a SecretProviderClass says.
#[derive(Clone, Debug, Deserialize)]
pub struct Spec {
    /// Which provider; the socket's name.
    pub provider: String,
    /// Handed to the provider as they are.
    pub parameters: BTreeMap<String, String>,
}

impl SecretProviderClass {
    /// Reads a manifest.
    ///
    /// # Errors
    /// What is wrong with it, with line and column.
    pub fn parse(manifest: &str) -> Result<Self, String> {
        serde_saphyr::from_str(manifest).map_err(|error| error.to_string())
    }
}

/// One CSI volume of one pod.
#[derive(Clone, Debug)]
pub struct Volume {
    /// SecretProviderClass parameters, overlaid with the pod's own `volumeAttributes`.
    pub parameters: BTreeMap<String, String>,
    /// The class's name.
    pub class: String,
    /// The pod's namespace.
    pub namespace: String,
    /// The pod's name.
    pub pod: String,
    /// The pod's uid.
    pub uid: String,
    /// The pod's ServiceAccount.
    pub service_account: String,
    /// What `nodePublishSecretRef` names, if anything.
    pub secrets: Option<BTreeMap<String, String>>,
}

impl Volume {
    /// A volume of a pod `web-0` in namespace `default` with nothing but parameters.
    pub fn new<K: Into<String>, V: Into<String>>(parameters: impl IntoIterator<Item = (K, V)>) -> Self {
        Self {
            parameters: parameters
                .into_iter()
                .map(|(key, value)| (key.into(), value.into()))
                .collect(),
            class: "web".to_owned(),
            namespace: "default".to_owned(),
            pod: "web-0".to_owned(),
            uid: "5d3b1a52-6e0d-4b5e-9d0e-0e7f5c1f3a10".to_owned(),
            service_account: "web".to_owned(),
            secrets: None,
        }
    }

    /// A volume that mounts a class.
    pub fn of_class(class: &SecretProviderClass) -> Self {
        let volume = Self::new(class.spec.parameters.clone());
        let namespace = class.metadata.namespace.clone().unwrap_or(volume.namespace);
        Self {
            class: class.metadata.name.clone(),
            namespace,
            ..volume
        }
    }

    /// The request that driver 1.6 makes for it.
    pub fn request(&self) -> MountRequest {
        let mut attributes = self.parameters.clone();
        for (key, value) in [
            ("secretProviderClass", self.class.as_str()),
            ("csi.storage.k8s.io/pod.name", &self.pod),
            ("csi.storage.k8s.io/pod.namespace", &self.namespace),
            ("csi.storage.k8s.io/pod.uid", &self.uid),
            ("csi.storage.k8s.io/serviceAccount.name", &self.service_account),
            ("csi.storage.k8s.io/ephemeral", "true"),
        ] {
            attributes.insert(key.to_owned(), value.to_owned());
        }
        MountRequest {
            attributes: go_json(&attributes),
            secrets: self.secrets.as_ref().map_or_else(|| "null".to_owned(), go_json),
            target_path: format!(
                "/var/lib/kubelet/pods/{}/volumes/kubernetes.io~csi/secrets-store-inline/mount",
                self.uid
            ),
            permission: "420".to_owned(),
            current_object_version: Vec::new(),
        }
    }
}

/// JSON as Go's encoder writes it: keys sorted, and five characters escaped that need not be.
fn go_json(map: &BTreeMap<String, String>) -> String {
    let json = serde_json::to_string(map).expect("a map of texts is JSON");
    json.replace('<', "\\u003c")
        .replace('>', "\\u003e")
        .replace('&', "\\u0026")
        .replace('\u{2028}', "\\u2028")
        .replace('\u{2029}', "\\u2029")
}
