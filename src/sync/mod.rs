//! Small machines of concurrency, each once: shared by whoever needs them.

mod cancellation;
pub mod memory_budget;
mod semaphore;
mod single_flight;

pub use cancellation::Cancellation;
pub use semaphore::{Permit, Semaphore};
pub use single_flight::SingleFlight;
