#![allow(clippy::unwrap_used)]

use insta::assert_snapshot;

use super::*;
use crate::dialect::testing::*;

#[test]
fn play() {
    let d = definitions(
        &Sqlite,
        r#"
[[trigger]]
name = "{{ table }}_audit"
table = "users"
timing = "after"
events = ["insert", "update", "delete"]
update_of = ["email", "Order"]
when = "1 -- always"
body = """
INSERT INTO log(op, at, what) VALUES ({{ operation() }}, {{ now() }}, {{ concat(text("1"), "'x'") }});
INSERT INTO log(op) SELECT {{ event | literal }}{% if event == 'update' %} WHERE {{ changed('email', 'age') }}{% endif %}
"""
"#,
    );
    for s in create_all(&Sqlite, &d, Sqlite.newest()) {
        println!("{s}\n---");
    }
    for d in crate::dialect::ALL {
        println!(
            "{}",
            problems(
                *d,
                r#"
[[trigger]]
name = "a"
table = "users"
timing = "after"
events = ["insert", "update"]
when = "OLD.x = (1"
body = "{{ table }} {{ raise_if('a)', 'b') }}"
[[trigger]]
name = "a2"
table = "users"
timing = "after"
events = ["insert", "update"]
when = "OLD.x = (1)"
body = "SELECT 1, {{ table }}"
[[trigger]]
name = "a3"
table = "users"
timing = "after"
events = ["insert", "update"]
when = "OLD.x = (1)"
body = "SELECT 1, {{ raise_if('a)', 'b') }}"
"#,
                None
            )
        );
    }
}
