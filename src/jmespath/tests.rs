use std::collections::HashSet;
use std::sync::Arc;

use jmespath::ast::Ast;
use proptest::prelude::*;

use super::json::{Text, Value};
use super::tree::{children, depth};
use super::*;
use crate::limits;

fn read(text: &[u8]) -> Result<Value, Fault> {
    Budget::new().read(text)
}

fn search(expression: &str, document: &str) -> Result<String, String> {
    let expression = Expression::parse(expression).map_err(|wrong| wrong.text)?;
    let document = read(document.as_bytes()).map_err(|fault| fault.to_string())?;
    let result = expression
        .search(&document, &mut Budget::new())
        .map_err(|fault| fault.to_string())?;
    let text = Budget::new().write(&result);
    text.map(|text| text.as_str().to_owned())
        .map_err(|fault| format!("{fault:?}"))
}

#[test]
fn integers_are_exact_where_a_double_is_not() {
    let document =
        r#"{"n":[9007199254740993,-9223372036854775808,18446744073709551615,12345678901234567890123]}"#;
    for (expression, expected) in [
        ("n[0]", "9007199254740993"),
        ("to_string(n[0])", "\"9007199254740993\""),
        ("abs(n[1])", "9223372036854775808"),
        ("sum(n[:2])", "-9214364837600034815"),
        ("max(n[:3])", "18446744073709551615"),
        ("n[0] == `9007199254740992`", "false"),
        ("n[0] == `9007199254740993`", "true"),
        ("to_number('18446744073709551615')", "18446744073709551615"),
        ("ceil(n[0])", "9007199254740993"),
        ("avg(`[9007199254740993, 9007199254740995]`)", "9007199254740994"),
        ("`1.10`", "1.1"),
        ("sum(`[0.1, 0.2]`)", "0.30000000000000004"),
    ] {
        assert_eq!(
            search(expression, document).as_deref(),
            Ok(expected),
            "{expression}"
        );
    }
    for expression in [
        "n[3]",
        "n",
        "abs(n[3])",
        "sum(n)",
        "to_string(n)",
        "to_number('0.1234567890123456789')",
    ] {
        let error = search(expression, document).unwrap_err();
        assert!(
            error.contains("Lossy") || error.contains("more digits"),
            "{expression}: {error}"
        );
    }
    assert_eq!(search("n[3] > n[2]", document).as_deref(), Ok("true"));
}

#[test]
fn slices_and_indices_at_the_edges_select_or_give_null() {
    for (expression, expected) in [
        ("[0]", "1"),
        ("[-1]", "3"),
        ("[3]", "null"),
        ("[-4]", "null"),
        ("[2147483647]", "null"),
        ("[-2147483647]", "null"),
        ("[1::2147483647]", "[2]"),
        ("[::-2147483647]", "[3]"),
        ("[5:1:-1]", "[3]"),
        ("[-9:9]", "[1,2,3]"),
    ] {
        assert_eq!(
            search(expression, "[1,2,3]").as_deref(),
            Ok(expected),
            "{expression}"
        );
    }
    assert!(search("[::0]", "[1]").unwrap_err().contains("step of 0"));
}

#[test]
fn wrong_functions_are_told_before_a_value_is_there() {
    for (expression, part) in [
        ("nope(@)", "unknown function \"nope\""),
        ("length()", "expected 1 argument, found 0"),
        ("length(a, b)", "expected 1 argument, found 2"),
        ("merge()", "at least 1"),
        (
            "sort_by(@, a)",
            "argument 2 of sort_by must be an expression reference",
        ),
        ("map(a, @)", "argument 1 of map"),
        ("&a", "expression reference"),
        ("a.&b", "expression reference"),
        ("length(&a)", "expression reference"),
    ] {
        let wrong = Expression::parse(expression).unwrap_err();
        assert!(wrong.text.contains(part), "{expression}: {}", wrong.text);
    }
}

#[test]
fn a_key_that_needs_quotes_is_shown_with_them() {
    for (expression, part) in [
        ("api-key", "path: '\"api-key\"'"),
        ("db.api-key", "path: 'db.\"api-key\"'"),
        ("0", "path: '\"0\"'"),
        ("1password", "path: '\"1password\"'"),
        ("é", "path: '\"é\"'"),
        ("$.a.b", "path: 'a.b'"),
        (".a", "path: 'a'"),
        ("a[", "specification"),
        ("", "specification"),
    ] {
        let wrong = Expression::parse(expression).unwrap_err();
        assert!(wrong.remedy.contains(part), "{expression}: {}", wrong.remedy);
    }
}

#[test]
fn what_never_reads_the_document_is_told_from_what_does() {
    for constant in [
        "'x'",
        "`\"x\"`",
        "foo | 'x'",
        "abs(foo) | 'x'",
        "'x' | @",
        "'x' | @ | type(@)",
        "'x' || foo",
        "to_string('x') || foo",
        "`null` || 'x'",
        "`null` && foo",
        "'' && foo",
        "(foo || 'x') | 'y'",
        "foo || 'x' | 'y'",
        "['x', 'y']",
        "['x', foo] | [0]",
        "['x', foo][0]",
        "[foo] && 'x'",
        "[foo] | ['x']",
        "{a: foo} || bar | 'x'",
        "{a: 'x', b: foo}.a",
        "{a: foo, a: 'x'}.a",
        "{a: foo}.b",
        "{a: [foo, {b: 'x'}]}.a[1].b",
        "![foo]",
        "!'x'",
        "'x' == 'y'",
        "not_null('x', foo)",
        "not_null(`null`, 'x', foo)",
        "not_null(to_number('y'), 'x', foo)",
        "join(',', ['a', 'b'])",
        "length('abc')",
        "abs('x')",
        "map(&foo, `[{\"foo\": 1}]`)",
        "sort_by(`[{\"foo\": 1}]`, &foo)",
        "`[1, 2]`[?@ > `1`] | [0]",
        "`[[1], [2]]`[]",
        "`{\"a\": 1}`.*",
        "['a', 'b'][::-1]",
    ] {
        assert!(Expression::parse(constant).unwrap().is_constant(), "{constant}");
    }
    for dependent in [
        "foo",
        "@",
        "*",
        "[0]",
        "[*].['x']",
        "foo | ['x']",
        "foo && 'x'",
        "foo || 'x'",
        "'' || foo",
        "`null` || foo",
        "`false` || foo",
        "'x' && foo",
        "@ && 'x'",
        "@ && (foo | 'x')",
        "foo && 'x' || 'y'",
        "{type: 'x', user: foo}",
        "['x', foo]",
        "['x', foo][1]",
        "['x', foo] | [-1]",
        "{a: 'x', a: foo}.a",
        "!foo",
        "foo == 'x'",
        "not_null(foo, 'x')",
        "not_null(`null`, foo)",
        "join(',', [foo, 'x'])",
        "contains('x', foo)",
        "map(&'x', foo)",
        "foo[?'x']",
        "foo[].['x'] | [0]",
        "type(@)",
        "keys(@)",
    ] {
        assert!(
            !Expression::parse(dependent).unwrap().is_constant(),
            "{dependent}"
        );
    }
}

/// The work of checking an expression is bounded by its length, even if its parts repeat each other's work.
#[test]
fn finding_what_never_reads_the_document_takes_few_steps() {
    let nested = |open: &str, inner: &str, close: &str, n: usize| {
        format!("{}{inner}{}", open.repeat(n), close.repeat(n))
    };
    for text in [
        "[a,a,a]|".to_owned() + &"[@,@,@,@,@,@,@,@]|".repeat(15) + "'x'",
        "`[1]`|".to_owned() + &"[@,@,@,@,@,@,@,@]|".repeat(14) + "to_string(@)",
        nested("not_null(", "a", ",a)", 31),
        nested("!(", "a", ")", 15),
        nested("(a||", "'x'", ")", 15),
        nested("['x',", "a", "]", 31),
        nested("map(&map(&map(&[@,@], @), @), ", "`[1,2,3,4,5,6,7,8]`", ")", 9),
    ] {
        let _ = Expression::parse(&text).unwrap_or_else(|wrong| panic!("{text}: {}", wrong.text));
    }
}

/// A debug build's parser takes the most stack; these expressions are the deepest that are accepted.
#[test]
fn the_deepest_expression_fits_into_a_workers_stack() {
    let shapes: &[(&str, &str)] = &[
        ("(", ")"),
        ("[", "]"),
        ("{a:", "}"),
        ("!", ""),
        ("[?", "]"),
        ("a[?", "]"),
        ("length(", ")"),
        ("a.", ""),
        ("*.", ""),
        ("[*]", ""),
        ("[]", ""),
        ("[0]", ""),
        ("[:]", ""),
        ("a|", ""),
        ("a||", ""),
        ("a&&", ""),
        ("a==", ""),
        ("a|b||c&&d==[?", "]"),
        ("a|b||c&&d==!(", ")"),
        ("a.[", "]"),
        ("map(&", ",@)"),
        ("sort_by(@,&", ")"),
    ];
    for (open, close) in shapes {
        let text = |n: usize| format!("{}a{}", open.repeat(n), close.repeat(n));
        let n = (1..2_000)
            .take_while(|n| depth(&text(*n)) <= limits::EXPRESSION_DEPTH)
            .last()
            .unwrap();
        let worker = std::thread::Builder::new()
            .stack_size(limits::WORKER_STACK)
            .spawn({
                let text = text(n);
                move || {
                    let document = read(("[".repeat(127) + &"]".repeat(127)).as_bytes()).unwrap();
                    let Ok(expression) = Expression::parse(&text) else {
                        return;
                    };
                    let _ = expression.search(&document, &mut Budget::new());
                }
            });
        worker.unwrap().join().unwrap_or_else(|_| panic!("{open}"));
        assert!(Expression::parse(&text(n + 40)).is_err(), "{open}");
    }
}

#[test]
fn growth_is_stopped_by_the_budget() {
    let document = read(format!("[{}0]", "0,".repeat(15_000)).as_bytes()).unwrap();
    let eight = "[@,@,@,@,@,@,@,@]|";
    for (expression, expected) in [
        (eight.repeat(15) + "to_string(@)", Fault::TooManySteps),
        (eight.repeat(15) + "@ == @", Fault::TooManySteps),
        (eight.repeat(2) + "map(&map(&sort(@), @), @)", Fault::TooManySteps),
        ("[*].{a: @, b: @}".to_owned(), Fault::TooMuchMemory),
        (
            "to_string(@)|".to_owned() + &"join('',[@,@])|".repeat(12) + "length(@)",
            Fault::TooMuchMemory,
        ),
        ("map(&[@,@,@,@,@,@,@,@],@)|".repeat(5) + "@", Fault::TooMuchMemory),
        (
            "[to_string(@),to_string(@)]|".repeat(10) + "join(@[0],@)",
            Fault::TooMuchMemory,
        ),
        (
            format!("map(&to_string(@), @)|{eight}{eight}{eight}[][][]|[?contains(@, '1')]"),
            Fault::TooMuchMemory,
        ),
        (
            "@[*].[@,@][]|@[*].[@,@][]|@[*].[@,@][]|@[*].[@,@][]".to_owned(),
            Fault::TooMuchMemory,
        ),
    ] {
        let compiled = Expression::parse(&expression).unwrap();
        let result = compiled.search(&document, &mut Budget::new());
        assert_eq!(result.map(|_| ()), Err(expected), "{expression}");
    }
}

/// Searching the document for a literal's path needs memory.
#[test]
fn a_literal_is_not_taken_for_text_for_want_of_memory() {
    let document = read(format!(r#"{{"a":[{}{{"b":1}}]}}"#, r#"{"b":1},"#.repeat(500)).as_bytes()).unwrap();
    let expression = Expression::parse("'a[*].b'").unwrap();
    let mistaken = |bytes| expression.mistaken(None, &document, &mut Budget::within(bytes));
    assert_eq!(mistaken(1_000).unwrap_err(), Fault::TooMuchMemory);
    assert!(mistaken(limits::EVALUATION_BYTES).unwrap().is_some());
}

#[test]
fn steps_are_shared_by_all_expressions_of_a_mount_and_memory_is_not() {
    let document = read(format!("[{}0]", "0,".repeat(15_000)).as_bytes()).unwrap();
    let expression = Expression::parse("[*]").unwrap();
    let mut budget = Budget::new();
    let outcomes: Vec<Option<Fault>> = (0..200)
        .map(|_| {
            budget.next_expression();
            expression.search(&document, &mut budget).err()
        })
        .collect();
    assert_eq!(outcomes[0], None);
    assert_eq!(outcomes[20], None);
    assert_eq!(outcomes[199], Some(Fault::TooManySteps));
}

#[test]
fn writing_what_is_too_long_costs_as_much_as_writing_what_is_not() {
    let document = read(format!("[{}0]", "0,".repeat(1_000)).as_bytes()).unwrap();
    let expression = Expression::parse("to_string(@)").unwrap();
    let mut budget = Budget {
        steps: 5_000,
        ..Budget::within(1_920)
    };
    assert_eq!(
        expression.search(&document, &mut budget).map(|_| ()),
        Err(Fault::TooMuchMemory)
    );
    let looking = 2 + 1_001; // Two nodes, and the type of the elements.
    let writing = 1 + 961 + 1_920 / 64; // The list, its elements up to the limit, and the bytes.
    assert_eq!(budget.steps, 5_000 - looking - writing);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_000))]

    /// Any text either parses within the bounds or is refused; the bound on the text bounds the tree.
    #[test]
    fn the_depth_of_the_text_bounds_the_depth_of_the_tree(text in tokens()) {
        let bound = depth(&text);
        if bound <= 3 * limits::EXPRESSION_DEPTH
            && let Ok(tree) = jmespath::parse(&text)
        {
            prop_assert!(tree_depth(&tree) <= 3 * bound + 2, "{} > 3 * {bound} + 2: {text}", tree_depth(&tree));
        }
        let _ = Expression::parse(&text);
    }

    /// The budget covers all memory that an expression builds.
    #[test]
    fn what_an_expression_builds_is_within_the_budget(text in growth()) {
        let numbers = (0..200).map(|n| n.to_string()).collect::<Vec<_>>().join(",");
        let document = format!(r#"{{"a":[1,2,{{"b":[3,[4,5]]}},"six",[[],{{}}]],"b":{{"a":{{"b":"c"}}}},"n":[{numbers}]}}"#);
        let document = read(document.as_bytes()).unwrap();
        let Ok(expression) = Expression::parse(&text) else { return Ok(()) };
        let mut budget = Budget::new();
        if let Ok(result) = expression.search(&document, &mut budget) {
            let mut seen = HashSet::new();
            let document_bytes = unshared_bytes(&document, &mut seen);
            let built = unshared_bytes(&result, &mut seen);
            let (steps, bytes) = (limits::EVALUATION_STEPS - budget.steps, limits::EVALUATION_BYTES - budget.bytes);
            prop_assert!(built <= bytes + text.len(), "{built} > {bytes}: {text}");
            prop_assert!(bytes / 64 <= steps + document_bytes + text.len());
        }
    }

    /// A constant expression has the same result for every document but null, wherever it has one.
    #[test]
    fn what_never_reads_the_document_does_not_depend_on_it(
        text in prop_oneof![grammar(), half_literal(), half_literal()],
        document in documents(),
    ) {
        prop_assume!(document != "null");
        let Ok(expression) = Expression::parse(&text) else { return Ok(()) };
        if expression.is_constant() {
            let others = ["{}", "[]", "\"\"", r#"["x",[1],{"a":1}]"#, r#"{"a":"x"}"#, r#"{"a":{"a":["b"]},"b":[1]}"#];
            let mut results: Vec<String> = std::iter::once(document.as_str())
                .chain(others)
                .filter_map(|document| search(&text, document).ok())
                .collect();
            results.dedup();
            prop_assert!(results.len() <= 1, "{}: {:?}", text, results);
        }
    }

    /// Expressions made only of literals are constant.
    #[test]
    fn what_is_made_of_literals_never_reads_the_document(text in grammar_of(LITERALS.to_vec())) {
        if let Ok(expression) = Expression::parse(&text) {
            prop_assert!(expression.is_constant(), "{}", text);
        }
    }

    /// The crate gives the same result wherever it gives one.
    #[test]
    fn the_crate_gives_the_same_results(text in grammar(), document in documents()) {
        prop_assume!(depth(&text) <= limits::EXPRESSION_DEPTH);
        // The crate calculates in floating point and writes "1.0" where whole numbers are expected.
        let calculates = ["abs(", "ceil(", "floor(", "sum(", "avg(", "to_number("];
        prop_assume!(!text.contains("to_string(") || !calculates.iter().any(|name| text.contains(name)));
        let Ok(theirs) = jmespath::compile(&text) else {
            prop_assert!(Expression::parse(&text).is_err(), "{text}");
            return Ok(());
        };
        let variable = jmespath::Variable::from_json(&document).unwrap();
        match (theirs.search(variable), search(&text, &document)) {
            (Ok(theirs), Ok(ours)) => {
                let theirs: serde_json::Value = serde_json::from_str(&theirs.to_string()).unwrap();
                let ours: serde_json::Value = serde_json::from_str(&ours).unwrap();
                prop_assert!(compliance::same(&theirs, &ours), "{text} on {document}: {theirs} but {ours}");
            }
            (Ok(theirs), Err(ours)) => {
                // Arguments that the crate never evaluates are still checked here.
                prop_assert!(ours.contains("reference") || ours.contains("arguments"), "{text}: {theirs} but {ours}");
            }
            (Err(_), _) => {}
        }
    }
}

/// Tokens in any order.
fn tokens() -> impl Strategy<Value = String> {
    let token = prop::sample::select(vec![
        "a", "b", ".", "*", "[", "]", "[]", "[*]", "[?", "(", ")", "{", "}", "a:", ",", "|", "||", "&&", "&",
        "!", "==", "<", "'x'", "`1`", "\"q\"", "0", "-1", ":", "@", "length(", "map(&", "é", "\\", "`", "'",
        " ",
    ]);
    let random = prop::collection::vec(token.clone(), 0..60).prop_map(|tokens| tokens.concat());
    let repeated = (prop::collection::vec(token, 1..4), 1..40_usize)
        .prop_map(|(tokens, times)| tokens.concat().repeat(times) + "a");
    prop_oneof![random, repeated]
}

/// Chains of steps that build large results from small ones.
fn growth() -> impl Strategy<Value = String> {
    let step = prop::sample::select(vec![
        "[@,@]",
        "[@,@,@,@]",
        "{a: @, b: @}",
        "{a: a, b: b, c: @}",
        "[]",
        "[*][*]",
        "*",
        "*.*",
        "[@, [@, @]][]",
        "to_string(@)",
        "[to_string(@), to_string(@)]",
        "map(&[@,@], to_array(@))",
        "join(',', keys(@))",
        "[join('x', [to_string(@), to_string(@)])]",
        "merge({a: @}, {b: @})",
        "values({a: @, b: @})",
        "reverse(to_array(@))",
        "reverse(to_string(@))",
        "sort(map(&to_string(@), to_array(@)))",
        "a",
        "b",
        "[0]",
        "@[:]",
        "to_array(@)[::-1]",
        "{a: [@,@], b: to_string(@)}",
        "not_null(a, @)",
        "[n[*], n[:], reverse(n), @]",
        "to_array(@)[?@]",
    ]);
    prop::collection::vec(step, 1..12).prop_map(|steps| steps.join("|"))
}

/// Literals of every type.
const LITERALS: [&str; 8] = [
    "'x'",
    "'a'",
    "''",
    "`1`",
    "`[1,2]`",
    "`null`",
    "`false`",
    "`{\"a\":[\"b\"]}`",
];

/// Expressions that mostly parse.
fn grammar() -> impl Strategy<Value = String> {
    grammar_of(vec![
        "a", "b", "c", "@", "'x'", "`1`", "`[1,2]`", "`null`", "*", "[0]", "[-1]", "[*]", "[]",
    ])
}

/// The same, of these leaves.
fn grammar_of(leaves: Vec<&'static str>) -> impl Strategy<Value = String> {
    let leaf = prop::sample::select(leaves);
    leaf.prop_map(str::to_owned).prop_recursive(4, 24, 4, |inner| {
        let one = inner.clone();
        let suffix = prop::sample::select(vec![
            ".a",
            ".b",
            "[0]",
            "[1:]",
            "[::-1]",
            "[*]",
            "[]",
            ".*",
            "[?a]",
            "[?@ > `1`]",
        ]);
        let infix = prop::sample::select(vec!["|", "||", "&&", "==", "!=", "<", "<=", ">", ">="]);
        let call = prop::sample::select(vec![
            "abs",
            "avg",
            "ceil",
            "floor",
            "keys",
            "length",
            "max",
            "min",
            "merge",
            "not_null",
            "reverse",
            "sort",
            "sum",
            "to_array",
            "to_string",
            "type",
            "values",
        ]);
        prop_oneof![
            (one.clone(), suffix).prop_map(|(a, b)| format!("{a}{b}")),
            (one.clone(), infix.clone(), one.clone()).prop_map(|(a, op, b)| format!("{a} {op} {b}")),
            (one.clone(), infix).prop_map(|(a, op)| format!("{a} {op} {a}")),
            (call, one.clone()).prop_map(|(f, a)| format!("{f}({a})")),
            (one.clone(), one.clone()).prop_map(|(a, b)| format!("[{a}, {b}]")),
            (one.clone(), one.clone()).prop_map(|(a, b)| format!("{{x: {a}, y: {b}}}")),
            (one.clone(), one.clone()).prop_map(|(a, b)| format!("contains({a}, {b})")),
            (one.clone(), one.clone()).prop_map(|(a, b)| format!("map(&{a}, {b})")),
            (one.clone(), one.clone()).prop_map(|(a, b)| format!("sort_by({a}, &{b})")),
            (one.clone(), one.clone()).prop_map(|(a, b)| format!("max_by({a}, &{b})")),
            (one.clone(), one.clone()).prop_map(|(a, b)| format!("not_null({a}, {b})")),
            (one.clone(), one.clone()).prop_map(|(a, b)| format!("{{a: {a}, b: {b}}}.a")),
            (one.clone(), one.clone()).prop_map(|(a, b)| format!("[{a}, {b}] | [1]")),
            one.clone().prop_map(|a| format!("!{a}")),
            one.prop_map(|a| format!("({a})")),
        ]
    })
}

/// Expressions made half of literals, covering every case of the analysis.
fn half_literal() -> impl Strategy<Value = String> {
    let leaf = prop::sample::select(vec![
        "'x'",
        "''",
        "`null`",
        "`false`",
        "['x']",
        "{a: 'y'}",
        "`[\"z\"]`",
        "a",
        "@",
        "[0]",
    ]);
    leaf.prop_map(str::to_owned).prop_recursive(4, 16, 2, |inner| {
        let shape = prop::sample::select(vec![
            "(A) | (B)",
            "(A) | (B)",
            "(A) || (B)",
            "(A) && (B)",
            "(A) == (B)",
            "[A, B]",
            "{a: A, b: B}",
            "{a: A, a: B}",
            "[A, B] | [0]",
            "[A, B] | [-1]",
            "{a: A, b: B}.a",
            "{a: A, b: B}.b",
            "(A).a",
            "(A)[*].[B]",
            "(A)[?B]",
            "(A)[]",
            "!(A)",
            "not_null(A, B)",
            "to_array(A) | [0]",
            "map(&B, to_array(A))",
            "contains(to_array(A), B)",
        ]);
        (shape, inner.clone(), inner)
            .prop_map(|(shape, a, b)| shape.replace('A', "\0").replace('B', &b).replace('\0', &a))
    })
}

/// Small documents with the keys that the expressions use.
fn documents() -> impl Strategy<Value = String> {
    let leaf = prop::sample::select(vec![
        "1", "2.5", "-3", "\"x\"", "\"\"", "true", "false", "null", "[]", "{}",
    ]);
    leaf.prop_map(str::to_owned).prop_recursive(4, 24, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(|items| format!("[{}]", items.join(","))),
            prop::collection::btree_map("[abc]", inner, 0..4).prop_map(|entries| {
                let entries: Vec<String> = entries
                    .iter()
                    .map(|(key, value)| format!("\"{key}\":{value}"))
                    .collect();
                format!("{{{}}}", entries.join(","))
            }),
        ]
    })
}

fn tree_depth(tree: &Ast) -> usize {
    1 + children(tree).into_iter().map(tree_depth).max().unwrap_or(0)
}

/// Memory of a value, without parts shared with values seen before.
fn unshared_bytes(value: &Value, seen: &mut HashSet<usize>) -> usize {
    match value {
        Value::Null | Value::Boolean(_) | Value::Number(_) => 0,
        Value::Text(text) => {
            if seen.insert(text.as_str().as_ptr().addr()) {
                text.as_str().len()
            } else {
                0
            }
        }
        Value::List(items) => {
            if !seen.insert(Arc::as_ptr(items).addr()) {
                return 0;
            }
            let inner: usize = items.iter().map(|item| unshared_bytes(item, seen)).sum();
            items.len() * size_of::<Value>() + inner
        }
        Value::Object(entries) => {
            if !seen.insert(Arc::as_ptr(entries).addr()) {
                return 0;
            }
            let inner: usize = entries.values().map(|item| unshared_bytes(item, seen)).sum();
            entries.len() * size_of::<(Text, Value)>() + inner
        }
    }
}

#[test]
fn a_budget_that_was_too_small_is_empty() {
    let document = read(b"[1,2,3]").unwrap();
    let mut budget = Budget {
        steps: 3,
        ..Budget::within(1_000)
    };
    let all = Expression::parse("sort(@)").unwrap();
    assert_eq!(
        all.search(&document, &mut budget).map(|_| ()),
        Err(Fault::TooManySteps)
    );
    let one = Expression::parse("@").unwrap();
    assert_eq!(
        one.search(&document, &mut budget).map(|_| ()),
        Err(Fault::TooManySteps)
    );
}
