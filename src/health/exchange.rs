//! One exchange over HTTP, without its socket: the head of a request, an answer, and the time for both.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::answers::Question;
use super::reply::Reply;
use crate::limits;

/// See the [module](self).
pub(super) struct Exchange {
    phase: Phase,
    is_head: bool,
    /// The phase's deadline.
    due: Instant,
    /// The deadline for the client to read its answer.
    end: Instant,
    /// Until when no other connection gets its place.
    guarded: Instant,
}

enum Phase {
    /// The part of the request's head that has arrived.
    Reading(Vec<u8>),
    Asking(Question, Instant),
    Writing {
        reply: Arc<Reply>,
        sent: usize,
    },
}

impl Exchange {
    /// An exchange with a client that has just connected.
    pub(super) fn new(now: Instant) -> Self {
        Self {
            phase: Phase::Reading(Vec::new()),
            is_head: false,
            due: now + limits::HEALTH_HEAD_TIME,
            end: now + limits::HEALTH_EXCHANGE_TIME,
            guarded: now + limits::HEALTH_GUARDED_TIME,
        }
    }

    /// Takes input; none means the end. Returns the path once the request's head is complete.
    pub(super) fn recv(&mut self, octets: &[u8]) -> Option<String> {
        let Phase::Reading(head) = &mut self.phase else {
            return None;
        };
        // The end of the head may have begun in what came before.
        let seen = head.len().saturating_sub(3);
        head.extend_from_slice(octets);
        let is_acceptable = !octets.is_empty() && head.len() <= limits::HEALTH_REQUEST_BYTES;
        let fresh = head.get(seen..).unwrap_or_default();
        if is_acceptable && !fresh.windows(4).any(|window| window == b"\r\n\r\n") {
            return None;
        }
        if let Some((is_head, path)) = parse(head).filter(|_| is_acceptable) {
            self.is_head = is_head;
            return Some(path);
        }
        self.due = self.end;
        self.phase = Phase::Writing {
            reply: Arc::new(Reply::text("400 Bad Request", "expected a GET or HEAD request")),
            sent: 0,
        };
        None
    }

    /// Starts waiting for the answer to `question`, at most for `patience`.
    pub(super) fn ask(&mut self, now: Instant, question: Question, patience: Duration) {
        self.phase = Phase::Asking(question, now);
        self.due = now + patience;
    }

    /// The question that waits for its answer.
    pub(super) fn asks(&self) -> Option<Question> {
        match self.phase {
            Phase::Asking(question, _) => Some(question),
            Phase::Reading(_) | Phase::Writing { .. } => None,
        }
    }

    /// Sets the answer.
    pub(super) fn answer(&mut self, now: Instant, reply: Arc<Reply>) {
        let ours = match self.phase {
            Phase::Asking(_, since) => now.saturating_duration_since(since),
            Phase::Reading(_) | Phase::Writing { .. } => Duration::ZERO,
        };
        self.due = self.end + ours;
        self.phase = Phase::Writing { reply, sent: 0 };
    }

    /// The rest of the answer; empty once all is sent.
    pub(super) fn output(&self) -> Option<&[u8]> {
        let Phase::Writing { reply, sent } = &self.phase else {
            return None;
        };
        let whole = if self.is_head {
            reply.head
        } else {
            reply.octets.len()
        };
        reply.octets.get(*sent..whole)
    }

    /// Marks `octets` of the answer as sent.
    pub(super) fn advance(&mut self, octets: usize) {
        if let Phase::Writing { sent, .. } = &mut self.phase {
            *sent = sent.saturating_add(octets);
        }
    }

    /// The present deadline.
    pub(super) fn due(&self) -> Instant {
        self.due
    }
}

/// Which exchange is closed when there is one too many, and from when on: the oldest that waits for its client, else
/// the oldest. `open` is in the order of age.
pub(super) fn makes_room<'a>(open: impl Iterator<Item = (usize, &'a Exchange)>) -> Option<(usize, Instant)> {
    // The first of equals.
    let first = open.min_by_key(|(_, exchange)| exchange.asks().is_some());
    first.map(|(at, exchange)| (at, exchange.guarded))
}

/// Whether a request asks for the head alone, and its path; `None` if it is not a GET or HEAD with a path.
fn parse(head: &[u8]) -> Option<(bool, String)> {
    let line = head.split(|byte| *byte == b'\r').next().unwrap_or_default();
    let mut words = std::str::from_utf8(line).ok()?.split(' ');
    let is_head = match words.next()? {
        "GET" => false,
        "HEAD" => true,
        _ => return None,
    };
    let target = words.next()?;
    let path = target.split('?').next().unwrap_or(target);
    Some((is_head, path.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::{Clock, SystemClock};

    const LATER: Duration = Duration::from_secs(3);

    fn asked(now: Instant) -> Exchange {
        let mut exchange = Exchange::new(now);
        assert_eq!(exchange.recv(b"GET /x HTTP/1.1\r\n\r\n").as_deref(), Some("/x"));
        exchange.ask(now, Question::Health, LATER);
        exchange
    }

    fn ok() -> Arc<Reply> {
        Arc::new(Reply::verdict(Ok(())))
    }

    fn sent(exchange: &Exchange) -> String {
        String::from_utf8(exchange.output().unwrap().to_vec()).unwrap()
    }

    #[test]
    fn bytes_that_trickle_in_win_no_time() {
        let now = SystemClock.now();
        let mut exchange = Exchange::new(now);
        let due = exchange.due();
        assert_eq!(due, now + limits::HEALTH_HEAD_TIME);
        for byte in b"GET /healthz?x=1 HTTP/1.1\r\nhost: x\r\n\r" {
            assert_eq!(exchange.recv(&[*byte]), None);
            assert_eq!(exchange.due(), due);
        }
        assert_eq!(exchange.recv(b"\n").as_deref(), Some("/healthz"));
    }

    #[test]
    fn an_answer_has_what_is_left_of_the_exchange_s_time_and_ours_is_not_counted() {
        let now = SystemClock.now();
        let mut exchange = asked(now);
        assert_eq!(exchange.due(), now + LATER);
        let answered = now + Duration::from_secs(60);
        exchange.answer(answered, ok());
        assert_eq!(exchange.due(), answered + limits::HEALTH_EXCHANGE_TIME);
        while !exchange.output().unwrap().is_empty() {
            exchange.advance(1);
            assert_eq!(exchange.due(), answered + limits::HEALTH_EXCHANGE_TIME);
        }
        // A refused request has no more time either.
        let mut exchange = Exchange::new(now);
        assert_eq!(exchange.recv(b"POST / HTTP/1.1\r\n\r\n"), None);
        assert_eq!(exchange.due(), now + limits::HEALTH_EXCHANGE_TIME);
    }

    #[test]
    fn what_is_no_request_is_refused() {
        let now = SystemClock.now();
        let long = [
            b"GET / HTTP/1.1\r\nx: ".as_slice(),
            &[b'x'; limits::HEALTH_REQUEST_BYTES],
        ]
        .concat();
        for octets in [
            b"".as_slice(),
            b"\r\n\r\n",
            b"GET\r\n\r\n",
            b"POST / HTTP/1.1\r\n\r\n",
            b"GET /\xff HTTP/1.1\r\n\r\n",
            b"\x16\x03\x01\r\n\r\n",
            &long,
        ] {
            let mut exchange = Exchange::new(now);
            assert_eq!(exchange.recv(octets), None);
            assert!(sent(&exchange).starts_with("HTTP/1.1 400 "), "{octets:?}");
        }
    }

    #[test]
    fn head_is_answered_with_the_head() {
        let now = SystemClock.now();
        let mut exchange = Exchange::new(now);
        assert!(exchange.recv(b"HEAD /x HTTP/1.1\r\n\r\n").is_some());
        exchange.answer(now, ok());
        let head = sent(&exchange);
        assert!(
            head.contains("content-length: 2\r\n") && head.ends_with("\r\n\r\n"),
            "{head}"
        );
    }

    #[test]
    fn the_oldest_that_is_waited_for_makes_room() {
        let now = SystemClock.now();
        let answered = |now| {
            let mut exchange = asked(now);
            exchange.answer(now, ok());
            exchange
        };
        let first = |open: &[Exchange]| {
            let numbered = (7..).zip(open);
            makes_room(numbered).map(|(number, _)| number)
        };
        assert_eq!(first(&[]), None);
        // A connection keeps its place until it has had time to send a request.
        let guarded = now + limits::HEALTH_GUARDED_TIME;
        assert_eq!(makes_room((7..).zip(&[Exchange::new(now)])), Some((7, guarded)));
        let mut slow = Exchange::new(now);
        slow.recv(b"GET");
        assert_eq!(makes_room((7..).zip(&[slow])), Some((7, guarded)));
        // Those that wait for the server stay; one that sends or reads too slowly is closed.
        assert_eq!(
            first(&[asked(now), Exchange::new(now), Exchange::new(now)]),
            Some(8)
        );
        assert_eq!(first(&[asked(now), answered(now), Exchange::new(now)]), Some(8));
        // While the socket does not answer, no connection is refused either.
        assert_eq!(first(&[asked(now), asked(now)]), Some(7));
    }
}
