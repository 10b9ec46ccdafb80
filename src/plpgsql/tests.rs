use proptest::prelude::*;

use super::*;
use crate::model::{Event, Orientation, TableId, Timing};

fn walked_for(source: &str, event: Event, timing: Timing) -> Walk {
    let tree = parse(source).unwrap_or_else(|unread| panic!("{unread:?}\n{source}"));
    let table = TableId {
        schema: "public".to_owned(),
        name: "users".to_owned(),
    };
    walk(
        &tree,
        &Situation {
            event,
            timing,
            orientation: Orientation::Row,
            table: &table,
            name: "users_touch",
        },
    )
}

fn walked(source: &str) -> Walk {
    walked_for(source, Event::Update, Timing::Before)
}

/// What can be returned, in order, with a `?` where that is not sure; `end` where the end can be reached.
fn ends(source: &str, event: Event) -> String {
    let walk = walked_for(source, event, Timing::Before);
    let mut words: Vec<String> = walk
        .returns
        .iter()
        .map(|returns| {
            let sure = if returns.sure { "" } else { "?" };
            format!("{:?}{sure}", returns.value).to_lowercase()
        })
        .collect();
    if let Some((_, sure)) = walk.falls_through {
        words.push(if sure { "end" } else { "end?" }.to_owned());
    }
    words.join(" ")
}

#[test]
fn follows_every_path() {
    for (body, update, delete) in [
        ("RETURN NEW;", "new", "new"),
        ("RETURN (OLD);", "old", "old"),
        ("RETURN;", "null", "null"),
        ("NULL;", "end", "end"),
        ("RETURN COALESCE(NEW, OLD);", "other", "other"),
        (
            "IF TG_OP = 'DELETE' THEN RETURN OLD; END IF; RETURN NEW;",
            "new",
            "old",
        ),
        (
            "IF 'DELETE' <> TG_OP THEN RETURN NEW; ELSE RETURN OLD; END IF;",
            "new",
            "old",
        ),
        (
            "IF NOT (TG_OP IN ('INSERT', 'UPDATE')) THEN RETURN OLD; END IF; RETURN NEW;",
            "new",
            "old",
        ),
        (
            "IF TG_OP = 'DELETE' AND OLD.a > 1 THEN RETURN NULL; END IF; RETURN OLD;",
            "old",
            "null old",
        ),
        (
            "IF TG_OP = 'UPDATE' OR OLD.a > 1 THEN RETURN NULL; END IF; RETURN OLD;",
            "null",
            "null old",
        ),
        (
            "IF OLD.a THEN RETURN NEW; ELSIF OLD.b THEN RETURN OLD; END IF;",
            "new old end",
            "new old end",
        ),
        (
            "CASE TG_OP WHEN 'DELETE' THEN RETURN OLD; WHEN 'UPDATE', 'INSERT' THEN RETURN NEW; END CASE;",
            "new",
            "old",
        ),
        ("CASE WHEN OLD.a THEN RETURN OLD; END CASE;", "old", "old"),
        (
            "CASE WHEN OLD.a THEN NULL; ELSE RETURN OLD; END CASE;",
            "old end",
            "old end",
        ),
        ("LOOP NULL; END LOOP;", "", ""),
        ("LOOP EXIT; END LOOP;", "end", "end"),
        (
            "<<a>> LOOP LOOP EXIT a WHEN OLD.x; END LOOP; END LOOP;",
            "end",
            "end",
        ),
        ("LOOP LOOP EXIT; END LOOP; END LOOP;", "", ""),
        (
            "WHILE OLD.a LOOP RETURN NEW; END LOOP;",
            "new end",
            "new end",
        ),
        (
            "FOR i IN 1..3 LOOP RETURN NEW; END LOOP; RETURN OLD;",
            "new old",
            "new old",
        ),
        ("<<b>> BEGIN EXIT b; END; RETURN NEW;", "new", "new"),
        ("RAISE EXCEPTION 'x';", "", ""),
        ("RAISE;", "", ""),
        ("RAISE NOTICE 'x';", "end", "end"),
        (
            "BEGIN RETURN NEW; EXCEPTION WHEN others THEN NULL; END; RETURN OLD;",
            "new old",
            "new old",
        ),
        (
            "BEGIN RETURN NEW; EXCEPTION WHEN others THEN RAISE; END;",
            "new",
            "new",
        ),
        // What may raise by itself, and what is asked in other words, is not sure.
        ("PERFORM refuse();", "end?", "end?"),
        (
            "IF TG_ARGV[0] = 'x' THEN RETURN NULL; END IF; RETURN NEW;",
            "null? new?",
            "null? new?",
        ),
        (
            "IF lower(TG_OP) = 'delete' THEN RETURN OLD; END IF; RETURN NEW;",
            "old? new?",
            "old? new?",
        ),
        (
            "op := lower(TG_OP); IF op = 'delete' THEN RETURN OLD; END IF; RETURN NEW;",
            "old? new?",
            "old? new?",
        ),
    ] {
        let source = format!("DECLARE op text; BEGIN {body} END");
        assert_eq!(ends(&source, Event::Update), update, "{body}");
        assert_eq!(ends(&source, Event::Delete), delete, "{body}");
    }
}

/// `table event certainty always`.
fn writes(body: &str) -> Vec<String> {
    let source = format!("BEGIN {body} RETURN NEW; END");
    assert!(parse(&source).is_ok(), "{body}: {:?}", parse(&source).err());
    walked(&source)
        .writes
        .iter()
        .map(|(write, always)| {
            let schema = write.table.name.schema.as_deref();
            let schema = schema.map_or(String::new(), |schema| format!("{schema}."));
            let columns = write.columns.iter().flatten();
            let columns: Vec<&str> = columns.map(|(name, _)| name.as_str()).collect();
            assert!(source[write.table.range.clone()].contains(|c: char| c.is_alphanumeric()));
            format!(
                "{schema}{} {} [{}] {:?}{}",
                write.table.name.name,
                write.event.word(),
                columns.join(" "),
                write.certainty,
                if *always { " always" } else { "" }
            )
        })
        .collect()
}

#[test]
fn finds_what_is_written() {
    for (body, expected) in [
        (
            "INSERT INTO log (a, b) VALUES (1, 2);",
            vec!["log insert [a b] Always always"],
        ),
        (
            "INSERT INTO App.\"Log\" AS l SELECT 1 RETURNING a INTO STRICT x;",
            vec!["app.Log insert [] Perhaps always"],
        ),
        (
            "INSERT INTO t VALUES (1) ON CONFLICT (a) DO UPDATE SET b = 1;",
            vec!["t update [b] Perhaps always", "t insert [] Perhaps always"],
        ),
        (
            "UPDATE ONLY t AS x SET a = 1, (b, c) = (1, 2);",
            vec!["t update [a b c] Always always"],
        ),
        (
            "UPDATE t SET a = 1 WHERE t.id = NEW.id AND (NEW.k = k);",
            vec!["t update [a] SameRow always"],
        ),
        (
            "UPDATE t SET a = 1 WHERE id = NEW.parent;",
            vec!["t update [a] Perhaps always"],
        ),
        (
            "UPDATE t SET a = 1 WHERE id = NEW.id OR true;",
            vec!["t update [a] Perhaps always"],
        ),
        (
            "UPDATE t SET a = 1 FROM u WHERE t.id = NEW.id;",
            vec!["t update [a] Perhaps always"],
        ),
        ("DELETE FROM t;", vec!["t delete [] Always always"]),
        (
            "WITH g AS (DELETE FROM a WHERE id = OLD.id RETURNING *) INSERT INTO b SELECT * FROM g;",
            vec!["b insert [] Perhaps always", "a delete [] SameRow always"],
        ),
        (
            "MERGE INTO t USING s ON t.id = s.id WHEN MATCHED THEN UPDATE SET x = 1 WHEN NOT MATCHED THEN INSERT VALUES (1);",
            vec!["t update [x] Perhaps always", "t insert [] Perhaps always"],
        ),
        (
            "TRUNCATE a, ONLY b;",
            vec!["a truncate [] Always always", "b truncate [] Always always"],
        ),
        (
            "IF NEW.a THEN DELETE FROM t; END IF; DELETE FROM u;",
            vec!["t delete [] Always", "u delete [] Always always"],
        ),
        (
            "IF NEW.a THEN RETURN NEW; END IF; DELETE FROM u;",
            vec!["u delete [] Always"],
        ),
        ("IF TG_OP = 'DELETE' THEN DELETE FROM t; END IF;", vec![]),
        (
            "FOR r IN SELECT 1 LOOP DELETE FROM t; END LOOP; DELETE FROM u;",
            vec!["t delete [] Always", "u delete [] Always always"],
        ),
        (
            "FOR r IN DELETE FROM t RETURNING * LOOP NULL; END LOOP;",
            vec!["t delete [] Always always"],
        ),
        (
            "BEGIN DELETE FROM t; EXCEPTION WHEN others THEN DELETE FROM u; END;",
            vec!["t delete [] Always", "u delete [] Always"],
        ),
        (
            "PERFORM 'INSERT INTO x', \"update\" FROM y; -- DELETE FROM z\n",
            vec![],
        ),
    ] {
        assert_eq!(writes(body), expected, "{body}");
    }
}

#[test]
fn knows_reads_calls_and_assignments() {
    let walk = walked(
        "BEGIN
           SELECT count(*), max(x) INTO n, NEW.top FROM a JOIN app.b ON true, f(1) WHERE EXISTS (SELECT 1 FROM c);
           NEW.name := lower(NEW.name);
           NEW.\"Odd\" = audit.next();
           EXECUTE 'SELECT 1' INTO NEW.sum;
           CALL tidy();
           IF OLD.* IS DISTINCT FROM NEW.* OR (NEW.a) <> OLD.a OR OLD = NEW OR OLD.b = NEW.c THEN NULL; END IF;
           FETCH cur INTO r;
           RETURN NEW;
         END",
    );
    let reads: Vec<&str> = walk
        .reads
        .iter()
        .map(|table| table.name.name.as_str())
        .collect();
    assert_eq!(reads, ["a", "b", "c"]);
    let calls: Vec<&str> = walk
        .calls
        .iter()
        .map(|call| call.name.name.as_str())
        .collect();
    assert_eq!(calls, ["count", "max", "f", "lower", "next", "tidy"]);
    let assigns: Vec<Option<&str>> = walk.assigns.iter().map(|a| a.column.as_deref()).collect();
    assert_eq!(
        assigns,
        [Some("top"), Some("name"), Some("Odd"), Some("sum")]
    );
    let compares: Vec<Option<&str>> = walk.compares.iter().map(|(c, _)| c.as_deref()).collect();
    assert_eq!(compares.len(), 3, "{compares:?}");
    assert!(compares.contains(&Some("a")));
    assert_eq!(walk.dynamic.len(), 1);
    assert!(!walk.asks_depth);
    assert!(
        walk.reads_new
            .iter()
            .all(|(column, _)| column.as_deref() != Some("Odd"))
    );
}

#[test]
fn says_where_it_cannot_read() {
    let source = "BEGIN\n  NEW.a := ;\n  RETURN NEW;\nEND";
    let unread = parse(source).unwrap_err();
    assert!(!unread.reason.is_empty() && source.get(unread.range).is_some());
    let deep = format!("BEGIN x := {}1{}; END", "(".repeat(300), ")".repeat(300));
    assert!(parse(&deep).unwrap_err().reason.contains("too deep"));
    let long = format!("BEGIN {} END", "NULL; ".repeat(200_000));
    assert!(parse(&long).unwrap_err().reason.contains("1 MiB"));
}

/// A test has a thread's smallest stack: what is read at all may not go beyond it.
#[test]
fn what_is_nested_too_deep_is_not_read() {
    let nested = |open: &str, inside: &str, close: &str, count: usize| {
        let (open, close) = (open.repeat(count), close.repeat(count));
        format!("BEGIN {open}{inside}{close} END")
    };
    for (open, inside, close) in [
        ("BEGIN ", "NULL;", " END;"),
        ("IF true THEN ", "NULL;", " END IF;"),
        ("CASE NEW.a WHEN 1 THEN ", "NULL;", " END CASE;"),
        ("WHILE true LOOP ", "EXIT;", " END LOOP;"),
        ("BEGIN NULL; EXCEPTION WHEN others THEN ", "NULL;", " END;"),
    ] {
        assert!(parse(&nested(open, inside, close, 240)).is_ok(), "{open}");
        let unread = parse(&nested(open, inside, close, 20_000)).unwrap_err();
        assert_eq!(unread.reason, "it is nested too deep", "{open}");
    }
    let chain = |first: &str, more: &str, last: &str, count: usize| {
        format!("BEGIN {first}{}{last}; END", more.repeat(count))
    };
    for (first, more, last, read) in [
        ("NEW.a := ", "(", ") ", 1),
        ("NEW.a := ", "CASE WHEN true THEN ", "1 END", 1),
        ("NEW.a := ", "NOT ", "true", 990),
        ("NEW.a := ", "- ", "1", 990),
        ("NEW.a := ", "~ ", "1", 990),
        ("NEW.a := NEW.b", " || NEW.b", "", 990),
        ("NEW.a := NEW.b", " = NEW.b", "", 990),
        ("NEW.a := NEW.b", " = ANY (ARRAY[1])", "", 490),
        ("", "EXPLAIN ", "SELECT 1", 1),
        ("PERFORM 1 FROM ", "t JOIN ", "t", 1),
    ] {
        if read > 1 {
            assert!(parse(&chain(first, more, last, read)).is_ok(), "{more}");
        }
        let unread = parse(&chain(first, more, last, 20_000)).unwrap_err();
        assert_eq!(unread.reason, "it is nested too deep", "{more}");
    }
    // Long is not deep.
    for (first, more, last) in [
        ("NEW.a := f(NEW.b", ", NOT NEW.b = - 1", ")"),
        ("UPDATE t SET a = 1", ", b = - 1 || '2'", " WHERE NOT c"),
        ("NEW.a := NEW.b IS NOT NULL", " AND NOT NEW.b = 1", ""),
        ("NEW.a := CASE", " WHEN NOT NEW.b = 1 THEN - 1", " END"),
        (
            "NULL",
            "; PERFORM 1 FROM t LEFT JOIN t ON true CROSS JOIN t",
            "",
        ),
        ("INSERT INTO t SELECT 1", " UNION ALL SELECT 1", ""),
        ("DROP TABLE a", "; DROP TABLE IF EXISTS a", ""),
        (
            "NULL",
            "; IF NEW.a THEN NULL; ELSIF NEW.b THEN NULL; END IF",
            "",
        ),
        ("NULL", "; NEW.a := CASE WHEN true THEN 1 ELSE 2 END", ""),
        ("NULL", "; FOR i IN 1..2 LOOP EXIT; END LOOP", ""),
    ] {
        let read = parse(&chain(first, more, last, 5_000));
        assert!(read.is_ok(), "{more}: {read:?}");
    }
}

/// Bodies, cut and glued at random: nothing may panic, whatever comes out.
fn anything() -> impl Strategy<Value = String> {
    const WORDS: &[&str] = &[
        "BEGIN",
        "END",
        ";",
        "IF",
        "THEN",
        "ELSIF",
        "ELSE",
        "END IF",
        "LOOP",
        "END LOOP",
        "EXIT",
        "WHEN",
        "CASE",
        "RETURN",
        "NEW",
        "OLD",
        ".",
        "*",
        "a",
        "\"b\"",
        ":=",
        "=",
        "(",
        ")",
        "[",
        "]",
        ",",
        "INSERT INTO",
        "INTO",
        "VALUES",
        "UPDATE",
        "SET",
        "WHERE",
        "DELETE FROM",
        "SELECT",
        "FROM",
        "AS",
        "WITH",
        "MERGE INTO",
        "USING",
        "ON",
        "DECLARE",
        "EXCEPTION",
        "RAISE",
        "<<l>>",
        "'x'",
        "'",
        "\"",
        "$$",
        "$a$",
        "--",
        "/*",
        "*/",
        "1",
        "1..2",
        "FOR",
        "IN",
        "EXECUTE",
        "FETCH",
        "STRICT",
        "NOT",
        "NULL",
        "::",
        "#",
        "%",
        "é",
        "\n",
        "\t",
        "\0",
        "||",
        "@",
        "?",
        ":",
        "E'",
        "U&\"",
        "\\",
        "TG_OP",
        "ROW",
        "IS DISTINCT FROM",
    ];
    proptest::collection::vec(proptest::sample::select(WORDS), 0..40)
        .prop_map(|words| words.join(" "))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]
    #[test]
    fn no_text_makes_it_panic(text in anything(), whole in proptest::bool::ANY) {
        let source = if whole { format!("BEGIN {text}; END") } else { text };
        match parse(&source) {
            Ok(tree) => {
                let table = TableId { schema: "s".to_owned(), name: "t".to_owned() };
                for event in [Event::Insert, Event::Delete] {
                    let walk = walk(&tree, &Situation {
                        event, timing: Timing::Before, orientation: Orientation::Row, table: &table, name: "t",
                    });
                    for returns in &walk.returns {
                        prop_assert!(source.get(returns.range.clone()).is_some());
                    }
                    for (write, _) in &walk.writes {
                        prop_assert!(source.get(write.table.range.clone()).is_some());
                    }
                }
            }
            Err(unread) => prop_assert!(source.get(unread.range.clone()).is_some(), "{:?}", unread),
        }
    }
}

/// Who comes from other databases writes DECLARE before each variable.
#[test]
fn every_variable_may_have_a_declare_of_its_own() {
    for source in [
        "DECLARE a int; DECLARE b int; BEGIN RETURN NEW; END",
        "<<top>> DECLARE DECLARE a int := 1; declare b CURSOR FOR SELECT 1; BEGIN RETURN NEW; END",
        "BEGIN DECLARE a int; DECLARE b int; BEGIN b := 1; END; DECLARE c int; BEGIN RETURN NEW; END; END",
    ] {
        assert_eq!(ends(source, Event::Update), "new", "{source}");
    }
    assert!(parse("DECLARE a int DECLARE b int; BEGIN RETURN NEW; END").is_err());
    assert!(parse("BEGIN DECLARE; RETURN NEW; END").is_err());
}
