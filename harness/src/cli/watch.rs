//! Reading the state file again when it changes.

use std::path::{Path, PathBuf};
use std::sync::Weak;
use std::thread;
use std::time::Duration;

use crate::cloud::FakeCloud;
use crate::lint;
use crate::state::State;

/// Watches a file for as long as the cloud lives. Its contents are compared, not its times: an editor that replaces
/// it, a ConfigMap that swaps a link, and two writes within one tick of the clock are all seen.
pub(super) fn watch(
    cloud: Weak<FakeCloud>,
    path: PathBuf,
    text: String,
    say: impl Fn(&str) + Send + 'static,
) {
    thread::spawn(move || {
        let mut last = Ok(text);
        loop {
            thread::sleep(INTERVAL);
            let Some(cloud) = cloud.upgrade() else { return };
            let now = std::fs::read_to_string(&path).map_err(|error| error.to_string());
            if now != last {
                say(&reload(&cloud, &path, &now));
                last = now;
            }
        }
    });
}

fn reload(cloud: &FakeCloud, path: &Path, text: &Result<String, String>) -> String {
    let path = path.display();
    let outcome = text.as_ref().map_err(Clone::clone).and_then(|text| {
        let state = State::from_yaml(text).map_err(|error| error.to_string())?;
        let mut report = format!("{path} is read again");
        for warning in lint::warnings(&state, text) {
            report.push_str(&format!("\nwarning: {warning}"));
        }
        cloud.replace_state(state);
        Ok(report)
    });
    outcome.unwrap_or_else(|problem| {
        format!("{path} changed and is not taken; what was read before stays: {problem}")
    })
}

const INTERVAL: Duration = Duration::from_millis(300);
