//! Names and paths as text, for remedies in messages.

/// Whether the text is an identifier that needs no quotes.
pub(crate) fn is_identifier(text: &str) -> bool {
    let mut chars = text.chars();
    chars.next().is_some_and(|c| c.is_ascii_alphabetic() || c == '_')
        && chars.all(|c| c.is_ascii_alphanumeric() || c == '_')
}

/// A name as a quoted identifier.
pub(crate) fn quoted_identifier(name: &str) -> String {
    serde_json::Value::from(name).to_string()
}

/// Adds the missing quotes to a text that looks like a path, and removes a leading `$` or dot.
pub(super) fn quoted_path(text: &str) -> Option<String> {
    let path = text.strip_prefix('$').unwrap_or(text);
    let path = path.strip_prefix('.').unwrap_or(path);
    let is_bare = |c: char| c.is_alphanumeric() || matches!(c, '_' | '-' | '/' | ' ');
    let quoted = |part: &str| match part {
        _ if is_identifier(part) => Some(part.to_owned()),
        _ if !part.is_empty() && part.chars().all(is_bare) => Some(format!("\"{part}\"")),
        _ => None,
    };
    let parts: Option<Vec<String>> = path.split('.').map(quoted).collect();
    Some(parts?.join("."))
}
