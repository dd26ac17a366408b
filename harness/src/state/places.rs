//! Where things stand in a state file: line and column by path, for messages about what the types cannot check.

use std::collections::HashMap;

use serde_saphyr::granit_parser::{Event, Parser, Span};

/// Line and column, counted from 1.
pub type Place = (u64, u64);

/// The places of all keys and list items of a text.
#[derive(Debug, Default)]
pub struct Places(HashMap<Vec<String>, Place>);

impl Places {
    /// Indexes a text. What cannot be read has no places; the typed reader says why it cannot.
    pub fn of(text: &str) -> Self {
        let mut walk = Walk::default();
        for event in Parser::new_from_str(text) {
            let Ok((event, span)) = event else { break };
            walk.event(event, &span);
        }
        Self(walk.places)
    }

    /// The place of a path, or of the nearest thing above it. Items of a list go by their text if they are text,
    /// else by their number, counted from 0.
    pub fn find(&self, path: &[&str]) -> Option<Place> {
        (1..=path.len()).rev().find_map(|length| {
            let key: Vec<String> = path[..length].iter().map(|part| (*part).to_owned()).collect();
            self.0.get(&key).copied()
        })
    }
}

#[derive(Default)]
struct Walk {
    places: HashMap<Vec<String>, Place>,
    path: Vec<String>,
    open: Vec<Open>,
}

enum Open {
    List { next: usize },
    Map { key: bool },
}

impl Walk {
    fn event(&mut self, event: Event<'_>, span: &Span) {
        let place = (span.start.line() as u64, span.start.col() as u64 + 1);
        match event {
            Event::Scalar(text, ..) => match self.open.last_mut() {
                Some(Open::Map { key }) if *key => {
                    *key = false;
                    self.path.push(text.into_owned());
                    self.places.insert(self.path.clone(), place);
                }
                Some(Open::List { next }) => {
                    *next += 1;
                    self.path.push(text.into_owned());
                    self.places.entry(self.path.clone()).or_insert(place);
                    self.path.pop();
                }
                _ => self.value_ended(),
            },
            Event::Alias(_) => match self.open.last_mut() {
                Some(Open::List { next }) => *next += 1,
                _ => self.value_ended(),
            },
            Event::SequenceStart(..) => self.begin(Open::List { next: 0 }, place),
            Event::MappingStart(..) => self.begin(Open::Map { key: true }, place),
            Event::SequenceEnd | Event::MappingEnd => {
                self.open.pop();
                match self.open.last_mut() {
                    Some(Open::List { .. }) => {
                        self.path.pop();
                    }
                    _ => self.value_ended(),
                }
            }
            _ => {}
        }
    }

    fn begin(&mut self, what: Open, place: Place) {
        if let Some(Open::List { next }) = self.open.last_mut() {
            self.path.push(next.to_string());
            *next += 1;
            self.places.insert(self.path.clone(), place);
        }
        self.open.push(what);
    }

    fn value_ended(&mut self) {
        if let Some(Open::Map { key }) = self.open.last_mut() {
            *key = true;
            self.path.pop();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_lead_to_lines_and_columns() {
        let text = "a:\n  b: [x, y]\n  c:\n    - { d: 1 }\n    - d: {e: 2}\nf: 3\n";
        let places = Places::of(text);
        for (path, expected) in [
            (&["a"][..], Some((1, 1))),
            (&["a", "b"], Some((2, 3))),
            (&["a", "b", "y"], Some((2, 10))),
            (&["a", "b", "unknown"], Some((2, 3))),
            (&["a", "c", "0", "d"], Some((4, 9))),
            (&["a", "c", "1", "d", "e"], Some((5, 11))),
            (&["f"], Some((6, 1))),
            (&["g"], None),
        ] {
            assert_eq!(places.find(path), expected, "{path:?}");
        }
    }
}
