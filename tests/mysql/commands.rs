//! Every command as a person uses it.

use std::fmt::Write as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use mysql::prelude::Queryable;

use crate::common::mysql::{Engine, Mysql, connect};
use crate::common::{self, Live, Sandbox};
use crate::{Test, counting, empty_plan, spec, tables};

pub(crate) const TESTS: &[(&str, Test)] = &[("a_script_does_the_same", a_script_does_the_same)];

fn a_script_does_the_same(engine: Engine) {
    let mut live = Mysql::of(engine);
    tables(&mut live, 1);
    let sandbox = spec(&counting("t0", "a", 1));
    let sql = sandbox.on(&live, &["plan", "--format", "sql"]).ok().stdout;
    common::script(&live, &sql).ok();
    assert!(live.snapshot().contains("'a 1'"));
    assert_eq!(live.versions(), ["1 applied"]);
    sandbox.on(&live, &["check"]).ok();
    // The same script a second time stops before it has done anything.
    let run = common::script(&live, &sql);
    assert_ne!(run.code, Some(0), "{run}");
}
