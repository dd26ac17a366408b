//! From the parser's tree to ours: function names, argument counts and expression references checked, literals
//! read again from the text so that their numbers stay exact.

use jmespath::ast::{Ast, Comparator};

use super::functions::{Function, Parameter};
use crate::diagnostic::Diagnostic;
use crate::diagnostic::quoted;
use crate::jmespath::json::{self, Text, Value};
use crate::limits;

/// A node of an expression. Names are those of the specification.
pub(super) enum Node {
    Current,
    Literal(Value),
    Field(Text),
    Index(i64),
    Slice {
        start: Option<i64>,
        stop: Option<i64>,
        step: i64,
    },
    /// `then` on the result of the first.
    Chain(Box<Self>, Box<Self>),
    And(Box<Self>, Box<Self>),
    Or(Box<Self>, Box<Self>),
    Not(Box<Self>),
    Compare(Comparator, Box<Self>, Box<Self>),
    /// A filter's inside: the second if the first holds, else null.
    Filter(Box<Self>, Box<Self>),
    /// The values of an object.
    Values(Box<Self>),
    Flatten(Box<Self>),
    /// The second on each element of the first, nulls dropped.
    Project(Box<Self>, Box<Self>),
    List(Vec<Self>),
    Object(Vec<(Text, Self)>),
    Call(Function, Vec<Argument>),
}

/// An argument of a function.
pub(super) enum Argument {
    Value(Node),
    /// `&expression`, for the function to apply.
    Reference(Node),
}

/// Compiles a tree. `text` is what it was parsed from.
pub(super) fn compile(tree: &Ast, text: &str) -> Result<Node, Diagnostic> {
    let one = |tree: &Ast| compile(tree, text).map(Box::new);
    let all = |trees: &[Ast]| {
        trees
            .iter()
            .map(|tree| compile(tree, text))
            .collect::<Result<Vec<_>, _>>()
    };
    Ok(match tree {
        Ast::Identity { .. } => Node::Current,
        Ast::Literal { value, offset } => Node::Literal(literal(value, *offset, text)?),
        Ast::Field { name, .. } => Node::Field(Text::from(name.clone())),
        Ast::Index { idx, .. } => Node::Index((*idx).into()),
        Ast::Slice { step: 0, .. } => {
            return Err(Diagnostic::new(
                "a slice with a step of 0 selects nothing",
                "write another step",
            ));
        }
        Ast::Slice {
            start, stop, step, ..
        } => Node::Slice {
            start: start.map(i64::from),
            stop: stop.map(i64::from),
            step: (*step).into(),
        },
        Ast::Subexpr { lhs, rhs, .. } => Node::Chain(one(lhs)?, one(rhs)?),
        Ast::And { lhs, rhs, .. } => Node::And(one(lhs)?, one(rhs)?),
        Ast::Or { lhs, rhs, .. } => Node::Or(one(lhs)?, one(rhs)?),
        Ast::Not { node, .. } => Node::Not(one(node)?),
        Ast::Comparison {
            comparator, lhs, rhs, ..
        } => Node::Compare(comparator.clone(), one(lhs)?, one(rhs)?),
        Ast::Condition { predicate, then, .. } => Node::Filter(one(predicate)?, one(then)?),
        Ast::ObjectValues { node, .. } => Node::Values(one(node)?),
        Ast::Flatten { node, .. } => Node::Flatten(one(node)?),
        Ast::Projection { lhs, rhs, .. } => Node::Project(one(lhs)?, one(rhs)?),
        Ast::MultiList { elements, .. } => Node::List(all(elements)?),
        Ast::MultiHash { elements, .. } => {
            let entry = |pair: &jmespath::ast::KeyValuePair| {
                compile(&pair.value, text).map(|value| (Text::from(pair.key.clone()), value))
            };
            Node::Object(elements.iter().map(entry).collect::<Result<_, _>>()?)
        }
        Ast::Function { name, args, .. } => call(name, args, text)?,
        Ast::Expref { .. } => {
            return Err(Diagnostic::new(
                "an expression reference (&) stands where a value is due",
                "use it only as an argument of map, sort_by, max_by or min_by",
            ));
        }
    })
}

fn call(name: &str, args: &[Ast], text: &str) -> Result<Node, Diagnostic> {
    let Some(function) = Function::find(name) else {
        let remedy = format!("the functions are {}", Function::names().join(", "));
        return Err(Diagnostic::new(
            format!("there is no function {}", quoted(name)),
            remedy,
        ));
    };
    let signature = function.signature();
    let due = signature.parameters.len();
    if args.len() < due || (args.len() > due && !signature.variadic) {
        let least = if signature.variadic { "at least " } else { "" };
        let plural = if due == 1 { "" } else { "s" };
        let wrong = format!("{name} takes {least}{due} argument{plural}, not {}", args.len());
        return Err(Diagnostic::new(
            wrong,
            "see https://jmespath.org/specification.html#built-in-functions",
        ));
    }
    let mut arguments = Vec::with_capacity(args.len());
    for (index, arg) in args.iter().enumerate() {
        let parameter = signature.parameter(index);
        arguments.push(match (parameter, arg) {
            (Parameter::Reference, Ast::Expref { ast, .. }) => Argument::Reference(compile(ast, text)?),
            (Parameter::Reference, _) => {
                let wrong = format!("argument {} of {name} must be an expression reference", index + 1);
                return Err(Diagnostic::new(wrong, "write & before it"));
            }
            (_, arg) => Argument::Value(compile(arg, text)?),
        });
    }
    Ok(Node::Call(function, arguments))
}

/// A literal: JSON between backquotes, or a raw string between single quotes.
fn literal(parsed: &jmespath::Variable, offset: usize, text: &str) -> Result<Value, Diagnostic> {
    if let Some(inside) = text.get(offset..).and_then(|rest| rest.strip_prefix('`')) {
        let json = inside
            .get(..closing(inside))
            .unwrap_or(inside)
            .replace("\\`", "`");
        let mut nodes = limits::JSON_NODES;
        return json::parse(json.as_bytes(), &mut nodes).map_err(|_| {
            Diagnostic::new(
                format!("the literal {} is not JSON", quoted(&json)),
                "write JSON between the backquotes",
            )
        });
    }
    match parsed {
        jmespath::Variable::String(text) => Ok(Value::Text(Text::from(text.clone()))),
        _ => Err(Diagnostic::new(
            "a literal is neither JSON nor a raw string",
            "write it between backquotes",
        )),
    }
}

/// Where the backquote stands that ends a literal.
fn closing(inside: &str) -> usize {
    let mut escaped = false;
    for (at, c) in inside.char_indices() {
        match c {
            '`' if !escaped => return at,
            '\\' => escaped = !escaped,
            _ => escaped = false,
        }
    }
    inside.len()
}
