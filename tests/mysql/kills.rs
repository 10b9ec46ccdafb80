//! kill -9, of the client at every statement that it sends, and of the server in mid-apply: the next apply ends in the
//! desired state, and says what it did.

use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use mysql::prelude::Queryable;

use crate::common::mysql::{Engine, Mysql};
use crate::common::mysql_server::MysqlServer;
use crate::common::{self, Live, Sandbox};
use crate::journal::wait_for_lock;
use crate::proxy::Proxy;
use crate::{Test, counting, empty_plan, tables};

pub(crate) const TESTS: &[(&str, Test)] = &[
    (
        "a_client_killed_at_every_statement",
        a_client_killed_at_every_statement,
    ),
    (
        "a_client_with_helpers_killed_at_many_statements",
        a_client_with_helpers_killed_at_many_statements,
    ),
    (
        "changes_of_all_sorts_killed_at_every_statement",
        changes_of_all_sorts_killed_at_every_statement,
    ),
    (
        "interrupted_at_every_statement",
        interrupted_at_every_statement,
    ),
    (
        "a_signal_lets_the_statement_end",
        a_signal_lets_the_statement_end,
    ),
];

/// Those that start a server of their own.
pub(crate) const SERVER_TESTS: &[(&str, Test)] = &[
    ("a_server_killed_ten_times", a_server_killed_ten_times),
    (
        "a_server_that_takes_no_writes",
        a_server_that_takes_no_writes,
    ),
    (
        "a_server_with_settings_of_its_own",
        a_server_with_settings_of_its_own,
    ),
];

/// A trigger on each table, all of this step; and one more on the first table in every other step, so that some are made
/// and dropped as well.
fn step(sandbox: &Sandbox, tables: usize, step: u32) {
    let mut text = "version = 1\n".to_owned();
    for number in 0..tables {
        text += &counting(&format!("t{number}"), &format!("counts{number}"), step);
    }
    if step.is_multiple_of(2) {
        text += &counting("t0", "even", step);
    }
    sandbox.write("triggers.toml", text);
}

/// How many of the triggers that are there in every step are there now.
fn standing(live: &mut Mysql) -> usize {
    live.run("SELECT count(*) FROM information_schema.TRIGGERS WHERE TRIGGER_SCHEMA = DATABASE() AND TRIGGER_NAME LIKE 'counts%'")
        .trim()
        .parse()
        .unwrap()
}

fn unfinished(live: &mut Mysql) -> bool {
    live.run("SELECT count(*) FROM triggerctl_migrations WHERE state = 'started'")
        .starts_with('1')
}

/// After a kill: nothing has gone that was there, and the next apply ends as desired.
fn go_on(
    sandbox: &Sandbox,
    live: &mut Mysql,
    (tables, step): (usize, u32),
    least: usize,
    what: &str,
) -> bool {
    let found = standing(live);
    assert!(found >= least, "{what}: only {found} triggers are left");
    let broken = unfinished(live);
    if broken {
        sandbox.on(live, &["plan"]).says(&["no end"]);
        sandbox.on(live, &["check"]).says(&["no end"]);
    }
    // The server may take a moment to see that the killed client is gone.
    let run = sandbox.on(live, &["apply", "--yes", "--wait", "30"]).ok();
    if broken {
        let run = run.says(&["is finished now"]);
        assert!(
            run.stderr.contains("trigger") || run.stdout.contains("trigger"),
            "{run}"
        );
    }
    empty_plan(sandbox, live);
    let ends = live.snapshot().matches(&format!(" {step}')")).count();
    let expected = tables + usize::from(step.is_multiple_of(2));
    assert_eq!(ends, expected, "{what}: {}", live.snapshot());
    assert!(!unfinished(live));
    broken
}

fn a_client_killed_at_every_statement(engine: Engine) {
    a_client_killed(engine, (3, 3), 1);
}

fn a_client_with_helpers_killed_at_many_statements(engine: Engine) {
    // What is made new is made on several connections.
    a_client_killed(engine, (0, 8), 4);
}

/// Killed at one of so many statements, while there are triggers on so many tables and are to be on so many.
fn a_client_killed(engine: Engine, (before, count): (usize, usize), every: usize) {
    let mut live = Mysql::of(engine);
    tables(&mut live, count);
    let sandbox = Sandbox::with_spec("version = 1\n");
    let prepare = |live: &Mysql, number: u32| {
        if before == count && number > 0 {
            return;
        }
        if before == 0 {
            sandbox.write("triggers.toml", "version = 1\n");
        } else {
            step(&sandbox, before, number);
        }
        let all = ["apply", "--yes", "--allow", "another_spec"];
        sandbox.on(live, &all).ok();
    };
    prepare(&live, 0);
    let url = live.url();
    let (address, socket) = url.split_once("?socket=").unwrap();
    let start = |proxy: &Proxy| {
        let url = format!("{address}?socket={}", proxy.socket());
        sandbox
            .command(&["--url", &url, "apply", "--yes"])
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap()
    };
    let statements = |number: u32| {
        prepare(&live, number);
        step(&sandbox, count, number);
        let proxy = Proxy::new(socket, usize::MAX);
        let run = common::wait(start(&proxy), "apply through the proxy");
        assert_eq!(run.code, Some(0), "{run}");
        proxy.passed()
    };
    // Steps with one more to make and with one to drop need their own number of statements.
    let mut number: u32 = 1;
    let (odd, even) = (statements(1), statements(2));
    let most = odd.max(even);
    assert!(most > 25, "only {most} statements");
    number += 1;
    let mut broken = 0;
    for stop_at in (0..most).step_by(every) {
        number += 1;
        let passed = if number.is_multiple_of(2) { even } else { odd };
        if stop_at >= passed {
            continue;
        }
        prepare(&live, number);
        step(&sandbox, count, number);
        let proxy = Proxy::new(socket, stop_at);
        let mut child = start(&proxy);
        proxy.wait();
        child.kill().unwrap();
        child.wait().unwrap();
        let what = format!("killed at statement {stop_at} of {most}");
        broken += usize::from(go_on(
            &sandbox,
            &mut live,
            (count, number),
            // DROP and CREATE go to the server together, and it runs both of them or none.
            before,
            &what,
        ));
    }
    assert!(
        broken > 8 / every,
        "only {broken} of {most} kills were in mid-apply"
    );
}

/// Before the changes of all sorts, and after them.
const SORTS: [&str; 2] = [
    "version = 1
[[trigger]]\nname = 'first'\ntable = 't0'\ntiming = 'after'\nevents = ['insert']\nbody = \"INSERT INTO log VALUES (NEW.id, 'first');\"
[[trigger]]\nname = 'second'\ntable = 't0'\ntiming = 'after'\nevents = ['insert']\nbody = \"INSERT INTO log VALUES (NEW.id, 'second');\"
[[trigger]]\nname = 'moves'\ntable = 't1'\ntiming = 'after'\nevents = ['insert']\nbody = \"INSERT INTO log VALUES (NEW.id, 'moves');\"
[[trigger]]\nname = 'goes'\ntable = 't2'\ntiming = 'after'\nevents = ['insert']\nbody = \"INSERT INTO log VALUES (NEW.id, 'goes');\"
[[trigger]]\nname = 'let_go'\ntable = 't2'\ntiming = 'after'\nevents = ['delete']\nbody = \"INSERT INTO log VALUES (OLD.id, 'let go');\"
",
    "version = 1\nforget = ['let_go']
[[trigger]]\nname = 'second'\ntable = 't0'\ntiming = 'after'\nevents = ['insert']\nbody = \"INSERT INTO log VALUES (NEW.id, 'second');\"
[[trigger]]\nname = 'last'\nrenamed_from = 'first'\nmysql = { order = { follows = 'second' } }\ntable = 't0'\ntiming = 'after'\nevents = ['insert']\nbody = \"INSERT INTO log VALUES (NEW.id, 'last');\"
[[trigger]]\nname = 'moves'\ntable = 't2'\ntiming = 'after'\nevents = ['insert']\nbody = \"INSERT INTO log VALUES (NEW.id, 'moves');\"
[[trigger]]\nname = 'foreign_one'\ntable = 't1'\ntiming = 'before'\nevents = ['insert']\nbody = \"SET NEW.id = NEW.id + 1;\"
[[trigger]]\nuse = 'audit'\ntable = 't1'\ncreate_table = true\nwith = { target = 'seen' }
",
];

/// triggerctl behind a proxy, which says when to kill it.
struct Killed<'a> {
    sandbox: &'a Sandbox,
    /// The URL without its socket.
    address: String,
    socket: String,
}

impl Killed<'_> {
    fn start(&self, proxy: &Proxy, command: &[&str]) -> Child {
        let url = format!("{}?socket={}", self.address, proxy.socket());
        let mut command = self.sandbox.command(&[&["--url", &url], command].concat());
        let quiet = command.stdout(Stdio::null()).stderr(Stdio::null());
        quiet.spawn().unwrap()
    }

    /// Kill a command before this statement. What is over by then is none the worse for it.
    fn at(&self, command: &[&str], stop_at: usize) {
        let proxy = Proxy::new(&self.socket, stop_at);
        let mut child = self.start(&proxy, command);
        while !proxy.is_stopped() && child.try_wait().unwrap().is_none() {
            std::thread::sleep(Duration::from_millis(1));
        }
        child.kill().unwrap();
        child.wait().unwrap();
    }

    /// How many statements a command has, which is not killed.
    fn length(&self, command: &[&str]) -> usize {
        let proxy = Proxy::new(&self.socket, usize::MAX);
        assert!(self.start(&proxy, command).wait().unwrap().success());
        proxy.passed()
    }

    /// One of the ways out of what was broken off: killed as well, now early and now late, and then to the end.
    fn repair(&self, live: &mut Mysql, way: &str, stop_at: usize) {
        let all = ["repair", way, "--yes"];
        self.at(&all, (stop_at * 7) % 60);
        // The server may take a moment to see that the killed client is gone.
        let run = self.sandbox.on(live, &all);
        match run.code {
            Some(4) => self.sandbox.on(live, &all).ok(),
            _ => run.ok(),
        };
        assert!(!unfinished(live), "killed at {stop_at}, {way}");
    }
}

/// A rename, another place among its siblings, another table, a table that comes with its kind, what is adopted, and what
/// is let go: forwards and back, both killed at every statement.
fn changes_of_all_sorts_killed_at_every_statement(engine: Engine) {
    let [before, after] = SORTS;
    let mut live = Mysql::of(engine);
    live.batch(
        "CREATE TABLE log (id integer, what text);
         CREATE TABLE t0 (id integer PRIMARY KEY); CREATE TABLE t1 (id integer PRIMARY KEY);
         CREATE TABLE t2 (id integer PRIMARY KEY)",
    );
    let sandbox = Sandbox::with_spec(before);
    let forth = [
        "apply",
        "--yes",
        "--adopt",
        "--allow",
        "drops_protection",
        "--wait",
        "30",
    ];
    let back = ["rollback", "--yes"];
    let url = live.url();
    let (address, socket) = url.split_once("?socket=").unwrap();
    let killed = Killed {
        sandbox: &sandbox,
        address: address.to_owned(),
        socket: socket.to_owned(),
    };
    sandbox.on(&live, &["apply", "--yes"]).ok();
    live.batch(
        "CREATE TRIGGER foreign_one BEFORE INSERT ON t1 FOR EACH ROW SET NEW.id = NEW.id + 2",
    );
    let at_first = live.snapshot();
    sandbox.write("triggers.toml", after);
    let (to_go, to_return) = (killed.length(&forth), killed.length(&back));
    live.batch("DROP TABLE seen");
    assert_eq!(live.snapshot(), at_first);
    let (mut gone, mut returned) = (0, 0);
    for stop_at in 0..to_go.max(to_return) {
        // Each stop has another of the ways out, and over three runs of three statements each has all.
        let way = [None, Some("--back"), Some("--forward")][(stop_at + stop_at / 3) % 3];
        let what = format!("killed at statement {stop_at}, {way:?}");
        if stop_at < to_go {
            killed.at(&forth, stop_at);
            if unfinished(&mut live) {
                gone += 1;
                if let Some(way) = way {
                    killed.repair(&mut live, way, stop_at);
                }
                if way == Some("--back") {
                    live.batch("DROP TABLE IF EXISTS seen");
                    assert_eq!(live.snapshot(), at_first, "{what}");
                }
            }
        }
        sandbox.on(&live, &forth).ok();
        empty_plan(&sandbox, &live);
        let at_last = live.snapshot();
        for name in ["last", "second", "moves", "foreign_one", "let_go"] {
            assert!(at_last.contains(name), "{what}: {at_last}");
        }
        if stop_at < to_return {
            killed.at(&back, stop_at);
            if unfinished(&mut live) {
                returned += 1;
                if let Some(way) = way {
                    killed.repair(&mut live, way, stop_at);
                } else {
                    // What is finished is the rollback; then the spec, which has not changed, is applied anew.
                    sandbox.on(&live, &forth).ok().says(&["is finished now"]);
                    empty_plan(&sandbox, &live);
                }
                if way != Some("--forward") {
                    assert_eq!(live.snapshot(), at_last, "{what}");
                }
            }
        }
        if live.snapshot() == at_last {
            sandbox.on(&live, &back).ok();
        }
        live.batch("DROP TABLE seen");
        assert_eq!(live.snapshot(), at_first, "{what}");
    }
    assert!(
        gone > 8 && returned > 8,
        "only {gone} and {returned} kills were in the middle"
    );
}

/// Ctrl-C has the server stop what runs, and comes when it comes: whatever it meets, nothing is half done, and what is done is
/// written down.
fn interrupted_at_every_statement(engine: Engine) {
    const TABLES: usize = 3;
    let mut live = Mysql::of(engine);
    tables(&mut live, TABLES);
    let sandbox = Sandbox::with_spec("version = 1\n");
    let write = |number: u32| {
        let one = |table| counting(&format!("t{table}"), &format!("counts{table}"), number);
        let all: String = (0..TABLES).map(one).collect();
        sandbox.write("triggers.toml", format!("version = 1\n{all}"));
    };
    write(0);
    sandbox.on(&live, &["apply", "--yes"]).ok();
    let url = live.url();
    let (address, socket) = url.split_once("?socket=").unwrap();
    let run = |proxy: &Proxy| {
        let url = format!("{address}?socket={}", proxy.socket());
        common::finish(sandbox.command(&["--url", &url, "apply", "--yes"]))
    };
    let mut number = 0;
    let mut undone = 0;
    for length in [1, 3] {
        let mut at = 0;
        loop {
            number += 1;
            write(number);
            let before = live.snapshot();
            let proxy = Proxy::interrupting(socket, at..at + length);
            let run = run(&proxy);
            let what = format!("{length} interrupted from statement {at} on: {run}");
            let after = live.snapshot();
            match run.code {
                Some(0) => {
                    let ends = after.matches(&format!(" {number}')")).count();
                    assert_eq!(ends, TABLES, "{what}");
                    empty_plan(&sandbox, &live);
                }
                // Before there is a migration it is an error like any other.
                Some(1 | 130) => {
                    assert_eq!(before, after, "{what}");
                    undone += usize::from(run.stderr.contains("was undone"));
                    let plan = sandbox.on(&live, &["plan", "--format", "json"]).ok().json();
                    assert_eq!(plan["summary"]["replace"], TABLES, "{what}");
                }
                _ => panic!("{what}"),
            }
            assert!(!unfinished(&mut live), "{what}");
            at += 1;
            if proxy.passed() < at {
                break;
            }
        }
    }
    assert!(undone > 10, "only {undone} were in mid-apply");
}

/// MariaDB keeps a trigger that it was reading when it was told to stop as one that is broken.
fn a_signal_lets_the_statement_end(engine: Engine) {
    let mut live = Mysql::of(engine);
    tables(&mut live, 2);
    let sandbox = Sandbox::with_spec("version = 1\n");
    step(&sandbox, 2, 1);
    sandbox.on(&live, &["apply", "--yes"]).ok();
    step(&sandbox, 2, 3);
    let before = live.snapshot();
    let url = live.url();
    let (address, socket) = url.split_once("?socket=").unwrap();
    let proxy = Proxy::new(socket, usize::MAX);
    let url = format!("{address}?socket={}", proxy.socket());
    let mut reader = live.connect();
    reader.query_drop("START TRANSACTION").unwrap();
    reader.query_drop("SELECT * FROM t1").unwrap();
    let child = sandbox
        .command(&["--url", &url, "apply", "--yes", "--wait", "60"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    wait_for_lock(&mut live);
    common::signal(&child, "TERM");
    let run = common::wait(child, "apply after a signal")
        .code(130)
        .says(&["interrupted: nothing was changed"]);
    reader.query_drop("ROLLBACK").unwrap();
    assert_eq!(proxy.kills(), 0, "{run}");
    assert_eq!(before, live.snapshot(), "{run}");
    assert!(!unfinished(&mut live), "{run}");
}

/// As a replica is: it can be looked at, and `apply` is refused before anything is changed.
fn a_server_that_takes_no_writes(engine: Engine) {
    let server = MysqlServer::start(engine, &["--log-bin-trust-function-creators=1"]);
    let mut live = Mysql::at(&server.url());
    tables(&mut live, 1);
    let name = live.name().to_owned();
    live.batch(&format!(
        "CREATE USER 'w'@'localhost' IDENTIFIED BY ''; GRANT ALL ON {name}.* TO 'w'@'localhost'"
    ));
    let sandbox = Sandbox::with_spec("version = 1\n");
    let url = live.url_of("w", "");
    let as_writer = |arguments: &[&str]| sandbox.run(&[&["--url", &url], arguments].concat());
    step(&sandbox, 1, 1);
    as_writer(&["apply", "--yes"]).ok();
    step(&sandbox, 1, 3);
    let mut root = live.connect();
    root.query_drop("SET GLOBAL read_only = 1").unwrap();
    as_writer(&["check", "--no-lint"]).code(2);
    // The server lets root write all the same: on a replica that is what stops replication later.
    let before = live.everything();
    for command in [&["apply", "--yes"][..], &["rollback", "--yes"], &["test"]] {
        for run in [as_writer(command), sandbox.on(&live, command)] {
            run.code(3)
                .says(&["this server is to take no writes", "connect to the one"]);
        }
    }
    assert_eq!(before, live.everything());
    root.query_drop("SET GLOBAL read_only = 0").unwrap();
    as_writer(&["apply", "--yes"]).ok();
}

/// What every session begins with there is no reason for a migration to end in the middle, or for a list to be cut off.
fn a_server_with_settings_of_its_own(engine: Engine) {
    let server = MysqlServer::start(engine, &["--log-bin-trust-function-creators=1"]);
    let mut live = Mysql::at(&server.url());
    tables(&mut live, 2);
    let sandbox = Sandbox::with_spec("version = 1\n");
    let mut root = live.connect();
    let mut set = |settings: &str| root.query_drop(format!("SET GLOBAL {settings}")).unwrap();
    for (number, settings) in [
        "completion_type = 'RELEASE'",
        "completion_type = 'CHAIN'",
        "max_join_size = 1, GLOBAL sql_big_selects = 0",
        "autocommit = 0, GLOBAL sql_select_limit = 1",
    ]
    .into_iter()
    .enumerate()
    {
        set(settings);
        step(&sandbox, 2, u32::try_from(number).unwrap());
        sandbox.on(&live, &["apply", "--yes"]).ok();
        sandbox.on(&live, &["check", "--no-lint"]).ok();
        if number > 0 {
            sandbox.on(&live, &["rollback", "--yes"]).ok();
        }
    }
    set(
        "completion_type = 0, GLOBAL sql_big_selects = 1, GLOBAL max_join_size = DEFAULT, GLOBAL autocommit = 1",
    );

    // DDL runs all the same where transactions are read-only, and the history could not be written.
    let (read_only, limit) = match engine {
        Engine::Mariadb => ("tx_read_only", "max_statement_time = 0.5"),
        Engine::Mysql9 => ("transaction_read_only", "max_execution_time = 500"),
    };
    set(&format!("{read_only} = 1"));
    step(&sandbox, 2, 10);
    let before = live.snapshot();
    sandbox
        .on(&live, &["apply", "--yes"])
        .code(3)
        .says(&["this connection is read-only", read_only]);
    assert_eq!(before, live.snapshot());
    set(&format!("{read_only} = 0"));

    // Whoever waits for a lock is not ended by a limit on how long a statement may take.
    set(limit);
    let mut other = live.connect();
    other.query_drop("LOCK TABLES t0 READ").unwrap();
    sandbox
        .on(&live, &["apply", "--yes", "--wait", "1"])
        .code(4)
        .says(&["is locked by another connection"]);
    other.query_drop("UNLOCK TABLES").unwrap();
    sandbox.on(&live, &["apply", "--yes"]).ok();
}

fn a_server_killed_ten_times(engine: Engine) {
    const TABLES: usize = 24;
    // MySQL has no CREATE OR REPLACE TRIGGER: between DROP and CREATE there is none, for the one that was at hand.
    let least = match engine {
        Engine::Mariadb => TABLES,
        Engine::Mysql9 => TABLES - 1,
    };
    let mut server = MysqlServer::start(engine, &[]);
    let mut live = Mysql::at(&server.url());
    tables(&mut live, TABLES);
    let sandbox = Sandbox::with_spec("version = 1\n");
    step(&sandbox, TABLES, 0);
    sandbox.on(&live, &["apply", "--yes"]).ok();
    // How long a run takes once it has begun to write.
    let start = |live: &Mysql, number: u32| {
        step(&sandbox, TABLES, number);
        let mut command = sandbox.command(&["--url", &live.url(), "apply", "--yes"]);
        command
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap()
    };
    let begun = |live: &mut Mysql| {
        common::eventually("the migration has begun", || unfinished(live));
        Instant::now()
    };
    let child = start(&live, 1);
    let clock = begun(&mut live);
    common::wait(child, "apply").ok();
    let mut span = clock.elapsed();

    let (mut broken, mut number) = (0, 1);
    // Now and then a run is done before it is killed: ten must not be.
    while broken < 10 {
        number += 1;
        assert!(number < 40, "only {broken} kills were in mid-apply");
        let child = start(&live, number);
        begun(&mut live);
        std::thread::sleep(span.mul_f64(f64::from(number % 10) / 11.0));
        server.kill();
        let run = common::wait(child, "apply while the server is killed");
        assert!(matches!(run.code, Some(0 | 5)), "{run}");
        if run.code == Some(5) {
            let run = run.says(&["the connection broke"]);
            let hints = ["`triggerctl repair` shows", "run `triggerctl apply` again"];
            let plain = run.stderr.split_whitespace().collect::<Vec<_>>().join(" ");
            assert!(hints.iter().any(|hint| plain.contains(hint)), "{run}");
        }
        server.start_again();
        live.reconnect();
        let what = format!("kill {}", number - 1);
        if go_on(&sandbox, &mut live, (TABLES, number), least, &what) {
            broken += 1;
        } else {
            // It was done before: the first one was slow, on a machine that was busy with other things.
            span = span.mul_f64(0.8);
        }
    }
}
