//! The header sections of an answer, and the encoding of status messages.

use super::status::Status;
use crate::limits;

/// Before the message of a success.
pub const HEADERS: [(&str, &str); 2] = [(":status", "200"), ("content-type", "application/grpc")];

/// After the message of a success.
pub const OK_TRAILERS: [(&str, &str); 1] = [("grpc-status", "0")];

/// The number and the text of a failure as fields of trailers, ready to be borrowed.
pub struct Failure {
    code: String,
    message: String,
}

impl Failure {
    /// The wire form of `status`.
    pub fn new(status: &Status) -> Self {
        Self {
            code: status.code.number().to_string(),
            message: percent_encode(&status.message),
        }
    }

    /// Trailers-Only: the one header section of a call that failed.
    pub fn trailers_only(&self) -> [(&str, &str); 4] {
        let [status, content_type] = HEADERS;
        let [code, message] = self.trailers();
        [status, content_type, code, message]
    }

    /// Trailers after messages of a stream.
    pub fn trailers(&self) -> [(&str, &str); 2] {
        [("grpc-status", &self.code), ("grpc-message", &self.message)]
    }
}

/// `grpc-message`: all but printable ASCII, and the percent sign, as `%XX`; shortened if it is too long.
fn percent_encode(message: &str) -> String {
    let mut encoded = String::with_capacity(message.len());
    let mut length = 0;
    for character in message.chars() {
        length += character.len_utf8();
        if length > limits::STATUS_MESSAGE_BYTES {
            encoded.push_str("...");
            break;
        }
        match character {
            ' '..='~' if character != '%' => encoded.push(character),
            _ => {
                for octet in character.encode_utf8(&mut [0; 4]).bytes() {
                    encoded.extend(['%', hex_digit(octet >> 4), hex_digit(octet & 0xf)]);
                }
            }
        }
    }
    encoded
}

fn hex_digit(nibble: u8) -> char {
    char::from_digit(u32::from(nibble), 16).map_or('0', |digit| digit.to_ascii_uppercase())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::grpc::Code;

    #[test]
    fn messages_are_percent_encoded() {
        assert_eq!(
            percent_encode("plain ~ text, 100% \"ok\""),
            "plain ~ text, 100%25 \"ok\""
        );
        assert_eq!(percent_encode("a\nb\r\0\u{7f}"), "a%0Ab%0D%00%7F");
        assert_eq!(percent_encode("ä€😀"), "%C3%A4%E2%82%AC%F0%9F%98%80");
    }

    #[test]
    fn messages_are_bounded_and_never_cut_inside_a_character() {
        let encoded = percent_encode(&"ä".repeat(100_000));
        assert_eq!(encoded, "%C3%A4".repeat(limits::STATUS_MESSAGE_BYTES / 2) + "...");
    }

    #[test]
    fn trailers_only_is_one_complete_section() {
        let failure = Failure::new(&Status::new(Code::NotFound, "no 50% such"));
        assert_eq!(
            failure.trailers_only(),
            [
                (":status", "200"),
                ("content-type", "application/grpc"),
                ("grpc-status", "5"),
                ("grpc-message", "no 50%25 such"),
            ]
        );
    }
}
