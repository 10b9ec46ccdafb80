//! What happens on a walk: the spec changes, somebody changes triggers or tables past triggerctl, and versions are undone.

use proptest::prelude::*;

use crate::common::{self, Live};
use crate::specs::{NAMES, Spec, spec};
use crate::state::MADE_THERE;

#[derive(Debug, Clone)]
pub(crate) enum Step {
    /// The spec becomes another, and is applied in this way.
    Spec(Spec, Way),
    /// Somebody does this to one of the triggers.
    Hand(usize, usize),
    /// Somebody alters a table.
    Alter(usize),
    /// The last migration is undone.
    Back,
    /// All that came after one of the versions is undone.
    BackTo(usize),
    /// Somebody applies the spec as it was some time ago.
    Older(usize),
    /// A plan that was saved some time ago is applied.
    OldPlan(usize),
    /// What came after a version is undone, and that is undone.
    Forth(usize),
    /// What is done to a database from time to time, and changes nothing.
    Keep(usize),
    /// What was written down is lost, all or some of it.
    Lose(usize),
    /// What there is goes into the spec.
    Import,
    /// A dump is made, and one that there is takes the place of what there is.
    Dump,
    Restore,
    /// Rows are written.
    Write(usize),
    /// Somebody with fewer rights looks at what there is to do.
    Stranger(usize),
}

/// How a spec gets into the database.
#[derive(Debug, Clone)]
pub(crate) enum Way {
    Apply,
    /// By a saved plan, while somebody does something between plan and apply, or does not.
    Saved(Option<(usize, usize)>),
    /// By the engine's own client.
    Script,
    /// Some of it first.
    Target(usize),
    /// By two at the same time.
    Race,
    /// By one who is killed after so much, and whatever ends what he began.
    Kill(usize, usize),
}

/// What somebody does to the tables, each as one or more statements.
pub(crate) const ALTERS: [&[&str]; 49] = [
    &["ALTER TABLE t ADD COLUMN more integer"],
    &["ALTER TABLE t DROP COLUMN more"],
    &["ALTER TABLE u ADD COLUMN version integer"],
    &["ALTER TABLE u DROP COLUMN b"],
    &["ALTER TABLE t RENAME COLUMN a TO aa"],
    &["ALTER TABLE t RENAME COLUMN aa TO a"],
    &["ALTER TABLE parted DETACH PARTITION parted_low"],
    &["CREATE TABLE parted_new PARTITION OF parted FOR VALUES FROM (200) TO (300)"],
    &["ALTER TABLE parted ADD COLUMN more text"],
    &["ALTER TABLE u RENAME TO u_old"],
    &["ALTER TABLE u_old RENAME TO u"],
    // Another in its place.
    &[
        "ALTER TABLE u RENAME TO u_old",
        "CREATE TABLE u (id integer PRIMARY KEY, t_id integer, n integer, b varchar(50), updated_at TIME)",
    ],
    // Rebuilt, as many tools do.
    &[
        "CREATE TABLE u_new (id integer PRIMARY KEY, t_id integer, n integer, b varchar(50), updated_at TIME)",
        "DROP TABLE u",
        "ALTER TABLE u_new RENAME TO u",
    ],
    &["DROP TABLE u_old"],
    // More for patterns to match.
    &[
        "CREATE TABLE t2 (id integer PRIMARY KEY, n integer, b varchar(50), version integer, updated_at TIME)",
    ],
    &["DROP TABLE t2"],
    &["ALTER TABLE t2 RENAME TO w"],
    &["ALTER TABLE \"Odd Täble.x\" RENAME COLUMN n TO \"N n\""],
    &["ALTER TABLE \"Odd Täble.x\" RENAME COLUMN \"N n\" TO n"],
    &["ALTER TABLE u SET SCHEMA other"],
    &["ALTER TABLE other.u SET SCHEMA public"],
    // Two change places.
    &[
        "ALTER TABLE u RENAME TO u_swap",
        "ALTER TABLE u_old RENAME TO u",
        "ALTER TABLE u_swap RENAME TO u_old",
    ],
    &[
        "CREATE TABLE u (id integer PRIMARY KEY, t_id integer, n integer, b varchar(50), updated_at TIME)",
    ],
    // What triggers name.
    &["ALTER TABLE t RENAME COLUMN b TO bb"],
    &["ALTER TABLE t RENAME COLUMN bb TO b"],
    &["ALTER TABLE t DROP COLUMN updated_at"],
    &["ALTER TABLE t ADD COLUMN updated_at TIME"],
    &["ALTER TABLE u RENAME COLUMN n TO nn"],
    &["ALTER TABLE u RENAME COLUMN nn TO n"],
    &["ALTER TABLE u ADD COLUMN b varchar(50)"],
    &["ALTER TABLE log RENAME TO log_old"],
    &["ALTER TABLE log_old RENAME TO log"],
    &["ALTER TABLE t_audit RENAME TO t_audit_old"],
    &["ALTER TABLE u ALTER COLUMN n TYPE bigint"],
    &["ALTER TABLE u MODIFY n bigint"],
    // Foreign keys.
    &[
        "ALTER TABLE u ADD CONSTRAINT u_of_t FOREIGN KEY (t_id) REFERENCES t (id) ON DELETE CASCADE ON UPDATE CASCADE",
    ],
    &["ALTER TABLE u DROP CONSTRAINT u_of_t"],
    // Partitions.
    &["ALTER TABLE parted ATTACH PARTITION parted_low FOR VALUES FROM (0) TO (100)"],
    &["ALTER TABLE parted_high DETACH PARTITION parted_top"],
    &["ALTER TABLE parted_high ATTACH PARTITION parted_top FOR VALUES FROM (150) TO (200)"],
    &["ALTER TABLE parted DETACH PARTITION parted_high"],
    &[
        "CREATE TABLE parted_own (id integer PRIMARY KEY, b text, updated_at timestamptz)",
        "CREATE FUNCTION other.made() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END'",
        "CREATE TRIGGER own AFTER INSERT ON parted_own FOR EACH ROW EXECUTE FUNCTION other.made()",
        "ALTER TABLE parted ATTACH PARTITION parted_own FOR VALUES FROM (300) TO (400)",
    ],
    // Views.
    &["DROP VIEW seen"],
    &["CREATE VIEW seen AS SELECT id, b FROM t"],
    &["CREATE OR REPLACE VIEW seen AS SELECT id, b, a FROM t"],
    // Schemas.
    &["ALTER SCHEMA other RENAME TO other2"],
    &["ALTER SCHEMA other2 RENAME TO other"],
    &["RENAME TABLE u TO other.u"],
    &["RENAME TABLE other.u TO u"],
];

/// Where a table goes that is renamed, with its triggers.
pub(crate) const MOVED: [&str; 9] = [
    "u_old",
    "u_swap",
    "w",
    "other.u",
    "other2.u",
    "other2.w",
    "parted_low",
    "parted_top",
    "parted_high",
];

/// Many more kinds of steps than most walks are long: each way is taken now and then.
pub(crate) fn step(dialect: &'static str) -> impl Strategy<Value = Step> {
    let way = prop_oneof![
        3 => Just(Way::Apply),
        2 => proptest::option::of((0..HANDS + ALTERS.len(), 0..6_usize)).prop_map(Way::Saved),
        1 => Just(Way::Script),
        1 => (0..TARGETS.len()).prop_map(Way::Target),
        1 => Just(Way::Race),
        1 => (0..70_usize, 0..4_usize).prop_map(|(after, end)| Way::Kill(after, end)),
    ];
    prop_oneof![
        4 => (spec(dialect), way).prop_map(|(spec, way)| Step::Spec(spec, way)),
        4 => (0..HANDS, 0..6_usize).prop_map(|(what, which)| Step::Hand(what, which)),
        3 => (0..ALTERS.len()).prop_map(Step::Alter),
        1 => Just(Step::Back),
        1 => (0..6_usize).prop_map(Step::OldPlan),
        1 => (0..8_usize).prop_map(Step::Forth),
        1 => (0..KEEPS).prop_map(Step::Keep),
        1 => (0..LOSES).prop_map(Step::Lose),
        1 => Just(Step::Import),
        1 => Just(Step::Dump),
        1 => Just(Step::Restore),
        1 => (0..8_usize).prop_map(Step::BackTo),
        1 => (0..8_usize).prop_map(Step::Older),
        1 => (0..WRITES.len()).prop_map(Step::Write),
        1 => (0..12_usize).prop_map(Step::Stranger),
    ]
}

pub(crate) const KEEPS: usize = 8;

/// Statements that leave everything as it is, for those who look at the catalog.
pub(crate) fn keep(live: &mut dyn Live, which: usize) -> Vec<String> {
    let plain: &[&str] = match live.dialect() {
        "sqlite" => &[
            "VACUUM",
            "REINDEX",
            "ANALYZE",
            "PRAGMA optimize",
            "PRAGMA integrity_check",
        ],
        "postgres" => &[
            "VACUUM FULL t",
            "VACUUM ANALYZE",
            "REINDEX TABLE t",
            "ALTER TABLE u SET UNLOGGED",
            "CLUSTER t USING t_pkey",
            "ALTER TABLE t OWNER TO CURRENT_USER",
            "VACUUM FULL pg_trigger",
            "TRUNCATE log",
        ],
        _ => &[
            "ALTER TABLE t ENGINE = InnoDB",
            "OPTIMIZE TABLE u",
            "ANALYZE TABLE t, u",
            "FLUSH TABLES",
            "FLUSH PRIVILEGES",
            "CHECK TABLE t",
            "ALTER TABLE u FORCE",
            "ALTER TABLE t COMMENT = 'of walks'",
        ],
    };
    if let Some(sql) = plain.get(which) {
        return vec![(*sql).to_owned()];
    }
    rebuild(live, ["t", "u"][which % 2])
}

/// The way of SQLite's manual to alter what ALTER TABLE cannot: the table is made anew beside the old one, and what went with
/// that is made again.
fn rebuild(live: &mut dyn Live, table: &str) -> Vec<String> {
    let mut texts = |what: &str| {
        let rows = live.run(&format!(
            "SELECT hex(sql) FROM sqlite_schema WHERE sql IS NOT NULL AND {what} ORDER BY rowid"
        ));
        rows.lines().map(common::unhex).collect::<Vec<_>>()
    };
    let Some(made) = texts(&format!("type = 'table' AND name = '{table}'")).pop() else {
        return vec![];
    };
    let (_, columns) = made.split_once('(').unwrap();
    let mut all = vec![
        "PRAGMA foreign_keys = OFF".to_owned(),
        "PRAGMA legacy_alter_table = ON".to_owned(),
        "BEGIN".to_owned(),
        format!("CREATE TABLE {table}_new ({columns}"),
        format!("INSERT INTO {table}_new SELECT * FROM {table}"),
        format!("DROP TABLE {table}"),
        format!("ALTER TABLE {table}_new RENAME TO {table}"),
    ];
    all.extend(texts(&format!(
        "type <> 'table' AND tbl_name = '{table}' COLLATE nocase"
    )));
    all.extend(
        [
            "COMMIT",
            "PRAGMA legacy_alter_table = OFF",
            "PRAGMA foreign_keys = ON",
        ]
        .map(str::to_owned),
    );
    all
}

pub(crate) const LOSES: usize = 10;

/// What somebody does to what was written down; the first two leave nothing of it.
pub(crate) fn lose(dialect: &str, which: usize) -> Vec<String> {
    let all: &[&str] = match which {
        0 | 1 if dialect == "postgres" => &["DROP SCHEMA triggerctl CASCADE"],
        0 | 1 => &["DROP TABLE OBJECTS", "DROP TABLE MIGRATIONS"],
        2 => &["DELETE FROM OBJECTS", "DELETE FROM MIGRATIONS"],
        3 => &["DELETE FROM OBJECTS"],
        4 => &["DELETE FROM MIGRATIONS"],
        5 => &["DROP TABLE OBJECTS"],
        6 => &["UPDATE OBJECTS SET live_fingerprint = 'x'"],
        7 => &["UPDATE OBJECTS SET definition = '{\"x\": 1}'"],
        8 => &["UPDATE MIGRATIONS SET rendering = '{}'"],
        _ => &["UPDATE OBJECTS SET rendered_digest = 'x'"],
    };
    let prefix = match dialect {
        "postgres" => "triggerctl.",
        _ => "triggerctl_",
    };
    all.iter()
        .map(|sql| {
            sql.replace("OBJECTS", &format!("{prefix}objects"))
                .replace("MIGRATIONS", &format!("{prefix}migrations"))
        })
        .collect()
}

/// What is written to the tables and stays, whatever the triggers make of it.
pub(crate) const WRITES: [&str; 6] = [
    "INSERT INTO t (id, a, b) VALUES (101, 1, 'new'), (102, 2, 'new')",
    "INSERT INTO u (id, t_id, n, b) VALUES (101, 101, 5, 'a  B'), (102, 102, 3, 'y')",
    "UPDATE u SET n = n + 1 WHERE id > 100",
    "UPDATE t SET a = a + 1 WHERE id > 100",
    "DELETE FROM u WHERE id = 102",
    "DELETE FROM t WHERE id = 102",
];

/// What can be written to fresh tables with the triggers of the spec can be written here.
pub(crate) const TRIED: [&str; 12] = [
    "INSERT INTO t (id, a, b) VALUES (11, 1, 'new')",
    "UPDATE t SET a = a + 1 WHERE id = 1",
    "UPDATE t SET b = 'done' WHERE id = 1",
    "DELETE FROM t WHERE id = 3",
    "INSERT INTO u (id, t_id, n, b) VALUES (11, 1, 5, 'a  B')",
    "UPDATE u SET n = n + 1, b = 'z' WHERE id = 1",
    "UPDATE u SET t_id = 2 WHERE id = 2",
    "DELETE FROM u WHERE id = 1",
    "INSERT INTO \"Odd Täble.x\" (id) VALUES (1)",
    "INSERT INTO parted (id, b) VALUES (5, 'x'), (160, 'y')",
    "UPDATE parted SET id = id + 145",
    "INSERT INTO seen (id, b) VALUES (12, 'new')",
];

pub(crate) const TARGETS: [&str; 5] = ["first", "u.*", "*_*", "t*", "nobody"];

pub(crate) const HANDS: usize = 40;

/// What somebody types, for one of the triggers that are there; empty where there is none.
#[allow(clippy::too_many_lines)] // A line or a few for each thing that is typed.
pub(crate) fn by_hand(live: &mut dyn Live, what: usize, which: usize) -> Vec<String> {
    if (MAKES..MAKES + 4).contains(&what) {
        return made_by_hand(live.dialect(), what - MAKES, which);
    }
    let rows = live.run(match live.dialect() {
        "sqlite" => "SELECT replace(name, '\"', '\"\"'), tbl_name, '', hex(sql) FROM sqlite_schema WHERE type = 'trigger' AND name <> 'foreign' ORDER BY 1",
        "postgres" => "SELECT quote_ident(tgname), tgrelid::regclass, tgfoid::regproc, encode(convert_to(pg_get_triggerdef(pg_trigger.oid), 'UTF8'), 'hex') FROM pg_trigger WHERE NOT tgisinternal AND tgparentid = 0 AND tgname NOT IN ('foreign', 'own') ORDER BY 1",
        _ => "SELECT CONCAT(TRIGGER_SCHEMA, '`.`', TRIGGER_NAME), CONCAT(TRIGGER_SCHEMA, '`.`', EVENT_OBJECT_TABLE), CONCAT(ACTION_TIMING, ' ', EVENT_MANIPULATION), HEX(ACTION_STATEMENT) FROM information_schema.TRIGGERS WHERE TRIGGER_SCHEMA IN (DATABASE(), CONCAT(DATABASE(), '_b')) AND TRIGGER_NAME <> 'foreign' ORDER BY 1",
    });
    let all: Vec<Vec<&str>> = rows.lines().map(|row| row.split('|').collect()).collect();
    if all.is_empty() {
        return vec![];
    }
    let [name, table, third, text] = all[which % all.len()][..] else {
        panic!("{rows}");
    };
    let text = common::unhex(text);
    let all = |statements: &[String]| statements.to_vec();
    match (live.dialect(), what) {
        ("sqlite", 0..=2) => all(&[format!("DROP TRIGGER \"{name}\"")]),
        // The same again.
        ("sqlite", 3) => all(&[format!("DROP TRIGGER \"{name}\""), text]),
        ("sqlite", 4) => all(&[
            format!("DROP TRIGGER \"{name}\""),
            text.replace("BEGIN", "/* hand */\nBEGIN"),
        ]),
        ("sqlite", 5..=7) => all(&[
            format!("DROP TRIGGER \"{name}\""),
            text.replace("BEGIN", "BEGIN SELECT 'hand';"),
        ]),
        ("sqlite", 8) => all(&[
            format!("DROP TRIGGER \"{name}\""),
            text.replace(" AFTER ", " BEFORE "),
        ]),
        ("mysql", 0..=2) => all(&[format!("DROP TRIGGER `{name}`")]),
        ("mysql", 3) => all(&[
            format!("DROP TRIGGER `{name}`"),
            format!("CREATE TRIGGER `{name}` {third} ON `{table}` FOR EACH ROW {text}"),
        ]),
        ("mysql", 4..=6) => all(&[
            format!("DROP TRIGGER `{name}`"),
            format!(
                "CREATE TRIGGER `{name}` {third} ON `{table}` FOR EACH ROW BEGIN SET @hand = 1; {} END",
                if text.trim_end().ends_with(';') { text } else { format!("{text};") }
            ),
        ]),
        ("mysql", 7) => all(&[
            format!("DROP TRIGGER `{name}`"),
            "SET SESSION sql_mode = CONCAT(@@SESSION.sql_mode, ',NO_ZERO_DATE,PAD_CHAR_TO_FULL_LENGTH')".to_owned(),
            format!("CREATE TRIGGER `{name}` {third} ON `{table}` FOR EACH ROW {text}"),
            "SET SESSION sql_mode = REPLACE(@@SESSION.sql_mode, ',PAD_CHAR_TO_FULL_LENGTH', '')".to_owned(),
        ]),
        ("mysql", 8 | 9) => all(&[
            format!("DROP TRIGGER `{name}`"),
            format!("CREATE DEFINER = walker@localhost TRIGGER `{name}` {third} ON `{table}` FOR EACH ROW {text}"),
        ]),
        ("mysql", 10 | 11) => all(&[
            format!("DROP TRIGGER `{name}`"),
            "SET NAMES utf8mb4 COLLATE utf8mb4_unicode_ci".to_owned(),
            format!("CREATE TRIGGER `{name}` {third} ON `{table}` FOR EACH ROW {text}"),
            "SET NAMES utf8mb4".to_owned(),
        ]),
        ("postgres", 0) => all(&[format!("DROP TRIGGER {name} ON {table}")]),
        ("postgres", 1) => all(&[format!("ALTER TABLE {table} DISABLE TRIGGER {name}")]),
        ("postgres", 2) => all(&[format!("ALTER TABLE {table} ENABLE ALWAYS TRIGGER {name}")]),
        ("postgres", 3) => all(&[format!("ALTER TABLE {table} ENABLE REPLICA TRIGGER {name}")]),
        ("postgres", 4) => all(&[format!("COMMENT ON TRIGGER {name} ON {table} IS 'by hand'")]),
        ("postgres", 5) => all(&[format!("ALTER FUNCTION {third}() SECURITY DEFINER")]),
        ("postgres", 6) => all(&[format!("ALTER FUNCTION {third}() SET work_mem = '5MB'")]),
        ("postgres", 7) => all(&[format!("ALTER FUNCTION {third}() COST 7")]),
        ("postgres", 8) => all(&[format!("COMMENT ON FUNCTION {third}() IS 'by hand'")]),
        ("postgres", 9) => all(&[format!("DROP FUNCTION {third}() CASCADE")]),
        ("postgres", 10) => all(&[format!("DROP TRIGGER {name} ON {table}"), text]),
        ("postgres", 11) => all(&[
            "DO $do$ BEGIN EXECUTE replace(pg_get_functiondef('FN()'::regprocedure), 'BEGIN', 'BEGIN /* by hand */'); END $do$"
                .replace("FN", third),
        ]),
        ("postgres", 12) => all(&[
            "DO $do$ BEGIN EXECUTE pg_get_functiondef('FN()'::regprocedure); END $do$".replace("FN", third),
        ]),
        ("postgres", 13) => all(&[
            format!("DROP TRIGGER {name} ON {table}"),
            text.replace(" AFTER ", " BEFORE "),
        ]),
        ("postgres", 14) => all(&[
            format!("DROP TRIGGER {name} ON {table}"),
            text.replace(" FOR EACH ROW ", " FOR EACH ROW WHEN (1 = 2) "),
        ]),
        ("postgres", 16) => all(&[format!("ALTER TRIGGER {name} ON {table} RENAME TO by_hand")]),
        ("postgres", 17) => all(&[format!("ALTER FUNCTION {third}() RENAME TO by_hand")]),
        ("postgres", 18) => all(&[format!("GRANT EXECUTE ON FUNCTION {third}() TO pg_monitor")]),
        ("postgres", 19) => all(&[format!("ALTER TABLE {table} DISABLE TRIGGER ALL")]),
        ("postgres", 20) => all(&["ALTER TABLE parted_low DISABLE TRIGGER USER".to_owned()]),
        ("postgres", 21) => all(&[format!("ALTER FUNCTION {third}() OWNER TO pg_monitor")]),
        ("postgres", 15) => all(&[format!("ALTER FUNCTION {third}() STABLE")]),
        ("postgres", 22) => all(&[format!("ALTER TRIGGER {name} ON {table} DEPENDS ON EXTENSION plpgsql")]),
        ("postgres", 23) => all(&[format!("ALTER TRIGGER {name} ON {table} NO DEPENDS ON EXTENSION plpgsql")]),
        // What it is called there is to be known for somebody's.
        ("postgres", 24) if MADE_THERE.iter().any(|name| third.contains(name)) => vec![],
        ("postgres", 24) => all(&[format!("ALTER FUNCTION {third}() SET SCHEMA other")]),
        ("postgres", 32) => all(&[format!("REVOKE EXECUTE ON FUNCTION {third}() FROM PUBLIC")]),
        ("postgres", 33) => all(&[format!("ALTER FUNCTION {third}() RESET ALL")]),
        ("postgres", 34) => all(&[format!("ALTER FUNCTION {third}() SECURITY INVOKER LEAKPROOF PARALLEL SAFE STRICT")]),
        ("postgres", 35) => all(&[format!("COMMENT ON TRIGGER {name} ON {table} IS NULL")]),
        ("postgres", 36) => all(&[format!("ALTER FUNCTION {third}() DEPENDS ON EXTENSION plpgsql")]),
        ("postgres", 37) => all(&[format!("ALTER FUNCTION {third}() IMMUTABLE")]),
        ("postgres", 38) => all(&[format!("ALTER TABLE {table} ENABLE TRIGGER ALL")]),
        ("postgres", 39) => all(&[text.replacen("CREATE TRIGGER", "CREATE OR REPLACE TRIGGER", 1)]),
        ("sqlite", 32) => all(&[format!("DROP TRIGGER \"{name}\""), text.replacen("CREATE TRIGGER", "create  trigger if not exists", 1)]),
        ("sqlite", 33) => all(&[format!("DROP TRIGGER \"{name}\""), text.replace('\n', "\r\n")]),
        ("sqlite", 34) => all(&[format!("DROP TRIGGER \"{name}\""), text.replace(" ON t\n", " ON main.t\n").replace(" ON t\n", " ON [t]\n")]),
        ("mysql", 32) => all(&[
            format!("DROP TRIGGER `{name}`"),
            format!("CREATE TRIGGER `{name}` {third} ON `{table}` FOR EACH ROW {}", text.replace('\n', "\r\n")),
        ]),
        ("mysql", 33) => all(&[
            format!("DROP TRIGGER `{name}`"),
            "SET NAMES latin1".to_owned(),
            format!("CREATE TRIGGER `{name}` {third} ON `{table}` FOR EACH ROW {text}"),
            "SET NAMES utf8mb4".to_owned(),
        ]),
        ("postgres", 25) => all(&["ALTER TABLE parted_top ENABLE REPLICA TRIGGER USER".to_owned()]),
        _ => vec![],
    }
}

/// From here on, steps make a trigger that the spec does not speak of, or not yet.
pub(crate) const MAKES: usize = 28;

/// By what such a trigger is known.
pub(crate) const MADE: [&str; 3] = ["'made by hand'", "@made = 'by hand'", "other.made()"];

fn made_by_hand(dialect: &str, what: usize, which: usize) -> Vec<String> {
    let (name, table) = match what {
        // Nobody's, for ever.
        0 | 1 => ("foreign", ["t", "u"][which % 2]),
        _ => (NAMES[which % 4], ["t", "u"][which % 2]),
    };
    let name = name.replace('"', "\"\"");
    let timing = if what.is_multiple_of(2) {
        "BEFORE"
    } else {
        "AFTER"
    };
    let made = format!("CREATE TRIGGER \"{name}\" {timing} INSERT ON {table}");
    match dialect {
        "sqlite" => vec![format!("{made} FOR EACH ROW BEGIN SELECT 'made by hand'; END")],
        "mysql" => vec![format!("{made} FOR EACH ROW BEGIN SET @made = 'by hand'; END")],
        _ => vec![
            "CREATE OR REPLACE FUNCTION other.made() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END'"
                .to_owned(),
            format!("{made} FOR EACH ROW EXECUTE FUNCTION other.made()"),
        ],
    }
}
