//! The shop of `fixtures/shop`: the same 20 tables with the same rows on every engine, and a spec for all of them.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use common::{Live, mysql::Mysql, postgres::Postgres, repository, sqlite::Sqlite};

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

#[test]
fn sqlite() {
    open(&mut Sqlite::new());
}

#[test]
fn postgres() {
    open(&mut Postgres::new());
}

#[test]
fn mysql() {
    open(&mut Mysql::new());
}
