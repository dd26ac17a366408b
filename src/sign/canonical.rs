//! What both signatures share: percent-encoding and the canonical query.

/// The name and value of one request parameter, decoded.
pub type Parameter = (String, String);

/// A parameter of these texts.
pub fn parameter(name: &str, value: &str) -> Parameter {
    (name.to_owned(), value.to_owned())
}

/// Percent-encodes as both signatures require: UTF-8 bytes, `A-Z a-z 0-9 - _ . ~` stay, all else `%XX` in upper
/// case. The same text is valid in a request target, so that what is signed is what is sent.
pub fn percent_encode(text: &str) -> String {
    const HEX: [char; 16] = [
        '0', '1', '2', '3', '4', '5', '6', '7', '8', '9', 'A', 'B', 'C', 'D', 'E', 'F',
    ];
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => {
                encoded.push(char::from(byte));
            }
            _ => {
                encoded.push('%');
                encoded.extend(HEX.get(usize::from(byte >> 4)));
                encoded.extend(HEX.get(usize::from(byte & 0x0f)));
            }
        }
    }
    encoded
}

/// The canonical query: parameters sorted by name in byte order, names and values percent-encoded, joined by
/// `=` and `&`. An empty value keeps its `=`.
pub fn canonical_query(parameters: &[Parameter]) -> String {
    let mut sorted: Vec<&Parameter> = parameters.iter().collect();
    sorted.sort();
    let mut query = String::new();
    for (name, value) in sorted {
        if !query.is_empty() {
            query.push('&');
        }
        query.push_str(&percent_encode(name));
        query.push('=');
        query.push_str(&percent_encode(value));
    }
    query
}

/// Lower-case hexadecimal.
pub fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes
        .iter()
        .fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
            let _ = write!(text, "{byte:02x}");
            text
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unreserved_bytes_stay_and_all_others_are_encoded() {
        let unreserved = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.~";
        assert_eq!(percent_encode(unreserved), unreserved);
        assert_eq!(percent_encode(" *+/=&?ü\u{0}"), "%20%2A%2B%2F%3D%26%3F%C3%BC%00");
    }

    #[test]
    fn parameters_sort_by_byte_order_of_the_name() {
        let parameter = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        let query = canonical_query(&[parameter("b", "1"), parameter("a", ""), parameter("B", "x y")]);
        assert_eq!(query, "B=x%20y&a=&b=1");
        assert_eq!(canonical_query(&[]), "");
    }
}
