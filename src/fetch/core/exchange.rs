//! What the engine is given, and what it gives.

use std::hash::Hash;
use std::time::{Duration, Instant};

use crate::fetch::retry::FailureClass;
use crate::params::Service;

/// What the engine moves about. The provider's own is about cloud calls; a simulation has a smaller one.
pub trait Domain {
    /// What is asked for, and as whom: requests of one key may share one answer.
    type Key: Clone + Eq + Hash;
    /// What it takes to make the call.
    type Job: Clone;
    /// What a call brings.
    type Value: Clone;
    /// Why it brings nothing.
    type Error: Clone;

    /// The secret that a key is about, whatever the version, the stage and the identity.
    fn secret(key: &Self::Key) -> impl Eq + Hash {
        key
    }
}

/// How much at once, how fast, and how long copies are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settings {
    /// For KMS.
    pub kms: LaneSettings,
    /// For OOS.
    pub oos: LaneSettings,
    /// Volumes that ask again may get what was read so recently; nothing switches that off.
    pub refresh_interval: Duration,
    /// Most bytes of such copies.
    pub copies_bytes: usize,
    /// When the cloud is out of reach or throttles, what was read so recently may serve; nothing switches that off.
    pub serve_stale_for: Duration,
    /// Most bytes of what is kept for that.
    pub stale_bytes: usize,
}

/// Limits of one service.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LaneSettings {
    /// Calls under way at once.
    pub pulls: usize,
    /// Calls started per second, with a burst of twice as many; 0 for no limit.
    pub per_second: u32,
}

/// A Mount that waits, or has not taken its results yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PartyId(pub(in crate::fetch) u64);

/// A call, through all of its tries.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FlightId(pub(in crate::fetch) u64);

/// One value that a Mount wants.
pub struct Want<D: Domain> {
    /// The lane.
    pub service: Service,
    /// What and as whom.
    pub key: D::Key,
    /// How to get it, if a call is needed; or why no call can be made at present, as credentials are out of reach.
    pub job: Result<D::Job, D::Error>,
}

/// A Mount that has entered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entered {
    /// Its name from now on.
    pub party: PartyId,
    /// Whether its volume is known to have been mounted.
    pub is_repeated: bool,
    /// Where each value comes from, in the order of the wants.
    pub origins: Vec<Origin>,
}

/// Where a value comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// A call of its own.
    Call,
    /// A shared copy.
    Copy,
    /// A call that somebody else has asked for.
    Joined,
    /// No call can be made.
    Nobody,
}

/// What to do now.
pub enum Next<D: Domain> {
    /// Make this call, on a thread of its own, and [`Core::finish`](super::Core::finish) it.
    Call(Attempt<D>),
    /// Ask again at that time, or when something changed.
    At(Instant),
    /// Ask again when something changed.
    Nothing,
}

/// One try of a call.
pub struct Attempt<D: Domain> {
    /// Which call.
    pub flight: FlightId,
    /// Which service.
    pub service: Service,
    /// Which try it is, from 1.
    pub number: u32,
    /// How to make it.
    pub job: D::Job,
    /// When the last of those who wait gives up.
    pub deadline: Instant,
}

/// How a try ended.
pub enum Outcome<D: Domain> {
    /// With a value that takes so many bytes.
    Value(D::Value, usize),
    /// With an error.
    Failed {
        /// The error, for those who wait.
        error: D::Error,
        /// What it says about another try.
        class: FailureClass,
        /// How long the gateway said to wait.
        hint: Option<Duration>,
    },
    /// The credentials had ended; here is the call with fresh ones, to be tried at once.
    Renewed(D::Job),
}

/// What became of one value that a Mount wanted.
pub enum Settled<D: Domain> {
    /// It has been read.
    Value(D::Value),
    /// The cloud is out of reach or throttles, and this was read a while ago.
    Stale {
        /// What was read.
        value: D::Value,
        /// When, at the earliest.
        read: Instant,
        /// Why there is nothing newer, if a call has failed.
        error: Option<D::Error>,
    },
    /// It has not, and will not be.
    Failed(D::Error),
    /// The Mount left before the outcome.
    Unfinished,
    /// Not asked for, as the cloud is out of reach for others of the same Mount.
    Skipped,
    /// It has been read, and is too much beside the others of the same Mount.
    TooMuch,
}

/// What has been counted since the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Calls made, every try counted.
    pub calls: u64,
    /// Those of them that were tries after the first.
    pub retries: u64,
    /// Answers that said too many calls.
    pub throttled: u64,
    /// Values that came from a call somebody else had asked for.
    pub joined: u64,
    /// Values that came from a shared copy.
    pub copies: u64,
    /// Values that were read before and served in an outage.
    pub stale: u64,
    /// Retries that were not made for want of budget.
    pub unaffordable: u64,
}
