//! `sql_mode` in a spec: what it may say, and when two are the same.

use std::collections::BTreeSet;

use crate::dialect::request::Reader;
use crate::error::Located;

/// Words that stand for several modes, with those that they bring along on every server ("server SQL modes"). The server
/// keeps the word beside them.
const COMBINATIONS: [(&str, &[&str]); 2] = [
    (
        "ANSI",
        &[
            "REAL_AS_FLOAT",
            "PIPES_AS_CONCAT",
            "ANSI_QUOTES",
            "IGNORE_SPACE",
        ],
    ),
    (
        "TRADITIONAL",
        &[
            "STRICT_TRANS_TABLES",
            "STRICT_ALL_TABLES",
            "NO_ZERO_IN_DATE",
            "NO_ZERO_DATE",
            "ERROR_FOR_DIVISION_BY_ZERO",
        ],
    ),
];

/// MariaDB's modes under which bodies have another grammar, or names and quotes of other servers.
const FOREIGN: [&str; 5] = ["ORACLE", "MSSQL", "DB2", "MAXDB", "POSTGRESQL"];

fn words(mode: &str) -> BTreeSet<String> {
    mode.split(',')
        .map(|word| word.trim().to_ascii_uppercase())
        .filter(|word| !word.is_empty())
        .collect()
}

/// Whether two values set the same modes: their order and case mean nothing.
pub(super) fn same(left: &str, right: &str) -> bool {
    left == right || words(left) == words(right)
}

/// The mode that a spec asks for; `None` where there is a problem, which is in the reader then.
pub(super) fn read(reader: &mut Reader<'_>, mode: &Located<String>) -> Option<String> {
    let words = words(&mode.value);
    let odd = words.iter().find(|word| {
        !word
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
    });
    if let Some(word) = odd {
        reader.refuse(
            format!("`{word}` is no `sql_mode`"),
            &mode.span,
            "write modes with commas between them, as `SELECT @@sql_mode` shows them",
        );
        return None;
    }
    if let Some(word) = FOREIGN.iter().find(|word| words.contains(**word)) {
        reader.refuse(
            format!("a trigger under `sql_mode` {word} cannot be in a spec: its body is read by another grammar"),
            &mode.span,
            "make it again under another mode",
        );
        return None;
    }
    for (word, parts) in COMBINATIONS {
        if words.contains(word) && !parts.iter().all(|part| words.contains(*part)) {
            reader.refuse(
                format!(
                    "the `sql_mode` {word} stands for several modes, and servers differ in which"
                ),
                &mode.span,
                format!(
                    "write them all, as `SELECT @@sql_mode` shows them: `{},{word}`",
                    parts.join(",")
                ),
            );
            return None;
        }
    }
    Some(words.into_iter().collect::<Vec<_>>().join(","))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn order_and_case_mean_nothing() {
        assert!(same(
            "ANSI_QUOTES,STRICT_ALL_TABLES",
            "strict_all_tables, ansi_quotes"
        ));
        assert!(!same("ANSI_QUOTES", "ANSI_QUOTES,STRICT_ALL_TABLES") && same("", ""));
    }
}
