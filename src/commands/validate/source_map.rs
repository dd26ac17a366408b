//! Maps a position in a text to the file that holds the text as a YAML scalar.
//!
//! In every style, the characters other than white space have the same order in the source; only escapes and doubled
//! quotes differ. So a position is found by counting and comparing them. If they differ, the result is the scalar's
//! beginning.

use std::str::Chars;

use crate::diagnostic::Position;
use crate::yaml::Style;

/// A decoded scalar and its position.
pub(super) struct SourceMap<'a> {
    /// The document that holds it.
    pub(super) document: &'a str,
    /// Its beginning in the document.
    pub(super) begin: Position,
    pub(super) style: Style,
    /// The decoded text.
    pub(super) text: &'a str,
}

impl SourceMap<'_> {
    /// The position in the document of the position `at` in the text.
    pub(super) fn locate(&self, at: Position) -> Position {
        self.find(at).unwrap_or(self.begin)
    }

    fn find(&self, at: Position) -> Option<Position> {
        let wanted = offset(self.text, at)?;
        let mut source = Source {
            rest: self.document.get(offset(self.document, self.begin)?..)?.chars(),
            at: self.begin,
            style: self.style,
        };
        match self.style {
            Style::Single | Style::Double => drop(source.advance()),
            // A header such as `|-`, with its comment.
            Style::Block if source.rest.as_str().starts_with(['|', '>']) => {
                while source.advance().is_some_and(|(_, c)| c != '\n') {}
            }
            Style::Block | Style::Plain => {}
        }
        let mut last = self.begin;
        for (offset, expected) in self.text.char_indices().filter(|(_, c)| !is_white(*c)) {
            let (place, found) = source.find(|(_, c)| !is_white(*c))?;
            if found != expected {
                return None;
            }
            last = place;
            if offset >= wanted {
                break;
            }
        }
        Some(last)
    }
}

fn is_white(c: char) -> bool {
    matches!(c, ' ' | '\t' | '\n' | '\r')
}

/// The byte offset of a line and column, or of the line's end if the column lies past it.
fn offset(text: &str, at: Position) -> Option<usize> {
    let mut start = 0_usize;
    for _ in 1..at.line {
        start += text.get(start..)?.find('\n')? + 1;
    }
    let line = text.get(start..)?;
    let line = line.split('\n').next()?;
    let column = line.char_indices().nth(at.column.saturating_sub(1));
    Some(start + column.map_or(line.len(), |(offset, _)| offset))
}

/// The scalar's characters, each with its position in the document.
struct Source<'a> {
    rest: Chars<'a>,
    at: Position,
    style: Style,
}

impl Iterator for Source<'_> {
    type Item = (Position, char);

    fn next(&mut self) -> Option<Self::Item> {
        let (at, c) = self.advance()?;
        let meant = match (self.style, c) {
            (Style::Single, '\'') => self.advance().filter(|(_, c)| *c == '\'')?.1,
            (Style::Double, '"') => return None,
            (Style::Double, '\\') => self.escaped()?,
            _ => c,
        };
        Some((at, meant))
    }
}

impl Source<'_> {
    /// The next character as written.
    fn advance(&mut self) -> Option<(Position, char)> {
        let c = self.rest.next()?;
        let at = self.at;
        self.at.column += 1;
        if c == '\n' {
            self.at.line += 1;
            self.at.column = 1;
        }
        Some((at, c))
    }

    /// What an escape of a double-quoted scalar means (YAML 1.2, section 5.7), after its backslash.
    fn escaped(&mut self) -> Option<char> {
        let (_, c) = self.advance()?;
        let digits = match c {
            'n' | 't' | 'r' | ' ' | '\n' | '\t' | '\r' => return Some(' '),
            '0' => return Some('\0'),
            'a' => return Some('\u{7}'),
            'b' => return Some('\u{8}'),
            'v' => return Some('\u{b}'),
            'f' => return Some('\u{c}'),
            'e' => return Some('\u{1b}'),
            'N' => return Some('\u{85}'),
            '_' => return Some('\u{a0}'),
            'L' => return Some('\u{2028}'),
            'P' => return Some('\u{2029}'),
            'x' => 2,
            'u' => 4,
            'U' => 8,
            other => return Some(other),
        };
        let digits: String = (0..digits).map_while(|_| Some(self.advance()?.1)).collect();
        char::from_u32(u32::from_str_radix(&digits, 16).ok()?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::yaml::{self, Kind};

    /// Each character of the text is found in the document, in every style.
    #[test]
    fn every_character_is_found_in_every_style() {
        let text = "- objectName: \"a\"\n\n  objectAlias: 'it''s'  # é\n- objectName: b\n";
        let block: String = text.lines().map(|line| format!("      {line}\n")).collect();
        let folded: String = text.lines().map(|line| format!("      {line}\n\n")).collect();
        let documents = [
            format!("a:\n  b: | # a comment\n{block}"),
            format!("a:\n  b: |+\n{block}"),
            format!("a:\n  b: >\n{folded}"),
            format!("a: {{b: {text:?}}}"),
            format!(
                "a: {{b: \"{}\"}}",
                text.replace('"', "\\x22").replace('\n', "\\n\\\n   ")
            ),
            format!(
                "a:\n  b: '{}'",
                text.replace('\'', "''").replace('\n', "\n\n    ")
            ),
        ];
        for document in &documents {
            let root = yaml::parse(document).expect("a document");
            let node = root.get("a").and_then(|a| a.get("b")).expect("b");
            let Kind::Text(text) = &node.kind else {
                panic!("text")
            };
            let map = SourceMap {
                document,
                begin: node.at,
                style: node.style,
                text,
            };
            let mut at = Position { line: 1, column: 1 };
            let mut found = 0;
            for c in text.chars() {
                if !is_white(c) && c != '"' {
                    let place = map.find(at).expect("a place");
                    let line = document.split('\n').nth(place.line - 1).expect("line");
                    assert_eq!(line.chars().nth(place.column - 1), Some(c), "{at} in {document}");
                    found += 1;
                }
                at = if c == '\n' {
                    Position {
                        line: at.line + 1,
                        column: 1,
                    }
                } else {
                    Position {
                        column: at.column + 1,
                        ..at
                    }
                };
            }
            assert!(found > 40, "{found}");
        }
    }
}
