//! Makes the request of a driver from manifests and flags, for commands that run without a driver.

use std::collections::BTreeMap;
use std::io::Read;
use std::path::Path;

use serde_json::json;

use super::manifest::{self, Document, is_class, metadata, printable, resources, secret_data, texts};
use crate::auth::{AUDIENCE, TOKENS_KEY};
use crate::config::PodOptions;
use crate::diagnostic::quoted;
use crate::yaml::Node;

/// What the driver reads of a SecretProviderClass.
#[derive(Default, PartialEq, Eq)]
#[cfg_attr(test, derive(Debug))]
pub(super) struct Class {
    pub(super) name: String,
    pub(super) namespace: Option<String>,
    pub(super) parameters: BTreeMap<String, String>,
}

const PROVIDER: &str = "alibabacloud";

impl Class {
    /// The class of that name in a file; without a name the only one.
    pub(super) fn read(path: &Path, name: Option<&str>, input: &mut dyn Read) -> Result<Self, String> {
        in_file(path, input, |text| Self::find(text, name))
    }

    /// The class of that name among a manifest's documents; without a name the only one. Classes of other providers
    /// only count for the error if there is no other class.
    fn find(text: &str, name: Option<&str>) -> Result<Self, String> {
        let (mut found, mut others) = (Vec::new(), Vec::new());
        let documents = Document::split(text).into_iter();
        for document in documents.filter(Document::may_hold_a_class) {
            let root = document.parse().map_err(|error| error.to_string())?;
            for resource in resources(&root).into_iter().filter(|resource| is_class(resource)) {
                if name.is_some() && name != metadata(resource, "name") {
                    continue;
                }
                match other_provider(resource) {
                    Some(other) => others.push(other),
                    None => found.push(Self::from_resource(resource)?),
                }
            }
        }
        let names: Vec<String> = found.iter().map(|class| printable(&class.name)).collect();
        match (found.pop(), others.pop(), name) {
            (Some(class), _, _) if names.len() == 1 => Ok(class),
            (Some(_), _, Some(name)) => Err(format!("found several classes {}", quoted(name))),
            (Some(_), _, None) => Err(format!(
                "found several classes: {}; set --class-name",
                names.join(", ")
            )),
            (None, Some(other), _) => Err(other),
            (None, None, Some(name)) => Err(format!("found no SecretProviderClass {}", quoted(name))),
            (None, None, None) => Err("found no SecretProviderClass".to_owned()),
        }
    }

    fn from_resource(root: &Node) -> Result<Self, String> {
        let name = metadata(root, "name").ok_or("metadata.name of a SecretProviderClass is missing")?;
        let wrong = |problem: &str| format!("{}: {problem}", printable(name));
        let spec = root.get("spec").ok_or_else(|| wrong("spec is missing"))?;
        if spec.text_of("provider").is_none() {
            return Err(wrong(&format!("spec.provider is missing; write {PROVIDER:?}")));
        }
        let parameters = spec.get("parameters").map(|node| texts(node, "spec.parameters"));
        Ok(Self {
            name: name.to_owned(),
            namespace: metadata(root, "namespace").map(str::to_owned),
            parameters: parameters
                .transpose()
                .map_err(|problem| wrong(&problem))?
                .unwrap_or_default(),
        })
    }

    /// The namespace of a pod that mounts it, if pod or class name one.
    pub(super) fn namespace_of(&self, pod: &PodOptions) -> Option<String> {
        pod.namespace.clone().or_else(|| self.namespace.clone())
    }

    /// The attributes that driver 1.6 sends for the class and a pod that mounts it.
    pub(super) fn attributes(
        mut self,
        pod: &PodOptions,
        namespace: &str,
        token_file: Option<&Path>,
        input: &mut dyn Read,
    ) -> Result<String, String> {
        let mut put = |key: &str, value: &str| drop(self.parameters.insert(key.to_owned(), value.to_owned()));
        put("secretProviderClass", &self.name);
        put("csi.storage.k8s.io/pod.name", &pod.name);
        put("csi.storage.k8s.io/pod.namespace", namespace);
        put("csi.storage.k8s.io/pod.uid", &pod.uid);
        put("csi.storage.k8s.io/serviceAccount.name", &pod.service_account);
        put("csi.storage.k8s.io/ephemeral", "true");
        if let Some(path) = token_file {
            // kubelet sends an expiry, but the one in the token counts if the token can be read.
            let end = "2099-01-01T00:00:00Z";
            let read = |text: &str| Ok(json!({ "token": text.trim(), "expirationTimestamp": end }));
            let token = in_file(path, input, read)?;
            put(TOKENS_KEY, &json!({ AUDIENCE: token }).to_string());
        }
        Ok(json!(self.parameters).to_string())
    }
}

/// The error for a class of another provider.
fn other_provider(root: &Node) -> Option<String> {
    let provider = root.get("spec")?.text_of("provider")?;
    let name = printable(metadata(root, "name")?);
    (provider != PROVIDER).then(|| {
        format!(
            "{name}: expected spec.provider {PROVIDER:?}, found {}",
            quoted(provider)
        )
    })
}

/// The data of the Secret in a file, as the driver sends it; `null` without a file.
pub(super) fn secrets(path: Option<&Path>, input: &mut dyn Read) -> Result<String, String> {
    let Some(path) = path else {
        return Ok("null".to_owned());
    };
    in_file(path, input, |text| Ok(json!(secret(text)?).to_string()))
}

fn secret(text: &str) -> Result<BTreeMap<String, String>, String> {
    for document in Document::split(text) {
        let root = document.parse().map_err(|error| error.to_string())?;
        let mut resources = resources(&root).into_iter();
        if let Some(secret) = resources.find(|resource| resource.text_of("kind") == Some("Secret")) {
            return secret_data(secret);
        }
    }
    Err("found no Secret".to_owned())
}

/// Reads a file's text; errors begin with the file's name.
fn in_file<T>(
    path: &Path,
    input: &mut dyn Read,
    read: impl FnOnce(&str) -> Result<T, String>,
) -> Result<T, String> {
    let name = path.display();
    let text = manifest::read(path, input).map_err(|error| format!("cannot read {name}: {error}"))?;
    read(&text).map_err(|problem| format!("{name}: {problem}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const TWO: &str = "# first\nkind: SecretProviderClass\nmetadata: {name: a, namespace: n}\nspec:\n  provider: \
                       alibabacloud\n  parameters: {objects: x}\n---\nkind: Pod\n---\nkind: SecretProviderClass\nmetadata: \
                       {name: b}\nspec: {provider: alibabacloud}\n";

    #[test]
    fn a_class_is_found_by_name() {
        let a = Class::find(TWO, Some("a")).expect("a");
        assert_eq!(
            (a.namespace.as_deref(), a.parameters["objects"].as_str()),
            (Some("n"), "x")
        );
        assert_eq!(Class::find(TWO, Some("b")).expect("b").parameters.len(), 0);
        let error = |text: &str, name| Class::find(text, name).expect_err("an error");
        assert_eq!(error(TWO, None), "found several classes: a, b; set --class-name");
        assert_eq!(error(TWO, Some("c")), "found no SecretProviderClass \"c\"");
        let listed = format!(
            "kind: List\nitems:\n- {{kind: SecretProviderClass, metadata: {{name: l}}, spec: {{provider: alibabacloud}}}}\n---\n{{{{template}}}}\n---\n{TWO}"
        );
        assert_eq!(Class::find(&listed, Some("l")).expect("in a list").name, "l");
        assert_eq!(error("kind: Pod\n", None), "found no SecretProviderClass");
        let mixed = format!(
            "kind: SecretProviderClass\nmetadata: {{name: v}}\nspec: {{provider: vault, parameters: {{o: []}}}}\n---\n{TWO}"
        );
        assert_eq!(
            Class::find(&mixed, Some("a")).expect("beside another's").name,
            "a"
        );
        assert_eq!(
            error(&mixed, Some("v")),
            "v: expected spec.provider \"alibabacloud\", found \"vault\""
        );
        assert_eq!(
            error(
                "kind: SecretProviderClass\nmetadata: {name: a}\nspec: {provider: aws}\n",
                None
            ),
            "a: expected spec.provider \"alibabacloud\", found \"aws\""
        );
        assert_eq!(
            error(
                "kind: SecretProviderClass\nmetadata: {name: a}\nspec: {provider: alibabacloud, parameters: {o: []}}\n",
                None
            ),
            "a: spec.parameters.o: expected text, found a list"
        );
    }

    #[test]
    fn names_are_printed_escaped() {
        let named = |provider: &str| {
            format!("kind: SecretProviderClass\nmetadata: {{name: \"a\\e[31m\"}}\nspec: {{{provider}}}\n")
        };
        let ours = named("provider: alibabacloud");
        for text in [
            named(""),
            named("provider: other"),
            named("provider: alibabacloud, parameters: []"),
            format!("{ours}---\n{ours}"),
        ] {
            let error = Class::find(&text, None).expect_err("an error");
            assert!(error.contains(r#""a\u{1b}[31m""#), "{error}");
        }
    }

    #[test]
    fn places_count_from_the_top_of_the_file() {
        let error = Class::find("kind: Pod\n---\nkind: [SecretProviderClass\n", None).expect_err("not YAML");
        assert!(error.starts_with("line 3, column "), "{error}");
    }

    #[test]
    fn a_secrets_data_is_decoded() {
        let data = secret("kind: Secret\ndata: {access_key: TFRBSQ==}\nstringData: {access_secret: s}\n")
            .expect("data");
        assert_eq!(
            (data["access_key"].as_str(), data["access_secret"].as_str()),
            ("LTAI", "s")
        );
        assert_eq!(
            secret("kind: Secret\ndata: {k: '*'}\n"),
            Err("data.k is not base64".to_owned())
        );
        assert_eq!(secret("kind: Pod\n"), Err("found no Secret".to_owned()));
    }
}
