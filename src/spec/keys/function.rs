//! The keys of what stands beside triggers: functions, and the rules about which tables must have a trigger.

use super::{KEY, Key, Section, Shape};

/// Keys of `[[function]]` and `[[require]]`.
pub(super) const FUNCTION: &[Key] = &[
    Key {
        name: "name",
        sections: &[Section::Function],
        shape: Shape::Name,
        required: true,
        doc: "The function's name, with or without a schema.",
        example: "name = \"audit.log_change\"",
        ..KEY
    },
    Key {
        name: "name",
        sections: &[Section::Require],
        shape: Shape::Text,
        doc: "What messages call the rule.",
        example: "name = \"every table is audited\"",
        ..KEY
    },
    Key {
        name: "trigger",
        sections: &[Section::Require],
        shape: Shape::Text,
        doc: "The name of the trigger that each of them must have; may use `{{ table }}`.",
        example: "trigger = \"{{ table }}_audit\"",
        ..KEY
    },
    Key {
        name: "use",
        sections: &[Section::Require],
        shape: Shape::Text,
        doc: "The kind that must be used on each of them.",
        example: "use = \"updated_at\"",
        aliases: &["kind"],
        ..KEY
    },
    Key {
        name: "language",
        sections: &[Section::Function],
        shape: Shape::Text,
        default: "`\"plpgsql\"`",
        doc: "The procedural language.",
        example: "language = \"plpgsql\"",
        ..KEY
    },
    Key {
        name: "body",
        sections: &[Section::Function],
        shape: Shape::Sql,
        required: true,
        doc: "The whole text, BEGIN and END included; a template.",
        example: "body = \"BEGIN RETURN NEW; END\"",
        aliases: &["action", "do", "sql"],
        ..KEY
    },
    Key {
        name: "settings",
        sections: &[Section::Function],
        shape: Shape::Map(&Shape::Scalar),
        doc: "Any other SET on the function.",
        example: "settings = { work_mem = \"64MB\" }",
        aliases: &["set", "config"],
        ..KEY
    },
    Key {
        name: "volatility",
        sections: &[Section::Function],
        shape: Shape::Word(&["volatile", "stable", "immutable"]),
        default: "`\"volatile\"`",
        doc: "What the planner may assume of the function.",
        example: "volatility = \"volatile\"",
        ..KEY
    },
    Key {
        name: "parallel",
        sections: &[Section::Function],
        shape: Shape::Word(&["unsafe", "restricted", "safe"]),
        default: "`\"unsafe\"`",
        doc: "Where it may run in parallel plans.",
        example: "parallel = \"unsafe\"",
        ..KEY
    },
    Key {
        name: "leakproof",
        sections: &[Section::Function],
        shape: Shape::Bool,
        default: "`false`",
        doc: "Whether it lets nothing out about its arguments.",
        example: "leakproof = false",
        ..KEY
    },
    Key {
        name: "strict",
        sections: &[Section::Function],
        shape: Shape::Bool,
        default: "`false`",
        doc: "STRICT, which means nothing to a function without arguments.",
        example: "strict = false",
        ..KEY
    },
    Key {
        name: "cost",
        sections: &[Section::Function],
        shape: Shape::Positive,
        default: "100",
        doc: "Its cost, in units of cpu_operator_cost; above 0.",
        example: "cost = 100",
        ..KEY
    },
];
