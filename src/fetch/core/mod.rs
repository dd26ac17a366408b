//! The engine's decisions, without threads, sockets or clocks: Mounts come in, calls to make come out, their
//! outcomes come back, and Mounts are complete.
//!
//! In order: [`Core::mount`] enters a Mount; [`Core::next`] gives one call after another to make; [`Core::finish`]
//! takes each outcome; [`Core::complete`] tells which Mounts have all they can get; [`Core::leave`] takes a Mount's
//! results, complete or not. The simulation runs this very code.
//!
//! A file for each of these ways: `enter.rs`, `send.rs`, `finish.rs`, `leave.rs`. `exchange.rs` has what is given and
//! taken on them, `flight.rs` a call, `stale.rs` what stands in during an outage. `state.rs` has the state that they share.

mod enter;
mod exchange;
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
