//! What this role may do, told before anything is changed. Whether it sees triggers at all: without the TRIGGER privilege
//! MySQL lists none and says nothing, and everything would be made again. And whether it may make what is planned.

use std::borrow::Cow;
use std::collections::BTreeSet;

use super::Mysql;
use crate::error::{Error, Kind};
use crate::model::{Definition, ObjectId};
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

/// One line of SHOW GRANTS.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Grant {
    /// Privileges in upper case: `TRIGGER`, `SET USER`, `ALL PRIVILEGES`.
    names: BTreeSet<String>,
    level: Level,
}

impl Grant {
    fn gives(&self, name: &str) -> bool {
        self.names.contains(name) || self.names.contains("ALL PRIVILEGES")
    }
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
        let grants = self.grants()?;
        let levels: Vec<Level> = grants
            .into_iter()
            .filter(|grant| grant.gives("TRIGGER"))
            .map(|grant| grant.level)
            .collect();
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

    /// An error unless this role may make these triggers: told before anything is changed, since the server would say it of
    /// the first one of them in the middle of a migration.
    pub(super) fn may_make(&mut self, definitions: &[&Definition]) -> Result<(), Error> {
        let grants = self.grants()?;
        let has = |names: &[&str]| {
            grants.iter().any(|grant| {
                grant.level == Level::Everywhere && names.iter().any(|name| grant.gives(name))
            })
        };
        if !has(&["SUPER"]) {
            let rows = self.rows(
                "ask for the binary log",
                "SELECT @@log_bin, @@log_bin_trust_function_creators",
            )?;
            let logs = match rows.first() {
                Some(row) => {
                    super::column::<u64>(row, 0)? != 0 && super::column::<u64>(row, 1)? == 0
                }
                None => false,
            };
            if logs && !definitions.is_empty() {
                return Err(Error::failed(format!(
                    "`{}` may not make triggers on this server: its binary log is on (error 1419)",
                    self.user
                ))
                .note("nothing was changed")
                .help(
                    "set log_bin_trust_function_creators=1 on the server, or use a role with SUPER",
                ));
            }
        }
        if has(&["SUPER", "SET USER", "SET_ANY_DEFINER", "SET_USER_ID"]) {
            return Ok(());
        }
        for definition in definitions {
            let Definition::Trigger(trigger) = definition else {
                continue;
            };
            let definer = trigger
                .creation
                .as_deref()
                .and_then(|creation| creation.definer.as_deref());
            let Some(definer) = definer.filter(|definer| *definer != self.user) else {
                continue;
            };
            let right = if self.is_mariadb() {
                "SET USER"
            } else {
                "SET_ANY_DEFINER"
            };
            return Err(Error::failed(format!(
                "`{}` may not make trigger `{}`, whose definer is `{definer}`",
                self.user, trigger.id.name
            ))
            .note("nothing was changed")
            .help(format!(
                "GRANT {right} ON *.* TO the role, or apply as `{definer}`"
            )));
        }
        Ok(())
    }

    fn grants(&mut self) -> Result<Vec<Grant>, Error> {
        if let Some(grants) = &self.grants {
            return Ok(grants.clone());
        }
        let grants = self.read_grants()?;
        self.grants = Some(grants.clone());
        Ok(grants)
    }

    fn read_grants(&mut self) -> Result<Vec<Grant>, Error> {
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
        let mut grants = vec![];
        for row in &rows {
            let line: String = super::column(row, 0)?;
            grants.extend(grant(&line));
        }
        Ok(grants)
    }
}

/// What a line of SHOW GRANTS gives; `None` for a role, which gives by lines of its own.
fn grant(grant: &str) -> Option<Grant> {
    let all: Vec<Token> = tokens(grant, &MYSQL)
        .filter(|token| !token.is_blank())
        .collect();
    let on = all.iter().position(|token| token.is_word(grant, "on"))?;
    let (granted, target) = all.split_at_checked(on)?;
    let mut names = BTreeSet::new();
    // Columns follow in parentheses: a privilege on some of them is none here.
    for part in granted
        .get(1..)
        .unwrap_or_default()
        .split(|token| token.is_operator(grant, ","))
    {
        if part.iter().all(|token| token.kind == TokenKind::Word) {
            let words: Vec<&str> = part.iter().map(|token| token.text(grant)).collect();
            names.insert(words.join(" ").to_uppercase());
        }
    }
    let name = |index: usize| {
        target
            .get(index)
            .filter(|token| matches!(token.kind, TokenKind::Word | TokenKind::QuotedName))
            .map(|token| unquote(token.text(grant)).into_owned())
    };
    let level = match (name(1), name(3)) {
        (Some(schema), Some(table)) => Level::Table(schema, table),
        (Some(schema), None) => Level::Schema(schema),
        (None, _) => Level::Everywhere,
    };
    Some(Grant { names, level })
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
            let found = super::grant(grant).filter(|grant| grant.gives("TRIGGER"));
            assert_eq!(found.map(|grant| grant.level), expected, "{grant}");
        }
        let several = super::grant("GRANT SET USER, BINLOG ADMIN, SELECT (a, trigger) ON *.* TO x");
        let names = several.map(|grant| grant.names).unwrap_or_default();
        assert!(names.contains("SET USER") && names.contains("BINLOG ADMIN"));
        assert!(!names.contains("TRIGGER"));
        assert!(
            like("a\\_b", "a_b") && !like("a\\_b", "axb") && like("a%", "abc") && like("_", "x")
        );
    }
}
