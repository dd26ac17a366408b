//! A client that speaks HTTP/2 frame by frame over the real socket, and believes nothing that it does not see.

use std::collections::VecDeque;
use std::io::{ErrorKind, Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

use csi_provider::h2::Reason;

use super::frames::{Client, headers, reset};

pub(super) use super::frames::{
    PREFACE, Seen, call, call_head, data, framed, hello, ping, raw, settings, settings_ack, window_update,
};

pub(super) const MOUNT: &str = "/v1alpha1.CSIDriverProvider/Mount";
pub(super) const VERSION: &str = "/v1alpha1.CSIDriverProvider/Version";

pub(super) struct Raw {
    stream: UnixStream,
    client: Client,
    read: VecDeque<Seen>,
}

impl Raw {
    /// Connects and says nothing.
    pub(super) fn silent(path: &Path) -> Self {
        Self::new(UnixStream::connect(path).unwrap())
    }

    fn new(stream: UnixStream) -> Self {
        // So that a test that waits in vain fails instead of hanging.
        stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
        Self {
            stream,
            client: Client::new(),
            read: VecDeque::new(),
        }
    }

    /// Connects, and exchanges settings.
    pub(super) fn connect(path: &Path) -> Self {
        Self::over(UnixStream::connect(path).unwrap())
    }

    /// Exchanges settings over a connection.
    pub(super) fn over(stream: UnixStream) -> Self {
        let mut client = Self::new(stream);
        client.send(&hello());
        client.until(|seen| *seen == Seen::SettingsAck);
        client
    }

    pub(super) fn send(&mut self, octets: &[u8]) {
        self.stream.write_all(octets).unwrap();
    }

    /// The next frame; `None` once the server has closed.
    pub(super) fn next(&mut self) -> Option<Seen> {
        loop {
            if let Some(seen) = self.read.pop_front() {
                return Some(seen);
            }
            let mut buffer = vec![0; 65_536];
            match self.stream.read(&mut buffer) {
                Ok(0) => return None,
                Ok(octets) => self.read.extend(self.client.read(&buffer[..octets])),
                Err(error) if error.kind() == ErrorKind::ConnectionReset => return None,
                Err(error) => panic!("no frame: {error}"),
            }
        }
    }

    /// All frames up to and with the first that `is_it` accepts.
    pub(super) fn until(&mut self, is_it: impl Fn(&Seen) -> bool) -> Vec<Seen> {
        let mut seen = Vec::new();
        loop {
            let next = self.next().unwrap_or_else(|| panic!("closed after {seen:?}"));
            let is_last = is_it(&next);
            seen.push(next);
            if is_last {
                return seen;
            }
        }
    }

    /// Sends a PING and returns what arrives before its echo.
    pub(super) fn ping(&mut self) -> Vec<Seen> {
        let echo = Seen::Ping {
            ack: true,
            payload: *b"are you?",
        };
        self.send(&ping(*b"are you?"));
        let mut seen = self.until(|next| *next == echo);
        seen.pop();
        seen
    }

    /// Sends a call with one message, and returns the frames of its answer.
    pub(super) fn call(
        &mut self,
        stream: u32,
        path: &str,
        fields: &[(&str, &str)],
        message: &[u8],
    ) -> Vec<Seen> {
        self.send(&call(stream, path, fields, message));
        self.answer(stream)
    }

    /// The frames of the stream's answer.
    pub(super) fn answer(&mut self, stream: u32) -> Vec<Seen> {
        let mut seen = self.until(|next| next.ends(stream));
        seen.retain(|next| match next {
            Seen::Headers { stream: of, .. } | Seen::Data { stream: of, .. } => *of == stream,
            _ => false,
        });
        seen
    }

    /// The number in `grpc-status` of an answer, and its message as it was sent.
    pub(super) fn status(answer: &[Seen]) -> (u8, String) {
        let last = answer.last().unwrap();
        let number = last.field("grpc-status").unwrap_or_else(|| panic!("{answer:?}"));
        let message = last.field("grpc-message").unwrap_or_default().to_owned();
        (number.parse().unwrap(), message)
    }
}

pub(super) fn cancel(stream: u32) -> Vec<u8> {
    reset(stream, Reason::CANCEL)
}

/// A header section of exactly these fields.
pub(super) fn section(stream: u32, fields: &[(&str, &str)]) -> Vec<u8> {
    headers(stream, fields, false)
}
