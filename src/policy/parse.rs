//! From the text of a policy file to a [`Policy`].

use std::collections::HashSet;

use super::model::{Grant, Policy, Principal, Rule, Subject};
use super::pattern::Pattern;
use crate::diagnostic::{Diagnostic, quoted, suggestion};
use crate::limits;
use crate::params::Service;
use crate::yaml::{self, Bounds, Kind, Node};

impl Policy {
    /// Reads a policy.
    ///
    /// # Errors
    /// The first thing that is wrong, with its place. Nothing is guessed: an unknown key is an error.
    pub fn parse(policy: &str) -> Result<Self, Diagnostic> {
        let bounds = Bounds {
            bytes: limits::POLICY_BYTES,
            remedy: "",
            ..Bounds::OBJECTS
        };
        let root = yaml::parse_within(policy, bounds)?;
        if matches!(root.kind, Kind::Null) {
            let remedy = "to deny everything, write \"version: 1\" and \"rules: []\"";
            return Err(Diagnostic::new("the policy is empty", remedy));
        }
        let policy = Mapping::new("the policy".to_owned(), &root, &["version", "rules"])?;
        policy.parsed("version", |version| match version {
            "1" => Ok(()),
            other => Err(Diagnostic::not(other, "known here", "write 1")),
        })?;
        let nodes = policy.list("rules")?;
        Diagnostic::bound(nodes.len(), "rules", limits::POLICY_RULES, "")?;
        let rules = (1..).zip(nodes).map(|(number, node)| rule(number, node));
        let rules: Vec<Rule> = rules.collect::<Result<_, _>>()?;
        let mut names = HashSet::new();
        let mut named = rules.iter().zip(nodes);
        match named.find(|(rule, _)| !names.insert(&rule.name)) {
            None => Ok(Self { rules }),
            Some((rule, node)) => {
                let text = format!("the rule name {} is already used", quoted(&rule.name));
                Err(Diagnostic::at(node.at, text, ""))
            }
        }
    }
}

fn rule(number: usize, node: &Node) -> Result<Rule, Diagnostic> {
    let keys = &["name", "identities", "subjects", "objects"];
    let rule = Mapping::new(format!("rule {number}"), node, keys)?;
    let printable = |c: char| c.is_ascii_graphic() || c == ' ';
    let name = rule.parsed("name", |name| {
        if name.len() > limits::POLICY_PATTERN_BYTES || !name.chars().all(printable) {
            return Err(Diagnostic::not(name, "one line of ASCII text", ""));
        }
        Ok(name.to_owned())
    })?;
    let what = format!("rule {number} {}", quoted(&name));
    let objects = rule.list("objects")?.iter().map(|node| grant(&what, node));
    let objects = objects.collect::<Result<_, _>>()?;
    let subjects = rule.list("subjects")?.iter().map(|node| subject(&what, node));
    let subjects: Vec<Subject> = subjects.collect::<Result<_, _>>()?;
    if subjects.is_empty() {
        let wrong = Diagnostic::new("the list is empty", "write \"- namespace: '*'\" to match all");
        return Err(rule.wrong("subjects", wrong));
    }
    let identities = rule.list_of("identities", principal)?;
    Ok(Rule {
        name,
        identities: identities.unwrap_or_else(|| vec![Principal::Provider]),
        subjects,
        objects,
    })
}

fn principal(node: &Node) -> Result<Principal, Diagnostic> {
    let text = node.text()?;
    let known = Principal::ALL.into_iter().find(|it| it.name() == text);
    known.ok_or_else(|| {
        let names = Principal::ALL.map(Principal::name).join(", ");
        Diagnostic::not(text, &format!("one of {names}"), "")
    })
}

fn subject(rule: &str, node: &Node) -> Result<Subject, Diagnostic> {
    let keys = &["namespace", "serviceAccounts"];
    let subject = Mapping::new(format!("a subject of {rule}"), node, keys)?;
    let accounts = subject.patterns("serviceAccounts", |c| is_label(c) || c == '.')?;
    Ok(Subject {
        namespace: subject.parsed("namespace", |text| Pattern::new(text, is_label))?,
        service_accounts: accounts,
    })
}

fn grant(rule: &str, node: &Node) -> Result<Grant, Diagnostic> {
    let keys = &[
        "service",
        "names",
        "regions",
        "crossAccountRoleArns",
        "kmsEndpoints",
    ];
    let grant = Mapping::new(format!("an object of {rule}"), node, keys)?;
    let service = grant.parsed("service", Service::parse)?;
    let names = grant.list_of("names", |node| pattern(node, |c| !c.is_control()))?;
    let kms_endpoints = grant.patterns("kmsEndpoints", |c| is_label(c) || c == '.')?;
    if service == Service::Oos && !kms_endpoints.is_empty() {
        let wrong = Diagnostic::new("has no meaning with service oos", "");
        return Err(grant.wrong("kmsEndpoints", wrong));
    }
    let roles = grant.list_of("crossAccountRoleArns", |node| {
        let role = pattern(node, |c| c.is_ascii_graphic())?;
        if role.as_str().starts_with("acs:ram::") || role.is_anything() {
            return Ok(role);
        }
        let (what, remedy) = (
            "a pattern of a role's ARN",
            "write \"acs:ram::<account id>:role/<role name>\"",
        );
        Err(Diagnostic::not(role.as_str(), what, remedy))
    })?;
    Ok(Grant {
        service,
        names: grant.need("names", names)?,
        regions: grant.patterns("regions", is_label)?,
        cross_account_roles: roles.unwrap_or_default(),
        kms_endpoints,
    })
}

/// What labels of host names, names of namespaces and ids of regions are made of.
fn is_label(c: char) -> bool {
    c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-'
}

fn pattern(node: &Node, allowed: impl Fn(char) -> bool) -> Result<Pattern, Diagnostic> {
    Pattern::new(node.text()?, allowed)
}

/// A mapping of a policy, which may have the known keys only.
struct Mapping<'a> {
    /// What messages call it.
    what: String,
    node: &'a Node,
}

impl<'a> Mapping<'a> {
    fn new(what: String, node: &'a Node, known: &[&str]) -> Result<Self, Diagnostic> {
        if !matches!(node.kind, Kind::Map(_)) {
            return Err(node.expected("a mapping", "").within(&what, node.at));
        }
        for (key, _) in node.entries() {
            let name = key.as_text().unwrap_or_default();
            if !known.contains(&name) {
                let text = format!("{what} has an unknown key {}", quoted(name));
                return Err(Diagnostic::at(key.at, text, suggestion("key", name, known)));
            }
        }
        Ok(Self { what, node })
    }

    /// What is wrong with the value of `key`.
    fn wrong(&self, key: &str, wrong: Diagnostic) -> Diagnostic {
        let at = self.node.position_of(key).unwrap_or(self.node.at);
        wrong.within(&format!("{key} of {}", self.what), at)
    }

    /// What must be there.
    fn need<T>(&self, key: &str, read: Option<T>) -> Result<T, Diagnostic> {
        let missing = || Diagnostic::at(self.node.at, format!("{} has no {key}", self.what), "");
        read.ok_or_else(missing)
    }

    /// A text that must be there, read by `parse`.
    fn parsed<T>(
        &self,
        key: &str,
        parse: impl FnOnce(&str) -> Result<T, Diagnostic>,
    ) -> Result<T, Diagnostic> {
        let wrong = |wrong| self.wrong(key, wrong);
        let text = self.node.text_field(key).map_err(wrong)?;
        parse(self.need(key, text)?).map_err(wrong)
    }

    /// A list that must be there, and may be empty.
    fn list(&self, key: &str) -> Result<&'a [Node], Diagnostic> {
        let list = self.node.list_field(key);
        self.need(key, list.map_err(|wrong| self.wrong(key, wrong))?)
    }

    /// A list of what `parse` reads. One that is there and empty is an error: some would read it as all, and some as none.
    fn list_of<T>(
        &self,
        key: &str,
        parse: impl Fn(&Node) -> Result<T, Diagnostic>,
    ) -> Result<Option<Vec<T>>, Diagnostic> {
        let wrong = |wrong| self.wrong(key, wrong);
        let Some(nodes) = self.node.list_field(key).map_err(wrong)? else {
            return Ok(None);
        };
        if nodes.is_empty() {
            let remedy = "leave it out, or write '*' for all";
            return Err(wrong(Diagnostic::new("the list is empty", remedy)));
        }
        let item = |node| parse(node).map_err(|error| wrong(error.or_at(node.at)));
        nodes.iter().map(item).collect::<Result<_, _>>().map(Some)
    }

    /// The patterns of a list that need not be there, of characters that are `allowed`.
    fn patterns(&self, key: &str, allowed: impl Fn(char) -> bool) -> Result<Vec<Pattern>, Diagnostic> {
        let patterns = self.list_of(key, |node| pattern(node, &allowed))?;
        Ok(patterns.unwrap_or_default())
    }
}
