//! Rules about `when`, which need nothing but the spec.

use std::ops::Range;

use super::{Finding, Owner, rules};
use crate::dialect::Dialect;
use crate::error::{Diagnostic, Located};
use crate::model::{Condition, Trigger};
use crate::spec::{Spec, inner_span};
use crate::sql::{Code, POSTGRES, Token, TokenKind, solid, tokens};

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
        } else if let Some((operator, range)) = row_cast(when, &all) {
            let instead = match FUNCTIONS.iter().find(|(of, _)| *of == operator) {
                Some((_, function)) => format!("write `{function}(ROW(…), ROW(…))`"),
                None => "compare each column".to_owned(),
            };
            add(
                "when_row_cast",
                Diagnostic::new(format!(
                    "PostgreSQL prints this `{operator}` without the cast, and then means another"
                ))
                .at(&inner_span(when, range))
                .note("a dump of the database cannot be restored, or makes another condition")
                .help(instead),
            );
        }
    }
    found
}

/// The functions of pg_catalog that compare records, by operator.
const FUNCTIONS: [(&str, &str); 9] = [
    ("*<>", "record_image_ne"),
    ("*=", "record_image_eq"),
    ("=", "record_eq"),
    ("<>", "record_ne"),
    ("!=", "record_ne"),
    ("<", "record_lt"),
    ("<=", "record_le"),
    (">", "record_gt"),
    (">=", "record_ge"),
];

/// An operator beside a row that is cast to `record`.
fn row_cast(when: &Located<String>, all: &[Token]) -> Option<(String, Range<usize>)> {
    let code = Code {
        text: &when.value,
        tokens: all,
    };
    let compares = |at: Option<usize>| {
        let token = all.get(at?)?;
        let text = token.text(&when.value);
        let is_one = token.kind == TokenKind::Operator
            && !["(", ")", ",", ".", "::", "[", "]"].contains(&text);
        is_one.then(|| (text.to_owned(), token.range.clone()))
    };
    (0..all.len())
        .filter(|at| code.is_word(*at, "row") && code.is_operator(at + 1, "("))
        .find_map(|at| {
            let mut depth = 0_usize;
            let end = (at + 1..all.len()).find(|at| {
                if code.is_operator(*at, "(") {
                    depth += 1;
                } else if code.is_operator(*at, ")") {
                    depth -= 1;
                }
                depth == 0
            })?;
            if !code.is_operator(end + 1, "::") || !code.is_word(end + 2, "record") {
                return None;
            }
            let (mut before, mut after) = (at.checked_sub(1), end + 3);
            while let Some(open) = before
                && code.is_operator(open, "(")
                && code.is_operator(after, ")")
            {
                before = open.checked_sub(1);
                after += 1;
            }
            compares(Some(after)).or_else(|| compares(before))
        })
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
