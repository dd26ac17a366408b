//! Whether a mount may go on.

use std::fmt;

use super::model::{Grant, Policy, Principal, Rule, Subject};
use super::pattern::Pattern;
use crate::diagnostic::quoted;
use crate::limits;
use crate::params::{Endpoint, Object, Plan, Region};

/// What a mount asks of the policy.
#[derive(Clone, Copy)]
pub struct Question<'a> {
    /// The pod and the objects that it would read.
    pub plan: &'a Plan,
    /// The identity that would read them.
    pub principal: Principal,
    /// The region of objects for which neither item nor class names one, if it is known.
    pub region: Option<&'a Region>,
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
    /// Some are not. Why, in one line, without the file that the policy stands in.
    Denied(String),
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
pub const REMEDY: &str = "ask the policy's owner to add a rule, or read with the pod's own identity";

/// What an object lacks, by the rule that comes closest. Later ones are closer.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Missing {
    /// The driver does not say whose mount it is.
    Pod,
    /// No rule is about this pod.
    Subject,
    /// Rules about this pod do not name the object.
    Name,
    /// It is named, but not as it is asked for.
    Otherwise {
        /// How it is asked for, and not permitted.
        limit: Limit,
        /// The rule.
        rule: String,
        /// What is asked for.
        asked: String,
    },
}

/// How a rule limits the objects that it names. Later ones are closer to a permission.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Limit {
    /// The region.
    Region,
    /// The role to assume first.
    Role,
    /// The endpoint that the class names.
    Endpoint,
}

impl<'a> Question<'a> {
    /// Where an object is read, if it is known. Where the class names an endpoint, that says it, and no region does.
    fn region(&self, object: &'a Object) -> Option<&'a str> {
        let named = object.region.as_ref().or(self.plan.region.as_ref());
        named.or(self.region).map(Region::as_str)
    }
}

impl Policy {
    /// Whether the mount may go on.
    pub fn decide(&self, question: &Question<'_>) -> Decision {
        let Some(verdicts) = self.verdicts(question) else {
            return Decision::Exempt;
        };
        let mut refused = Vec::new();
        let mut region_needed = false;
        for (object, verdict) in question.plan.objects.iter().zip(verdicts) {
            match verdict {
                Ok(permit) => region_needed |= permit.in_some_region,
                Err(missing) => refused.push((object.describe(), missing.to_string())),
            }
        }
        match (refused.is_empty(), region_needed) {
            (true, false) => Decision::Permitted,
            (true, true) => Decision::RegionNeeded,
            (false, _) => Decision::Denied(denial(question, &refused)),
        }
    }

    /// Which rule permits each object, or what it lacks, in the order of the plan. `None` if the mount is exempt.
    pub fn verdicts(&self, question: &Question<'_>) -> Option<Vec<Result<Permit<'_>, Missing>>> {
        let counts = |rule: &&Rule| {
            rule.identities.contains(&question.principal)
                && rule.subjects.iter().any(|subject| subject.is(question.plan))
        };
        let rules: Vec<&Rule> = self.rules.iter().filter(counts).collect();
        if question.principal != Principal::Provider && rules.is_empty() {
            return None;
        }
        let verdict = |object| match question.plan.pod.namespace.as_str() {
            "" => Err(Missing::Pod),
            _ => permitted(&rules, object, question.region(object)),
        };
        Some(question.plan.objects.iter().map(verdict).collect())
    }
}

/// The rule that permits to read the object: for certain, or in some region only while its own is not known.
fn permitted<'a>(rules: &[&'a Rule], object: &Object, region: Option<&str>) -> Result<Permit<'a>, Missing> {
    let mut closest = match rules {
        [] => Missing::Subject,
        _ => Missing::Name,
    };
    let mut in_some_region = None;
    for rule in rules {
        let permit = |in_some_region| Permit {
            rule: &rule.name,
            in_some_region,
        };
        for grant in &rule.objects {
            match grant.permits(&rule.name, object, region) {
                Ok(true) => return Ok(permit(false)),
                Ok(false) => in_some_region = in_some_region.or_else(|| Some(permit(true))),
                Err(missing) => closest = closest.max(missing),
            }
        }
    }
    in_some_region.ok_or(closest)
}

impl Subject {
    fn is(&self, plan: &Plan) -> bool {
        let (namespace, account) = (&plan.pod.namespace, &plan.pod.service_account);
        // An account that the driver does not name is none of those that a rule names.
        let is_account = || !account.is_empty() && any(&self.service_accounts, account);
        !namespace.is_empty()
            && self.namespace.matches(namespace)
            && (self.service_accounts.is_empty() || is_account())
    }
}

impl Grant {
    /// Whether it permits to read the object for certain, and not only in some region.
    fn permits(&self, rule: &str, object: &Object, region: Option<&str>) -> Result<bool, Missing> {
        if self.service != object.service || !self.names.iter().any(|name| names(name, &object.name)) {
            return Err(Missing::Name);
        }
        let endpoint = object.kms_endpoint.as_ref().map(Endpoint::as_str);
        let role = object.cross_account.as_ref().map(|it| it.role_arn.as_str());
        let region_counts = endpoint.is_none() && !self.regions.is_empty();
        for (limit, permitted, asked) in [
            (Limit::Endpoint, &self.kms_endpoints, endpoint),
            (Limit::Region, &self.regions, region.filter(|_| region_counts)),
            (Limit::Role, &self.cross_account_roles, role),
        ] {
            if let Some(asked) = asked.filter(|asked| !any(permitted, asked)) {
                return Err(Missing::Otherwise {
                    limit,
                    rule: rule.to_owned(),
                    asked: asked.to_owned(),
                });
            }
        }
        Ok(!region_counts || region.is_some())
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
        let limit = if self.in_some_region {
            ", in some regions only"
        } else {
            ""
        };
        write!(f, "rule {}{limit}", quoted(self.rule))
    }
}

/// Why not. What lacks the same is named together: an event has little room.
fn denial(question: &Question<'_>, refused: &[(String, String)]) -> String {
    let mut groups: Vec<(&str, Vec<&str>)> = Vec::new();
    for (object, missing) in refused {
        match groups.iter_mut().find(|(known, _)| known == missing) {
            Some((_, objects)) => objects.push(object),
            None => groups.push((missing, vec![object])),
        }
    }
    let groups = groups.iter().map(|(missing, objects)| {
        let (named, more) = objects.split_at(objects.len().min(limits::OBJECTS_NAMED));
        let named = named.join(", ");
        match more.len() {
            0 => format!("{named}: {missing}"),
            more => format!("{named} and {more} more: {missing}"),
        }
    });
    let pod = &question.plan.pod;
    format!(
        "pods of namespace {} with service account {} lack permission to read with {}: {}",
        quoted(&pod.namespace),
        quoted(&pod.service_account),
        question.principal,
        groups.collect::<Vec<_>>().join("; ")
    )
}

impl fmt::Display for Missing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Pod => {
                f.write_str("the driver does not identify the pod; set podInfoOnMount in its CSIDriver")
            }
            Self::Subject => f.write_str("no rule has this namespace and service account among its subjects"),
            Self::Name => f.write_str("no rule for these pods names this object"),
            Self::Otherwise { limit, rule, asked } => {
                let asked = match limit {
                    Limit::Region => format!("in region {asked}"),
                    Limit::Role => format!("by crossAccountRoleArn {}", quoted(asked)),
                    Limit::Endpoint => format!("at kmsEndpoint {}", quoted(asked)),
                };
                write!(f, "rule {} permits it, but not {asked}", quoted(rule))
            }
        }
    }
}
