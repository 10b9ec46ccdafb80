//! What only MySQL and MariaDB have: DDL that cannot be undone, session settings that triggers keep, order among
//! triggers, and a catalog that shows nothing without a privilege.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "../common/mod.rs"]
mod common;

mod apart;
mod commands;
mod connect;
mod copies;
mod fake;
mod journal;
mod kills;
mod modes;
mod names;
mod order;
mod privileges;
mod proxy;
mod text;

use std::fmt::Write as _;

use common::mysql::{Engine, Mysql};
use common::{Live, Sandbox};
use libtest_mimic::{Arguments, Trial};

type Test = fn(Engine);

fn main() {
    let tests = [
        apart::TESTS,
        commands::TESTS,
        connect::TESTS,
        copies::TESTS,
        journal::TESTS,
        kills::TESTS,
        modes::TESTS,
        names::TESTS,
        order::TESTS,
        privileges::TESTS,
        text::TESTS,
    ]
    .concat();
    // These start a server of their own.
    let server_tests = [
        connect::SERVER_TESTS,
        kills::SERVER_TESTS,
        privileges::SERVER_TESTS,
    ]
    .concat();
    let mut trials = vec![];
    for engine in Engine::ALL {
        for &(name, test) in &tests {
            let trial = Trial::test(format!("{name}::{}", engine.name()), move || {
                test(engine);
                Ok(())
            });
            trials.push(trial.with_ignored_flag(engine.is_missing()));
        }
        for &(name, test) in &server_tests {
            let trial = Trial::test(format!("{name}::{}", engine.name()), move || {
                test(engine);
                Ok(())
            });
            trials.push(trial.with_ignored_flag(engine.has_no_programs()));
        }
    }
    libtest_mimic::run(&Arguments::from_args(), trials).exit();
}

/// A trigger that counts what comes in.
fn counting(table: &str, name: &str, step: u32) -> String {
    format!(
        "[[trigger]]\nname = \"{name}\"\ntable = \"{table}\"\ntiming = \"after\"\nevents = [\"insert\"]\n\
         body = \"INSERT INTO log VALUES ('{name} {step}');\"\n\n"
    )
}

fn spec(triggers: &str) -> Sandbox {
    Sandbox::with_spec(&format!("version = 1\n\n{triggers}"))
}

fn tables(live: &mut Mysql, count: usize) {
    let mut sql = "CREATE TABLE log (what varchar(200)) ENGINE = InnoDB;".to_owned();
    for number in 0..count {
        let _ = write!(sql, "CREATE TABLE t{number} (id integer);");
    }
    live.batch(sql.trim_end_matches(';'));
}

fn empty_plan(sandbox: &Sandbox, live: &dyn Live) {
    let plan = sandbox
        .on(live, &["plan", "--format", "json", "--detailed-exitcode"])
        .ok();
    assert_eq!(plan.json()["changes"], serde_json::json!([]), "{plan}");
}
