//! The shop of `fixtures/shop`: the same 20 tables with the same rows on every engine, and a spec for all of them.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use std::collections::BTreeSet;

use common::mysql::{Engine, Mysql};
use common::{Live, Sandbox, assert_same, postgres::Postgres, repository, sqlite::Sqlite};

fn shop(name: &str) -> String {
    std::fs::read_to_string(repository().join("fixtures/shop").join(name)).unwrap()
}

/// Load the shop, and see that it is whole.
fn open(live: &mut dyn Live) {
    live.batch(&shop(&format!("schema.{}.sql", live.dialect())));
    // The literals have one backslash, which MySQL would take for an escape.
    let data = shop("data.sql");
    live.batch(&if live.dialect() == "mysql" {
        data.replace('\\', "\\\\")
    } else {
        data
    });

    let counts = "SELECT count(*) FROM customers UNION ALL SELECT count(*) FROM products UNION ALL
        SELECT count(*) FROM orders UNION ALL SELECT count(*) FROM order_items UNION ALL SELECT count(*) FROM open_orders";
    assert_eq!(live.run(counts), "5\n6\n6\n7\n2\n");
    // What triggers keep is as they would keep it.
    for kept in [
        "SELECT count(*) FROM customers c WHERE order_count <> (SELECT count(*) FROM orders o WHERE o.customer_id = c.id)",
        "SELECT count(*) FROM categories c WHERE product_count <> (SELECT count(*) FROM products p WHERE p.category_id = c.id)",
        "SELECT count(*) FROM products p WHERE review_count <> (SELECT count(*) FROM reviews r WHERE r.product_id = p.id)
            OR rating_sum <> (SELECT coalesce(sum(rating), 0) FROM reviews r WHERE r.product_id = p.id)",
        "SELECT count(*) FROM carts c WHERE item_count <> (SELECT count(*) FROM cart_items i WHERE i.cart_id = c.id)",
        "SELECT count(*) FROM orders o WHERE total <> (SELECT sum(line_total) FROM order_items i WHERE i.\"order\" = o.id)",
        "SELECT count(*) FROM order_items WHERE line_total <> quantity * unit_price",
    ] {
        assert_eq!(live.run(kept), "0\n", "{kept}");
    }
    assert_eq!(
        live.run("SELECT description FROM products WHERE id = 3"),
        "100% structured; no \\ jumps\n"
    );
    // Keys and checks hold.
    for refused in [
        "INSERT INTO orders (customer_id) VALUES (99)",
        "INSERT INTO orders (customer_id, status) VALUES (1, 'lost')",
        "UPDATE inventory SET reserved = on_hand + 1",
        "INSERT INTO products (category_id, sku, name, price) VALUES (1, 'BK-001', 'twice', 1)",
    ] {
        let answer = live.run(refused);
        assert!(answer.starts_with("error: "), "{refused}: {answer}");
    }
}

/// The spec and its tests, in a folder of their own.
fn sandbox() -> Sandbox {
    let sandbox = Sandbox::with_spec(&shop("triggers.toml"));
    sandbox.write("tests.toml", shop("tests.toml"));
    sandbox
}

/// What the triggers do to a few statements, to the letter the same on every engine.
fn fire(live: &mut dyn Live) {
    live.batch(
        "INSERT INTO customers (id, email, name, password_hash) VALUES (6, 'kurt@example.com', 'Kurt', 'hash-1');
         INSERT INTO orders (id, customer_id, placed_at) VALUES (7, 6, '2026-03-02 10:00:00'), (8, 6, '2026-03-02 11:00:00');",
    );
    live.batch(
        "INSERT INTO order_items (id, \"order\", product_id, quantity, unit_price) VALUES (8, 7, 1, 2, 24.50), (9, 7, 3, 1, 12.00), (10, 8, 6, 1, 30.00);",
    );
    live.batch(
        "UPDATE order_items SET quantity = 3 WHERE id = 9;
         UPDATE orders SET status = 'paid' WHERE id = 7;
         UPDATE customers SET password_hash = 'hash-2', phone = '1' WHERE id = 6;
         UPDATE products SET category_id = 5 WHERE id = 6;
         UPDATE products SET name = name WHERE id = 5;
         DELETE FROM cart_items WHERE cart_id = 1 AND product_id = 6;
         INSERT INTO reviews (id, product_id, customer_id, rating) VALUES (90, 3, 6, 4);
         UPDATE reviews SET rating = 5 WHERE id = 90;
         DELETE FROM coupons WHERE code = 'LAST';
         INSERT INTO shipments (id, order_id, carrier) VALUES (90, 7, 'post');",
    );
    for (query, expected) in [
        ("SELECT order_count FROM customers WHERE id = 6", "2"),
        (
            "SELECT count(*) FROM orders WHERE id = 7 AND total = 85",
            "1",
        ),
        (
            "SELECT count(*) FROM orders WHERE id = 8 AND total = 30",
            "1",
        ),
        (
            "SELECT count(*) FROM order_items WHERE line_total = quantity * unit_price",
            "10",
        ),
        (
            "SELECT count(*) FROM orders WHERE id = 7 AND updated_at > '2026-03-03 00:00:00'",
            "1",
        ),
        (
            "SELECT count(*) FROM orders WHERE id = 6 AND updated_at > '2026-03-03 00:00:00'",
            "0",
        ),
        (
            "SELECT count(*) FROM customers WHERE id = 6 AND created_at > '2026-03-03 00:00:00'",
            "1",
        ),
        (
            "SELECT id, product_count FROM categories WHERE id IN (4, 5) ORDER BY id",
            "4|1\n5|1",
        ),
        (
            "SELECT id, version FROM products WHERE id IN (5, 6) ORDER BY id",
            "5|1\n6|2",
        ),
        ("SELECT id, item_count FROM carts ORDER BY id", "1|1\n2|1"),
        ("SELECT rating_sum FROM products WHERE id = 3", "5"),
        // Rows of orders have changed their customer's count, which is a change of the customer.
        (
            "SELECT operation, actor FROM audit_log WHERE table_name = 'coupons' OR operation = 'INSERT' ORDER BY operation",
            "DELETE|shop\nINSERT|shop",
        ),
        ("SELECT topic, operation FROM outbox", "shipments|INSERT"),
    ] {
        assert_eq!(live.run(query), format!("{expected}\n"), "{query}");
    }
    refuse(live);
}

/// What they refuse.
fn refuse(live: &mut dyn Live) {
    let mut refused = vec![
        (
            "UPDATE orders SET status = 'delivered' WHERE id = 8",
            "status",
        ),
        (
            "INSERT INTO orders (id, customer_id, status) VALUES (9, 6, 'paid')",
            "status",
        ),
        (
            "UPDATE orders SET customer_id = 1 WHERE id = 8",
            "customer_id",
        ),
        (
            "DELETE FROM orders WHERE id = 8",
            "orders are cancelled, not deleted",
        ),
        (
            "DELETE FROM order_items WHERE id = 10",
            "orders are cancelled, not deleted",
        ),
        ("UPDATE payments SET amount = 1", "payments"),
        ("DELETE FROM audit_log", "audit_log"),
        (
            "INSERT INTO refunds (id, payment_id, amount, refunded_at) VALUES (90, 1, 100000, '2026-03-03 00:00:00')",
            "more than was paid cannot be given back",
        ),
        (
            "UPDATE products SET price = 1, version = 1 WHERE id = 6",
            "changed by somebody else",
        ),
    ];
    if live.dialect() == "postgres" {
        refused.push(("TRUNCATE coupons CASCADE", "coupons"));
    }
    for (statement, said) in refused {
        let answer = live.run(statement);
        assert!(
            answer.starts_with("error: ") && answer.contains(said),
            "{statement}: {answer}"
        );
    }
    if live.dialect() != "mysql" {
        live.batch("DELETE FROM sessions; DELETE FROM customers WHERE id = 4;");
        assert_eq!(
            live.run("SELECT count(*) FROM customers WHERE id = 4 AND deleted_at IS NOT NULL"),
            "1\n"
        );
    }
}

/// The whole life of the spec: plan, apply, nothing left to do, lint, what fires, rollback, import, tests.
fn life(live: &mut dyn Live) {
    open(live);
    let sandbox = sandbox();
    let before = live.snapshot();
    sandbox.run(&["validate", "--dialect", live.dialect()]).ok();
    let tested = if live.dialect() == "mysql" { 9 } else { 10 };
    let all = format!("All {tested} tests passed");
    sandbox.on(live, &["test"]).ok().says(&[&all]);
    assert_same("the catalog after the tests", &before, &live.snapshot());

    sandbox
        .on(live, &["plan", "--detailed-exitcode"])
        .code(2)
        .says(&["1 table to create"]);
    sandbox.on(live, &["apply", "--yes"]).ok();
    let nothing = |sandbox: &Sandbox, arguments: &[&str], also: &str| {
        let plan = ["plan", "--detailed-exitcode", "--format", "json"];
        let run = sandbox.on(live, &[arguments, &plan].concat()).ok();
        let document = run.json();
        let changes = document["changes"].as_array().unwrap();
        for change in changes {
            assert_eq!(change["action"], also, "{}", change["object"]);
        }
        let count = document["unchanged"].as_u64().unwrap() + changes.len() as u64;
        assert!(count > 60, "{count}");
    };
    nothing(&sandbox, &[], "nothing");
    sandbox.on(live, &["check"]).ok().never_says(&["warning"]);
    sandbox
        .on(live, &["lint", "--deny", "notes"])
        .ok()
        .says(&["Nothing found"]);
    sandbox.on(live, &["test"]).ok().says(&[&all]);
    sandbox.on(live, &["import", "-o", "imported.toml"]).ok();
    // It is written otherwise, and is the same.
    nothing(&sandbox, &["--config", "imported.toml"], "adopt");
    let applied = live.snapshot();

    sandbox
        .on(live, &["rollback", "--yes", "--allow", "drops_protection"])
        .ok();
    // Nothing drops the one table that the spec has made, but its owner.
    assert_eq!(live.run("SELECT count(*) FROM outbox"), "0\n");
    live.batch("DROP TABLE outbox;");
    let after = live.snapshot();
    // SQLite makes this one for AUTOINCREMENT, and keeps it.
    let lines = after.split_inclusive('\n');
    let after: String = lines
        .filter(|line| !line.contains("sqlite_sequence"))
        .collect();
    assert_same("the catalog after rollback", &before, &after);

    sandbox.on(live, &["apply", "--yes"]).ok();
    assert_same(
        "the catalog after the second apply",
        &applied,
        &live.snapshot(),
    );
    fire(live);
    sandbox.on(live, &["check"]).ok();
}

#[test]
fn it_is_what_it_says() {
    let text = shop("triggers.toml");
    assert!(text.lines().count() < 120, "{}", text.lines().count());
    let kinds: BTreeSet<&str> = text
        .lines()
        .filter_map(|line| line.strip_prefix("use = "))
        .collect();
    assert!(kinds.len() >= 12, "{kinds:?}");
    for dialect in ["sqlite", "postgres", "mysql"] {
        let tables = shop(&format!("schema.{dialect}.sql"))
            .matches("\nCREATE TABLE ")
            .count();
        assert_eq!(tables, 20, "{dialect}");
    }
}

#[test]
fn sqlite() {
    life(&mut Sqlite::new());
}

#[test]
fn postgres() {
    life(&mut Postgres::new());
}

#[test]
fn postgres_14() {
    life(&mut Postgres::on(&other_postgres(14)));
}

#[test]
fn postgres_18() {
    life(&mut Postgres::on(&other_postgres(18)));
}

#[test]
fn mariadb() {
    life(&mut Mysql::of(Engine::Mariadb));
}

#[test]
fn mysql_9() {
    if !Engine::Mysql9.is_missing() {
        life(&mut Mysql::of(Engine::Mysql9));
    }
}

/// A server of another version.
fn other_postgres(version: u32) -> String {
    let name = format!("TRIGGERCTL_TEST_POSTGRES_{version}");
    std::env::var(&name).unwrap_or_else(|_| panic!("{name} is not set: run tests/run.sh"))
}
