//! Lines that are nearly YAML: a known key whose colon or space is not the one that YAML wants, and lists that were
//! joined to one line. The YAML reader sees only text, or complains of indentation.

use super::keys;

/// What to write instead of the first such line; `None` if there is none.
pub(super) fn remedy(text: &str) -> Option<String> {
    let mut lines = text.lines();
    lines.find_map(|line| separator(line).or_else(|| joined(line)))
}

/// `objectName:name`, `objectName：name`, `objectName=name`, or a space after the colon that is none for YAML. YAML joins
/// the lines of plain text, so that several may stand in one.
fn separator(line: &str) -> Option<String> {
    let (key, mut rest) = pair(line.trim_start_matches([' ', '-']))?;
    let unquoted = |key| Some(format!("write a colon and a plain space after {key}"));
    if line.len() > LINE_BYTES {
        return unquoted(key);
    }
    let mut pairs = Vec::new();
    let mut next = Some(key);
    while let Some(key) = next {
        let other = rest.match_indices(' ').find_map(|(at, _)| {
            let (value, other) = rest.split_at_checked(at)?;
            Some((value, pair(other.trim_start())?))
        });
        let (value, other) = other.map_or((rest, None), |(value, other)| (value, Some(other)));
        let value = value.trim_matches(|c: char| c.is_whitespace() || matches!(c, '\u{feff}' | '\u{200b}'));
        let is_plain = |c: char| matches!(c, '"' | '\'' | '\\') || c.escape_debug().count() == 1;
        if !value.chars().all(is_plain) {
            return unquoted(key);
        }
        pairs.push(format!("`{key}: {value}`"));
        next = other.map(|(key, _)| key);
        rest = other.map_or("", |(_, rest)| rest);
    }
    let pairs = pairs.join(" and ");
    Some(format!(
        "write {pairs}, with a colon and a plain space after the key"
    ))
}

/// Longer lines are not quoted.
const LINE_BYTES: usize = 256;

/// The key that a text begins with, and what follows its wrong separator.
fn pair(text: &str) -> Option<(&'static str, &str)> {
    keys::OBJECT.iter().find_map(|key| {
        let rest = text.strip_prefix(key)?.trim_start();
        let value = rest.strip_prefix([':', '：', '=', '﹕', '∶'])?;
        let is_right = rest.starts_with(':') && (value.is_empty() || value.starts_with([' ', '\t']));
        (!is_right).then_some((*key, value))
    })
}

/// Two items in one line, as `objects: >` makes of a list.
fn joined(line: &str) -> Option<String> {
    let first = line.trim_start().strip_prefix("- ")?;
    let mut others = first.split(" - ").skip(1);
    let is_joined = others.any(|other| {
        other
            .split_once(':')
            .is_some_and(|(key, _)| keys::OBJECT.contains(&key))
    });
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

    /// A class of a megabyte is read by the provider of a whole node.
    #[test]
    fn long_lines_take_no_time_and_are_not_quoted() {
        for text in [
            "objectName=a ",
            "- objectName=a - ",
            "- objectName: a\n",
            "objectName=a\u{1b}[31m",
            "objectName= - ",
        ] {
            let blanks = format!("{text}{}", " ".repeat(1_000_000));
            assert!(remedy(&blanks).is_none_or(|remedy| remedy.len() < 200));
            let remedy = remedy(&text.repeat(100_000)).unwrap_or_default();
            assert!(remedy.len() < 200 && !remedy.contains('\u{1b}'), "{remedy}");
        }
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
            "- objectName: a region of mine",
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
