//! Concurrency primitives.

mod bounded_map;
mod cancellation;
mod context;
pub mod memory_budget;
mod semaphore;
mod single_flight;
mod token_bucket;

pub use bounded_map::BoundedMap;
pub use cancellation::Cancellation;
pub use context::CallContext;
pub use semaphore::{Permit, Semaphore};
pub use single_flight::SingleFlight;
pub use token_bucket::{Rate, TokenBucket};
