//! What must hold of any file that is validated: for the fuzzer, and for a replay of its seeds.

use super::driver_rules::driver_accepts;
use crate::commands::validate::{Finding, examine};
use crate::limits;

/// A file of manifests.
pub(super) fn validate(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let report = examine("-", &text, None);
    // A lone carriage return breaks a line of YAML too.
    let lines = text.split(['\n', '\r']).count();
    let inside = |finding: &Finding| {
        assert!((1..=lines + 1).contains(&finding.line), "{finding:?}");
        assert!(finding.column >= 1 && !finding.text.is_empty(), "{finding:?}");
    };
    report.errors.iter().for_each(inside);
    for class in &report.classes {
        for list in [&class.errors, &class.warnings, &class.notes] {
            assert!(list.len() <= 3 * limits::PROBLEMS + 1, "{}", list.len());
            list.iter().for_each(inside);
        }
        assert!(class.errors.is_empty() || class.files.is_empty());
        for file in class.files.iter().filter(|file| !file.keys) {
            assert!(driver_accepts(&file.path), "{:?}", file.path);
        }
    }
    let printed = serde_json::to_string(&report);
    assert!(printed.is_ok());
}
