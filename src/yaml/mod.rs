//! YAML as a small tree in which every node knows its place and every scalar its text as written.
//!
//! Built from the parser's events, because a typed reader would decide what `0123`, `1.10` or `yes` is and
//! forget where it stood. Anchors, aliases and merge keys (`<<`) are expanded, within a budget of nodes,
//! bytes and depth that holds while the tree grows. Only one document is read. Tags are ignored, except that
//! `!!null` and `!!str` decide whether a plain scalar is absent, and `!!binary` is refused.

mod loader;
mod node;

pub(crate) use loader::Bounds;
pub(crate) use node::{Kind, Node, Style};

use serde_saphyr::granit_parser::{self, Parser};

use loader::{Loader, position};

use crate::diagnostic::{Diagnostic, Position, bounded};
use crate::limits;

/// Reads the one document of `objects`; [`Kind::Null`] when there is none.
pub(crate) fn parse(text: &str) -> Result<Node, Diagnostic> {
    parse_within(text, Bounds::OBJECTS)
}

/// Reads one document; [`Kind::Null`] when there is none.
pub(crate) fn parse_within(text: &str, bounds: Bounds) -> Result<Node, Diagnostic> {
    Diagnostic::bound(text.len(), "bytes", bounds.bytes, bounds.remedy)?;
    let options = granit_parser::options! {
        emit_comments: false,
        flow_nesting_limit: bounds.depth,
        block_nesting_limit: bounds.depth,
    };
    let mut loader = Loader::new(bounds);
    for event in Parser::new_from_str_with_options(text, options) {
        match event {
            Ok((event, span)) => loader.event(event, &span)?,
            Err(error) => {
                let text = format!("not valid YAML: {}", bounded(&error.info(), limits::QUOTED_BYTES));
                let remedy = "check indentation (spaces, no tabs), quotes and brackets";
                return Err(Diagnostic::at(position(error.marker()), text, remedy));
            }
        }
    }
    Ok(loader.root.unwrap_or(Node {
        at: Position { line: 1, column: 1 },
        style: Style::Plain,
        kind: Kind::Null,
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What an admitted text may cost at most, whatever it is made of; and most of these are refused.
    #[test]
    fn hostile_texts_of_the_largest_size_stay_within_the_budget() {
        let size = limits::OBJECTS_BYTES;
        let fill = |unit: &str| unit.repeat(size / unit.len());
        let numbered = |unit: fn(usize) -> String| {
            let mut text = String::new();
            for line in (0..).map(unit) {
                if text.len() + line.len() > size {
                    return text;
                }
                text.push_str(&line);
            }
            text
        };
        let bomb: String = (1..9)
            .map(|i| format!("- &a{i} [{}]\n", vec![format!("*a{}", i - 1); 9].join(", ")))
            .collect();
        let texts = [
            fill("["),
            fill("{"),
            fill("[{"),
            fill("- "),
            fill("? "),
            fill("-\n"),
            fill("- a\n"),
            fill("- {}\n"),
            fill("- !x\n"),
            fill("a: "),
            fill("\""),
            fill("#\n"),
            fill("\n"),
            fill("---\n"),
            fill("%a b\n"),
            format!("[{}", "a,".repeat(size / 2 - 1)),
            format!("{{{}", "a,".repeat(size / 2 - 1)),
            format!("[{}]", "[],".repeat(size / 3 - 1)),
            format!("- {}", "x".repeat(size - 2)),
            format!("- &a b\n{}", "- *a\n".repeat(size / 5 - 2)),
            format!(
                "- &a {}\n{}",
                "x".repeat(size / 2),
                "- *a\n".repeat(size / 10 - 2)
            ),
            format!("- &a0 [x, x, x, x, x, x, x, x, x]\n{bomb}"),
            format!(
                "- &m {{{}}}\n{}",
                "k: v",
                "- <<: [*m, *m, *m]\n".repeat(size / 20)
            ),
            numbered(|i| format!("k{i}: v\n")),
            numbered(|i| format!("- &a{i} b\n")),
            numbered(|i| format!("{}a:\n", " ".repeat(i))),
            numbered(|i| {
                if i == 0 {
                    "- &a0 [x]\n".to_owned()
                } else {
                    format!("- &a{i} [*a{}]\n", i - 1)
                }
            }),
        ];
        let mut admitted = 0;
        for text in &texts {
            assert!(text.len() <= size);
            let begin = text.chars().take(20).collect::<String>();
            if let Ok(root) = parse(text) {
                let (nodes, bytes, depth) = root.cost();
                assert!(nodes <= limits::OBJECTS_NODES, "{begin:?}: {nodes} nodes");
                assert!(
                    bytes <= limits::OBJECTS_EXPANDED_BYTES,
                    "{begin:?}: {bytes} bytes"
                );
                assert!(depth <= limits::OBJECTS_DEPTH, "{begin:?}: {depth} levels");
                admitted += 1;
            }
        }
        assert!((3..15).contains(&admitted), "{admitted} admitted");
        assert!(parse(&"x".repeat(size + 1)).is_err());
    }

    #[test]
    fn bounds_are_reached_exactly() {
        let list = |n: usize| parse(&format!("[{}]", "a,".repeat(n)));
        assert!(list(limits::OBJECTS_NODES - 1).is_ok());
        assert!(list(limits::OBJECTS_NODES).is_err());
        let nested = |n: usize| parse(&format!("{}a{}", "[".repeat(n), "]".repeat(n)));
        assert!(nested(limits::OBJECTS_DEPTH - 1).is_ok());
        assert!(nested(limits::OBJECTS_DEPTH + 1).is_err());
        let aliased = |n: usize| {
            let levels: String = (1..n).map(|i| format!("- &a{i} [*a{}]\n", i - 1)).collect();
            parse(&format!("- &a0 [x]\n{levels}"))
        };
        assert!(aliased(limits::OBJECTS_DEPTH - 1).is_ok());
        assert!(aliased(limits::OBJECTS_DEPTH + 1).is_err());
    }
}
