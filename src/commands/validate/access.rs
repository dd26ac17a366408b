//! Checks the access policy in advance: for each class and each kind of pods that mounts it, the rule that permits each
//! object, or what is missing, with the message of a mount.

use std::collections::BTreeMap;

use super::parameters::STRICT;
use super::pods::{self, Mount};
use super::report::{Access, Class, Finding, Verdict};
use crate::config::PolicyCheck;
use crate::diagnostic::{Position, quoted};
use crate::limits;
use crate::params::{self, Input, Plan, Pod, Problems};
use crate::policy::{self, Decision, Policy, Principal, Question, REMEDY};

/// The policy, and which pods mount which class.
pub(crate) struct Checker<'a> {
    settings: &'a PolicyCheck,
    policy: Policy,
    /// By namespace and class, then by how it is mounted; with the first pod's name.
    users: BTreeMap<(String, String), BTreeMap<Mount, String>>,
}

impl<'a> Checker<'a> {
    /// Reads the policy, and collects the pods of all files. The check of each file reports what cannot be parsed.
    ///
    /// # Errors
    /// The policy cannot be read, or is invalid.
    pub(super) fn new(
        settings: &'a PolicyCheck,
        files: impl Iterator<Item = &'a String>,
    ) -> Result<Self, Finding> {
        let policy = policy::read(&settings.policy).map_err(|wrong| {
            let at = wrong.at.unwrap_or(Position { line: 1, column: 1 });
            Finding::new(at, "access policy", &wrong.text, &wrong.remedy)
        })?;
        let mut checker = Self {
            settings,
            policy,
            users: BTreeMap::new(),
        };
        for user in files.flat_map(|text| pods::users(text)) {
            let key = (checker.namespace(&user.namespace), user.class);
            let of_class = checker.users.entry(key).or_default();
            of_class.entry(user.mount).or_insert(user.name);
        }
        Ok(checker)
    }

    fn namespace(&self, named: &str) -> String {
        let named = Some(named).filter(|named| !named.is_empty());
        named.unwrap_or(&self.settings.namespace).to_owned()
    }

    /// Judges a class for each kind of pods that mounts it, with its parameters and those that a pod's volume overrides.
    pub(super) fn judge(&self, class: &mut Class, parameters: &BTreeMap<&str, &str>, mut own: Plan) {
        let key = (self.namespace(&class.namespace), class.name.clone());
        let unnamed = Mount {
            service_account: self.settings.service_account.clone(),
            ..Mount::default()
        };
        let nobody = BTreeMap::from([(unnamed, String::new())]);
        let users = self.users.get(&key).unwrap_or(&nobody);
        let at = class.at();
        let subject = format!("access policy {}", self.settings.policy.display());
        for (mount, name) in users.iter().take(limits::PROBLEMS) {
            let mounted = format!("mounted by {}", quoted(name));
            let mut merged = (!mount.overrides.is_empty()).then(|| mount.plan(parameters));
            let (plan, subject) = match merged {
                None => (&mut own, subject.clone()),
                Some(Ok(ref mut plan)) => (plan, format!("{subject}, {mounted}")),
                Some(Err(problems)) => {
                    let remedy = "correct the volumeAttributes of its volume";
                    class.error(at, &mounted, &problems.to_string(), remedy);
                    continue;
                }
            };
            plan.pod = Pod {
                namespace: key.0.clone(),
                service_account: mount.service_account.clone(),
                ..Pod::default()
            };
            let principal = match (plan.pod_identity, mount.has_secret) {
                (true, _) => Principal::Pod,
                (false, true) => Principal::NodePublishSecret,
                (false, false) => Principal::Provider,
            };
            let (access, problem) = self.ask(plan, principal, mount, name);
            class.access.push(access);
            if let Some((text, remedy)) = problem {
                class.error(at, &subject, &text, remedy);
            }
        }
        if let Some(left) = users.len().checked_sub(limits::PROBLEMS).filter(|left| *left > 0) {
            let text = format!("{left} more kinds of pods that mount it are not checked");
            class.error(at, &subject, &text, "check them in another run");
        }
    }

    /// The policy's decision, and the error if it does not permit.
    fn ask(
        &self,
        plan: &Plan,
        principal: Principal,
        mount: &Mount,
        name: &str,
    ) -> (Access, Option<(String, &'static str)>) {
        let question = Question {
            plan,
            principal,
            region: self.settings.region.as_ref(),
        };
        let (decision, problem) = match self.policy.decide(&question) {
            Decision::Exempt => ("exempt", None),
            Decision::Permitted => ("permitted", None),
            Decision::RegionNeeded => {
                let text = "some objects are permitted only in some regions, and their region is unknown";
                let remedy = "set --region to the provider's, or write region in the class";
                ("unknown", Some((text.to_owned(), remedy)))
            }
            Decision::Denied(denied) => ("denied", Some((denied, REMEDY))),
        };
        let verdicts = self.policy.verdicts(&question).unwrap_or_default();
        let objects = plan
            .objects
            .iter()
            .zip(verdicts)
            .map(|(object, verdict)| Verdict {
                object: object.describe(),
                some_regions_only: verdict.as_ref().is_ok_and(|permit| permit.in_some_region),
                rule: verdict.as_ref().ok().map(|permit| permit.rule.to_owned()),
                missing: verdict.as_ref().err().map(ToString::to_string),
            });
        let access = Access {
            pods: name.to_owned(),
            namespace: plan.pod.namespace.clone(),
            service_account: plan.pod.service_account.clone(),
            overrides: mount.overrides.keys().cloned().collect(),
            identity: principal.name(),
            decision,
            objects: objects.collect(),
        };
        (access, problem)
    }
}

impl Mount {
    /// The plan of the class's parameters, overridden by the volume's, as in the driver.
    fn plan(&self, parameters: &BTreeMap<&str, &str>) -> Result<Plan, Problems> {
        let mut attributes = parameters.clone();
        attributes.extend(self.overrides.iter().map(|(key, value)| (&**key, &**value)));
        let input = Input {
            attributes: &serde_json::json!(attributes).to_string(),
            permission: "",
        };
        params::parse(&input, &STRICT)
    }
}
