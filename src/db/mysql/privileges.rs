//! Whether this role sees triggers at all: without the TRIGGER privilege MySQL lists none and says nothing, and
//! everything would be made again.

use std::borrow::Cow;
use std::collections::BTreeSet;

use super::Mysql;
use crate::error::{Error, Kind};
use crate::model::ObjectId;
use crate::sql::{MYSQL, Token, TokenKind, tokens, unquote};

/// Where a privilege holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Level {
    /// On everything.
    Everywhere,
    /// A database's name, or a pattern with `%` and `_`.
    Schema(String),
    /// A database and a table.
    Table(String, String),
}

/// The triggers of this database cannot be seen.
pub(super) fn unseen(schema: &str) -> Error {
    Error::new(
        Kind::Failed,
        format!("the triggers of database `{schema}` cannot be seen by this role"),
    )
    .note("without the TRIGGER privilege the server shows no triggers, or no text of them")
    .help(format!("GRANT TRIGGER ON `{schema}`.* TO the role"))
}

impl Mysql {
    /// An error unless every trigger of these databases can be seen: all of them, or those on the tables of `known`.
    pub(super) fn may_see_triggers(
        &mut self,
        schemas: &BTreeSet<String>,
        known: &BTreeSet<Cow<'_, ObjectId>>,
    ) -> Result<(), Error> {
        let levels = if let Some(levels) = &self.trigger_levels {
            levels.clone()
        } else {
            let levels = self.read_grants()?;
            self.trigger_levels = Some(levels.clone());
            levels
        };
        for schema in schemas {
            let whole = levels.iter().any(|level| match level {
                Level::Everywhere => true,
                Level::Schema(pattern) => like(pattern, schema),
                Level::Table(..) => false,
            });
            if whole {
                continue;
            }
            // Rights on single tables are enough for whoever asks about these tables only.
            let mut tables = known
                .iter()
                .filter(|id| id.schema() == schema)
                .filter_map(|id| id.table())
                .peekable();
            let all = tables.peek().is_some()
                && tables.all(|table| {
                    levels.contains(&Level::Table(table.schema.clone(), table.name.clone()))
                });
            if !all {
                return Err(unseen(schema));
            }
        }
        Ok(())
    }

    fn read_grants(&mut self) -> Result<Vec<Level>, Error> {
        let roles = if self.is_mariadb() {
            // MariaDB lists the grants of the active role by itself.
            String::new()
        } else {
            let rows = self.rows("ask for the active roles", "SELECT CURRENT_ROLE()")?;
            let roles: String = rows
                .first()
                .map(|row| super::column(row, 0))
                .transpose()?
                .unwrap_or_default();
            if roles.is_empty() || roles == "NONE" {
                String::new()
            } else {
                format!(" FOR CURRENT_USER() USING {roles}")
            }
        };
        let rows = self.rows("read this role's rights", &format!("SHOW GRANTS{roles}"))?;
        let mut levels = vec![];
        for row in &rows {
            let grant: String = super::column(row, 0)?;
            levels.extend(level(&grant));
        }
        Ok(levels)
    }
}

/// Where a line of SHOW GRANTS gives the TRIGGER privilege.
fn level(grant: &str) -> Option<Level> {
    let all: Vec<Token> = tokens(grant, &MYSQL)
        .filter(|token| !token.is_blank())
        .collect();
    let on = all.iter().position(|token| token.is_word(grant, "on"))?;
    let (granted, target) = all.split_at_checked(on)?;
    let gives = granted.iter().any(|token| token.is_word(grant, "trigger"))
        || granted
            .get(1)
            .zip(granted.get(2))
            .is_some_and(|(first, second)| {
                first.is_word(grant, "all") && second.is_word(grant, "privileges")
            });
    if !gives {
        return None;
    }
    let name = |index: usize| {
        target
            .get(index)
            .filter(|token| matches!(token.kind, TokenKind::Word | TokenKind::QuotedName))
            .map(|token| unquote(token.text(grant)).into_owned())
    };
    match (name(1), name(3)) {
        (Some(schema), Some(table)) => Some(Level::Table(schema, table)),
        (Some(schema), None) => Some(Level::Schema(schema)),
        (None, _) => Some(Level::Everywhere),
    }
}

/// Whether a name fits a pattern of GRANT: `%` and `_` are wildcards, unless a backslash is before them.
fn like(pattern: &str, name: &str) -> bool {
    let mut characters = pattern.chars();
    match characters.next() {
        None => name.is_empty(),
        Some('%') => {
            let rest = characters.as_str();
            name.char_indices()
                .map(|(at, _)| at)
                .chain([name.len()])
                .any(|at| like(rest, name.get(at..).unwrap_or_default()))
        }
        Some('_') => {
            let mut name = name.chars();
            name.next().is_some() && like(characters.as_str(), name.as_str())
        }
        Some(first) => {
            let first = if first == '\\' {
                characters.next().unwrap_or('\\')
            } else {
                first
            };
            let mut name = name.chars();
            name.next() == Some(first) && like(characters.as_str(), name.as_str())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_grants() {
        for (grant, expected) in [
            (
                "GRANT ALL PRIVILEGES ON *.* TO `root`@`localhost` WITH GRANT OPTION",
                Some(Level::Everywhere),
            ),
            (
                "GRANT SELECT, TRIGGER ON `a\\_b`.* TO x",
                Some(Level::Schema("a\\_b".to_owned())),
            ),
            (
                "GRANT TRIGGER, INSERT ON `a`.`t` TO x",
                Some(Level::Table("a".to_owned(), "t".to_owned())),
            ),
            ("GRANT SELECT ON *.* TO x", None),
            ("GRANT USAGE ON *.* TO `trigger`@`%`", None),
            ("GRANT `trigger` TO x", None),
        ] {
            assert_eq!(level(grant), expected, "{grant}");
        }
        assert!(
            like("a\\_b", "a_b") && !like("a\\_b", "axb") && like("a%", "abc") && like("_", "x")
        );
    }
}
