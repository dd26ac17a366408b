//! From the text of a policy file to a [`Policy`].

use super::fields::{Fields, text};
use super::{Grant, Identity, Pattern, Policy, Rule, Subject};
use crate::diagnostic::{Diagnostic, quoted};
use crate::limits;
use crate::params::Service;
use crate::yaml::{self, Kind, Node};

impl Policy {
    /// Reads a policy.
    ///
    /// # Errors
    /// The first thing that is wrong, with its place. Nothing is guessed: an unknown key is an error.
    pub fn parse(policy: &str) -> Result<Self, Diagnostic> {
        if policy.len() > limits::POLICY_BYTES {
            let most = limits::POLICY_BYTES;
            let text = format!("{} bytes are more than the limit of {most}", policy.len());
            return Err(Diagnostic::new(text, ""));
        }
        // Its remedies are for the parameter `objects`.
        let root = yaml::parse(policy).map_err(|error| Diagnostic {
            remedy: String::new(),
            ..error
        })?;
        if matches!(root.kind, Kind::Null) {
            let remedy = "to deny everything, write \"version: 1\" and \"rules: []\"";
            return Err(Diagnostic::new("the policy is empty", remedy));
        }
        let fields = Fields::new("the policy".to_owned(), &root, &["version", "rules"])?;
        let (version, node) = fields.need_text("version")?;
        if version != "1" {
            let text = format!("version {} is not known here", quoted(version));
            return Err(Diagnostic::at(node.at, text, "write 1"));
        }
        let (nodes, _) = fields.need_list("rules")?;
        if nodes.len() > limits::POLICY_RULES {
            let most = limits::POLICY_RULES;
            let text = format!("{} rules are more than the limit of {most}", nodes.len());
            return Err(Diagnostic::new(text, ""));
        }
        let rules = (1..)
            .zip(nodes)
            .map(|(number, node)| rule(number, node))
            .collect::<Result<Vec<_>, _>>()?;
        let mut names = std::collections::HashSet::new();
        for (rule, node) in rules.iter().zip(nodes) {
            if !names.insert(rule.name.as_str()) {
                let text = format!("the rule name {} is taken", quoted(&rule.name));
                return Err(Diagnostic::at(node.at, text, ""));
            }
        }
        Ok(Self { rules })
    }
}

fn rule(number: usize, node: &Node) -> Result<Rule, Diagnostic> {
    let fields = Fields::new(
        format!("rule {number}"),
        node,
        &["name", "identities", "subjects", "objects"],
    )?;
    let (name, node) = fields.need_text("name")?;
    let printable = |c: char| c.is_ascii_graphic() || c == ' ';
    if name.is_empty() || name.len() > limits::POLICY_PATTERN_BYTES || !name.chars().all(printable) {
        let text = format!("the name {} is not one line of ASCII text", quoted(name));
        return Err(Diagnostic::at(node.at, text, ""));
    }
    let what = format!("rule {number} {}", quoted(name));
    let (nodes, at) = fields.need_list("subjects")?;
    if nodes.is_empty() {
        let text = format!("{what} has no subjects and can never count");
        return Err(Diagnostic::at(
            at,
            text,
            "write \"- namespace: '*'\" for everybody",
        ));
    }
    let subjects = nodes
        .iter()
        .map(|node| subject(&what, node))
        .collect::<Result<_, _>>()?;
    let (objects, _) = fields.need_list("objects")?;
    Ok(Rule {
        name: name.to_owned(),
        identities: identities(&fields)?,
        subjects,
        objects: objects
            .iter()
            .map(|node| grant(&what, node))
            .collect::<Result<_, _>>()?,
    })
}

fn identities(fields: &Fields<'_>) -> Result<Vec<Identity>, Diagnostic> {
    let Some((nodes, at)) = fields.list("identities")? else {
        return Ok(vec![Identity::Provider]);
    };
    let what = fields.describe("identities");
    if nodes.is_empty() {
        let text = format!("{what} is empty, so the rule can never count");
        return Err(Diagnostic::at(at, text, ""));
    }
    nodes
        .iter()
        .map(|node| {
            let text = text(node, &what)?;
            let known = Identity::ALL.into_iter().find(|it| it.name() == text);
            known.ok_or_else(|| {
                let text = format!(
                    "{what}: {} is not one of {}",
                    quoted(text),
                    Identity::ALL.map(Identity::name).join(", ")
                );
                Diagnostic::at(node.at, text, "")
            })
        })
        .collect()
}

fn subject(rule: &str, node: &Node) -> Result<Subject, Diagnostic> {
    let fields = Fields::new(
        format!("a subject of {rule}"),
        node,
        &["namespace", "serviceAccounts"],
    )?;
    let (_, namespace) = fields.need_text("namespace")?;
    let name = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    let accounts = patterns(&fields, "serviceAccounts", |c| name(c) || c == '.')?;
    Ok(Subject {
        namespace: pattern(namespace, &fields.describe("namespace"), name)?,
        service_accounts: accounts.unwrap_or_default(),
    })
}

fn grant(rule: &str, node: &Node) -> Result<Grant, Diagnostic> {
    let fields = Fields::new(
        format!("an object of {rule}"),
        node,
        &[
            "service",
            "names",
            "regions",
            "crossAccountRoleArns",
            "kmsEndpoints",
        ],
    )?;
    let (service, node) = fields.need_text("service")?;
    let service = match service {
        "kms" => Service::Kms,
        "oos" => Service::Oos,
        _ => {
            let text = format!(
                "{}: {} is neither kms nor oos",
                fields.describe("service"),
                quoted(service)
            );
            return Err(Diagnostic::at(node.at, text, ""));
        }
    };
    fields.need("names")?;
    let host = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    let endpoints = patterns(&fields, "kmsEndpoints", |c| host(c) || c == '.')?;
    if let (Service::Oos, Some(node)) = (service, fields.get("kmsEndpoints")) {
        let text = format!(
            "{} has no meaning with service oos",
            fields.describe("kmsEndpoints")
        );
        return Err(Diagnostic::at(node.at, text, ""));
    }
    let roles = patterns(&fields, "crossAccountRoleArns", |c| c.is_ascii_graphic())?;
    let nodes = fields
        .list("crossAccountRoleArns")?
        .map_or(&[][..], |(nodes, _)| nodes);
    for (role, node) in roles.iter().flatten().zip(nodes) {
        if !role.as_str().starts_with("acs:ram::") && !role.is_anything() {
            let what = fields.describe("crossAccountRoleArns");
            let text = format!("{what}: {} is no pattern of a role's ARN", quoted(role.as_str()));
            let remedy = "write \"acs:ram::<account id>:role/<role name>\"";
            return Err(Diagnostic::at(node.at, text, remedy));
        }
    }
    Ok(Grant {
        service,
        names: patterns(&fields, "names", |c| !c.is_control())?.unwrap_or_default(),
        regions: patterns(&fields, "regions", host)?.unwrap_or_default(),
        cross_account_roles: roles.unwrap_or_default(),
        kms_endpoints: endpoints.unwrap_or_default(),
    })
}

/// The patterns of `key`. A list that is there and empty is an error: some would read it as all, and some as none.
fn patterns(
    fields: &Fields<'_>,
    key: &str,
    allowed: impl Fn(char) -> bool + Copy,
) -> Result<Option<Vec<Pattern>>, Diagnostic> {
    let what = fields.describe(key);
    let Some((nodes, at)) = fields.list(key)? else {
        return Ok(None);
    };
    if nodes.is_empty() {
        let text = format!("{what} is empty");
        return Err(Diagnostic::at(at, text, "leave it out, or write '*' for all"));
    }
    let patterns = nodes.iter().map(|node| pattern(node, &what, allowed));
    patterns.collect::<Result<_, _>>().map(Some)
}

fn pattern(node: &Node, what: &str, allowed: impl Fn(char) -> bool) -> Result<Pattern, Diagnostic> {
    let text = text(node, what)?;
    Pattern::new(text, allowed)
        .map_err(|problem| Diagnostic::at(node.at, format!("{what}: {}: {problem}", quoted(text)), ""))
}
