#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::format_push_string,
    clippy::similar_names,
    clippy::too_many_lines,
    clippy::expect_used
)]

use std::path::Path;
use std::sync::Arc;

use minijinja::{Value, context};

use super::*;
use crate::dialect::mysql::Mysql;
use crate::dialect::postgres::Postgres;
use crate::dialect::sqlite::Sqlite;
use crate::dialect::{ALL, by_name};
use crate::error::{SourceFile, Span};

fn located(text: &str) -> Located<String> {
    // As it stands in a spec: the token with its quotes.
    let file = Arc::new(SourceFile {
        name: "triggers.toml".to_owned(),
        text: format!("body = '{text}'"),
    });
    let range = 7..file.text.len();
    Located {
        value: text.to_owned(),
        span: Span { file, range },
    }
}

fn inline(dialect: &'static dyn Dialect, text: &str, context: Value) -> Result<String, Error> {
    Renderer::new(dialect, None)
        .unwrap()
        .inline_value(&located(text), context)
}

/// What the text renders to in PostgreSQL.
fn shown(text: &str, context: Value) -> String {
    inline(&Postgres, text, context).unwrap()
}

/// The message, the text that is pointed at, and the help.
fn problem(error: &Error) -> String {
    let [diagnostic] = error.diagnostics.as_slice() else {
        panic!("one diagnostic: {error:?}");
    };
    let mut text = diagnostic.message.clone();
    if let Some((span, _)) = &diagnostic.place {
        text += &format!(" @ `{}`", &span.file.text[span.range.clone()]);
    }
    for help in &diagnostic.help {
        text += &format!(" | {help}");
    }
    text
}

fn refused(text: &str, context: Value) -> String {
    problem(&inline(&Postgres, text, context).unwrap_err())
}

/// A templates folder with these files.
fn folder(files: &[(&str, &str)]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in files {
        let path = folder.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }
    folder
}

fn drop_with(folder: &Path) -> Result<String, Error> {
    let renderer = Renderer::new(&Postgres, Some(folder))?;
    renderer.statement(
        "drop_trigger.sql",
        context! { name => "Audit", table => ["app", "users"] },
    )
}

#[test]
fn text_without_a_template_is_returned_as_it_is() {
    for text in ["", " SELECT '{' || '}';\n", "a { b } % #", "\u{feff}\\n"] {
        assert_eq!(shown(text, context! {}), text);
    }
}

#[test]
fn the_end_of_a_text_is_kept() {
    for (text, expected) in [
        ("{{ 1 | literal }}\n", "1\n"),
        ("{{ 1 | literal }}\n\n", "1\n\n"),
        ("{{ 1 | literal }};\r\n", "1;\r\n"),
        ("{{ 1 | literal -}}\n", "1"),
        ("{% if true %}x{% endif %}\n", "x\n"),
        ("{{ 1 | literal }}\r", "1\r"),
    ] {
        assert_eq!(shown(text, context! {}), expected, "{text:?}");
    }
}

#[test]
fn a_bare_value_is_an_error_of_whatever_kind_it_is() {
    let values = context! { table => "users", number => 1, none => (), yes => true, list => ["a"] };
    for name in ["table", "number", "none", "yes", "list"] {
        let found = refused(&format!("DELETE FROM {{{{ {name} }}}}"), values.clone());
        assert_eq!(
            found,
            format!(
                "`{{{{ {name} }}}}` prints a bare value @ `{name}` | put a filter after it, such as \
                 `| ident` for a name, `| literal` for a value, or `| sql` for text that is SQL"
            )
        );
    }
    // Constants, parts of other expressions, and what the engine's own filters make are no better.
    for text in [
        "{{ 'x' }}",
        "{{ table ~ 'x' }}",
        "{{ table | upper }}",
        "{{ table | ident ~ table }}",
        "{{ [table, table | ident] | join(', ') }}",
        "{% set x = table %}{{ x }}",
        "{% macro m(x) %}{{ x }}{% endmacro %}{{ m(table) }}",
        "{% autoescape false %}{{ table }}{% endautoescape %}",
        "{% autoescape true %}{{ table }}{% endautoescape %}",
        "{% filter upper %}{{ table }}{% endfilter %}",
        "{{ '%s' | sql | format(table) }}",
        "{{ 'a' | sql | replace('a', table) }}",
    ] {
        assert!(
            refused(text, values.clone()).contains("prints a bare value"),
            "{text}"
        );
    }
    for text in [
        "{{ table | safe }}",
        "{{ table | e }}",
        "{{ table | escape }}",
        "{{ table | tojson }}",
    ] {
        assert!(
            refused(text, values.clone()).starts_with("unknown filter"),
            "{text}"
        );
    }
}

#[test]
fn what_filters_made_safe_stays_safe() {
    let values = context! { table => "Users", names => ["a", "B"] };
    for (text, expected) in [
        ("{{ table | ident ~ '.x' | sql }}", "\"Users\".x"),
        (
            "{{ names | map('ident') | join(' || ' | sql) }}",
            "a || \"B\"",
        ),
        (
            "{% set t %}x {{ table | ident }}{% endset %}{{ t }}",
            "x \"Users\"",
        ),
        (
            "{% macro m(x) %}<{{ x | literal }}>{% endmacro %}{{ m(table) }}",
            "<'Users'>",
        ),
    ] {
        assert_eq!(shown(text, values.clone()), expected, "{text}");
    }
}

#[test]
fn filters_render_every_kind_of_value() {
    let values = context! {
        name => "order", odd => "it's \"so\"", backslash => "a\\b", pair => ["app", "Users"],
        object => context! { schema => "app", name => "users" }, none => (), float => 1.5,
        dollars => "a$", tagged => "$$ $body$ $", list => [1, 2],
    };
    for (text, postgres, sqlite) in [
        ("{{ name | ident }}", "\"order\"", "\"order\""),
        (
            "{{ odd | ident }}",
            "\"it's \"\"so\"\"\"",
            "\"it's \"\"so\"\"\"",
        ),
        ("{{ pair | ident }}", "app.\"Users\"", "Users"),
        ("{{ object | ident }}", "app.users", "users"),
        ("{{ [none, 'x'] | ident }}", "x", "x"),
        ("{{ ['a', 'B c'] | idents }}", "a, \"B c\"", "a, \"B c\""),
        (
            "{{ [pair, name] | idents }}",
            "app.\"Users\", \"order\"",
            "Users, \"order\"",
        ),
        ("{{ odd | literal }}", "'it''s \"so\"'", "'it''s \"so\"'"),
        ("{{ backslash | literal }}", "E'a\\\\b'", "'a\\b'"),
        ("{{ none | literal }}", "NULL", "NULL"),
        ("{{ true | literal }}", "TRUE", "TRUE"),
        (
            "{{ -3 | literal }}, {{ float | literal }}",
            "-3, 1.5",
            "-3, 1.5",
        ),
        ("{{ list | literals }}", "1, 2", "1, 2"),
        ("{{ [] | literals }}", "", ""),
        ("{{ 'now()' | sql }}", "now()", "now()"),
        ("{{ 'a + (b)  -- c' | expression }}", "a + (b)", "a + (b)"),
        ("{{ 5 | expression }}", "5", "5"),
        ("{{ 'instead of' | keyword }}", "INSTEAD OF", "INSTEAD OF"),
        ("-- {{ 'a\nb\r\tc' | comment }}", "-- a b  c", "-- a b  c"),
    ] {
        assert_eq!(shown(text, values.clone()), postgres, "{text}");
        assert_eq!(
            inline(&Sqlite, text, values.clone()).unwrap(),
            sqlite,
            "{text}"
        );
    }
    for (text, expected) in [
        ("{{ 'x' | dollar }}", "$$x$$"),
        ("{{ dollars | dollar }}", "$body$a$$body$"),
        ("{{ tagged | dollar }}", "$body1$$$ $body$ $$body1$"),
    ] {
        assert_eq!(shown(text, values.clone()), expected);
    }
}

#[test]
fn filters_refuse_what_they_cannot_make_safe() {
    let values = context! { nul => "a\0b", list => ["a"], map => context! { x => 1 } };
    for (text, expected) in [
        (
            "{{ 1 | ident }}",
            "the filter `ident` takes a name, not a number",
        ),
        ("{{ '' | ident }}", "a name cannot be empty"),
        (
            "{{ [] | ident }}",
            "the filter `ident` takes a name, not a sequence",
        ),
        (
            "{{ [1, 'a'] | ident }}",
            "the filter `ident` takes a name or `[schema, name]`, not a sequence",
        ),
        ("{{ nul | ident }}", "a name cannot hold a NUL character"),
        (
            "{{ 'a' | idents }}",
            "the filter `idents` takes a list, not a string",
        ),
        (
            "{{ list | literal }}",
            "the filter `literal` takes a string, number, boolean or none, not a sequence",
        ),
        (
            "{{ nul | literal }}",
            "a literal cannot hold a NUL character",
        ),
        (
            "{{ 'a' | literals }}",
            "the filter `literals` takes a list, not a string",
        ),
        (
            "{{ 1 | sql }}",
            "the filter `sql` takes a text that is SQL, not a number",
        ),
        (
            "{{ 'a; b' | keyword }}",
            "the filter `keyword` takes words of letters, not a string",
        ),
        (
            "{{ 'a) OR (b' | expression }}",
            "the expression `a) OR (b` has a `)` too many",
        ),
        (
            "{{ '(a' | expression }}",
            "the expression `(a` has a `(` that is never closed",
        ),
        (
            "{{ 'a; b' | expression }}",
            "the expression `a; b` is more than one expression",
        ),
        (
            "{{ 'a, b' | expression }}",
            "the expression `a, b` is more than one expression",
        ),
        (
            "{{ \"'a\" | expression }}",
            "the expression `'a` has a quote or comment that never ends",
        ),
        ("{{ ' ' | expression }}", "an expression cannot be empty"),
        (
            "{{ 1 | dollar }}",
            "the filter `dollar` takes a text, not a number",
        ),
        ("{{ nul | dollar }}", "a string cannot hold a NUL character"),
        ("{{ missing | literal }}", "`missing` is not defined here"),
        ("{{ missing | comment }}", "`missing` is not defined here"),
    ] {
        let found = refused(text, values.clone());
        assert!(found.starts_with(expected), "{text}: {found}");
    }
    let found = inline(&Sqlite, "{{ 'a' | dollar }}", context! {}).unwrap_err();
    assert!(problem(&found).starts_with("SQLite has no dollar quotes: use `| literal`"));
}

#[test]
fn errors_point_at_the_place_and_say_what_next() {
    let values = context! { table => "users", vars => context! { a => "x" } };
    for (text, expected) in [
        (
            "a {{ tabel | ident }}",
            "`tabel` is not defined here @ `tabel`",
        ),
        (
            "{% for c in columns %}{% endfor %}",
            "`columns` is not defined here @ `columns` | `columns` is known only with a database at hand: give `--url`",
        ),
        (
            "{{ event | literal }}",
            "`event` is not defined here @ `event` | `event` is known where a trigger has one event; where \
             it can have several use `operation()`",
        ),
        (
            "{{ vars.b | literal }}",
            "`vars.b` is not defined here @ `vars.b` | set it under `[vars]`",
        ),
        (
            "x {{ table | idnt }}",
            "unknown filter `idnt` @ `idnt` | did you mean `ident`?",
        ),
        (
            "{{ nwo() }}",
            "unknown function `nwo` @ `nwo()` | did you mean `now`?",
        ),
        (
            "{% include \"nothing.sql\" %}",
            "there is no template `nothing.sql` @ `include \"nothing.sql\"` | names are relative to the \
             dialect's folder in the templates folder; a file of a kind is `kinds/KIND/FILE`",
        ),
        (
            "{% import \"/etc/passwd\" as x %}",
            "the template `/etc/passwd` lies outside of the templates folder @ `import \"/etc/passwd\" as x` | copy \
             it into the dialect's folder",
        ),
        (
            "{% include \"../secret\" %}",
            "the template `../secret` lies outside of the templates folder @ `include \"../secret\"` | copy it \
             into the dialect's folder",
        ),
    ] {
        let found = refused(text, values.clone());
        assert_eq!(found, expected, "{text}");
    }
    let found = refused("é {% if %}", values);
    assert!(found.starts_with("syntax error in a template: "), "{found}");
    assert!(found.contains("{% raw %}"), "{found}");
}

#[test]
fn endless_templates_end() {
    let text = "{% for i in range(100000) %}{% for j in range(100000) %}{% endfor %}{% endfor %}";
    let found = refused(text, context! {});
    assert!(
        found.starts_with("the template does not come to an end @ "),
        "{found}"
    );
}

#[test]
fn names_print_values_as_they_are() {
    let renderer = Renderer::new(&Postgres, None).unwrap();
    let name = |text: &str| {
        renderer.name(
            &located(text),
            context! { table => "my \"t", n => 3, none => () },
        )
    };
    assert_eq!(name("{{ table }}_audit_{{ n }}").unwrap(), "my \"t_audit_3");
    assert_eq!(name("plain").unwrap(), "plain");
    assert_eq!(
        problem(&name("{{ none }}").unwrap_err()),
        "a none cannot be part of a name @ `none`"
    );
    assert!(
        problem(&name("{{ missing }}").unwrap_err()).starts_with("`missing` is not defined here")
    );
}

#[test]
fn repeated_texts_render_with_each_context() {
    let renderer = Renderer::new(&Postgres, None).unwrap();
    let text = located("{{ table | ident }} {{ new(column) }}");
    for (table, column) in [("a", "x"), ("b", "y"), ("b", "X"), ("c", "x")] {
        let rendered = renderer
            .inline_value(&text, context! { table, column })
            .unwrap();
        let column = Postgres.quote_identifier(column);
        assert_eq!(rendered, format!("{table} NEW.{column}"));
    }
    let broken = located("{{ table }}");
    let first = renderer
        .inline_value(&broken, context! { table => "a" })
        .unwrap_err();
    let second = renderer
        .inline_value(&broken, context! { table => "a" })
        .unwrap_err();
    assert_eq!(first.diagnostics, second.diagnostics);
}

#[test]
fn helpers_of_every_dialect() {
    let columns = context! { columns => ["id", "Full Name"], event => "update" };
    let table = [
        ("{{ new('id') }}", "NEW.id", "NEW.id"),
        (
            "{{ old('Full Name') }}",
            "OLD.\"Full Name\"",
            "OLD.\"Full Name\"",
        ),
        (
            "{{ now() }}",
            "clock_timestamp()",
            "strftime('%Y-%m-%d %H:%M:%f', 'now')",
        ),
        (
            "{{ text(new('id')) }}",
            "(NEW.id)::text",
            "CAST(NEW.id AS TEXT)",
        ),
        (
            "{{ concat('a', \"'-'\", text('b')) }}",
            "(a || '-' || (b)::text)",
            "(a || '-' || CAST(b AS TEXT))",
        ),
        ("{{ concat('a') }}", "(a)", "(a)"),
        (
            "{{ distinct('a', 'b') }}",
            "((a) IS DISTINCT FROM (b))",
            "((a) IS NOT (b))",
        ),
        (
            "{{ changed('id') }}",
            "(OLD.id IS DISTINCT FROM NEW.id)",
            "(OLD.id IS NOT NEW.id)",
        ),
        (
            "{{ changed(columns) }}",
            "(OLD.id IS DISTINCT FROM NEW.id OR OLD.\"Full Name\" IS DISTINCT FROM NEW.\"Full Name\")",
            "(OLD.id IS NOT NEW.id OR OLD.\"Full Name\" IS NOT NEW.\"Full Name\")",
        ),
        (
            "{{ raise_if('NEW.a < 0', \"don't\") }}",
            "IF NEW.a < 0 THEN RAISE EXCEPTION USING MESSAGE = 'don''t'; END IF",
            "SELECT RAISE(ABORT, 'don''t') WHERE NEW.a < 0",
        ),
        ("{{ operation() }}", "'UPDATE'", "'UPDATE'"),
        (
            "{{ row_json('new', columns) }}",
            "jsonb_build_object('id', NEW.id, 'Full Name', NEW.\"Full Name\")",
            "json_object('id', NEW.id, 'Full Name', NEW.\"Full Name\")",
        ),
        (
            "{{ row_json('old', 'id') }}",
            "jsonb_build_object('id', OLD.id)",
            "json_object('id', OLD.id)",
        ),
    ];
    for (text, postgres, sqlite) in table {
        // Twice: the second comes from memory.
        for _ in 0..2 {
            assert_eq!(shown(text, columns.clone()), postgres);
            assert_eq!(inline(&Sqlite, text, columns.clone()).unwrap(), sqlite);
        }
    }
    assert_eq!(shown("{{ operation() }}", context! {}), "TG_OP");
    assert_eq!(shown("{{ user() }}", context! {}), "session_user");
    // A macro of the body's sees the variables as well.
    let text = "{% macro op() %}{{ operation() }}{% endmacro %}{{ op() }}";
    assert_eq!(shown(text, columns), "'UPDATE'");
}

#[test]
fn an_upsert_says_what_becomes_of_the_row_that_is_there() {
    let table = [
        (
            "{{ upsert('t', {'k': 'NEW.k', 'n': 1}, 'k') }}",
            "INSERT INTO t (k, n) VALUES (NEW.k, 1) ON CONFLICT (k) DO NOTHING",
            "INSERT INTO t (k, n) VALUES (NEW.k, 1) ON DUPLICATE KEY UPDATE k = k",
        ),
        (
            "{{ upsert(['app', 't'], {'Key': 'NEW.k', 'n': 1}, ['Key', 'n'], ['n']) }}",
            "INSERT INTO app.t (\"Key\", n) VALUES (NEW.k, 1) ON CONFLICT (\"Key\", n) DO UPDATE SET n = EXCLUDED.n",
            "INSERT INTO app.t (`Key`, n) VALUES (NEW.k, 1) ON DUPLICATE KEY UPDATE n = VALUES(n)",
        ),
        (
            "{{ upsert('t', {'k': 'NEW.k', 'n': 1}, 'k', {'n': sql('t.n + ', proposed('n')), 'k': 'NEW.n'}) }}",
            "INSERT INTO t (k, n) VALUES (NEW.k, 1) ON CONFLICT (k) DO UPDATE SET n = t.n + EXCLUDED.n, k = NEW.n",
            "INSERT INTO t (k, n) VALUES (NEW.k, 1) ON DUPLICATE KEY UPDATE n = t.n + VALUES(n), k = NEW.n",
        ),
    ];
    for (text, postgres, mysql) in table {
        assert_eq!(shown(text, context! {}), postgres);
        assert_eq!(inline(&Mysql, text, context! {}).unwrap(), mysql);
    }
    // MySQL would read the new value where the others read the old one.
    let swapped = "{{ upsert('t', {'k': 1}, 'k', {'a': 't.a + 1', 'b': 'coalesce(t.`A`, 0)'}) }}";
    assert!(
        problem(&inline(&Mysql, swapped, context! {}).unwrap_err())
            .contains("`b` reads `a`, which MySQL has set by then: put `b` before it in the map")
    );
    // Other things of that name are not the column.
    let fine = "{{ upsert('t', {'k': 1}, 'k', {'a': '1', 'b': \"NEW.a + VALUES(a) + a.c + a(1) + 'a'\"}) }}";
    assert!(inline(&Mysql, fine, context! {}).is_ok());
    for dialect in ALL.iter().copied() {
        for (text, expected) in [
            ("{{ upsert('t', ['k'], 'k') }}", "the values are a map"),
            ("{{ upsert('t', {}, 'k') }}", "the values are a map"),
            ("{{ upsert('t', {'k': 1}, []) }}", "the key is a column"),
            (
                "{{ upsert('t', {'k': '1; DROP TABLE t'}, 'k') }}",
                "more than one expression",
            ),
            ("{{ upsert('t', {'k': '1'}) }}", "an argument is missing"),
        ] {
            let found = problem(&inline(dialect, text, context! {}).unwrap_err());
            assert!(found.contains(expected), "{found}");
        }
    }
}

#[test]
fn a_new_value_is_set_where_the_engine_can() {
    let set = "{{ set_new('Slug', 'lower(NEW.title)') }}";
    let before = context! { timing => "before", event => "insert", table => "posts" };
    assert_eq!(
        shown(set, before.clone()),
        "NEW.\"Slug\" := lower(NEW.title)"
    );
    assert_eq!(
        inline(&Mysql, set, before.clone()).unwrap(),
        "SET NEW.Slug = lower(NEW.title)"
    );
    assert!(
        problem(&inline(&Sqlite, set, before).unwrap_err()).contains(
            "SQLite cannot change a row before it is written: `timing = \"after\"` in `[trigger.sqlite]` updates it"
        )
    );
    let after = context! { timing => "after", event => "update", table => "posts" };
    // Twice, for two tables: what was rendered for one is not remembered for the other.
    for table in ["posts", "Other"] {
        let after = context! { table, ..after.clone() };
        assert_eq!(
            inline(&Sqlite, set, after).unwrap(),
            format!(
                "UPDATE {table} SET Slug = lower(NEW.title) WHERE rowid = NEW.rowid AND Slug IS NOT (lower(NEW.title))"
            )
        );
    }
    assert_eq!(
        inline(&Sqlite, "{{ set_new('n', 1, 'a', 'b') }}", after.clone()).unwrap(),
        "UPDATE posts SET n = 1 WHERE a IS NEW.a AND b IS NEW.b AND n IS NOT (1)"
    );
    for dialect in [&Postgres as &'static dyn Dialect, &Mysql] {
        assert!(
            problem(&inline(dialect, set, after.clone()).unwrap_err())
                .contains("the row is written by then: it takes `timing = \"before\"`")
        );
    }
    for dialect in ALL.iter().copied() {
        let delete = context! { timing => "before", event => "delete", table => "posts" };
        assert!(
            problem(&inline(dialect, set, delete).unwrap_err())
                .contains("there is no new row on delete")
        );
    }
}

#[test]
fn a_switch_is_what_the_engine_has_for_a_session() {
    let text = "{{ bypassed('app.bypass') }}";
    assert_eq!(
        shown(text, context! {}),
        "(coalesce(pg_catalog.current_setting('app.bypass', true), '') IN ('on', 'true', '1'))"
    );
    assert_eq!(
        inline(&Mysql, text, context! {}).unwrap(),
        "(COALESCE(CAST(@app_bypass AS CHAR), '') IN ('on', 'true', '1'))"
    );
    assert_eq!(
        inline(&Sqlite, text, context! {}).unwrap(),
        "EXISTS (SELECT 1 FROM triggerctl_bypass WHERE name = 'app.bypass')"
    );
}

#[test]
fn helpers_refuse_wrong_arguments_at_the_call() {
    let call = |dialect, text| {
        problem(&inline(dialect, text, context! { event => "insert" }).unwrap_err())
    };
    for dialect in ALL.iter().copied() {
        for (text, expected) in [
            (
                "a {{ new() }}",
                "`new(column)`: an argument is missing @ `new()`",
            ),
            (
                "{{ new('a', 'b') }}",
                "`new(column)`: too many arguments @ `new('a', 'b')`",
            ),
            (
                "{{ concat() }}",
                "`concat(…)`: it takes at least one expression @ `concat()`",
            ),
            (
                "{{ changed([]) }}",
                "`changed(…)`: it takes at least one column @ `changed([])`",
            ),
            (
                "{{ raise_if('a)', 'm') }}",
                "`raise_if(condition, message)`: the expression `a)` has a `)` too many @ `raise_if('a)', 'm')`",
            ),
            (
                "{{ row_json('x', 'a') }}",
                "`row_json(row, …)`: the row is \"new\" or \"old\" @ `row_json('x', 'a')`",
            ),
        ] {
            assert_eq!(call(dialect, text), expected);
        }
    }
    // What is longer is not cut: the statement would fail with words of MySQL's own.
    let long = format!("{{{{ raise_if('a', '{}') }}}}", "é".repeat(129));
    assert!(
        call(&Mysql, &long).starts_with(
            "`raise_if(condition, message)`: MySQL takes a message of at most 128 characters, and this one has 129 @ "
        )
    );
    assert!(inline(&Mysql, &long.replacen('é', "", 1), context! {}).is_ok());
    assert!(inline(&Sqlite, &long, context! {}).is_ok());
    assert_eq!(
        call(&Sqlite, "{{ user() }}"),
        "`user()`: SQLite has no users: give the dialect a body of its own in `[trigger.sqlite]` @ `user()`"
    );
    assert!(
        problem(&inline(&Sqlite, "{{ operation() }}", context! {}).unwrap_err())
            .starts_with("`operation()`: undefined value"),
    );
}

#[test]
fn helpers_have_the_same_names_and_parameters_in_every_dialect() {
    let all: Vec<Vec<String>> = ALL
        .iter()
        .map(|dialect| {
            Renderer::new(*dialect, None)
                .unwrap()
                .helper_signatures()
                .collect()
        })
        .collect();
    assert!(!all[0].is_empty());
    for other in &all {
        assert_eq!(other, &all[0]);
    }
}

#[test]
fn the_manual_has_every_filter_helper_and_template() {
    let manual = include_str!("../../docs/templates.md");
    for filter in FILTERS {
        assert!(
            manual.contains(&format!("`{filter}`")),
            "the filter {filter}"
        );
    }
    for signature in Renderer::new(&Sqlite, None).unwrap().helper_signatures() {
        assert!(
            manual.contains(&format!("`{signature}`")),
            "the helper {signature}"
        );
    }
    for dialect in ALL {
        for (template, _) in dialect.templates() {
            assert!(
                manual.contains(&format!("`{template}`")),
                "the template {template}"
            );
        }
    }
}

#[test]
fn every_file_of_the_folders_is_compiled_in_and_back() {
    for dialect in ALL {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("templates")
            .join(dialect.name());
        let mut files: Vec<String> = std::fs::read_dir(folder)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        files.sort();
        let mut known: Vec<&str> = dialect.templates().iter().map(|(name, _)| *name).collect();
        known.sort_unstable();
        assert_eq!(files, known);
        let renderer = Renderer::new(*dialect, None).unwrap();
        for name in known {
            assert!(renderer.has(name) && !renderer.is_custom(name));
            renderer.environment.get_template(name).unwrap();
        }
        assert_eq!(by_name(dialect.name()).unwrap().name(), dialect.name());
    }
    assert!(by_name("oracle").is_none());
}

#[test]
fn a_file_of_the_users_wins_and_can_build_on_others() {
    let folder = folder(&[
        (
            "postgres/drop_trigger.sql",
            "{% import 'parts/words.sql' as words %}{{ words.hello() }}{% include 'builtin/drop_trigger.sql' %};\n",
        ),
        (
            "postgres/parts/words.sql",
            "{% macro hello() %}/* {{ 'hello' | comment }} */ {% endmacro %}",
        ),
        (
            "sqlite/drop_trigger.sql",
            "DROP TRIGGER IF EXISTS {{ name | ident }}",
        ),
    ]);
    assert_eq!(
        drop_with(folder.path()).unwrap(),
        "/* hello */ DROP TRIGGER \"Audit\" ON app.users"
    );
    let renderer = Renderer::new(&Postgres, Some(folder.path())).unwrap();
    assert!(renderer.is_custom("drop_trigger.sql"));
    assert!(!renderer.is_custom("create_trigger.sql"));
    assert!(renderer.has("parts/words.sql") && !renderer.has("parts/none.sql"));
}

#[test]
fn helpers_of_the_users_add_to_the_built_in_ones() {
    let folder = folder(&[(
        "postgres/helpers.sql",
        "{% macro now() %}now(){% endmacro %}\
         {% macro stamp(column) %}NEW.{{ column | ident }} := {{ now() }} /* {{ table | comment }} */{% endmacro %}",
    )]);
    let renderer = Renderer::new(&Postgres, Some(folder.path())).unwrap();
    let inline = |text: &str, table: &str| {
        renderer
            .inline_value(&located(text), context! { table })
            .unwrap()
    };
    assert_eq!(inline("{{ now() }} {{ old('a') }}", "t"), "now() OLD.a");
    // What the user's see may change: it is not remembered.
    assert_eq!(
        inline("{{ stamp('At') }}", "t"),
        "NEW.\"At\" := now() /* t */"
    );
    assert_eq!(
        inline("{{ stamp('At') }}", "u"),
        "NEW.\"At\" := now() /* u */"
    );
}

#[test]
fn a_mistake_in_a_template_of_the_users_points_into_the_file() {
    let broken = folder(&[(
        "postgres/drop_trigger.sql",
        "DROP TRIGGER\n{{ name | ident }",
    )]);
    let Err(error) = Renderer::new(&Postgres, Some(broken.path())) else {
        panic!("it does not compile");
    };
    let (span, _) = error.diagnostics[0].place.as_ref().unwrap();
    assert_eq!(span.line_column().0, 2);
    assert!(
        span.file.name.ends_with("postgres/drop_trigger.sql"),
        "{}",
        span.file.name
    );

    let bare = folder(&[(
        "postgres/drop_trigger.sql",
        "DROP TRIGGER\n{{ name }} ON {{ table | ident }}",
    )]);
    let error = drop_with(bare.path()).unwrap_err();
    assert!(
        problem(&error).starts_with("`{{ name }}` prints a bare value @ `name` | put a filter")
    );

    let included = folder(&[
        ("postgres/drop_trigger.sql", "{% include 'part.sql' %}"),
        ("postgres/part.sql", "DROP TRIGGER {{ nmae | ident }}"),
    ]);
    let error = drop_with(included.path()).unwrap_err();
    assert_eq!(problem(&error), "`nmae` is not defined here @ `nmae`");
    let (span, _) = error.diagnostics[0].place.as_ref().unwrap();
    assert!(span.file.name.ends_with("part.sql"));
    let (caller, _) = &error.diagnostics[0].related[0];
    assert!(caller.file.name.ends_with("drop_trigger.sql"));

    let helpers = folder(&[(
        "postgres/helpers.sql",
        "{% macro bad() %}{{ nothing | sql }}{% endmacro %}",
    )]);
    let renderer = Renderer::new(&Postgres, Some(helpers.path())).unwrap();
    let error = renderer
        .inline_value(&located("x {{ bad() }}"), context! {})
        .unwrap_err();
    assert_eq!(problem(&error), "`nothing` is not defined here @ `nothing`");
    let (caller, _) = &error.diagnostics[0].related[0];
    assert_eq!(&caller.file.text[caller.range.clone()], "bad()");
}

#[test]
fn an_error_in_a_built_in_template_names_it() {
    let renderer = Renderer::new(&Sqlite, None).unwrap();
    let error = renderer
        .statement("drop_trigger.sql", context! {})
        .unwrap_err();
    assert_eq!(problem(&error), "`name` is not defined here @ `name`");
    let (span, _) = error.diagnostics[0].place.as_ref().unwrap();
    assert_eq!(
        span.file.name,
        "<built-in templates/sqlite/drop_trigger.sql>"
    );
    let error = renderer.statement("nothing.sql", context! {}).unwrap_err();
    assert!(problem(&error).starts_with("there is no template `nothing.sql`"));
}

#[test]
fn a_folder_where_a_template_should_be_is_an_error() {
    let folder = folder(&[("postgres/drop_trigger.sql/x", "")]);
    let Err(error) = Renderer::new(&Postgres, Some(folder.path())) else {
        panic!("it cannot be read");
    };
    assert!(
        error.to_string().starts_with("cannot read the template `"),
        "{error}"
    );
}

#[test]
fn a_template_renders_to_one_statement() {
    let rendered = |dialect: &'static dyn Dialect, text: &str| {
        let name = format!("{}/drop_trigger.sql", dialect.name());
        let folder = folder(&[(&name, text)]);
        let renderer = Renderer::new(dialect, Some(folder.path())).unwrap();
        renderer.statement("drop_trigger.sql", context! { name => "a", table => "b" })
    };
    for (text, expected) in [
        ("  SELECT 1 ;\n", "SELECT 1"),
        ("SELECT 1;;  -- that is all", "SELECT 1"),
        ("SELECT ';' AS \";\" /* ; */", "SELECT ';' AS \";\" /* ; */"),
        ("SELECT $$;$$", "SELECT $$;$$"),
        ("SELECT 1", "SELECT 1"),
    ] {
        assert_eq!(rendered(&Postgres, text).unwrap(), expected);
    }
    let trigger =
        "CREATE TRIGGER t AFTER INSERT ON a BEGIN SELECT CASE WHEN 1 THEN 2 END; SELECT 2; END";
    assert_eq!(
        rendered(&Sqlite, &format!("{trigger};\n")).unwrap(),
        trigger
    );
    for (dialect, text, expected) in [
        (
            &Postgres as &'static dyn Dialect,
            "SELECT 1; DROP TABLE t",
            "renders to more than one statement @ `DROP`",
        ),
        (
            &Postgres,
            "BEGIN; SELECT 1; END",
            "renders to more than one statement @ `SELECT`",
        ),
        (
            &Postgres,
            "SELECT 'a",
            "renders to a quote or comment that never ends @ `'a`",
        ),
        (
            &Postgres,
            "SELECT 1 /* a",
            "renders to a quote or comment that never ends @ `/* a`",
        ),
        (&Postgres, "  \n", "renders to nothing @ ``"),
        (&Postgres, " ; ", "renders to nothing @ ``"),
        (
            &Postgres,
            "SELECT\0",
            "renders to text with a NUL character @ `\0`",
        ),
        (
            &Sqlite,
            "CREATE TRIGGER t AFTER INSERT ON a BEGIN SELECT 1; END; SELECT 2; END",
            "renders to more than one statement @ `SELECT`",
        ),
        (
            &Sqlite,
            "CREATE TABLE t(x); END",
            "renders to more than one statement @ `END`",
        ),
    ] {
        let found = problem(&rendered(dialect, text).unwrap_err());
        assert!(
            found.starts_with(&format!("the template `drop_trigger.sql` {expected}")),
            "{text}: {found}"
        );
    }
}

#[test]
fn serde_values_can_be_contexts() {
    #[derive(Serialize)]
    struct Context {
        name: &'static str,
        table: Vec<String>,
    }
    let renderer = Renderer::new(&Postgres, None).unwrap();
    let context = Context {
        name: "a",
        table: vec!["app".to_owned(), "T".to_owned()],
    };
    assert_eq!(
        renderer.render("drop_trigger.sql", &context).unwrap(),
        "DROP TRIGGER a ON app.\"T\""
    );
    assert_eq!(
        renderer
            .inline(&located("{{ name | literal }}"), &context)
            .unwrap(),
        "'a'"
    );
    let script = Renderer::new(&Sqlite, None)
        .unwrap()
        .render_script("script_end.sql", &context);
    assert!(script.unwrap().contains("COMMIT;"));
}

#[test]
fn the_manuals_examples_work() {
    use crate::dialect::testing::{facts, lower};
    let manual = include_str!("../../docs/templates.md");
    let examples: Vec<&str> = manual
        .split("```toml\n")
        .skip(1)
        .filter_map(|block| block.split("```").next())
        .filter(|block| block.contains("[[trigger]]"))
        .collect();
    assert_eq!(examples.len(), 3);
    for example in examples {
        for dialect in ALL.iter().copied() {
            let columns = facts(
                crate::dialect::TableKind::Table,
                &["id", "amount", "currency", "title", "slug"],
            );
            lower(dialect, example, Some(columns)).unwrap();
        }
    }
}

#[test]
fn what_a_helper_reads_of_the_table_is_noted_each_time() {
    use crate::dialect::Note;

    for (dialect, reads_types) in [(&Postgres as &'static dyn Dialect, false), (&Mysql, true)] {
        let renderer = Renderer::new(dialect, None).unwrap();
        let render = |columns: Vec<&'static str>, kind: &'static str| {
            let (of_columns, of_types) = (Note::default(), Note::default());
            let context = context! {
                columns => of_columns.on(Value::from(columns)),
                types => of_types.on(context! { a => kind, b => "text" }),
            };
            let located = located("{{ altered(columns, types) }}");
            let text = renderer.inline_value(&located, context).unwrap();
            (text, of_columns.was_read(), of_types.was_read())
        };
        let first = render(vec!["a", "b"], "integer");
        assert_eq!((first.1, first.2), (true, reads_types));
        // The same again is remembered, and noted all the same; anything else is another text.
        assert_eq!(render(vec!["a", "b"], "integer"), first);
        assert_ne!(render(vec!["a"], "integer").0, first.0);
        assert_ne!(render(vec!["b"], "integer").0, first.0);
        assert_ne!(render(vec!["b", "a"], "integer").0, first.0);
    }
}
