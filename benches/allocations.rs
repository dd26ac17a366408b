//! Allocations of the provider per call, each case in a provider of its own whose allocator counts: this very program,
//! started with a provider's arguments. Fails if a case takes more than SPECIFICATION.md says.
//!
//! `cargo bench --bench allocations`; part of `just bench` and of the gate. Each case is run for some calls and for
//! three times as many, so that what the start and the end take cancels out. The fake cloud and the driver are in
//! the other process and are not counted.

#![expect(clippy::disallowed_macros, reason = "a benchmark prints")]

use std::alloc::System;
use std::process::ExitCode;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use csi_provider::clock::SystemClock;
use csi_provider::config::{self, Command, ProcessEnvironment};
use csi_provider::logger::Logger;
use csi_provider::provider::run;
use csi_provider::sync::Cancellation;
use harness::FakeCloud;
use harness::driver::{Driver, Volume};
use harness::process::ProviderBuilder;
use signal_hook::consts::SIGTERM;
use signal_hook::iterator::Signals;
use stats_alloc::StatsAlloc;

#[global_allocator]
static ALLOCATOR: StatsAlloc<System> = StatsAlloc::system();

/// Calls of the shorter run; the longer one makes three times as many.
const CALLS: usize = 200;

/// A case: what it is, how many objects a Mount has (none is a call of Version), the flags, and the most
/// allocations, reallocations included, per call.
type Case = (&'static str, usize, &'static [&'static str], f64);

const FROM_THE_CLOUD: &[&str] = &["--refresh-interval=0", "--kms-max-pulls-per-second=0"];
const FROM_COPIES: &[&str] = &["--refresh-interval=1h", "--kms-max-pulls-per-second=0"];

const CASES: [Case; 5] = [
    ("Version", 0, FROM_THE_CLOUD, 45.0),
    ("Mount of 1 object from the cloud", 1, FROM_THE_CLOUD, 360.0),
    ("Mount of 5 objects from the cloud", 5, FROM_THE_CLOUD, 1200.0),
    ("Mount of 20 objects from the cloud", 20, FROM_THE_CLOUD, 4300.0),
    ("Mount of 5 objects from shared copies", 5, FROM_COPIES, 430.0),
];

fn main() -> ExitCode {
    if std::env::args().any(|argument| argument.starts_with("--provider-volume=")) {
        return provider();
    }
    let mut missed = 0;
    println!("{:>12} {:>12}  case", "allocations", "KiB");
    for (name, objects, flags, most) in CASES {
        let ((few, few_bytes), (many, many_bytes)) =
            (count(objects, flags, CALLS), count(objects, flags, 3 * CALLS));
        let calls = 2.0 * CALLS as f64;
        let allocations = (many - few) / calls;
        let kib = (many_bytes - few_bytes) / calls / 1024.0;
        let verdict = if allocations <= most { "ok" } else { "MISSED" };
        missed += u32::from(allocations > most);
        println!("{allocations:>12.0} {kib:>12.1}  {name} (at most {most:.0} allocations: {verdict})");
    }
    println!("{} promises kept, {missed} missed", CASES.len() as u32 - missed);
    ExitCode::from(u8::from(missed > 0))
}

/// Allocations and allocated bytes of a provider that answers so many calls.
fn count(objects: usize, flags: &[&str], calls: usize) -> (f64, f64) {
    let cloud = FakeCloud::start().expect("cloud");
    let url = cloud.http_url();
    let (id, secret) = cloud.access_key();
    let program = std::env::current_exe().expect("this program");
    let mut builder = ProviderBuilder::new(program)
        .argument(format!("--kms-endpoint={url}"))
        .variable("ACCESS_KEY_ID", id)
        .variable("SECRET_ACCESS_KEY", secret);
    for flag in flags {
        builder = builder.argument(*flag);
    }
    let mut provider = builder.start().expect("provider");
    let driver = Driver::new(provider.socket());
    let names: Vec<String> = (0..objects).map(|at| format!("object-{at}")).collect();
    let list: String = names
        .iter()
        .map(|name| format!("- objectName: {name}\n"))
        .collect();
    for name in &names {
        cloud.set_kms_text(name, &format!("{name:-<64}"));
    }
    let request = Volume::new([("objects", list.as_str()), ("region", "cn-hangzhou")]).request();
    for _ in 0..calls {
        if objects == 0 {
            driver.version().expect("Version");
        } else {
            let response = driver.mount(request.clone()).expect("Mount");
            assert_eq!(response.files.len(), objects);
        }
    }
    provider.terminate().expect("it ends");
    loop {
        let log = provider.log();
        if let Some(line) = log.lines().find_map(|line| line.strip_prefix(COUNTED)) {
            let mut numbers = line
                .split_whitespace()
                .map(|number| number.parse().expect("a number"));
            return (numbers.next().expect("count"), numbers.next().expect("bytes"));
        }
        thread::sleep(Duration::from_millis(10));
    }
}

/// How the counting provider's last line begins.
const COUNTED: &str = "counted: ";

/// What `src/main.rs` does to serve, and the counts at the end.
fn provider() -> ExitCode {
    let arguments = std::env::args_os()
        .skip(1)
        .filter(|argument| argument != "--bench");
    let Ok(Command::Serve(config)) = config::parse(arguments, &ProcessEnvironment) else {
        return ExitCode::from(2);
    };
    Logger::install(Arc::new(SystemClock), config.verbosity, config.log_format);
    let mut signals = Signals::new([SIGTERM]).expect("signals");
    let stop = Cancellation::new();
    let on_signal = stop.clone();
    thread::spawn(move || {
        if signals.forever().next().is_some() {
            on_signal.cancel();
        }
    });
    run(*config, &stop).expect("it serves");
    let stats = ALLOCATOR.stats();
    eprintln!(
        "{COUNTED}{} {}",
        stats.allocations + stats.reallocations,
        stats.bytes_allocated
    );
    ExitCode::SUCCESS
}
