use proptest::prelude::*;

use super::*;

const ALL: [&Syntax; 3] = [&SQLITE, &POSTGRES, &MYSQL];

fn cut<'a>(text: &'a str, syntax: &Syntax) -> Vec<(TokenKind, &'a str)> {
    tokens(text, syntax)
        .filter(|token| token.kind != TokenKind::Space)
        .map(|token| (token.kind, token.text(text)))
        .collect()
}

fn texts<'a>(text: &'a str, syntax: &Syntax) -> Vec<&'a str> {
    cut(text, syntax)
        .into_iter()
        .map(|(_, text)| text)
        .collect()
}

#[test]
fn reserved_words_are_sorted() {
    let reserved = SQLITE.reserved.unwrap();
    assert!(reserved.is_sorted());
}

#[test]
fn cuts_quotes_of_each_engine() {
    use TokenKind::{Operator, QuotedName, String, Unterminated, Word};
    assert_eq!(
        cut("[a'b] `c``d` \"e\"\"f\" 'g''h' x'00'", &SQLITE),
        [
            (QuotedName, "[a'b]"),
            (QuotedName, "`c``d`"),
            (QuotedName, "\"e\"\"f\""),
            (String, "'g''h'"),
            (String, "x'00'"),
        ]
    );
    assert_eq!(
        cut(r#"E'a\'b' 'c\' U&"d" $t$ ; $x$ ' $t$ a$b$c"#, &POSTGRES),
        [
            (String, r"E'a\'b'"),
            (String, r"'c\'"),
            (QuotedName, "U&\"d\""),
            (String, "$t$ ; $x$ ' $t$"),
            (Word, "a$b$c"),
        ]
    );
    assert_eq!(
        cut(r#"'a\'b' "c\"d" `e` [f]"#, &MYSQL),
        [
            (String, r"'a\'b'"),
            (String, r#""c\"d""#),
            (QuotedName, "`e`"),
            (Operator, "["),
            (Word, "f"),
            (Operator, "]"),
        ]
    );
    for text in ["'a", "\"a", "/* a", "$$ a"] {
        assert_eq!(cut(text, &POSTGRES), [(Unterminated, text)]);
    }
}

#[test]
fn an_escape_string_goes_on_on_the_next_line() {
    let text = "E'a' -- comment\n 'b\\'; drop' ;";
    assert_eq!(
        texts(text, &POSTGRES),
        ["E'a' -- comment\n 'b\\'; drop'", ";"]
    );
    assert_eq!(texts("E'a' 'b'", &POSTGRES), ["E'a'", "'b'"]);
}

#[test]
fn cuts_comments_of_each_engine() {
    assert_eq!(texts("/* /* */ */ a", &POSTGRES), ["/* /* */ */", "a"]);
    assert_eq!(texts("/* /* */ */ a", &SQLITE), ["/* /* */", "*/", "a"]);
    assert_eq!(texts("1--1", &SQLITE), ["1", "--1"]);
    assert_eq!(texts("1--1 -- x", &MYSQL), ["1", "-", "-", "1", "-- x"]);
    assert_eq!(texts("a # b\nc", &MYSQL), ["a", "# b", "c"]);
    assert_eq!(
        texts("/*!50001 ; */ /*M! x */", &MYSQL),
        ["/*!50001", ";", "*/", "/*M!", "x", "*/"]
    );
}

#[test]
fn cuts_numbers_parameters_and_operators() {
    assert_eq!(
        texts("1.5e-3 .5 0xFF 1_000 a.1", &SQLITE),
        ["1.5e-3", ".5", "0xFF", "1_000", "a", ".1"]
    );
    assert_eq!(texts("1..10", &POSTGRES), ["1", "..", "10"]);
    assert_eq!(
        texts("?1 :a @b $c::d(e) #f", &SQLITE),
        ["?1", ":a", "@b", "$c::d(e)", "#f"]
    );
    assert_eq!(
        texts("$1::text a[1:n]", &POSTGRES),
        ["$1", "::", "text", "a", "[", "1", ":", "n", "]"]
    );
    assert_eq!(
        texts("a=-1 @- b<@c", &POSTGRES),
        ["a", "=", "-", "1", "@-", "b", "<@", "c"]
    );
    assert_eq!(
        texts("a->>'b'||c<>d", &SQLITE),
        ["a", "->>", "'b'", "||", "c", "<>", "d"]
    );
}

#[test]
fn layout_and_quoting_do_not_count() {
    for (left, right) in [
        ("SELECT  a -- x\n FROM t;", "select A/**/from T"),
        (
            "UPDATE \"users\" SET [a b] = 1",
            "update users set \"a b\" = 1",
        ),
        ("new.[Age] > 0x1F", "NEW.\"age\" > 0x1f"),
        ("\"key\" = `desc`", "KEY = desc"),
        ("", " ; ;"),
    ] {
        assert!(same_tokens(left, right, &SQLITE), "{left} / {right}");
    }
}

#[test]
fn what_means_something_else_is_different() {
    for (left, right) in [
        ("'a b'", "'ab'"),
        ("'A'", "'a'"),
        ("\"A\"", "\"a\""),
        ("\"select\"", "select"),
        ("\"current_time\"", "current_time"),
        ("\"true\"", "true"),
        ("a \"left\" join b", "a left join b"),
        ("'a'", "\"a\""),
        ("a;b", "a b"),
        ("a - -1", "a"),
        ("x'ab'", "'ab'"),
        (":a", "a"),
        ("1 2", "12"),
    ] {
        assert!(!same_tokens(left, right, &SQLITE), "{left} / {right}");
    }
    assert!(!same_tokens("\"a\"", "a", &POSTGRES));
    assert!(!same_tokens("$$a$$", "$$A$$", &POSTGRES));
}

#[test]
fn counts_only_semicolons_that_end_a_statement() {
    let trigger = "/* c */ CREATE /* ; */ TRIGGER t AFTER INSERT ON a BEGIN
        SELECT CASE WHEN 1 THEN 2 END; SELECT ';', \"end\"; -- end;
        END";
    assert_eq!(top_level_semicolons(trigger, &SQLITE), Vec::<usize>::new());
    assert_eq!(statement_end(trigger, &SQLITE), trigger.len());
    let injected =
        "CREATE TEMP TRIGGER t AFTER INSERT ON a BEGIN SELECT 1; END; DROP TABLE b; SELECT 1; END";
    assert_eq!(
        statement_end(injected, &SQLITE),
        injected.find("; DROP").unwrap()
    );
    assert_eq!(top_level_semicolons(injected, &SQLITE).len(), 3);
    assert_eq!(top_level_semicolons("begin; end; end", &SQLITE), [5, 10]);
    assert_eq!(
        top_level_semicolons("do $$ begin; end; $$; select ';'", &POSTGRES),
        [20]
    );
    assert_eq!(top_level_semicolons("select 1 /*! ; drop */", &MYSQL), [13]);
}

#[test]
fn unquotes() {
    for (quoted, name) in [
        ("\"a\"\"b\"", "a\"b"),
        ("`a``b`", "a`b"),
        ("[a\"\"b]", "a\"\"b"),
        ("'a''b'", "a'b"),
        ("a", "a"),
        ("\"", ""),
        ("", ""),
    ] {
        assert_eq!(unquote(quoted), name);
    }
}

/// Text that is full of what matters to the lexer.
fn sql() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        Just("'".to_owned()),
        Just("''".to_owned()),
        Just("\"".to_owned()),
        Just("`".to_owned()),
        Just("[".to_owned()),
        Just("]".to_owned()),
        Just("$".to_owned()),
        Just("$a$".to_owned()),
        Just("/*".to_owned()),
        Just("*/".to_owned()),
        Just("/*!".to_owned()),
        Just("--".to_owned()),
        Just("\n".to_owned()),
        Just("\\".to_owned()),
        Just("E'".to_owned()),
        Just("x'".to_owned()),
        Just("U&\"".to_owned()),
        Just("\u{feff}".to_owned()),
        Just("\0".to_owned()),
        Just(";".to_owned()),
        Just("end".to_owned()),
        "[ a-zA-Z0-9_.:@#?+é漢🦀-]{1,4}",
    ];
    prop::collection::vec(piece, 0..24).prop_map(|pieces| pieces.concat())
}

proptest! {
    #[test]
    fn tokens_cover_any_text(text in prop_oneof![sql(), any::<String>()]) {
        for syntax in ALL {
            let mut end = 0;
            for token in tokens(&text, syntax) {
                prop_assert_eq!(token.range.start, end);
                prop_assert!(token.range.end > end);
                prop_assert!(text.get(token.range.clone()).is_some());
                end = token.range.end;
            }
            prop_assert_eq!(end, text.len());
            for semicolon in top_level_semicolons(&text, syntax) {
                prop_assert_eq!(text.as_bytes()[semicolon], b';');
            }
            prop_assert!(same_tokens(&text, &text, syntax));
        }
    }

    #[test]
    fn literals_are_one_token_and_compared_to_the_letter(content in any::<String>(), other in any::<String>()) {
        let literal = |text: &str| format!("'{}'", text.replace('\'', "''"));
        let name = |text: &str| format!("\"{}\"", text.replace('"', "\"\""));
        for syntax in [&SQLITE, &POSTGRES] {
            for quoted in [literal(&content), name(&content)] {
                prop_assert_eq!(tokens(&quoted, syntax).count(), 1);
                let unquoted = unquote(&quoted);
                prop_assert_eq!(unquoted.as_ref(), content.as_str());
            }
            prop_assert_eq!(
                same_tokens(&literal(&content), &literal(&other), syntax),
                content == other
            );
        }
    }

    #[test]
    fn white_space_between_tokens_does_not_count(text in sql()) {
        for syntax in ALL {
            let all: Vec<Token> = tokens(&text, syntax).collect();
            let spaced: String = all
                .iter()
                .map(|token| match token.kind {
                    TokenKind::Comment if !token.text(&text).starts_with("/*") => {
                        format!("{}\n", token.text(&text))
                    }
                    TokenKind::Unterminated => token.text(&text).to_owned(),
                    _ => format!(" {}", token.text(&text)),
                })
                .collect();
            prop_assert!(same_tokens(&text, &spaced, syntax), "{:?} / {:?}", text, spaced);
        }
    }
}
