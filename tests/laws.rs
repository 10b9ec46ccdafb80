//! What must hold for every case of `fixtures/cases`, on SQLite in both journal modes, on the oldest, the usual and the
//! newest PostgreSQL, on MariaDB and on MySQL 9: the plan writes nothing, after apply it is empty, the order of the spec does not matter,
//! rollback brings the catalog back, and what is imported is what is there. And for a column that another tool renames
//! under a trigger.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use std::path::Path;

use common::{Live, Sandbox, assert_same, case, mysql, postgres::Postgres, sqlite::Sqlite};
use libtest_mimic::{Arguments, Trial};
use serde_json::Value;

fn main() {
    let mut trials = vec![];
    let cases = case::all();
    assert!(
        cases.len() >= 40,
        "fixtures/cases has only {} cases",
        cases.len()
    );
    for folder in cases {
        let name = folder.file_name().unwrap().to_string_lossy().into_owned();
        for engine in Engine::ALL {
            if case::is_refused(&folder, engine.dialect()) {
                continue; // tests/cases.rs shows that nothing is done.
            }
            let folder = folder.clone();
            let trial = Trial::test(format!("{name}::{}", engine.name()), move || {
                engine.open(|live| check(&folder, live));
                Ok(())
            });
            trials.push(trial.with_ignored_flag(engine.is_missing()));
        }
    }
    // MySQL and MariaDB do not follow a rename: see tests/mysql.
    for engine in Engine::ALL
        .into_iter()
        .filter(|engine| engine.dialect() != "mysql")
    {
        for (name, test) in RENAMED {
            trials.push(Trial::test(
                format!("{name}::{}", engine.name()),
                move || {
                    engine.open(|live| test(live.live()));
                    Ok(())
                },
            ));
        }
    }
    libtest_mimic::run(&Arguments::from_args(), trials).exit();
}

#[derive(Clone, Copy)]
enum Engine {
    Sqlite,
    SqliteWal,
    Postgres,
    Postgres14,
    Postgres18,
    Mysql(mysql::Engine),
}

impl Engine {
    const ALL: [Self; 7] = [
        Self::Sqlite,
        Self::SqliteWal,
        Self::Postgres,
        Self::Postgres14,
        Self::Postgres18,
        Self::Mysql(mysql::Engine::Mariadb),
        Self::Mysql(mysql::Engine::Mysql9),
    ];

    fn name(self) -> &'static str {
        match self {
            Self::Sqlite => "sqlite",
            Self::SqliteWal => "sqlite_wal",
            Self::Postgres => "postgres",
            Self::Postgres14 => "postgres_14",
            Self::Postgres18 => "postgres_18",
            Self::Mysql(engine) => engine.name(),
        }
    }

    fn dialect(self) -> &'static str {
        match self {
            Self::Sqlite | Self::SqliteWal => "sqlite",
            Self::Postgres | Self::Postgres14 | Self::Postgres18 => "postgres",
            Self::Mysql(_) => "mysql",
        }
    }

    fn is_missing(self) -> bool {
        matches!(self, Self::Mysql(engine) if engine.is_missing())
    }

    /// A fresh database for `work`.
    fn open(self, work: impl FnOnce(&mut dyn Watched)) {
        match self {
            Self::Sqlite => work(&mut Sqlite::new()),
            Self::SqliteWal => work(&mut Sqlite::wal()),
            Self::Postgres => work(&mut Postgres::new()),
            Self::Postgres14 => work(&mut Postgres::on(&other_server(14))),
            Self::Postgres18 => work(&mut Postgres::on(&other_server(18))),
            Self::Mysql(engine) => work(&mut mysql::Mysql::of(engine)),
        }
    }
}

/// The maintenance database of a server of this version.
fn other_server(major: u32) -> String {
    let name = format!("TRIGGERCTL_TEST_POSTGRES_{major}");
    let url = std::env::var(&name).unwrap_or_else(|_| {
        panic!("{name} is not set: run tests/run.sh, or set it to the URL of a superuser's database on PostgreSQL {major}")
    });
    let mut client = common::postgres::connect(&url);
    let number: String = client
        .query_one("SHOW server_version_num", &[])
        .unwrap()
        .get(0);
    assert!(
        number.starts_with(&major.to_string()),
        "{name} is the URL of version {number}"
    );
    url
}

/// A database that can be watched from outside.
trait Watched {
    fn live(&mut self) -> &mut dyn Live;
    /// Whatever `work` does must leave no trace, neither in the database nor beside it.
    fn unwritten(&mut self, work: &dyn Fn(&dyn Live));
}

impl Watched for Sqlite {
    fn live(&mut self) -> &mut dyn Live {
        self
    }

    fn unwritten(&mut self, work: &dyn Fn(&dyn Live)) {
        // As long as the test had it open, files of its own would be there.
        self.left_alone(|this| {
            let modified =
                |this: &Self| std::fs::metadata(this.path()).unwrap().modified().unwrap();
            let (before, time) = (this.everything(), modified(this));
            work(this);
            assert_same(
                "the folder and the bytes in it",
                &before,
                &this.everything(),
            );
            assert_eq!(time, modified(this), "the file's time");
        });
    }
}

impl Watched for mysql::Mysql {
    fn live(&mut self) -> &mut dyn Live {
        self
    }

    /// By a user who may not write.
    fn unwritten(&mut self, work: &dyn Fn(&dyn Live)) {
        let before = self.everything();
        self.as_reader(|this| work(this));
        assert_same("the database", &before, &self.everything());
    }
}

/// Every table, with how many rows it has and the newest transaction that wrote or locked one: transaction numbers only
/// grow, so that nothing is written without one of the three being another.
const ROW_VERSIONS: &str = "
SELECT format('SELECT %L, count(*), max(xmin::text::bigint), max(xmax::text::bigint) FROM %s', oid::regclass, oid::regclass)
FROM pg_class
WHERE relkind IN ('r', 'm') AND NOT relisshared AND relpersistence <> 't'
    AND relname <> 'pg_statistic' -- Autovacuum's.
ORDER BY oid::regclass::text";

impl Watched for Postgres {
    fn live(&mut self) -> &mut dyn Live {
        self
    }

    /// All writing is refused, so that a write that leaves no trace is an error; and rows written with that refusal
    /// turned off would be new row versions.
    fn unwritten(&mut self, work: &dyn Fn(&dyn Live)) {
        let name = self.name().to_owned();
        self.batch(&format!(
            "ALTER DATABASE {name} SET default_transaction_read_only = on"
        ));
        let versions = |this: &mut Self| {
            let queries = this.run(ROW_VERSIONS);
            assert!(queries.lines().count() > 50, "{queries}");
            let all: Vec<&str> = queries.lines().collect();
            this.run(&format!("{} ORDER BY 1", all.join(" UNION ALL ")))
        };
        let before = versions(self);
        assert!(before.contains("pg_trigger"), "{before}");
        work(self);
        assert_same("the row versions", &before, &versions(self));
        self.batch(&format!(
            "ALTER DATABASE {name} RESET default_transaction_read_only"
        ));
    }
}

/// The changes that are planned; the plan is saved beside the spec.
#[track_caller]
fn changes(sandbox: &Sandbox, live: &dyn Live) -> Value {
    let run = sandbox
        .on(live, &["plan", "--format", "json", "--out", "plan.json"])
        .ok();
    let mut plan = run.json();
    assert!(plan["changes"].is_array(), "{run}");
    plan["changes"].take()
}

#[track_caller]
fn nothing_to_do(sandbox: &Sandbox, live: &dyn Live) {
    let run = sandbox
        .on(live, &["plan", "--detailed-exitcode", "--format", "json"])
        .ok();
    assert_eq!(run.json()["changes"], serde_json::json!([]), "{run}");
}

fn check(folder: &Path, watched: &mut dyn Watched) {
    let sandbox = case::load(folder, watched.live());
    let spec = sandbox.read("triggers.toml");
    let before = watched.live().snapshot();

    // Looking writes nothing, and tells the same in whatever order the spec is.
    let differs = std::cell::Cell::new(false);
    watched.unwritten(&|live| {
        let planned = changes(&sandbox, live);
        differs.set(planned != serde_json::json!([]));
        sandbox
            .on(live, &["check"])
            .code(if differs.get() { 2 } else { 0 });
        sandbox.on(live, &["--config", "none.toml", "import"]).ok();
        for reordered in case::reordered(&spec) {
            sandbox.write("triggers.toml", reordered);
            assert_same(
                "the plan of the same spec in another order",
                &format!("{planned:#}"),
                &format!("{:#}", changes(&sandbox, live)),
            );
        }
        sandbox.write("triggers.toml", &spec);
    });
    if !differs.get() {
        return; // Nothing in it is for this dialect.
    }

    let live = watched.live();
    sandbox.on(live, &["apply", "--yes"]).ok();
    let applied = live.snapshot();
    assert!(applied != before, "the case does nothing");
    watched.unwritten(&|live| {
        nothing_to_do(&sandbox, live);
        sandbox.on(live, &["check"]).ok();
        // To apply what is there already is to do nothing.
        sandbox.on(live, &["apply", "--yes"]).ok();
    });

    // Back, and there again.
    let live = watched.live();
    sandbox.on(live, &["rollback", "--yes"]).ok();
    assert_same("the catalog after rollback", &before, &live.snapshot());
    sandbox.on(live, &["rollback", "--yes"]).ok();
    assert_same(
        "the catalog after the rollback of the rollback",
        &applied,
        &live.snapshot(),
    );
    nothing_to_do(&sandbox, live);

    imported(&sandbox, live, &applied);
}

/// After import the plan is empty; what is imported makes the same catalog out of nothing.
fn imported(sandbox: &Sandbox, live: &mut dyn Live, applied: &str) {
    sandbox
        .on(
            live,
            &["--config", "none.toml", "import", "--out", "imported.toml"],
        )
        .ok();
    let imported = Sandbox::with_spec(&sandbox.read("imported.toml"));
    forget(live);
    let plan = imported
        .on(live, &["plan", "--detailed-exitcode", "--format", "json"])
        .ok();
    for change in plan.json()["changes"].as_array().unwrap() {
        assert_eq!(change["action"], "adopt", "{plan}");
    }

    let expected = common::comparable(&common::rewritten(applied, live), live);
    drop_triggers(live);
    assert!(live.snapshot() != applied);
    imported.on(live, &["apply", "--yes"]).ok();
    nothing_to_do(&imported, live);
    assert_same(
        "the catalog that the import makes",
        &expected,
        &common::comparable(&live.snapshot(), live),
    );
}

/// Take triggerctl's own tables away.
fn forget(live: &mut dyn Live) {
    live.batch(match live.dialect() {
        "postgres" => "DROP SCHEMA triggerctl CASCADE",
        _ => "DROP TABLE triggerctl_migrations; DROP TABLE triggerctl_objects",
    });
}

/// Drop every trigger, and the functions that they called.
fn drop_triggers(live: &mut dyn Live) {
    if live.dialect() == "postgres" {
        live.batch("
            DO $$
            DECLARE
                functions oid[] := ARRAY(SELECT DISTINCT tgfoid FROM pg_trigger WHERE NOT tgisinternal);
                found record;
            BEGIN
                FOR found IN SELECT tgname, tgrelid FROM pg_trigger WHERE NOT tgisinternal AND tgparentid = 0 LOOP
                    EXECUTE format('DROP TRIGGER %I ON %s', found.tgname, found.tgrelid::regclass);
                END LOOP;
                FOR found IN SELECT unnest(functions) AS id LOOP
                    EXECUTE format('DROP FUNCTION %s', found.id::regprocedure);
                END LOOP;
            END $$");
    } else if live.dialect() == "mysql" {
        let drops = live.run("SELECT CONCAT('DROP TRIGGER `', REPLACE(TRIGGER_NAME, '`', '``'), '`') FROM information_schema.TRIGGERS WHERE TRIGGER_SCHEMA = DATABASE()");
        live.batch(&drops.lines().collect::<Vec<_>>().join(";"));
    } else {
        let drops = live.run(r#"SELECT 'DROP TRIGGER "' || replace(name, '"', '""') || '";' FROM sqlite_schema WHERE type = 'trigger'"#);
        live.batch(&drops);
    }
}

// --- a column renamed under a trigger ----------------------------------------------------------------------------------

type Test = fn(&mut dyn Live);
const RENAMED: [(&str, Test); 3] = [
    ("a_column_of_update_of_is_renamed", update_of_renamed),
    ("a_column_of_when_is_renamed", when_renamed),
    ("a_column_that_nothing_names_is_renamed", other_renamed),
];

const RENAME: &str = "ALTER TABLE users RENAME COLUMN email TO mail";

fn renamed(live: &mut dyn Live, clause: &str) -> (Sandbox, String) {
    live.batch(
        "CREATE TABLE users (id integer, name text, email text); CREATE TABLE log (what text);",
    );
    let spec = format!(
        "version = 1\n[[trigger]]\nname = 'users_log'\ntable = 'users'\ntiming = 'after'\nevents = ['update']\n{clause}\nbody = \"INSERT INTO log (what) VALUES ('x');\"\n"
    );
    let sandbox = Sandbox::with_spec(&spec);
    sandbox.on(live, &["apply", "--yes"]).ok();
    // Another tool, another connection.
    common::script(live, &format!("{RENAME};")).ok();
    (sandbox, spec)
}

/// The engine has followed the rename and the spec has not: it names a column that is not there, which no plan can
/// bring about. Once the spec follows too, nothing is to be done.
fn update_of_renamed(live: &mut dyn Live) {
    let (sandbox, spec) = renamed(live, "update_of = ['name', 'email']");
    let untouched = live.everything();
    for command in [&["plan"][..], &["check"], &["apply", "--yes"]] {
        sandbox
            .on(live, command)
            .code(1)
            .says(&["email", "users", "column"]);
    }
    assert_same("the database", &untouched, &live.everything());
    sandbox.write("triggers.toml", spec.replace("email", "mail"));
    followed(&sandbox, live);
}

fn when_renamed(live: &mut dyn Live) {
    let (sandbox, spec) = renamed(
        live,
        "when = \"NEW.email <> OLD.email AND NEW.name <> 'email'\"",
    );
    let untouched = live.everything();
    for command in [&["plan"][..], &["check"], &["apply", "--yes"]] {
        sandbox.on(live, command).code(1).says(&["email"]);
    }
    assert_same("the database", &untouched, &live.everything());
    sandbox.write("triggers.toml", spec.replace(".email", ".mail"));
    followed(&sandbox, live);
    // A literal is no column: this is a change.
    sandbox.write("triggers.toml", spec.replace("email", "mail"));
    let plan = sandbox
        .on(live, &["plan", "--detailed-exitcode", "--format", "json"])
        .code(2);
    assert_eq!(
        plan.json()["changes"][0]["fields"][0]["field"],
        "when",
        "{plan}"
    );
}

fn other_renamed(live: &mut dyn Live) {
    let (sandbox, _) = renamed(live, "update_of = ['name']");
    followed(&sandbox, live);
}

fn followed(sandbox: &Sandbox, live: &mut dyn Live) {
    let before = live.snapshot();
    sandbox.on(live, &["plan", "--detailed-exitcode"]).ok();
    sandbox.on(live, &["check"]).ok();
    sandbox.on(live, &["apply", "--yes"]).ok();
    nothing_to_do(sandbox, live);
    assert_same("the catalog", &before, &live.snapshot());
}
