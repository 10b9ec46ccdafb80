//! What a plan says can hurt: each hazard on the live engines where it must be said, and beside it a near miss where it
//! must not; and that nothing grave is done without being allowed by name.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use std::fmt::Write as _;

use common::mysql::{Engine, Mysql};
use common::postgres::Postgres;
use common::server::Server;
use common::sqlite::Sqlite;
use common::{Live, Run, Sandbox};

/// Make a test of a function for each engine.
macro_rules! for_each_engine {
    ($($name:ident),+ $(,)?) => {$(
        mod $name {
            use super::*;

            #[test]
            fn sqlite() {
                super::$name(&mut tables(Sqlite::new()));
            }
            #[test]
            fn postgres() {
                super::$name(&mut tables(Postgres::new()));
            }
            #[test]
            fn mariadb() {
                super::$name(&mut tables(Mysql::new()));
            }
            #[test]
            fn mysql_9() {
                if !Engine::Mysql9.is_missing() {
                    super::$name(&mut tables(Mysql::of(Engine::Mysql9)));
                }
            }
        }
    )+};
}

for_each_engine!(
    a_guard_that_goes_is_refused,
    an_audit_trigger_that_goes_is_refused,
    what_protects_nothing_goes_freely,
    a_weaker_trigger_is_refused,
    a_stronger_one_is_not,
    conditions_and_columns_are_seen_wherever_they_stand,
    what_takes_its_place_is_no_loss,
    a_plain_create_is_never_grave,
    a_saved_plan_keeps_its_hazards,
    a_rollback_takes_what_it_brought,
    a_rollback_to_what_fails_is_refused,
    what_comes_back_and_fits_is_no_hazard,
    what_an_allow_says_is_checked,
);

fn tables<L: Live>(mut live: L) -> L {
    live.batch(
        "CREATE TABLE users (id integer PRIMARY KEY, name varchar(100), age integer);
         CREATE TABLE age_log (user_id integer, age integer);
         CREATE TABLE other_log (user_id integer, age integer);
         CREATE TABLE totals (users integer);",
    );
    live
}

fn trigger(name: &str, keys: &str) -> String {
    let mut text = format!("[[trigger]]\nname = \"{name}\"\ntable = \"users\"\n");
    for key in keys.split("; ") {
        let _ = writeln!(text, "{key}");
    }
    text + "\n"
}

/// Refuses a negative age.
fn guard(events: &str) -> String {
    trigger(
        "guard",
        &format!(
            "timing = \"before\"; events = {events}; body = \"{{{{ raise_if('NEW.age < 0', 'no') }}}}\""
        ),
    )
}

/// Writes each change of age down.
fn audit(table: &str) -> String {
    trigger(
        "audit",
        &format!(
            "timing = \"after\"; events = [\"update\"]; \
             body = \"INSERT INTO {table} VALUES (OLD.id, OLD.age)\""
        ),
    )
}

/// Counts, and nothing else.
fn counter() -> String {
    trigger(
        "counter",
        "timing = \"after\"; events = [\"insert\"]; body = \"UPDATE totals SET users = users + 1\"",
    )
}

fn sandbox(triggers: &str) -> Sandbox {
    Sandbox::with_spec(&spec(triggers))
}

fn spec(triggers: &str) -> String {
    format!("version = 1\n\n{triggers}")
}

/// What a plan says can hurt: `name kind severity`, all but what is said of every lock.
fn hazards(sandbox: &Sandbox, live: &dyn Live) -> Vec<String> {
    let plan = sandbox.on(live, &["plan", "--format", "json"]).ok().json();
    assert_eq!(plan["format_version"], 2);
    let mut found = vec![];
    for change in plan["changes"].as_array().unwrap() {
        for hazard in change["hazards"].as_array().unwrap() {
            let word = |key: &str| hazard[key].as_str().unwrap().to_owned();
            assert!(!word("message").is_empty());
            assert_eq!(hazard["object"], change["object"]);
            if hazard["severity"] == "low" && word("kind").starts_with("blocks_") {
                continue;
            }
            let name = hazard["object"]["name"].as_str().unwrap();
            found.push(format!("{name} {} {}", word("kind"), word("severity")));
        }
    }
    found
}

/// Apply with these flags, from one spec to another; the sandbox holds the second.
fn from_to(live: &mut dyn Live, before: &str, after: &str) -> Sandbox {
    let sandbox = sandbox(before);
    sandbox.on(live, &["apply", "--yes"]).ok();
    sandbox.write("triggers.toml", spec(after));
    sandbox
}

/// That `apply` refuses, changes nothing, and says which flag would let it.
#[track_caller]
fn refused(sandbox: &Sandbox, live: &mut dyn Live, flag: &str) -> Run {
    let before = live.everything();
    let run = sandbox.on(live, &["apply", "--yes"]).code(3).says(&[flag]);
    assert_eq!(before, live.everything(), "something was changed\n{run}");
    let value = flag.strip_prefix("--allow ").unwrap();
    // Of a terminal that is asked nobody is asked either: the refusal comes first.
    let json = sandbox
        .on(live, &["apply", "--yes", "--format", "json"])
        .code(3)
        .json();
    assert_eq!(json["error"]["kind"], "refused");
    assert!(json.to_string().contains(flag), "{json}");
    sandbox.on(live, &["apply", "--yes", "--allow", value]).ok();
    run
}

fn a_guard_that_goes_is_refused(live: &mut dyn Live) {
    let sandbox = from_to(live, &(guard("[\"insert\"]") + &counter()), &counter());
    assert_eq!(hazards(&sandbox, live), ["guard drops_protection high"]);
    sandbox.on(live, &["plan"]).ok().says(&[
        "high hazard drops_protection: a guard is dropped (it raises",
        "refuses the hazards of severity high without",
        "--allow drops_protection:users.guard",
    ]);
    sandbox
        .on(
            live,
            &["apply", "--yes", "--allow", "drops_protection:other"],
        )
        .code(3)
        .says(&["allows nothing"]);
    refused(&sandbox, live, "--allow drops_protection:users.guard")
        .says(&["hazard drops_protection: trigger guard on"]);
}

fn an_audit_trigger_that_goes_is_refused(live: &mut dyn Live) {
    let sandbox = from_to(live, &(audit("age_log") + &counter()), &counter());
    assert_eq!(hazards(&sandbox, live), ["audit drops_protection high"]);
    refused(&sandbox, live, "--allow drops_protection:users.audit")
        .says(&["writes to age_log on update"]);
}

fn what_protects_nothing_goes_freely(live: &mut dyn Live) {
    // Its own table, a message, a word in a literal, a row that says nothing of the change.
    let harmless = match live.dialect() {
        "sqlite" => "SELECT 'RAISE(ABORT)' -- RAISE(ABORT, 'x')\\n",
        "postgres" => "RAISE NOTICE 'INSERT INTO age_log VALUES (NEW.id)'",
        _ => "SET @x = 'SIGNAL SQLSTATE ''45000'', INSERT INTO age_log VALUES (NEW.id, 1)'",
    };
    let own = match live.dialect() {
        "mysql" => "SET @y = NEW.age",
        _ => "UPDATE users SET age = age + 1 WHERE id = NEW.id",
    };
    let triggers = trigger(
        "talks",
        &format!("timing = \"after\"; events = [\"delete\"]; body = \"{harmless}\""),
    ) + &trigger(
        "own",
        &format!("timing = \"after\"; events = [\"insert\"]; body = \"{own}\""),
    ) + &trigger(
        "notes",
        "timing = \"after\"; events = [\"insert\"]; body = \"INSERT INTO age_log VALUES (1, 1)\"",
    );
    let sandbox = from_to(live, &triggers, "");
    assert_eq!(hazards(&sandbox, live), [""; 0]);
    sandbox.on(live, &["apply", "--yes"]).ok();
    // Another table that is kept in step is worth a look, and no more.
    let upkeep = trigger(
        "upkeep",
        "timing = \"after\"; events = [\"delete\"]; \
         body = \"UPDATE totals SET users = users - OLD.id\"",
    );
    let sandbox = from_to(live, &upkeep, "");
    assert_eq!(hazards(&sandbox, live), ["upkeep stops_upkeep medium"]);
    sandbox
        .on(live, &["apply", "--yes"])
        .ok()
        .says(&["medium hazard stops_upkeep", "totals"]);
}

fn a_weaker_trigger_is_refused(live: &mut dyn Live) {
    let without_raise = guard("[\"insert\"]").replace(
        "{{ raise_if('NEW.age < 0', 'no') }}",
        if live.dialect() == "mysql" {
            "SET @x = 1"
        } else {
            "SELECT 1"
        },
    );
    let without_raise = if live.dialect() == "postgres" {
        without_raise.replace("SELECT 1", "PERFORM 1")
    } else {
        without_raise
    };
    for (before, after, name, says) in [
        (
            guard("[\"insert\"]"),
            guard("[\"insert\"]") + "when = \"NEW.id > 10\"\n",
            "guard",
            "only where a condition holds",
        ),
        (
            guard("[\"insert\"]"),
            without_raise,
            if live.dialect() == "postgres" {
                "users_guard"
            } else {
                "guard"
            },
            "no longer raises an error",
        ),
        (
            audit("age_log"),
            audit("age_log").replace(
                "INSERT INTO age_log VALUES (OLD.id, OLD.age)",
                "DELETE FROM totals WHERE users = OLD.id",
            ),
            if live.dialect() == "postgres" {
                "users_audit"
            } else {
                "audit"
            },
            "no longer writes to age_log",
        ),
    ] {
        let sandbox = from_to(live, &before, &after);
        let found = hazards(&sandbox, live);
        let wanted = format!("{name} drops_protection high");
        assert!(found.contains(&wanted), "{found:?} without {wanted}");
        let place = if name.starts_with("users_") {
            "public"
        } else {
            "users"
        };
        refused(
            &sandbox,
            live,
            &format!("--allow drops_protection:{place}.{name}"),
        )
        .says(&[says]);
        sandbox.write("triggers.toml", spec(""));
        sandbox
            .on(live, &["apply", "--yes", "--allow", "drops_protection"])
            .ok();
    }
    // Fewer events are fewer triggers on SQLite and MySQL.
    let sandbox = from_to(
        live,
        &guard("[\"insert\", \"update\"]"),
        &guard("[\"insert\"]"),
    );
    let grave = hazards(&sandbox, live)
        .into_iter()
        .filter(|hazard| hazard.ends_with("drops_protection high"));
    let name = if live.dialect() == "postgres" {
        "guard"
    } else {
        "guard_update"
    };
    assert_eq!(
        grave.collect::<Vec<_>>(),
        [format!("{name} drops_protection high")]
    );
}

/// MySQL has neither WHEN nor UPDATE OF: there both stand in the body.
fn conditions_and_columns_are_seen_wherever_they_stand(live: &mut dyn Live) {
    let with = |keys: &str| audit("age_log") + keys;
    let sandbox = sandbox(&with(
        "when = \"NEW.id > 10\"\nupdate_of = [\"age\", \"name\"]\n",
    ));
    sandbox.on(live, &["plan"]).ok().says(&[
        "after update of age, name, for each row",
        ", when NEW.id > 10",
    ]);
    sandbox.on(live, &["apply", "--yes"]).ok();
    for (keys, severity, says) in [
        (
            "when = \"NEW.id > 20\"\nupdate_of = [\"age\", \"name\"]\n",
            "medium",
            "an audit trigger has another condition",
        ),
        (
            "when = \"NEW.id > 10\"\nupdate_of = [\"age\"]\n",
            "high",
            "an audit trigger no longer fires for updates",
        ),
        (
            "when = \"NEW.id > 10\"\nupdate_of = [\"name\", \"age\"]\n",
            "",
            "",
        ),
        ("update_of = [\"age\", \"name\"]\n", "", ""),
        ("when = \"NEW.id > 10\"\n", "", ""),
    ] {
        sandbox.write("triggers.toml", spec(&with(keys)));
        let found = hazards(&sandbox, live);
        let about: Vec<&String> = found
            .iter()
            .filter(|hazard| hazard.contains("drops_protection"))
            .collect();
        if severity.is_empty() {
            assert!(about.is_empty(), "{keys}{found:?}");
            continue;
        }
        assert_eq!(
            about,
            [&format!("audit drops_protection {severity}")],
            "{keys}"
        );
        sandbox.on(live, &["plan", "-v"]).ok().says(&[says]);
    }
}

fn a_stronger_one_is_not(live: &mut dyn Live) {
    let weak = guard("[\"insert\"]") + "when = \"NEW.id > 10\"\n";
    for (before, after) in [
        // No condition any more; another message; one more event; another table that gets the row too.
        (weak, guard("[\"insert\"]")),
        (
            guard("[\"insert\"]"),
            guard("[\"insert\"]").replace("'no'", "'never'"),
        ),
        (
            audit("age_log"),
            audit("age_log").replace(
                "OLD.age)",
                "OLD.age); INSERT INTO other_log VALUES (OLD.id, 1)",
            ),
        ),
    ] {
        let sandbox = from_to(live, &before, &after);
        let found = hazards(&sandbox, live);
        assert!(
            !found
                .iter()
                .any(|hazard| hazard.contains("drops_protection")),
            "{found:?}"
        );
        sandbox.on(live, &["apply", "--yes"]).ok();
        sandbox.write("triggers.toml", spec(""));
        sandbox
            .on(live, &["apply", "--yes", "--allow", "drops_protection"])
            .ok();
    }
}

fn what_takes_its_place_is_no_loss(live: &mut dyn Live) {
    // Another name, the same work.
    let renamed = guard("[\"insert\"]").replace("\"guard\"", "\"watch\"");
    let sandbox = from_to(live, &guard("[\"insert\"]"), &renamed);
    let found = hazards(&sandbox, live);
    assert!(
        !found
            .iter()
            .any(|hazard| hazard.contains("drops_protection")),
        "{found:?}"
    );
    sandbox.on(live, &["apply", "--yes"]).ok();
    // One trigger for each event becomes one for both, and the other way round.
    let both = renamed.replace("[\"insert\"]", "[\"insert\", \"update\"]");
    for to in [&both, &renamed] {
        sandbox.write("triggers.toml", spec(to));
        let found = hazards(&sandbox, live);
        let lost = found
            .iter()
            .filter(|hazard| hazard.contains("drops_protection"));
        let expected = if live.dialect() == "postgres" {
            "watch"
        } else {
            "watch_update"
        };
        if to == &renamed {
            assert_eq!(
                lost.collect::<Vec<_>>(),
                [&format!("{expected} drops_protection high")]
            );
        } else {
            assert_eq!(lost.count(), 0, "{found:?}");
            sandbox.on(live, &["apply", "--yes"]).ok();
        }
    }
    // The same name elsewhere, or a condition more, does not take its place.
    let narrower = renamed.replace("\"watch\"", "\"narrow\"") + "when = \"NEW.id > 1\"\n";
    sandbox.write("triggers.toml", spec(&narrower));
    let found = hazards(&sandbox, live);
    assert!(
        found
            .iter()
            .any(|hazard| hazard.ends_with("drops_protection high")),
        "{found:?}"
    );
}

fn a_plain_create_is_never_grave(live: &mut dyn Live) {
    live.batch("INSERT INTO users VALUES (1, 'a', 1);");
    let sandbox = sandbox(&(guard("[\"insert\"]") + &audit("age_log") + &counter()));
    assert_eq!(hazards(&sandbox, live), ["guard existing_rows low"]);
    let plan = sandbox.on(live, &["plan"]).ok().never_says(&["hazard"]);
    assert!(
        plan.stdout.lines().all(|line| line.chars().count() <= 80),
        "{plan}"
    );
    let plan = sandbox
        .on(live, &["plan", "-v"])
        .ok()
        .says(&["low hazard existing_rows: ", "locks "]);
    assert!(
        plan.stdout.lines().all(|line| line.chars().count() <= 80),
        "{plan}"
    );
    let lock = match live.dialect() {
        "sqlite" => "locks users: the write lock of the whole file (file of",
        "postgres" => "locks public.users: SHARE ROW EXCLUSIVE (",
        _ => "LOCK TABLES … WRITE (about 1 row, ",
    };
    assert!(plan.stdout.replace("\n    ", " ").contains(lock), "{plan}");
    sandbox.on(live, &["apply", "--yes"]).ok();
    // To replace one is as little.
    let changed = guard("[\"insert\"]").replace("'no'", "'never'");
    sandbox.write(
        "triggers.toml",
        spec(&(changed + &audit("age_log") + &counter())),
    );
    let found = hazards(&sandbox, live);
    assert!(
        !found
            .iter()
            .any(|hazard| hazard.ends_with("high") || hazard.ends_with("medium")),
        "{found:?}"
    );
    sandbox
        .on(live, &["apply", "--yes"])
        .ok()
        .never_says(&["hazard"]);
    sandbox
        .on(live, &["plan", "--detailed-exitcode"])
        .ok()
        .never_says(&["hazard"]);
}

fn a_saved_plan_keeps_its_hazards(live: &mut dyn Live) {
    let sandbox = from_to(live, &guard("[\"insert\"]"), "");
    sandbox
        .on(live, &["plan", "--out", "plan.json"])
        .ok()
        .says(&["apply plan.json", "--allow drops_protection:users.guard"]);
    let before = live.everything();
    sandbox
        .on(live, &["apply", "plan.json", "--yes"])
        .code(3)
        .says(&["hazard drops_protection"]);
    // Not to be talked out of it: the digest covers what is said.
    let edited = sandbox.read("plan.json").replace("\"high\"", "\"low\"");
    sandbox.write("edited.json", edited);
    sandbox
        .on(live, &["apply", "edited.json", "--yes"])
        .code(1)
        .says(&["changed after it was saved"]);
    // Nor by a plan of a version that knew of no severities.
    let old =
        sandbox
            .read("plan.json")
            .replacen("\"format_version\": 2", "\"format_version\": 1", 1);
    sandbox.write("old.json", old);
    sandbox
        .on(live, &["apply", "old.json", "--yes"])
        .code(1)
        .says(&["format 1", "make the plan again"]);
    assert_eq!(before, live.everything());
    let script = sandbox.on(live, &["plan", "--format", "sql"]).ok().stdout;
    assert!(
        script.contains("\n-- high hazard drops_protection: a guard is dropped"),
        "{script}"
    );
    assert!(script.contains("\n-- locks "), "{script}");
    sandbox
        .on(
            live,
            &[
                "apply",
                "plan.json",
                "--yes",
                "--allow",
                "drops_protection:guard",
            ],
        )
        .ok();
}

fn a_rollback_takes_what_it_brought(live: &mut dyn Live) {
    let sandbox = from_to(live, &counter(), &(counter() + &guard("[\"insert\"]")));
    sandbox.on(live, &["apply", "--yes"]).ok();
    sandbox
        .on(
            live,
            &["rollback", "--yes", "--allow", "blocks_readers:nothing"],
        )
        .ok()
        .says(&[
            "medium hazard drops_protection",
            "`--allow blocks_readers:nothing` allows nothing",
        ]);
    sandbox
        .on(live, &["rollback", "--yes", "--allow", "nonsense"])
        .code(64);
}

/// What was live fitted the tables, which have changed since: every write would fail from then on.
fn a_rollback_to_what_fails_is_refused(live: &mut dyn Live) {
    // A body that is another one, and a trigger that is gone.
    for after in [audit("other_log"), counter()] {
        for alter in [
            "ALTER TABLE age_log RENAME TO old_log",
            "DROP TABLE age_log",
        ] {
            let sandbox = from_to(live, &audit("age_log"), &after);
            let flags = ["--allow", "drops_protection"];
            sandbox
                .on(live, &["apply", "--yes", flags[0], flags[1]])
                .ok();
            live.batch(alter);
            let before = live.everything();
            let run = sandbox.on(live, &["rollback", "--yes"]).code(3).says(&[
                "high hazard would_fail",
                "age_log",
                "--allow would_fail:",
            ]);
            assert_eq!(before, live.everything(), "something was changed\n{run}");
            let json = sandbox
                .on(live, &["rollback", "--yes", "--format", "json"])
                .code(3)
                .json();
            assert!(
                json["error"]
                    .to_string()
                    .contains("would fail when it fires"),
                "{json}"
            );

            // In an emergency it is the way back all the same.
            sandbox
                .on(live, &["rollback", "--yes", "--allow", "would_fail"])
                .ok();
            live.run("INSERT INTO users (id, age) VALUES (1, 1)");
            let fails = live.run("UPDATE users SET age = 2");
            assert!(fails.starts_with("error: "), "{fails}");
            // The next one is another migration; with the table it fits again.
            live.batch("CREATE TABLE age_log (user_id integer, age integer)");
            sandbox
                .on(live, &["rollback", "--yes", "--allow", "drops_protection"])
                .ok()
                .never_says(&["would_fail"]);
            sandbox.on(live, &["rollback", "--to", "0", "--yes"]).ok();
            live.batch("DELETE FROM users; DROP TABLE IF EXISTS old_log");
        }
    }
}

fn what_comes_back_and_fits_is_no_hazard(live: &mut dyn Live) {
    let allowing = audit("age_log")
        + "allow = { rule = \"missing_reference\", reason = \"it comes at night\" }\n";
    let sandbox = from_to(live, &(counter() + &allowing), &allowing);
    sandbox.on(live, &["apply", "--yes"]).ok();
    sandbox
        .on(live, &["rollback", "--yes"])
        .ok()
        .never_says(&["would_fail"]);
    sandbox
        .on(live, &["rollback", "--to", "0", "--yes"])
        .ok()
        .never_says(&["would_fail"]);
    // The spec says that it may fail.
    live.batch("DROP TABLE age_log");
    sandbox.on(live, &["rollback", "--yes"]).ok();
}

fn what_an_allow_says_is_checked(live: &mut dyn Live) {
    let sandbox = sandbox(&counter());
    let before = live.everything();
    for (value, says) in [
        ("drop_protection", "did you mean `drops_protection`?"),
        ("everything", "unknown hazard `everything`"),
        ("", "unknown hazard ``"),
        ("drops_protection:", "names no object"),
        ("drops_protection:[", "not a pattern"),
    ] {
        sandbox
            .on(live, &["apply", "--yes", "--allow", value])
            .code(64)
            .says(&[says]);
    }
    // Both mistakes at once.
    sandbox
        .on(live, &["apply", "--yes", "--allow", "a", "--allow", "b"])
        .code(64)
        .says(&[
            "unknown hazard `a`",
            "unknown hazard `b`",
            "the hazards are blocks_writers",
        ]);
    assert_eq!(before, live.everything());
    sandbox
        .on(live, &["apply", "--yes", "--allow", "drops_protection"])
        .ok()
        .says(&["`--allow drops_protection` allows nothing: this plan has no such hazard."]);
    sandbox
        .on(live, &["apply", "--yes", "--allow", "drops_protection"])
        .ok()
        .says(&["allows nothing", "Nothing to do"]);
}

// --- PostgreSQL -----------------------------------------------------------------------------------------------------

/// The hazards of one kind, with their messages.
fn of_kind(sandbox: &Sandbox, live: &dyn Live, kind: &str) -> Vec<(String, String)> {
    let plan = sandbox.on(live, &["plan", "--format", "json"]).ok().json();
    let changes = plan["changes"].as_array().unwrap();
    changes
        .iter()
        .flat_map(|change| change["hazards"].as_array().unwrap())
        .filter(|hazard| hazard["kind"] == kind)
        .map(|hazard| {
            let word = |key: &str| hazard[key].as_str().unwrap().to_owned();
            (word("severity"), word("message"))
        })
        .collect()
}

/// What the statistics would say of a table of this size.
fn pretend_rows(live: &mut Postgres, rows: i64) {
    live.batch(&format!(
        "UPDATE pg_class SET reltuples = {rows}, relpages = 1 WHERE oid = 'users'::regclass"
    ));
}

#[test]
fn a_hard_lock_on_a_huge_table_is_refused() {
    let mut live = tables(Postgres::new());
    let sandbox = from_to(&mut live, &counter(), "");
    for (rows, severity) in [
        (900_000, "low"),
        (1_500_000, "medium"),
        (25_000_000, "high"),
    ] {
        pretend_rows(&mut live, rows);
        let found = of_kind(&sandbox, &live, "blocks_readers");
        assert_eq!(found.len(), 1, "{found:?}");
        assert_eq!(found[0].0, severity, "{rows}: {found:?}");
    }
    sandbox.on(&live, &["plan", "-v"]).ok().says(&[
        "locks public.users: ACCESS EXCLUSIVE (about 25,000,000 rows",
        "high hazard blocks_readers: readers and writers of public.users (about",
    ]);
    // The weaker lock of a plain create or replace is not, on the same table.
    sandbox.write("triggers.toml", spec(&(counter() + &guard("[\"insert\"]"))));
    assert_eq!(of_kind(&sandbox, &live, "blocks_readers"), []);
    assert_eq!(of_kind(&sandbox, &live, "blocks_writers")[0].0, "low");
    sandbox.on(&live, &["apply", "--yes"]).ok();
    let without_counter = guard("[\"insert\"]");
    sandbox.write("triggers.toml", spec(&without_counter));
    refused(&sandbox, &mut live, "--allow blocks_readers:users.counter");
}

#[test]
fn one_hard_lock_a_table_is_said_once() {
    let mut live = tables(Postgres::new());
    let second = counter().replace("\"counter\"", "\"second\"");
    let sandbox = from_to(&mut live, &(counter() + &second), "");
    pretend_rows(&mut live, 25_000_000);
    assert_eq!(of_kind(&sandbox, &live, "blocks_readers").len(), 1);
    sandbox
        .on(
            &live,
            &["apply", "--yes", "--allow", "blocks_readers:users"],
        )
        .ok();
}

#[test]
fn a_busy_table_is_said_to_be() {
    let mut live = tables(Postgres::new());
    let sandbox = from_to(&mut live, &counter(), "");
    let mut readers: Vec<_> = (0..5).map(|_| live.connect()).collect();
    for (index, reader) in readers.iter_mut().enumerate() {
        assert_eq!(
            of_kind(&sandbox, &live, "blocks_readers")[0].0,
            "low",
            "{index} readers"
        );
        reader.batch_execute("BEGIN; SELECT * FROM users").unwrap();
    }
    let found = of_kind(&sandbox, &live, "blocks_readers");
    assert!(
        found[0].0 == "high" && found[0].1.contains("5 sessions"),
        "{found:?}"
    );
    // Readers are not in the way of the weaker lock.
    sandbox.write("triggers.toml", spec(&(counter() + &guard("[\"insert\"]"))));
    assert_eq!(of_kind(&sandbox, &live, "blocks_writers")[0].0, "low");
    for reader in &mut readers {
        reader.batch_execute("UPDATE users SET age = 1").unwrap();
    }
    assert_eq!(of_kind(&sandbox, &live, "blocks_writers")[0].0, "medium");
}

#[test]
fn a_long_transaction_is_named() {
    let mut live = tables(Postgres::new());
    let sandbox = from_to(&mut live, &counter(), "");
    let mut reader = live.connect();
    reader
        .batch_execute("SET application_name = 'report'; BEGIN; SELECT * FROM users")
        .unwrap();
    // A moment is not long.
    assert_eq!(
        of_kind(&sandbox, &live, "waits_behind_long_transactions"),
        []
    );
    std::thread::sleep(std::time::Duration::from_millis(5500));
    let found = of_kind(&sandbox, &live, "waits_behind_long_transactions");
    assert_eq!(found.len(), 1, "{found:?}");
    let (severity, message) = &found[0];
    assert!(
        severity == "high"
            && message.contains("application `report`")
            && message.contains("public.users"),
        "{found:?}"
    );
    sandbox
        .on(&live, &["apply", "--yes", "--wait", "0"])
        .code(3)
        .says(&["waits_behind_long_transactions"]);
    // A reader is not in the way of a plain create; a writer is, of other writers alone.
    sandbox.write("triggers.toml", spec(&(counter() + &guard("[\"insert\"]"))));
    assert_eq!(
        of_kind(&sandbox, &live, "waits_behind_long_transactions"),
        []
    );
    reader
        .batch_execute("INSERT INTO users VALUES (7, 'x', 1)")
        .unwrap();
    let found = of_kind(&sandbox, &live, "waits_behind_long_transactions");
    assert_eq!(
        found
            .iter()
            .map(|(severity, _)| severity.as_str())
            .collect::<Vec<_>>(),
        ["medium"]
    );
    // Another table's is nobody's business here.
    reader
        .batch_execute("ROLLBACK; BEGIN; SELECT * FROM totals")
        .unwrap();
    assert_eq!(
        of_kind(&sandbox, &live, "waits_behind_long_transactions"),
        []
    );
}

#[test]
fn a_table_that_is_locked_is_not_waited_for() {
    let mut live = tables(Postgres::new());
    let sandbox = from_to(&mut live, &counter(), "");
    live.batch("INSERT INTO users (id) VALUES (777)");
    let mut holder = live.connect();
    holder
        .batch_execute("BEGIN; LOCK TABLE users IN ACCESS EXCLUSIVE MODE")
        .unwrap();
    let start = std::time::Instant::now();
    let plan = sandbox.on(&live, &["plan", "--format", "json"]).ok().json();
    assert!(start.elapsed() < std::time::Duration::from_secs(20));
    // The size as of the last VACUUM, of which there was none: the first page of the index.
    let size = &plan["changes"][0]["locks"][0]["size"];
    assert_eq!(size["bytes"], 8192, "{plan}");
    holder
        .batch_execute("ROLLBACK; BEGIN; LOCK TABLE totals IN ACCESS EXCLUSIVE MODE")
        .unwrap();
    let plan = sandbox.on(&live, &["plan", "--format", "json"]).ok().json();
    let size = &plan["changes"][0]["locks"][0]["size"];
    assert!(size["bytes"].as_u64().unwrap() > 8192, "{plan}");
}

#[test]
fn every_partition_is_locked() {
    let mut live = Postgres::new();
    live.batch(
        "CREATE TABLE users (id integer, age integer) PARTITION BY LIST (id);
         CREATE TABLE totals (users integer);
         CREATE TABLE users_1 PARTITION OF users FOR VALUES IN (1);
         CREATE TABLE users_2 PARTITION OF users FOR VALUES IN (2);",
    );
    let sandbox = sandbox(&counter());
    let found = of_kind(&sandbox, &live, "locks_partitions");
    assert!(
        found.len() == 1 && found[0].0 == "low" && found[0].1.contains("2 partitions"),
        "{found:?}"
    );
    // A statement's trigger is on the parent alone.
    sandbox.write(
        "triggers.toml",
        spec(&(counter() + "for_each = \"statement\"\n")),
    );
    assert_eq!(of_kind(&sandbox, &live, "locks_partitions"), []);
    for number in 3..=100 {
        live.batch(&format!(
            "CREATE TABLE users_{number} PARTITION OF users FOR VALUES IN ({number});"
        ));
    }
    sandbox.write("triggers.toml", spec(&counter()));
    let found = of_kind(&sandbox, &live, "locks_partitions");
    assert!(
        found[0].0 == "medium" && found[0].1.contains("100 partitions"),
        "{found:?}"
    );
}

const SHARED: &str = "[[function]]\nname = \"touch\"\nbody = \"BEGIN NEW.age := 1; RETURN NEW; END\"\n\n\
    [[trigger]]\nname = \"touch\"\ntable = \"users\"\ntiming = \"before\"\nevents = [\"insert\"]\n\
    postgres = { function = \"touch\" }\n";

#[test]
fn a_function_that_others_call_is_refused() {
    let mut live = tables(Postgres::new());
    let changed = SHARED.replace(":= 1", ":= 2");
    let sandbox = from_to(&mut live, SHARED, &changed);
    // Called by its own trigger alone, it is nobody else's business.
    assert_eq!(of_kind(&sandbox, &live, "shared_function"), []);
    live.batch(
        "CREATE SCHEMA elsewhere; CREATE TABLE elsewhere.t (age integer);
         CREATE TRIGGER theirs BEFORE INSERT ON elsewhere.t FOR EACH ROW EXECUTE FUNCTION touch();",
    );
    let found = of_kind(&sandbox, &live, "shared_function");
    assert!(
        found.len() == 1 && found[0].1.contains("theirs on elsewhere.t"),
        "{found:?}"
    );
    // What it does stays the same with another comment.
    sandbox.write(
        "triggers.toml",
        spec(&SHARED.replace("\n\n[[trigger]]", "\ndescription = \"x\"\n\n[[trigger]]")),
    );
    assert_eq!(of_kind(&sandbox, &live, "shared_function"), []);
    sandbox.write("triggers.toml", spec(&changed));
    refused(&sandbox, &mut live, "--allow shared_function:public.touch");
}

#[test]
fn a_trigger_that_is_disabled_protects_nothing() {
    let mut live = tables(Postgres::new());
    let state = |state: &str| {
        guard("[\"insert\"]") + &format!("[trigger.postgres]\nenabled = \"{state}\"\n")
    };
    let sandbox = from_to(&mut live, &state("always"), &state("disabled"));
    assert_eq!(hazards(&sandbox, &live), ["guard drops_protection high"]);
    sandbox.write("triggers.toml", spec(&state("origin")));
    assert_eq!(hazards(&sandbox, &live), ["guard drops_protection medium"]);
    sandbox.write("triggers.toml", spec(&state("disabled")));
    sandbox
        .on(&live, &["apply", "--yes", "--allow", "drops_protection:*"])
        .ok();
    // What does not fire can go.
    sandbox.write("triggers.toml", spec(""));
    assert_eq!(hazards(&sandbox, &live), [""; 0]);
    sandbox.on(&live, &["apply", "--yes"]).ok();
}

#[test]
fn a_function_of_another_language_is_not_guessed_at() {
    let mut live = tables(Postgres::new());
    // A C function of the server's own, which nobody can look into.
    let foreign = trigger(
        "foreign",
        "timing = \"before\"; events = [\"update\"]; \
         postgres = { function = \"pg_catalog.suppress_redundant_updates_trigger\" }",
    );
    let sandbox = from_to(&mut live, &foreign, "");
    assert_eq!(hazards(&sandbox, &live), [""; 0]);
    sandbox.on(&live, &["apply", "--yes"]).ok();
}

#[test]
fn guards_and_audits_of_every_shape() {
    for (keys, expected) in [
        // Rows are skipped in silence.
        (
            "timing = \"before\"; events = [\"delete\"]; body = \"RETURN NULL;\"",
            true,
        ),
        // The same words in an AFTER trigger say nothing.
        (
            "timing = \"after\"; events = [\"delete\"]; body = \"RETURN NULL;\"",
            false,
        ),
        // Rows of the whole statement.
        (
            "timing = \"after\"; events = [\"update\"]; for_each = \"statement\"; \
             postgres = { referencing = { old_table = \"gone\" } }; \
             body = \"INSERT INTO age_log SELECT id, age FROM gone\"",
            true,
        ),
        // TRUNCATE has no rows.
        (
            "timing = \"after\"; events = [\"truncate\"]; for_each = \"statement\"; \
             body = \"INSERT INTO age_log VALUES (0, 0)\"",
            true,
        ),
        // The table is named at run time.
        (
            "timing = \"after\"; events = [\"update\"]; \
             body = \"EXECUTE format('INSERT INTO %I VALUES ($1.id, 1)', 'age_log') USING OLD\"",
            true,
        ),
    ] {
        let mut live = tables(Postgres::new());
        let sandbox = from_to(&mut live, &trigger("shape", keys), "");
        let grave = hazards(&sandbox, &live) == ["shape drops_protection high"];
        assert_eq!(grave, expected, "{keys}");
    }
}

#[test]
fn a_new_name_may_change_the_order() {
    let mut live = tables(Postgres::new());
    let named =
        |name: &str, also: &str| counter().replace("\"counter\"", &format!("\"{name}\"{also}"));
    let sandbox = from_to(
        &mut live,
        &(named("b", "") + &named("m", "")),
        &(named("z", "\nrenamed_from = \"b\"") + &named("m", "")),
    );
    let found = of_kind(&sandbox, &live, "changes_firing_order");
    assert!(
        found.len() == 1 && found[0].0 == "medium" && found[0].1.ends_with("with m"),
        "{found:?}"
    );
    sandbox.write(
        "triggers.toml",
        spec(&(named("c", "\nrenamed_from = \"b\"") + &named("m", ""))),
    );
    assert_eq!(of_kind(&sandbox, &live, "changes_firing_order"), []);
}

#[test]
fn what_was_done_by_hand_and_what_is_taken_over() {
    let mut live = tables(Postgres::new());
    let sandbox = from_to(&mut live, &counter(), &counter());
    live.batch("ALTER TABLE users DISABLE TRIGGER counter");
    assert_eq!(
        hazards(&sandbox, &live),
        ["counter undoes_manual_change low"]
    );
    sandbox
        .on(&live, &["apply", "--yes"])
        .ok()
        .never_says(&["undoes_manual_change"]);
    live.batch(
        "CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';
         CREATE TRIGGER audit AFTER UPDATE ON users FOR EACH ROW EXECUTE FUNCTION f();",
    );
    sandbox.write("triggers.toml", spec(&(counter() + &audit("age_log"))));
    let plan = sandbox
        .on(&live, &["plan", "--adopt", "--format", "json"])
        .ok()
        .stdout;
    assert!(plan.contains("\"takes_over\""), "{plan}");
    sandbox.on(&live, &["apply", "--adopt", "--yes"]).ok();
}

// --- SQLite ---------------------------------------------------------------------------------------------------------

#[test]
fn an_older_sqlite_is_thought_of() {
    let live = tables(Sqlite::new());
    let with = |body: &str| counter().replace("UPDATE totals SET users = users + 1", body);
    let sandbox = sandbox(&with(
        "SELECT RAISE(ABORT, 'no ' || NEW.id) WHERE NEW.age < 0",
    ));
    let found = of_kind(&sandbox, &live, "needs_newer_sqlite");
    assert!(
        found.len() == 1 && found[0].0 == "medium" && found[0].1.contains("before 3.47"),
        "{found:?}"
    );
    sandbox
        .on(&live, &["plan"])
        .ok()
        .says(&["medium hazard needs_newer_sqlite"]);
    sandbox.write(
        "triggers.toml",
        spec(&(counter() + "when = \"NEW.age IS DISTINCT FROM NEW.id\"\n")),
    );
    assert_eq!(of_kind(&sandbox, &live, "needs_newer_sqlite")[0].0, "low");
    // Once it is there, it is no news; nor is a message that is a plain string.
    let newer = "SELECT RAISE(ABORT, 'no ' || NEW.id) WHERE NEW.age < 0";
    sandbox.write("triggers.toml", spec(&with(newer)));
    sandbox.on(&live, &["apply", "--yes"]).ok();
    sandbox.write("triggers.toml", spec(&with(&newer.replace("< 0", "< 1"))));
    assert_eq!(of_kind(&sandbox, &live, "needs_newer_sqlite"), []);
    sandbox.write(
        "triggers.toml",
        spec(&with(
            "SELECT RAISE(ABORT, 'no || NEW.id') WHERE NEW.age < 0",
        )),
    );
    assert_eq!(of_kind(&sandbox, &live, "needs_newer_sqlite"), []);
}

#[test]
fn a_view_that_is_written_through_is_no_audit() {
    let mut live = tables(Sqlite::new());
    live.batch("CREATE VIEW adults AS SELECT * FROM users WHERE age >= 18");
    let through = "[[trigger]]\nname = \"adults\"\ntable = \"adults\"\ntiming = \"instead_of\"\n\
        events = [\"insert\"]\nbody = \"INSERT INTO users VALUES (NEW.id, NEW.name, NEW.age)\"\n";
    let sandbox = from_to(&mut live, through, "");
    assert_eq!(hazards(&sandbox, &live), [""; 0]);
    sandbox.on(&live, &["apply", "--yes"]).ok();
}

#[test]
fn siblings_that_are_made_again_are_named() {
    let mut live = tables(Sqlite::new());
    let second = counter().replace("\"counter\"", "\"second\"");
    let other = counter()
        .replace("\"counter\"", "\"other\"")
        .replace("\"insert\"", "\"delete\"");
    let changed = counter().replace("+ 1", "+ 2");
    let sandbox = from_to(
        &mut live,
        &(counter() + &other),
        &(counter() + &other + &second),
    );
    sandbox.on(&live, &["apply", "--yes"]).ok();
    sandbox.write("triggers.toml", spec(&(changed.clone() + &other + &second)));
    let found = of_kind(&sandbox, &live, "recreates_siblings");
    assert!(
        found.len() == 1 && found[0].0 == "low" && found[0].1.starts_with("`second` is made again"),
        "{found:?}"
    );
    sandbox.on(&live, &["apply", "--yes"]).ok();
    // Alone, it has nobody beside it.
    let sandbox = from_to(&mut live, &(changed + &other), &(counter() + &other));
    assert_eq!(of_kind(&sandbox, &live, "recreates_siblings"), []);
}

// --- the spec of another --------------------------------------------------------------------------------------------

for_each_dialect!(a_spec_of_somebody_elses);

fn a_spec_of_somebody_elses(live: &mut dyn Live) {
    live.batch("CREATE TABLE users (id integer); CREATE TABLE totals (users integer); CREATE TABLE t1 (id integer); CREATE TABLE t2 (id integer)");
    let named = |names: std::ops::Range<usize>| -> Vec<String> {
        let one = |number: usize| {
            let table = ["users", "t1", "t2"][number % 3];
            counter()
                .replace("counter", &format!("counter_{number}"))
                .replace("table = \"users\"", &format!("table = \"{table}\""))
        };
        names.map(one).collect()
    };
    let sandbox = sandbox(&named(0..5).concat());
    sandbox.on(live, &["apply", "--yes"]).ok();
    let others = named(10..12).concat();
    for (spec_of, expected) in [
        (others.clone(), 1),
        (String::new(), 1),
        // One of them is enough, under another name too.
        (named(4..6).concat(), 0),
        (
            others.replacen("[[trigger]]", "[[trigger]]\nrenamed_from = 'counter_1'", 1),
            0,
        ),
    ] {
        sandbox.write("triggers.toml", spec(&spec_of));
        let found = of_kind(&sandbox, live, "another_spec");
        assert_eq!(found.len(), expected, "{found:?}\n{spec_of}");
    }
    sandbox.write("triggers.toml", spec(&others));
    let run = refused(&sandbox, live, "--allow another_spec:t1.counter_1");
    run.says(&["none of the 5 triggers that are recorded here, on 3 tables,"]);
    let part = [
        "apply",
        "--yes",
        "--target",
        "users.*",
        "--allow",
        "stops_upkeep",
    ];
    sandbox.on(live, &part).ok().never_says(&["another_spec"]);
    // Of two tables nothing is said.
    assert_eq!(of_kind(&sandbox, live, "another_spec"), []);
}

// --- logical replication --------------------------------------------------------------------------------------------

/// A server on which databases can be replicated.
fn replicating() -> Server {
    let mut server = Server::new();
    let mut client = common::postgres::connect(&server.url());
    client
        .batch_execute("ALTER SYSTEM SET wal_level = logical")
        .unwrap();
    drop(client);
    server.stop();
    server.start();
    server
}

/// Replicate all tables of the one into the other, which is on the same server; with the same tables in both.
fn subscribe(publisher: &mut Postgres, subscriber: &mut Postgres) {
    publisher.batch("SELECT pg_create_logical_replication_slot('slot', 'pgoutput')");
    let place = publisher.url();
    let place = place
        .split_once("?host=")
        .and_then(|(_, rest)| rest.split_once("&port="));
    let (folder, port) = place.unwrap();
    subscriber.batch(&format!(
        "CREATE SUBSCRIPTION s CONNECTION 'host={folder} port={port} user=postgres dbname={}' PUBLICATION p
         WITH (create_slot = false, slot_name = 'slot')",
        publisher.name()
    ));
}

/// Wait until a row of the publisher's has come to the subscriber.
fn comes_over(publisher: &mut Postgres, subscriber: &mut Postgres, user: u32) {
    publisher.batch(&format!("INSERT INTO users VALUES ({user}, 'x', 1)"));
    let asked = format!("SELECT count(*) FROM users WHERE id = {user}");
    common::eventually("the row is replicated", || {
        subscriber.run(&asked).trim() == "1"
    });
}

#[test]
fn what_would_stop_replication_is_refused() {
    let server = replicating();
    let mut publisher = tables(Postgres::on(&server.url()));
    let mut subscriber = tables(Postgres::on(&server.url()));
    // Without that, no row of it can be changed once it is published.
    publisher
        .batch("ALTER TABLE totals REPLICA IDENTITY FULL; CREATE PUBLICATION p FOR ALL TABLES");
    let sandbox = sandbox(&audit("age_log"));
    // Nobody reads yet.
    assert_eq!(of_kind(&sandbox, &publisher, "stops_replication"), []);
    subscribe(&mut publisher, &mut subscriber);
    comes_over(&mut publisher, &mut subscriber, 1);
    sandbox.on(&publisher, &["apply", "--yes"]).code(3).says(&[
        "publication `p` takes in what is made here",
        "triggerctl.objects",
    ]);

    // The way out that the manual names.
    let script = sandbox
        .on(&publisher, &["plan", "--format", "sql"])
        .ok()
        .stdout;
    for statement in ["CREATE SCHEMA", "CREATE TABLE"] {
        for (at, _) in script.match_indices(statement) {
            let statement = script[at..].split_once(";\n").unwrap().0;
            subscriber.batch(statement);
        }
    }
    let allow = ["apply", "--yes", "--allow", "stops_replication"];
    sandbox.on(&publisher, &allow).ok();
    comes_over(&mut publisher, &mut subscriber, 2);
    // From now on no table is made.
    sandbox.write("triggers.toml", spec(&(audit("age_log") + &counter())));
    sandbox.on(&publisher, &["apply", "--yes"]).ok();
    comes_over(&mut publisher, &mut subscriber, 3);

    // What comes from the publisher is no history of the subscriber's own.
    subscriber.batch("ALTER SUBSCRIPTION s REFRESH PUBLICATION");
    common::eventually("the history is replicated", || {
        subscriber
            .run("SELECT count(*) FROM triggerctl.migrations")
            .trim()
            == "2"
    });
    sandbox
        .on(&subscriber, &["apply", "--yes"])
        .code(3)
        .says(&["the rows of the history come from a publication here"]);
    let own = spec(&audit("age_log")) + "\n[database]\nhistory_schema = \"here\"\n";
    sandbox.write("triggers.toml", own);
    sandbox.on(&subscriber, &["apply", "--yes"]).ok();
    sandbox.write("triggers.toml", spec(&audit("age_log")));
    let back = ["apply", "--yes", "--allow", "stops_upkeep"];
    sandbox.on(&publisher, &back).ok();
    comes_over(&mut publisher, &mut subscriber, 4);

    subscriber.batch("ALTER SUBSCRIPTION s DISABLE");
    subscriber.batch("ALTER SUBSCRIPTION s SET (slot_name = NONE)");
    subscriber.batch("DROP SUBSCRIPTION s");
    // Tables that are published by name are no concern of a migration's.
    publisher.batch(
        "DROP PUBLICATION p; CREATE PUBLICATION p FOR TABLE users; DROP SCHEMA triggerctl CASCADE",
    );
    assert_eq!(of_kind(&sandbox, &publisher, "stops_replication"), []);
}

// --- MySQL and MariaDB ----------------------------------------------------------------------------------------------

/// All statements on a table run while it is held, whatever stands between them in the plan.
#[test]
fn a_gap_is_said_where_there_can_be_one() {
    let mut live = tables(Mysql::new());
    live.batch("CREATE TABLE between_them (id integer);");
    let elsewhere = "[[trigger]]\nname = \"NAME\"\ntable = \"between_them\"\ntiming = \"after\"\nevents = [\"insert\"]\nbody = \"UPDATE totals SET users = 1\"\n\n";
    let audit = audit("age_log");
    let one = elsewhere.replace("NAME", "one");
    let sandbox = from_to(
        &mut live,
        &(one.clone() + &audit),
        &(elsewhere.replace("NAME", "two") + &audit.replace("\"audit\"", "\"records\"")),
    );
    assert_eq!(of_kind(&sandbox, &live, "gap_in_protection"), []);
    // It is dropped with the others, and comes back after another table was worked on.
    let (role, url) = without_locks(&mut live);
    let plan = sandbox.run(&["--url", &url, "plan", "--format", "json"]);
    let text = plan.ok().stdout;
    assert!(text.contains("this role may not LOCK TABLES"), "{text}");
    sandbox
        .run(&["--url", &url, "apply", "--yes"])
        .code(3)
        .says(&["--allow gap_in_protection:users.audit"]);
    live.batch(&format!("DROP USER {role}@localhost"));
    sandbox.on(&live, &["apply", "--yes"]).ok();
}

/// A role that may make triggers and not lock tables, and its URL.
fn without_locks(live: &mut Mysql) -> (String, String) {
    let (name, role) = (
        live.name().to_owned(),
        format!("{}_r", live.name().replace("triggerctl_test", "t")),
    );
    live.batch(&format!(
        "CREATE USER {role}@localhost; GRANT SELECT, INSERT, UPDATE, DELETE, CREATE, TRIGGER ON {name}.* TO {role}@localhost"
    ));
    let url = live.url().replace("root@", &format!("{role}@"));
    (role, url)
}

#[test]
fn without_the_right_to_lock_there_is_a_gap() {
    let mut live = tables(Mysql::new());
    let renamed = audit("age_log").replace("\"audit\"", "\"records\"\nrenamed_from = \"audit\"");
    let sandbox = from_to(&mut live, &audit("age_log"), &renamed);
    assert_eq!(of_kind(&sandbox, &live, "gap_in_protection")[0].0, "low");
    let (role, url) = without_locks(&mut live);
    let plan = sandbox
        .run(&["--url", &url, "plan", "--format", "json"])
        .ok()
        .stdout;
    assert!(plan.contains("this role may not LOCK TABLES"), "{plan}");
    sandbox
        .run(&["--url", &url, "apply", "--yes"])
        .code(3)
        .says(&["--allow gap_in_protection:users.records"]);
    // A replacement in one statement has no gap even so.
    sandbox.write(
        "triggers.toml",
        spec(&audit("age_log").replace("OLD.age)", "OLD.age + 0)")),
    );
    let plan = sandbox
        .run(&["--url", &url, "plan", "--format", "json"])
        .ok()
        .stdout;
    assert!(!plan.contains("gap_in_protection"), "{plan}");
    live.batch(&format!("DROP USER {role}@localhost"));
}

#[test]
fn a_long_transaction_is_named_on_mysql_too() {
    if Engine::Mysql9.is_missing() {
        return;
    }
    let live = tables(Mysql::of(Engine::Mysql9));
    let sandbox = sandbox(&counter());
    let mut reader = live.connect();
    for sql in ["START TRANSACTION", "SELECT * FROM users"] {
        mysql::prelude::Queryable::query_drop(&mut reader, sql).unwrap();
    }
    assert_eq!(
        of_kind(&sandbox, &live, "waits_behind_long_transactions"),
        []
    );
    std::thread::sleep(std::time::Duration::from_millis(6500));
    let found = of_kind(&sandbox, &live, "waits_behind_long_transactions");
    assert!(
        found.len() == 1 && found[0].0 == "high" && found[0].1.contains("connection "),
        "{found:?}"
    );
    drop(reader);
}
