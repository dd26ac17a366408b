//! What commands read out of manifests: a SecretProviderClass, and a Secret.

use std::collections::BTreeMap;

use crate::commands::validate::manifest::{Document, is_class, resources};
use crate::commands::validate::publish_secrets::{data, texts};
use crate::yaml::Node;

/// A SecretProviderClass, as far as the driver reads it.
#[derive(PartialEq, Eq)]
#[cfg_attr(test, derive(Debug))]
pub(crate) struct Class {
    pub(crate) name: String,
    pub(crate) namespace: Option<String>,
    pub(crate) parameters: BTreeMap<String, String>,
}

/// The class of that name among a manifest's documents; without a name the only one. Those of other providers do not
/// count, but where there is no other.
pub(crate) fn find(text: &str, name: Option<&str>) -> Result<Class, String> {
    let mut found = Vec::new();
    let mut others = Vec::new();
    for document in Document::split(text)
        .into_iter()
        .filter(Document::may_hold_a_class)
    {
        let root = parse(&document)?;
        for resource in resources(&root).into_iter().filter(|resource| is_class(resource)) {
            let called = resource
                .get("metadata")
                .and_then(|metadata| metadata.text_of("name"));
            if name.is_some() && name != called {
                continue;
            }
            match other_provider(resource) {
                Some(other) => others.push(other),
                None => found.push(class(resource)?),
            }
        }
    }
    match (found.len(), name) {
        (1, _) => found.pop().ok_or_else(String::new),
        (0, name) => Err(match (others.pop(), name) {
            (Some(other), _) => other,
            (None, None) => "no SecretProviderClass in it".to_owned(),
            (None, Some(name)) => format!("no SecretProviderClass {name:?} in it"),
        }),
        (_, None) => {
            let names: Vec<_> = found.iter().map(|class| class.name.as_str()).collect();
            Err(format!(
                "several classes in it: {}; choose with --class-name",
                names.join(", ")
            ))
        }
        (_, Some(name)) => Err(format!("several classes {name:?} in it")),
    }
}

/// What to say of a class of another provider.
fn other_provider(root: &Node) -> Option<String> {
    let provider = root.get("spec")?.text_of("provider")?;
    let name = root.get("metadata")?.text_of("name")?;
    (provider != PROVIDER).then(|| format!("{name}: spec.provider is {provider:?}; this one is {PROVIDER:?}"))
}

const PROVIDER: &str = "alibabacloud";

/// The data of a manifest's Secret.
pub(super) fn secret(text: &str) -> Result<BTreeMap<String, String>, String> {
    let documents: Vec<Node> = Document::split(text)
        .iter()
        .map(parse)
        .collect::<Result<_, _>>()?;
    let root = documents
        .iter()
        .flat_map(resources)
        .find(|resource| resource.text_of("kind") == Some("Secret"))
        .ok_or("no Secret in it")?;
    data(root)
}

fn class(root: &Node) -> Result<Class, String> {
    let metadata = root
        .get("metadata")
        .ok_or("a SecretProviderClass without metadata")?;
    let name = metadata
        .text_of("name")
        .ok_or("a SecretProviderClass without metadata.name")?;
    let name = name.to_owned();
    let spec = root.get("spec").ok_or_else(|| format!("{name}: no spec"))?;
    if spec.text_of("provider").is_none() {
        return Err(format!("{name}: no spec.provider; write {PROVIDER:?}"));
    }
    let parameters = spec
        .get("parameters")
        .map(|node| texts(node, "spec.parameters"))
        .transpose()
        .map_err(|problem| format!("{name}: {problem}"))?;
    Ok(Class {
        namespace: metadata.text_of("namespace").map(str::to_owned),
        name,
        parameters: parameters.unwrap_or_default(),
    })
}

fn parse(document: &Document<'_>) -> Result<Node, String> {
    document.parse().map_err(|mut error| {
        error.at = error.at.map(|at| document.in_file(at));
        error.to_string()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const TWO: &str = "# first\nkind: SecretProviderClass\nmetadata: {name: a, namespace: n}\nspec:\n  provider: \
                       alibabacloud\n  parameters: {objects: x}\n---\nkind: Pod\n---\nkind: SecretProviderClass\nmetadata: \
                       {name: b}\nspec: {provider: alibabacloud}\n";

    #[test]
    fn a_class_is_found_by_name() {
        let a = find(TWO, Some("a")).expect("a");
        assert_eq!(
            (a.namespace.as_deref(), a.parameters["objects"].as_str()),
            (Some("n"), "x")
        );
        assert_eq!(find(TWO, Some("b")).expect("b").parameters.len(), 0);
        let error = |text: &str, name| find(text, name).expect_err("an error");
        assert_eq!(
            error(TWO, None),
            "several classes in it: a, b; choose with --class-name"
        );
        assert_eq!(error(TWO, Some("c")), "no SecretProviderClass \"c\" in it");
        let listed = format!(
            "kind: List\nitems:\n- {{kind: SecretProviderClass, metadata: {{name: l}}, spec: {{provider: alibabacloud}}}}\n---\n{{{{template}}}}\n---\n{TWO}"
        );
        assert_eq!(find(&listed, Some("l")).expect("in a list").name, "l");
        assert_eq!(error("kind: Pod\n", None), "no SecretProviderClass in it");
        let mixed = format!(
            "kind: SecretProviderClass\nmetadata: {{name: v}}\nspec: {{provider: vault, parameters: {{o: []}}}}\n---\n{TWO}"
        );
        assert_eq!(find(&mixed, Some("a")).expect("beside another's").name, "a");
        assert_eq!(
            error(&mixed, Some("v")),
            "v: spec.provider is \"vault\"; this one is \"alibabacloud\""
        );
        assert_eq!(
            error(
                "kind: SecretProviderClass\nmetadata: {name: a}\nspec: {provider: aws}\n",
                None
            ),
            "a: spec.provider is \"aws\"; this one is \"alibabacloud\""
        );
        assert_eq!(
            error(
                "kind: SecretProviderClass\nmetadata: {name: a}\nspec: {provider: alibabacloud, parameters: {o: []}}\n",
                None
            ),
            "a: spec.parameters.o is a list, not text"
        );
    }

    #[test]
    fn places_count_from_the_top_of_the_file() {
        let error = find("kind: Pod\n---\nkind: [SecretProviderClass\n", None).expect_err("not YAML");
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
        assert_eq!(secret("kind: Pod\n"), Err("no Secret in it".to_owned()));
    }
}
