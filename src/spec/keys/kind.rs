//! The keys of a `kind.toml`, beside those of a trigger that it shares with a spec.

use super::{KEY, Key, Section, Shape, TYPES};

/// Keys of a `kind.toml`.
pub(super) const KIND: &[Key] = &[
    Key {
        name: "description",
        sections: &[Section::Kind],
        shape: Shape::Text,
        required: true,
        doc: "What the kind is for, in one line.",
        example: "description = \"The time of the last change.\"",
        aliases: &["summary", "doc"],
        ..KEY
    },
    Key {
        name: "parameters",
        sections: &[Section::Kind],
        shape: Shape::Sections(Section::Parameter),
        doc: "What a use may tell the kind in `with`.",
        example: "[parameters.column]",
        aliases: &["parameter", "params"],
        ..KEY
    },
    Key {
        name: "needs",
        sections: &[Section::Kind],
        shape: Shape::Table(Section::Needs),
        doc: "What the kind needs of the table.",
        example: "[needs]",
        aliases: &["need", "requires"],
        ..KEY
    },
    Key {
        name: "without",
        sections: &[Section::Kind],
        shape: Shape::Map(&Shape::Text),
        doc: "The dialects that it is not for, each with the reason.",
        example: "without = { mysql = \"MySQL has no INSTEAD OF triggers\" }",
        ..KEY
    },
    Key {
        name: "refuse",
        sections: &[Section::Kind],
        shape: Shape::Tables(Section::Refusal),
        doc: "A use that makes no sense, and why.",
        example: "[[refuse]]",
        aliases: &["check", "checks", "refusal"],
        ..KEY
    },
    Key {
        name: "trigger",
        sections: &[Section::Kind],
        shape: Shape::Tables(Section::KindTrigger),
        required: true,
        doc: "A trigger that each use makes.",
        example: "[[trigger]]",
        aliases: &["triggers"],
        ..KEY
    },
    Key {
        name: "table",
        sections: &[Section::Kind],
        shape: Shape::Tables(Section::KindTable),
        doc: "A table that the kind writes to.",
        example: "[[table]]",
        aliases: &["tables"],
        ..KEY
    },
    Key {
        name: "example",
        sections: &[Section::Kind],
        shape: Shape::Table(Section::Example),
        required: true,
        doc: "A use to show.",
        example: "[example]",
        ..KEY
    },
    Key {
        name: "fixture",
        sections: &[Section::Kind],
        shape: Shape::Tree,
        doc: "What the kind's tests run on.",
        example: "[fixture]",
        ..KEY
    },
    Key {
        name: "test",
        sections: &[Section::Kind],
        shape: Shape::Tree,
        doc: "What the kind does, shown by example.",
        example: "[[test]]",
        aliases: &["tests"],
        ..KEY
    },
    Key {
        name: "type",
        sections: &[Section::Parameter],
        shape: Shape::Word(TYPES),
        required: true,
        doc: "What it takes.",
        example: "type = \"column\"",
        ..KEY
    },
    Key {
        name: "doc",
        sections: &[Section::Parameter],
        shape: Shape::Text,
        required: true,
        doc: "What it says, in a line or two.",
        example: "doc = \"The column that holds the time.\"",
        aliases: &["description", "help"],
        ..KEY
    },
    Key {
        name: "default",
        sections: &[Section::Parameter],
        shape: Shape::Tree,
        doc: "What holds when it is left out; `{{ … }}` is an expression.",
        example: "default = \"updated_at\"",
        ..KEY
    },
    Key {
        name: "of",
        sections: &[Section::Parameter],
        shape: Shape::Text,
        default: "the trigger's own table",
        doc: "For `column`, `columns` and the `values` of a `map`: the parameter that names their table.",
        example: "of = \"parent\"",
        ..KEY
    },
    Key {
        name: "optional",
        sections: &[Section::Parameter],
        shape: Shape::Bool,
        default: "`false`",
        doc: "It may be left out, and is `none` then.",
        example: "optional = true",
        ..KEY
    },
    Key {
        name: "kept",
        sections: &[Section::Parameter],
        shape: Shape::Bool,
        default: "`false`",
        doc: "Whether what it names are columns that the kind itself gives their values: other uses on the table see them as `kept_by_others`.",
        example: "kept = true",
        ..KEY
    },
    Key {
        name: "words",
        sections: &[Section::Parameter],
        shape: Shape::List(&Shape::Text),
        doc: "What a `word` or `words` may be.",
        example: "words = [\"row\", \"statement\"]",
        aliases: &["choices", "values_of"],
        ..KEY
    },
    Key {
        name: "keys",
        sections: &[Section::Parameter],
        shape: Shape::Word(&["text", "column"]),
        default: "`\"text\"`",
        doc: "What the keys of a `map` are.",
        example: "keys = \"column\"",
        ..KEY
    },
    Key {
        name: "values",
        sections: &[Section::Parameter],
        shape: Shape::Word(&["text", "texts", "sql", "column", "columns"]),
        default: "`\"text\"`",
        doc: "What the values of a `map` are.",
        example: "values = \"sql\"",
        ..KEY
    },
    Key {
        name: "primary_key",
        sections: &[Section::Needs],
        shape: Shape::Text,
        doc: "The table must have a primary key: why.",
        example: "primary_key = \"without one, no row can be told from another\"",
        ..KEY
    },
    Key {
        name: "tables",
        sections: &[Section::Needs],
        shape: Shape::List(&Shape::Word(&["table", "view"])),
        default: "`[\"table\"]`",
        doc: "What it can be used on.",
        example: "tables = [\"view\"]",
        ..KEY
    },
    Key {
        name: "if",
        sections: &[Section::Refusal],
        shape: Shape::Text,
        required: true,
        doc: "An expression: the use is refused where it is true.",
        example: "if = \"columns and except\"",
        aliases: &["when", "condition"],
        ..KEY
    },
    Key {
        name: "parameter",
        sections: &[Section::Refusal],
        shape: Shape::Text,
        doc: "The parameter that is to blame: it is underlined.",
        example: "parameter = \"except\"",
        ..KEY
    },
    Key {
        name: "message",
        sections: &[Section::Refusal],
        shape: Shape::Text,
        required: true,
        doc: "What is wrong; a template.",
        example: "message = \"`columns` and `except` exclude each other\"",
        ..KEY
    },
    Key {
        name: "help",
        sections: &[Section::Refusal],
        shape: Shape::Text,
        required: true,
        doc: "The way out; a template.",
        example: "help = \"keep one of them\"",
        ..KEY
    },
    Key {
        name: "suffix",
        sections: &[Section::KindTrigger],
        shape: Shape::Text,
        doc: "Goes behind the name of the use, with `_`; a template.",
        example: "suffix = \"truncate\"",
        ..KEY
    },
    Key {
        name: "on",
        sections: &[Section::KindTrigger],
        shape: Shape::Text,
        default: "the table of the use",
        doc: "The parameter of type `table` that names the table that it is on.",
        example: "on = \"parent\"",
        ..KEY
    },
    Key {
        name: "if",
        sections: &[Section::KindTrigger],
        shape: Shape::Text,
        doc: "An expression: the trigger is left out where it is false.",
        example: "if = \"'truncate' in events\"",
        ..KEY
    },
    Key {
        name: "parameter",
        sections: &[Section::KindTable],
        shape: Shape::Text,
        required: true,
        doc: "The parameter of type `table` that names it.",
        example: "parameter = \"target\"",
        ..KEY
    },
    Key {
        name: "doc",
        sections: &[Section::KindTable],
        shape: Shape::Text,
        required: true,
        doc: "What it holds, in a line or two.",
        example: "doc = \"One row for each change.\"",
        aliases: &["description", "help"],
        ..KEY
    },
    Key {
        name: "columns",
        sections: &[Section::KindTable],
        shape: Shape::List(&Shape::Text),
        required: true,
        doc: "The columns that the kind writes.",
        example: "columns = [\"operation\", \"old_row\"]",
        ..KEY
    },
    Key {
        name: "of_one",
        sections: &[Section::KindTable],
        shape: Shape::Bool,
        default: "`false`",
        doc: "Whether it is for the rows of one table: that two tables share it is refused.",
        example: "of_one = true",
        ..KEY
    },
    Key {
        name: "fill",
        sections: &[Section::KindTableOwn],
        shape: Shape::Sql,
        doc: "A statement that runs once, right after the CREATE TABLE; a template.",
        example: "fill = \"INSERT INTO {{ target | ident }} ({{ target.name | ident }}) VALUES ('rebuild')\"",
        ..KEY
    },
    Key {
        name: "create",
        sections: &[Section::KindTable, Section::KindTableOwn],
        shape: Shape::Sql,
        doc: "The CREATE TABLE; a template.",
        example: "create = \"CREATE TABLE {{ target | ident }} (…)\"",
        ..KEY
    },
    Key {
        name: "with",
        sections: &[Section::Example],
        shape: Shape::Map(&Shape::Tree),
        doc: "What the kind is told.",
        example: "with = { column = \"updated_at\" }",
        ..KEY
    },
    Key {
        name: "table",
        sections: &[Section::Example],
        shape: Shape::Tables(Section::ExampleTable),
        required: true,
        doc: "The tables: first the one that the trigger is on.",
        example: "[[example.table]]",
        ..KEY
    },
    Key {
        name: "view",
        sections: &[Section::ExampleTable],
        shape: Shape::Bool,
        default: "`false`",
        doc: "It is a view.",
        example: "view = true",
        ..KEY
    },
    Key {
        name: "name",
        sections: &[Section::ExampleTable],
        shape: Shape::Text,
        required: true,
        doc: "Its name.",
        example: "name = \"users\"",
        ..KEY
    },
    Key {
        name: "columns",
        sections: &[Section::ExampleTable],
        shape: Shape::Map(&Shape::Text),
        required: true,
        doc: "Its columns with their types, in order.",
        example: "columns = { id = \"integer\", name = \"text\" }",
        ..KEY
    },
    Key {
        name: "primary_key",
        sections: &[Section::ExampleTable],
        shape: Shape::List(&Shape::Text),
        doc: "Its primary key.",
        example: "primary_key = [\"id\"]",
        ..KEY
    },
];
