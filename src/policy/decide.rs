//! Whether a Mount may go on.

use std::fmt;

use super::{Grant, Identity, Pattern, Policy, Rule, Subject};
use crate::diagnostic::quoted;
use crate::limits;
use crate::params::{Object, Plan, Service};

/// What a Mount asks of the policy.
#[derive(Clone, Debug)]
pub struct Question<'a> {
    /// As whom it would read.
    pub identity: Identity,
    /// The pod's namespace, as kubelet vouches for it; empty if the driver does not say.
    pub namespace: &'a str,
    /// The pod's ServiceAccount, likewise.
    pub service_account: &'a str,
    /// What it would read.
    pub wishes: Vec<Wish<'a>>,
}

/// One object that a Mount would read.
#[derive(Clone, Debug)]
pub struct Wish<'a> {
    /// What to call it in a message.
    pub object: String,
    /// The service.
    pub service: Service,
    /// The `objectName`.
    pub name: &'a str,
    /// The region, if it is known.
    pub region: Option<&'a str>,
    /// The role to assume first.
    pub cross_account_role: Option<&'a str>,
    /// The endpoint that the class names. Where there is one, it says where the object is read, and no region does.
    pub kms_endpoint: Option<&'a str>,
}

/// The answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Decision {
    /// The identity is the pod's own, and no rule puts this pod under the policy with it.
    Exempt,
    /// Every object is permitted.
    Permitted,
    /// Every object is permitted in some region; the one of objects without a region must be known to say more.
    RegionNeeded,
    /// Some are not: one entry each.
    Denied(Denied),
}

/// The rule that permits an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Permit<'a> {
    /// Its name.
    pub rule: &'a str,
    /// Whether it does so in some regions only, while the object's own is not known.
    pub in_some_region: bool,
}

/// What to do about a denial.
pub const REMEDY: &str = "ask who keeps that file for a rule, or read with the pod's own identity";

/// Why not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Denied {
    identity: Identity,
    namespace: String,
    service_account: String,
    refused: Vec<(String, Missing)>,
}

/// What an object lacks, by the rule that comes closest. Later ones are closer.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Missing {
    /// The driver does not say whose Mount it is.
    Pod,
    /// No rule is about this pod.
    Subject,
    /// Rules about this pod do not name the object.
    Name,
    /// It is named, for other regions.
    Region {
        /// The rule.
        rule: String,
        /// The region asked for.
        region: String,
    },
    /// It is named, without this role.
    Role {
        /// The rule.
        rule: String,
        /// The role asked for.
        role: String,
    },
    /// It is named, without this endpoint.
    Endpoint {
        /// The rule.
        rule: String,
        /// The endpoint asked for.
        endpoint: String,
    },
}

impl<'a> Question<'a> {
    /// What a plan asks, when read as `identity` and where nobody names a region in `region`.
    pub fn new(plan: &'a Plan, identity: Identity, region: Option<&'a str>) -> Self {
        let class_region = plan.region.as_ref();
        let wish = |object: &'a Object| Wish {
            object: object.describe(),
            service: object.service,
            name: &object.name,
            region: object
                .region
                .as_ref()
                .or(class_region)
                .map_or(region, |it| Some(it.as_str())),
            cross_account_role: object.cross_account.as_ref().map(|it| it.role_arn.as_str()),
            kms_endpoint: object.kms_endpoint.as_ref().map(crate::params::Endpoint::as_str),
        };
        Self {
            identity,
            namespace: &plan.pod.namespace,
            service_account: &plan.pod.service_account,
            wishes: plan.objects.iter().map(wish).collect(),
        }
    }
}

impl Policy {
    /// Whether the Mount may go on.
    pub fn decide(&self, question: &Question<'_>) -> Decision {
        let Some(verdicts) = self.verdicts(question) else {
            return Decision::Exempt;
        };
        let mut refused = Vec::new();
        let mut region_needed = false;
        for (wish, verdict) in question.wishes.iter().zip(verdicts) {
            match verdict {
                Ok(permit) => region_needed |= permit.in_some_region,
                Err(missing) => refused.push((wish.object.clone(), missing)),
            }
        }
        match (refused.is_empty(), region_needed) {
            (true, false) => Decision::Permitted,
            (true, true) => Decision::RegionNeeded,
            (false, _) => Decision::Denied(Denied {
                identity: question.identity,
                namespace: question.namespace.to_owned(),
                service_account: question.service_account.to_owned(),
                refused,
            }),
        }
    }

    /// Which rule permits each object, or what it lacks, in the order of the wishes. `None` if the Mount is exempt.
    pub fn verdicts(&self, question: &Question<'_>) -> Option<Vec<Result<Permit<'_>, Missing>>> {
        let rules: Vec<&Rule> = self
            .rules
            .iter()
            .filter(|rule| rule.identities.contains(&question.identity) && rule.is_about(question))
            .collect();
        if question.identity != Identity::Provider && rules.is_empty() {
            return None;
        }
        let verdict = |wish| {
            if question.namespace.is_empty() {
                Err(Missing::Pod)
            } else {
                permitted(&rules, wish)
            }
        };
        Some(question.wishes.iter().map(verdict).collect())
    }
}

/// The rule that permits the wish: for certain, or in some region only while its own is not known.
fn permitted<'a>(rules: &[&'a Rule], wish: &Wish<'_>) -> Result<Permit<'a>, Missing> {
    let mut closest = if rules.is_empty() {
        Missing::Subject
    } else {
        Missing::Name
    };
    let mut in_some_region = None;
    for rule in rules {
        let permit = |in_some_region| Permit {
            rule: &rule.name,
            in_some_region,
        };
        for grant in &rule.objects {
            match grant.permits(&rule.name, wish) {
                Ok(true) => return Ok(permit(false)),
                Ok(false) => in_some_region = in_some_region.or_else(|| Some(permit(true))),
                Err(missing) => closest = closest.max(missing),
            }
        }
    }
    in_some_region.ok_or(closest)
}

impl Rule {
    fn is_about(&self, question: &Question<'_>) -> bool {
        self.subjects.iter().any(|subject| subject.is(question))
    }
}

impl Subject {
    fn is(&self, question: &Question<'_>) -> bool {
        // An account that the driver does not name is none of those that a rule names.
        let account =
            || !question.service_account.is_empty() && any(&self.service_accounts, question.service_account);
        !question.namespace.is_empty()
            && self.namespace.matches(question.namespace)
            && (self.service_accounts.is_empty() || account())
    }
}

impl Grant {
    fn permits(&self, rule: &str, wish: &Wish<'_>) -> Result<bool, Missing> {
        let rule = || rule.to_owned();
        if self.service != wish.service || !self.names.iter().any(|name| names(name, wish.name)) {
            return Err(Missing::Name);
        }
        if let Some(endpoint) = wish.kms_endpoint {
            if !any(&self.kms_endpoints, &endpoint.to_ascii_lowercase()) {
                return Err(Missing::Endpoint {
                    rule: rule(),
                    endpoint: endpoint.to_owned(),
                });
            }
        } else if let (false, Some(region)) = (self.regions.is_empty(), wish.region)
            && !any(&self.regions, region)
        {
            return Err(Missing::Region {
                rule: rule(),
                region: region.to_owned(),
            });
        }
        if let Some(role) = wish.cross_account_role
            && !any(&self.cross_account_roles, role)
        {
            return Err(Missing::Role {
                rule: rule(),
                role: role.to_owned(),
            });
        }
        Ok(self.regions.is_empty() || wish.region.is_some() || wish.kms_endpoint.is_some())
    }
}

/// An ARN may name a secret of another account, which no pattern of plain names is meant for.
fn names(pattern: &Pattern, name: &str) -> bool {
    let is_arn = name
        .get(..4)
        .is_some_and(|head| head.eq_ignore_ascii_case("acs:"));
    let for_arns = pattern.as_str().starts_with("acs:") || pattern.is_anything();
    (!is_arn || for_arns) && pattern.matches(name)
}

fn any(patterns: &[Pattern], text: &str) -> bool {
    patterns.iter().any(|pattern| pattern.matches(text))
}

impl fmt::Display for Permit<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "rule {}", quoted(self.rule))?;
        if self.in_some_region {
            f.write_str(", in some regions only")?;
        }
        Ok(())
    }
}

impl fmt::Display for Identity {
    /// As messages call it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Provider => "the provider's identity",
            Self::Pod => "the pod's identity",
            Self::NodePublishSecret => "the pod's nodePublishSecretRef",
        })
    }
}

impl fmt::Display for Denied {
    /// One line, without the file that the policy stands in.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "pods of namespace {} with service account {} lack permission to read with {}: ",
            quoted(&self.namespace),
            quoted(&self.service_account),
            self.identity
        )?;
        // What lacks the same is named together: an event has little room.
        let mut groups: Vec<(String, Vec<&str>)> = Vec::new();
        for (object, missing) in &self.refused {
            let missing = missing.to_string();
            match groups.iter_mut().find(|(known, _)| *known == missing) {
                Some((_, objects)) => objects.push(object),
                None => groups.push((missing, vec![object])),
            }
        }
        for (at, (missing, objects)) in groups.iter().enumerate() {
            let separator = if at == 0 { "" } else { "; " };
            let (named, more) = objects.split_at(objects.len().min(limits::OBJECTS_NAMED));
            write!(f, "{separator}{}", named.join(", "))?;
            if !more.is_empty() {
                write!(f, " and {} more", more.len())?;
            }
            write!(f, ": {missing}")?;
        }
        Ok(())
    }
}

impl fmt::Display for Missing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Pod => f.write_str(
                "the driver does not say whose Mount this is; set podInfoOnMount in its CSIDriver",
            ),
            Self::Subject => f.write_str("no rule has this namespace and service account among its subjects"),
            Self::Name => f.write_str("no rule for them names this object"),
            Self::Region { rule, region } => {
                write!(f, "rule {} permits it, but not in region {region}", quoted(rule))
            }
            Self::Role { rule, role } => {
                write!(
                    f,
                    "rule {} permits it, but not by crossAccountRoleArn {}",
                    quoted(rule),
                    quoted(role)
                )
            }
            Self::Endpoint { rule, endpoint } => {
                write!(
                    f,
                    "rule {} permits it, but not at kmsEndpoint {}",
                    quoted(rule),
                    quoted(endpoint)
                )
            }
        }
    }
}
