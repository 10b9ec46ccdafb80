//! A walk, and what must hold at each step of it.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::process::Stdio;
use std::time::{Duration, Instant};

use crate::Engine;
use crate::common::{self, Live, MEANT, Run, Sandbox, assert_same};
use crate::dumps;
use crate::proxy::Proxy;
use crate::specs::{FILE, Spec, written};
use crate::state::State;
use crate::steps::{ALTERS, MAKES, MOVED, Step, TARGETS, TRIED, WRITES, Way, by_hand, keep, lose};

/// What was live before and after a migration, and how many alterations of the tables came before it.
#[derive(Clone)]
struct Version {
    before: State,
    after: State,
    altered: usize,
}

/// A plan, what was live when it was made, and what was after it.
struct Plan {
    text: String,
    before: State,
    after: State,
}

/// What was there when a dump was made.
struct Dump {
    text: String,
    state: State,
    altered: Vec<String>,
    versions: BTreeMap<i64, Version>,
}

pub(crate) struct Walk {
    engine: Engine,
    live: Box<dyn Live>,
    sandbox: Sandbox,
    /// What was done to the tables.
    altered: Vec<String>,
    versions: BTreeMap<i64, Version>,
    /// The specs until now, as they are written for any database.
    specs: Vec<String>,
    /// Where what is meant was made, where nothing was.
    fresh: Option<Box<dyn Live>>,
    /// A rollback was the last that happened: what had been changed by hand is so again.
    is_back: bool,
    /// What there is, is what the spec says.
    has_arrived: bool,
    plans: Vec<Plan>,
    dump: Option<Dump>,
    /// What was dropped by hand with a table that was renamed.
    swept: Vec<String>,
    /// How often somebody looked.
    looks: usize,
    trail: String,
}

/// Walk these steps from this spec on; then import what there is.
pub(crate) fn walk(engine: Engine, first: &Spec, steps: &[Step]) {
    let mut walk = Walk {
        engine,
        live: engine.open(),
        sandbox: Sandbox::new(),
        altered: vec![],
        versions: BTreeMap::new(),
        specs: vec![],
        fresh: None,
        is_back: false,
        has_arrived: false,
        plans: vec![],
        dump: None,
        swept: vec![],
        looks: 0,
        trail: String::new(),
    };
    walk.spec(written(first, engine.dialect()));
    walk.has_arrived = walk.arrives();
    for step in steps {
        walk.step(step);
        walk.has_arrived = walk.arrives();
        walk.sweeps();
        if walk.has_arrived {
            walk.writes();
        }
    }
    walk.imports();
}

impl Walk {
    fn spec(&mut self, text: String) {
        let _ = writeln!(self.trail, "spec:\n{text}");
        let here = self.engine.spec_for(&text, &mut *self.live);
        write_files(&self.sandbox, &here);
        self.specs.push(text);
    }

    fn step(&mut self, step: &Step) {
        match step {
            Step::Spec(spec, way) => {
                self.spec(written(spec, self.engine.dialect()));
                self.takes(way);
            }
            Step::Older(which) => {
                let text = self.specs[which % self.specs.len()].clone();
                self.spec(text);
            }
            Step::Write(which) => {
                let answer = self.live.run(WRITES[*which]);
                let _ = writeln!(self.trail, "{}\n{answer}", WRITES[*which]);
            }
            Step::Stranger(which) => self.stranger(*which),
            Step::OldPlan(which) => self.old_plan(*which),
            Step::Forth(which) => {
                if let Some((last, _)) = self.versions.last_key_value() {
                    let last = *last;
                    let to = i64::try_from(*which).unwrap() % last;
                    self.is_back = false;
                    self.back(to, &["--to", &to.to_string()]);
                    if self.is_back && self.versions.contains_key(&(last + 1)) {
                        self.back(last, &["--to", &last.to_string()]);
                    }
                }
            }
            Step::Keep(which) => self.keep(*which),
            Step::Lose(which) => self.lose(*which),
            Step::Import => self.import(),
            Step::Dump => self.dump = self.dump(),
            Step::Restore => self.restore(),
            Step::Hand(what, which) => self.by_hand(*what, *which),
            Step::Alter(which) => self.alter(*which),
            Step::Back => {
                if let Some((last, _)) = self.versions.last_key_value() {
                    self.back(*last - 1, &[]);
                }
            }
            Step::BackTo(which) => {
                if let Some((last, _)) = self.versions.last_key_value() {
                    let to = i64::try_from(*which).unwrap() % last;
                    self.back(to, &["--to", &to.to_string()]);
                }
            }
        }
    }

    fn by_hand(&mut self, what: usize, which: usize) {
        for sql in by_hand(&mut *self.live, what, which) {
            let answer = self.live.run(&sql);
            let _ = writeln!(self.trail, "by hand: {sql}\n{answer}");
            if answer.starts_with("error: ") {
                break;
            }
        }
    }

    fn alter(&mut self, which: usize) {
        // A table that is gone comes back first, the same or another.
        let back = [10, 20, 22, 48];
        let is_gone = self
            .live
            .run("SELECT count(*) FROM u")
            .starts_with("error: ");
        let which = match back.get(which % back.len()) {
            Some(back) if is_gone => *back,
            _ => which,
        };
        if ALTERS[which] == ["ALTER TABLE other.u SET SCHEMA public"] {
            // Its triggers would be nobody's in a place of which specs speak.
            let moved = self.live.run("SELECT quote_ident(tgname) FROM pg_trigger WHERE tgrelid = to_regclass('other.u') AND NOT tgisinternal");
            for name in moved.lines() {
                self.live.run(&format!("DROP TRIGGER {name} ON other.u"));
            }
        }
        for sql in ALTERS[which] {
            let sql = sql.replace("TIME", self.engine.time());
            let here = self.engine.spec_for(&sql, &mut *self.live);
            let answer = self.live.run(&here);
            let _ = writeln!(self.trail, "{sql}\n{answer}");
            if answer.starts_with("error: ") {
                break;
            }
            self.altered.push(sql);
        }
    }

    /// What nobody asked for, and is not to be in the way of the next step: what was renamed by hand has been seen to be
    /// nobody's, and what went with a renamed table too.
    fn sweeps(&mut self) {
        if self.engine.dialect() != "postgres" {
            return;
        }
        let others = ["t", "u", "parted", "other.w", "\"Odd Täble.x\""];
        for table in others.into_iter().chain(MOVED) {
            self.live
                .run(&format!("DROP TRIGGER IF EXISTS by_hand ON {table}"));
        }
        for schema in ["public", "other", "other2"] {
            self.live
                .run(&format!("DROP FUNCTION IF EXISTS {schema}.by_hand()"));
        }
    }

    fn state(&mut self) -> State {
        State::of(&mut *self.live)
    }

    fn run(&self, arguments: &[&str]) -> Run {
        self.sandbox.on(&*self.live, arguments)
    }

    fn plan(&self) -> Run {
        self.run(&["plan", "--detailed-exitcode", "--format", "json"])
    }

    /// Do what may write migrations, and remember what was live before and after each.
    fn migrates<T>(&mut self, work: impl FnOnce(&mut Self) -> T) -> T {
        let before = self.state();
        let versions = self.live.versions().len();
        let result = work(self);
        let after = self.state();
        let now = self.live.versions().len();
        assert!(now >= versions, "{}", self.trail);
        if now == versions {
            let same = before.exact();
            assert_same(
                &format!("no migration, and yet a trigger\n{}", self.trail),
                &same,
                &after.exact(),
            );
        }
        for version in versions + 1..=now {
            let version = i64::try_from(version).unwrap();
            let _ = writeln!(self.trail, "-- version {version}");
            let is_last = version == i64::try_from(now).unwrap();
            let known = Version {
                before: before.clone(),
                // Two at once have one end; what is between them is not known.
                after: if is_last {
                    after.clone()
                } else {
                    before.clone()
                },
                altered: self.altered.len(),
            };
            self.versions.insert(version, known);
        }
        result
    }

    /// What the spec makes where there was nothing, or why it cannot.
    fn meant(&mut self) -> Result<State, Run> {
        let mut fresh = self.engine.open();
        for sql in &self.altered {
            let there = self.engine.spec_for(sql, &mut *fresh);
            fresh.run(&there);
        }
        let sandbox = Sandbox::new();
        let text = self.specs.last().unwrap();
        write_files(&sandbox, &self.engine.spec_for(text, &mut *fresh));
        let run = sandbox.on(&*fresh, MEANT);
        if run.code == Some(0) {
            let meant = State::of(&mut *fresh);
            self.fresh = Some(fresh);
            Ok(meant)
        } else {
            Err(run)
        }
    }

    /// There is nothing to do, and at most the linter has something to say.
    fn is_checked(&self) {
        let check = self.run(&["check"]);
        let told = ["error[", "Required, and not in the spec:"];
        let linted = check.code == Some(2) && told.iter().any(|told| check.stdout.contains(told));
        assert!(check.code == Some(0) || linted, "{}\n{check}", self.trail);
        check.says(&["Nothing to do"]);
    }

    /// Compare what there is with what is meant.
    fn assert_meant(&mut self, what: &str, meant: &State) {
        let state = self.state().managed(meant);
        assert_same(
            &format!("{what}\n{}", self.trail),
            &meant.meaning(&*self.live),
            &state.meaning(&*self.live),
        );
    }

    fn assert_unmoved(&mut self, what: &str, before: &State) {
        let now = self.state();
        assert_same(
            &format!("{what}\n{}", self.trail),
            &before.exact(),
            &now.exact(),
        );
    }

    /// What can be written where the spec was applied to fresh tables can be written here, and on PostgreSQL, where triggers
    /// fire in the order of their names, with the same result.
    fn writes(&mut self) {
        let Some(mut fresh) = self.fresh.take() else {
            return;
        };
        let there = tried(&mut *fresh);
        let here = tried(&mut *self.live);
        let told = |all: &[(bool, String)]| {
            let lines = TRIED.iter().zip(all).map(|(sql, (is_done, rows))| {
                let rows = if self.engine.dialect() == "postgres" && *is_done {
                    rows.as_str()
                } else {
                    ""
                };
                format!("{sql}\n{is_done}\n{rows}")
            });
            lines.collect::<String>()
        };
        assert_same(
            &format!("what is written\n{}\n{there:?}\n{here:?}", self.trail),
            &told(&there),
            &told(&here),
        );
    }

    /// Somebody who may see less is told the same, or that he may not see it.
    fn stranger(&mut self, which: usize) {
        let rights = which % 4;
        if which >= 4 {
            self.by_hand(which, which / 4);
        }
        let Some(url) = self.stranger_url(rights) else {
            return;
        };
        let plan = ["plan", "--detailed-exitcode", "--format", "json"];
        let told = |run: &Run| {
            let json = run.json();
            let changes = json["changes"].as_array().into_iter().flatten();
            let lines = changes.map(|one| format!("{} {}\n", one["action"], one["object"]));
            lines.collect::<String>()
        };
        let ours = self.plan();
        let whole = self.live.everything();
        let theirs = self.sandbox.run(&[&["--url", &url], &plan[..]].concat());
        let what = format!("rights {rights}\n{}\n{ours}\n{theirs}", self.trail);
        match theirs.code {
            // Whether a body fails is for those to see who may run it.
            Some(2) if ours.code == Some(1) => {}
            Some(0 | 2) => {
                assert_eq!(ours.code, theirs.code, "{what}");
                assert_same(&what, &told(&ours), &told(&theirs));
            }
            Some(1 | 3) => {}
            _ => panic!("{what}"),
        }
        let check = self.sandbox.run(&["--url", &url, "check"]);
        assert!(matches!(check.code, Some(0..=3)), "{what}\n{check}");
        if check.code == Some(0) {
            assert_eq!(ours.code, Some(0), "{what}\n{check}");
        }
        let apply = self.sandbox.run(&[&["--url", &url], MEANT].concat());
        let is_refused = matches!(apply.code, Some(1 | 3));
        let has_nothing = apply.code == Some(0) && ours.code == Some(0);
        assert!(is_refused || has_nothing, "{what}\n{apply}");
        assert_same(&what, &whole, &self.live.everything());
        let _ = writeln!(
            self.trail,
            "rights {rights}: {:?} {:?} {:?}",
            theirs.code, check.code, apply.code
        );
    }

    fn stranger_url(&mut self, rights: usize) -> Option<String> {
        let url = self.live.url();
        let mut run = |sql: &str| {
            let answer = self.live.run(sql);
            answer.starts_with("error: ").then_some(answer)
        };
        match self.engine.dialect() {
            "postgres" => {
                // Others make the same role at the same time.
                for user in ["stranger0", "stranger1", "stranger2", "stranger3"] {
                    run(&format!("CREATE ROLE {user} LOGIN"));
                }
                for schema in ["public", "other", "other2", "triggerctl"] {
                    if rights > 0 {
                        run(&format!(
                            "GRANT USAGE ON SCHEMA {schema} TO stranger{rights}"
                        ));
                    }
                    if rights > 1 && (rights > 2 || schema == "triggerctl") {
                        run(&format!(
                            "GRANT SELECT ON ALL TABLES IN SCHEMA {schema} TO stranger{rights}"
                        ));
                    }
                }
                Some(url.replacen("postgres@", &format!("stranger{rights}@"), 1))
            }
            "mysql" => {
                let database = self.live.run("SELECT DATABASE()");
                let database = database.trim_end();
                let user = format!("s{}", database.trim_start_matches("triggerctl_test_"));
                let granted = [
                    "SELECT ON DB.t",
                    "SELECT ON DB.*",
                    "SELECT, TRIGGER ON DB.*",
                    "SELECT, TRIGGER ON `triggerctl\\_test\\_%`.*",
                ][rights];
                for sql in [
                    format!("DROP USER IF EXISTS {user}@localhost"),
                    format!("CREATE USER {user}@localhost"),
                    format!(
                        "GRANT {} TO {user}@localhost",
                        granted.replace("DB", database)
                    ),
                ] {
                    self.live.batch(&sql);
                }
                Some(url.replacen("root@", &format!("{user}@"), 1))
            }
            _ => None,
        }
    }

    // --- what else is done ---------------------------------------------------------------------------------------------

    /// A plan is refused once it does not fit any more, or does what it said.
    fn old_plan(&mut self, which: usize) {
        if self.plans.is_empty() {
            return;
        }
        let at = which % self.plans.len();
        self.sandbox.write("old.json", &self.plans[at].text);
        let before = self.state();
        let run = self.migrates(|walk| walk.run(&[MEANT, &["old.json"]].concat()));
        let _ = writeln!(self.trail, "an old plan: {run}");
        let now = self.state();
        let plan = &self.plans[at];
        let what = format!("an old plan\n{}\n{}", self.trail, plan.text);
        match run.code {
            Some(0) => {}
            Some(1 | 3) => return assert_same(&what, &before.exact(), &now.exact()),
            _ => panic!("{what}"),
        }
        let text = |state: &State, key: &String| state.0.get(key).map(|object| object.text.clone());
        let sides = [&before, &now, &plan.before, &plan.after];
        for key in sides.iter().flat_map(|state| state.0.keys()) {
            let [was, is, then, meant] = sides.map(|state| text(state, key));
            if then == meant {
                assert_eq!(was, is, "{key}\n{what}");
            } else {
                assert!(
                    was == then || was == meant,
                    "{key}\n{was:?}\n{then:?}\n{what}"
                );
                assert_eq!(is, meant, "{key}\n{what}");
            }
        }
    }

    /// What the plan says, for comparing it.
    fn planned(&self) -> String {
        let plan = self.plan();
        let mut text = format!("{:?}\n", plan.code);
        if let Ok(json) = serde_json::from_str::<serde_json::Value>(&plan.stdout) {
            for change in json["changes"].as_array().into_iter().flatten() {
                let _ = writeln!(text, "{} {}", change["action"], change["object"]);
            }
        }
        text
    }

    /// What changes no trigger is seen by nobody.
    fn keep(&mut self, which: usize) {
        let (before, planned) = (self.state(), self.planned());
        for sql in keep(&mut *self.live, which) {
            let answer = self.live.run(&sql);
            let _ = writeln!(self.trail, "kept: {sql}\n{answer}");
        }
        self.assert_unmoved("what keeps it", &before);
        let what = format!("planned\n{}", self.trail);
        assert_same(&what, &planned, &self.planned());
    }

    /// Whatever is missing of what was written down, nothing is done that is not said, and nothing is lost.
    fn lose(&mut self, which: usize) {
        if !self.has_arrived || self.live.versions().is_empty() {
            return;
        }
        let before = self.state();
        for sql in lose(self.engine.dialect(), which) {
            let answer = self.live.run(&sql);
            let _ = writeln!(self.trail, "lost: {sql}\n{answer}");
        }
        if which > 1 {
            for command in ["plan", "check", "history", "lint", "repair"] {
                let run = self.run(&[command, "--format", "json"]);
                let _ = writeln!(self.trail, "{run}");
                assert!(matches!(run.code, Some(0..=3 | 5)), "{}", self.trail);
                run.json();
            }
            let apply = self.run(&[MEANT, &["--adopt"]].concat());
            let _ = writeln!(self.trail, "{apply}");
            match apply.code {
                Some(0) => {
                    self.assert_same_meaning("with less of what was written down", &before);
                }
                Some(1 | 3 | 5) => self.assert_unmoved("what was not understood", &before),
                _ => panic!("{}", self.trail),
            }
            for sql in lose(self.engine.dialect(), 0) {
                self.live.run(&sql);
            }
        }
        self.versions.clear();
        self.plans.clear();
        self.dump = None;
        let plan = self.plan();
        let is_own = self.specs.last().unwrap().contains("templates = ");
        assert!(plan.code == Some(0) || is_own, "{}\n{plan}", self.trail);
        self.migrates(|walk| walk.run(&[MEANT, &["--adopt"]].concat()))
            .ok();
        if !is_own {
            self.assert_unmoved("all taken over", &before);
        }
    }

    fn assert_same_meaning(&mut self, what: &str, before: &State) {
        let now = self.state();
        assert_same(
            &format!("{what}\n{}", self.trail),
            &before.meaning(&*self.live),
            &now.meaning(&*self.live),
        );
    }

    /// What somebody made is added to the spec, and nothing else becomes of either.
    fn import(&mut self) {
        if !self.has_arrived {
            return;
        }
        for table in ["t", "u"] {
            let on = match self.engine.dialect() {
                "postgres" => format!(" ON {table}"),
                _ => String::new(),
            };
            self.live
                .run(&format!("DROP TRIGGER IF EXISTS \"foreign\"{on}"));
        }
        // What a spec leaves open stays as it was: by these names none of a walk leaves anything open.
        let which = match self.engine.dialect() {
            "mysql" => self.looks % 2 * 2,
            _ => self.looks,
        };
        self.by_hand(MAKES + 2 + self.looks % 2, which);
        let before = self.state();
        let was = self.sandbox.read("triggers.toml");
        let run = self.run(&["import", "-o", "triggers.toml"]);
        let is = self.sandbox.read("triggers.toml");
        let _ = writeln!(self.trail, "import: {run}\n{is}");
        if run.code == Some(1) && run.stderr.contains("is there twice") {
            // The spec makes several of a trigger of this name.
            assert_eq!(was, is, "{}", self.trail);
            return;
        }
        assert_eq!(run.code, Some(0), "{}", self.trail);
        assert!(is.starts_with(&was), "{}", self.trail);
        let planned = self.planned();
        let is_for_plan = run.stderr.contains("for a template of yours to make");
        assert!(
            is_for_plan || planned.starts_with("Some(0)"),
            "{planned}\n{}",
            self.trail
        );
        self.assert_unmoved("imported", &before);
        let text = self.specs.last().unwrap();
        let files = text.find(FILE).map_or("", |at| &text[at..]);
        let mut whole = format!("{is}{files}");
        if self.engine.dialect() == "mysql" {
            let name = self.live.run("SELECT DATABASE()");
            whole = whole.replace(&format!("{}_b.", name.trim_end()), "other.");
        }
        self.spec(whole);
        // What the spec leaves open is as it is from now on.
        self.migrates(|walk| walk.run(&[MEANT, &["--adopt"]].concat()))
            .ok();
    }

    fn dump(&mut self) -> Option<Dump> {
        let text = dumps::dump(&mut *self.live)?;
        let _ = writeln!(self.trail, "dumped");
        Some(Dump {
            text,
            state: self.state(),
            altered: self.altered.clone(),
            versions: self.versions.clone(),
        })
    }

    /// What is restored is what was dumped, and for the plan as well.
    fn restore(&mut self) {
        let planned = self.dump.is_none().then(|| self.planned());
        if self.dump.is_none() {
            self.dump = self.dump();
        }
        let Some(dump) = self.dump.take() else {
            return;
        };
        dumps::restore(&mut *self.live, &dump.text);
        let _ = writeln!(self.trail, "restored");
        self.assert_unmoved("restored", &dump.state);
        self.altered.clone_from(&dump.altered);
        self.versions.clone_from(&dump.versions);
        self.is_back = false;
        if let Some(planned) = planned {
            let what = format!("planned\n{}", self.trail);
            assert_same(&what, &planned, &self.planned());
        }
        self.dump = Some(dump);
    }

    /// Whoever looks gets an answer, whatever there is.
    fn look(&mut self, is_planned: bool) {
        const LOOKS: [&[&str]; 12] = [
            &["check", "--format", "json"],
            &["history", "--format", "json"],
            &["lint", "--format", "json"],
            &["lint", "--format", "sarif"],
            &["graph", "--format", "json"],
            &["history"],
            &["plan", "-v"],
            &["repair", "--format", "json"],
            &["lint", "--format", "github"],
            &["plan", "--unmanaged"],
            &["graph"],
            &["history", "1", "--format", "json"],
        ];
        let look = LOOKS[self.looks % LOOKS.len()];
        self.looks += 1;
        let run = self.run(look);
        assert!(matches!(run.code, Some(0..=3)), "{}\n{run}", self.trail);
        let has_version = look[1..].first() != Some(&"1") || self.versions.contains_key(&1);
        // What the linter calls an error.
        let is_found = ["error[", "\"found\"", "::error", "\"level\": \"error\""]
            .iter()
            .any(|found| look[0] == "lint" && run.stdout.contains(found));
        if is_planned && has_version && !is_found {
            assert_ne!(run.code, Some(1), "{}\n{run}", self.trail);
        }
        if look.contains(&"json") {
            run.json();
        }
    }

    // --- ways ----------------------------------------------------------------------------------------------------------

    fn takes(&mut self, way: &Way) {
        let _ = writeln!(self.trail, "way: {way:?}");
        if matches!(way, Way::Apply) {
            return;
        }
        let plan = self.plan();
        let json = (plan.code == Some(2)).then(|| plan.json());
        let is_fine = json.is_some_and(|json| !has_conflict(&json));
        let Ok(meant) = self.meant() else {
            return;
        };
        if !is_fine {
            return;
        }
        match way {
            Way::Apply => {}
            Way::Saved(between) => self.saved(*between, &meant),
            Way::Script => self.script(&meant),
            Way::Target(which) => self.target(TARGETS[*which]),
            Way::Race => self.race(&meant),
            Way::Kill(after, end) => self.kill(*after, *end, &meant),
        }
    }

    fn saved(&mut self, between: Option<(usize, usize)>, meant: &State) {
        self.run(&["plan", "--out", "plan.json"]).ok();
        match between {
            None => {}
            Some((what, which)) if what < ALTERS.len() => {
                let _ = which;
                self.alter(what);
            }
            Some((what, which)) => self.by_hand(what - ALTERS.len(), which),
        }
        let before = self.state();
        let mut arguments = MEANT.to_vec();
        arguments.push("plan.json");
        let run = self.migrates(|walk| walk.run(&arguments));
        let _ = writeln!(self.trail, "apply plan.json: {run}");
        self.sweeps();
        match run.code {
            Some(0) if between.is_none() => {
                self.assert_meant("by a saved plan", meant);
                self.run(&["plan", "--detailed-exitcode"]).ok();
            }
            Some(0) => {
                // What happened in between was none of the plan's business: it is what it would have been.
            }
            Some(1 | 3) if between.is_some() => {
                self.assert_unmoved("a plan that was refused", &before);
            }
            _ => panic!("a saved plan\n{}", self.trail),
        }
    }

    fn script(&mut self, meant: &State) {
        let script = self.run(&["plan", "--format", "sql"]).ok().stdout;
        let run = self.migrates(|walk| common::script(&*walk.live, &script));
        assert_eq!(run.code, Some(0), "{}\n{script}\n{run}", self.trail);
        self.assert_meant("by the engine's own client", meant);
        let plan = self.plan();
        assert_eq!(plan.code, Some(0), "{}\n{script}\n{plan}", self.trail);
    }

    fn target(&mut self, target: &str) {
        let mut arguments = MEANT.to_vec();
        arguments.extend(["--target", target]);
        let run = self.migrates(|walk| walk.run(&arguments));
        let _ = writeln!(self.trail, "{run}");
        assert_eq!(run.code, Some(0), "a target\n{}", self.trail);
        let plan = self.run(&["plan", "--detailed-exitcode", "--target", target]);
        assert_eq!(plan.code, Some(0), "after a target\n{}\n{plan}", self.trail);
    }

    fn race(&mut self, meant: &State) {
        let start = |walk: &Self| {
            let url = walk.live.url();
            let mut command = walk.sandbox.command(&[&["--url", &url], MEANT].concat());
            command
                .stdout(Stdio::piped())
                .stderr(Stdio::piped())
                .spawn()
                .unwrap()
        };
        let runs = self.migrates(|walk| {
            let both = [start(walk), start(walk)];
            both.map(|child| common::wait(child, "one of two"))
        });
        for run in &runs {
            let _ = writeln!(self.trail, "{run}");
        }
        let codes = runs.each_ref().map(|run| run.code);
        assert!(codes.contains(&Some(0)), "{codes:?}\n{}", self.trail);
        assert!(
            codes.iter().all(|code| matches!(code, Some(0 | 4))),
            "{codes:?}\n{}",
            self.trail
        );
        self.assert_meant("by two at once", meant);
        let plan = self.plan();
        assert_eq!(plan.code, Some(0), "{}\n{plan}", self.trail);
    }

    fn kill(&mut self, after: usize, end: usize, meant: &State) {
        let before = self.state();
        self.migrates(|walk| {
            let url = walk.live.url();
            let proxy = url
                .split_once("?socket=")
                .map(|(address, socket)| (address, Proxy::new(socket, after)));
            let url = match &proxy {
                Some((address, proxy)) => format!("{address}?socket={}", proxy.socket()),
                None => url.clone(),
            };
            let mut child = walk
                .sandbox
                .command(&[&["--url", &url], MEANT].concat())
                .stdout(Stdio::null())
                .stderr(Stdio::null())
                .spawn()
                .unwrap();
            let start = Instant::now();
            let is_time = || match &proxy {
                Some((_, proxy)) => proxy.is_stopped(),
                None => start.elapsed() > Duration::from_millis(2 * after as u64),
            };
            while !is_time() && child.try_wait().unwrap().is_none() {
                std::thread::sleep(Duration::from_millis(1));
            }
            child.kill().unwrap();
            child.wait().unwrap();
            if proxy.is_none() {
                // The server goes on with what it has got, until it sees that nobody is there.
                common::eventually("nobody is at work", || walk.is_quiet());
                return;
            }
            let how = ["--forward", "--back", "--leave", "apply"][end];
            let shown = walk.run(&["repair"]);
            let _ = writeln!(walk.trail, "killed after {after}, {how}: {shown}");
            if shown.code == Some(0) {
                return;
            }
            assert_eq!(shown.code, Some(2), "{}", walk.trail);
            let run = match how {
                "apply" => walk.run(&[MEANT, &["--wait", "30"]].concat()),
                how => walk.run(&["repair", how, "--yes"]),
            };
            assert_eq!(run.code, Some(0), "{}\n{run}", walk.trail);
            match how {
                "--forward" | "apply" => walk.assert_meant("forward", meant),
                "--back" => walk.assert_unmoved("back", &before),
                _ => {}
            }
            walk.run(&["repair"]).ok().says(&["nothing"]);
        });
        if self.engine.dialect() != "mysql" && self.state() != before {
            self.assert_meant("killed", meant);
        }
    }

    fn is_quiet(&mut self) -> bool {
        self.engine.dialect() != "postgres"
            || self.live.run("SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid() AND backend_type = 'client backend'") == "0\n"
    }

    /// Undo all that came after this version: each trigger is as it was before the first migration that changed it since.
    fn back(&mut self, to: i64, arguments: &[&str]) {
        let before = self.state();
        let last = *self.versions.last_key_value().unwrap().0;
        let mut all = [&["rollback"], &MEANT[1..], arguments].concat();
        let mut run = self.migrates(|walk| walk.run(&all));
        if run.code == Some(3) && run.stderr.contains("hazard would_fail") {
            // It had been made so: no plan of PostgreSQL's looks into a body, whose function may have a search_path of its own.
            all.extend(["--allow", "would_fail"]);
            run = self.migrates(|walk| walk.run(&all));
        }
        let _ = writeln!(self.trail, "back to {to}: {run}");
        let now = self.state();
        let undone = || {
            self.versions
                .range(to + 1..=last)
                .map(|(_, version)| version)
        };
        let is_altered = undone().any(|version| version.altered != self.altered.len());
        let drifted = self.versions[&last].after != before;
        match run.code {
            Some(0) => self.is_back = true,
            Some(1) if is_altered => return,
            Some(3) if drifted || is_altered || self.is_back => return,
            // A function of somebody's, which a trigger called that had been changed by hand.
            Some(3) if run.stderr.contains(", which is gone") => return,
            _ => panic!("back\n{}", self.trail),
        }
        if is_altered {
            return;
        }
        let mut expected = before.clone();
        let keys: BTreeSet<&String> = undone()
            .flat_map(|version| version.before.0.keys().chain(version.after.0.keys()))
            .collect();
        for key in keys {
            let touched = |version: &&Version| {
                version.before.0.get(key).map(|object| &object.text)
                    != version.after.0.get(key).map(|object| &object.text)
            };
            // What was first forgotten or adopted, and went or changed since, may be as it was then.
            let noted = undone().next().filter(|first| {
                first.before.0.get(key).map(|object| &object.text)
                    == now.0.get(key).map(|object| &object.text)
            });
            if let Some(first) = noted.or_else(|| undone().find(touched)) {
                match first.before.0.get(key) {
                    Some(object) => expected.0.insert(key.clone(), object.clone()),
                    None => expected.0.remove(key),
                };
            }
        }
        // What a trigger calls that comes back is there, also where it had been dropped by hand since.
        if let Some(then) = self.versions.get(&to) {
            for (key, object) in &then.after.0 {
                let is_back = now.0.get(key).is_some_and(|now| now.text == object.text);
                if key.starts_with("function ") && is_back && !expected.0.contains_key(key) {
                    expected.0.insert(key.clone(), object.clone());
                }
            }
        }
        let texts = |state: &State| {
            let texts = state
                .0
                .iter()
                .map(|(key, object)| format!("{key}\n{}\n", object.text));
            texts.collect::<String>()
        };
        assert_same(
            &format!("back to {to}\n{}", self.trail),
            &texts(&expected),
            &texts(&now),
        );
        // A function comes back for what was there then, also where somebody dropped that since.
        for sql in self.swept.iter().filter(|sql| sql.contains("FUNCTION")) {
            self.live.run(sql);
        }
    }

    // --- what must hold -------------------------------------------------------------------------------------------------

    /// The spec is applied, and what the plan says about it is true.
    #[allow(clippy::too_many_lines)] // One thing after the other.
    fn arrives(&mut self) -> bool {
        let before = self.state();
        let whole = self.live.snapshot();
        let versions = self.live.versions();
        let plan = self.plan();
        self.look(matches!(plan.code, Some(0 | 2)));
        let meant = match self.meant() {
            Ok(meant) => meant,
            Err(run) => {
                assert_eq!(run.code, Some(1), "{}\n{run}", self.trail);
                // What is wrong with the spec is wrong with it here as well; unless it makes nothing that is not there.
                assert!(
                    plan.code == Some(1)
                        || (plan.code == Some(0) && self.live.versions() == versions)
                        // What a column is missing for can stay on MySQL, and not be made.
                        || (self.engine.dialect() == "mysql"
                            && ["has no column", "would fail when it fires"]
                                .iter()
                                .any(|why| run.stderr.contains(why))),
                    "{}\n{run}\n{plan}",
                    self.trail
                );
                return false;
            }
        };
        let trail = self.trail.clone();
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
                self.assert_meant(&says("nothing to do, it says", &plan), &meant);
                self.is_checked();
                if plan.json()["changes"] != serde_json::json!([]) {
                    // What is only to be written down is done so: else nobody would know whose it is.
                    self.migrates(|walk| walk.run(MEANT)).ok();
                    self.assert_unmoved("written down", &before);
                }
                self.drop_moved(&meant);
                return true;
            }
            Some(2) => self.run(&["check"]).code(2),
            // A table of versions has the columns that its table had: to follow is the user's.
            Some(1) if plan.stderr.contains("t_history") || plan.stdout.contains("t_history") => {
                return false;
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
        let mut apply = MEANT.to_vec();
        if has_conflict(&json) {
            let refused = self.migrates(|walk| walk.run(MEANT));
            assert_eq!(
                refused.code,
                Some(3),
                "{}\n{refused}",
                says("conflict", &plan)
            );
            apply.push("--adopt");
            let adopts = self.run(&["plan", "--adopt", "--format", "json"]).ok();
            if has_conflict(&adopts.json()) {
                // Its name is taken on another table: that one is for its owner to drop.
                self.migrates(|walk| walk.run(&apply))
                    .code(3)
                    .says(&["what is on another table is not taken over"]);
                self.drop_moved(&State::default());
                return false;
            }
        }
        let applied = self.migrates(|walk| walk.run(&apply));
        assert_eq!(applied.code, Some(0), "{}\n{applied}", says("apply", &plan));
        let after = self.state();
        self.assert_meant(&says("after apply", &plan), &meant);
        if self.engine.dialect() == "postgres" {
            let whole = self.live.snapshot();
            assert_same(
                &says("made of what is printed", &plan),
                &whole,
                &common::rewritten(&whole, &mut *self.live),
            );
        }
        let is_own = self.specs.last().unwrap().contains("templates = ");
        if !is_own && before.meaning(&*self.live) == meant.meaning(&*self.live) {
            assert_eq!(differing, 0, "{}", says("no change at all", &plan));
        }
        let empty = self.plan();
        assert_eq!(empty.code, Some(0), "{}", says("plan after apply", &empty));
        self.is_checked();
        // There and back.
        let there = self.live.snapshot();
        let mut back = self.migrates(|walk| walk.run(&["rollback", "--yes"]));
        let refused = back.code == Some(3) && back.stderr.contains("hazard would_fail");
        if refused && self.altered.is_empty() {
            // It had been made so: no plan of PostgreSQL's looks into a body, whose function may have a search_path of its own.
            let anyway = ["rollback", "--yes", "--allow", "would_fail"];
            back = self.migrates(|walk| walk.run(&anyway));
        }
        if (back.code == Some(1) || refused) && !self.altered.is_empty() {
            // What was there does not fit the tables any more.
            self.assert_unmoved(&says(&format!("{back}"), &plan), &after);
            self.is_checked();
            return false;
        }
        assert_eq!(back.code, Some(0), "{}\n{back}", says("rollback", &plan));
        self.assert_unmoved(&says("after rollback", &plan), &before);
        // What had been changed by hand is so again: to go on from there is for apply.
        let forth = self.migrates(|walk| walk.run(&["rollback", "--yes"]));
        if forth.code == Some(3) {
            self.migrates(|walk| walk.run(&apply)).ok();
        } else {
            assert_eq!(forth.code, Some(0), "{}\n{forth}", says("forth", &plan));
        }
        assert_same(
            &says("after rollback, and there again", &plan),
            &there,
            &self.live.snapshot(),
        );
        self.is_back = false;
        self.plans.push(Plan {
            text: plan.stdout,
            before,
            after,
        });
        self.drop_moved(&meant);
        true
    }

    /// What went with a renamed table is for its owner to drop.
    fn drop_moved(&mut self, meant: &State) {
        let state = self.state();
        let moved = state.0.iter().filter(|(key, object)| {
            MOVED.contains(&object.table.as_str())
                && key.starts_with("trigger ")
                && !meant.0.contains_key(*key)
        });
        let dialect = self.engine.dialect();
        let mut statements = vec![];
        for (key, object) in moved {
            let key = key.strip_prefix("trigger ").unwrap();
            let key = match dialect {
                "postgres" => key.strip_prefix(&format!("{} ", object.table)).unwrap(),
                _ => key,
            };
            let name = key.replace('"', "\"\"");
            statements.push(match dialect {
                "postgres" => format!("DROP TRIGGER \"{name}\" ON {}", object.table),
                _ => format!("DROP TRIGGER \"{name}\""),
            });
        }
        if dialect == "postgres" && !statements.is_empty() {
            for key in state.0.keys().filter(|key| !meant.0.contains_key(*key)) {
                if let Some((schema, name)) = key
                    .strip_prefix("function ")
                    .and_then(|key| key.split_once(' '))
                {
                    statements.push(format!(
                        "DROP FUNCTION {schema}.\"{}\"()",
                        name.replace('"', "\"\"")
                    ));
                }
            }
        }
        for sql in statements {
            let answer = self.live.run(&sql);
            let _ = writeln!(self.trail, "swept: {sql}\n{answer}");
            self.swept.push(sql);
        }
    }

    // --- the end --------------------------------------------------------------------------------------------------------

    /// What is imported is what there is; and so is what is made of it where nothing was.
    fn imports(&mut self) {
        let imported = Sandbox::new();
        let run = imported.on(
            &*self.live,
            &["import", "--functions", "-o", "triggers.toml"],
        );
        assert_eq!(run.code, Some(0), "{}\n{run}", self.trail);
        let what = format!("{}\n{}", self.trail, imported.read("triggers.toml"));
        let plan = imported.on(&*self.live, &["plan", "--detailed-exitcode"]);
        assert_eq!(plan.code, Some(0), "{what}\n{plan}");
        let check = imported.on(&*self.live, &["check"]);
        assert_eq!(check.code, Some(0), "{what}\n{check}");
        let before = self.everything();
        self.forget_everything();
        let run = imported.on(&*self.live, MEANT);
        if self.engine.dialect() == "mysql" && run.stderr.contains("has no column") {
            // It can stay, and not be made.
            return;
        }
        assert_eq!(run.code, Some(0), "{what}\n{run}");
        assert_same(
            &format!("made of what was imported\n{what}"),
            &before,
            &self.everything(),
        );
    }

    /// What is compared at the end: what the spec may leave open (a text's layout) is.
    fn everything(&mut self) -> String {
        let mut state = self.state();
        // What is imported is one database.
        state.0.retain(|key, _| {
            self.engine.dialect() != "mysql" || !key.starts_with("trigger other.")
        });
        let order = match self.engine.dialect() {
            "mysql" => state
                .0
                .iter()
                .map(|(key, object)| format!("{key} {:?}\n", object.after))
                .collect::<Vec<_>>()
                .concat(),
            _ => String::new(),
        };
        format!("{}{order}", state.meaning(&*self.live))
    }

    fn forget_everything(&mut self) {
        match self.engine.dialect() {
            "postgres" => self.live.batch(
                "DROP SCHEMA IF EXISTS triggerctl CASCADE;
                 DO $do$ DECLARE drop text; BEGIN
                 FOR drop IN SELECT format('DROP TRIGGER %I ON %s', tgname, tgrelid::regclass) FROM pg_trigger
                   WHERE NOT tgisinternal AND tgparentid = 0 LOOP EXECUTE drop; END LOOP;
                 FOR drop IN SELECT format('DROP FUNCTION %s', oid::regprocedure) FROM pg_proc
                   WHERE prorettype = 'trigger'::regtype AND pronamespace::regnamespace::text IN ('public', 'other', 'other2')
                   LOOP EXECUTE drop; END LOOP;
                 END $do$",
            ),
            dialect => {
                let names = self.live.run(match dialect {
                    "sqlite" => "SELECT hex(name) FROM sqlite_schema WHERE type = 'trigger'",
                    _ => "SELECT HEX(CONCAT(IF(TRIGGER_SCHEMA = DATABASE(), '', CONCAT(TRIGGER_SCHEMA, '`.`')), TRIGGER_NAME)) FROM information_schema.TRIGGERS WHERE TRIGGER_SCHEMA IN (DATABASE(), CONCAT(DATABASE(), '_b'))",
                });
                for name in names.lines() {
                    let name = common::unhex(name).replace('"', "\"\"").replace("`.`", "\".\"");
                    self.live.batch(&format!("DROP TRIGGER \"{name}\""));
                }
                for table in ["triggerctl_objects", "triggerctl_migrations"] {
                    self.live.batch(&format!("DROP TABLE IF EXISTS {table}"));
                }
            }
        }
        assert_eq!(self.state(), State::default());
    }
}

/// Whether each of these can be done, and what is there after it or what is said; nothing stays.
fn tried(live: &mut dyn Live) -> Vec<(bool, String)> {
    let mut all = vec![];
    for sql in TRIED {
        live.run("BEGIN");
        let answer = live.run(sql);
        let is_done = !answer.starts_with("error: ");
        let rows = if is_done {
            live.run(
                "SELECT * FROM (SELECT 't', id, coalesce(u_count, 0), u_sum FROM t WHERE id < 100
                 UNION ALL SELECT 'u', id, t_id, 0 FROM u WHERE id < 100) AS both_of_them ORDER BY 1, 2",
            )
        } else {
            answer
        };
        all.push((is_done, rows));
        live.run("ROLLBACK");
    }
    all
}

/// Write a spec in place of the one that is there: its files stand one behind the other.
fn write_files(sandbox: &Sandbox, text: &str) {
    for folder in ["parts", "ours"] {
        let _ = std::fs::remove_dir_all(sandbox.path().join(folder));
    }
    let mut files = text.split(FILE);
    sandbox.write("triggers.toml", files.next().unwrap());
    for file in files {
        let (name, text) = file.split_once('\n').unwrap();
        sandbox.write(name, text);
    }
}

fn has_conflict(plan: &serde_json::Value) -> bool {
    let mut changes = plan["changes"].as_array().into_iter().flatten();
    changes.any(|change| change["action"] == "conflict")
}
