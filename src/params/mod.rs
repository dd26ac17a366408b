//! The parameter grammar: the text of a SecretProviderClass in, typed and checked values out, and back from
//! fetched values to files.
//!
//! [`parse`] reads the attributes that the driver sends with a mount and yields a [`Plan`]: which objects to
//! fetch, and which files they become. [`Plan::render`] turns the fetched values into those files. Both are
//! pure: no clock, no network, no environment. All checks that need no value happen in `parse`, before any
//! request goes out, and all problems are reported at once.
//!
//! The grammar is documented in `docs/parameters.md`; `docs/compatibility.md` lists where it decides otherwise
//! than the official provider. Out of scope: credentials, endpoints' allow-lists, and fetching.

#![deny(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::as_conversions,
    clippy::panic
)]
#![cfg_attr(
    test,
    allow(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::indexing_slicing,
        clippy::panic,
        reason = "a test that fails may panic"
    )
)]

mod encoding;
mod file_name;
mod names;
mod plan;
mod print;
mod problem;
mod read;
mod render;

pub use encoding::Encoding;
pub use file_name::FileName;
#[cfg(any(test, fuzzing))]
pub(crate) use file_name::Translation;
pub use names::{Endpoint, ExternalId, Mode, Region, RoleArn, Service, is_storage_gateway};
pub(crate) use plan::Part;
pub use plan::{CrossAccount, Object, Plan, PlannedFile, Pod};
pub use problem::{Place, Problem, Problems};
pub use read::{CLASS as CLASS_KEYS, OBJECT as OBJECT_KEYS, Options, PART as PART_KEYS, UnknownKeys};
pub use render::{RenderedFile, Room, Unrendered};

use read::{Attributes, Report};

/// What the driver sends with a mount, as text.
#[derive(Clone, Copy)]
pub struct Input<'a> {
    /// A JSON object, text to text: the parameters of the SecretProviderClass, overlaid with the pod's volume
    /// attributes and the kubelet's own keys. May hold service account tokens.
    pub attributes: &'a str,
    /// The default file mode: a JSON integer, decimal.
    pub permission: &'a str,
}

/// Reads and checks the parameters of one mount.
///
/// # Errors
/// Every problem found, each with the item, the field, the place in `objects` and the remedy. Never a value of
/// an attribute that may be secret.
pub fn parse(input: &Input<'_>, options: &Options) -> Result<Plan, Problems> {
    let (plan, warnings) = examine(input, options);
    plan.map(|plan| Plan { warnings, ..plan })
}

/// The same, with the warnings apart, so that there are warnings also beside problems.
pub fn examine(input: &Input<'_>, options: &Options) -> (Result<Plan, Problems>, Vec<Problem>) {
    let mut report = Report::new(*options);
    let plan = Attributes::parse(input.attributes, &mut report)
        .map(|attributes| read::plan(attributes, Mode::from_permission(input.permission), &mut report));
    match plan {
        Some(plan) if report.problems.is_empty() => (Ok(plan), report.warnings),
        _ => (Err(report.problems.sorted()), report.warnings),
    }
}

/// Whose attributes these are, and the name of the class, whatever else is wrong with them. Nothing if that cannot be
/// told.
pub fn whose(attributes: &str) -> Option<(Pod, String)> {
    let mut unread = Report::new(Options::default());
    Attributes::parse(attributes, &mut unread).map(|it| (it.pod, it.class_name))
}

#[cfg(test)]
mod properties;
#[cfg(test)]
mod tests;
