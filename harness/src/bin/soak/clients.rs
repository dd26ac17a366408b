//! Callers that mount without a pause, and the world that goes on meanwhile.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use harness::driver::{Code, Driver, Volume};

use crate::load::Load;
use crate::now;
use crate::stand::Stand;
use crate::values::ROTATED;
use crate::volume::{Expected, volume};

/// Mounts under way at once.
pub(crate) const CALLERS: u64 = 24;

const CANCELLED: &str = "cancelled";
const OUT_OF_TIME: &str = "out of time";
const DIED: &str = "whose client died";
const REFUSED: &str = "refused as asked";

/// What else than right a Mount may be, in every load.
pub(crate) const KINDS: [&str; 4] = [CANCELLED, OUT_OF_TIME, DIED, REFUSED];

/// Mounts until so many have been made in all, or until then.
pub(crate) fn run(stand: &Stand, load: &Load, mounts: u64, until: Instant) {
    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        for caller in 0..CALLERS {
            let done = &done;
            scope.spawn(move || {
                while !done.load(Ordering::Relaxed) {
                    let number = load.made.fetch_add(1, Ordering::Relaxed);
                    if number >= mounts || now() >= until {
                        load.made.fetch_sub(1, Ordering::Relaxed);
                        done.store(true, Ordering::Relaxed);
                        break;
                    }
                    mount(stand, load, number, caller);
                }
            });
        }
        scope.spawn(|| {
            for tick in 0_usize.. {
                if done.load(Ordering::Relaxed) {
                    break;
                }
                thread::sleep(Duration::from_millis(250));
                stand.values.rotate(&stand.cloud, tick % ROTATED);
                // The request log of the fake cloud would otherwise be what grows.
                stand.cloud.clear_requests();
                if tick % 240 == 239 {
                    if let Err(error) = stand.renew_tokens() {
                        load.problem(format!("new tokens: {error}"));
                    }
                    stand.cloud.close_connections();
                }
            }
        });
    });
}

fn mount(stand: &Stand, load: &Load, number: u64, caller: u64) {
    let chance = mix(number);
    let (volume, expected) = volume(stand, chance, number, caller);
    let request = volume.request();
    let began = now();
    let judge = |result| load.judge(&stand.values, &expected, began, number, result);
    match chance / 17 % 1000 {
        0..50 => {
            let after = Duration::from_micros(chance / 100 % 3_000);
            match stand.driver.mount_cancelled_after(request, after) {
                None => load.count(CANCELLED),
                Some(result) => judge(result),
            }
        }
        50..80 => {
            let timeout = Duration::from_micros(500 + chance / 100 % 5_000);
            match stand.driver.mount_within(request, Some(timeout)) {
                Ok(response) => judge(Ok(response)),
                Err(_) => load.count(OUT_OF_TIME),
            }
        }
        80..85 => {
            // Another driver, which goes away with its connection.
            let driver = Driver::new(stand.provider.socket());
            let after = Duration::from_micros(chance / 100 % 3_000);
            match driver.mount_cancelled_after(request, after) {
                None => load.count(DIED),
                Some(result) => judge(result),
            }
        }
        85..95 => missing(stand, load, number),
        _ => judge(stand.driver.mount(request)),
    }
}

/// A Mount of what does not exist.
fn missing(stand: &Stand, load: &Load, number: u64) {
    let request = Volume::new([("objects", "- objectName: missing\n")]).request();
    let expected = Expected::refused(Code::NotFound);
    load.judge(
        &stand.values,
        &expected,
        now(),
        number,
        stand.driver.mount(request),
    );
}

/// The same wild number for the same Mount in every run (splitmix64).
const fn mix(number: u64) -> u64 {
    let mut z = number.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}
