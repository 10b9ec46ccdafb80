//! Walks: a spec is changed, somebody changes a trigger by hand, somebody alters a table, a migration is undone, in any order.
//! Whatever the way there, a plan that says that there is nothing to do is right, and so is one that says that there is
//! something; after apply the triggers are what the spec makes on tables that never had one; a rollback brings back what
//! was there; and what is imported at the end is what there is.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "../common/mod.rs"]
mod common;
#[path = "../mysql/proxy.rs"]
mod proxy;

mod dumps;
mod specs;
mod state;
mod steps;
mod walk;

use common::property::holds;
use common::{Live, MEANT, Sandbox, mysql, postgres::Postgres, sqlite::Sqlite};
use specs::USES;
use state::State;

#[derive(Clone, Copy)]
enum Engine {
    Sqlite,
    /// What the variable is called that has the server's URL.
    Postgres(&'static str),
    Mysql(mysql::Engine),
}

impl Engine {
    fn dialect(self) -> &'static str {
        match self {
            Self::Sqlite => "sqlite",
            Self::Postgres(_) => "postgres",
            Self::Mysql(_) => "mysql",
        }
    }

    /// The type of a time.
    fn time(self) -> &'static str {
        match self {
            Self::Sqlite => "text",
            Self::Postgres(_) => "timestamptz",
            Self::Mysql(_) => "datetime(6)",
        }
    }

    fn open(self) -> Box<dyn Live> {
        let mut beside = String::new();
        let mut live: Box<dyn Live> = match self {
            Self::Sqlite => Box::new(Sqlite::new()),
            Self::Postgres(server) => {
                let url = std::env::var(server);
                let url = url.unwrap_or_else(|_| panic!("{server} is not set: run tests/run.sh"));
                Box::new(Postgres::on(&url))
            }
            Self::Mysql(engine) => {
                let mut live = mysql::Mysql::of(engine);
                beside = live.make_beside();
                Box::new(live)
            }
        };
        for table in TABLES {
            live.batch(&table.replace("TIME", self.time()));
        }
        match self {
            Self::Mysql(_) => {
                live.batch("CREATE USER IF NOT EXISTS walker@localhost");
                live.batch("GRANT ALL ON *.* TO walker@localhost");
                for sql in OTHER {
                    live.batch(&sql.replace("other.", &format!("{beside}.")));
                }
            }
            _ => live.batch("CREATE VIEW seen AS SELECT id, b FROM t"),
        }
        match self {
            Self::Postgres(_) => {
                live.batch(MORE);
                live.batch(OTHER[0]);
            }
            // The switches of `bypass` are there.
            Self::Sqlite => {
                live.batch("CREATE TABLE triggerctl_bypass (name TEXT NOT NULL PRIMARY KEY)");
            }
            Self::Mysql(_) => {}
        }
        for row in ROWS {
            live.batch(row);
        }
        live
    }

    /// A spec as it is for this database: another one of MySQL's goes with it, whose name is its own.
    fn spec_for(self, text: &str, live: &mut dyn Live) -> String {
        match self {
            Self::Mysql(_) => {
                let name = live.run("SELECT DATABASE()");
                text.replace("other.", &format!("{}_b.", name.trim_end()))
            }
            _ => text.to_owned(),
        }
    }
}

const TABLES: [&str; 4] = [
    "CREATE TABLE t (id integer PRIMARY KEY, a integer, b varchar(50), version integer, updated_at TIME, deleted_at TIME, u_count integer DEFAULT 0 NOT NULL, u_sum integer DEFAULT 0)",
    "CREATE TABLE u (id integer PRIMARY KEY, t_id integer, n integer, b varchar(50), updated_at TIME)",
    "CREATE TABLE log (what varchar(100))",
    "CREATE TABLE \"Odd Täble.x\" (id integer PRIMARY KEY, n integer, b varchar(50))",
];

const MORE: &str = "
    CREATE TABLE parted (id integer, b text, updated_at timestamptz, PRIMARY KEY (id)) PARTITION BY RANGE (id);
    CREATE TABLE parted_low PARTITION OF parted FOR VALUES FROM (0) TO (100);
    CREATE TABLE parted_high PARTITION OF parted FOR VALUES FROM (100) TO (200) PARTITION BY RANGE (id);
    CREATE TABLE parted_top PARTITION OF parted_high FOR VALUES FROM (150) TO (200);
    CREATE SCHEMA other";

/// In another schema, where the engine has such.
const OTHER: [&str; 2] = [
    "CREATE TABLE other.w (id integer PRIMARY KEY, n integer, b varchar(50), version integer)",
    "CREATE TABLE other.log (what varchar(100))",
];

const ROWS: [&str; 2] = [
    "INSERT INTO t (id, a, b, version) VALUES (1, 1, 'new', 1), (2, 2, 'done', 1), (3, 3, NULL, NULL)",
    "INSERT INTO u (id, t_id, n, b) VALUES (1, 1, 5, 'x'), (2, 1, 7, 'a  B'), (3, NULL, 2, NULL)",
];

fn walks(engine: Engine, cases: u32) {
    let dialect = engine.dialect();
    // Who looks longer looks farther too.
    let most = if std::env::var_os("PROPTEST_CASES").is_some() {
        12
    } else {
        5
    };
    let steps = proptest::collection::vec(steps::step(dialect), 1..=most);
    holds(cases, (specs::spec(dialect), steps), |(first, steps)| {
        walk::walk(engine, &first, &steps);
    });
}

/// A walk over a spec that nobody could apply would show nothing.
fn each_use_can_be_made(engine: Engine) {
    let sandbox = Sandbox::new();
    let mut live = engine.open();
    for one in USES {
        let text = format!("version = 1\n[[trigger]]\n{one}\n");
        sandbox.write("triggers.toml", engine.spec_for(&text, &mut *live));
        sandbox.on(&*live, MEANT).ok();
        let is_for = !one.contains("dialects") || one.contains(&format!("'{}'", engine.dialect()));
        let is_made = State::of(&mut *live) != State::default();
        assert_eq!(is_made, is_for, "{one}");
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
    each_use_can_be_made(Engine::Postgres("TRIGGERCTL_TEST_POSTGRES"));
}

#[test]
fn on_postgres() {
    walks(Engine::Postgres("TRIGGERCTL_TEST_POSTGRES"), 4);
}

#[test]
fn on_postgres_14() {
    walks(Engine::Postgres("TRIGGERCTL_TEST_POSTGRES_14"), 1);
}

#[test]
fn on_postgres_18() {
    walks(Engine::Postgres("TRIGGERCTL_TEST_POSTGRES_18"), 1);
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
