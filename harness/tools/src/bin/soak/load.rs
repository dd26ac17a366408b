//! What was done, and what went wrong.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::AtomicU64;
use std::time::Instant;

use harness::driver::{Code, MountResponse, Status};

use crate::RIGHT_PERCENT;
use crate::values::Values;
use crate::volume::{Expected, Right};

/// Right Mounts that only an outage allows.
const STALE: &str = "served from before an outage";

pub(crate) struct Load {
    pub(crate) made: AtomicU64,
    /// Whether a call may fail because the cloud does.
    pub(crate) faults: bool,
    counts: Mutex<BTreeMap<&'static str, u64>>,
    problems: Mutex<Vec<String>>,
}

impl Load {
    pub(crate) fn new(faults: bool) -> Self {
        Self {
            made: AtomicU64::new(0),
            faults,
            counts: Mutex::default(),
            problems: Mutex::default(),
        }
    }

    pub(crate) fn count(&self, what: &'static str) {
        *self
            .counts
            .lock()
            .expect("no code panics while it counts")
            .entry(what)
            .or_default() += 1;
    }

    /// Notes the first few.
    pub(crate) fn problem(&self, problem: String) {
        let mut problems = self.problems.lock().expect("no code panics while it notes");
        if problems.len() < 10 {
            problems.push(problem);
        }
    }

    /// Judges the answer to a Mount that began then.
    pub(crate) fn judge(
        &self,
        values: &Values,
        expected: &Expected,
        began: Instant,
        number: u64,
        result: Result<MountResponse, Status>,
    ) {
        match result {
            Ok(response) => match expected.check(values, began, &response) {
                Ok(right) => {
                    self.count("right");
                    self.count(expected.identity);
                    if right == Right::Stale {
                        self.count(STALE);
                    }
                }
                Err(problem) => self.problem(format!("Mount {number} {}: {problem}", expected.identity)),
            },
            Err(status) if expected.refused == Some(status.code()) => self.count("refused as asked"),
            // The server's own words, which name an object; never one of the codes that kubelet would misread.
            Err(status) if self.faults && status.code() == Code::Internal => self.count("disturbed"),
            Err(status) => self.problem(format!("Mount {number} {}: {status}", expected.identity)),
        }
    }

    pub(crate) fn summary(&self) -> String {
        let counts = self.counts.lock().expect("no code panics while it counts");
        let words: Vec<String> = counts
            .iter()
            .map(|(what, count)| format!("{count} {what}"))
            .collect();
        words.join(", ")
    }

    pub(crate) fn problems(&self) -> Vec<String> {
        let counts = self.counts.lock().expect("no code panics while it counts");
        let count = |what: &str| counts.get(what).copied().unwrap_or_default();
        let mut problems = self
            .problems
            .lock()
            .expect("no code panics while it notes")
            .clone();
        let (right, disturbed) = (count("right"), count("disturbed"));
        if right * 100 < (right + disturbed) * RIGHT_PERCENT {
            problems.push(format!("less than {RIGHT_PERCENT} of 100 Mounts were right"));
        }
        let stale = self.faults.then_some(STALE);
        for kind in crate::volume::IDENTITIES
            .into_iter()
            .chain(crate::clients::KINDS)
            .chain(stale)
        {
            if count(kind) == 0 {
                problems.push(format!("nothing was \"{kind}\": the load was too short"));
            }
        }
        problems
    }
}
