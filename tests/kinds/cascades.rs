//! What foreign keys do to a count and a sum, on a live database: their actions fire triggers on some engines and not on
//! others, and the numbers must be right on all.

use libtest_mimic::Trial;

use crate::case::Engine;
use crate::common::{Live, Sandbox};

pub(crate) const SPEC: &str = r#"version = 1
[[trigger]]
use   = "counter_cache"
table = "comments"
with  = { parent = "posts", key = "post_id" }
[[trigger]]
use   = "sum_cache"
table = "comments"
with  = { parent = "posts", key = "post_id", column = "total", amount = "NEW.points" }
"#;

pub(crate) fn trials() -> Vec<Trial> {
    let mut trials = vec![];
    for engine in Engine::all() {
        for action in ["CASCADE", "SET NULL"] {
            let name = format!("cascades::{}::{}", engine.name(), action.replace(' ', "_"));
            let trial = Trial::test(name, move || {
                right(&mut *engine.live(), action);
                Ok(())
            });
            trials.push(trial.with_ignored_flag(engine.is_missing()));
        }
    }
    for (how, with) in [
        ("invoker", ""),
        (
            "definer",
            "[trigger.postgres]\nsecurity = \"definer\"\nsearch_path = [\"public\", \"pg_temp\"]\n",
        ),
    ] {
        let engine = Engine::Postgres;
        let trial = Trial::test(format!("cascades::postgres::gone_{how}"), move || {
            gone(&mut *engine.live(), with);
            Ok(())
        });
        trials.push(trial.with_ignored_flag(engine.is_missing()));
    }
    trials
}

fn right(live: &mut dyn Live, action: &str) {
    live.batch(&format!(
        "CREATE TABLE posts (id integer PRIMARY KEY, comments_count integer NOT NULL DEFAULT 0, total integer NOT NULL DEFAULT 0);
         CREATE TABLE comments (id integer PRIMARY KEY, post_id integer, points integer,
           FOREIGN KEY (post_id) REFERENCES posts (id) ON UPDATE CASCADE ON DELETE {action});"
    ));
    Sandbox::with_spec(SPEC).on(live, &["apply", "--yes"]).ok();
    live.batch(
        "INSERT INTO posts (id) VALUES (1), (2), (3);
         INSERT INTO comments VALUES (1, 1, 10), (2, 1, 20), (3, 2, 40);",
    );
    // The rows go with their parent's key, and are counted once.
    live.batch("UPDATE posts SET id = 7 WHERE id = 1;");
    agrees(live, "7|2|30\n");
    // Two parents at once, one of them without rows.
    live.batch("UPDATE posts SET id = id + 10 WHERE id IN (2, 3);");
    agrees(live, "12|1|40\n13|0|0\n");
    live.batch("DELETE FROM posts WHERE id = 7;");
    agrees(live, "12|1|40\n");
    let left = if action == "CASCADE" { "1\n" } else { "3\n" };
    assert_eq!(live.run("SELECT count(*) FROM comments"), left);
    // Back below a parent that is there.
    live.batch("UPDATE comments SET post_id = 13;");
    agrees(live, "12|0|0\n");
}

/// One statement that takes rows of a parent that is gone and of living ones to the same parent, together with all else that
/// may happen in its transaction.
fn gone(live: &mut dyn Live, with: &str) {
    live.batch(
        "CREATE TABLE posts (id integer PRIMARY KEY, comments_count integer NOT NULL DEFAULT 0, total integer NOT NULL DEFAULT 0);
         CREATE TABLE comments (id integer PRIMARY KEY, post_id integer, points integer);",
    );
    let spec = SPEC.replace("}\n", &format!("}}\n{with}"));
    Sandbox::with_spec(&spec).on(live, &["apply", "--yes"]).ok();
    live.batch(
        "INSERT INTO posts (id) VALUES (1), (2), (3);
         INSERT INTO comments VALUES (1, 9, 1), (2, 1, 2), (3, 2, 4), (4, 9, 8), (5, NULL, 16);",
    );
    // Each statement is sent alone, as programs do it.
    for statement in [
        "BEGIN",
        "UPDATE comments SET post_id = 3 - post_id % 7 WHERE id < 4",
        "SAVEPOINT s",
        "UPDATE comments SET post_id = 2, points = points + 1",
        "ROLLBACK TO SAVEPOINT s",
        "UPDATE comments SET points = points + 100",
        "DELETE FROM comments WHERE id = 2",
        "INSERT INTO comments VALUES (6, 2, 32), (7, 2, 64)",
        "UPDATE comments SET post_id = 2 WHERE id > 3",
        "DELETE FROM comments WHERE id = 7",
        "COMMIT",
        "UPDATE comments SET post_id = 3 WHERE id = 6",
    ] {
        live.batch(statement);
    }
    agrees(live, "2|");
    // One batch, some of which is taken back.
    live.batch(
        "UPDATE comments SET post_id = CASE WHEN id = 1 THEN 9 ELSE 1 END;
         DO $$ BEGIN
           BEGIN
             UPDATE comments SET post_id = 2;
             RAISE division_by_zero;
           EXCEPTION WHEN division_by_zero THEN NULL;
           END;
           INSERT INTO comments VALUES (8, 1, 128), (9, 9, 256);
           UPDATE comments SET post_id = 2 WHERE id <> 4;
           SET LOCAL TimeZone = 'Asia/Kathmandu';
           DELETE FROM comments WHERE id = 5;
         END $$;",
    );
    agrees(live, "2|");
}

fn agrees(live: &mut dyn Live, part: &str) {
    let kept = live.run("SELECT id, comments_count, total FROM posts ORDER BY id");
    let counted = live.run(
        "SELECT p.id, (SELECT count(*) FROM comments c WHERE c.post_id = p.id),
                (SELECT coalesce(sum(c.points), 0) FROM comments c WHERE c.post_id = p.id) FROM posts p ORDER BY p.id",
    );
    assert_eq!(kept, counted);
    assert!(kept.contains(part), "{kept}");
}
