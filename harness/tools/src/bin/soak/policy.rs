//! The access policy, which is written anew while Mounts go on.

use std::fs;
use std::io;
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};

/// A namespace whose pods may read now, and now not.
pub(crate) const IN_TURN: &str = "in-turn";

/// What all pods may read, but for the namespaces that no rule is about.
const EVERYBODY: &str = r#"version: 1
rules:
- name: everybody
  subjects: [{namespace: default}, {namespace: rrsa-demo}]
  objects:
  - {service: kms, names: ["*"], crossAccountRoleArns: ["acs:ram::9999999999990000:role/*"]}
  - {service: oos, names: ["*"], crossAccountRoleArns: ["acs:ram::9999999999990000:role/*"]}
"#;

const AND_IN_TURN: &str = r#"- name: in turn
  subjects: [{namespace: in-turn}]
  objects: [{service: kms, names: ["soak-*"]}]
"#;

/// The policy's file.
pub(crate) struct Policy {
    file: PathBuf,
    turns: AtomicUsize,
}

/// How often the file was begun to be written, and how often that was finished.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Turns(usize);

impl Turns {
    /// Whether pods of [`IN_TURN`] may read; unknown while the file is written.
    pub(crate) fn is_permitted(self) -> Option<bool> {
        // Every other turn brings what is no policy, and the one before still holds.
        self.0.is_multiple_of(2).then_some(self.0 / 2 % 4 < 2)
    }
}

impl Policy {
    pub(crate) fn new(file: PathBuf) -> io::Result<Self> {
        fs::write(&file, format!("{EVERYBODY}{AND_IN_TURN}"))?;
        Ok(Self {
            file,
            turns: AtomicUsize::new(0),
        })
    }

    pub(crate) fn turns(&self) -> Turns {
        Turns(self.turns.load(Ordering::SeqCst))
    }

    /// The next in turn, every other tick: permitted, no policy, denied, no policy; as a new file, or into the old one.
    /// `look` makes the provider look, as it may have nothing else to do before the turn after.
    pub(crate) fn turn(&self, tick: usize, look: impl FnOnce()) -> io::Result<()> {
        if !tick.is_multiple_of(2) {
            return Ok(());
        }
        let next = self.turns.fetch_add(1, Ordering::SeqCst) / 2 + 1;
        let text = match next % 4 {
            0 => format!("{EVERYBODY}{AND_IN_TURN}"),
            2 => EVERYBODY.to_owned(),
            _ => format!("{EVERYBODY}{AND_IN_TURN}- name: [\n"),
        };
        if next.is_multiple_of(3) {
            fs::write(&self.file, text)?;
        } else {
            let new = self.file.with_extension("next");
            fs::write(&new, text)?;
            fs::rename(new, &self.file)?;
        }
        look();
        self.turns.fetch_add(1, Ordering::SeqCst);
        Ok(())
    }
}
