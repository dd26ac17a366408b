//! Percent-encoding as Alibaba Cloud's signatures define it, and its reverse for what arrives on the wire
//! (`application/x-www-form-urlencoded`: a space may travel as `+`).

/// Encodes UTF-8 bytes: `A-Z a-z 0-9 - _ . ~` stay, everything else becomes `%XX` in upper case.
pub fn encode(text: &str) -> String {
    const HEX: &[u8; 16] = b"0123456789ABCDEF";
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte) {
            out.push(char::from(byte));
        } else {
            out.push('%');
            out.push(char::from(HEX[usize::from(byte >> 4)]));
            out.push(char::from(HEX[usize::from(byte & 15)]));
        }
    }
    out
}

/// Decodes one name or value. Bytes that are not UTF-8 become U+FFFD: such a request cannot match its signature.
pub fn decode(text: &str) -> String {
    let mut out = Vec::with_capacity(text.len());
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        match byte {
            b'+' => out.push(b' '),
            b'%' => match escaped(bytes.clone()) {
                Some(value) => {
                    out.push(value);
                    bytes.nth(1);
                }
                None => out.push(b'%'),
            },
            other => out.push(other),
        }
    }
    String::from_utf8(out).unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned())
}

/// Decodes `a=1&b=2` into pairs, in the order of arrival. A part without `=` has an empty value.
pub fn decode_pairs(text: &str) -> Vec<(String, String)> {
    text.split('&')
        .filter(|part| !part.is_empty())
        .map(|part| {
            let (name, value) = part.split_once('=').unwrap_or((part, ""));
            (decode(name), decode(value))
        })
        .collect()
}

/// The canonical query: pairs sorted by name in byte order, both sides encoded, joined with `&`.
pub fn canonical_query<'a>(pairs: impl IntoIterator<Item = &'a (String, String)>) -> String {
    let mut pairs: Vec<_> = pairs.into_iter().collect();
    pairs.sort();
    let parts: Vec<_> = pairs
        .into_iter()
        .map(|(name, value)| format!("{}={}", encode(name), encode(value)))
        .collect();
    parts.join("&")
}

fn escaped(mut rest: impl Iterator<Item = u8>) -> Option<u8> {
    let high = char::from(rest.next()?).to_digit(16)?;
    let low = char::from(rest.next()?).to_digit(16)?;
    u8::try_from(high * 16 + low).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_unreserved_characters_stay() {
        assert_eq!(encode("A-Z_a.z~9 *+/é"), "A-Z_a.z~9%20%2A%2B%2F%C3%A9");
    }

    #[test]
    fn both_ways_of_writing_a_space_are_read() {
        assert_eq!(
            decode_pairs("a=x+y%20z&b&c=%zz&&"),
            [
                ("a".into(), "x y z".into()),
                ("b".into(), String::new()),
                ("c".into(), "%zz".into()),
            ]
        );
    }

    #[test]
    fn upper_case_sorts_before_lower() {
        let pairs = decode_pairs("alpha=1&Zeta=2&Alpha=");
        assert_eq!(canonical_query(&pairs), "Alpha=&Zeta=2&alpha=1");
    }
}
