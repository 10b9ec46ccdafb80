//! Two and three kinds on one table: what each does is done once, in whatever order they fire, and what one writes is not what
//! another counts, but where it should be.

use libtest_mimic::Trial;

use crate::case::Engine;
use crate::common::{Live, Sandbox, assert_same};

struct Pair {
    name: &'static str,
    /// The engines' dialects.
    dialects: &'static [&'static str],
    schema: &'static str,
    /// The uses, as TOML.
    uses: &'static str,
    /// What is done, each with what is then to be seen, or a part of the error.
    steps: &'static [(&'static str, &'static str, &'static str)],
}

const ALL: &[&str] = &["sqlite", "postgres", "mysql"];

const PAIRS: &[Pair] = &[
    Pair {
        name: "version_and_updated_at",
        dialects: ALL,
        schema: "CREATE TABLE t (id integer PRIMARY KEY, a integer, version integer, updated_at TIME);
                 INSERT INTO t VALUES (1, 1, 5, NULL), (2, 1, 7, NULL);",
        uses: "[[trigger]]\nuse = 'version'\ntable = 't'\n[[trigger]]\nuse = 'updated_at'\ntable = 't'\n",
        steps: &[
            ("UPDATE t SET a = a", "SELECT id, version, updated_at IS NULL FROM t ORDER BY 1", "1|5|1\n2|7|1\n"),
            ("UPDATE t SET a = 2", "SELECT id, version, updated_at > '2020-01-01' FROM t ORDER BY 1", "1|6|1\n2|8|1\n"),
            ("UPDATE t SET a = 3, version = 7 WHERE id = 1", "SELECT version FROM t WHERE id = 1", "7\n"),
            ("UPDATE t SET updated_at = '2001-01-01' WHERE id = 1", "SELECT version, updated_at < '2002-01-01' FROM t WHERE id = 1", "7|1\n"),
            ("UPDATE t SET a = 4, version = 6 WHERE id = 1", "error", "somebody else"),
        ],
    },
    Pair {
        name: "updated_at_and_audit",
        dialects: ALL,
        schema: "CREATE TABLE t (id integer PRIMARY KEY, a integer, updated_at TIME); INSERT INTO t VALUES (1, 1, NULL), (2, 1, NULL);",
        uses: "[[trigger]]\nuse = 'audit'\ntable = 't'\ncreate_table = true\nwith = { except = ['updated_at'] }\n[[trigger]]\nuse = 'updated_at'\ntable = 't'\n",
        steps: &[(
            "UPDATE t SET a = 2; UPDATE t SET a = 2; DELETE FROM t WHERE id = 2",
            "SELECT operation FROM t_audit ORDER BY id",
            "UPDATE\nUPDATE\nDELETE\n",
        )],
    },
    Pair {
        name: "everything_that_writes_down",
        dialects: ALL,
        schema: "CREATE TABLE t (id integer PRIMARY KEY, a integer, updated_at TIME, version integer); INSERT INTO t VALUES (1, 1, NULL, 1);",
        uses: "[[trigger]]\nuse = 'audit'\ntable = 't'\ncreate_table = true\nwith = { except = ['updated_at', 'version'] }\n\
               [[trigger]]\nuse = 'outbox'\ntable = 't'\ncreate_table = true\nwith = { except = ['updated_at', 'version'] }\n\
               [[trigger]]\nuse = 'history'\ntable = 't'\ncreate_table = true\nwith = { except = ['updated_at', 'version'] }\n\
               [[trigger]]\nuse = 'updated_at'\ntable = 't'\n[[trigger]]\nuse = 'version'\ntable = 't'\n",
        steps: &[
            ("UPDATE t SET a = 2", "SELECT (SELECT count(*) FROM t_audit), (SELECT count(*) FROM outbox), (SELECT count(*) FROM t_history), version FROM t", "1|1|1|2\n"),
            ("INSERT INTO t (id) VALUES (7); DELETE FROM t WHERE id = 1", "SELECT (SELECT count(*) FROM t_audit), (SELECT count(*) FROM outbox), (SELECT count(*) FROM t_history), version FROM t", "3|3|2|1\n"),
        ],
    },
    Pair {
        name: "history_and_what_changes_the_row_again",
        dialects: &["sqlite", "postgres"],
        schema: "CREATE TABLE t (id integer PRIMARY KEY, a integer, again integer);",
        uses: "[[trigger]]\nuse = 'history'\ntable = 't'\ncreate_table = true\n\
               [[trigger]]\nname = 'again'\ntable = 't'\ntiming = 'after'\nevents = ['insert', 'update']\n\
               body = 'UPDATE t SET again = NEW.a * 10 WHERE id = NEW.id AND coalesce(again, 0) <> NEW.a * 10;'\n\
               [[trigger]]\nname = 'gone'\ntable = 't'\ntiming = 'after'\nevents = ['update']\nbody = 'DELETE FROM t WHERE id = NEW.id AND a < 0;'\n",
        steps: &[
            ("INSERT INTO t VALUES (1, 1, NULL)", "SELECT id, a, again FROM t_history WHERE valid_to IS NULL", "1|1|10\n"),
            ("UPDATE t SET a = 2", "SELECT id, a, again FROM t_history WHERE valid_to IS NULL", "1|2|20\n"),
            ("UPDATE t SET a = 3, id = 5", "SELECT id, a, again FROM t_history WHERE valid_to IS NULL", "5|3|30\n"),
            ("INSERT INTO t VALUES (6, 4, 40); UPDATE t SET a = -1 WHERE id = 5", "SELECT id, a, again FROM t_history WHERE valid_to IS NULL", "6|4|40\n"),
            ("DELETE FROM t", "SELECT count(*) FROM t_history WHERE valid_to IS NULL", "0\n"),
        ],
    },
    Pair {
        name: "columns_that_are_called_like_variables",
        dialects: &["sqlite", "postgres"],
        schema: "CREATE TABLE p (found integer PRIMARY KEY, old integer DEFAULT 0 NOT NULL, new integer, tg_op TIME);
                 CREATE TABLE t (id integer PRIMARY KEY, old integer REFERENCES p, new integer);
                 CREATE VIEW v AS SELECT found, new FROM p;",
        uses: "[[trigger]]\nuse = 'counter_cache'\ntable = 't'\nwith = { parent = 'p', key = 'old', column = 'old' }\n\
               [[trigger]]\nuse = 'touch'\ntable = 't'\nwith = { parent = 'p', key = 'old', column = 'tg_op' }\n\
               [[trigger]]\nuse = 'mirror'\ntable = 't'\nwith = { parent = 'p', key = 'old', columns = { new = 'new' } }\n\
               [[trigger]]\nuse = 'view_write'\ntable = 'v'\nwith = { target = 'p' }\n",
        steps: &[
            (
                "INSERT INTO p (found, new) VALUES (1, 7), (2, 8); INSERT INTO v VALUES (3, 9); INSERT INTO t (id, old) VALUES (1, 1), (2, 1), (3, 2)",
                "SELECT found, p.old, p.new, tg_op IS NULL, t.new FROM p LEFT JOIN t ON id = found ORDER BY 1",
                "1|2|7|0|7\n2|1|8|0|7\n3|0|9|1|8\n",
            ),
            ("UPDATE t SET old = 3 WHERE id = 1", "SELECT found, p.old, t.new FROM p LEFT JOIN t ON id = found ORDER BY 1", "1|1|9\n2|1|7\n3|1|8\n"),
            ("UPDATE v SET new = 6 WHERE found = 3", "SELECT new FROM t WHERE id = 1", "6\n"),
            ("DELETE FROM t WHERE id = 3; DELETE FROM v WHERE found = 2", "SELECT found FROM p ORDER BY 1", "1\n3\n"),
        ],
    },
    Pair {
        name: "columns_that_are_called_like_variables_and_truncate",
        dialects: &["postgres"],
        schema: "CREATE TABLE p (found integer PRIMARY KEY, old integer DEFAULT 0 NOT NULL, new integer);
                 CREATE TABLE t (id integer PRIMARY KEY, old integer, new integer); INSERT INTO p VALUES (1, 0, 1);",
        uses: "[[trigger]]\nuse = 'counter_cache'\ntable = 't'\nwith = { parent = 'p', key = 'old', column = 'old' }\n\
               [[trigger]]\nuse = 'mirror'\ntable = 't'\nwith = { parent = 'p', key = 'old', columns = { new = 'new' } }\n\
               [[trigger]]\nuse = 'history'\ntable = 't'\nwith = { valid_to = 'found', valid_from = 'new_from' }\ncreate_table = true\n",
        steps: &[
            ("INSERT INTO t (id, old) VALUES (1, 1); TRUNCATE t", "SELECT p.old, h.found IS NULL FROM p, t_history AS h", "0|0\n"),
            ("INSERT INTO t (id, old) VALUES (1, 1); TRUNCATE p", "SELECT new IS NULL FROM t", "1\n"),
        ],
    },
    Pair {
        name: "history_and_soft_delete",
        dialects: &["sqlite", "postgres"],
        schema: "CREATE TABLE t (id integer PRIMARY KEY, a integer, deleted_at TIME);",
        uses: "[[trigger]]\nuse = 'history'\ntable = 't'\ncreate_table = true\n[[trigger]]\nuse = 'soft_delete'\ntable = 't'\n",
        steps: &[(
            "INSERT INTO t VALUES (1, 1, NULL), (2, 2, NULL); DELETE FROM t WHERE id = 1",
            "SELECT id, operation, deleted_at IS NULL, valid_to IS NULL FROM t_history ORDER BY history_id",
            "1|INSERT|1|0\n2|INSERT|1|1\n1|UPDATE|0|1\n",
        )],
    },
    Pair {
        name: "counter_cache_and_soft_delete",
        dialects: &["sqlite", "postgres"],
        schema: "CREATE TABLE p (id integer PRIMARY KEY, t_count integer DEFAULT 0 NOT NULL, total integer DEFAULT 0);
                 CREATE TABLE t (id integer PRIMARY KEY, p_id integer, n integer, deleted_at TIME); INSERT INTO p (id) VALUES (1), (2);",
        uses: "[[trigger]]\nuse = 'counter_cache'\ntable = 't'\nwith = { parent = 'p', key = 'p_id', filter = 'NEW.deleted_at IS NULL' }\n\
               [[trigger]]\nuse = 'sum_cache'\ntable = 't'\nwith = { parent = 'p', key = 'p_id', column = 'total', amount = 'NEW.n' }\n\
               [[trigger]]\nuse = 'soft_delete'\ntable = 't'\n",
        steps: &[
            ("INSERT INTO t VALUES (1, 1, 10, NULL), (2, 1, 20, NULL), (3, 2, 30, NULL); DELETE FROM t WHERE id IN (1, 3)",
             "SELECT id, t_count, total FROM p ORDER BY 1", "1|1|30\n2|0|30\n"),
            ("UPDATE t SET deleted_at = NULL, p_id = 2", "SELECT id, t_count, total FROM p ORDER BY 1", "1|0|0\n2|3|60\n"),
        ],
    },
    Pair {
        name: "append_only_and_audit",
        dialects: ALL,
        schema: "CREATE TABLE t (id integer PRIMARY KEY, a integer); INSERT INTO t VALUES (1, 1);",
        uses: "[[trigger]]\nuse = 'append_only'\ntable = 't'\n[[trigger]]\nuse = 'audit'\ntable = 't'\ncreate_table = true\n",
        steps: &[
            ("INSERT INTO t VALUES (2, 2), (3, 3)", "SELECT operation FROM t_audit", "INSERT\nINSERT\n"),
            ("UPDATE t SET a = 2", "error", "t"),
            ("SELECT 1", "SELECT count(*) FROM t_audit", "2\n"),
        ],
    },
    Pair {
        name: "append_only_and_created_at",
        dialects: &["postgres", "mysql"],
        schema: "CREATE TABLE t (id integer PRIMARY KEY, created_at TIME);",
        uses: "[[trigger]]\nuse = 'append_only'\ntable = 't'\n[[trigger]]\nuse = 'created_at'\ntable = 't'\n",
        steps: &[("INSERT INTO t (id) VALUES (1), (2)", "SELECT count(*) FROM t WHERE created_at IS NOT NULL", "2\n")],
    },
    Pair {
        name: "append_only_and_created_at_where_a_row_is_written_twice",
        dialects: &["sqlite"],
        schema: "CREATE TABLE t (id integer PRIMARY KEY, created_at TIME);",
        uses: "[[trigger]]\nuse = 'append_only'\ntable = 't'\nwhen = 'OLD.created_at IS NOT NULL'\n[[trigger]]\nuse = 'created_at'\ntable = 't'\n",
        steps: &[
            ("INSERT INTO t (id) VALUES (1), (2)", "SELECT count(*) FROM t WHERE created_at IS NOT NULL", "2\n"),
            ("UPDATE t SET id = 3 WHERE id = 1", "error", "append"),
            ("DELETE FROM t", "error", "append"),
        ],
    },
    Pair {
        name: "guards_and_what_writes",
        dialects: ALL,
        schema: "CREATE TABLE t (id integer PRIMARY KEY, number integer, state varchar(10), note varchar(10), updated_at TIME, version integer);
                 INSERT INTO t VALUES (1, 100, 'new', NULL, NULL, 1);",
        uses: "[[trigger]]\nuse = 'read_only'\ntable = 't'\nwith = { columns = ['number'] }\n[[trigger]]\nuse = 'state_machine'\ntable = 't'\nwith = { transitions = { new = ['paid'], paid = ['sent'] } }\n\
               [[trigger]]\nuse = 'validate'\ntable = 't'\nwith = { condition = \"NEW.note <> 'bad'\", message = 'bad note' }\n\
               [[trigger]]\nuse = 'updated_at'\ntable = 't'\n[[trigger]]\nuse = 'version'\ntable = 't'\n\
               [[trigger]]\nuse = 'audit'\ntable = 't'\ncreate_table = true\nwith = { except = ['updated_at', 'version'] }\n",
        steps: &[
            ("UPDATE t SET state = 'paid', note = 'x'", "SELECT state, version, updated_at IS NOT NULL, (SELECT count(*) FROM t_audit) FROM t", "paid|2|1|1\n"),
            ("UPDATE t SET state = 'new'", "error", "state of t cannot change"),
            ("UPDATE t SET number = 1", "error", "number of t cannot be changed"),
            ("UPDATE t SET note = 'bad'", "error", "bad note"),
            ("SELECT 1", "SELECT state, version, (SELECT count(*) FROM t_audit) FROM t", "paid|2|1\n"),
        ],
    },
    Pair {
        name: "derive_and_updated_at_and_version",
        dialects: ALL,
        schema: "CREATE TABLE t (id integer PRIMARY KEY, a integer, b integer, updated_at TIME, version integer); INSERT INTO t VALUES (1, 1, 2, NULL, 1);",
        uses: "[[trigger]]\nuse = 'derive'\ntable = 't'\nwith = { columns = { b = 'NEW.a * 2' } }\n[[trigger]]\nuse = 'updated_at'\ntable = 't'\n[[trigger]]\nuse = 'version'\ntable = 't'\n",
        steps: &[
            ("UPDATE t SET a = 5", "SELECT a, b, version, updated_at IS NOT NULL FROM t", "5|10|2|1\n"),
            ("UPDATE t SET a = 6, version = 3", "SELECT a, b, version FROM t", "6|12|3\n"),
            ("INSERT INTO t (id, a) VALUES (2, 7)", "SELECT a, b, version FROM t WHERE id = 2", "7|14|1\n"),
        ],
    },
    Pair {
        name: "mirror_and_version",
        dialects: ALL,
        schema: "CREATE TABLE p (id integer PRIMARY KEY, name varchar(10)); CREATE TABLE t (id integer PRIMARY KEY, p_id integer, p_name varchar(10), version integer);
                 INSERT INTO p VALUES (1, 'a'), (2, 'b'); INSERT INTO t VALUES (1, 1, 'a', 1);",
        uses: "[[trigger]]\nuse = 'mirror'\ntable = 't'\nwith = { parent = 'p', key = 'p_id', columns = { p_name = 'name' } }\n[[trigger]]\nuse = 'version'\ntable = 't'\n",
        steps: &[
            ("UPDATE p SET name = 'x' WHERE id = 1", "SELECT p_name, version FROM t", "x|1\n"),
            ("UPDATE t SET p_id = 2, version = 2", "SELECT p_name, version FROM t", "b|2\n"),
            ("UPDATE t SET p_id = 1, version = 3", "SELECT p_name, version FROM t", "x|3\n"),
        ],
    },
    Pair {
        name: "created_at_and_version",
        dialects: ALL,
        schema: "CREATE TABLE t (id integer PRIMARY KEY, a integer, created_at TIME, version integer);",
        uses: "[[trigger]]\nuse = 'created_at'\ntable = 't'\n[[trigger]]\nuse = 'version'\ntable = 't'\n",
        steps: &[
            ("INSERT INTO t (id) VALUES (1), (2)", "SELECT version, created_at IS NOT NULL FROM t", "1|1\n1|1\n"),
            ("UPDATE t SET a = 1, version = 2 WHERE id = 1", "SELECT id, version FROM t ORDER BY 1", "1|2\n2|1\n"),
        ],
    },
    Pair {
        name: "skip_noop_update_and_others",
        dialects: &["sqlite", "postgres"],
        schema: "CREATE TABLE p (id integer PRIMARY KEY, updated_at TIME);
                 CREATE TABLE t (id integer PRIMARY KEY, p_id integer, a integer, updated_at TIME, version integer);
                 INSERT INTO p (id) VALUES (1); INSERT INTO t VALUES (1, 1, 1, NULL, 1), (2, 1, 2, NULL, 1);",
        uses: "[[trigger]]\nuse = 'skip_noop_update'\ntable = 't'\n[[trigger]]\nuse = 'updated_at'\ntable = 't'\n[[trigger]]\nuse = 'version'\ntable = 't'\n\
               [[trigger]]\nuse = 'touch'\ntable = 't'\nwith = { parent = 'p', key = 'p_id' }\n[[trigger]]\nuse = 'updated_at'\nname = '{{ table }}_time'\ntable = 'p'\n",
        steps: &[
            ("UPDATE t SET a = a", "SELECT (SELECT count(*) FROM t WHERE updated_at IS NULL AND version = 1), updated_at IS NULL FROM p", "2|1\n"),
            ("UPDATE t SET a = 2", "SELECT version, updated_at IS NULL, (SELECT updated_at IS NULL FROM p) FROM t ORDER BY id", "2|0|0\n1|1|0\n"),
        ],
    },
    Pair {
        name: "mirror_and_audit_on_both_sides",
        dialects: ALL,
        schema: "CREATE TABLE p (id integer PRIMARY KEY, name varchar(10)); CREATE TABLE t (id integer PRIMARY KEY, p_id integer, p_name varchar(10));
                 INSERT INTO p VALUES (1, 'a'), (2, 'b'); INSERT INTO t VALUES (1, 1, 'a'), (2, 1, 'a');",
        uses: "[[trigger]]\nuse = 'mirror'\ntable = 't'\nwith = { parent = 'p', key = 'p_id', columns = { p_name = 'name' } }\n\
               [[trigger]]\nuse = 'audit'\ntables = ['p', 't']\ncreate_table = true\nwith = { target = 'log' }\n",
        steps: &[(
            "UPDATE p SET name = 'x' WHERE id = 1",
            "SELECT table_name, operation FROM log ORDER BY table_name",
            "p|UPDATE\n1|UPDATE\n1|UPDATE\n",
        )],
    },
];

pub(crate) fn trials() -> Vec<Trial> {
    let mut trials = vec![];
    for pair in PAIRS {
        for engine in Engine::all() {
            if !pair.dialects.contains(&engine.dialect()) {
                continue;
            }
            for recursive in [false, true] {
                if recursive && !matches!(engine, Engine::Sqlite) {
                    continue;
                }
                for reversed in [false, true] {
                    let how = format!(
                        "{}{}{}",
                        pair.name,
                        if recursive { "_recursive" } else { "" },
                        if reversed { "_one_by_one" } else { "" },
                    );
                    let name = format!("pairs::{}::{how}", engine.name());
                    let trial = Trial::test(name, move || {
                        check(pair, &mut *engine.live(), recursive, reversed);
                        Ok(())
                    });
                    trials.push(trial.with_ignored_flag(engine.is_missing()));
                }
            }
        }
    }
    trials
}

fn check(pair: &Pair, live: &mut dyn Live, recursive: bool, reversed: bool) {
    let time = match live.dialect() {
        "postgres" => "timestamptz",
        "mysql" => "datetime(6)",
        _ => "text",
    };
    live.batch(&pair.schema.replace("TIME", time));
    if recursive {
        live.batch("PRAGMA recursive_triggers = ON;");
    }
    let sandbox = Sandbox::new();
    if reversed {
        // The last use first, each with an apply of its own: what fires in the order of creation fires the other way round.
        let uses: Vec<&str> = pair.uses.split("[[trigger]]\n").skip(1).collect();
        for from in (0..uses.len()).rev() {
            let some = format!("[[trigger]]\n{}", uses[from..].join("[[trigger]]\n"));
            sandbox.write("triggers.toml", format!("version = 1\n{some}"));
            sandbox.on(live, &["apply", "--yes"]).ok();
        }
    }
    sandbox.write("triggers.toml", format!("version = 1\n{}", pair.uses));
    sandbox.on(live, &["apply", "--yes"]).ok();
    sandbox.on(live, &["plan", "--detailed-exitcode"]).ok();
    for (statement, see, seen) in pair.steps {
        let said = live.script(statement);
        if *see == "error" {
            let fits = said.starts_with("error: ") && said.contains(seen);
            assert!(fits, "{statement}: {said}\nand not: {seen}");
            continue;
        }
        assert!(!said.starts_with("error: "), "{statement}: {said}");
        // PostgreSQL's booleans as those of the others; so a table `t` is a `1` here.
        let rows = live.run(see);
        let cells = rows.lines().map(|line| {
            let cells = line.split('|').map(|cell| match cell {
                "t" => "1",
                "f" => "0",
                other => other,
            });
            cells.collect::<Vec<_>>().join("|") + "\n"
        });
        let rows: String = cells.collect();
        assert_same(statement, seen, &rows);
    }
}
