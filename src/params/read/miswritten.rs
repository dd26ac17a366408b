//! Lines that are nearly YAML: a known key whose colon or space is not the one that YAML wants, and lists that were
//! joined to one line. The YAML reader sees only text, or complains of indentation.

use super::keys;

/// What to write instead of the first such line; `None` if there is none.
pub(super) fn remedy(text: &str) -> Option<String> {
    let mut lines = text.lines();
    lines.find_map(|line| separator(line).or_else(|| joined(line)))
}

/// `objectName:name`, `objectName：name`, `objectName=name`, or a space after the colon that is none for YAML.
fn separator(line: &str) -> Option<String> {
    let line = line.trim_start_matches([' ', '-']);
    let key = keys::OBJECT.iter().find(|key| {
        let rest = line.strip_prefix(**key);
        rest.is_some_and(|rest| !rest.starts_with(|c: char| c.is_alphanumeric()))
    })?;
    let rest = line.strip_prefix(key)?.trim_start();
    let value = rest.strip_prefix([':', '：', '=', '﹕', '∶'])?;
    if rest.starts_with(':') && value.starts_with([' ', '\t']) || value.is_empty() && rest.starts_with(':') {
        return None;
    }
    // YAML joins the lines of plain text.
    let next = keys::OBJECT
        .iter()
        .filter_map(|key| value.find(&format!(" {key}")))
        .min();
    let (value, next) = value.split_at(next.unwrap_or(value.len()));
    let value = value.trim_matches(|c: char| c.is_whitespace() || c == '\u{feff}' || c == '\u{200b}');
    let others = separator(next).map(|others| format!("; {others}"));
    let others = others.unwrap_or_default();
    Some(format!(
        "write `{key}: {value}`, with a colon and a plain space after {key}{others}"
    ))
}

/// Two items in one line, as `objects: >` makes of a list.
fn joined(line: &str) -> Option<String> {
    let first = line.trim_start().strip_prefix("- ")?;
    let is_joined = keys::OBJECT
        .iter()
        .any(|key| first.contains(&format!(" - {key}:")));
    is_joined.then(|| {
        "write `objects: |` if it is `objects: >`, which joins lines; each item needs its own line".to_owned()
    })
}

/// Whether a text is the lines of an item: what `- |` makes of them.
pub(super) fn is_item(text: &str) -> bool {
    let mut lines = text.lines().filter(|line| !line.trim().is_empty());
    lines.next().is_some_and(|line| {
        let name = line.trim_start().split_once(": ").map(|(name, _)| name);
        name.is_some_and(|name| keys::OBJECT.contains(&name))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_key_and_its_value_are_found_again() {
        for line in [
            "- objectName:my-secret",
            "- objectName：my-secret",
            "- objectName： my-secret",
            "- objectName=my-secret",
            "- objectName = my-secret",
            "- objectName:\u{a0}my-secret",
            "- objectName:\u{3000}my-secret",
            "- objectName :my-secret",
            "  - objectName:my-secret  ",
        ] {
            let remedy = remedy(line).unwrap_or_else(|| panic!("{line}"));
            assert!(
                remedy.starts_with("write `objectName: my-secret`,"),
                "{line}: {remedy}"
            );
        }
        assert!(
            remedy("- objectName: a\n  objectType=kms")
                .is_some_and(|text| text.contains("`objectType: kms`"))
        );
    }

    #[test]
    fn what_is_right_or_something_else_is_left_alone() {
        for text in [
            "- objectName: a:b",
            "- objectName: a=b",
            "- objectName:\n    - a",
            "- objectNames:a",
            "- name",
            "- objectName: \"a - b\"",
            "- objectName: a\n- objectName: b",
        ] {
            assert_eq!(remedy(text), None, "{text}");
        }
        assert!(remedy("- objectName: a - objectName: b").is_some_and(|text| text.contains("objects: |")));
    }

    #[test]
    fn text_that_holds_an_item() {
        assert!(is_item("objectName: foo\nobjectType: kms\n") && is_item("\n  objectType: kms\n"));
        assert!(!is_item("my-secret") && !is_item("name: foo") && !is_item("objectName:foo"));
    }
}
