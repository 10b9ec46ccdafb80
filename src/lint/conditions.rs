//! Rules about `when`, which need nothing but the spec.

use std::ops::Range;

use super::{Finding, Owner, rules};
use crate::dialect::Dialect;
use crate::error::{Diagnostic, Located};
use crate::model::{Condition, Trigger};
use crate::spec::{Spec, inner_span};
use crate::sql::{POSTGRES, Token, solid, tokens};

/// The aggregates of pg_catalog, PostgreSQL 12 to 18.
const AGGREGATES: [&str; 58] = [
    "any_value",
    "array_agg",
    "avg",
    "bit_and",
    "bit_or",
    "bit_xor",
    "bool_and",
    "bool_or",
    "corr",
    "count",
    "covar_pop",
    "covar_samp",
    "cume_dist",
    "dense_rank",
    "every",
    "first_value",
    "json_agg",
    "json_agg_strict",
    "json_arrayagg",
    "json_object_agg",
    "json_object_agg_strict",
    "json_object_agg_unique",
    "json_objectagg",
    "jsonb_agg",
    "jsonb_agg_strict",
    "jsonb_object_agg",
    "jsonb_object_agg_strict",
    "lag",
    "last_value",
    "lead",
    "max",
    "min",
    "mode",
    "nth_value",
    "ntile",
    "percent_rank",
    "percentile_cont",
    "percentile_disc",
    "range_agg",
    "range_intersect_agg",
    "rank",
    "regr_avgx",
    "regr_avgy",
    "regr_count",
    "regr_intercept",
    "regr_r2",
    "regr_slope",
    "regr_sxx",
    "regr_sxy",
    "regr_syy",
    "row_number",
    "stddev",
    "stddev_pop",
    "stddev_samp",
    "string_agg",
    "sum",
    "var_pop",
    "variance",
];

/// Conditions that PostgreSQL refuses.
pub(super) fn look(spec: &Spec, dialect: &'static dyn Dialect) -> Vec<Finding> {
    let mut found = vec![];
    if dialect.name() != "postgres" {
        return found;
    }
    for (index, trigger) in spec.triggers.iter().enumerate() {
        let Some(fields) = trigger.for_dialect(dialect.name()) else {
            continue;
        };
        let Some(when) = &fields.when else { continue };
        let mut add = |name: &str, diagnostic: Diagnostic| {
            if let Some(rule) = rules::by_name(name) {
                found.push(Finding {
                    rule,
                    severity: rule.severity,
                    dialects: vec![dialect.name()],
                    object: None,
                    diagnostic,
                    owners: vec![Owner::Trigger(index)],
                });
            }
        };
        let all = solid(&when.value, &POSTGRES);
        if let Some(range) = subquery(when, &all) {
            add(
                "when_subquery",
                Diagnostic::new("a condition cannot have a subquery")
                    .at(&inner_span(when, range))
                    .help("put it into the body: `IF EXISTS (SELECT …) THEN … END IF;`"),
            );
        } else if let Some((word, range)) = aggregate(when, &all) {
            add(
                "when_aggregate",
                Diagnostic::new(format!("a condition cannot have the aggregate `{word}`"))
                    .at(&inner_span(when, range))
                    .help("a condition is about one row: ask in the body"),
            );
        }
    }
    found
}

fn subquery(when: &Located<String>, all: &[Token]) -> Option<Range<usize>> {
    all.iter().enumerate().find_map(|(at, token)| {
        let after_dot = at
            .checked_sub(1)
            .and_then(|before| all.get(before))
            .is_some_and(|before| before.is_operator(&when.value, "."));
        (!after_dot && token.is_word(&when.value, "select")).then(|| token.range.clone())
    })
}

fn aggregate(when: &Located<String>, all: &[Token]) -> Option<(String, Range<usize>)> {
    let text = &when.value;
    all.iter().enumerate().find_map(|(at, token)| {
        let called = all
            .get(at + 1)
            .is_some_and(|next| next.is_operator(text, "("));
        let before = |back: usize| at.checked_sub(back).and_then(|at| all.get(at));
        let qualified = before(1).is_some_and(|before| before.is_operator(text, "."))
            && !before(2).is_some_and(|schema| schema.is_word(text, "pg_catalog"));
        if !called || qualified {
            return None;
        }
        let known = AGGREGATES.iter().any(|name| token.is_word(text, name))
            || ((token.is_word(text, "over") || token.is_word(text, "filter"))
                && before(1).is_some_and(|before| before.is_operator(text, ")")));
        known.then(|| (token.text(text).to_lowercase(), token.range.clone()))
    })
}

/// Whether a trigger's condition asks how deep in triggers it is.
pub(super) fn asks_depth(trigger: &Trigger) -> bool {
    match &trigger.condition {
        Some(Condition::Sql(text)) => {
            tokens(text, &POSTGRES).any(|token| token.is_word(text, "pg_trigger_depth"))
        }
        // Its text is not known: it may.
        Some(Condition::Unread) => true,
        None => false,
    }
}
