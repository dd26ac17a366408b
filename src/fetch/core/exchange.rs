//! Inputs and outputs of the engine.

use std::hash::Hash;
use std::time::{Duration, Instant};

use crate::fetch::retry::FailureClass;
use crate::params::Service;

/// The types that the engine handles. The provider's own are for cloud calls; the simulation has smaller ones.
pub trait Domain {
    /// The request and its identity: requests with the same key may share one answer.
    type Key: Clone + Eq + Hash;
    /// Everything needed to make the call.
    type Job: Clone;
    /// The result of a call.
    type Value: Clone;
    /// Why a call failed.
    type Error: Clone;
    /// The host that a call goes to.
    type Endpoint: Clone + Eq + Hash;
    /// Whose credentials sign a call.
    type Identity: Clone + Eq + Hash;

    /// The endpoint of a request.
    fn endpoint(key: &Self::Key) -> Self::Endpoint;

    /// The identity of a request.
    fn identity(key: &Self::Key) -> Self::Identity;

    /// The secret that a key refers to, whatever the version, the stage and the identity.
    fn secret(key: &Self::Key) -> impl Eq + Hash {
        key
    }
}

/// Concurrency, rate, and how long copies are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settings {
    /// For KMS.
    pub kms: LaneSettings,
    /// For OOS.
    pub oos: LaneSettings,
    /// Repeated mounts may reuse values read within this time; 0 disables it.
    pub refresh_interval: Duration,
    /// Maximum size of these copies in bytes.
    pub copies_bytes: usize,
    /// When the cloud is unavailable or throttles, values read within this time may be served; 0 disables it.
    pub serve_stale_for: Duration,
    /// Maximum size of the values kept for outages, in bytes.
    pub stale_bytes: usize,
}

/// Limits of one service.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LaneSettings {
    /// Maximum number of concurrent calls.
    pub pulls: usize,
    /// Calls started per second; bursts up to twice that; 0 disables the limit.
    pub per_second: u32,
}

/// A mount that waits, or has not taken its results yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PartyId(pub(in crate::fetch) u64);

/// A call with all its attempts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FlightId(pub(in crate::fetch) u64);

/// One value that a mount requests.
pub struct Want<D: Domain> {
    /// The lane.
    pub service: Service,
    /// The request and its identity.
    pub key: D::Key,
    /// How to make the call, if one is needed; or why none can be made at present, because there are no credentials.
    pub job: Result<D::Job, D::Error>,
}

/// A mount that has entered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entered {
    /// Its id.
    pub party: PartyId,
    /// Whether its volume is known to have been mounted.
    pub is_repeated: bool,
    /// Origin of each value, in the order of the requests.
    pub origins: Vec<Origin>,
}

/// Origin of a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// A new call.
    Call,
    /// A shared copy.
    Copy,
    /// A call that another mount has requested.
    Joined,
    /// No call can be made.
    Nobody,
}

/// The next thing to do.
pub enum Next<D: Domain> {
    /// Make this call, on a thread of its own, then call [`Core::finish`](super::Core::finish).
    Call(Attempt<D>),
    /// Ask again at that time, or after a change.
    At(Instant),
    /// Ask again after a change.
    Nothing,
}

/// One attempt of a call.
pub struct Attempt<D: Domain> {
    /// Which call.
    pub flight: FlightId,
    /// Which service.
    pub service: Service,
    /// The number of the attempt, from 1.
    pub number: u32,
    /// How to make the call.
    pub job: D::Job,
    /// When the last waiting mount gives up.
    pub deadline: Instant,
}

/// The outcome of an attempt.
pub enum Outcome<D: Domain> {
    /// A value and its size in bytes.
    Value(D::Value, usize),
    /// An error.
    Failed {
        /// The error, for the waiting mounts.
        error: D::Error,
        /// Whether to retry.
        class: FailureClass,
        /// The wait that the gateway asked for.
        hint: Option<Duration>,
    },
    /// The credentials had expired; this is the call with fresh ones, to be made at once.
    Renewed(D::Job),
}

/// The result of one value that a mount requested.
pub enum Settled<D: Domain> {
    /// It has been read.
    Value(D::Value),
    /// The cloud is unavailable or throttles, and this value was read earlier.
    Stale {
        /// The value.
        value: D::Value,
        /// When it was read, at the earliest.
        read: Instant,
        /// Why there is no newer value, if a call has failed.
        error: Option<D::Error>,
    },
    /// It could not be read.
    Failed(D::Error),
    /// The mount left before the outcome.
    Unfinished,
    /// Not requested, because the cloud is unavailable for others of the same mount.
    Skipped,
    /// It was read, but is too large together with the others of the same mount.
    TooMuch,
}

/// Counters since the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Calls made, including retries.
    pub calls: u64,
    /// Retries.
    pub retries: u64,
    /// Throttled answers.
    pub throttled: u64,
    /// Values from a call that another mount had requested.
    pub joined: u64,
    /// Values from a shared copy.
    pub copies: u64,
    /// Cached values served in an outage.
    pub stale: u64,
    /// Retries not made because the retry budget was used up.
    pub unaffordable: u64,
}
