//! Counters, gauges and histograms.

use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::Duration;

/// A number that only grows.
#[derive(Debug, Default)]
pub struct Counter(AtomicU64);

impl Counter {
    /// Adds one.
    pub fn increment(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }

    /// The value.
    pub fn value(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// A number that can go up and down.
#[derive(Debug, Default)]
pub struct Gauge(AtomicI64);

impl Gauge {
    /// Sets the value.
    pub fn set(&self, value: i64) {
        self.0.store(value, Ordering::Relaxed);
    }

    /// The value.
    pub fn value(&self) -> i64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// Increments a gauge for as long as the guard lives.
#[derive(Debug)]
pub struct InFlight<'a>(&'a Gauge);

impl<'a> InFlight<'a> {
    /// Increments `gauge` until the guard is dropped.
    pub fn new(gauge: &'a Gauge) -> Self {
        gauge.0.fetch_add(1, Ordering::Relaxed);
        Self(gauge)
    }
}

impl Drop for InFlight<'_> {
    fn drop(&mut self) {
        self.0.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Durations, counted in buckets from 5 ms to 120 s, kubelet's timeout of a mount.
#[derive(Debug, Default)]
pub struct Histogram {
    /// One for each bound; longer durations are in none.
    buckets: [AtomicU64; Self::BOUNDS.len()],
    count: AtomicU64,
    micros: AtomicU64,
}

impl Histogram {
    /// Upper bounds of the buckets in milliseconds, with how the exposition writes them in seconds.
    pub const BOUNDS: [(u64, &'static str); 13] = [
        (5, "0.005"),
        (10, "0.01"),
        (25, "0.025"),
        (50, "0.05"),
        (100, "0.1"),
        (250, "0.25"),
        (500, "0.5"),
        (1_000, "1"),
        (2_500, "2.5"),
        (5_000, "5"),
        (10_000, "10"),
        (30_000, "30"),
        (120_000, "120"),
    ];

    /// Records a duration.
    pub fn observe(&self, elapsed: Duration) {
        let bucket = Self::BOUNDS
            .iter()
            .zip(&self.buckets)
            .find(|((bound, _), _)| elapsed <= Duration::from_millis(*bound));
        if let Some((_, bucket)) = bucket {
            bucket.fetch_add(1, Ordering::Relaxed);
        }
        let micros = u64::try_from(elapsed.as_micros()).unwrap_or(u64::MAX);
        self.micros.fetch_add(micros, Ordering::Relaxed);
        self.count.fetch_add(1, Ordering::Relaxed);
    }

    /// Number of durations.
    pub fn count(&self) -> u64 {
        self.count.load(Ordering::Relaxed)
    }

    /// Sum of all durations, in seconds.
    pub fn sum(&self) -> f64 {
        Duration::from_micros(self.micros.load(Ordering::Relaxed)).as_secs_f64()
    }

    /// Each upper bound, as the exposition writes it, with the number of durations up to it.
    pub fn cumulative(&self) -> impl Iterator<Item = (&'static str, u64)> {
        let mut below = 0;
        Self::BOUNDS
            .iter()
            .zip(&self.buckets)
            .map(move |((_, bound), bucket)| {
                below += bucket.load(Ordering::Relaxed);
                (*bound, below)
            })
    }
}
