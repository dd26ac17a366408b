//! Many Mounts over one connection, and what they leave behind in the provider: nothing.
//!
//! `soak BINARY [--mounts N] [--seconds S] [--faults]` ends at whichever bound comes first. Volumes of all sizes are
//! mounted side by side by two identities, new ones and known ones; some calls are cancelled, some have no time. With
//! `--faults` the cloud throttles, breaks connections and answers nonsense now and then. A call may fail only for
//! what was asked for; what succeeds must hold exactly the right files. Memory, threads and file descriptors are
//! compared at rest, after a first third of the load and after all of it.

use std::collections::BTreeMap;
use std::error::Error;
use std::fmt::Write as _;
use std::io::Write as _;
use std::path::PathBuf;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};
use std::{fs, thread};

use harness::driver::{Code, Driver, MountResponse, Status, Volume};
use harness::process::{ProviderBuilder, ProviderProcess};
use harness::{CutPoint, FakeCloud, Fault, FaultRule};

/// Mounts under way at once.
const CALLERS: u64 = 24;

/// KMS secrets that the provider pulls at once.
const KMS_PULLS: usize = 32;

/// The same, with the default for OOS parameters.
const PULLS: usize = KMS_PULLS + 10;

/// Longer than the provider keeps a worker without work, so that what is measured is at rest.
const REST: Duration = Duration::from_secs(13);

/// How much more the provider may hold at rest after the whole load than after the first third.
const GROWTH_KIB: u64 = 1024;

type Outcome<T> = Result<T, Box<dyn Error>>;

struct Bounds {
    mounts: u64,
    time: Duration,
    faults: bool,
}

fn main() -> Outcome<()> {
    let mut arguments = std::env::args().skip(1);
    let binary = PathBuf::from(
        arguments
            .next()
            .ok_or("usage: soak BINARY [--mounts N] [--seconds S] [--faults]")?,
    );
    let mut bounds = Bounds {
        mounts: 200_000,
        time: Duration::from_secs(3600),
        faults: false,
    };
    while let Some(flag) = arguments.next() {
        let mut number = || arguments.next().unwrap_or_default().parse();
        match flag.as_str() {
            "--mounts" => bounds.mounts = number()?,
            "--seconds" => bounds.time = Duration::from_secs(number()?),
            "--faults" => bounds.faults = true,
            _ => return Err(format!("unknown flag {flag}").into()),
        }
    }
    let out = &mut std::io::stdout();
    let world = World::start(binary)?;
    world.fill();
    if bounds.faults {
        world.disturb();
    }

    let first = Bounds {
        mounts: bounds.mounts / 3,
        time: bounds.time / 3,
        ..bounds
    };
    let load = Load::default();
    // With the one connection that there will be.
    world.driver.version()?;
    let start = world.footprint()?;
    let began = now();
    world.run(&load, &first);
    let warm = world.at_rest()?;
    writeln!(
        out,
        "after {:>7} Mounts, at rest: {warm}",
        load.made.load(Ordering::Relaxed)
    )?;
    let rest = Bounds {
        time: bounds.time * 2 / 3,
        ..bounds
    };
    world.run(&load, &rest);
    let end = world.at_rest()?;
    writeln!(
        out,
        "after {:>7} Mounts, at rest: {end}",
        load.made.load(Ordering::Relaxed)
    )?;
    writeln!(
        out,
        "at its peak: {} KiB; {:.0} Mounts a second; {}",
        world.peak_kib()?,
        load.made.load(Ordering::Relaxed) as f64 / began.elapsed().saturating_sub(REST * 2).as_secs_f64(),
        load.summary()
    )?;
    let mut problems = load.problems();
    if end.resident_kib > warm.resident_kib + GROWTH_KIB {
        problems.push(format!("memory grew by more than {GROWTH_KIB} KiB"));
    }
    if end.threads > warm.threads {
        problems.push("threads are left over".to_owned());
    }
    // Connections to the cloud are kept for a while, as many as pulls may be under way.
    if end.descriptors > start.descriptors + PULLS {
        problems.push(format!(
            "file descriptors are left over: {} at the start",
            start.descriptors
        ));
    }
    if problems.is_empty() {
        Ok(writeln!(
            out,
            "soak: nothing failed that was not asked to, nothing grew"
        )?)
    } else {
        Err(problems.join("\n").into())
    }
}

struct World {
    cloud: FakeCloud,
    provider: ProviderProcess,
    driver: Driver,
    /// The second identity: a pod's own AccessKey pair.
    pair: BTreeMap<String, String>,
}

impl World {
    fn start(binary: PathBuf) -> Outcome<Self> {
        let cloud = FakeCloud::start()?;
        let (id, secret) = cloud.access_key();
        let url = cloud.http_url();
        let provider = ProviderBuilder::new(binary)
            .argument(format!("--kms-endpoint={url}"))
            .argument(format!("--oos-endpoint={url}"))
            .argument("--region=cn-hangzhou")
            .argument("--kms-max-pulls-per-second=0")
            .argument("--oos-max-pulls-per-second=0")
            .argument(format!("--max-concurrent-kms-secret-pulls={KMS_PULLS}"))
            // Short, so that shared copies come and go many times.
            .argument("--refresh-interval=2s")
            .variable("ACCESS_KEY_ID", &id)
            .variable("SECRET_ACCESS_KEY", &secret)
            .start()?;
        let driver = Driver::new(provider.socket());
        let pair = BTreeMap::from([
            ("access_key".to_owned(), id),
            ("access_secret".to_owned(), secret),
        ]);
        Ok(Self {
            cloud,
            provider,
            driver,
            pair,
        })
    }

    fn fill(&self) {
        for number in 0..SECRETS {
            self.cloud.set_kms_text(&name(number), &value(number));
            self.cloud.set_oos(&name(number), &oos_value(number));
        }
    }

    /// The cloud's bad days, each with a few requests in a hundred.
    fn disturb(&self) {
        for (fault, seed) in [
            Fault::Cut(CutPoint::BeforeHead),
            Fault::Cut(CutPoint::InsideBody),
            Fault::Cut(CutPoint::AfterBody),
            Fault::Html { status: 502 },
            Fault::EmptyBody,
            Fault::TruncatedBody,
        ]
        .into_iter()
        .zip(1..)
        {
            self.cloud.inject(FaultRule::new(fault).probability(0.01, seed));
        }
        // Rarely: the provider slows down for a while after each, as it should.
        for (fault, seed) in [Fault::Throttle, Fault::ThrottleByGateway].into_iter().zip(100..) {
            self.cloud
                .inject(FaultRule::new(fault).probability(0.000_05, seed));
        }
    }

    fn run(&self, load: &Load, bounds: &Bounds) {
        let until = now() + bounds.time;
        let done = AtomicBool::new(false);
        thread::scope(|scope| {
            for caller in 0..CALLERS {
                let done = &done;
                scope.spawn(move || {
                    while !done.load(Ordering::Relaxed) {
                        let number = load.made.fetch_add(1, Ordering::Relaxed);
                        if number >= bounds.mounts || now() >= until {
                            load.made.fetch_sub(1, Ordering::Relaxed);
                            done.store(true, Ordering::Relaxed);
                            break;
                        }
                        self.mount(load, bounds, number, caller);
                    }
                });
            }
            // The request log of the fake cloud would otherwise be what grows.
            scope.spawn(|| {
                while !done.load(Ordering::Relaxed) {
                    thread::sleep(Duration::from_secs(1));
                    self.cloud.clear_requests();
                }
            });
        });
    }

    fn mount(&self, load: &Load, bounds: &Bounds, number: u64, caller: u64) {
        let chance = mix(number);
        let (objects, expected) = volume(chance);
        let mut volume = Volume::new([("objects", objects)]);
        // A few hundred volumes that are mounted again and again, and as many that are never seen again.
        volume.uid = if chance.is_multiple_of(2) {
            format!("known-{}", (chance / 2) % 300)
        } else {
            format!("new-{number}")
        };
        volume.pod = format!("pod-{caller}");
        if chance.is_multiple_of(3) {
            volume.secrets = Some(self.pair.clone());
        }
        let request = volume.request();
        match chance % 100 {
            0..5 => {
                let after = Duration::from_micros(chance / 100 % 3_000);
                match self.driver.mount_cancelled_after(request, after) {
                    None => load.count("cancelled"),
                    Some(result) => load.judge(result, &expected, bounds.faults, number),
                }
            }
            5..8 => {
                let timeout = Duration::from_micros(500 + chance / 100 % 5_000);
                match self.driver.mount_within(request, Some(timeout)) {
                    Ok(response) => load.judge(Ok(response), &expected, bounds.faults, number),
                    Err(_) => load.count("out of time"),
                }
            }
            8 => match self
                .driver
                .mount(Volume::new([("objects", "- objectName: missing\n")]).request())
            {
                Err(status) if status.code() == Code::NotFound => load.count("refused as asked"),
                // What the cloud disturbs is not found either.
                Err(status) if bounds.faults && status.code() == Code::Internal => load.count("disturbed"),
                other => load.problem(format!("Mount {number} of what does not exist: {other:?}")),
            },
            _ => load.judge(self.driver.mount(request), &expected, bounds.faults, number),
        }
    }

    fn at_rest(&self) -> Outcome<Footprint> {
        thread::sleep(REST);
        self.footprint()
    }

    fn footprint(&self) -> Outcome<Footprint> {
        let process = PathBuf::from(format!("/proc/{}", self.provider.id()));
        Ok(Footprint {
            resident_kib: self.provider.resident_kib()?,
            threads: fs::read_dir(process.join("task"))?.count(),
            descriptors: fs::read_dir(process.join("fd"))?.count(),
        })
    }

    fn peak_kib(&self) -> Outcome<u64> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.provider.id()))?;
        let line = status
            .lines()
            .find_map(|line| line.strip_prefix("VmHWM:"))
            .unwrap_or_default();
        Ok(line.split_whitespace().next().unwrap_or_default().parse()?)
    }
}

#[expect(clippy::disallowed_methods, reason = "a load ends by the clock")]
fn now() -> Instant {
    Instant::now()
}

/// What the provider holds.
struct Footprint {
    resident_kib: u64,
    threads: usize,
    descriptors: usize,
}

impl std::fmt::Display for Footprint {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "{} KiB, {} threads, {} file descriptors",
            self.resident_kib, self.threads, self.descriptors
        )
    }
}

/// What was done, and what went wrong.
#[derive(Default)]
struct Load {
    made: AtomicU64,
    counts: Mutex<BTreeMap<&'static str, u64>>,
    problems: Mutex<Vec<String>>,
}

impl Load {
    fn count(&self, what: &'static str) {
        *self
            .counts
            .lock()
            .expect("no code panics while it counts")
            .entry(what)
            .or_default() += 1;
    }

    fn problem(&self, problem: String) {
        let mut problems = self.problems.lock().expect("no code panics while it notes");
        if problems.len() < 10 {
            problems.push(problem);
        }
    }

    fn judge(&self, result: Result<MountResponse, Status>, expected: &Files, faults: bool, number: u64) {
        match result {
            Ok(response) => {
                let files: Files = response
                    .files
                    .into_iter()
                    .map(|file| (file.path, file.contents))
                    .collect();
                if files == *expected {
                    self.count("right");
                } else {
                    self.problem(format!("Mount {number} holds other files than it should"));
                }
            }
            // The server's own words, which name an object; never one of the codes that kubelet would misread.
            Err(status) if faults && status.code() == Code::Internal => self.count("disturbed"),
            Err(status) => self.problem(format!("Mount {number}: {status:?}")),
        }
    }

    fn summary(&self) -> String {
        let counts = self.counts.lock().expect("no code panics while it counts");
        let words: Vec<String> = counts
            .iter()
            .map(|(what, count)| format!("{count} {what}"))
            .collect();
        words.join(", ")
    }

    fn problems(&self) -> Vec<String> {
        self.problems
            .lock()
            .expect("no code panics while it notes")
            .clone()
    }
}

type Files = BTreeMap<String, Vec<u8>>;

/// Secrets in the cloud, and as many parameters.
const SECRETS: u64 = 60;

fn name(number: u64) -> String {
    format!("soak-{number}")
}

/// Mostly short, some of the largest size there is.
fn value(number: u64) -> String {
    let size = if number.is_multiple_of(10) {
        30_000
    } else {
        20 + number * 7
    };
    format!("kms {number} ")
        .repeat(8)
        .chars()
        .cycle()
        .take(usize::try_from(size).unwrap_or(20))
        .collect()
}

fn oos_value(number: u64) -> String {
    format!("oos {number}")
}

/// A volume's `objects` and the files that they must become: one object, several, or very many.
fn volume(chance: u64) -> (String, Files) {
    let count = match chance / 7 % 200 {
        0 => 100,
        1..10 => 20,
        10..100 => 3,
        _ => 1,
    };
    let (mut objects, mut files) = (String::new(), Files::new());
    for at in 0..count {
        let number = (chance / 11 + at) % SECRETS;
        let file = format!("file-{at}");
        let name = name(number);
        let _ = writeln!(objects, "- objectName: {name}\n  objectAlias: {file}");
        if (chance + at).is_multiple_of(5) {
            objects.push_str("  objectType: oos\n");
            files.insert(file, oos_value(number).into_bytes());
        } else {
            files.insert(file, value(number).into_bytes());
        }
    }
    (objects, files)
}

/// The same wild number for the same Mount in every run (splitmix64).
const fn mix(number: u64) -> u64 {
    let mut z = number.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}
