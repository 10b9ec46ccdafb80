#![allow(clippy::unwrap_used)]
use super::*;
use crate::dialect::testing::*;

#[test]
fn play() {
    let d = definitions(
        &Postgres,
        r#"
[[trigger]]
name = "{{ table }}_audit"
table = "users"
timing = "before"
events = ["insert", "update", "delete"]
update_of = ["email", "Order"]
when = "true -- always"
description = "it's"
body = """
  INSERT INTO log(op, at, what) VALUES ({{ operation() }}, {{ now() }}, {{ concat(text("1"), "'x'") }});
  INSERT INTO log(op) SELECT 1{% if event is defined %} WHERE {{ changed('email', 'age') }}{% endif %} -- done
"""
[trigger.postgres]
enabled = "always"
declare = "n integer"
security = "definer"
search_path = ["public", "pg_temp"]

[[function]]
name = "audit.log_change"
body = "BEGIN RETURN NULL; END"
settings = { timezone = "UTC", work_mem = "64MB" }
"#,
    );
    for s in create_all(&Postgres, &d, Postgres.newest()) {
        println!("{s}\n---");
    }
}
