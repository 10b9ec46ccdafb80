//! Uses that make no sense are refused, each with the reason and the way out, where the user wrote it.

use libtest_mimic::Trial;

use crate::case::Engine;
use crate::common::Sandbox;

/// An engine, the use, and what is said of it.
const REFUSED: &[(&str, &str, &[&str])] = &[
    (
        "postgres",
        "use = \"deferred_check\"\ntable = \"c\"\nwith = { parent = \"p\", key = \"pid\", parent_key = \"xx\", condition = \"NEW.x <> ''\" }",
        &["`p` has no column `xx`", "triggers.toml:5:"],
    ),
    (
        "postgres",
        "use = \"audit\"\ntable = \"none\"\ncreate_table = true\nwith = { for_each = \"statement\" }",
        &[
            "`none` has no primary key",
            "triggers.toml:6:",
            "take `for_each` away",
        ],
    ),
    (
        "postgres",
        "use = \"state_machine\"\ntable = \"parts\"\nwith = { transitions = { a = [\"b\"] }, initial = [\"a\"] }",
        &["`parts` is partitioned by `state`", "triggers.toml:5:"],
    ),
    (
        "mysql",
        "use = \"validate\"\ntable = \"c\"\nwith = { condition = \"NEW.id > 0\", message = \"an order must have been paid, packed, weighed, insured, labelled and handed over to somebody who signs for it before it can be called sent\" }",
        &[
            "at most 128 characters, and this one has 138",
            "triggers.toml:5:",
        ],
    ),
    (
        "sqlite",
        "use = \"search_vector\"\ntable = \"c\"\ncreate_table = true\nwith = { columns = [\"a\", \"b\"] }\n\
         [[trigger]]\nuse = \"derive\"\ntable = \"c\"\nwith = { columns = { b = \"NEW.a\" } }",
        &[
            "another kind sets `b` after the change",
            "triggers.toml:6:",
            "search the columns that it is made from",
        ],
    ),
    (
        "sqlite",
        "use = \"mirror\"\ntable = \"c\"\nwhen = \"NEW.id > 1\"\nwith = { parent = \"p\", key = \"pid\", columns = { a = \"x\" } }",
        &["wrong in the others", "take `when` away"],
    ),
    (
        "sqlite",
        "use = \"mirror\"\ntable = \"c\"\nwith = { parent = \"c\", key = \"pid\", columns = { a = \"a\" } }",
        &["a copy of a copy in the same table", "triggers.toml:5:"],
    ),
    (
        "sqlite",
        "use = \"mirror\"\ntable = \"c\"\nwith = { parent = \"p\", key = \"pid\", columns = { a = \"xx\", aa = \"x\" } }",
        &[
            "`p` has no column `xx`",
            "did you mean `x`?",
            "`c` has no column `aa`",
            "did you mean `a`?",
        ],
    ),
    (
        "sqlite",
        "use = \"mirror\"\ntable = \"c\"\nwith = { parent = \"two\", key = \"pid\", columns = { a = \"x\" } }",
        &[
            "the primary key of `two` has several columns",
            "parent_key = ",
        ],
    ),
    (
        "mysql",
        "use = \"mirror\"\ntable = \"c\"\nwith = { parent = \"c\", key = \"pid\", columns = { a = \"b\" } }",
        &["MySQL cannot change `c` in a trigger on `c`"],
    ),
    (
        "sqlite",
        "use = \"counter_cache\"\ntable = \"c\"\nwith = { parent = \"two\", key = \"pid\", column = \"x\" }",
        &["the primary key of `two` has several columns"],
    ),
    (
        "postgres",
        "use = \"search_vector\"\ntable = \"c\"\nwith = { columns = [\"a\"], weights = { b = \"A\", a = \"Z\" } }",
        &[
            "`b` has a weight, and is not searched",
            "`Z` is no weight",
            "`c` has no column `search`",
            "ADD COLUMN search tsvector",
        ],
    ),
    (
        "sqlite",
        "use = \"search_vector\"\ntable = \"two\"\nwith = { columns = [\"x\"] }",
        &["`two` has no `INTEGER PRIMARY KEY`", "VACUUM"],
    ),
    (
        "mysql",
        "use = \"search_vector\"\ntable = \"c\"\nwith = { columns = [\"a\"] }",
        &[
            "the kind `search_vector` is not for MySQL",
            "FULLTEXT",
            "leave mysql out",
        ],
    ),
    (
        "sqlite",
        "use = \"view_write\"\ntable = \"c\"\nwith = { target = \"p\" }",
        &["`c` is a table: the kind `view_write` is for views"],
    ),
    (
        "sqlite",
        "use = \"audit\"\ntable = \"v\"",
        &["`v` is a view: the kind `audit` is for tables"],
    ),
    (
        "sqlite",
        "use = \"view_write\"\ntable = \"v\"\nwith = { target = \"two\" }",
        &["`v` has no column for `k`", "add it to the view"],
    ),
    (
        "sqlite",
        "use = \"view_write\"\ntable = \"v\"\nwith = { target = \"p\", columns = [\"id\", \"q\"] }",
        &["`p` has no column `q`", "renamed = { q = "],
    ),
    (
        "sqlite",
        "use = \"view_write\"\ntable = \"v\"\nwhen = \"NEW.id > 1\"\nwith = { target = \"p\" }",
        &["the change would be lost", "take `when` away"],
    ),
    (
        "mysql",
        "use = \"view_write\"\ntable = \"v\"\nwith = { target = \"p\" }",
        &[
            "the kind `view_write` is not for MySQL",
            "no triggers on views",
        ],
    ),
    (
        "sqlite",
        "use = \"soft_delete\"\ntable = \"none\"\nwith = { column = \"a\" }",
        &["`none` has no primary key, and the kind `soft_delete` needs one"],
    ),
    (
        "sqlite",
        "use = \"validate\"\ntable = \"c\"\nwith = { condition = 5, mesage = \"x\", columns = \"a\" }",
        &[
            "the kind `validate` has no parameter `mesage`",
            "did you mean `message`?",
            "`condition` must be an SQL expression",
            "the kind `validate` needs `message`",
            "`columns` must be a list of columns",
        ],
    ),
    (
        "sqlite",
        "name = \"x\"\ntable = \"c\"\ntiming = \"after\"\nevents = [\"insert\"]\nbody = \"SELECT 1;\"\nwith = { a = 1 }",
        &["`with`", "`use`"],
    ),
];

pub(crate) fn trials() -> Vec<Trial> {
    let trial = |dialect: &'static str| {
        Trial::test(format!("refusals::{dialect}"), move || {
            for (of, usage, said) in REFUSED {
                if *of == dialect {
                    refused(dialect, usage, said);
                }
            }
            Ok(())
        })
    };
    ["sqlite", "postgres", "mysql"]
        .into_iter()
        .map(trial)
        .collect()
}

fn refused(dialect: &str, usage: &str, said: &[&str]) {
    let engine = Engine::of(dialect).into_iter().next().unwrap();
    let mut live = engine.live();
    live.batch(
        "CREATE TABLE p (id integer PRIMARY KEY, x varchar(20), y varchar(20));
         CREATE TABLE two (k integer, l integer, x varchar(20), PRIMARY KEY (k, l));
         CREATE TABLE c (id integer PRIMARY KEY, pid integer, a varchar(20), b varchar(20));
         CREATE TABLE none (a varchar(20));
         CREATE VIEW v AS SELECT id, x, y AS q FROM p;",
    );
    if dialect == "postgres" {
        live.batch("CREATE TABLE parts (id integer, state text) PARTITION BY LIST (state);");
    }
    let sandbox = Sandbox::with_spec(&format!("version = 1\n[[trigger]]\n{usage}\n"));
    sandbox.on(&*live, &["plan"]).code(1).says(said);
}
