//! Every kind on a table on which everything is awkward: names of reserved words, quotes, backquotes, percent signs, backslashes,
//! spaces and upper case, a primary key of two columns, a generated column, NULLs. Changes of several rows, of keys, and those
//! that change nothing.

use std::fmt::Write as _;

use libtest_mimic::Trial;
use toml::{Table, Value};

use crate::case::{Engine, asked};
use crate::common::{Live, Sandbox, assert_same, repository};

/// The names. In what follows `$x` is the name, `@x` is the name as the dialect quotes it, and `#x` as the spec does.
const NAMES: &[(char, &str)] = &[
    ('t', "Or\"der's`100% é\\"),
    ('p', "Select.\"p\" *%s"),
    ('l', "l'og\" `%\\"),
    ('u', "View\"'`\\%"),
    ('k', "as"),
    ('j', "K\"ey"),
    ('s', "se'lect"),
    ('n', "a``b %s\\"),
    ('w', "Time\\'%d é"),
    ('g', "GEN\"er`ated"),
    ('f', "Parent\"'` %"),
];

/// The table, the parent of its rows, a view of it, and four rows. The two rows with the key 2 come with their parents swapped.
const SCHEMA: &str = "
CREATE TABLE @p (@k integer PRIMARY KEY, @n integer DEFAULT 0 NOT NULL, @s varchar(50), @w TIME, search VECTOR);
CREATE TABLE @t (@k integer NOT NULL, @j varchar(20) NOT NULL, @s varchar(50), @n integer, @w TIME, @f integer,
  @g integer GENERATED ALWAYS AS (@n * 2) STORED, PRIMARY KEY (@k, @j));
CREATE VIEW @u AS SELECT @k, @j, @s, @n, @g FROM @t;";

const GIVEN: &str = "
INSERT INTO @p (@k, @s) VALUES (1, 'one'), (2, 'two'), (3, NULL);
INSERT INTO @t (@k, @j, @s, @n, @f) VALUES (1, 'a', 'x', 10, 1), (1, 'b', NULL, NULL, 1), (2, 'a', 'x', 30, 2), (2, 'b', 'z', 40, NULL);";

struct Case {
    kind: &'static str,
    /// The keys of the use beside `use`, as TOML.
    usage: &'static str,
    /// Rows that are there before the triggers are.
    given: &'static str,
    /// What is done, each with what is then to be seen, or a part of the error.
    steps: &'static [(&'static str, &'static str, &'static str)],
}

const SEE: &str = "SELECT @k, @j, @s, @n, @g FROM @t ORDER BY 1, 2";

const CASES: &[Case] = &[
    Case {
        kind: "append_only",
        usage: "table = '#t'",
        given: GIVEN,
        steps: &[
            ("UPDATE @t SET @s = @s WHERE @k = 2", "error", "append"),
            ("DELETE FROM @t WHERE @k = 2", "error", "append"),
            (
                "INSERT INTO @t (@k, @j) VALUES (3, 'c'), (3, 'd')",
                "SELECT count(*) FROM @t",
                "6\n",
            ),
        ],
    },
    Case {
        kind: "audit",
        usage: "table = '#t'\ncreate_table = true\nwith = { target = '#l', redact = ['$s'], except = ['$w', '$f'] }",
        given: GIVEN,
        steps: &[
            (
                "UPDATE @t SET @s = @s, @k = @k",
                "SELECT count(*) FROM @l",
                "0\n",
            ),
            (
                "UPDATE @t SET @n = 5 WHERE @k = 1",
                "SELECT table_name, operation, row_key, new_row FROM @l ORDER BY id",
                "$t|UPDATE|{'as':1,'K\"ey':'a'}|{'as':1,'K\"ey':'a','se'lect':'***','a``b %s\\':5,'GEN\"er`ated':10}\n\
                 $t|UPDATE|{'as':1,'K\"ey':'b'}|{'as':1,'K\"ey':'b','se'lect':null,'a``b %s\\':5,'GEN\"er`ated':10}\n",
            ),
            (
                "UPDATE @t SET @j = 'c' WHERE @k = 2 AND @j = 'a'; DELETE FROM @t WHERE @j = 'c'",
                "SELECT operation, row_key FROM @l WHERE id > 2 ORDER BY id",
                "UPDATE|{'as':2,'K\"ey':'a'}\nDELETE|{'as':2,'K\"ey':'c'}\n",
            ),
        ],
    },
    Case {
        kind: "counter_cache",
        usage: "table = '#t'\nwith = { parent = '#p', key = '$f', column = '$n', filter = 'NEW.@s IS NOT NULL' }",
        given: "INSERT INTO @p (@k, @s) VALUES (1, 'one'), (2, 'two'), (3, NULL);",
        steps: &[
            (
                "INSERT INTO @t (@k, @j, @s, @f) VALUES (1, 'a', 'x', 1), (1, 'b', NULL, 1), (2, 'a', 'x', 2), (2, 'b', 'z', NULL), (3, 'a', 'x', 1)",
                "SELECT @k, @n FROM @p ORDER BY 1",
                "1|2\n2|1\n3|0\n",
            ),
            (
                "UPDATE @t SET @f = 3, @k = @k + 10 WHERE @j = 'a'; UPDATE @t SET @s = 's' WHERE @s IS NULL; DELETE FROM @t WHERE @k = 12",
                "SELECT @k, @n FROM @p ORDER BY 1",
                "1|1\n2|0\n3|2\n",
            ),
        ],
    },
    Case {
        kind: "created_at",
        usage: "table = '#t'\nwith = { column = '$w' }",
        given: "",
        steps: &[
            (
                GIVEN,
                "SELECT count(*) FROM @t WHERE @w > '2020-01-01 00:00:00'",
                "4\n",
            ),
            (
                "INSERT INTO @t (@k, @j, @w) VALUES (3, 'a', '2001-01-01 00:00:00')",
                "SELECT @k FROM @t WHERE @w = '2001-01-01 00:00:00'",
                "3\n",
            ),
        ],
    },
    Case {
        kind: "deferred_check",
        usage: "table = '#t'\nwith = { condition = 'NEW.@n < 100', message = \"it's 100% `x` \\\"y\\\" \\\\ {é}\" }",
        given: GIVEN,
        steps: &[
            (
                "UPDATE @t SET @n = 500, @k = 9 WHERE @k = 1",
                "error",
                "it's 100% `x` \"y\" \\ {é}",
            ),
            (
                "UPDATE @t SET @n = 50, @k = 9 WHERE @k = 1",
                "SELECT count(*) FROM @t WHERE @k = 9",
                "2\n",
            ),
        ],
    },
    Case {
        kind: "derive",
        usage: "table = '#t'\nwith = { columns = { '$s' = 'upper(NEW.@j)', '$f' = 'NEW.@k + 100' } }",
        given: "",
        steps: &[
            (
                GIVEN,
                "SELECT @k, @j, @s, @f FROM @t ORDER BY 1, 2",
                "1|a|A|101\n1|b|B|101\n2|a|A|102\n2|b|B|102\n",
            ),
            (
                "UPDATE @t SET @j = 'c', @s = 'q' WHERE @j = 'a'",
                "SELECT @k, @j, @s, @f FROM @t ORDER BY 1, 2",
                "1|b|B|101\n1|c|C|101\n2|b|B|102\n2|c|C|102\n",
            ),
        ],
    },
    Case {
        kind: "force_defaults",
        usage: "table = '#t'\nwith = { values = { '$s' = \"'it''s'\", '$f' = 'NEW.@k + 100' } }",
        given: "",
        steps: &[(
            GIVEN,
            "SELECT @k, @j, @s, @f FROM @t ORDER BY 1, 2",
            "1|a|it's|101\n1|b|it's|101\n2|a|it's|102\n2|b|it's|102\n",
        )],
    },
    Case {
        kind: "history",
        usage: "table = '#t'\ncreate_table = true\nwith = { target = '#l', valid_from = 'From\"', valid_to = \"To'`\", operation = 'o%' , except = ['$w', '$f'] }",
        given: "",
        steps: &[
            (GIVEN, "SELECT count(*) FROM @l", "4\n"),
            (
                "UPDATE @t SET @s = @s, @k = @k",
                "SELECT count(*) FROM @l",
                "4\n",
            ),
            (
                "UPDATE @t SET @j = 'c', @n = 1 WHERE @k = 1 AND @j = 'a'; DELETE FROM @t WHERE @k = 2",
                "SELECT @k, @j, @s, @n, @g FROM @l ORDER BY history_id",
                "1|a|x|10|20\n1|b|NULL|NULL|NULL\n2|a|x|30|60\n2|b|z|40|80\n1|c|x|1|2\n",
            ),
        ],
    },
    Case {
        kind: "mirror",
        usage: "table = '#t'\nwith = { parent = '#p', key = '$f', columns = { '$s' = '$s', '$n' = '$n' } }",
        given: "",
        steps: &[
            (
                GIVEN,
                SEE,
                "1|a|one|0|0\n1|b|one|0|0\n2|a|two|0|0\n2|b|NULL|NULL|NULL\n",
            ),
            (
                "UPDATE @p SET @s = 'new', @n = 4 WHERE @k = 1; UPDATE @t SET @f = 3, @k = 8 WHERE @k = 2",
                SEE,
                "1|a|new|4|8\n1|b|new|4|8\n8|a|NULL|0|0\n8|b|NULL|0|0\n",
            ),
        ],
    },
    Case {
        kind: "notify",
        usage: "table = '#t'\nwith = { columns = ['$n', '$j'] }",
        given: "",
        steps: &[
            (GIVEN, "SELECT count(*) FROM @t", "4\n"),
            (
                "UPDATE @t SET @j = 'c' WHERE @j = 'a'; DELETE FROM @t WHERE @k = 2; TRUNCATE @t",
                "SELECT count(*) FROM @t",
                "0\n",
            ),
        ],
    },
    Case {
        kind: "outbox",
        usage: "table = '#t'\ncreate_table = true\nwith = { target = '#l', except = ['$w', '$f'] }",
        given: GIVEN,
        steps: &[
            (
                "UPDATE @t SET @s = @s, @k = @k",
                "SELECT count(*) FROM @l",
                "0\n",
            ),
            (
                "UPDATE @t SET @j = 'c', @n = 1 WHERE @k = 1 AND @j = 'a'; DELETE FROM @t WHERE @k = 2 AND @j = 'b'",
                "SELECT topic, operation, row_key, payload FROM @l ORDER BY id",
                "$t|UPDATE|[1,'a']|{'as':1,'K\"ey':'c','se'lect':'x','a``b %s\\':1,'GEN\"er`ated':2}\n\
                 $t|DELETE|[2,'b']|{'as':2,'K\"ey':'b','se'lect':'z','a``b %s\\':40,'GEN\"er`ated':80}\n",
            ),
        ],
    },
    Case {
        kind: "protect",
        usage: "table = '#t'\nwhen = \"OLD.@s = 'z'\"",
        given: GIVEN,
        steps: &[
            ("UPDATE @t SET @n = 1 WHERE @k = 2", "error", "$t"),
            ("DELETE FROM @t", "error", "$t"),
            (
                "DELETE FROM @t WHERE @k = 1",
                SEE,
                "2|a|x|30|60\n2|b|z|40|80\n",
            ),
        ],
    },
    Case {
        kind: "read_only",
        usage: "table = '#t'\nwith = { columns = ['$s', '$j'] }",
        given: GIVEN,
        steps: &[
            (
                "UPDATE @t SET @s = 'y' WHERE @k = 1",
                "error",
                "se'lect, K\"ey of $t cannot be changed",
            ),
            (
                "UPDATE @t SET @j = 'y' WHERE @k = 1 AND @j = 'a'",
                "error",
                "$t cannot be changed",
            ),
            (
                "UPDATE @t SET @s = @s, @n = 1, @k = @k + 10 WHERE @k = 1",
                SEE,
                "2|a|x|30|60\n2|b|z|40|80\n11|a|x|1|2\n11|b|NULL|1|2\n",
            ),
        ],
    },
    Case {
        kind: "search_vector",
        usage: "table = '#p'\ncreate_table = true\nwith = { columns = ['$s', '$n'] }",
        given: GIVEN,
        steps: &[(
            "UPDATE @p SET @s = 'THREE', @k = @k + 10 WHERE @k > 1; DELETE FROM @p WHERE @k = 12",
            "SELECT count(*) FROM @p SEARCH",
            "1\n",
        )],
    },
    Case {
        kind: "skip_noop_update",
        usage: "table = '#t'",
        given: GIVEN,
        steps: &[
            (
                "UPDATE @t SET @s = @s, @k = @k",
                SEE,
                "1|a|x|10|20\n1|b|NULL|NULL|NULL\n2|a|x|30|60\n2|b|z|40|80\n",
            ),
            (
                "UPDATE @t SET @s = 'X', @k = @k",
                SEE,
                "1|a|X|10|20\n1|b|X|NULL|NULL\n2|a|X|30|60\n2|b|X|40|80\n",
            ),
        ],
    },
    Case {
        kind: "soft_delete",
        usage: "table = '#t'\nwith = { column = '$w' }",
        given: GIVEN,
        steps: &[(
            "DELETE FROM @t WHERE @j = 'b'",
            "SELECT @k, @j FROM @t WHERE @w IS NOT NULL ORDER BY 1",
            "1|b\n2|b\n",
        )],
    },
    Case {
        kind: "state_machine",
        usage: "table = '#t'\nwith = { column = '$s', transitions = { x = [\"it's\\\\ \\\"100%\\\" `\"], \"it's\\\\ \\\"100%\\\" `\" = ['z'] } }",
        given: GIVEN,
        steps: &[
            (
                "UPDATE @t SET @s = 'z' WHERE @s = 'x'",
                "error",
                "se'lect of $t cannot change",
            ),
            (
                "UPDATE @t SET @s = LITERAL, @k = @k + 1 WHERE @k = 2 AND @j = 'a'; UPDATE @t SET @s = 'z' WHERE @k = 3",
                SEE,
                "1|a|x|10|20\n1|b|NULL|NULL|NULL\n2|b|z|40|80\n3|a|z|30|60\n",
            ),
        ],
    },
    Case {
        kind: "sum_cache",
        usage: "table = '#t'\nwith = { parent = '#p', key = '$f', column = '$n', amount = 'NEW.@g' }",
        given: "INSERT INTO @p (@k, @s) VALUES (1, 'one'), (2, 'two'), (3, NULL);",
        steps: &[
            (
                "INSERT INTO @t (@k, @j, @n, @f) VALUES (1, 'a', 10, 1), (1, 'b', NULL, 1), (2, 'a', 30, 2), (2, 'b', 40, NULL)",
                "SELECT @k, @n FROM @p ORDER BY 1",
                "1|20\n2|60\n3|0\n",
            ),
            (
                "UPDATE @t SET @f = 3, @k = @k + 10, @n = 1 WHERE @j = 'a'; UPDATE @t SET @n = 5 WHERE @n IS NULL; DELETE FROM @t WHERE @k = 12",
                "SELECT @k, @n FROM @p ORDER BY 1",
                "1|10\n2|0\n3|2\n",
            ),
        ],
    },
    Case {
        kind: "touch",
        usage: "table = '#t'\nwith = { parent = '#p', key = '$f', column = '$w' }",
        given: GIVEN,
        steps: &[
            (
                "UPDATE @t SET @s = @s, @k = @k",
                "SELECT count(*) FROM @p WHERE @w IS NOT NULL",
                "0\n",
            ),
            (
                "UPDATE @t SET @k = 7 WHERE @k = 2",
                "SELECT @k FROM @p WHERE @w > '2020-01-01 00:00:00'",
                "2\n",
            ),
            (
                "UPDATE @t SET @f = 3 WHERE @k = 1",
                "SELECT count(*) FROM @p WHERE @w IS NOT NULL",
                "3\n",
            ),
        ],
    },
    Case {
        kind: "updated_at",
        usage: "table = '#t'\nwith = { column = '$w' }",
        given: GIVEN,
        steps: &[
            (
                "UPDATE @t SET @s = @s, @k = @k",
                "SELECT count(*) FROM @t WHERE @w IS NOT NULL",
                "0\n",
            ),
            (
                "UPDATE @t SET @s = 'x'",
                "SELECT @k, @j FROM @t WHERE @w IS NOT NULL ORDER BY 1",
                "1|b\n2|b\n",
            ),
            (
                "UPDATE @t SET @k = 8 WHERE @k = 1 AND @j = 'a'",
                "SELECT @k, @j FROM @t WHERE @w IS NOT NULL ORDER BY 1, 2",
                "1|b\n2|b\n8|a\n",
            ),
        ],
    },
    Case {
        kind: "validate",
        usage: "table = '#t'\nwith = { condition = \"NEW.@s <> 'it''s' AND NEW.@n < 100\", message = \"it's 100% `x` \\\"y\\\" \\\\ {é}\" }",
        given: GIVEN,
        steps: &[
            (
                "UPDATE @t SET @n = @n * 10",
                "error",
                "it's 100% `x` \"y\" \\ {é}",
            ),
            (
                "INSERT INTO @t (@k, @j, @s) VALUES (5, 'a', 'it''s')",
                "error",
                "it's 100%",
            ),
            (
                "UPDATE @t SET @n = @n + 10, @k = @k + 10",
                SEE,
                "11|a|x|20|40\n11|b|NULL|NULL|NULL\n12|a|x|40|80\n12|b|z|50|100\n",
            ),
        ],
    },
    Case {
        kind: "version",
        usage: "table = '#t'\nwith = { column = '$f' }",
        given: GIVEN,
        steps: &[
            (
                "UPDATE @t SET @s = @s, @k = @k",
                "SELECT count(*) FROM @t WHERE @f = 1",
                "2\n",
            ),
            (
                "UPDATE @t SET @s = 'x', @k = @k + 10, @f = @f + 1 WHERE @k = 1; UPDATE @t SET @n = 1 WHERE @k = 2",
                "SELECT @k, @j, @f FROM @t ORDER BY 1, 2",
                "2|a|3\n2|b|1\n11|a|2\n11|b|2\n",
            ),
            (
                "UPDATE @t SET @f = 9 WHERE @k = 2",
                "error",
                "$t was changed by somebody else",
            ),
        ],
    },
    Case {
        kind: "view_write",
        usage: "table = '#u'\nwith = { target = '#t', key = ['$k', '$j'], values = { '$f' = '7' } }",
        given: GIVEN,
        steps: &[
            (
                "INSERT INTO @u (@k, @j, @s) VALUES (3, 'a', NULL), (3, 'b', 'x')",
                "SELECT @k, @j, @s, @f FROM @t WHERE @k = 3 ORDER BY 2",
                "3|a|NULL|7\n3|b|x|7\n",
            ),
            (
                "UPDATE @u SET @n = 1, @k = @k + 10 WHERE @k = 1; DELETE FROM @u WHERE @j = 'b' AND @k < 4",
                SEE,
                "2|a|x|30|60\n3|a|NULL|NULL|NULL\n11|a|x|1|2\n11|b|NULL|1|2\n",
            ),
            ("UPDATE @u SET @g = 5 WHERE @k = 2", "error", ""),
        ],
    },
];

pub(crate) fn trials() -> Vec<Trial> {
    let mut trials = vec![];
    for folder in asked() {
        let kind = folder.file_name().unwrap().to_string_lossy().into_owned();
        let text = std::fs::read_to_string(folder.join("kind.toml")).unwrap();
        let toml: Table = toml::from_str(&text).unwrap();
        let without = toml.get("without").and_then(Value::as_table).cloned();
        let case = CASES
            .iter()
            .find(|case| case.kind == kind)
            .unwrap_or_else(|| panic!("{kind} is not tried where everything is awkward"));
        let can_sqlite = !without
            .as_ref()
            .is_some_and(|table| table.contains_key("sqlite"));
        for engine in Engine::all() {
            let cannot = |without: &Table| without.contains_key(engine.dialect());
            if without.as_ref().is_some_and(cannot) {
                continue;
            }
            let mut tried = |how: &str, how_it_is: How| {
                let name = format!("{kind}::{}::{how}", engine.name());
                let trial = Trial::test(name, move || {
                    check(case, &mut *engine.live(), how_it_is);
                    Ok(())
                });
                trials.push(trial.with_ignored_flag(engine.is_missing()));
            };
            tried("awkward", How::AsItIs);
            // What `audit` then writes is another thing, which a test of its own tries.
            if kind != "audit" {
                tried("without_a_primary_key", How::Keyless);
            }
            if matches!(engine, Engine::Sqlite) || !can_sqlite {
                tried("no_such_column", How::NoSuchColumn);
            }
            tried("what_is_lost_with_it", How::Dropped);
            if engine.dialect() == "sqlite" {
                tried("awkward_and_recursive", How::Recursive);
            }
        }
    }
    trials
}

/// The text with the names in it, quoted and not.
fn filled(text: &str, dialect: &str) -> String {
    let mut text = text.to_owned();
    let time = match dialect {
        "postgres" => "timestamptz",
        "mysql" => "datetime(6)",
        _ => "text",
    };
    text = text.replace(" TIME", &format!(" {time}"));
    let vector = if dialect == "postgres" {
        " tsvector"
    } else {
        " varchar(9)"
    };
    text = text.replace(" VECTOR", vector);
    let literal = match dialect {
        "mysql" => r#"'it''s\\ "100%" `'"#,
        _ => r#"'it''s\ "100%" `'"#,
    };
    text = text.replace("LITERAL", literal);
    let search = match dialect {
        "postgres" => "WHERE search @@ 'three'",
        _ => {
            "WHERE @k = (SELECT rowid FROM \"Select.\"\"p\"\" *%s_search\" AS found WHERE found.\"se'lect\" MATCH 'three')"
        }
    };
    text = text.replace("SEARCH", search);
    let mut done = String::new();
    let mut characters = text.chars();
    while let Some(character) = characters.next() {
        let name = |letter| NAMES.iter().find(|(of, _)| *of == letter).unwrap().1;
        match character {
            '$' => done += name(characters.next().unwrap()),
            '#' => {
                let name = name(characters.next().unwrap()).replace('"', "\"\"");
                let _ = write!(done, "\"{name}\"");
            }
            '@' if characters.as_str().starts_with('@') => {
                done += "@@";
                characters.next();
            }
            '@' => {
                let name = name(characters.next().unwrap());
                let quote = if dialect == "mysql" { "`" } else { "\"" };
                let _ = write!(
                    done,
                    "{quote}{}{quote}",
                    name.replace(quote, &quote.repeat(2))
                );
            }
            other => done.push(other),
        }
    }
    done
}

fn named(value: &mut Value, dialect: &str) {
    match value {
        Value::String(text) => *text = filled(text, dialect),
        Value::Array(list) => list.iter_mut().for_each(|one| named(one, dialect)),
        Value::Table(table) => {
            *table = std::mem::take(table)
                .into_iter()
                .map(|(key, mut value)| {
                    named(&mut value, dialect);
                    (filled(&key, dialect), value)
                })
                .collect();
        }
        _ => {}
    }
}

/// What is different.
#[derive(Clone, Copy, PartialEq, Eq)]
enum How {
    AsItIs,
    /// The tables have no primary key.
    Keyless,
    /// `PRAGMA recursive_triggers` is on.
    Recursive,
    /// The use goes, or does less.
    Dropped,
    /// Each parameter in turn names a column that is not there.
    NoSuchColumn,
}

/// The kinds that are refused on a table without a primary key, and what is said.
const KEYED: &[(&str, &str, &str)] = &[
    ("history", "", "by it the versions of a row are found"),
    ("outbox", "", "by it the receiver knows which row"),
    ("soft_delete", "", "by it"),
    ("deferred_check", "", "by which a row is found again"),
    ("search_vector", "sqlite", "has no `INTEGER PRIMARY KEY`"),
];

fn check(case: &Case, live: &mut dyn Live, how: How) {
    let dialect = live.dialect();
    let mut schema = SCHEMA.to_owned();
    if how == How::Keyless {
        schema = schema.replace(", PRIMARY KEY (@k, @j)", "");
        if case.kind == "search_vector" {
            schema = schema.replace("integer PRIMARY KEY", "integer");
        }
    }
    live.batch(&filled(&schema, dialect));
    if how == How::Recursive {
        live.batch("PRAGMA recursive_triggers = ON;");
    }
    if !case.given.is_empty() {
        live.batch(&filled(case.given, dialect));
    }
    let before = live.snapshot();
    let mut usage: Value = toml::from_str::<Table>(case.usage).unwrap().into();
    named(&mut usage, dialect);
    let usage = usage.as_table_mut().unwrap();
    usage.insert("use".to_owned(), Value::from(case.kind));
    usage.insert("dialects".to_owned(), Value::from(vec![dialect]));
    if how == How::NoSuchColumn {
        no_such_column(case.kind, usage, live);
        return;
    }
    let sandbox = Sandbox::with_spec(&spec(usage));
    sandbox.run(&["validate", "--dialect", dialect]).ok();
    if how == How::Keyless {
        let is_it = |(kind, of, _): &&(&str, &str, &str)| {
            *kind == case.kind && (of.is_empty() || *of == dialect)
        };
        if let Some((_, _, said)) = KEYED.iter().find(is_it) {
            let words = ["primary key", said];
            let run = sandbox.on(live, &["plan"]).code(1);
            assert!(run.stderr.to_lowercase().contains(words[0]), "{run}");
            run.says(&words[1..]);
            return;
        }
    }
    sandbox.on(live, &["apply", "--yes"]).ok();
    sandbox.on(live, &["plan", "--detailed-exitcode"]).ok();
    if how == How::Dropped {
        what_is_lost(case.kind, usage, &sandbox, live);
        return;
    }
    sandbox.on(live, &["lint"]).ok();
    sandbox.on(live, &["graph"]).ok();
    // SQLite refuses to write to a view by the triggers that it last knew of, before it looks whether there are new ones.
    live.run(&filled(SEE, dialect));
    for (statement, see, seen) in case.steps {
        let said = live.script(&filled(statement, dialect));
        let seen = filled(seen, dialect);
        if *see == "error" {
            assert!(
                said.starts_with("error: ") && said.contains(&seen),
                "{statement}: {said}\nand not: {seen}"
            );
            continue;
        }
        assert!(!said.starts_with("error: "), "{statement}: {said}");
        assert_same(statement, &seen, &plain(&live.run(&filled(see, dialect))));
    }
    sandbox.on(live, &["rollback", "--yes"]).ok();
    if !case.usage.contains("create_table") {
        assert_same("the catalog after rollback", &before, &live.snapshot());
    }
}

fn spec(usage: &Table) -> String {
    let mut spec = Table::new();
    spec.insert("version".to_owned(), Value::from(1));
    let usage = Value::from(usage.clone());
    spec.insert("trigger".to_owned(), Value::from(vec![usage]));
    toml::to_string(&spec).unwrap()
}

/// The kinds that refuse, write down or keep something, and what their end is said to be. That of all others is no hazard.
const LOST: &[(&str, &str)] = &[
    ("append_only", "high drops_protection"),
    ("audit", "high drops_protection"),
    ("counter_cache", "medium stops_upkeep"),
    ("deferred_check", "high drops_protection"),
    ("history", "high drops_protection"),
    ("mirror", "medium stops_upkeep"),
    ("outbox", "high drops_protection"),
    ("protect", "high drops_protection"),
    ("read_only", "high drops_protection"),
    ("soft_delete", "high drops_protection"),
    ("state_machine", "high drops_protection"),
    ("sum_cache", "medium stops_upkeep"),
    ("touch", "medium stops_upkeep"),
    ("validate", "high drops_protection"),
    ("version", "high drops_protection"),
    // Without it the view's other columns may be written to again, where the engine can.
    ("view_write", "high drops_protection"),
];

/// What a use of each kind does less when it is told something else.
const LESS: &[(&str, &str)] = &[
    ("audit", "operations = ['insert']"),
    ("outbox", "operations = ['insert']"),
    ("protect", "events = ['delete']"),
];

/// A use that goes, or does less, is refused where it guards or writes down, whatever the engine.
fn what_is_lost(kind: &str, usage: &Table, sandbox: &Sandbox, live: &mut dyn Live) {
    let gravest = |sandbox: &Sandbox, live: &dyn Live| {
        let plan = sandbox.on(live, &["plan", "--format", "json"]).ok().json();
        let changes = plan["changes"].as_array().unwrap().clone();
        assert!(!changes.is_empty(), "{plan}");
        let hazards = changes
            .iter()
            .flat_map(|change| change["hazards"].as_array().unwrap());
        let said = hazards.filter_map(|hazard| {
            let kind = hazard["kind"].as_str().unwrap();
            let severity = hazard["severity"].as_str().unwrap();
            let about = matches!(kind, "drops_protection" | "stops_upkeep");
            about.then(|| format!("{severity} {kind}"))
        });
        said.min().unwrap_or_default()
    };
    let mut own = kind.to_owned();
    if let Some((_, less)) = LESS.iter().find(|(of, _)| *of == kind) {
        let mut usage = usage.clone();
        let with = usage
            .entry("with")
            .or_insert_with(|| Value::from(Table::new()));
        let less: Table = toml::from_str(less).unwrap();
        with.as_table_mut().unwrap().extend(less);
        sandbox.write("triggers.toml", spec(&usage));
        own += ", told less";
        let said = gravest(sandbox, live);
        assert!(said.ends_with("drops_protection"), "{own}: {said}");
    }
    if kind == "read_only" && live.dialect() != "sqlite" {
        // It refuses no longer, and keeps the columns all the same; then one of them less.
        for (columns, severity) in [("['$s', '$j']", "medium"), ("['$s']", "high")] {
            let mut usage = usage.clone();
            let told = format!("action = 'keep'\ncolumns = {columns}");
            let mut told: Value = toml::from_str::<Table>(&told).unwrap().into();
            named(&mut told, live.dialect());
            let with = usage["with"].as_table_mut().unwrap();
            with.extend(told.as_table().unwrap().clone());
            sandbox.write("triggers.toml", spec(&usage));
            let said = gravest(sandbox, live);
            assert_eq!(said, format!("{severity} drops_protection"), "{columns}");
            let allowed = ["apply", "--yes", "--allow", "drops_protection"];
            sandbox.on(live, &allowed).ok();
        }
    }
    let expected = LOST.iter().find(|(of, _)| *of == kind);
    let expected = expected.map_or("", |(_, said)| *said);
    // On SQLite an index is kept in step by another table.
    let expected = match (kind, live.dialect()) {
        ("search_vector", "sqlite") => "medium stops_upkeep",
        _ => expected,
    };
    sandbox.write("triggers.toml", "version = 1\n");
    assert_eq!(gravest(sandbox, live), expected, "{kind}");
    let run = sandbox.on(live, &["apply", "--yes"]);
    if expected.starts_with("high") {
        run.code(3).says(&["--allow"]);
    } else {
        run.ok();
    }
}

/// Every parameter that names a column, or columns, is refused where the table has none of that name, and so is a default.
fn no_such_column(kind: &str, usage: &Table, live: &mut dyn Live) {
    let path = repository().join(format!("templates/kinds/{kind}/kind.toml"));
    let toml: Table = toml::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    let Some(parameters) = toml.get("parameters").and_then(Value::as_table) else {
        return;
    };
    let before = live.everything();
    let refused = |name: &str, value: Option<Value>, column: &str| {
        let mut usage = usage.clone();
        let with = usage
            .entry("with")
            .or_insert_with(|| Value::from(Table::new()));
        let with = with.as_table_mut().unwrap();
        match value {
            Some(value) => with.insert(name.to_owned(), value),
            None => with.remove(name),
        };
        let sandbox = Sandbox::with_spec(&spec(&usage));
        let words = [&*format!("has no column `{column}`"), "triggers.toml:"];
        sandbox.on(live, &["plan"]).code(1).says(&words);
    };
    let missing = "no_such_column";
    for (name, parameter) in parameters {
        let says = |key: &str| parameter.get(key).and_then(Value::as_str);
        let of_map = |key: Value, value: Value| {
            let key = key.as_str().unwrap().to_owned();
            Some(Value::from(Table::from_iter([(key, value)])))
        };
        let a_column = Value::from(filled("$s", live.dialect()));
        match says("type").unwrap() {
            // Of another table, which this use does not name.
            "column" if kind == "deferred_check" && says("of").is_some() => {}
            "column" => {
                refused(name, Some(Value::from(missing)), missing);
                if let Some(default) = says("default").filter(|text| !text.contains("{{")) {
                    refused(name, None, default);
                }
            }
            "columns" => refused(name, Some(Value::from(vec![missing])), missing),
            "map" => {
                if says("keys") == Some("column") {
                    refused(
                        name,
                        of_map(Value::from(missing), a_column.clone()),
                        missing,
                    );
                }
                match says("values") {
                    Some("column") => {
                        refused(name, of_map(a_column, Value::from(missing)), missing);
                    }
                    Some("columns") => {
                        refused(name, of_map(a_column, Value::from(vec![missing])), missing);
                    }
                    _ => {}
                }
            }
            _ => {}
        }
    }
    assert_same("the database", &before, &live.everything());
}

/// JSON as no engine writes it: without spaces, escapes and double quotes, so that one text is right for all.
fn plain(rows: &str) -> String {
    let mut lines = String::new();
    for line in rows.lines() {
        let cells: Vec<String> = line
            .split('|')
            .map(|cell| match serde_json::from_str(cell) {
                Ok(json) => bare(&json),
                Err(_) => cell.to_owned(),
            })
            .collect();
        lines += &cells.join("|");
        lines.push('\n');
    }
    lines
}

fn bare(json: &serde_json::Value) -> String {
    match json {
        serde_json::Value::String(text) => format!("'{text}'"),
        serde_json::Value::Array(list) => {
            let all: Vec<String> = list.iter().map(bare).collect();
            format!("[{}]", all.join(","))
        }
        serde_json::Value::Object(map) => {
            let mut all: Vec<String> = map
                .iter()
                .map(|(key, value)| format!("'{key}':{}", bare(value)))
                .collect();
            all.sort_by_key(|one| one.find("':").map(|end| end.min(20)));
            format!("{{{}}}", all.join(","))
        }
        other => other.to_string(),
    }
}
