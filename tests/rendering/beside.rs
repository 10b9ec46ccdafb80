//! PostgreSQL, where much is recorded: the history and the tables are read beside the catalog, over a second connection. What
//! a plan says must not depend on whether that is to be had.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::net::UnixStream;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use super::applied;
use crate::common::postgres::{Postgres, with_database};
use crate::common::server::Server;
use crate::common::{Live as _, Run, Sandbox, postgres};

/// What `-vv` says.
const BESIDE: &str = "over a second connection";
const REFUSED: &str = "there is no second connection:";
const NOT_WAITED_FOR: &str = "there is no second connection yet";

const SPEC: &str = r#"
version = 1

[[trigger]]
name = "{{ table }}_log"
tables = ["users*"]
timing = "after"
events = ["insert"]
body = "INSERT INTO log (what) VALUES ('a');"

[[trigger]]
name = "users_age"
table = "users"
timing = "before"
events = ["update"]
when = "NEW.age > 1"
body = "NEW.age := NEW.age + 1;"

[[function]]
name = "spare"
language = "plpgsql"
body = "BEGIN RETURN NULL; END"
"#;

/// Let it look as if so many objects were recorded.
fn count(live: &mut Postgres, objects: u32) {
    live.batch(&format!(
        "UPDATE triggerctl.migrations SET rendering = regexp_replace(rendering, '\"objects\":\\d+', '\"objects\":{objects}')"
    ));
    let counted = format!(
        "SELECT count(*) > 0 FROM triggerctl.migrations WHERE rendering LIKE '%\"objects\":{objects}%'"
    );
    assert_eq!(live.run(&counted).trim(), "t");
}

/// So many that the second connection is waited for, however quickly the catalog is read.
const MANY: u32 = 1_000_000;

/// A role that may read the history, and that goes with the test.
struct Reader {
    name: String,
    url: String,
}

impl Reader {
    fn new(live: &mut Postgres) -> Self {
        let name = format!("{}_reader", live.name());
        live.batch(&format!(
            "CREATE ROLE {name} LOGIN; GRANT USAGE ON SCHEMA triggerctl TO {name};
             GRANT SELECT ON ALL TABLES IN SCHEMA triggerctl TO {name}"
        ));
        let url = live.url().replacen("postgres@", &format!("{name}@"), 1);
        assert_ne!(url, live.url());
        Self { name, url }
    }

    /// Let it have so many connections, once it has none.
    fn limit(&self, live: &mut Postgres, most: i32) {
        let count = format!(
            "SELECT count(*) FROM pg_stat_activity WHERE usename = '{}'",
            self.name
        );
        while live.run(&count).trim() != "0" {
            std::thread::sleep(Duration::from_millis(2));
        }
        live.batch(&format!("ALTER ROLE {} CONNECTION LIMIT {most}", self.name));
    }

    fn run(&self, sandbox: &Sandbox, arguments: &[&str]) -> Run {
        sandbox.run(&[&["--url", &self.url, "-vv"], arguments].concat())
    }
}

#[test]
fn two_connections_say_what_one_says() {
    let mut live = Postgres::new();
    let sandbox = applied(&mut live, SPEC);
    let reader = Reader::new(&mut live);
    for what in [
        "",
        "CREATE FUNCTION theirs() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END';
         CREATE TRIGGER theirs AFTER DELETE ON log FOR EACH ROW EXECUTE FUNCTION theirs()",
        "CREATE SCHEMA other; CREATE TABLE other.t (a integer);
         CREATE TRIGGER theirs AFTER DELETE ON other.t FOR EACH ROW EXECUTE FUNCTION users_log();
         CREATE TRIGGER spare AFTER DELETE ON other.t FOR EACH ROW EXECUTE FUNCTION spare()",
        "ALTER TABLE users DISABLE TRIGGER users_log",
        "CREATE OR REPLACE FUNCTION users_age() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END'",
        "UPDATE triggerctl.objects SET rendered_digest = 'x' WHERE name = 'spare'",
        "ALTER TABLE users ADD COLUMN phone text",
        "CREATE TABLE users2 (a integer)",
        "DROP TRIGGER users_log ON users",
        "DROP TRIGGER theirs ON other.t; DROP FUNCTION users_log()",
        "DROP FUNCTION spare CASCADE",
        "DELETE FROM triggerctl.objects WHERE kind = 'trigger'",
        "DELETE FROM triggerctl.objects",
    ] {
        live.batch(what);
        for arguments in [
            ["plan", "--format", "json", "--unmanaged"].as_slice(),
            &["plan", "--target", "users_log", "--detailed-exitcode"],
            &["check", "--format", "json"],
        ] {
            count(&mut live, MANY);
            reader.limit(&mut live, -1);
            let two = reader.run(&sandbox, arguments).says(&[BESIDE]);
            reader.limit(&mut live, 1);
            let refused = reader.run(&sandbox, arguments).says(&[REFUSED]);
            count(&mut live, 5);
            reader.limit(&mut live, 1);
            let one = reader.run(&sandbox, arguments);
            let one = one.never_says(&[BESIDE, REFUSED]);
            for other in [&two, &refused] {
                assert_eq!(one.stdout, other.stdout, "{what}\n{one}\n{other}");
                assert_eq!(one.code, other.code, "{what}\n{one}\n{other}");
            }
        }
    }
    reader.limit(&mut live, 0);
    live.batch(&format!("DROP OWNED BY {0}; DROP ROLE {0}", reader.name));
}

#[test]
fn apply_goes_on_over_the_first_connection() {
    let mut live = Postgres::new();
    let sandbox = applied(&mut live, SPEC);
    count(&mut live, MANY);
    let apply = ["-vv", "apply", "--yes"];
    let run = sandbox.on(&live, &apply).ok().says(&[BESIDE]);
    assert!(run.stdout.contains("Nothing to do"), "{run}");
    live.batch("ALTER TABLE users DISABLE TRIGGER users_age");
    sandbox.on(&live, &apply).ok().says(&[BESIDE]);
    assert_eq!(live.versions(), ["1 applied", "2 applied"]);
    sandbox.on(&live, &["plan", "--detailed-exitcode"]).ok();
}

/// Whoever applies something meanwhile: a plan sees all of it or nothing, never triggers that nobody recorded.
#[test]
fn a_plan_beside_others_applies() {
    let mut live = Postgres::new();
    let one = applied(&mut live, SPEC);
    let other = Sandbox::with_spec(&SPEC.replace("'a'", "'b'").replace("users_age", "users_old"));
    // Each apply's rendering, as soon as it is written.
    live.batch(
        r#"CREATE FUNCTION triggerctl.much() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN
             NEW.rendering := regexp_replace(NEW.rendering, '"objects":\d+', '"objects":1000000'); RETURN NEW;
           END$$;
           CREATE TRIGGER much BEFORE INSERT OR UPDATE ON triggerctl.migrations FOR EACH ROW EXECUTE FUNCTION triggerctl.much()"#,
    );
    let url = live.url();
    let is_over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let planner = scope.spawn(|| {
            let mut beside = 0;
            while !is_over.load(Ordering::Relaxed) {
                let run = one.run(&["--url", &url, "-vv", "plan", "--detailed-exitcode"]);
                // A definition is read after its fingerprint, where that differs.
                let again = run.stderr.contains("while it was being read");
                assert!(again || matches!(run.code, Some(0 | 2)), "{run}");
                beside += usize::from(run.stderr.contains(BESIDE));
                // The other spec's is to be dropped, replaced and so on; none of it was changed by hand.
                run.never_says(&["by hand", "gone from", "conflict", "already"]);
            }
            beside
        });
        for _ in 0..4 {
            other.on(&live, &["apply", "--yes"]).ok();
            one.on(&live, &["apply", "--yes"]).ok();
        }
        // At least one plan of the state that stays.
        std::thread::sleep(Duration::from_millis(500));
        is_over.store(true, Ordering::Relaxed);
        assert!(planner.join().unwrap() > 0);
    });
}

#[test]
fn a_standby_has_two_connections_as_well() {
    let mut server = Server::new();
    let mut live = Postgres::on(&server.url());
    let sandbox = applied(&mut live, SPEC);
    count(&mut live, MANY);
    server.restart_in_recovery();
    let url = with_database(&server.url(), live.name());
    let plan = ["--url", &url, "-vv", "plan", "--detailed-exitcode"];
    let run = sandbox.run(&plan).ok().says(&[BESIDE]);
    assert!(run.stdout.contains("Nothing to do"), "{run}");
    drop(server);
}

/// A pooler that takes a second client, and has no server for it until the first one has gone.
#[test]
fn a_second_connection_that_never_comes_is_not_waited_for() {
    let mut live = Postgres::new();
    let sandbox = applied(&mut live, SPEC);
    count(&mut live, 100_000);
    let url = postgres::server_url();
    let parameter = |name: &str| {
        let (_, parameters) = url.split_once('?').expect("has parameters");
        let mut pairs = parameters.split('&').filter_map(|it| it.split_once('='));
        let (_, value) = pairs.find(|(it, _)| *it == name).expect("is a socket");
        value.to_owned()
    };
    let socket = format!("{}/.s.PGSQL.{}", parameter("host"), parameter("port"));
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        let (first, _) = listener.accept().unwrap();
        let server = UnixStream::connect(socket).unwrap();
        let (from, to) = (first.try_clone().unwrap(), server.try_clone().unwrap());
        std::thread::spawn(move || pass_on(from, to));
        std::thread::spawn(move || pass_on(server, first));
        let held: Vec<TcpStream> = listener.incoming().map_while(Result::ok).collect();
        drop(held);
    });
    let url = format!(
        "postgresql://postgres@127.0.0.1:{port}/{}?sslmode=disable",
        live.name()
    );
    let plan = ["--url", &url, "-vv", "plan", "--detailed-exitcode"];
    let run = sandbox.run(&plan).ok().says(&[NOT_WAITED_FOR]);
    assert!(run.stdout.contains("Nothing to do"), "{run}");
}

/// Until one of the two is closed.
fn pass_on(mut from: impl Read, mut to: impl Write) {
    let mut buffer = [0; 8192];
    while let Ok(count @ 1..) = from.read(&mut buffer) {
        if to.write_all(&buffer[..count]).is_err() {
            return;
        }
    }
}
