//! Kinds that keep a number in another row stay exact under many writers, none of whom gets an error.

use std::fmt::Write as _;

use libtest_mimic::Trial;

use crate::cascades;
use crate::case::Engine;
use crate::common::{Live, Sandbox, mysql, script};

const WRITERS: usize = 8;
const ROUNDS: usize = 40;

/// What is tried on an engine.
type Try = fn(&mut dyn Live);

pub(crate) fn trials() -> Vec<Trial> {
    let mut trials = vec![];
    let engines = std::iter::once(Engine::Postgres).chain(mysql::Engine::ALL.map(Engine::Mysql));
    for engine in engines {
        let others: [(&str, Try); 2] = [("versions", versions), ("renamed_parents", renamed)];
        for (what, test) in others {
            let trial = Trial::test(format!("writers::{}::{what}", engine.name()), move || {
                test(&mut *engine.live());
                Ok(())
            });
            trials.push(trial.with_ignored_flag(engine.is_missing()));
        }
        if matches!(engine, Engine::Postgres) {
            let trial = Trial::test("writers::postgres::parents_that_are_gone", move || {
                gone(&mut *engine.live());
                Ok(())
            });
            trials.push(trial.with_ignored_flag(engine.is_missing()));
        }
        for moving in [false, true] {
            let what = if moving {
                "moves"
            } else {
                "inserts_and_deletes"
            };
            let trial = Trial::test(format!("writers::{}::{what}", engine.name()), move || {
                exact(&mut *engine.live(), moving);
                Ok(())
            });
            trials.push(trial.with_ignored_flag(engine.is_missing()));
        }
    }
    trials
}

/// Nobody's change goes uncounted.
fn versions(live: &mut dyn Live) {
    live.batch(
        "CREATE TABLE documents (id integer PRIMARY KEY, n integer NOT NULL, version integer NOT NULL);
         INSERT INTO documents VALUES (1, 0, 1);",
    );
    let sandbox =
        Sandbox::with_spec("version = 1\n[[trigger]]\nuse = \"version\"\ntable = \"documents\"\n");
    sandbox.on(live, &["apply", "--yes"]).ok();
    let update = "UPDATE documents SET n = n + 1 WHERE id = 1;\n";
    together(live, vec![update.repeat(ROUNDS); WRITERS]);
    let count = WRITERS * ROUNDS;
    assert_eq!(
        live.run("SELECT n, version FROM documents"),
        format!("{count}|{}\n", count + 1)
    );
}

/// A row that comes while its parent changes has the parent's new name or is given it.
fn renamed(live: &mut dyn Live) {
    live.batch(
        "CREATE TABLE users (id integer PRIMARY KEY, name varchar(20));
         CREATE TABLE comments (id integer PRIMARY KEY, author_id integer, author_name varchar(20),
           FOREIGN KEY (author_id) REFERENCES users (id));
         INSERT INTO users VALUES (1, 'a'), (2, 'b');",
    );
    let sandbox = Sandbox::with_spec(
        r#"version = 1
[[trigger]]
use   = "mirror"
table = "comments"
with  = { parent = "users", key = "author_id", columns = { author_name = "name" } }
"#,
    );
    sandbox.on(live, &["apply", "--yes"]).ok();
    let scripts = (0..WRITERS).map(|writer| {
        let mut text = String::new();
        for round in 0..ROUNDS {
            let (id, user) = (writer * 1000 + round, 1 + writer % 2);
            // The first two rename, each one user, so that no two of them ever wait for each other.
            let _ = if writer < 2 {
                writeln!(
                    text,
                    "UPDATE users SET name = 'n{round}' WHERE id = {user};"
                )
            } else {
                writeln!(
                    text,
                    "INSERT INTO comments (id, author_id) VALUES ({id}, {user});"
                )
            };
        }
        text
    });
    together(live, scripts.collect());
    let stale = "SELECT count(*) FROM comments c JOIN users u ON u.id = c.author_id WHERE c.author_name <> u.name OR c.author_name IS NULL";
    assert_eq!(live.run(stale), "0\n");
    let count = (WRITERS - 2) * ROUNDS;
    assert_eq!(
        live.run("SELECT count(*) FROM comments"),
        format!("{count}\n")
    );
}

/// Run scripts at the same time, none of which may fail.
fn together(live: &mut dyn Live, scripts: Vec<String>) {
    let live_now: &dyn Live = live;
    // The clients are processes of their own: only starting them takes the database's handle.
    let clients: Vec<_> = scripts
        .into_iter()
        .map(|text| (live_now.client(), text))
        .collect();
    let threads: Vec<_> = clients
        .into_iter()
        .map(|(command, text)| std::thread::spawn(move || feed(command, &text)))
        .collect();
    for thread in threads {
        let said = thread.join().unwrap();
        assert!(said.is_ok(), "{said:?}");
    }
}

fn exact(live: &mut dyn Live, moving: bool) {
    live.batch(
        "CREATE TABLE posts (id integer PRIMARY KEY, comments_count integer NOT NULL DEFAULT 0, total integer NOT NULL DEFAULT 0);
         CREATE TABLE comments (id integer PRIMARY KEY, post_id integer, points integer,
           FOREIGN KEY (post_id) REFERENCES posts (id));
         INSERT INTO posts (id) VALUES (1), (2);",
    );
    let sandbox = Sandbox::with_spec(cascades::SPEC);
    sandbox.on(live, &["apply", "--yes"]).ok();
    together(
        live,
        (0..WRITERS).map(|writer| work(writer, moving)).collect(),
    );
    adds_up(live);
    script(live, "SELECT 1;").ok();
}

/// Rows of a parent that is gone come to one that there is, in one statement with rows of none.
fn gone(live: &mut dyn Live) {
    live.batch(
        "CREATE TABLE posts (id integer PRIMARY KEY, comments_count integer NOT NULL DEFAULT 0, total integer NOT NULL DEFAULT 0);
         CREATE TABLE comments (id integer PRIMARY KEY, post_id integer, points integer);
         INSERT INTO posts (id) VALUES (1), (2);",
    );
    let sandbox = Sandbox::with_spec(cascades::SPEC);
    sandbox.on(live, &["apply", "--yes"]).ok();
    let scripts = (0..WRITERS).map(|writer| {
        let mut text = String::new();
        for round in 0..ROUNDS {
            let (id, post) = (writer * 1000 + round * 3, 1 + (writer + round) % 2);
            let _ = writeln!(
                text,
                "INSERT INTO comments VALUES ({id}, 9, 1), ({id} + 1, NULL, {round}), ({id} + 2, 9, 2);
                 UPDATE comments SET post_id = {post} WHERE id BETWEEN {id} AND {id} + 2;
                 UPDATE comments SET post_id = 3 - post_id WHERE id = {id};"
            );
        }
        text
    });
    together(live, scripts.collect());
    adds_up(live);
}

fn adds_up(live: &mut dyn Live) {
    let expected = live.run(
        "SELECT p.id, (SELECT count(*) FROM comments c WHERE c.post_id = p.id),
                (SELECT coalesce(sum(c.points), 0) FROM comments c WHERE c.post_id = p.id) FROM posts p ORDER BY p.id",
    );
    assert_eq!(
        live.run("SELECT id, comments_count, total FROM posts ORDER BY id"),
        expected
    );
    assert!(!expected.contains("|0|"), "{expected}");
}

/// What one writer does: rows of its own, below the same two parents as all others.
fn work(writer: usize, moving: bool) -> String {
    let mut text = String::new();
    for round in 0..ROUNDS {
        let id = writer * 1000 + round;
        let post = 1 + (writer + round) % 2;
        let _ = writeln!(text, "INSERT INTO comments VALUES ({id}, {post}, {round});");
        if moving {
            let _ = writeln!(
                text,
                "UPDATE comments SET post_id = 3 - post_id, points = points + 1 WHERE id = {id};"
            );
        } else if round % 3 == 0 {
            let _ = writeln!(text, "DELETE FROM comments WHERE id = {id};");
        }
    }
    text
}

fn feed(mut command: std::process::Command, text: &str) -> Result<(), String> {
    use std::io::Write as _;
    use std::process::Stdio;
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the engine's own client is installed");
    // A client that stopped at an error reads no more of it, and says so itself.
    let _ = child.stdin.take().unwrap().write_all(text.as_bytes());
    let output = child.wait_with_output().unwrap();
    if output.status.success() {
        Ok(())
    } else {
        Err(String::from_utf8_lossy(&output.stderr).into_owned())
    }
}
