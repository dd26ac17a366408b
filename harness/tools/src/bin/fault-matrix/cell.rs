//! One cell: a call, a fault, and a Mount that meets it.

use std::fmt;
use std::path::Path;
use std::thread;
use std::time::Duration;

use harness::driver::{Code, Status};
use harness::{Fault, FaultRule, Service};

use crate::call::{Again, CALLS, Call, Setting};
use crate::fault::{Column, Meaning, columns};
use crate::oracle::{self, Due, NEW, NEWEST, OLD};
use crate::rest::{self, Rest};
use crate::world::{Generations, Keep, Outcome, World};

/// For how many seconds what ends within a cell is kept.
const SHORTLY: u64 = 1;

/// For how many seconds what outlives a cell is kept.
const AN_HOUR: u64 = 3600;

/// Longer than a ServiceAccount's annotation is taken for true.
const ANNOTATION_AGE: Duration = Duration::from_secs(31);

/// Part of the log message about cached values served in an outage.
const SERVED_WORDS: &str = "were read before the outage";

#[derive(Clone, Debug)]
pub(crate) struct Cell {
    pub(crate) call: Call,
    pub(crate) column: Column,
    pub(crate) phase: Phase,
}

/// Which Mount of a volume meets the fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Phase {
    /// The first.
    First,
    /// A later one, which reads from the cloud as every Mount does without shared copies.
    Republish,
    /// A later one, when the shared copy of the first is too old to be used.
    Copy,
    /// A later one, and another pod's first, while what was read is kept for outages.
    Outage,
    /// The same when what is kept has become too old.
    Over,
}

impl Phase {
    pub(crate) const ALL: [Self; 5] = [Self::First, Self::Republish, Self::Copy, Self::Outage, Self::Over];

    /// Whether there is such a cell.
    fn has(self, call: &Call, column: &Column) -> bool {
        match self {
            Self::First | Self::Republish => true,
            // Copies are kept of what KMS and OOS answer.
            Self::Copy => call.again == Again::Always,
            Self::Outage => call.again != Again::Kept,
            Self::Over => {
                call.again != Again::Kept && matches!(oracle::due(call, column, Self::Outage), Due::Served(_))
            }
        }
    }

    fn keep(self) -> Keep {
        match self {
            Self::First | Self::Republish => Keep::NOTHING,
            Self::Copy => Keep {
                shared: SHORTLY,
                outage: 0,
            },
            Self::Outage => Keep {
                shared: 0,
                outage: AN_HOUR,
            },
            Self::Over => Keep {
                shared: 0,
                outage: SHORTLY,
            },
        }
    }

    fn is_of_outages(self) -> bool {
        matches!(self, Self::Outage | Self::Over)
    }
}

/// What decides what a provider holds at rest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Resting {
    pub(crate) setting: Setting,
    /// Whether it keeps values for outages: a thread looks after them.
    pub(crate) keeps: bool,
}

impl Resting {
    pub(crate) fn keep(self) -> Keep {
        if self.keeps {
            Phase::Outage.keep()
        } else {
            Keep::NOTHING
        }
    }
}

/// How a cell ended that ended as it should.
pub(crate) struct Seen {
    /// How the Mount that met the fault failed, if it did.
    pub(crate) code: Option<Code>,
    /// Whether it was served what was kept.
    pub(crate) served: bool,
    /// Whether it met the fault.
    pub(crate) struck: bool,
}

impl Cell {
    /// All of them: each phase row by row, so that those at even distances are some of each.
    pub(crate) fn all() -> Vec<Self> {
        let mut cells = Vec::new();
        for phase in Phase::ALL {
            for call in CALLS {
                let columns = columns(call).into_iter().filter(|column| phase.has(call, column));
                cells.extend(columns.map(|column| Self {
                    call: *call,
                    column,
                    phase,
                }));
            }
        }
        cells
    }

    /// What it holds at rest is what such a provider holds without a fault.
    pub(crate) fn rests_as(&self) -> Resting {
        Resting {
            setting: self.call.setting,
            keeps: self.phase == Phase::Outage,
        }
    }

    /// Runs it. `rest` is what a provider that [`Self::rests_as`] this holds at rest without a fault.
    pub(crate) fn run(&self, binary: &Path, rest: Rest) -> Result<Seen, String> {
        let Self { call, column, phase } = self;
        let world = World::start(binary, call.setting, phase.keep())?;
        world.fill(OLD);
        if *phase != Phase::First {
            self.first_mount(&world)?;
            world.fill(NEW);
        }
        if column.is_handshake() {
            world.cloud.close_connections();
            rest::await_closed(&world)?;
        }
        let (outcomes, struck) = self.mount_with_fault(&world)?;
        let mut code = None;
        for outcome in &outcomes {
            code = self.judge(outcome)?;
        }
        if self.must_strike() && !struck {
            return Err("the fault strikes nothing".to_owned());
        }
        let due = oracle::due(call, column, *phase);
        let served = *phase == Phase::Outage && matches!(due, Due::Served(_));
        if served && !world.provider.logs(SERVED_WORDS) {
            return Err("the log does not say that it is an outage".to_owned());
        }
        if *phase == Phase::Outage && column.meaning == Meaning::Definite && oracle::ends_what_is_kept(call) {
            self.must_be_gone(&world)?;
        }
        if !served && world.provider.log().contains(SERVED_WORDS) {
            return Err(format!(
                "something was served from before: {}",
                world.provider.log()
            ));
        }
        world.lift(call.setting);
        if *phase == Phase::Copy {
            thread::sleep(Duration::from_secs(SHORTLY) + Duration::from_millis(100));
        }
        let now = Generations::both(match (column.rotated, phase) {
            (true, _) => NEWEST,
            (false, Phase::First) => OLD,
            (false, _) => NEW,
        });
        match world
            .mount()
            .map_err(|problem| format!("after the fault: {problem}"))?
        {
            Outcome::Files(seen) if seen == now => {}
            other => return Err(format!("after the fault is gone: {other:?}")),
        }
        rest.await_again(&world)?;
        if world.provider.log().contains("panicked") {
            return Err(format!("a panic: {}", world.provider.log()));
        }
        Ok(Seen { code, served, struck })
    }

    /// Judges the Mount that met the fault; the code, if it failed.
    fn judge(&self, outcome: &Outcome) -> Result<Option<Code>, String> {
        let Self { call, column, phase } = self;
        if phase.is_of_outages() {
            let due = oracle::due(call, column, *phase);
            if !due.is_met_by(outcome) {
                return Err(format!("{due:?} was due, and there was {outcome:?}"));
            }
        }
        match outcome {
            Outcome::Failed(status) => self.names_the_step(status).map(Some),
            Outcome::Files(_) if phase.is_of_outages() => Ok(None),
            Outcome::Files(seen) => {
                let before = if *phase == Phase::First { OLD } else { NEW };
                // Which of the two a Mount reads that a rotation overtakes is up to it.
                let is_due = |seen| seen == before || (column.rotated && seen == NEWEST);
                if !is_due(seen.kms) || !is_due(seen.oos) {
                    return Err(format!("values of generation {seen:?}, and {before} is due"));
                }
                Ok(None)
            }
        }
    }

    fn names_the_step(&self, status: &Status) -> Result<Code, String> {
        if self
            .call
            .says
            .iter()
            .any(|words| status.message().contains(words))
        {
            return Ok(status.code());
        }
        Err(format!("the message names no step: {status}"))
    }

    /// A Mount without a fault, after which the call that the cell is about is due again.
    fn first_mount(&self, world: &World) -> Result<(), String> {
        // Credentials that are due, but for a while still good; or that have ended, as only then an outage of STS
        // or metadata is felt.
        let left = if self.phase.is_of_outages() { 2 } else { 100 };
        let end = now() + jiff::SignedDuration::from_secs(left);
        let soon = self.call.end_at(end).map(|rule| world.cloud.inject(rule));
        match world.mount()? {
            Outcome::Files(_) => {}
            Outcome::Failed(status) => {
                return Err(format!("the first Mount fails without a fault: {status}"));
            }
        }
        if let Some(soon) = soon {
            world.cloud.release(soon);
            if self.phase.is_of_outages() {
                thread::sleep(Duration::from_secs(3));
            }
        }
        if self.call.again == Again::HalfMinute {
            thread::sleep(ANNOTATION_AGE);
        }
        if matches!(self.phase, Phase::Copy | Phase::Over) {
            thread::sleep(Duration::from_secs(SHORTLY) + Duration::from_millis(100));
        }
        Ok(())
    }

    /// The Mounts that meet the fault, and whether they did.
    fn mount_with_fault(&self, world: &World) -> Result<(Vec<Outcome>, bool), String> {
        let mut rule = self.call.rule(self.column.fault.clone());
        rule.times = self.column.once.then_some(1);
        let fault = world.cloud.inject(rule);
        if !self.column.rotated {
            // What strikes once strikes one of two.
            let outcomes = if self.phase.is_of_outages() && !self.column.once {
                world.mount_both()?
            } else {
                vec![world.mount()?]
            };
            return Ok((outcomes, world.cloud.struck(fault) > 0));
        }
        thread::scope(|scope| {
            let mount = scope.spawn(|| world.mount());
            while world.cloud.struck(fault) == 0 && !mount.is_finished() {
                thread::sleep(Duration::from_millis(1));
            }
            let struck = world.cloud.struck(fault) > 0;
            world.fill(NEWEST);
            world.cloud.release(fault);
            let outcome = mount.join().map_err(|_| "a panic of the matrix".to_owned())?;
            Ok((vec![outcome?], struck))
        })
    }

    /// What was refused serves nobody any more, though an outage follows.
    fn must_be_gone(&self, world: &World) -> Result<(), String> {
        world.lift(self.call.setting);
        for service in [Service::Kms, Service::Oos, Service::Sts] {
            let unavailable = Fault::error(503, "ServiceUnavailable", "as the matrix wants it");
            world.cloud.inject(FaultRule::new(unavailable).service(service));
        }
        match world.mount()? {
            Outcome::Failed(_) => Ok(()),
            Outcome::Files(seen) => Err(format!("what was refused is served in the next outage: {seen:?}")),
        }
    }

    /// Whether the Mount certainly makes the call. A fault in a handshake strikes whichever call comes first.
    fn must_strike(&self) -> bool {
        self.phase == Phase::First || self.call.again != Again::Kept
    }
}

impl fmt::Display for Cell {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}, {}, {:?}", self.call.name, self.column.name, self.phase)
    }
}

/// The machine's time, by which credentials end.
#[expect(clippy::disallowed_methods, reason = "credentials end by the machine's time")]
fn now() -> jiff::Timestamp {
    jiff::Timestamp::now()
}
