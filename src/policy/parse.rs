//! From the text of a policy file to a [`Policy`].

use std::fmt;

use super::fields::{Fields, text};
use super::{Grant, Identity, Pattern, Policy, Rule, Subject};
use crate::diagnostic::Position;
use crate::diagnostic::quoted;
use crate::limits;
use crate::params::Service;
use crate::yaml::{self, Kind, Node};

/// Why a text is no policy: the first thing that is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Invalid {
    at: Option<Position>,
    text: String,
}

impl Invalid {
    pub(super) fn new(node: &Node, text: impl Into<String>) -> Self {
        Self {
            at: Some(node.at),
            text: text.into(),
        }
    }

    fn whole(text: impl Into<String>) -> Self {
        Self {
            at: None,
            text: text.into(),
        }
    }
}

impl Invalid {
    /// Where, if that is one place.
    pub fn at(&self) -> Option<Position> {
        self.at
    }

    /// What is wrong, without the place.
    pub fn text(&self) -> &str {
        &self.text
    }
}

impl fmt::Display for Invalid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.at {
            Some(at) => write!(f, "{at}: {}", self.text),
            None => f.write_str(&self.text),
        }
    }
}

impl std::error::Error for Invalid {}

impl Policy {
    /// Reads a policy.
    ///
    /// # Errors
    /// The first thing that is wrong, with its place. Nothing is guessed: an unknown key is an error.
    pub fn parse(policy: &str) -> Result<Self, Invalid> {
        if policy.len() > limits::POLICY_BYTES {
            return Err(Invalid::whole(format!(
                "{} bytes are more than the limit of {}",
                policy.len(),
                limits::POLICY_BYTES
            )));
        }
        let root = yaml::parse(policy).map_err(|error| Invalid {
            at: error.at,
            text: error.wrong.text,
        })?;
        if matches!(root.kind, Kind::Null) {
            return Err(Invalid::whole(
                "the policy is empty; to deny everything, write \"version: 1\" and \"rules: []\"",
            ));
        }
        let fields = Fields::new("the policy".to_owned(), &root, &["version", "rules"])?;
        let (version, at) = fields.need_text("version")?;
        if version != "1" {
            let text = format!("version {} is not known here; write 1", quoted(version));
            return Err(Invalid::new(at, text));
        }
        fields.need("rules")?;
        let nodes = fields.list("rules")?.unwrap_or_default();
        if nodes.len() > limits::POLICY_RULES {
            return Err(Invalid::whole(format!(
                "{} rules are more than the limit of {}",
                nodes.len(),
                limits::POLICY_RULES
            )));
        }
        let rules = (1..)
            .zip(nodes)
            .map(|(number, node)| rule(number, node))
            .collect::<Result<Vec<_>, _>>()?;
        let mut names = std::collections::HashSet::new();
        for (rule, node) in rules.iter().zip(nodes) {
            if !names.insert(rule.name.as_str()) {
                let text = format!("the rule name {} is taken", quoted(&rule.name));
                return Err(Invalid::new(node, text));
            }
        }
        Ok(Self { rules })
    }
}

fn rule(number: usize, node: &Node) -> Result<Rule, Invalid> {
    let fields = Fields::new(
        format!("rule {number}"),
        node,
        &["name", "identities", "subjects", "objects"],
    )?;
    let (name, at) = fields.need_text("name")?;
    let printable = |c: char| c.is_ascii_graphic() || c == ' ';
    if name.is_empty() || name.len() > limits::POLICY_PATTERN_BYTES || !name.chars().all(printable) {
        let text = format!("the name {} is not one line of ASCII text", quoted(name));
        return Err(Invalid::new(at, text));
    }
    let what = format!("rule {number} {}", quoted(name));
    let subjects = fields.need("subjects")?;
    let nodes = fields.list("subjects")?.unwrap_or_default();
    if nodes.is_empty() {
        let text =
            format!("{what} has no subjects and can never count; write \"- namespace: '*'\" for everybody");
        return Err(Invalid::new(subjects, text));
    }
    let subjects = nodes
        .iter()
        .map(|node| subject(&what, node))
        .collect::<Result<_, _>>()?;
    fields.need("objects")?;
    let objects = fields.list("objects")?.unwrap_or_default();
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

fn identities(fields: &Fields<'_>) -> Result<Vec<Identity>, Invalid> {
    let Some(nodes) = fields.list("identities")? else {
        return Ok(vec![Identity::Provider]);
    };
    let what = fields.describe("identities");
    if let (true, Some(list)) = (nodes.is_empty(), fields.get("identities")) {
        return Err(Invalid::new(
            list,
            format!("{what} is empty, so the rule can never count"),
        ));
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
                Invalid::new(node, text)
            })
        })
        .collect()
}

fn subject(rule: &str, node: &Node) -> Result<Subject, Invalid> {
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

fn grant(rule: &str, node: &Node) -> Result<Grant, Invalid> {
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
    let (service, at) = fields.need_text("service")?;
    let service = match service {
        "kms" => Service::Kms,
        "oos" => Service::Oos,
        _ => {
            let text = format!(
                "{}: {} is neither kms nor oos",
                fields.describe("service"),
                quoted(service)
            );
            return Err(Invalid::new(at, text));
        }
    };
    fields.need("names")?;
    let host = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    let endpoints = patterns(&fields, "kmsEndpoints", |c| host(c) || c == '.')?;
    if let (Service::Oos, Some(_), Some(node)) = (service, &endpoints, fields.get("kmsEndpoints")) {
        let text = format!(
            "{} has no meaning with service oos",
            fields.describe("kmsEndpoints")
        );
        return Err(Invalid::new(node, text));
    }
    let roles = patterns(&fields, "crossAccountRoleArns", |c| c.is_ascii_graphic())?;
    for (role, node) in roles
        .iter()
        .flatten()
        .zip(fields.list("crossAccountRoleArns")?.unwrap_or_default())
    {
        if !role.as_str().starts_with("acs:ram::") && !role.is_anything() {
            let text = format!(
                "{}: {} is no pattern of a role's ARN; write \"acs:ram::<account id>:role/<role name>\"",
                fields.describe("crossAccountRoleArns"),
                quoted(role.as_str())
            );
            return Err(Invalid::new(node, text));
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
) -> Result<Option<Vec<Pattern>>, Invalid> {
    let what = fields.describe(key);
    match (fields.list(key)?, fields.get(key)) {
        (Some([]), Some(list)) => Err(Invalid::new(
            list,
            format!("{what} is empty; leave it out, or write '*' for all"),
        )),
        (Some(nodes), _) => nodes
            .iter()
            .map(|node| pattern(node, &what, allowed))
            .collect::<Result<_, _>>()
            .map(Some),
        (None, _) => Ok(None),
    }
}

fn pattern(node: &Node, what: &str, allowed: impl Fn(char) -> bool) -> Result<Pattern, Invalid> {
    let text = text(node, what)?;
    Pattern::new(text, allowed)
        .map_err(|problem| Invalid::new(node, format!("{what}: {}: {problem}", quoted(text))))
}
