//! What is stored: text, the settings of the session that created a trigger, order, and what a body speaks of.

use std::fmt::Write as _;

use mysql::prelude::Queryable;

use crate::common::mysql::{Engine, Mysql, connect};
use crate::common::{Live, Sandbox};
use crate::{Test, counting, empty_plan, spec, tables};

pub(crate) const TESTS: &[(&str, Test)] = &[
    (
        "siblings_that_come_and_go_keep_the_others_in_place",
        siblings_that_come_and_go_keep_the_others_in_place,
    ),
    (
        "update_of_sees_what_a_collation_does_not",
        update_of_sees_what_a_collation_does_not,
    ),
    ("text_survives", text_survives),
    (
        "who_it_runs_as_stays_when_it_is_taken_over",
        who_it_runs_as_stays_when_it_is_taken_over,
    ),
    (
        "bodies_without_a_block_come_back_to_the_letter",
        bodies_without_a_block_come_back_to_the_letter,
    ),
    (
        "settings_of_the_session_come_back_with_a_rollback",
        settings_of_the_session_come_back_with_a_rollback,
    ),
    ("order_is_kept_and_restored", order_is_kept_and_restored),
    (
        "what_is_placed_by_another_moves_along",
        what_is_placed_by_another_moves_along,
    ),
    (
        "after_import_the_plan_is_empty",
        after_import_the_plan_is_empty,
    ),
    (
        "collations_that_do_not_go_together_are_found_before",
        collations_that_do_not_go_together_are_found_before,
    ),
    (
        "a_body_that_would_fail_is_found_before",
        a_body_that_would_fail_is_found_before,
    ),
    (
        "rows_are_written_down_whatever_their_character_sets",
        rows_are_written_down_whatever_their_character_sets,
    ),
    (
        "a_definer_without_a_name_is_one",
        a_definer_without_a_name_is_one,
    ),
];

fn text_survives(engine: Engine) {
    let mut live = Mysql::of(engine);
    tables(&mut live, 1);
    let body = r#"body = '''INSERT INTO log VALUES ('é 🦀 \\ \' "x" -- no comment /* nor this */ # nor this; END');'''"#;
    let sandbox = spec(&format!(
        "[[trigger]]\nname = \"odd\"\ntable = \"t0\"\ntiming = \"after\"\nevents = [\"insert\"]\n{body}\n"
    ));
    sandbox.on(&live, &["apply", "--yes"]).ok();
    empty_plan(&sandbox, &live);
    live.run("INSERT INTO t0 VALUES (1)");
    assert_eq!(
        live.run("SELECT what FROM log"),
        "é 🦀 \\ ' \"x\" -- no comment /* nor this */ # nor this; END\n"
    );
}

/// The spec names no definer: that is no reason to let the trigger run with other rights than before.
fn who_it_runs_as_stays_when_it_is_taken_over(engine: Engine) {
    let mut live = Mysql::of(engine);
    tables(&mut live, 1);
    let account = format!("{}@localhost", live.name());
    live.run(&format!("CREATE USER {account}"));
    live.run(&format!("GRANT ALL ON {}.* TO {account}", live.name()));
    live.batch(&format!(
        "create definer = {account} trigger a after insert on t0 for each row insert into log values ('a')"
    ));
    let sandbox = spec(&counting("t0", "a", 1));
    let definer = |live: &mut Mysql| {
        live.run(
            "SELECT DEFINER FROM information_schema.TRIGGERS WHERE TRIGGER_SCHEMA = DATABASE()",
        )
    };
    sandbox.on(&live, &["apply", "--yes", "--adopt"]).ok();
    assert_eq!(definer(&mut live), format!("{account}\n"));
    empty_plan(&sandbox, &live);
    // With it gone every write would fail, whether or not the spec names it.
    live.run(&format!("DROP USER {account}"));
    sandbox.write(
        "triggers.toml",
        format!("version = 1\n{}", counting("t0", "a", 2)),
    );
    sandbox
        .on(&live, &["plan"])
        .code(1)
        .says(&["does not exist"]);
    let own = "[trigger.mysql]\ndefiner = \"root@localhost\"\n";
    sandbox.write(
        "triggers.toml",
        format!("version = 1\n{}{own}", counting("t0", "a", 2)),
    );
    sandbox.on(&live, &["apply", "--yes"]).ok();
    assert_eq!(definer(&mut live), "root@localhost\n");
}

/// Several statements go to the server at once; of a body that is no block MySQL would keep what comes behind it.
fn bodies_without_a_block_come_back_to_the_letter(engine: Engine) {
    let mut live = Mysql::of(engine);
    tables(&mut live, 1);
    let insert = "insert into log values";
    let made = [
        format!("create trigger a after insert on t0 for each row {insert} ('a')"),
        format!("create trigger b after insert on t0 for each row {insert} ('b') -- why"),
        format!(
            "create trigger c after insert on t0 for each row begin {insert} ('c'); end /* d */"
        ),
        format!("create trigger d after insert on t0 for each row l: begin {insert} ('d'); end l"),
    ];
    for sql in &made {
        live.batch(sql);
    }
    let before = live.snapshot();
    let counting: Vec<_> = ["a", "b", "c", "d"]
        .map(|name| counting("t0", name, 1))
        .into();
    let sandbox = spec(&counting.concat());
    sandbox.on(&live, &["apply", "--yes", "--adopt"]).ok();
    empty_plan(&sandbox, &live);
    sandbox.on(&live, &["rollback", "--yes"]).ok();
    assert_eq!(live.snapshot(), before);
    live.run("INSERT INTO t0 VALUES (1)");
    assert_eq!(live.run("SELECT what FROM log"), "a\nb\nc\nd\n");
}

fn settings_of_the_session_come_back_with_a_rollback(engine: Engine) {
    let mut live = Mysql::of(engine);
    tables(&mut live, 1);
    // Made by hand under other rules: `"` is a quote for names, and `\` is no escape.
    live.batch("SET SESSION sql_mode = 'ANSI_QUOTES,NO_BACKSLASH_ESCAPES'");
    live.batch(r#"create trigger "a" after insert on "t0" for each row insert into "log" values ('back\')"#);
    live.batch(
        "create trigger b after insert on t0 for each row begin insert into log values ('b'); end",
    );
    live.batch("SET SESSION sql_mode = CONCAT(@@GLOBAL.sql_mode, ',ANSI_QUOTES')");
    let before = live.snapshot();
    let sandbox = spec(&counting("t0", "a", 1));
    sandbox.on(&live, &["plan"]).ok().says(&["conflict"]);
    sandbox.on(&live, &["apply", "--yes"]).code(3);
    sandbox.on(&live, &["apply", "--yes", "--adopt"]).ok();
    empty_plan(&sandbox, &live);
    sandbox.on(&live, &["rollback", "--yes"]).ok();
    assert_eq!(live.snapshot(), before);
    live.run("INSERT INTO t0 VALUES (1)");
    assert_eq!(
        live.run("SELECT what FROM log ORDER BY what"),
        "b\nback\\\n"
    );
}

fn order_is_kept_and_restored(engine: Engine) {
    let mut live = Mysql::of(engine);
    tables(&mut live, 1);
    let follow = "[trigger.mysql]\norder = { follows = \"z_first\" }\n\n";
    let text = |step| {
        format!(
            "{}{follow}{}",
            counting("t0", "a_second", step),
            counting("t0", "z_first", step)
        )
    };
    let sandbox = spec(&text(1));
    sandbox.on(&live, &["apply", "--yes"]).ok();
    empty_plan(&sandbox, &live);
    let order = |live: &mut Mysql| {
        live.run("TRUNCATE log");
        live.run("INSERT INTO t0 VALUES (1)");
        live.run("SELECT what FROM log")
    };
    assert_eq!(order(&mut live), "z_first 1\na_second 1\n");
    sandbox.write("triggers.toml", format!("version = 1\n{}", text(2)));
    sandbox.on(&live, &["apply", "--yes"]).ok();
    empty_plan(&sandbox, &live);
    assert_eq!(order(&mut live), "z_first 2\na_second 2\n");
    // Dropped and made again by hand, a trigger comes last, and nothing else about it has changed.
    let row: mysql::Row = live
        .conn()
        .query_first("SHOW CREATE TRIGGER z_first")
        .unwrap()
        .unwrap();
    let statement: String = row.get(2).unwrap();
    let mut other = connect(&live.url());
    other
        .query_drop("SET SESSION sql_mode = CONCAT(@@SESSION.sql_mode, ',ANSI_QUOTES')")
        .unwrap();
    other.query_drop("DROP TRIGGER z_first").unwrap();
    other.query_drop(statement).unwrap();
    sandbox.on(&live, &["check"]).code(2).says(&["order"]);
    sandbox.on(&live, &["apply", "--yes"]).ok();
    empty_plan(&sandbox, &live);
    assert_eq!(order(&mut live), "z_first 2\na_second 2\n");
}

/// A trigger that is made again is made right beside the one that its place is told by; those that are placed by it go along.
fn what_is_placed_by_another_moves_along(engine: Engine) {
    let mut live = Mysql::of(engine);
    tables(&mut live, 1);
    let placed = |name: &str, step: u32, order: &str| {
        format!(
            "{}[trigger.mysql]\norder = {{ {order} }}\n\n",
            counting("t0", name, step)
        )
    };
    let chain = |step| {
        [
            counting("t0", "a", 1),
            placed("b", step, "follows = \"a\""),
            placed("c", 1, "follows = \"b\""),
            placed("d", 1, "follows = \"c\""),
        ]
        .concat()
    };
    let sandbox = spec(&chain(1));
    sandbox.on(&live, &["apply", "--yes"]).ok();
    let order = |live: &mut Mysql| {
        live.run("TRUNCATE log");
        live.run("INSERT INTO t0 VALUES (1)");
        live.run("SELECT what FROM log")
    };
    assert_eq!(order(&mut live), "a 1\nb 1\nc 1\nd 1\n");
    let as_asked = live.snapshot();
    // Made again by hand, the first comes last; nothing of the last two is wrong until the second is moved.
    let again = "CREATE TRIGGER a AFTER INSERT ON t0 FOR EACH ROW BEGIN INSERT INTO log VALUES ('a 1'); END";
    live.run("DROP TRIGGER a");
    live.run(again);
    let before = live.snapshot();
    assert_ne!(before, as_asked);
    sandbox.on(&live, &["check"]).code(2).says(&["order"]);
    sandbox.on(&live, &["apply", "--yes"]).ok();
    assert_eq!(order(&mut live), "a 1\nb 1\nc 1\nd 1\n");
    empty_plan(&sandbox, &live);
    sandbox.on(&live, &["rollback", "--yes"]).ok();
    assert_eq!(live.snapshot(), before);
    sandbox.on(&live, &["apply", "--yes"]).ok();
    empty_plan(&sandbox, &live);
    // One that stands between the two, and is placed by the second.
    let between = |step| {
        format!(
            "version = 1\n\n{}{}",
            chain(step),
            placed("between", 1, "precedes = \"b\"")
        )
    };
    sandbox.write("triggers.toml", between(1));
    sandbox.on(&live, &["apply", "--yes"]).ok();
    empty_plan(&sandbox, &live);
    sandbox.write("triggers.toml", between(2));
    sandbox.on(&live, &["apply", "--yes"]).ok();
    empty_plan(&sandbox, &live);
    assert_eq!(order(&mut live), "a 1\nbetween 1\nb 2\nc 1\nd 1\n");
}

fn after_import_the_plan_is_empty(engine: Engine) {
    let mut live = Mysql::of(engine);
    tables(&mut live, 2);
    live.batch("SET SESSION sql_mode = DEFAULT");
    live.batch("create trigger `a b` before update on t0 for each row set new.id = old.id /* c */");
    live.batch("create trigger c after insert on t1 for each row l: begin declare n int; if new.id > 1 then set n = 1; leave l; end if; insert into log values ('x\\n'); end l");
    // What does nothing is no reason to import nothing.
    live.batch("create trigger d before insert on t1 for each row begin end");
    live.batch("create trigger e before delete on t1 for each row begin -- later\n end");
    let sandbox = Sandbox::new();
    sandbox.on(&live, &["import", "-o", "triggers.toml"]).ok();
    let plan = sandbox.on(&live, &["plan", "--detailed-exitcode"]).ok();
    plan.never_says(&["conflict"]);
    sandbox.on(&live, &["apply", "--yes"]).ok();
    empty_plan(&sandbox, &live);
    // They can be made again from the spec, to the same end.
    live.batch("drop trigger d");
    live.batch("drop trigger e");
    sandbox.on(&live, &["apply", "--yes"]).ok();
    empty_plan(&sandbox, &live);
    live.run("INSERT INTO t1 VALUES (2)");
}

fn collations_that_do_not_go_together_are_found_before(engine: Engine) {
    let mut live = Mysql::of(engine);
    live.batch("CREATE TABLE p (k varchar(20) COLLATE utf8mb4_general_ci PRIMARY KEY, n integer NOT NULL DEFAULT 0)");
    live.batch("CREATE TABLE `t ``x` (id integer PRIMARY KEY, `a key` varchar(20) COLLATE utf8mb4_unicode_ci, b varchar(20) COLLATE utf8mb4_general_ci)");
    let of = |body: &str, more: &str| {
        spec(&format!(
            "[[trigger]]\nname = \"t\"\ntable = '\"t `x\"'\ntiming = \"after\"\nevents = [\"update\"]\nbody = \"{body}\"\n{more}"
        ))
    };
    let refused = [
        "UPDATE p SET n = n + 1 WHERE k = NEW.`a key`;",
        "DELETE FROM p WHERE k IN (OLD.b, OLD.`a key`);",
        "IF OLD.`a key` <> (SELECT max(k) FROM p) THEN SET @a = 1; END IF;",
        "INSERT INTO p (k) SELECT concat('x', k) FROM p WHERE k LIKE concat(NEW.`a key`, '%');",
    ];
    for body in refused {
        let sandbox = of(body, "");
        for command in [&["plan"][..], &["apply", "--yes"]] {
            let run = sandbox.on(&live, command).code(1);
            run.says(&["would fail when it fires", "ollations", "COLLATE"])
                .never_says(&["triggerctl_row"]);
        }
    }
    for body in [
        "UPDATE p SET n = n + 1 WHERE k = NEW.b;",
        "UPDATE p SET n = n + 1 WHERE k = NEW.`a key` COLLATE utf8mb4_bin;",
        "UPDATE p SET n = n + NEW.id WHERE k = convert(NEW.`a key` USING utf8mb4) COLLATE utf8mb4_bin OR k = OLD.id;",
        "INSERT INTO p (k) VALUES (NEW.`a key`) ON DUPLICATE KEY UPDATE n = n + 1, k = NEW.`a key`;",
        "DECLARE w varchar(20) DEFAULT NEW.`a key`; UPDATE p SET n = n + 1 WHERE n IN (NEW.id, 1) LIMIT 3;",
    ] {
        of(body, "").on(&live, &["plan"]).ok();
    }
    // What a cast comes to is a matter of the connection's collation, and a spec may say another.
    let cast = "UPDATE p SET n = n + 1 WHERE k = CAST(NEW.`a key` AS CHAR);";
    let collation = "[trigger.mysql]\ncollation = 'utf8mb4_general_ci'\n";
    of(cast, collation).on(&live, &["plan"]).ok();

    // One that is there already is not made anew, and the import says what is wrong with it.
    live.batch(&format!(
        "CREATE TRIGGER t AFTER UPDATE ON `t ``x` FOR EACH ROW {}",
        refused[0].trim_end_matches(';')
    ));
    let sandbox = Sandbox::new();
    let import = sandbox.on(&live, &["import", "-o", "triggers.toml"]).ok();
    import.says(&["has faults in the database already"]);
    sandbox.on(&live, &["plan", "--detailed-exitcode"]).ok();
    sandbox.on(&live, &["apply", "--yes"]).ok();
    sandbox.on(&live, &["check"]).ok();

    // It is as the server has it.
    live.batch("INSERT INTO p (k) VALUES ('a')");
    live.batch("INSERT INTO `t ``x` VALUES (1, 'a', 'a')");
    let url = live.url();
    let failed = connect(&url).query_drop("UPDATE `t ``x` SET id = 2");
    assert!(failed.unwrap_err().to_string().contains("1267"));
}

fn a_body_that_would_fail_is_found_before(engine: Engine) {
    let mut live = Mysql::of(engine);
    tables(&mut live, 1);
    for (body, words) in [
        ("INSERT INTO lgo VALUES (1);", "lgo"),
        ("INSERT INTO log (whatever) VALUES (NEW.id);", "whatever"),
        ("IF NEW.id > no_such(1) THEN SET @a = 1; END IF;", "no_such"),
    ] {
        let sandbox = spec(&format!(
            "[[trigger]]\nname = \"t\"\ntable = \"t0\"\ntiming = \"after\"\nevents = [\"insert\"]\nbody = \"{body}\"\n"
        ));
        sandbox
            .on(&live, &["plan"])
            .code(1)
            .says(&["would fail when it fires", words]);
    }
    // Those that are the same but for a literal are asked about once, and each is named.
    let others = [("a", "log VALUES ('a')"), ("b", "lgo VALUES ('b')"), ("c", "lgo VALUES ('c')")].map(|(name, rest)| {
        format!("[[trigger]]\nname = \"{name}\"\ntable = \"t0\"\ntiming = \"after\"\nevents = [\"insert\"]\nbody = \"INSERT INTO {rest};\"\n")
    });
    let run = spec(&others.concat()).on(&live, &["plan"]).code(1);
    let run = run.says(&[
        "`b` would fail",
        "`c` would fail",
        "VALUES ('b')",
        "VALUES ('c')",
    ]);
    run.never_says(&["`a` would fail"]);
    // Variables, cursors and built-in functions are no reason to complain.
    let sandbox = spec(
        "[[trigger]]\nname = \"t\"\ntable = \"t0\"\ntiming = \"after\"\nevents = [\"insert\"]\nbody = \"\"\"\n\
         DECLARE done, n int DEFAULT 0;\nDECLARE w varchar(9);\nDECLARE c CURSOR FOR SELECT what FROM log;\n\
         DECLARE CONTINUE HANDLER FOR NOT FOUND SET done = 1;\nOPEN c;\n\
         one: LOOP\n FETCH c INTO w;\n IF done THEN LEAVE one; END IF;\n SET n = n + char_length (w);\nEND LOOP;\nCLOSE c;\n\
         SELECT max(what), n INTO w, @b FROM log WHERE what <> NEW.id;\n\
         CASE n WHEN 0 THEN SET @c = CASE WHEN w IS NULL THEN 1 ELSE 2 END; ELSE SET @c = 3, @d = 4; END CASE;\n\
         INSERT INTO log VALUES (concat('n', n));\n\"\"\"\n",
    );
    sandbox.on(&live, &["apply", "--yes"]).ok();
    empty_plan(&sandbox, &live);
    live.run("INSERT INTO t0 VALUES (1)");
    assert_eq!(live.run("SELECT what FROM log"), "n0\n");
}

fn siblings_that_come_and_go_keep_the_others_in_place(engine: Engine) {
    let mut live = Mysql::of(engine);
    live.batch("CREATE TABLE log (what varchar(200), n integer PRIMARY KEY AUTO_INCREMENT); CREATE TABLE t0 (id integer)");
    let all = |names: &[(&str, u32)]| {
        let one = |(name, step): &(&str, u32)| {
            counting("t0", name, *step).replace("INTO log VALUES", "INTO log (what) VALUES")
        };
        format!("version = 1\n{}", names.iter().map(one).collect::<String>())
    };
    let sandbox = Sandbox::with_spec(&all(&[("a", 1), ("b", 1), ("c", 1), ("d", 1)]));
    let now = |live: &mut Mysql| {
        live.run("DELETE FROM log");
        live.run("INSERT INTO t0 VALUES (1)");
        live.run("SELECT what FROM log ORDER BY n")
            .replace('\n', ", ")
    };
    sandbox.on(&live, &["apply", "--yes"]).ok();
    assert_eq!(now(&mut live), "a 1, b 1, c 1, d 1, ");
    // The neighbour of one that is replaced goes.
    sandbox.write("triggers.toml", all(&[("a", 2), ("c", 1), ("d", 1)]));
    sandbox.on(&live, &["apply", "--yes"]).ok();
    assert_eq!(now(&mut live), "a 2, c 1, d 1, ");
    let before = live.snapshot();
    // Several go, and come back with a rollback to where they were.
    sandbox.write("triggers.toml", all(&[("d", 3)]));
    sandbox.on(&live, &["apply", "--yes"]).ok();
    assert_eq!(now(&mut live), "d 3, ");
    sandbox.on(&live, &["rollback", "--yes"]).ok();
    assert_eq!(live.snapshot(), before);
    empty_plan_of(&sandbox, &live, &all(&[("a", 2), ("c", 1), ("d", 1)]));
    // A rename keeps the place, and so does who stands before it.
    let renamed = all(&[("a", 4), ("bb", 1), ("d", 4)])
        .replace("name = \"bb\"", "name = \"bb\"\nrenamed_from = \"c\"");
    sandbox.write("triggers.toml", &renamed);
    sandbox.on(&live, &["apply", "--yes"]).ok();
    assert_eq!(now(&mut live), "a 4, bb 1, d 4, ");
    empty_plan(&sandbox, &live);
    sandbox.on(&live, &["rollback", "--yes"]).ok();
    assert_eq!(live.snapshot(), before);
    // Everything at once: one goes, one moves to another timing, one is new, the others are replaced.
    let moved = all(&[("a", 5), ("c", 5), ("e", 5)]).replacen("\"after\"", "\"before\"", 1);
    sandbox.write("triggers.toml", &moved);
    sandbox.on(&live, &["apply", "--yes"]).ok();
    assert_eq!(now(&mut live), "a 5, c 5, e 5, ");
    empty_plan(&sandbox, &live);
    sandbox.on(&live, &["rollback", "--yes"]).ok();
    assert_eq!(live.snapshot(), before);
    sandbox.on(&live, &["rollback", "--to", "0", "--yes"]).ok();
    sandbox.on(&live, &["rollback", "--yes"]).ok();
    assert_eq!(live.snapshot(), before);
}

fn empty_plan_of(sandbox: &Sandbox, live: &dyn Live, spec: &str) {
    sandbox.write("triggers.toml", spec);
    empty_plan(sandbox, live);
}

/// An UPDATE OF fires for another value, not for one that the collation takes for the same; and for every type.
fn update_of_sees_what_a_collation_does_not(engine: Engine) {
    let mut live = Mysql::of(engine);
    live.batch(
        "CREATE TABLE log (what varchar(20));
         CREATE TABLE t0 (a varchar(20) COLLATE utf8mb4_general_ci, f float, j json, n decimal(9, 3), t time(3), p point, other integer);
         INSERT INTO t0 VALUES ('a', 1.0000001, '{\"a\": 1}', 1, '1:00', POINT(1, 1), 0)",
    );
    let mut text = "version = 1\n".to_owned();
    for column in ["a", "f", "j", "n", "t", "p"] {
        let _ = write!(
            text,
            "[[trigger]]\nname = \"of_{column}\"\ntable = \"t0\"\ntiming = \"after\"\nevents = [\"update\"]\nupdate_of = [\"{column}\"]\n\
             body = \"INSERT INTO log VALUES ('{column}');\"\n\
             [[trigger]]\nname = \"changed_{column}\"\ntable = \"t0\"\ntiming = \"before\"\nevents = [\"update\"]\n\
             when = \"{{{{ changed('{column}') }}}}\"\nbody = \"INSERT INTO log VALUES ('{column} changed');\"\n"
        );
    }
    let sandbox = Sandbox::with_spec(&text);
    sandbox.on(&live, &["apply", "--yes"]).ok();
    empty_plan(&sandbox, &live);
    let fired = |live: &mut Mysql, set: &str| {
        live.run("DELETE FROM log");
        assert_eq!(
            live.run(&format!("UPDATE t0 SET other = other + 1, {set}")),
            ""
        );
        live.run("SELECT what FROM log ORDER BY what")
            .replace('\n', ",")
    };
    assert_eq!(
        fired(&mut live, "a = a, f = f, j = j, n = n, t = t, p = p"),
        ""
    );
    assert_eq!(fired(&mut live, "a = 'A'"), "a,a changed,");
    assert_eq!(fired(&mut live, "a = 'A '"), "a,a changed,");
    assert_eq!(fired(&mut live, "f = 1.0000002"), "f,f changed,");
    assert_eq!(
        fired(&mut live, "j = '{\"a\": 2}', n = 1.001"),
        "j,j changed,n,n changed,"
    );
    assert_eq!(
        fired(&mut live, "t = '1:00:00.001', p = POINT(1, 2)"),
        "p,p changed,t,t changed,"
    );
    assert_eq!(fired(&mut live, "a = NULL"), "a,a changed,");
    assert_eq!(fired(&mut live, "a = NULL, t = NULL"), "t,t changed,");
}

/// The database's own character set cannot hold what its tables can; JSON_OBJECT of MariaDB takes no wide text beside other text;
/// and the labels of an ENUM may be words that mean something in a type.
fn rows_are_written_down_whatever_their_character_sets(engine: Engine) {
    let mut live = Mysql::of(engine);
    live.batch(
        "ALTER DATABASE CHARACTER SET latin1;
         CREATE TABLE t (
           id enum('binary', 'zerofill', ' character set x') NOT NULL, wide varchar(5) CHARACTER SET utf16 NOT NULL,
           label enum('binary', 'zerofill'), wider set('year', 'blob') CHARACTER SET utf32, narrow varchar(5) CHARACTER SET latin1,
           number integer, PRIMARY KEY (id, wide)
         ) CHARACTER SET utf8mb4;
         CREATE TABLE named (name varchar(9) PRIMARY KEY) CHARACTER SET utf8mb4",
    );
    let kind = |kind: &str, table: &str| {
        format!("[[trigger]]\nuse = \"{kind}\"\ntable = \"{table}\"\ncreate_table = true\n\n")
    };
    let sandbox = spec(
        &[
            kind("audit", "t"),
            kind("outbox", "t"),
            kind("history", "t"),
            kind("outbox", "named"),
        ]
        .concat(),
    );
    sandbox.on(&live, &["apply", "--yes"]).ok();
    empty_plan(&sandbox, &live);
    live.batch(
        "INSERT INTO t VALUES ('zerofill', '中🦀', 'binary', 'year,blob', 'é', 3); UPDATE t SET label = 'zerofill';
         INSERT INTO named VALUES ('中🦀')",
    );
    let fields = "'$.id', '$.wide', '$.label', '$.wider', '$.narrow', '$.number'";
    for (table, column) in [("t_audit", "new_row"), ("outbox", "payload")] {
        assert_eq!(
            live.run(&format!(
                "SELECT JSON_EXTRACT({column}, {fields}) FROM {table} WHERE JSON_VALUE({column}, '$.id') IS NOT NULL ORDER BY id"
            )),
            "[\"zerofill\", \"中🦀\", \"binary\", \"year,blob\", \"é\", 3]\n\
             [\"zerofill\", \"中🦀\", \"zerofill\", \"year,blob\", \"é\", 3]\n",
            "{table}"
        );
    }
    assert_eq!(
        live.run("SELECT row_key FROM outbox ORDER BY id"),
        "[\"zerofill\", \"中🦀\"]\n[\"zerofill\", \"中🦀\"]\n中🦀\n"
    );
    assert_eq!(
        live.run("SELECT id, wide, label FROM t_history ORDER BY history_id"),
        "zerofill|中🦀|binary\nzerofill|中🦀|zerofill\n"
    );
}

/// The account of whoever gives no name, which old servers came with: what one such trigger has kept the whole database from
/// being imported.
fn a_definer_without_a_name_is_one(engine: Engine) {
    let mut live = Mysql::of(engine);
    tables(&mut live, 1);
    live.run(
        "CREATE DEFINER = ``@`%` TRIGGER anybodys AFTER INSERT ON t0 FOR EACH ROW SET @seen = 1",
    );
    let sandbox = Sandbox::new();
    sandbox.on(&live, &["import", "-o", "triggers.toml"]).ok();
    sandbox.on(&live, &["plan", "--detailed-exitcode"]).ok();
    sandbox.on(&live, &["apply", "--yes"]).ok();
    live.run("DROP TRIGGER anybodys");
    sandbox.on(&live, &["apply", "--yes"]).ok();
    empty_plan(&sandbox, &live);
    assert_eq!(
        live.run("SELECT DEFINER FROM information_schema.TRIGGERS WHERE TRIGGER_NAME = 'anybodys' AND TRIGGER_SCHEMA = DATABASE()"),
        "@%\n"
    );
}
