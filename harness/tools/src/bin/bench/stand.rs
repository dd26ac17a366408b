//! A test stand: a fake cloud with some latency, the provider, and pods that mount.

use std::sync::Barrier;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use harness::driver::{Driver, MountRequest, Volume};
use harness::process::{ProviderBuilder, ProviderProcess};
use harness::{FakeCloud, Fault, FaultId, FaultRule};

use crate::{Outcome, Plan};

pub(crate) struct Stand {
    pub(crate) cloud: FakeCloud,
    pub(crate) provider: ProviderProcess,
    pub(crate) driver: Driver,
    latency: Option<FaultId>,
}

/// The CA of the fake cloud stands in this file while the provider starts.
const CA: &str = "ca.pem";

impl Stand {
    /// A provider with these flags, over TLS or plain HTTP.
    pub(crate) fn new(plan: &Plan, tls: bool, flags: &[&str]) -> Outcome<Self> {
        let cloud = FakeCloud::start()?;
        let directory = tempfile::tempdir()?;
        let ca = directory.path().join(CA);
        cloud.write_ca(&ca)?;
        let url = if tls { cloud.https_url() } else { cloud.http_url() };
        let (id, secret) = cloud.access_key();
        let mut builder = ProviderBuilder::new(&plan.binary)
            .argument(format!("--kms-endpoint={url}"))
            .argument(format!("--oos-endpoint={url}"))
            .variable("ACCESS_KEY_ID", id)
            .variable("SECRET_ACCESS_KEY", secret)
            .variable("SSL_CERT_FILE", &ca);
        for flag in flags {
            builder = builder.argument(*flag);
        }
        let provider = builder.start()?;
        let driver = Driver::new(provider.socket());
        Ok(Self {
            cloud,
            provider,
            driver,
            latency: None,
        })
    }

    /// Lets every answer of the cloud take so long.
    pub(crate) fn latency(&mut self, milliseconds: u64) {
        if let Some(old) = self.latency.take() {
            self.cloud.release(old);
        }
        if milliseconds > 0 {
            let delay = Fault::Delay {
                ms: milliseconds,
                jitter_ms: 0,
            };
            self.latency = Some(self.cloud.inject(FaultRule::new(delay)));
        }
    }

    /// Creates secrets of these names, of 64 bytes each.
    pub(crate) fn secrets<'a>(&self, names: impl IntoIterator<Item = &'a String>) {
        for name in names {
            self.cloud.set_kms_text(name, &format!("{name:-<64}"));
        }
    }

    /// How long one Mount takes.
    pub(crate) fn mount(&self, request: MountRequest) -> Outcome<Duration> {
        let began = now();
        self.driver.mount(request)?;
        Ok(began.elapsed())
    }

    /// How long all of `requests` take, from so many threads that start together.
    pub(crate) fn mount_all(&self, requests: &[MountRequest], threads: usize) -> Outcome<Duration> {
        let next = AtomicUsize::new(0);
        let together = Barrier::new(threads + 1);
        thread::scope(|scope| {
            let workers: Vec<_> = (0..threads)
                .map(|_| {
                    scope.spawn(|| {
                        together.wait();
                        while let Some(request) = requests.get(next.fetch_add(1, Ordering::Relaxed)) {
                            self.driver
                                .mount(request.clone())
                                .map_err(|status| status.to_string())?;
                        }
                        Ok::<(), String>(())
                    })
                })
                .collect();
            together.wait();
            let began = now();
            for worker in workers {
                worker.join().map_err(|_| "a thread panicked")??;
            }
            Ok(began.elapsed())
        })
    }

    /// How many values the cloud was asked for since the last time.
    pub(crate) fn calls(&self) -> usize {
        let count = self.cloud.requests().len();
        self.cloud.clear_requests();
        count
    }
}

/// A pod's volume with these secrets.
pub(crate) fn pod<'a>(uid: &str, names: impl IntoIterator<Item = &'a String>) -> MountRequest {
    let objects: String = names
        .into_iter()
        .map(|name| format!("- objectName: {name}\n"))
        .collect();
    let mut volume = Volume::new([("objects", objects.as_str()), ("region", "cn-hangzhou")]);
    volume.uid = uid.to_owned();
    volume.request()
}

/// `count` names.
pub(crate) fn names(prefix: &str, count: usize) -> Vec<String> {
    (0..count).map(|at| format!("{prefix}-{at}")).collect()
}

/// The middle one.
pub(crate) fn median(mut durations: Vec<Duration>) -> Duration {
    durations.sort_unstable();
    durations.get(durations.len() / 2).copied().unwrap_or_default()
}

pub(crate) fn millis(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1000.0
}

#[expect(clippy::disallowed_methods, reason = "a benchmark measures time")]
pub(crate) fn now() -> Instant {
    Instant::now()
}
