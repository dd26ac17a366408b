//! The access policy in its file: read anew when the file changes, and kept as it was while the file makes no sense.

use std::fs::{self, File, Metadata};
use std::io::{self, Read as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use super::{Decision, Identity, Missing, Permit, Policy, Question};
use crate::limits;
use crate::params::{Plan, Region};

/// The rule that permits an object, or what it lacks.
pub(crate) type Verdict = Result<String, String>;

/// Why the policy does not let a Mount go on.
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

/// A policy file. Nothing watches it: whoever asks looks whether the file is still the same, which is one system call.
#[derive(Debug)]
pub struct PolicyFile {
    path: PathBuf,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    seen: Option<Stamp>,
    policy: Option<Arc<Policy>>,
    problem: Option<String>,
}

/// What changes when a file is written or replaced, as a ConfigMap's files are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Stamp {
    file: (u64, u64),
    size: u64,
    modified: (i64, i64),
    changed: (i64, i64),
}

impl Stamp {
    fn of(metadata: &Metadata) -> Self {
        Self {
            file: (metadata.dev(), metadata.ino()),
            size: metadata.size(),
            modified: (metadata.mtime(), metadata.mtime_nsec()),
            changed: (metadata.ctime(), metadata.ctime_nsec()),
        }
    }
}

impl PolicyFile {
    /// The policy in the file at `path`, read when it is first asked for.
    pub fn new(path: PathBuf) -> Self {
        Self {
            path,
            state: Mutex::default(),
        }
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Whether the file is a policy as it stands now. If it is not, the last one that was still holds.
    ///
    /// # Errors
    /// What is wrong with it, in one line.
    pub fn check(&self) -> Result<(), String> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        self.look(&mut state);
        match &state.problem {
            Some(problem) => Err(self.wrong(problem, state.policy.is_some())),
            None => Ok(()),
        }
    }

    /// The policy that holds now.
    ///
    /// # Errors
    /// There has not been one since the provider started; why.
    pub fn current(&self) -> Result<Arc<Policy>, String> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        self.look(&mut state);
        let problem = state.problem.as_deref().unwrap_or_default();
        state.policy.clone().ok_or_else(|| self.wrong(problem, false))
    }

    fn look(&self, state: &mut State) {
        let stamp = fs::metadata(&self.path).map(|it| Stamp::of(&it)).ok();
        if stamp.is_some() && stamp == state.seen {
            return;
        }
        let outcome = read(&self.path);
        // Taken before the file was read: a change in between is seen the next time.
        state.seen = stamp;
        match outcome {
            Ok(policy) => {
                let rules = policy.rules.len();
                log::info!(
                    "access policy {}: {rules} rules hold from now on",
                    self.path.display()
                );
                state.policy = Some(Arc::new(policy));
                state.problem = None;
            }
            Err(problem) => {
                if state.problem.as_ref() != Some(&problem) {
                    log::error!("{}", self.wrong(&problem, state.policy.is_some()));
                }
                state.problem = Some(problem);
            }
        }
    }

    fn wrong(&self, problem: &str, holds: bool) -> String {
        let consequence = if holds {
            "the last policy that could be read still holds"
        } else {
            "until it is mended nobody may read with the provider's identity"
        };
        format!("access policy {}: {problem}; {consequence}", self.path.display())
    }

    /// What the policy says of each object, in the order of the plan; `None` if the Mount is exempt. The node is asked for
    /// its region if a rule depends on it.
    pub(crate) fn verdicts(
        &self,
        plan: &Plan,
        identity: Identity,
        region: impl FnOnce() -> Result<Region, String>,
    ) -> Result<Option<Vec<Verdict>>, Refusal> {
        let policy = match self.current() {
            Ok(policy) => policy,
            Err(_) if identity != Identity::Provider => return Ok(None),
            Err(problem) => return Err(Refusal::NoPolicy(problem)),
        };
        let in_some_region =
            |verdict: &Result<Permit<'_>, _>| verdict.as_ref().is_ok_and(|it| it.in_some_region);
        let mut verdicts = policy.verdicts(&Question::new(plan, identity, None));
        if verdicts.iter().flatten().any(in_some_region) {
            let region = region().map_err(Refusal::Region)?;
            verdicts = policy.verdicts(&Question::new(plan, identity, Some(region.as_str())));
        }
        let told = |verdict: Result<Permit<'_>, Missing>| match verdict {
            Ok(permit) => Ok(permit.to_string()),
            Err(missing) => Err(missing.to_string()),
        };
        Ok(verdicts.map(|verdicts| verdicts.into_iter().map(told).collect()))
    }

    /// Whether the plan may be carried out as `identity`. Nothing is asked of the cloud; the node is asked for its
    /// region if a rule depends on it.
    pub(crate) fn judge(
        &self,
        plan: &Plan,
        identity: Identity,
        region: impl FnOnce() -> Result<Region, String>,
    ) -> Result<(), Refusal> {
        let denied = |reason: String| Refusal::Rules {
            path: self.path.display().to_string(),
            reason,
        };
        let policy = match self.current() {
            Ok(policy) => policy,
            // No rule can put the pod's own identity under a policy that does not exist.
            Err(_) if identity != Identity::Provider => return Ok(()),
            Err(problem) => return Err(Refusal::NoPolicy(problem)),
        };
        let known;
        let mut decision = policy.decide(&Question::new(plan, identity, None));
        if decision == Decision::RegionNeeded {
            known = region().map_err(Refusal::Region)?;
            decision = policy.decide(&Question::new(plan, identity, Some(known.as_str())));
        }
        match decision {
            Decision::Exempt | Decision::Permitted => Ok(()),
            Decision::RegionNeeded => Err(denied("the region is not known".to_owned())),
            Decision::Denied(reason) => Err(denied(reason.to_string())),
        }
    }
}

fn read(path: &Path) -> Result<Policy, String> {
    let text = read_text(path).map_err(|error| format!("cannot be read: {error}"))?;
    Policy::parse(&text).map_err(|error| error.to_string())
}

fn read_text(path: &Path) -> io::Result<String> {
    // A pipe would hold us up.
    if !fs::metadata(path)?.is_file() {
        return Err(io::Error::other("not a file"));
    }
    let most = u64::try_from(limits::POLICY_BYTES).unwrap_or(u64::MAX);
    let mut text = String::new();
    File::open(path)?
        .take(most.saturating_add(1))
        .read_to_string(&mut text)?;
    Ok(text)
}

#[cfg(test)]
mod tests {
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
        assert!(rules(&file).is_err_and(|problem| problem.contains("nobody may read")));

        fs::write(&path, NOTHING).expect("write");
        assert_eq!((rules(&file), file.check()), (Ok(0), Ok(())));
        fs::write(&path, ONE).expect("rewrite");
        assert_eq!(rules(&file), Ok(1));

        fs::write(&path, "version: 2\n").expect("break");
        let problem = file.check().expect_err("broken");
        assert!(
            problem.contains("policy.yaml: line 1, column 10: version \"2\"")
                && problem.contains("still holds"),
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
        assert!(rules(&file).is_err_and(|problem| problem.contains("not a file")));
        let path = directory.path().join("large");
        fs::write(&path, " ".repeat(limits::POLICY_BYTES + 100)).expect("write");
        let file = PolicyFile::new(path);
        assert!(rules(&file).is_err_and(|problem| problem.contains("limit of 262144")));
    }
}
