//! The keys of the tests of a spec.

use super::{KEY, Key, Section, Shape};

/// Keys of `[[test]]` and what is in it.
pub(super) const TEST: &[Key] = &[
    Key {
        name: "name",
        sections: &[Section::Test],
        shape: Shape::Text,
        required: true,
        doc: "What it shows, in words; unique in its file.",
        example: "name = \"a changed row gets the time\"",
        ..KEY
    },
    Key {
        name: "dialects",
        sections: &[Section::Test],
        shape: Shape::List(&Shape::Dialect),
        default: "all",
        doc: "The dialects that it runs on.",
        example: "dialects = [\"sqlite\", \"postgres\"]",
        aliases: &["engines", "databases"],
        ..KEY
    },
    Key {
        name: "given",
        sections: &[Section::TestField],
        shape: Shape::Sql,
        doc: "Statements that set up the rows; a template.",
        example: "given = \"INSERT INTO users (id) VALUES (1);\"",
        aliases: &["setup", "before", "arrange"],
        ..KEY
    },
    Key {
        name: "when",
        sections: &[Section::TestField],
        shape: Shape::Sql,
        required: true,
        doc: "The statement or statements under test; a template.",
        example: "when = \"UPDATE users SET name = 'b';\"",
        aliases: &["do", "act", "sql", "run"],
        ..KEY
    },
    Key {
        name: "expect",
        sections: &[Section::TestField],
        shape: Shape::OneOrMany(Section::Expect),
        doc: "A query and the rows that it must give afterwards; or a list of such tables.",
        example: "expect = { query = \"SELECT name FROM users\", rows = [[\"b\"]] }",
        aliases: &["then", "assert", "expected"],
        ..KEY
    },
    Key {
        name: "query",
        sections: &[Section::Expect],
        shape: Shape::Sql,
        required: true,
        doc: "The query; a template.",
        example: "query = \"SELECT name FROM users\"",
        aliases: &["sql", "select"],
        ..KEY
    },
    Key {
        name: "rows",
        sections: &[Section::Expect],
        shape: Shape::Many(&Shape::Many(&Shape::Any)),
        required: true,
        doc: "The rows, each a list of values; `[]` for none.",
        example: "rows = [[\"b\", 1]]",
        aliases: &["row", "result", "results", "values"],
        ..KEY
    },
    Key {
        name: "ordered",
        sections: &[Section::Expect],
        shape: Shape::Bool,
        default: "`false`",
        doc: "Whether the order of the rows counts.",
        example: "ordered = true",
        aliases: &["order", "in_order"],
        ..KEY
    },
    Key {
        name: "expect_error",
        sections: &[Section::TestField],
        shape: Shape::TextOr(Section::ExpectError),
        doc: "`when` must fail, with this in its message; or `{ sqlstate = …, message = … }`.",
        example: "expect_error = \"too young\"",
        aliases: &["error", "raises", "throws"],
        ..KEY
    },
    Key {
        name: "message",
        sections: &[Section::ExpectError],
        shape: Shape::Free,
        doc: "A part of the message, to the letter.",
        example: "message = \"too young\"",
        aliases: &["text", "contains"],
        ..KEY
    },
    Key {
        name: "sqlstate",
        sections: &[Section::ExpectError],
        shape: Shape::Text,
        doc: "The SQLSTATE (PostgreSQL, MySQL): five characters.",
        example: "sqlstate = \"45000\"",
        aliases: &["code", "state"],
        ..KEY
    },
    Key {
        name: "expect_changes",
        sections: &[Section::TestField],
        shape: Shape::OneOrMany(Section::ExpectChanges),
        doc: "What `when` does to a table: exactly these rows come, go and change; or a list of such tables.",
        example: "expect_changes = { table = \"audit\", added = [{ op = \"U\" }] }",
        aliases: &["changes", "expect_change"],
        ..KEY
    },
    Key {
        name: "table",
        sections: &[Section::ExpectChanges],
        shape: Shape::Name,
        required: true,
        doc: "The table.",
        example: "table = \"audit\"",
        aliases: &["on", "relation"],
        ..KEY
    },
    Key {
        name: "added",
        sections: &[Section::ExpectChanges],
        shape: Shape::Many(&Shape::Map(&Shape::Any)),
        default: "`[]`",
        doc: "The rows that come, by column; columns that are left out may hold anything.",
        example: "added = [{ op = \"U\" }]",
        aliases: &["inserted", "new"],
        ..KEY
    },
    Key {
        name: "removed",
        sections: &[Section::ExpectChanges],
        shape: Shape::Many(&Shape::Map(&Shape::Any)),
        default: "`[]`",
        doc: "The rows that go.",
        example: "removed = [{ id = 1 }]",
        aliases: &["deleted", "old"],
        ..KEY
    },
    Key {
        name: "changed",
        sections: &[Section::ExpectChanges],
        shape: Shape::Many(&Shape::Table(Section::ExpectChanged)),
        default: "`[]`",
        doc: "The rows that change, each before and after; rows are told apart by the primary key.",
        example: "changed = [{ from = { n = 1 }, to = { n = 2 } }]",
        aliases: &["updated", "modified"],
        ..KEY
    },
    Key {
        name: "from",
        sections: &[Section::ExpectChanged],
        shape: Shape::Map(&Shape::Any),
        required: true,
        doc: "What the row was, by column.",
        example: "from = { n = 1 }",
        aliases: &["old", "before"],
        ..KEY
    },
    Key {
        name: "to",
        sections: &[Section::ExpectChanged],
        shape: Shape::Map(&Shape::Any),
        required: true,
        doc: "What it is then.",
        example: "to = { n = 2 }",
        aliases: &["new", "after"],
        ..KEY
    },
];
