//! One cell: a call, a fault, and a Mount that meets it.

use std::fmt;
use std::path::Path;
use std::thread;
use std::time::Duration;

use harness::driver::Code;

use crate::call::{Again, CALLS, Call};
use crate::fault::{Column, columns};
use crate::rest::{self, Rest};
use crate::world::{Outcome, World};

/// How long shared copies live in [`Phase::Copy`].
const REFRESH_SECONDS: u64 = 1;

/// Longer than a ServiceAccount's annotation is taken for true.
const ANNOTATION_AGE: Duration = Duration::from_secs(31);

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
}

/// How a cell ended that ended as it should.
pub(crate) struct Seen {
    /// How the Mount that met the fault failed, if it did.
    pub(crate) code: Option<Code>,
    /// Whether it met the fault.
    pub(crate) struck: bool,
}

impl Cell {
    /// All of them, row by row.
    pub(crate) fn all() -> Vec<Self> {
        let mut cells = Vec::new();
        for call in CALLS {
            // Copies are kept of what KMS and OOS answer.
            let phases: &[Phase] = match call.again {
                Again::Always => &[Phase::First, Phase::Republish, Phase::Copy],
                _ => &[Phase::First, Phase::Republish],
            };
            for column in columns(call) {
                cells.extend(phases.iter().map(|phase| Self {
                    call: *call,
                    column: column.clone(),
                    phase: *phase,
                }));
            }
        }
        cells
    }

    /// Runs it. `rest` is what a provider of this setting holds at rest without a fault.
    pub(crate) fn run(&self, binary: &Path, rest: Rest) -> Result<Seen, String> {
        let Self { call, column, phase } = self;
        let world = World::start(
            binary,
            call.setting,
            if *phase == Phase::Copy { REFRESH_SECONDS } else { 0 },
        )?;
        world.fill("one");
        let mut generation = "one";
        if *phase != Phase::First {
            self.first_mount(&world)?;
            generation = "two";
            world.fill(generation);
        }
        if column.is_handshake() {
            world.cloud.close_connections();
            rest::await_closed(&world)?;
        }
        let (outcome, struck) = self.mount_with_fault(&world)?;
        if column.rotated {
            generation = "two";
        }
        let code = match outcome {
            Outcome::Failed(status) => {
                if !call.says.iter().any(|words| status.message().contains(words)) {
                    return Err(format!("the message names no step: {status}"));
                }
                Some(status.code())
            }
            Outcome::Files(seen) => {
                // Which of the two a Mount reads that a rotation overtakes is up to it.
                if !column.rotated && seen.iter().any(|seen| seen != generation) {
                    return Err(format!("values of generation {seen:?}, and {generation} is due"));
                }
                None
            }
        };
        if self.must_strike() && !struck {
            return Err("the fault strikes nothing".to_owned());
        }
        world.lift(call.setting);
        if *phase == Phase::Copy {
            thread::sleep(Duration::from_secs(REFRESH_SECONDS) + Duration::from_millis(100));
        }
        match world
            .mount()
            .map_err(|problem| format!("after the fault: {problem}"))?
        {
            Outcome::Files(seen) if seen.iter().all(|seen| seen == generation) => {}
            other => return Err(format!("after the fault is gone: {other:?}")),
        }
        rest.await_again(&world)?;
        if world.provider.log().contains("panicked") {
            return Err(format!("a panic: {}", world.provider.log()));
        }
        Ok(Seen { code, struck })
    }

    /// A Mount without a fault, after which the call that the cell is about is due again.
    fn first_mount(&self, world: &World) -> Result<(), String> {
        let soon = now() + jiff::SignedDuration::from_secs(100);
        let soon = self.call.end_soon(soon).map(|rule| world.cloud.inject(rule));
        match world.mount()? {
            Outcome::Files(_) => {}
            Outcome::Failed(status) => {
                return Err(format!("the first Mount fails without a fault: {status}"));
            }
        }
        if let Some(soon) = soon {
            world.cloud.release(soon);
        }
        if self.call.again == Again::HalfMinute {
            thread::sleep(ANNOTATION_AGE);
        }
        if self.phase == Phase::Copy {
            thread::sleep(Duration::from_secs(REFRESH_SECONDS) + Duration::from_millis(100));
        }
        Ok(())
    }

    /// The Mount that meets the fault, and whether it did.
    fn mount_with_fault(&self, world: &World) -> Result<(Outcome, bool), String> {
        let mut rule = self.call.rule(self.column.fault.clone());
        rule.times = self.column.once.then_some(1);
        let fault = world.cloud.inject(rule);
        if !self.column.rotated {
            let outcome = world.mount()?;
            return Ok((outcome, world.cloud.struck(fault) > 0));
        }
        thread::scope(|scope| {
            let mount = scope.spawn(|| world.mount());
            while world.cloud.struck(fault) == 0 && !mount.is_finished() {
                thread::sleep(Duration::from_millis(1));
            }
            let struck = world.cloud.struck(fault) > 0;
            world.fill("two");
            world.cloud.release(fault);
            let outcome = mount.join().map_err(|_| "a panic of the matrix".to_owned())?;
            Ok((outcome?, struck))
        })
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
