//! From the attributes that the driver sends to a plan: JSON, YAML and the grammar of both.

mod attributes;
mod class;
mod fields;
mod keys;
mod miswritten;
mod object;
mod parts;
mod report;

pub use keys::{CLASS, OBJECT, PART};
pub use report::{Options, UnknownKeys};

pub(super) use attributes::Attributes;
pub(super) use class::plan;
pub(super) use report::Report;
