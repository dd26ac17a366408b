//! gRPC requests: header section, timeout, message, and the way back of a status message.

use std::time::Duration;

use prost::Message as _;

use super::Input;
use crate::clock::{Clock, SystemClock};
use crate::grpc::message::{PREFIX, Reader};
use crate::grpc::proto::{HealthCheckRequest, MountRequest, VersionRequest};
use crate::grpc::request::{Refusal, Request};
use crate::grpc::response::Failure;
use crate::grpc::timeout::{self, Deadlines};
use crate::grpc::{Code, Status};
use crate::h2::RequestHead;
use crate::limits;

/// The input is a path, the values of three fields, a size to cut by, and a body.
pub(super) fn request(data: &[u8]) {
    let mut input = Input::new(data);
    let path = match input.octet() % 5 {
        0 => "/v1alpha1.CSIDriverProvider/Mount".to_owned(),
        1 => "/v1alpha1.CSIDriverProvider/Version".to_owned(),
        2 => "/grpc.health.v1.Health/Check".to_owned(),
        3 => "/grpc.health.v1.Health/Watch".to_owned(),
        _ => String::from_utf8_lossy(input.piece()).into_owned(),
    };
    let mut fields = Vec::new();
    for name in ["content-type", "grpc-timeout", "grpc-encoding"] {
        match input.octet() % 3 {
            0 => {}
            1 => fields.push((name.to_owned(), input.piece().to_vec())),
            _ if name == "content-type" => fields.push((name.to_owned(), b"application/grpc".to_vec())),
            _ => fields.push((name.to_owned(), input.take(3).to_vec())),
        }
    }
    head(&RequestHead {
        method: input.choose(&["POST", "GET", "post"]).to_owned(),
        scheme: "http".to_owned(),
        path,
        fields,
        ..RequestHead::default()
    });
    let cut = usize::from(input.octet());
    body(input.rest(), cut);
}

fn head(head: &RequestHead) {
    let now = SystemClock.now();
    match Request::parse(head) {
        Ok(request) => {
            assert_eq!(head.method, "POST");
            let deadlines = Deadlines::new(now, request.timeout);
            assert!(deadlines.handler <= deadlines.answer && deadlines.answer <= deadlines.abandon);
            assert!(deadlines.handler <= now + limits::CALL_TIMEOUT);
            if let Some(end) = request.timeout.and_then(|timeout| now.checked_add(timeout)) {
                assert!(deadlines.answer <= end, "an answer after its caller's deadline");
            }
        }
        Err(Refusal::Status(status)) => {
            assert!(status.code.is_final() && status.code != Code::Ok);
            message(&status);
        }
        Err(Refusal::Http(refusal)) => assert!(refusal.fields[0].1.starts_with('4')),
    }
    if let Some(timeout) = head.field("grpc-timeout").and_then(timeout::parse) {
        assert!(timeout <= Duration::from_secs(99_999_999 * 3600));
    }
}

/// Whatever is said arrives as it was, as far as there is room, in octets that a header field may have.
fn message(status: &Status) {
    let failure = Failure::new(status);
    let [(_, code), (_, encoded)] = failure.trailers();
    assert_eq!(code, status.code.number().to_string());
    assert!(encoded.bytes().all(|octet| (0x20..=0x7e).contains(&octet)));
    assert!(encoded.len() <= 3 * limits::STATUS_MESSAGE_BYTES + 3);
    let mut decoded = Vec::new();
    let mut octets = encoded.bytes();
    while let Some(octet) = octets.next() {
        if octet == b'%' {
            let digits = [octets.next().unwrap(), octets.next().unwrap()];
            decoded.push(u8::from_str_radix(str::from_utf8(&digits).unwrap(), 16).unwrap());
        } else {
            decoded.push(octet);
        }
    }
    if status.message.len() <= limits::STATUS_MESSAGE_BYTES {
        assert_eq!(decoded, status.message.as_bytes());
    }
}

/// The message is the same however the body is cut.
fn body(body: &[u8], cut: usize) {
    let whole = read(body, body.len().max(1));
    let cut = read(body, cut.max(1));
    assert_eq!(whole, cut);
    message(&Status::new(Code::NotFound, String::from_utf8_lossy(body)));
    let Ok(message) = whole else { return };
    assert_eq!(message, &body[PREFIX..]);
    // Any of these may fail; none may panic.
    let _ = MountRequest::decode(&*message);
    let _ = VersionRequest::decode(&*message);
    let _ = HealthCheckRequest::decode(&*message);
}

fn read(body: &[u8], cut: usize) -> Result<Vec<u8>, Code> {
    let mut reader = Reader::new(limits::SMALL_MESSAGE_BYTES);
    for piece in body.chunks(cut) {
        reader.push(piece).map_err(|status| status.code)?;
    }
    let message = reader.finish().map_err(|status| status.code)?;
    Ok(message.expose().to_vec())
}
