//! Walks: a spec is changed, somebody changes a trigger by hand, somebody alters a table, a migration is undone, in any order.
//! Whatever the way there, a plan that says that there is nothing to do is right, and so is one that says that there is
//! something; after apply the triggers are what the spec makes on tables that never had one; and a rollback brings back what
//! was there.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use common::property::holds;
use common::{Live, MEANT, Run, Sandbox, assert_same, mysql, postgres::Postgres, sqlite::Sqlite};
use proptest::prelude::*;

#[derive(Clone, Copy)]
enum Engine {
    Sqlite,
    Postgres,
    Mysql(mysql::Engine),
}

impl Engine {
    fn dialect(self) -> &'static str {
        match self {
            Self::Sqlite => "sqlite",
            Self::Postgres => "postgres",
            Self::Mysql(_) => "mysql",
        }
    }

    fn open(self) -> Box<dyn Live> {
        let mut live: Box<dyn Live> = match self {
            Self::Sqlite => Box::new(Sqlite::new()),
            Self::Postgres => Box::new(Postgres::new()),
            Self::Mysql(engine) => Box::new(mysql::Mysql::of(engine)),
        };
        let time = match self {
            Self::Sqlite => "text",
            Self::Postgres => "timestamptz",
            Self::Mysql(_) => "datetime(6)",
        };
        for table in TABLES {
            live.batch(&table.replace("TIME", time));
        }
        if !matches!(self, Self::Mysql(_)) {
            live.batch("CREATE VIEW seen AS SELECT id, b FROM t");
        }
        if matches!(self, Self::Postgres) {
            live.batch(PARTED);
        }
        live
    }
}

const TABLES: [&str; 3] = [
    "CREATE TABLE t (id integer PRIMARY KEY, a integer, b varchar(50), version integer, updated_at TIME, deleted_at TIME, u_count integer DEFAULT 0 NOT NULL, u_sum integer DEFAULT 0)",
    "CREATE TABLE u (id integer PRIMARY KEY, t_id integer, n integer, b varchar(50), updated_at TIME)",
    "CREATE TABLE log (what varchar(100))",
];

const PARTED: &str = "
    CREATE TABLE parted (id integer, b text, updated_at timestamptz, PRIMARY KEY (id)) PARTITION BY RANGE (id);
    CREATE TABLE parted_low PARTITION OF parted FOR VALUES FROM (0) TO (100);
    CREATE TABLE parted_high PARTITION OF parted FOR VALUES FROM (100) TO (200) PARTITION BY RANGE (id);
    CREATE TABLE parted_top PARTITION OF parted_high FOR VALUES FROM (150) TO (200)";

// --- specs --------------------------------------------------------------------------------------------------------------

/// One trigger of the user's.
#[derive(Debug, Clone)]
struct Own {
    table: &'static str,
    before: bool,
    events: BTreeSet<&'static str>,
    update_of: bool,
    when: usize,
    body: usize,
    more: usize,
}

/// Triggers by name, and uses of kinds.
#[derive(Debug, Clone)]
struct Spec {
    own: BTreeMap<&'static str, Own>,
    uses: BTreeSet<usize>,
}

const NAMES: [&str; 3] = ["first", "Second one", "select"];
const CONDITIONS: [&str; 3] = ["", "NEW.n > 1", "NEW.n >= 1 AND NEW.b <> 'a  B'"];
const BODIES: [&str; 3] = [
    "INSERT INTO log (what) VALUES ('A b');",
    "INSERT INTO log (what) VALUES ('ab');",
    "INSERT INTO log (what) VALUES ('it''s; END'); -- $$\nDELETE FROM log WHERE what = '''';",
];
const MORE: [&str; 3] = ["", "description = 'Says.'", "bypass = 'app.off'"];
const USES: [&str; 29] = [
    "use = 'updated_at'\ntable = 't'",
    "use = 'updated_at'\ntables = ['*']\nhaving_columns = ['updated_at', 'n']",
    "use = 'version'\ntable = 't'",
    "use = 'audit'\ntable = 't'\ncreate_table = true",
    "use = 'audit'\ntable = 't'\nname = 't_other'\ncreate_table = true\nwith = { except = ['b'], target = 'other_log' }",
    "use = 'history'\ntable = 't'\ncreate_table = true",
    "use = 'outbox'\ntables = ['t', 'u']\ncreate_table = true",
    "use = 'append_only'\ntable = 'u'",
    "use = 'counter_cache'\ntable = 'u'\nwith = { parent = 't', key = 't_id' }",
    "use = 'sum_cache'\ntable = 'u'\nwith = { parent = 't', key = 't_id', column = 'u_sum', amount = 'NEW.n' }",
    "use = 'validate'\ntable = 'u'\nwith = { condition = 'NEW.n > 0', message = 'n is positive' }",
    "use = 'read_only'\ntable = 't'\nwith = { except = ['a', 'b', 'u_count', 'u_sum', 'version', 'updated_at', 'deleted_at'] }",
    "use = 'protect'\ntable = 't'\nwith = { events = ['delete'] }",
    "use = 'state_machine'\ntable = 't'\nwith = { column = 'b', initial = ['new'], transitions = { new = ['done'], done = [] } }",
    "use = 'created_at'\ntable = 'u'\nwith = { column = 'updated_at' }",
    "use = 'touch'\ntable = 'u'\nwith = { parent = 't', key = 't_id' }",
    "use = 'soft_delete'\ntable = 't'\ndialects = ['sqlite', 'postgres']",
    "use = 'derive'\ntable = 't'\nwith = { columns = { b = \"concat('x', NEW.a)\" } }\ndialects = ['postgres', 'mysql']",
    "use = 'mirror'\ntable = 'u'\nwith = { parent = 't', key = 't_id', columns = { b = 'b' } }",
    "use = 'force_defaults'\ntable = 't'\nwith = { values = { u_count = '0', b = \"'new'\" } }",
    "use = 'skip_noop_update'\ntable = 't'\ndialects = ['postgres', 'sqlite']",
    "use = 'notify'\ntable = 't'\ndialects = ['postgres']",
    "use = 'deferred_check'\ntable = 'u'\nwith = { condition = 'NEW.n > 0', message = 'n is positive' }\ndialects = ['postgres']",
    "use = 'audit'\ntable = 'u'\ncreate_table = true\nwith = { for_each = 'statement' }\ndialects = ['postgres']",
    "use = 'protect'\ntable = 't'\nname = 'no_truncate'\nwith = { events = ['truncate'] }\ndialects = ['postgres']",
    "use = 'updated_at'\ntable = 'parted'\ndialects = ['postgres']",
    "use = 'audit'\ntable = 'parted'\ncreate_table = true\ndialects = ['postgres']",
    "name = 'seen'\ntable = 'seen'\ntiming = 'instead_of'\nevents = ['insert']\nbody = 'INSERT INTO log (what) VALUES (NEW.b);'\ndialects = ['sqlite', 'postgres']",
    "name = 'both'\ntable = 'parted'\ntiming = 'after'\nevents = ['insert']\nbody = \"INSERT INTO log (what) VALUES ('p');\"\ndialects = ['postgres']\n[trigger.postgres]\nenabled = 'always'\nconstraint = { deferrable = true, initially = 'deferred' }",
];

fn own(dialect: &'static str) -> impl Strategy<Value = Own> {
    let most = if dialect == "mysql" { 1 } else { 3 };
    (
        proptest::sample::select(vec!["t", "u"]),
        any::<bool>(),
        proptest::collection::btree_set(
            proptest::sample::select(vec!["insert", "update", "delete"]),
            1..=most,
        ),
        any::<bool>(),
        0..CONDITIONS.len(),
        0..BODIES.len(),
        0..MORE.len(),
    )
        .prop_map(|(table, before, events, update_of, when, body, more)| Own {
            table,
            before,
            events,
            update_of,
            when,
            body,
            more,
        })
}

fn spec(dialect: &'static str) -> impl Strategy<Value = Spec> {
    (
        proptest::collection::btree_map(
            proptest::sample::select(NAMES.to_vec()),
            own(dialect),
            0..=2,
        ),
        proptest::collection::btree_set(0..USES.len(), 0..=4),
    )
        .prop_map(|(own, uses)| Spec { own, uses })
}

fn written(spec: &Spec, dialect: &str) -> String {
    let mut text = "version = 1\n".to_owned();
    for (name, own) in &spec.own {
        let Own {
            table,
            before,
            events,
            update_of,
            when,
            body,
            more,
        } = own;
        let _ = write!(
            text,
            "[[trigger]]\nname = '{name}'\ntable = '{table}'\ntiming = '{}'\nevents = {:?}\nbody = {:?}\n",
            if *before { "before" } else { "after" },
            events.iter().collect::<Vec<_>>(),
            BODIES[*body],
        );
        if *update_of && events.contains("update") {
            text += "update_of = ['b']\n";
        }
        if *table == "u" && !events.contains("delete") && *when > 0 {
            let _ = writeln!(text, "when = {:?}", CONDITIONS[*when]);
        }
        let more = match dialect {
            "postgres" => MORE[*more].to_owned(),
            _ => MORE[*more].replace("app.off", "app_off"),
        };
        let _ = writeln!(text, "{more}");
    }
    for one in &spec.uses {
        let _ = writeln!(text, "[[trigger]]\n{}", USES[*one]);
    }
    text
}

// --- steps --------------------------------------------------------------------------------------------------------------

#[derive(Debug, Clone)]
enum Step {
    /// The spec becomes another.
    Spec(Spec),
    /// Somebody does this to one of the triggers.
    Hand(usize, usize),
    /// Somebody alters a table.
    Alter(usize),
    /// The last migration is undone.
    Back,
}

const ALTERS: [&str; 9] = [
    "ALTER TABLE t ADD COLUMN more integer",
    "ALTER TABLE t DROP COLUMN more",
    "ALTER TABLE u ADD COLUMN version integer",
    "ALTER TABLE u DROP COLUMN b",
    "ALTER TABLE t RENAME COLUMN a TO aa",
    "ALTER TABLE t RENAME COLUMN aa TO a",
    "ALTER TABLE parted DETACH PARTITION parted_low",
    "CREATE TABLE parted_new PARTITION OF parted FOR VALUES FROM (200) TO (300)",
    "ALTER TABLE parted ADD COLUMN more text",
];

fn step(dialect: &'static str) -> impl Strategy<Value = Step> {
    prop_oneof![
        3 => spec(dialect).prop_map(Step::Spec),
        4 => (0..HANDS, 0..6_usize).prop_map(|(what, which)| Step::Hand(what, which)),
        2 => (0..ALTERS.len()).prop_map(Step::Alter),
        1 => Just(Step::Back),
    ]
}

const HANDS: usize = 22;

/// What somebody types, for one of the triggers that are there; empty where there is none.
fn by_hand(live: &mut dyn Live, what: usize, which: usize) -> Vec<String> {
    let rows = live.run(match live.dialect() {
        "sqlite" => "SELECT name, tbl_name, '', hex(sql) FROM sqlite_schema WHERE type = 'trigger' ORDER BY 1",
        "postgres" => "SELECT quote_ident(tgname), tgrelid::regclass, tgfoid::regproc, encode(convert_to(pg_get_triggerdef(pg_trigger.oid), 'UTF8'), 'hex') FROM pg_trigger WHERE NOT tgisinternal AND tgparentid = 0 ORDER BY 1",
        _ => "SELECT TRIGGER_NAME, EVENT_OBJECT_TABLE, CONCAT(ACTION_TIMING, ' ', EVENT_MANIPULATION), HEX(ACTION_STATEMENT) FROM information_schema.TRIGGERS WHERE TRIGGER_SCHEMA = DATABASE() ORDER BY 1",
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
        _ => vec![],
    }
}

// --- what must hold -----------------------------------------------------------------------------------------------------

/// The triggers that are there, and their functions, without what somebody renamed.
fn triggers(live: &mut dyn Live) -> String {
    let found = live.run(match live.dialect() {
        "sqlite" => "SELECT name, tbl_name, sql FROM sqlite_schema WHERE type = 'trigger' ORDER BY 1",
        "postgres" => "
            SELECT 'trigger', tgname::text, tgrelid::regclass::text, tgenabled::text, pg_get_triggerdef(oid), coalesce(obj_description(oid, 'pg_trigger'), '')
            FROM pg_trigger WHERE NOT tgisinternal AND tgname <> 'by_hand'
            UNION ALL
            SELECT 'function', proname, '',
                -- Whose it is counts where it runs with his rights.
                CASE WHEN prosecdef THEN proowner::regrole || ' ' || (
                    SELECT string_agg(grantee::text || is_grantable::text, ',' ORDER BY grantee)
                    FROM aclexplode(coalesce(proacl, acldefault('f', proowner)))) END,
                pg_get_functiondef(oid), coalesce(obj_description(oid, 'pg_proc'), '')
            FROM pg_proc WHERE pronamespace = 'public'::regnamespace AND proname <> 'by_hand'
            ORDER BY 1, 2, 3, 4, 5",
        _ => "SELECT TRIGGER_NAME, EVENT_OBJECT_TABLE, ACTION_TIMING, EVENT_MANIPULATION, ACTION_STATEMENT, SQL_MODE, DEFINER, CHARACTER_SET_CLIENT, COLLATION_CONNECTION FROM information_schema.TRIGGERS WHERE TRIGGER_SCHEMA = DATABASE() ORDER BY 1",
    });
    assert!(!found.starts_with("error: "), "{found}");
    let found = live.plain(&found);
    common::comparable(&found, live)
}

struct Walk {
    engine: Engine,
    live: Box<dyn Live>,
    sandbox: Sandbox,
    /// What was done to the tables.
    altered: Vec<String>,
}

impl Walk {
    fn spec(&self, spec: &Spec) {
        self.sandbox
            .write("triggers.toml", written(spec, self.engine.dialect()));
    }

    fn plan(&self) -> Run {
        self.sandbox.on(
            &*self.live,
            &["plan", "--detailed-exitcode", "--format", "json"],
        )
    }

    /// What the spec makes where there was nothing, or why it cannot.
    fn meant(&self) -> Result<String, Run> {
        let mut fresh = self.engine.open();
        for sql in &self.altered {
            fresh.batch(sql);
        }
        let run = self.sandbox.on(&*fresh, MEANT);
        if run.code == Some(0) {
            Ok(triggers(&mut *fresh))
        } else {
            Err(run)
        }
    }

    /// There is nothing to do, and at most the linter has something to say.
    fn is_checked(&self) {
        let check = self.sandbox.on(&*self.live, &["check"]);
        let linted = check.code == Some(2) && check.stdout.contains("error[");
        assert!(check.code == Some(0) || linted, "{check}");
        check.says(&["Nothing to do"]);
    }

    /// The spec is applied, and what the plan says about it is true.
    fn arrives(&mut self, trail: &str) {
        let before = triggers(&mut *self.live);
        let whole = self.live.snapshot();
        let versions = self.live.versions();
        let plan = self.plan();
        let meant = match self.meant() {
            Ok(meant) => meant,
            Err(run) => {
                assert_eq!(run.code, Some(1), "{trail}\n{run}");
                // What is wrong with the spec is wrong with it here as well; unless it makes nothing that is not there.
                assert!(
                    plan.code == Some(1)
                        || (plan.code == Some(0) && self.live.versions() == versions),
                    "{trail}\n{run}\n{plan}"
                );
                return;
            }
        };
        let says =
            |what: &str, run: &Run| match serde_json::from_str::<serde_json::Value>(&run.stdout) {
                Ok(json) => {
                    let changes = json["changes"].as_array().into_iter().flatten();
                    let lines = changes.map(|one| {
                        format!("{} {} {}", one["action"], one["object"], one["because"])
                    });
                    format!("{what}\n{trail}\n{}", lines.collect::<Vec<_>>().join("\n"))
                }
                Err(_) => format!("{what}\n{trail}\n{run}"),
            };
        match plan.code {
            Some(0) => {
                assert_same(&says("nothing to do, it says", &plan), &meant, &before);
                self.is_checked();
                return;
            }
            Some(2) => self.sandbox.on(&*self.live, &["check"]).code(2),
            // A table of versions has the columns that its table had: to follow is the user's.
            Some(1) if plan.stderr.contains("t_history") || plan.stdout.contains("t_history") => {
                return;
            }
            _ => panic!("{}", says("no plan", &plan)),
        };
        assert_same("planning and checking", &whole, &self.live.snapshot());
        let json = plan.json();
        let changes = json["changes"].as_array().unwrap();
        let quiet = ["adopt", "forget"];
        let differing = changes
            .iter()
            .filter(|change| !quiet.contains(&change["action"].as_str().unwrap()))
            .count();
        let applied = self.sandbox.on(&*self.live, MEANT);
        assert_eq!(applied.code, Some(0), "{}\n{applied}", says("apply", &plan));
        let after = triggers(&mut *self.live);
        assert_same(&says("after apply", &plan), &meant, &after);
        if self.engine.dialect() == "postgres" {
            let whole = self.live.snapshot();
            assert_same(
                &says("made of what is printed", &plan),
                &whole,
                &common::rewritten(&whole, &mut *self.live),
            );
        }
        if before == meant {
            assert_eq!(differing, 0, "{}", says("no change at all", &plan));
        }
        let empty = self.plan();
        assert_eq!(empty.code, Some(0), "{}", says("plan after apply", &empty));
        self.is_checked();
        // There and back.
        let there = self.live.snapshot();
        let back = self.sandbox.on(&*self.live, &["rollback", "--yes"]);
        let refused = back.code == Some(3) && back.stderr.contains("hazard would_fail");
        if (back.code == Some(1) || refused) && !self.altered.is_empty() {
            // What was there does not fit the tables any more.
            let still = triggers(&mut *self.live);
            assert_same(&says(&format!("{back}"), &plan), &after, &still);
            self.is_checked();
            return;
        }
        assert_eq!(back.code, Some(0), "{}\n{back}", says("rollback", &plan));
        assert_same(
            &says("after rollback", &plan),
            &before,
            &triggers(&mut *self.live),
        );
        // What had been changed by hand is so again: to go on from there is for apply.
        let forth = self.sandbox.on(&*self.live, &["rollback", "--yes"]);
        if forth.code == Some(3) {
            self.sandbox.on(&*self.live, MEANT).ok();
        } else {
            assert_eq!(forth.code, Some(0), "{}\n{forth}", says("forth", &plan));
        }
        assert_same(
            &says("after rollback, and there again", &plan),
            &there,
            &self.live.snapshot(),
        );
    }
}

fn walk(engine: Engine, first: &Spec, steps: &[Step]) {
    let mut walk = Walk {
        engine,
        live: engine.open(),
        sandbox: Sandbox::new(),
        altered: vec![],
    };
    let mut trail = String::new();
    walk.spec(first);
    let _ = writeln!(trail, "spec:\n{}", walk.sandbox.read("triggers.toml"));
    walk.arrives(&trail);
    for step in steps {
        match step {
            Step::Spec(spec) => {
                walk.spec(spec);
                let _ = writeln!(trail, "spec:\n{}", walk.sandbox.read("triggers.toml"));
            }
            Step::Hand(what, which) => {
                for sql in by_hand(&mut *walk.live, *what, *which) {
                    let answer = walk.live.run(&sql);
                    let _ = writeln!(trail, "by hand: {sql}\n{answer}");
                    if answer.starts_with("error: ") {
                        break;
                    }
                }
            }
            Step::Alter(which) => {
                let sql = ALTERS[*which];
                let answer = walk.live.run(sql);
                let _ = writeln!(trail, "{sql}\n{answer}");
                if !answer.starts_with("error: ") {
                    walk.altered.push(sql.to_owned());
                }
            }
            Step::Back => {
                if !walk.live.versions().is_empty() {
                    let run = walk.sandbox.on(&*walk.live, &["rollback", "--yes"]);
                    let _ = writeln!(trail, "back: {run}");
                }
            }
        }
        walk.arrives(&trail);
        // What was renamed by hand has been seen to be nobody's.
        for table in ["t", "u", "parted"] {
            walk.live
                .run(&format!("DROP TRIGGER IF EXISTS by_hand ON {table}"));
        }
        walk.live.run("DROP FUNCTION IF EXISTS by_hand()");
    }
}

fn walks(engine: Engine, cases: u32) {
    let steps = proptest::collection::vec(step(engine.dialect()), 1..=5);
    holds(cases, (spec(engine.dialect()), steps), |(first, steps)| {
        walk(engine, &first, &steps);
    });
}

/// A walk over a spec that nobody could apply would show nothing.
fn each_use_can_be_made(engine: Engine) {
    let sandbox = Sandbox::new();
    for one in USES {
        sandbox.write(
            "triggers.toml",
            format!("version = 1\n[[trigger]]\n{one}\n"),
        );
        let mut live = engine.open();
        sandbox.on(&*live, MEANT).ok();
        let is_for = !one.contains("dialects") || one.contains(&format!("'{}'", engine.dialect()));
        assert_eq!(!triggers(&mut *live).is_empty(), is_for, "{one}");
    }
}

#[test]
fn each_use_on_sqlite() {
    each_use_can_be_made(Engine::Sqlite);
}

#[test]
fn on_sqlite() {
    walks(Engine::Sqlite, 6);
}

#[test]
fn each_use_on_postgres() {
    each_use_can_be_made(Engine::Postgres);
}

#[test]
fn on_postgres() {
    walks(Engine::Postgres, 6);
}

#[test]
fn each_use_on_mariadb() {
    each_use_can_be_made(Engine::Mysql(mysql::Engine::Mariadb));
}

#[test]
fn on_mariadb() {
    walks(Engine::Mysql(mysql::Engine::Mariadb), 3);
}

#[test]
fn each_use_on_mysql_9() {
    each_use_can_be_made(Engine::Mysql(mysql::Engine::Mysql9));
}

#[test]
fn on_mysql_9() {
    walks(Engine::Mysql(mysql::Engine::Mysql9), 3);
}
