//! The engine's decisions, without threads, sockets or clocks: mounts come in, calls to make come out, their outcomes
//! come back, and mounts become complete.
//!
//! In order: [`Core::mount`] enters a mount; [`Core::next`] returns one call after another to make; [`Core::finish`]
//! takes each outcome; [`Core::complete`] returns the mounts that have all they can get; [`Core::leave`] takes a
//! mount's results, complete or not. The simulation runs this code.
//!
//! Each step has a file: `enter.rs`, `send.rs`, `finish.rs`, `leave.rs`. `exchange.rs` has their inputs and outputs,
//! `flight.rs` a call, `stale.rs` serving cached values in an outage, `state.rs` the shared state.

mod enter;
mod exchange;
mod feedback;
mod finish;
mod flight;
mod leave;
mod send;
mod stale;
mod state;
#[cfg(test)]
mod tests;

pub use exchange::{
    Attempt, Counts, Domain, Entered, FlightId, LaneSettings, Next, Origin, Outcome, PartyId, Settings,
    Settled, Want,
};
pub use state::Core;
