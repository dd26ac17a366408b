//! The text exposition format, version 0.0.4.

use std::fmt::{self, Write as _};

use super::kind::Histogram;

/// Prefix of every name.
const PREFIX: &str = "alibabacloud_provider_";

/// Builds the text: a family's head, then its samples.
#[derive(Debug, Default)]
pub struct Text {
    text: String,
    family: String,
}

/// A label with its value.
pub(super) type Pair<'a> = (&'static str, &'a str);

impl Text {
    /// The MIME type of the format.
    pub const CONTENT_TYPE: &'static str = "text/plain; version=0.0.4; charset=utf-8";

    /// Begins a family of this kind; `name` lacks the common prefix.
    pub fn family(&mut self, kind: &str, name: &str, help: &str) {
        self.shared_name(&format!("{PREFIX}{name}"), kind, help);
    }

    /// Begins a family under its full name, as other clients use it.
    pub fn shared_name(&mut self, name: &str, kind: &str, help: &str) {
        let help = help.replace('\\', "\\\\").replace('\n', "\\n");
        // Writing to a String does not fail, here and below.
        let _ = write!(self.text, "# HELP {name} {help}\n# TYPE {name} {kind}\n");
        name.clone_into(&mut self.family);
    }

    /// A sample of the family.
    pub fn value(&mut self, labels: &[Pair<'_>], value: impl fmt::Display) {
        self.sample("", labels, value);
    }

    /// The samples of one histogram of the family.
    pub fn buckets(&mut self, labels: &[Pair<'_>], histogram: &Histogram) {
        let with = |bound| [labels, &[("le", bound)]].concat();
        // Read first: a duration recorded meanwhile must not make a bucket larger than the count.
        let buckets: Vec<_> = histogram.cumulative().collect();
        let most = buckets.last().map_or(0, |(_, below)| *below);
        let count = histogram.count().max(most);
        for (bound, below) in buckets {
            self.sample("_bucket", &with(bound), below);
        }
        self.sample("_bucket", &with("+Inf"), count);
        self.sample("_sum", labels, histogram.sum());
        self.sample("_count", labels, count);
    }

    /// The text.
    pub fn into_string(self) -> String {
        self.text
    }

    fn sample(&mut self, suffix: &str, labels: &[Pair<'_>], value: impl fmt::Display) {
        let Self { text, family } = self;
        let _ = write!(text, "{family}{suffix}");
        for (at, (name, value)) in labels.iter().enumerate() {
            let before = if at == 0 { '{' } else { ',' };
            let value = value
                .replace('\\', "\\\\")
                .replace('"', "\\\"")
                .replace('\n', "\\n");
            let _ = write!(text, "{before}{name}=\"{value}\"");
        }
        let after = if labels.is_empty() { "" } else { "}" };
        let _ = writeln!(text, "{after} {value}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_would_break_a_line_is_escaped() {
        let mut text = Text::default();
        text.family("gauge", "g", "a\nb\\");
        text.value(&[("l", "\"\\\n"), ("m", "é")], 1.5);
        assert_eq!(
            text.into_string(),
            "# HELP alibabacloud_provider_g a\\nb\\\\\n# TYPE alibabacloud_provider_g gauge\nalibabacloud_provider_g{l=\"\\\"\\\\\\n\",m=\"é\"} 1.5\n"
        );
    }
}
