//! A decoded header block, checked as a request's head or trailers (RFC 9113, sections 8.2 and 8.3).
//!
//! The list limit applies while the block is being decoded: past it no field is kept.

use std::ops::ControlFlow;

use crate::limits;

/// A request's header section, valid by RFC 9113.
#[derive(Clone, Default, PartialEq, Eq)]
#[cfg_attr(any(test, fuzzing), derive(Debug))]
pub struct RequestHead {
    /// `:method`.
    pub method: String,
    /// `:scheme`; empty for CONNECT.
    pub scheme: String,
    /// `:path`; empty for CONNECT.
    pub path: String,
    /// `:authority`, if there was one.
    pub authority: Option<String>,
    /// Every other field, in order. Names are lower case; values are any octets but NUL, CR and LF.
    pub fields: Vec<(String, Vec<u8>)>,
    /// `content-length`, if there was one.
    pub content_length: Option<u64>,
}

impl RequestHead {
    /// The value of the first field called `name`.
    pub fn field(&self, name: &str) -> Option<&[u8]> {
        self.fields
            .iter()
            .find(|(known, _)| known == name)
            .map(|(_, value)| value.as_slice())
    }
}

/// Why a header section is not acceptable. Both are stream errors.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fault {
    /// It breaks a rule of section 8; the request is malformed (section 8.1.1).
    Malformed(&'static str),
    /// It is larger than our SETTINGS_MAX_HEADER_LIST_SIZE.
    TooLarge,
}

/// Takes fields as they are decoded.
#[derive(Default)]
pub(super) struct Collector {
    /// The values of [`PSEUDO`].
    pseudo: [Option<String>; 4],
    fields: Vec<(String, Vec<u8>)>,
    content_length: Option<u64>,
    is_trailers: bool,
    list_size: usize,
    fault: Option<Fault>,
}

impl Collector {
    pub(super) fn request() -> Self {
        Self::default()
    }

    pub(super) fn trailers() -> Self {
        Self {
            is_trailers: true,
            ..Self::default()
        }
    }

    /// One field. Breaks once the section is faulty: no further field is needed.
    pub(super) fn field(&mut self, name: &[u8], value: &[u8]) -> ControlFlow<()> {
        self.list_size += name.len() + value.len() + FIELD_OVERHEAD;
        let limit = usize::try_from(limits::HEADER_LIST_BYTES).unwrap_or(usize::MAX);
        if self.list_size > limit {
            self.fault = Some(Fault::TooLarge);
        } else if let Err(what) = self.take(name, value) {
            self.fault = Some(Fault::Malformed(what));
        }
        if self.fault.is_some() {
            ControlFlow::Break(())
        } else {
            ControlFlow::Continue(())
        }
    }

    /// The request's head, once its block has ended.
    pub(super) fn into_request(self) -> Result<RequestHead, Fault> {
        if let Some(fault) = self.fault {
            return Err(fault);
        }
        let [method, scheme, path, authority] = self.pseudo;
        let method = method.ok_or(Fault::Malformed("request without :method"))?;
        let (scheme, path) = match (method.as_str(), scheme, path) {
            ("CONNECT", None, None) if authority.is_some() => (String::new(), String::new()),
            ("CONNECT", ..) => return Err(Fault::Malformed("CONNECT with :scheme or :path")),
            (_, None, _) => return Err(Fault::Malformed("request without :scheme")),
            (_, _, None) => return Err(Fault::Malformed("request without :path")),
            (_, _, Some(path)) if path.is_empty() => return Err(Fault::Malformed("empty :path")),
            (_, Some(scheme), Some(path)) => (scheme, path),
        };
        Ok(RequestHead {
            method,
            scheme,
            path,
            authority,
            fields: self.fields,
            content_length: self.content_length,
        })
    }

    /// Whether the trailers are valid. Their content is ignored.
    pub(super) fn into_trailers(self) -> Result<(), Fault> {
        self.fault.map_or(Ok(()), Err)
    }

    fn take(&mut self, name: &[u8], value: &[u8]) -> Result<(), &'static str> {
        if value.iter().any(|octet| matches!(octet, b'\0' | b'\r' | b'\n')) {
            return Err("field value with NUL, CR or LF");
        }
        if let [b' ' | b'\t', ..] | [.., b' ' | b'\t'] = value {
            return Err("field value with leading or trailing white space");
        }
        if name.first() == Some(&b':') {
            return self.take_pseudo(name, value);
        }
        if name.is_empty() || !name.iter().all(|octet| is_name_octet(*octet)) {
            return Err("field name is empty, has upper case or a forbidden octet");
        }
        match name {
            b"connection" | b"keep-alive" | b"proxy-connection" | b"transfer-encoding" | b"upgrade" => {
                return Err("connection-specific field");
            }
            b"te" if !value.eq_ignore_ascii_case(b"trailers") => return Err("te other than trailers"),
            b"content-length" if !self.is_trailers => self.take_content_length(value)?,
            _ => {}
        }
        self.fields.push((text(name), value.to_vec()));
        Ok(())
    }

    fn take_pseudo(&mut self, name: &[u8], value: &[u8]) -> Result<(), &'static str> {
        if self.is_trailers {
            return Err("pseudo-header field in trailers");
        }
        if !self.fields.is_empty() {
            return Err("pseudo-header field after a regular one");
        }
        let slots = PSEUDO.iter().zip(&mut self.pseudo);
        let slot = slots.into_iter().find(|(known, _)| known.as_bytes() == name);
        let (_, slot) = slot.ok_or("unknown pseudo-header field")?;
        match slot.replace(text(value)) {
            None => Ok(()),
            Some(_) => Err("pseudo-header field given twice"),
        }
    }

    fn take_content_length(&mut self, value: &[u8]) -> Result<(), &'static str> {
        let is_number = !value.is_empty() && value.iter().all(u8::is_ascii_digit);
        let length = if is_number { text(value).parse().ok() } else { None };
        let length: u64 = length.ok_or("content-length is not a number")?;
        match self.content_length.replace(length) {
            Some(other) if other != length => Err("two different content-lengths"),
            _ => Ok(()),
        }
    }
}

fn is_name_octet(octet: u8) -> bool {
    octet.is_ascii_graphic() && !octet.is_ascii_uppercase() && octet != b':'
}

fn text(octets: &[u8]) -> String {
    String::from_utf8_lossy(octets).into_owned()
}

/// What a request's head begins with (section 8.3.1).
const PSEUDO: [&str; 4] = [":method", ":scheme", ":path", ":authority"];

/// What each field counts beyond its octets (RFC 9113, section 6.5.2).
const FIELD_OVERHEAD: usize = 32;

#[cfg(test)]
mod tests {
    use super::*;

    const GET: [(&str, &str); 3] = [(":method", "GET"), (":scheme", "http"), (":path", "/")];

    fn request(fields: &[(&str, &str)]) -> Result<RequestHead, Fault> {
        let mut collector = Collector::request();
        for (name, value) in fields {
            let _ = collector.field(name.as_bytes(), value.as_bytes());
        }
        collector.into_request()
    }

    #[track_caller]
    fn malformed(extra: &[(&str, &str)]) {
        let fields = [&GET, extra].concat();
        assert!(
            matches!(request(&fields), Err(Fault::Malformed(_))),
            "{extra:?} {:?}",
            request(&fields)
        );
    }

    #[test]
    fn a_request_is_taken_whole() {
        let fields = [
            &GET[..],
            &[
                (":authority", "localhost"),
                ("te", "trailers"),
                ("content-length", "5"),
            ],
        ]
        .concat();
        let head = request(&fields).unwrap();
        assert_eq!(
            (head.method.as_str(), head.scheme.as_str(), head.path.as_str()),
            ("GET", "http", "/")
        );
        assert_eq!(
            (head.authority.as_deref(), head.content_length),
            (Some("localhost"), Some(5))
        );
        assert_eq!(
            (head.field("te"), head.field("none")),
            (Some(&b"trailers"[..]), None)
        );
    }

    #[test]
    fn malformed_fields_are_found() {
        for (name, value) in [
            ("Te", "trailers"),
            ("", "x"),
            ("a b", "x"),
            ("a:b", "x"),
            ("ä", "x"),
            ("a\u{7f}", "x"),
            ("a", "x\r\ny"),
            ("a", "x\0"),
            ("a", " x"),
            ("a", "x\t"),
            ("connection", "close"),
            ("keep-alive", "1"),
            ("proxy-connection", "x"),
            ("transfer-encoding", "chunked"),
            ("upgrade", "h2c"),
            ("te", "gzip"),
            ("content-length", "-1"),
            ("content-length", ""),
            ("content-length", "+1"),
            (":status", "200"),
            (":protocol", "websocket"),
            (":method", "GET"),
            (":scheme", "http"),
            (":path", "/"),
        ] {
            malformed(&[(name, value)]);
        }
        malformed(&[("a", "b"), (":authority", "late")]);
        malformed(&[("content-length", "1"), ("content-length", "2")]);
    }

    #[test]
    fn missing_pseudo_headers_are_found() {
        for missing in 0..GET.len() {
            let fields: Vec<_> = GET
                .iter()
                .enumerate()
                .filter(|(at, _)| *at != missing)
                .map(|(_, f)| *f)
                .collect();
            assert!(matches!(request(&fields), Err(Fault::Malformed(_))));
        }
        let empty = [(":method", "GET"), (":scheme", "http"), (":path", "")];
        assert!(matches!(request(&empty), Err(Fault::Malformed(_))));
    }

    #[test]
    fn connect_has_an_authority_and_no_path() {
        assert!(request(&[(":method", "CONNECT"), (":authority", "a")]).is_ok());
        assert!(request(&[(":method", "CONNECT")]).is_err());
        assert!(request(&[(":method", "CONNECT"), (":authority", "a"), (":path", "/")]).is_err());
    }

    #[test]
    fn trailers_hold_no_pseudo_headers() {
        let mut trailers = Collector::trailers();
        assert!(trailers.field(b"x", b"y").is_continue());
        assert!(trailers.into_trailers().is_ok());
        let mut trailers = Collector::trailers();
        assert!(trailers.field(b":method", b"GET").is_break());
        assert!(matches!(trailers.into_trailers(), Err(Fault::Malformed(_))));
    }

    #[test]
    fn the_list_is_bounded_while_it_is_decoded() {
        let mut collector = Collector::request();
        let taken = (0..10_000)
            .take_while(|_| collector.field(b"a", &[b'x'; 67]).is_continue())
            .count();
        assert_eq!(taken, usize::try_from(limits::HEADER_LIST_BYTES / 100).unwrap());
        assert_eq!(collector.into_request(), Err(Fault::TooLarge));
    }
}
