//! Kinds that keep a number in another row stay exact under many writers, none of whom gets an error.

use std::fmt::Write as _;

use libtest_mimic::Trial;

use crate::case::Engine;
use crate::common::{Live, Sandbox, mysql, script};

const WRITERS: usize = 8;
const ROUNDS: usize = 40;

pub(crate) fn trials() -> Vec<Trial> {
    let mut trials = vec![];
    let engines = std::iter::once(Engine::Postgres).chain(mysql::Engine::ALL.map(Engine::Mysql));
    for engine in engines {
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

fn exact(live: &mut dyn Live, moving: bool) {
    live.batch(
        "CREATE TABLE posts (id integer PRIMARY KEY, comments_count integer NOT NULL DEFAULT 0, total integer NOT NULL DEFAULT 0);
         CREATE TABLE comments (id integer PRIMARY KEY, post_id integer, points integer,
           FOREIGN KEY (post_id) REFERENCES posts (id));
         INSERT INTO posts (id) VALUES (1), (2);",
    );
    let sandbox = Sandbox::with_spec(
        r#"version = 1
[[trigger]]
use   = "counter_cache"
table = "comments"
with  = { parent = "posts", key = "post_id" }
[[trigger]]
use   = "sum_cache"
table = "comments"
with  = { parent = "posts", key = "post_id", column = "total", amount = "NEW.points" }
"#,
    );
    sandbox.on(live, &["apply", "--yes"]).ok();
    let scripts: Vec<String> = (0..WRITERS).map(|writer| work(writer, moving)).collect();
    let live_now: &dyn Live = live;
    // The clients are processes of their own: only starting them takes the database's handle.
    let clients: Vec<_> = scripts
        .iter()
        .map(|text| (live_now.client(), text.clone()))
        .collect();
    let threads: Vec<_> = clients
        .into_iter()
        .map(|(command, text)| std::thread::spawn(move || feed(command, &text)))
        .collect();
    for thread in threads {
        let said = thread.join().unwrap();
        assert!(said.is_ok(), "{said:?}");
    }
    let expected = live.run(
        "SELECT p.id, (SELECT count(*) FROM comments c WHERE c.post_id = p.id),
                (SELECT coalesce(sum(c.points), 0) FROM comments c WHERE c.post_id = p.id) FROM posts p ORDER BY p.id",
    );
    assert_eq!(
        live.run("SELECT id, comments_count, total FROM posts ORDER BY id"),
        expected
    );
    assert!(!expected.contains("|0|"), "{expected}");
    script(live, "SELECT 1;").ok();
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
