//! The access policy in its file: read again when the file changes; the last valid policy stays in force.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::decide::{Decision, Question};
use super::model::{Policy, Principal};
use crate::diagnostic::Diagnostic;
use crate::limits;
use crate::os::file::{self, Seen, WatchedFile};
use crate::params::{Plan, Region};
use crate::secret::Secret;

/// The rule that permits an object, or what it lacks.
pub(crate) type Verdict = Result<String, String>;

/// Why the policy does not let a mount go on.
#[derive(Debug)]
pub(crate) enum Refusal {
    /// There has been no policy that could be read since the provider started; why.
    NoPolicy(String),
    /// The decision depends on the node's region, which is not known; why.
    Region(String),
    /// The rules deny it.
    Rules {
        /// The policy's file.
        path: String,
        /// What is missing.
        reason: String,
    },
}

/// A policy file.
#[derive(Debug)]
pub struct PolicyFile(WatchedFile<Arc<Policy>>);

impl PolicyFile {
    /// The policy in the file at `path`, read when it is first asked for.
    pub fn new(path: PathBuf) -> Self {
        Self(WatchedFile::new(path))
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        self.0.path()
    }

    /// Whether the file is a policy as it stands now. If it is not, the last valid one stays in force.
    ///
    /// # Errors
    /// What is wrong with it, in one line.
    pub fn check(&self) -> Result<(), String> {
        let seen = self.look();
        let wrong = |problem: String| self.wrong(&problem, seen.value.is_some());
        seen.problem.map_or(Ok(()), |problem| Err(wrong(problem)))
    }

    /// The policy that holds now.
    ///
    /// # Errors
    /// There has not been one since the provider started; why.
    pub fn current(&self) -> Result<Arc<Policy>, String> {
        let seen = self.look();
        let problem = seen.problem.unwrap_or_default();
        seen.value.ok_or_else(|| self.wrong(&problem, false))
    }

    fn look(&self) -> Seen<Arc<Policy>> {
        let seen = self.0.look(limits::POLICY_BYTES, |bytes| {
            parsed(bytes).map(Arc::new).map_err(|wrong| wrong.to_string())
        });
        match (&seen.problem, &seen.value) {
            _ if !seen.is_news => {}
            (Some(problem), value) => log::error!("{}", self.wrong(problem, value.is_some())),
            (None, policy) => {
                let rules = policy.as_ref().map_or(0, |policy| policy.rules.len());
                let path = self.path().display();
                log::info!("access policy {path}: loaded {rules} rules");
            }
        }
        seen
    }

    fn wrong(&self, problem: &str, holds: bool) -> String {
        let consequence = if holds {
            "the last valid policy stays in force"
        } else {
            "until it is fixed, no pod may read with the provider's identity"
        };
        let path = self.path().display();
        format!("access policy {path}: {problem}; {consequence}")
    }

    /// What the policy says of each object, in the order of the plan; `None` if the mount is exempt. The node is asked for
    /// its region if a rule depends on it.
    pub(crate) fn verdicts(
        &self,
        plan: &Plan,
        principal: Principal,
        region: impl FnOnce() -> Result<Region, String>,
    ) -> Result<Option<Vec<Verdict>>, Refusal> {
        self.ask(plan, principal, region, |policy, question| {
            let verdicts = policy.verdicts(question)?;
            let is_open = verdicts.iter().flatten().any(|permit| permit.in_some_region);
            let told = verdicts.into_iter();
            let told = told.map(|it| it.map(|it| it.to_string()).map_err(|it| it.to_string()));
            Some((told.collect(), is_open))
        })
    }

    /// Whether the plan may be carried out as `principal`. Nothing is asked of the cloud; the node is asked for its
    /// region if a rule depends on it.
    pub(crate) fn judge(
        &self,
        plan: &Plan,
        principal: Principal,
        region: impl FnOnce() -> Result<Region, String>,
    ) -> Result<(), Refusal> {
        let decision = self.ask(plan, principal, region, |policy, question| {
            let decision = policy.decide(question);
            let is_open = decision == Decision::RegionNeeded;
            Some((decision, is_open))
        })?;
        let reason = match decision {
            None | Some(Decision::Exempt | Decision::Permitted) => return Ok(()),
            Some(Decision::RegionNeeded) => "the region is not known".to_owned(),
            Some(Decision::Denied(reason)) => reason,
        };
        let path = self.path().display().to_string();
        Err(Refusal::Rules { path, reason })
    }

    /// What `answer` makes of the policy and a question; if it says that this is open, with the node's region in it. Nothing
    /// if there is no policy, and none is needed.
    fn ask<T>(
        &self,
        plan: &Plan,
        principal: Principal,
        region: impl FnOnce() -> Result<Region, String>,
        answer: impl Fn(&Policy, &Question<'_>) -> Option<(T, bool)>,
    ) -> Result<Option<T>, Refusal> {
        let policy = match self.current() {
            Ok(policy) => policy,
            // No rule can put the pod's own identity under a policy that does not exist.
            Err(_) if principal != Principal::Provider => return Ok(None),
            Err(problem) => return Err(Refusal::NoPolicy(problem)),
        };
        let ask = |region| {
            let question = Question {
                plan,
                principal,
                region,
            };
            answer(&policy, &question)
        };
        let answered = match ask(None) {
            Some((_, true)) => ask(Some(&region().map_err(Refusal::Region)?)),
            answered => answered,
        };
        Ok(answered.map(|(answer, _)| answer))
    }
}

/// The policy that is in the file at `path` now.
pub(crate) fn read(path: &Path) -> Result<Policy, Diagnostic> {
    parsed(file::read(path, limits::POLICY_BYTES))
}

fn parsed(bytes: io::Result<Secret>) -> Result<Policy, Diagnostic> {
    let bytes = bytes.map_err(|error| Diagnostic::new(format!("cannot be read: {error}"), ""))?;
    let text = bytes
        .expose_str()
        .ok_or_else(|| Diagnostic::new("it is not UTF-8", ""))?;
    Policy::parse(text)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    const NOTHING: &str = "version: 1\nrules: []\n";
    const ONE: &str = "version: 1\nrules: [{name: a, subjects: [{namespace: n}], objects: []}]\n";

    fn rules(file: &PolicyFile) -> Result<usize, String> {
        file.current().map(|policy| policy.rules.len())
    }

    #[test]
    fn read_anew_when_replaced_or_rewritten_and_kept_when_broken() {
        let directory = tempfile::tempdir().expect("directory");
        let path = directory.path().join("policy.yaml");
        let file = PolicyFile::new(path.clone());
        assert!(rules(&file).is_err_and(|problem| problem.contains("no pod may read")));

        fs::write(&path, NOTHING).expect("write");
        assert_eq!((rules(&file), file.check()), (Ok(0), Ok(())));
        fs::write(&path, ONE).expect("rewrite");
        assert_eq!(rules(&file), Ok(1));

        fs::write(&path, "version: 2\n").expect("break");
        let problem = file.check().expect_err("broken");
        assert!(
            problem.contains("policy.yaml: line 1, column 10: version of the policy: \"2\"")
                && problem.contains("stays in force"),
            "{problem}"
        );
        assert_eq!(rules(&file), Ok(1));

        let next = directory.path().join("next");
        fs::write(&next, NOTHING).expect("write");
        fs::rename(&next, &path).expect("replace");
        assert_eq!((rules(&file), file.check()), (Ok(0), Ok(())));

        fs::remove_file(&path).expect("remove");
        assert!(file.check().is_err());
        assert_eq!(rules(&file), Ok(0));
    }

    /// As kubelet swaps a ConfigMap: by a link to another directory.
    #[test]
    fn a_config_map() {
        let directory = tempfile::tempdir().expect("directory");
        let at = |name: &str| directory.path().join(name);
        for (name, text) in [("v1", NOTHING), ("v2", ONE)] {
            fs::create_dir(at(name)).expect("directory");
            fs::write(at(name).join("policy.yaml"), text).expect("write");
        }
        std::os::unix::fs::symlink("v1", at("..data")).expect("link");
        std::os::unix::fs::symlink("..data/policy.yaml", at("policy.yaml")).expect("link");
        let file = PolicyFile::new(at("policy.yaml"));
        assert_eq!(rules(&file), Ok(0));
        std::os::unix::fs::symlink("v2", at("next")).expect("link");
        fs::rename(at("next"), at("..data")).expect("swap");
        assert_eq!(rules(&file), Ok(1));
    }

    #[test]
    fn what_is_no_file_or_too_much() {
        let directory = tempfile::tempdir().expect("directory");
        let file = PolicyFile::new(directory.path().to_owned());
        assert!(rules(&file).is_err_and(|problem| problem.contains("not a regular file")));
        let path = directory.path().join("large");
        fs::write(&path, " ".repeat(limits::POLICY_BYTES + 100)).expect("write");
        let file = PolicyFile::new(path);
        assert!(rules(&file).is_err_and(|problem| problem.contains("longer than 262144")));
    }
}
