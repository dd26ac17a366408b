//! How a connection is rated, and how it makes room for another.

use super::*;
use crate::h2::frame::{Kind, flag};
use crate::h2::testing::{headers as raw_headers, raw};
use crate::server::room::Standing;

impl Stage {
    fn standing(&self) -> Standing {
        self.session.standing(self.now)
    }

    /// What the client receives when another needs the place; nothing if the connection stays.
    fn make_room(&mut self) -> Option<Vec<Seen>> {
        self.session.make_room(self.now).then(|| self.settle())
    }
}

fn goaway(last: u32) -> Seen {
    let reason = Reason::NO_ERROR;
    Seen::GoAway { last, reason }
}

const MAX: u32 = 0x7fff_ffff;

#[test]
fn who_has_asked_for_nothing_is_told_so_and_let_go() {
    let mut stage = Stage::new();
    stage.pass(limits::NEWCOMER_TIME - Duration::from_millis(1));
    assert_eq!(stage.standing(), Standing::New);
    stage.pass(Duration::from_millis(1));
    assert_eq!(stage.standing(), Standing::Silent);
    assert_eq!(stage.make_room().unwrap(), [goaway(0)]);
    assert!(stage.session.is_finished() && stage.session.is_farewell());
    assert_eq!(stage.standing(), Standing::Leaving);
    assert_eq!(stage.make_room(), None);
}

/// An incomplete request does not keep a place, whenever it began.
#[test]
fn a_first_request_that_has_not_arrived_in_full_keeps_no_place() {
    for start in [
        call_head(1, MOUNT, &[LONG]),
        [call_head(1, MOUNT, &[LONG]), data(1, b"\0\0\0\0\x09", false)].concat(),
    ] {
        let mut stage = Stage::new();
        stage.send(&start);
        assert_eq!(stage.standing(), Standing::New);
        stage.pass(limits::NEWCOMER_TIME);
        assert_eq!(stage.standing(), Standing::Silent);
        let mut seen = stage.make_room().unwrap();
        assert_eq!(
            seen.pop_if(|seen| *seen == Seen::Reset(1, Reason::NO_ERROR)),
            Some(Seen::Reset(1, Reason::NO_ERROR))
        );
        seen.retain(|seen| *seen != goaway(1));
        let (code, message) = failure(&seen);
        assert_eq!(code, "13");
        assert!(message.contains("did not arrive in full"), "{message}");
        assert!(stage.session.is_finished());
    }
}

/// The server makes it wait, so it counts as busy.
#[test]
fn a_request_that_waits_for_memory_is_not_late() {
    let mut stage = Stage::with_budget(1_000);
    let held = stage.server.budget.request(900, || {}).unwrap().take().unwrap();
    stage.call(1, MOUNT, &[0; 500]);
    stage.pass(limits::NEWCOMER_TIME + limits::LEAVING_TIME);
    assert_eq!(stage.standing(), Standing::Busy);
    drop(held);
    stage.pass(Duration::ZERO);
    assert_eq!(stage.mounts.len(), 1);
}

#[test]
fn a_running_mount_keeps_its_place_and_the_last_answer_counts() {
    let mut stage = Stage::new();
    stage.call(1, MOUNT, b"");
    stage.pass(Duration::from_secs(60));
    assert_eq!(stage.standing(), Standing::Busy);
    assert_eq!(stage.make_room(), None);
    stage.finish(Ok(vec![]));
    let since = stage.now;
    stage.pass(Duration::from_secs(60));
    assert_eq!(stage.standing(), Standing::Idle { since });
}

#[test]
fn the_driver_s_idle_connection_ends_in_two_steps_and_calls_that_cross_the_first_are_served() {
    let mut stage = Stage::new();
    stage.call(1, VERSION, b"");
    let ping = raw(Kind::PING, flag::ACK, 0, b"shutdown");
    let seen = stage.make_room().unwrap();
    assert_eq!(seen[0], goaway(MAX));
    assert!(matches!(seen[1..], [Seen::Ping { ack: false, .. }]), "{seen:?}");
    assert_eq!(stage.standing(), Standing::Leaving);
    assert!(!stage.session.is_farewell());
    stage.call(3, MOUNT, b"");
    assert_eq!(stage.standing(), Standing::Busy);
    assert_eq!(stage.send(&ping), [goaway(3)]);
    assert_eq!(stage.standing(), Standing::Busy);
    success(&stage.finish(Ok(vec![])));
    assert!(stage.session.is_finished() && stage.session.is_farewell());
    assert_eq!(stage.session.h2.failure(), None);
}

/// A call that does not arrive in full does not keep a connection's place, and is not ended at once.
#[test]
fn a_later_request_that_is_late_keeps_no_place_but_is_waited_for() {
    let mut stage = Stage::new();
    stage.call(1, VERSION, b"");
    let since = stage.now;
    stage.send(&call_head(3, MOUNT, &[LONG]));
    assert_eq!(stage.standing(), Standing::Idle { since });
    assert_eq!(stage.make_room().unwrap()[0], goaway(MAX));
    stage.pass(limits::GOAWAY_ROUND_TRIP);
    assert!(!stage.session.is_finished());
    stage.send(&data(3, &framed(b""), true));
    assert_eq!(stage.standing(), Standing::Busy);
    success(&stage.finish(Ok(vec![])));
    assert!(stage.session.is_finished());
}

#[test]
fn a_client_that_ignores_goaway_is_closed_after_a_time() {
    for start in [
        call_head(3, MOUNT, &[LONG]),
        call_head(3, "/unknown/method", &[LONG]),
        call(3, WATCH, &[], b""),
    ] {
        let mut stage = Stage::new();
        stage.call(1, VERSION, b"");
        stage.make_room().unwrap();
        stage.send(&start);
        stage.pass(limits::LEAVING_TIME - Duration::from_millis(1));
        assert_eq!(stage.standing(), Standing::Leaving);
        assert!(!stage.session.is_finished());
        stage.pass(Duration::from_millis(1));
        assert!(stage.session.is_finished() && stage.session.is_farewell());
    }
}

/// A small answer that its client does not read is dropped.
#[test]
fn an_answer_that_is_not_taken_keeps_no_place_after_goaway() {
    let mut stage = Stage::new();
    stage.call(1, VERSION, b"");
    stage.make_room().unwrap();
    stage.send(&settings(&[(4, 0)]));
    stage.call(3, MOUNT, b"");
    assert_eq!(stage.standing(), Standing::Busy);
    stage.finish(Ok(vec![7; 100]));
    stage.call(5, VERSION, b"");
    assert_eq!(stage.standing(), Standing::Leaving);
    let seen = stage.pass(limits::LEAVING_TIME);
    assert!(seen.contains(&Seen::Reset(5, Reason::INTERNAL_ERROR)), "{seen:?}");
    assert!(!stage.session.is_finished(), "a volume's response is waited for");
    let seen = stage.send(&window_update(3, 200));
    assert!(
        seen.iter().any(|seen| seen.field("grpc-status") == Some("0")),
        "{seen:?}"
    );
    assert!(stage.session.is_finished());
}

#[test]
fn a_refused_request_gets_its_own_answer_before_its_connection_goes() {
    let mut stage = Stage::new();
    stage.send(&raw_headers(
        1,
        &[
            (":method", "POST"),
            (":scheme", "http"),
            (":path", "/"),
            ("content-type", "text/plain"),
        ],
        false,
    ));
    assert_eq!(stage.standing(), Standing::New);
    let seen = stage.make_room().unwrap();
    assert!(
        seen.iter().any(|seen| seen.field(":status") == Some("415")),
        "{seen:?}"
    );
    assert!(stage.session.is_finished());
}

/// The server is well; only the watch ends.
#[test]
fn a_watch_is_no_call_and_may_begin_anew() {
    let mut stage = Stage::new();
    stage.call(1, WATCH, b"");
    assert!(matches!(stage.standing(), Standing::Idle { .. }));
    let seen = stage.make_room().unwrap();
    assert!(
        !seen.iter().any(|seen| matches!(seen, Seen::Data { .. })),
        "{seen:?}"
    );
    assert!(
        seen.iter().any(|seen| seen.field("grpc-status") == Some("14")),
        "{seen:?}"
    );
}
