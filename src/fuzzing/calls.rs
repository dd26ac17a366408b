//! All the calls of a connection, for the fuzzer: a client that keeps every rule, and a service, a clock and a
//! reader that do as they please. Such a client must never see the connection fail, nor a call without its answer,
//! nor a mount with a status that kubelet does not take for final.

#![expect(
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a fuzz target fails by panicking"
)]

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::Input;
use crate::clock::{Clock, SystemClock};
use crate::grpc::message;
use crate::grpc::proto::{MountRequest, VersionResponse};
use crate::grpc::{Code, Status};
use crate::h2::frame::{self, Frame, Setting};
use crate::h2::{Connection, Reason, StreamId};
use crate::hpack;
use crate::secret::Secret;
use crate::server::{Mount, Server, Service, Session, Settings};
use crate::sync::{CallContext, Cancellation};

/// The input is a list of operations.
pub(super) fn calls(data: &[u8]) {
    let mut input = Input::new(data);
    let mut stage = Stage::new();
    while !input.is_empty() {
        stage.step(&mut input);
    }
    stage.end();
}

struct Stage {
    session: Session,
    server: Arc<Server>,
    clock: Arc<Stopped>,
    mounts: Vec<Mount>,
    client: Client,
}

/// A client that keeps the rules.
struct Client {
    decoder: hpack::Decoder,
    output: Vec<u8>,
    calls: BTreeMap<u32, ClientCall>,
    next_stream: u32,
    /// What it may send, on the connection and initially on a stream.
    window: i64,
    initial: i64,
    is_settled: bool,
    is_going_away: bool,
    /// What it has let the server send.
    granted: i64,
    granted_initial: i64,
}

struct ClientCall {
    is_mount: bool,
    body: Vec<u8>,
    sent: usize,
    window: i64,
    granted: i64,
    is_sent: bool,
    is_cancelled: bool,
    status: Option<String>,
    is_over: bool,
}

const PATHS: [&str; 5] = [
    "/v1alpha1.CSIDriverProvider/Mount",
    "/v1alpha1.CSIDriverProvider/Version",
    "/grpc.health.v1.Health/Check",
    "/grpc.health.v1.Health/Watch",
    "/v1alpha1.CSIDriverProvider/Unmount",
];
const TIMEOUTS: [Option<&str>; 6] = [
    Some("100S"),
    None,
    Some("1S"),
    Some("5000m"),
    Some("1n"),
    Some("soon"),
];
const BODIES: [usize; 8] = [0, 0, 3, 100, 4_000, 20_000, 300_000, 600_000];
const BUDGET: usize = 1_000_000;

impl Stage {
    fn new() -> Self {
        let now = SystemClock.now();
        let clock = Arc::new(Stopped(Mutex::new(now)));
        let settings = Settings {
            memory_budget: BUDGET,
            ..Settings::default()
        };
        let as_clock: Arc<dyn Clock> = clock.clone();
        let server = Server::new(Arc::new(Nobody), as_clock, settings);
        let session = Session::new(Connection::new(now), Arc::clone(&server), Arc::default());
        let mut stage = Self {
            session,
            server,
            clock,
            mounts: Vec::new(),
            client: Client::new(),
        };
        let mut hello = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec();
        frame::encode_settings(&mut hello, &[]);
        stage.send(&hello);
        stage
    }

    fn step(&mut self, input: &mut Input<'_>) {
        match input.octet() % 14 {
            0 | 1 => self.open(input),
            2..=4 => {
                if let Some(stream) = self.client.pick(input) {
                    let most = usize::from(input.short()) + 1;
                    self.send_body(stream, most);
                }
            }
            5 => {
                let Some(stream) = self.client.pick(input) else {
                    return;
                };
                if let Some(call) = self.client.calls.get_mut(&stream)
                    && !call.is_over
                {
                    (call.is_over, call.is_cancelled) = (true, true);
                    let mut out = Vec::new();
                    let (stream, reason) = (StreamId::new(stream), Reason::CANCEL);
                    frame::encode_reset(&mut out, stream, reason);
                    self.send(&out);
                }
            }
            6 | 7 => self.finish(input),
            8 => self.pass(Duration::from_millis(
                u64::from(input.short()) * input.choose(&[1, 10, 60_000]),
            )),
            9 => {
                let stream = self.client.pick(input).filter(|_| input.flag()).unwrap_or(0);
                self.grant(stream, u32::from(input.short()) + 1);
            }
            10 => {
                let value = u32::from(input.short());
                let (id, mut out) = (Setting::INITIAL_WINDOW_SIZE, Vec::new());
                frame::encode_settings(&mut out, &[Setting { id, value }]);
                self.send(&out);
                let delta = i64::from(value) - self.client.granted_initial;
                self.client.granted_initial += delta;
                self.client
                    .calls
                    .values_mut()
                    .for_each(|call| call.granted += delta);
            }
            11 => {
                let mut out = Vec::new();
                let (ack, payload) = (false, [2, 4, 16, 16, 9, 14, 7, 7]);
                frame::encode_ping(&mut out, ack, payload);
                self.send(&out);
            }
            12 => match input.octet() {
                0..8 => self.session.shut_down(self.clock.now()),
                8 => {
                    self.session.answer_the_rest(self.clock.now());
                    self.settle();
                }
                9..12 => {
                    self.session.make_room(self.clock.now());
                    self.settle();
                }
                _ => {}
            },
            _ => self.poll(input.short().into()),
        }
    }

    fn open(&mut self, input: &mut Input<'_>) {
        if self.client.is_going_away || self.client.open() >= 256 || !self.client.is_settled {
            return self.poll(usize::MAX);
        }
        let path = input.choose(&PATHS);
        let mut fields = vec![
            (":method", "POST"),
            (":scheme", "http"),
            (":path", path),
            ("te", "trailers"),
        ];
        fields.push(match input.octet() {
            255 => ("content-type", "text/plain"),
            _ => ("content-type", "application/grpc"),
        });
        if let Some(timeout) = input.choose(&TIMEOUTS) {
            fields.push(("grpc-timeout", timeout));
        }
        let message = vec![0; input.choose(&BODIES)];
        let mut body = message::prefix(message.len()).unwrap_or_default().to_vec();
        body.extend_from_slice(&message);
        match input.octet() {
            250 => body[0] = 1,
            251 => body.push(0),
            252 => body.truncate(body.len() - 1),
            253 => body.clear(),
            _ => {}
        }
        let mut block = Vec::new();
        hpack::encode(fields, &mut block);
        let (stream, mut out) = (self.client.next_stream, Vec::new());
        frame::encode_header_block(&mut out, StreamId::new(stream), &block, false);
        self.client.next_stream += 2;
        let call = ClientCall {
            is_mount: path == PATHS[0],
            body,
            sent: 0,
            window: self.client.initial,
            granted: self.client.granted_initial,
            is_sent: false,
            is_cancelled: false,
            status: None,
            is_over: false,
        };
        self.client.calls.insert(stream, call);
        self.send(&out);
    }

    /// Sends up to `most` octets of a call's body, as far as the windows let it.
    fn send_body(&mut self, stream: u32, most: usize) {
        let window = self.client.window;
        let Some(call) = self
            .client
            .calls
            .get_mut(&stream)
            .filter(|call| !call.is_over && !call.is_sent)
        else {
            return;
        };
        let room = usize::try_from(window.min(call.window).max(0)).unwrap_or(0);
        let rest = &call.body[call.sent..];
        let length = rest.len().min(most).min(room).min(frame::MAX_FRAME_SIZE);
        if length == 0 && !rest.is_empty() {
            return;
        }
        let (payload, end_stream, mut out) = (&rest[..length], length == rest.len(), Vec::new());
        frame::encode_data(&mut out, StreamId::new(stream), payload, end_stream);
        call.sent += length;
        call.is_sent = end_stream;
        let octets = i64::try_from(length).unwrap_or(i64::MAX);
        call.window -= octets;
        self.client.window -= octets;
        self.send(&out);
    }

    /// A mount's handler ends, in whatever way.
    fn finish(&mut self, input: &mut Input<'_>) {
        if self.mounts.is_empty() {
            return;
        }
        let at = usize::from(input.octet()) % self.mounts.len();
        let Mount { stream, call, .. } = self.mounts.swap_remove(at);
        let size = input.choose(&BODIES);
        // Waiting for memory, also behind others that wait, is for the worker, of which there is none here.
        let is_free = self.session.waiting() == 0 && self.server.budget.used() + size <= BUDGET;
        let result = if input.octet() < 192 && is_free {
            let share = call.settle(size);
            share
                .map(|share| (Secret::new(vec![7; size]), share))
                .map_err(Status::from)
        } else {
            Err(Status::new(input.choose(&Code::ALL), "as the fuzzer says"))
        };
        drop(call);
        self.session.finish_mount(stream, result);
        self.pass(Duration::ZERO);
    }

    fn grant(&mut self, stream: u32, increment: u32) {
        let mut out = Vec::new();
        frame::encode_window_update(&mut out, StreamId::new(stream), increment);
        if let Some(call) = self.client.calls.get_mut(&stream) {
            call.granted += i64::from(increment);
        } else {
            self.client.granted += i64::from(increment);
        }
        self.send(&out);
    }

    fn pass(&mut self, time: Duration) {
        *self.clock.0.lock().unwrap_or_else(PoisonError::into_inner) += time;
        self.session.wake(self.clock.now());
        self.settle();
    }

    fn send(&mut self, octets: &[u8]) {
        self.session.recv(self.clock.now(), octets);
        self.settle();
    }

    fn settle(&mut self) {
        let effects = std::mem::take(&mut self.session.effects);
        self.mounts.extend(effects.mounts);
        effects.cancelled.iter().for_each(Cancellation::cancel);
        assert_eq!(self.session.h2.failure(), None, "a client that keeps the rules");
        assert!(self.server.budget.used() <= BUDGET);
    }

    /// The client reads, and answers what needs an answer at once.
    fn poll(&mut self, room: usize) {
        let now = self.clock.now();
        self.session.poll_output(now, &mut self.client.output, room);
        self.settle();
        let reply = self.client.read();
        if !reply.is_empty() {
            self.send(&reply);
        }
    }

    /// The service ends; the client sends and takes all that is left.
    fn end(&mut self) {
        self.poll(usize::MAX);
        self.session.shut_down(self.clock.now());
        self.poll(usize::MAX);
        self.session.answer_the_rest(self.clock.now());
        self.settle();
        self.grant(0, 1 << 30);
        for stream in self.client.calls.keys().copied().collect::<Vec<_>>() {
            self.grant(stream, 1 << 30);
        }
        self.poll(usize::MAX);
        self.mounts.clear();
        assert!(self.session.is_finished(), "a connection that does not end");
        for (stream, call) in &self.client.calls {
            assert!(call.is_over, "stream {stream} without an answer");
        }
        assert!(self.session.holds_nothing());
        assert_eq!(self.server.budget.used(), 0, "memory that is not given back");
    }
}

impl Client {
    fn new() -> Self {
        Self {
            decoder: hpack::Decoder::new(4096),
            output: Vec::new(),
            calls: BTreeMap::new(),
            next_stream: 1,
            window: 65_535,
            initial: 65_535,
            is_settled: false,
            is_going_away: false,
            granted: 65_535,
            granted_initial: 65_535,
        }
    }

    fn open(&self) -> usize {
        self.calls.values().filter(|call| !call.is_over).count()
    }

    /// One of the calls that are not over.
    fn pick(&self, input: &mut Input<'_>) -> Option<u32> {
        let open: Vec<_> = self
            .calls
            .iter()
            .filter(|(_, call)| !call.is_over)
            .map(|(stream, _)| *stream)
            .collect();
        let at = usize::from(input.octet()).checked_rem(open.len())?;
        Some(open[at])
    }

    /// Reads what the server has sent. Returns what must be answered.
    fn read(&mut self) -> Vec<u8> {
        let output = std::mem::take(&mut self.output);
        let (mut rest, mut reply) = (output.as_slice(), Vec::new());
        while let Ok(Some(frame::Split {
            head,
            payload,
            rest: after,
        })) = frame::split(rest)
        {
            rest = after;
            let stream = head.stream.number();
            match Frame::parse(&head, payload) {
                Ok(Frame::Settings(settings)) => {
                    for setting in settings
                        .iter()
                        .filter(|setting| setting.id == Setting::INITIAL_WINDOW_SIZE)
                    {
                        let delta = i64::from(setting.value) - self.initial;
                        self.initial += delta;
                        self.calls.values_mut().for_each(|call| call.window += delta);
                    }
                    self.is_settled = true;
                    frame::encode_settings_ack(&mut reply);
                }
                Ok(Frame::Ping { ack: false, payload }) => frame::encode_ping(&mut reply, true, payload),
                Ok(Frame::WindowUpdate { increment, .. }) => match self.calls.get_mut(&stream) {
                    Some(call) => call.window += i64::from(increment),
                    None => self.window += i64::from(increment),
                },
                Ok(Frame::GoAway { last_stream, reason }) => {
                    assert_eq!(reason, Reason::NO_ERROR);
                    self.is_going_away = true;
                    let last = last_stream.number();
                    self.calls.retain(|stream, _| *stream <= last);
                }
                Ok(Frame::Headers(headers)) => self.headers(stream, headers.fragment, headers.end_stream),
                Ok(Frame::Data(data)) => {
                    let octets = i64::try_from(data.flow_length).unwrap_or(i64::MAX);
                    self.granted -= octets;
                    let Some(call) = self.calls.get_mut(&stream) else {
                        continue;
                    };
                    call.granted -= octets;
                    let is_within = octets == 0 || (self.granted >= 0 && call.granted >= 0);
                    assert!(is_within, "beyond a window");
                    if data.end_stream {
                        assert!(call.status.is_some(), "an answer without a status");
                        call.is_over = true;
                    }
                }
                Ok(Frame::Reset { reason, .. }) => {
                    let harmful = [
                        Reason::REFUSED_STREAM,
                        Reason::CANCEL,
                        Reason::FLOW_CONTROL_ERROR,
                        Reason::ENHANCE_YOUR_CALM,
                    ];
                    assert!(!harmful.contains(&reason), "{reason:?}");
                    if let Some(call) = self.calls.get_mut(&stream) {
                        // With NO_ERROR the server only says that it does not want the rest of a request.
                        assert!(call.is_over || reason == Reason::INTERNAL_ERROR);
                        call.is_over = true;
                    }
                }
                Ok(Frame::SettingsAck | Frame::Ping { .. }) => {}
                other => panic!("{other:?}"),
            }
        }
        assert!(rest.is_empty());
        reply
    }

    fn headers(&mut self, stream: u32, block: &[u8], end_stream: bool) {
        let mut fields = Vec::new();
        let field = |name: &[u8], value: &[u8]| {
            fields.push((name.to_vec(), String::from_utf8_lossy(value).into_owned()));
            ControlFlow::Continue(())
        };
        assert_eq!(self.decoder.decode(block, field), Ok(()));
        let value = |name: &str| {
            fields
                .iter()
                .find(|(n, _)| n == name.as_bytes())
                .map(|(_, value)| value.clone())
        };
        let Some(call) = self.calls.get_mut(&stream) else {
            return;
        };
        assert!(!call.is_over || call.is_cancelled, "an answer after the answer");
        let refused = value(":status").filter(|status| status != "200");
        if let Some(status) = value("grpc-status").or(refused) {
            assert_eq!(call.status, None, "two statuses");
            let not_final = ["1", "4", "8", "10", "14"].contains(&status.as_str());
            assert!(!(call.is_mount && not_final), "a Mount with status {status}");
            call.status = Some(status);
        }
        if end_stream {
            assert!(call.status.is_some(), "an answer without a status");
            call.is_over = true;
        }
    }
}

/// Time that stands still until it is moved.
struct Stopped(Mutex<Instant>);

impl Clock for Stopped {
    fn now(&self) -> Instant {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wall(&self) -> jiff::Timestamp {
        jiff::Timestamp::UNIX_EPOCH
    }
}

/// Knows its version; mounts are answered by the fuzzer.
struct Nobody;

impl Service for Nobody {
    fn version(&self) -> VersionResponse {
        VersionResponse::default()
    }

    fn mount(&self, _: MountRequest, _: &CallContext) -> Result<Secret, Status> {
        unreachable!("no worker runs here")
    }
}
