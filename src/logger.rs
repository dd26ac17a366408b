//! The log: one line per event on standard error, as klog writes text, or as JSON.
//!
//! Library logs below warning are dropped, because some show request and answer bytes at debug levels.

use std::fmt::Write as _;
use std::io::Write as _;
use std::sync::Arc;

use jiff::Timestamp;
use log::kv::{self, Key, Value, VisitSource};
use log::{Level, LevelFilter, Log, Metadata, Record};

use crate::clock::Clock;

/// How a line is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LogFormat {
    /// One JSON object: `ts`, `level`, `module`, `msg`, and the event's own fields.
    Json,
    /// As klog: severity, date, time, module; then the message, and `key=value` for each field.
    #[default]
    Text,
}

/// Writes log lines.
pub struct Logger {
    clock: Arc<dyn Clock>,
    level: LevelFilter,
    format: LogFormat,
}

impl Logger {
    /// Installs this as the process's log, unless one is installed already.
    pub fn install(clock: Arc<dyn Clock>, verbosity: u8, format: LogFormat) {
        let level = if verbosity >= 4 {
            LevelFilter::Debug
        } else {
            LevelFilter::Info
        };
        let logger = Self { clock, level, format };
        if log::set_boxed_logger(Box::new(logger)).is_ok() {
            log::set_max_level(level);
            std::panic::set_hook(Box::new(|panic| {
                // The payload stays out: it may quote what was being worked on.
                let place = panic.location().map(ToString::to_string).unwrap_or_default();
                log::error!("defect: panicked at {place}");
            }));
        }
    }
}

impl Log for Logger {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        let ours = metadata.target().starts_with(env!("CARGO_CRATE_NAME"));
        metadata.level() <= if ours { self.level } else { LevelFilter::Warn }
    }

    fn log(&self, record: &Record<'_>) {
        if self.enabled(record.metadata()) {
            let line = line(self.format, self.clock.wall(), record);
            // One write, so that lines of different threads do not mix.
            let _ = std::io::stderr().lock().write_all(line.as_bytes());
        }
    }

    fn flush(&self) {}
}

fn line(format: LogFormat, now: Timestamp, record: &Record<'_>) -> String {
    let target = record.target();
    let module = target
        .strip_prefix(concat!(env!("CARGO_CRATE_NAME"), "::"))
        .unwrap_or(target);
    let message = record.args().to_string();
    let mut fields = Fields {
        format,
        text: String::new(),
    };
    // A field that cannot be shown is left out, so that the event itself is logged.
    let _ = record.key_values().visit(&mut fields);
    match format {
        LogFormat::Json => {
            let time = now.strftime("%Y-%m-%dT%H:%M:%S%.6fZ");
            let level = record.level().as_str().to_ascii_lowercase();
            let (module, message) = (json(module), json(&message));
            let fields = fields.text;
            format!(
                "{{\"ts\":\"{time}\",\"level\":\"{level}\",\"module\":{module},\"msg\":{message}{fields}}}\n"
            )
        }
        LogFormat::Text => {
            let letter = match record.level() {
                Level::Error => 'E',
                Level::Warn => 'W',
                Level::Info => 'I',
                Level::Debug | Level::Trace => 'D',
            };
            let time = now.strftime("%m%d %H:%M:%S%.6f");
            // As klog: with fields the message is quoted, so that its end is visible.
            let message = if fields.text.is_empty() {
                visible(&message)
            } else {
                format!("{message:?}")
            };
            format!("{letter}{time} {module}] {message}{}\n", fields.text)
        }
    }
}

/// Collects the fields of an event in one of the formats, each with its leading separator.
struct Fields {
    format: LogFormat,
    text: String,
}

impl<'kvs> VisitSource<'kvs> for Fields {
    fn visit_pair(&mut self, key: Key<'kvs>, value: Value<'kvs>) -> Result<(), kv::Error> {
        let key = key.as_str();
        let quoted = || match self.format {
            LogFormat::Json => json(&value.to_string()),
            LogFormat::Text => format!("{:?}", value.to_string()),
        };
        let value = value.to_u64().map_or_else(quoted, |number| number.to_string());
        // Writing to a String does not fail.
        let _ = match self.format {
            LogFormat::Json => write!(self.text, ",{}:{value}", json(key)),
            LogFormat::Text => write!(self.text, " {key}={value}"),
        };
        Ok(())
    }
}

fn json(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

/// Escapes control characters: a message stays one line, and cannot control a terminal.
fn visible(text: &str) -> String {
    let mut visible = String::with_capacity(text.len());
    for character in text.chars() {
        if character.is_control() {
            visible.extend(character.escape_default());
        } else {
            visible.push(character);
        }
    }
    visible
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(arguments: &std::fmt::Arguments<'_>, fields: &[(&str, Value<'_>)]) -> (String, String) {
        let fields: Vec<(&str, Value<'_>)> = fields.to_vec();
        let record = Record::builder()
            .args(*arguments)
            .level(Level::Warn)
            .target("csi_provider::mount")
            .key_values(&fields)
            .build();
        let now = "2026-03-04T05:06:07.089Z".parse().expect("a time");
        (
            line(LogFormat::Text, now, &record),
            line(LogFormat::Json, now, &record),
        )
    }

    #[test]
    fn a_message_alone() {
        let (text, json) = lines(&format_args!("one\ntwo \u{1b}[31m \"q\""), &[]);
        assert_eq!(text, "W0304 05:06:07.089000 mount] one\\ntwo \\u{1b}[31m \"q\"\n");
        assert_eq!(
            json,
            "{\"ts\":\"2026-03-04T05:06:07.089000Z\",\"level\":\"warn\",\"module\":\"mount\",\"msg\":\"one\\ntwo \\u001b[31m \\\"q\\\"\"}\n"
        );
    }

    #[test]
    fn a_message_with_fields() {
        let pod = "a/\"b\"\n";
        let (text, json) = lines(
            &format_args!("mounted"),
            &[("pod", Value::from(pod)), ("bytes", Value::from(17))],
        );
        assert_eq!(
            text,
            "W0304 05:06:07.089000 mount] \"mounted\" pod=\"a/\\\"b\\\"\\n\" bytes=17\n"
        );
        let json: serde_json::Value = serde_json::from_str(&json).expect("JSON");
        assert_eq!(json["pod"], pod);
        assert_eq!(json["bytes"], 17);
        assert_eq!(json["msg"], "mounted");
    }
}
