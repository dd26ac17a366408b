//! Callers that mount without a pause, and the world that goes on meanwhile.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use harness::driver::{Code, Driver, MountResponse, Status, Volume};

use crate::load::Load;
use crate::now;
use crate::policy::{IN_TURN, Turns};
use crate::stand::Stand;
use crate::values::{NOBODYS, ROTATED, steady_name};
use crate::volume::{Expected, volume};

/// Mounts under way at once.
pub(crate) const CALLERS: u64 = 24;

const CANCELLED: &str = "cancelled";
const OUT_OF_TIME: &str = "out of time";
const DIED: &str = "whose client died";
const REFUSED: &str = "refused as asked";
const DENIED: &str = "denied by the policy";
const DENIED_IN_TURN: &str = "denied in turn";
const PERMITTED_IN_TURN: &str = "permitted in turn";

/// What else than right a Mount may be, in every load.
pub(crate) const KINDS: [&str; 7] = [
    CANCELLED,
    OUT_OF_TIME,
    DIED,
    REFUSED,
    DENIED,
    DENIED_IN_TURN,
    PERMITTED_IN_TURN,
];

/// Between two looks of the world that goes on.
const TICK: Duration = Duration::from_millis(250);

/// Kubelet waits half a second before it tries again.
const AFTER_A_FAILURE: Duration = Duration::from_millis(200);

/// Ticks from one outage to the next, and how long it lasts: some Mounts must outlive it, and what is kept must not.
const OUTAGES: usize = 100;
const OUTAGE: usize = 20;

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
        scope.spawn(|| go_on(stand, load, &done));
    });
}

/// Secrets and tokens are rotated, the access policy changes, outages come and go.
fn go_on(stand: &Stand, load: &Load, done: &AtomicBool) {
    let mut outage = None;
    for tick in 0_usize.. {
        if done.load(Ordering::Relaxed) {
            break;
        }
        thread::sleep(TICK);
        stand.values.rotate(&stand.cloud, tick % ROTATED);
        let look = || denied(stand, load);
        if let Err(error) = stand.policy.turn(tick, look) {
            load.problem(format!("a new policy: {error}"));
        }
        look_for_denied_requests(stand, load);
        // The request log of the fake cloud would otherwise be what grows.
        stand.cloud.clear_requests();
        if tick % 240 == 239 {
            if let Err(error) = stand.renew_tokens() {
                load.problem(format!("new tokens: {error}"));
            }
            stand.cloud.close_connections();
        }
        if load.faults && tick % OUTAGES == OUTAGES - 2 * OUTAGE {
            outage = Some(stand.begin_outage(tick / OUTAGES));
        } else if tick % OUTAGES == OUTAGES - OUTAGE
            && let Some(outage) = outage.take()
        {
            stand.end_outage(outage);
        }
    }
    if let Some(outage) = outage {
        stand.end_outage(outage);
    }
}

/// What the policy denies never reaches the cloud.
fn look_for_denied_requests(stand: &Stand, load: &Load) {
    for request in stand.cloud.requests() {
        if request.name.as_deref() == Some(NOBODYS) {
            load.problem(format!(
                "the cloud was asked for what nobody may read: {request:?}"
            ));
        }
    }
}

fn mount(stand: &Stand, load: &Load, number: u64, caller: u64) {
    let chance = mix(number);
    let (volume, expected) = volume(stand, chance, number, caller);
    let request = volume.request();
    let began = now();
    let judge = |result: Result<MountResponse, Status>| {
        let is_disturbed = matches!(&result, Err(status) if status.code() == Code::Internal);
        load.judge(&stand.values, &expected, began, number, result);
        if is_disturbed {
            thread::sleep(AFTER_A_FAILURE);
        }
    };
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
        95..125 => denied(stand, load),
        125..155 => in_turn(stand, load, number),
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

/// A Mount of a pod that no rule is about, of what exists.
fn denied(stand: &Stand, load: &Load) {
    let mut volume = Volume::new([("objects", format!("- objectName: {NOBODYS}\n"))]);
    volume.namespace = "elsewhere".to_owned();
    match stand.driver.mount(volume.request()) {
        Err(status) if status.code() == Code::PermissionDenied => load.count(DENIED),
        other => load.problem(format!("a Mount is not denied by the policy: {other:?}")),
    }
}

/// A Mount that the policy permits or denies, by turns: which, is certain unless the file is written meanwhile.
fn in_turn(stand: &Stand, load: &Load, number: u64) {
    let objects = format!("- objectName: {}\n", steady_name(0));
    let mut volume = Volume::new([("objects", objects)]);
    volume.namespace = IN_TURN.to_owned();
    volume.uid = format!("turn-{number}");
    let before = stand.policy.turns();
    let result = stand.driver.mount(volume.request());
    let certain = (before == stand.policy.turns())
        .then_some(before)
        .and_then(Turns::is_permitted);
    let is_permitted = match &result {
        Ok(_) => true,
        Err(status) if status.code() == Code::PermissionDenied => false,
        Err(status) if load.faults && status.code() == Code::Internal => return load.count("disturbed"),
        Err(status) => return load.problem(format!("Mount {number} in turn: {status}")),
    };
    if certain.is_some_and(|certain| certain != is_permitted) {
        return load.problem(format!("Mount {number} in turn, {before:?}: {result:?}"));
    }
    load.count(if is_permitted {
        PERMITTED_IN_TURN
    } else {
        DENIED_IN_TURN
    });
}

/// The same wild number for the same Mount in every run (splitmix64).
pub(crate) const fn mix(number: u64) -> u64 {
    let mut z = number.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}
