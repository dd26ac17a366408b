//! The parser's tree, checked before a document is read: length, nesting, function names, argument counts and
//! expression references. Literals are read again from the text, so that their numbers stay exact.

use std::collections::BTreeMap;

use jmespath::ast::Ast;

use super::budget::Budget;
use super::functions::{self, Parameter};
use super::json::{Text, Value};
use super::path::quoted_path;
use crate::diagnostic::{Diagnostic, in_yaml, quoted};
use crate::limits;

/// A parsed expression.
pub(super) struct Tree {
    pub(super) root: Ast,
    /// By their offset in the text, which their nodes hold.
    pub(super) literals: BTreeMap<usize, Literal>,
}

/// A literal: JSON between backquotes, or a raw string between single quotes.
pub(super) struct Literal {
    pub(super) value: Value,
    /// Where it ends in the text.
    pub(super) end: usize,
}

impl Tree {
    pub(super) fn parse(text: &str) -> Result<Self, Diagnostic> {
        if text.len() > limits::EXPRESSION_BYTES {
            let (bytes, most) = (text.len(), limits::EXPRESSION_BYTES);
            let wrong = format!("{bytes} bytes are more than the limit of {most}");
            return Err(Diagnostic::new(
                wrong,
                "split the expression over several entries",
            ));
        }
        if depth(text) > limits::EXPRESSION_DEPTH {
            let wrong = format!(
                "nested or chained more than {} levels deep",
                limits::EXPRESSION_DEPTH
            );
            return Err(Diagnostic::new(wrong, "write a simpler expression"));
        }
        let root = jmespath::parse(text).map_err(|error| {
            let character = error.column + 1;
            let wrong = format!(
                "{} is not a JMESPath expression (character {character})",
                quoted(text)
            );
            Diagnostic::new(wrong, suggestion(text))
        })?;
        let mut literals = BTreeMap::new();
        check(&root, text, &mut literals)?;
        Ok(Self { root, literals })
    }

    /// The value of the literal whose node is at `offset`.
    pub(super) fn literal(&self, offset: usize) -> Value {
        self.literals
            .get(&offset)
            .map_or(Value::Null, |it| it.value.clone())
    }
}

/// The direct children of a node.
pub(super) fn children(node: &Ast) -> Vec<&Ast> {
    match node {
        Ast::Identity { .. }
        | Ast::Literal { .. }
        | Ast::Field { .. }
        | Ast::Index { .. }
        | Ast::Slice { .. } => Vec::new(),
        Ast::Not { node, .. }
        | Ast::ObjectValues { node, .. }
        | Ast::Flatten { node, .. }
        | Ast::Expref { ast: node, .. } => vec![node],
        Ast::Condition { predicate, then, .. } => vec![predicate, then],
        Ast::Subexpr { lhs, rhs, .. }
        | Ast::And { lhs, rhs, .. }
        | Ast::Or { lhs, rhs, .. }
        | Ast::Comparison { lhs, rhs, .. }
        | Ast::Projection { lhs, rhs, .. } => vec![lhs, rhs],
        Ast::MultiList { elements: nodes, .. } | Ast::Function { args: nodes, .. } => nodes.iter().collect(),
        Ast::MultiHash { elements, .. } => elements.iter().map(|pair| &pair.value).collect(),
    }
}

/// Checks a node and its descendants, and collects the literals.
fn check(node: &Ast, text: &str, literals: &mut BTreeMap<usize, Literal>) -> Result<(), Diagnostic> {
    let below = match node {
        Ast::Slice { step: 0, .. } => {
            let wrong = "a slice must not have a step of 0";
            return Err(Diagnostic::new(wrong, "write another step"));
        }
        Ast::Expref { .. } => {
            return Err(Diagnostic::new(
                "expected a value, found an expression reference (&)",
                "use it only as an argument of map, sort_by, max_by or min_by",
            ));
        }
        Ast::Function { name, args, .. } => arguments(name, args)?,
        other => children(other),
    };
    if let Ast::Literal { value, offset } = node {
        literals.insert(*offset, literal(value, *offset, text)?);
    }
    below.into_iter().try_for_each(|node| check(node, text, literals))
}

/// The expressions in a call's arguments, after checking the function's name and the number and kind of arguments.
fn arguments<'a>(name: &str, args: &'a [Ast]) -> Result<Vec<&'a Ast>, Diagnostic> {
    let Some(function) = functions::find(name) else {
        let names: Vec<&str> = functions::FUNCTIONS.iter().map(|it| it.name).collect();
        let wrong = format!("unknown function {}", quoted(name));
        return Err(Diagnostic::new(wrong, format!("use one of {}", names.join(", "))));
    };
    let due = function.parameters.len();
    if args.len() < due || (args.len() > due && !function.is_variadic) {
        let least = if function.is_variadic { "at least " } else { "" };
        let plural = if due == 1 { "" } else { "s" };
        let wrong = format!(
            "{name}: expected {least}{due} argument{plural}, found {}",
            args.len()
        );
        let remedy = "see https://jmespath.org/specification.html#built-in-functions";
        return Err(Diagnostic::new(wrong, remedy));
    }
    let argument = |(index, arg): (usize, &'a Ast)| match (function.parameter(index), arg) {
        (Parameter::Reference, Ast::Expref { ast, .. }) => Ok(&**ast),
        (Parameter::Reference, _) => {
            let wrong = format!("argument {} of {name} must be an expression reference", index + 1);
            Err(Diagnostic::new(wrong, "write & before it"))
        }
        (Parameter::Value(..), arg) => Ok(arg),
    };
    args.iter().enumerate().map(argument).collect()
}

/// The literal whose node is at `offset`.
fn literal(parsed: &jmespath::Variable, offset: usize, text: &str) -> Result<Literal, Diagnostic> {
    let token = text.get(offset..).unwrap_or_default();
    let end = offset + end_of_quoted(token);
    let value = match parsed {
        jmespath::Variable::String(raw) if token.starts_with('\'') => Value::Text(Text::from(raw.clone())),
        _ => {
            let json = text
                .get(offset + 1..end - 1)
                .unwrap_or_default()
                .replace("\\`", "`");
            let mut budget = Budget::within(limits::EVALUATION_BYTES);
            budget.read(json.as_bytes()).map_err(|_| {
                let wrong = format!("the literal {} is not JSON", quoted(&json));
                Diagnostic::new(wrong, "write JSON between the backquotes")
            })?
        }
    };
    Ok(Literal { value, end })
}

/// What to write instead: most often a key that needs quotes.
fn suggestion(text: &str) -> String {
    match quoted_path(text) {
        Some(path) if text.starts_with(['$', '.']) => {
            format!("start the expression with a key: {}", in_yaml(&path))
        }
        Some(path) => format!("quote the key inside the expression, in YAML: {}", in_yaml(&path)),
        None => "see https://jmespath.org/specification.html for the grammar".to_owned(),
    }
}

/// An upper bound of the depth of the parsed tree, and of the parser's recursion: in each group of brackets the
/// operators of one comma-separated part, plus the deepest group inside it.
pub(super) fn depth(text: &str) -> usize {
    /// A group of brackets that is still open: operators of this part, deepest child of this part, deepest part.
    #[derive(Default)]
    struct Group {
        operators: usize,
        child: usize,
        deepest: usize,
    }
    impl Group {
        fn close_part(&mut self) {
            self.deepest = self.deepest.max(self.operators.saturating_add(self.child));
            (self.operators, self.child) = (0, 0);
        }
    }

    let mut outer: Vec<Group> = Vec::new();
    let mut group = Group::default();
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        let mut length = c.len_utf8();
        match c {
            '\'' | '"' | '`' => length = end_of_quoted(rest),
            '(' | '[' | '{' => {
                group.operators = group.operators.saturating_add(1);
                outer.push(std::mem::take(&mut group));
            }
            ')' | ']' | '}' => {
                group.close_part();
                if let Some(mut parent) = outer.pop() {
                    parent.child = parent.child.max(group.deepest);
                    group = parent;
                }
            }
            ',' => group.close_part(),
            '.' | '*' | '|' | '&' | '!' | '=' | '<' | '>' | '?' | ':' => {
                // The pairs that the lexer joins are one operator.
                if ["||", "&&", "==", "!=", "<=", ">="]
                    .iter()
                    .any(|pair| rest.starts_with(pair))
                {
                    length = 2;
                }
                group.operators = group.operators.saturating_add(1);
            }
            _ => {}
        }
        rest = rest.get(length..).unwrap_or_default();
    }
    // Unclosed brackets do not parse, but the parser recurses before it notices.
    outer.push(group);
    outer.into_iter().rev().fold(0, |child, mut group| {
        group.child = group.child.max(child);
        group.close_part();
        group.deepest
    })
}

/// Length of the quoted text at the start of `text`, including the quotes.
fn end_of_quoted(text: &str) -> usize {
    let mut chars = text.char_indices();
    let quote = chars.next().map(|(_, quote)| quote);
    while let Some((at, c)) = chars.next() {
        if c == '\\' {
            chars.next();
        } else if Some(c) == quote {
            return at + 1;
        }
    }
    text.len()
}
