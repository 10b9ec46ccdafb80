//! Errors alone, in a part of a spec at a time: for an import, which writes down what was wrong already and has no use for
//! warnings. What parts have to do with each other is which tables write which, and no more.

use std::collections::BTreeSet;

use super::rules::{self, Severity};
use super::subject::{Others, Subject};
use super::{Finding, Report, cycles, in_file_order, look, merged, one, settle};
use crate::db::Database;
use crate::desired::{Asked, DesiredSet};
use crate::dialect::Dialect;
use crate::error::Error;
use crate::model::{FunctionId, ObjectId, TableId};
use crate::spec::Spec;

/// What came of looking for errors in a part of a spec.
#[derive(Debug, Default)]
pub struct Faults {
    /// The errors, in file order.
    pub errors: Vec<Finding>,
    /// Tables whose triggers write others, with these: where [`follows_writes`], a cycle of triggers is one of these too.
    pub writes: BTreeSet<(TableId, TableId)>,
}

/// Whether an error may be about triggers that fire each other.
pub fn follows_writes(dialect: &dyn Dialect) -> bool {
    rules::ALL.iter().any(|rule| {
        rule.severity == Severity::Error
            && rule.dialects.contains(&dialect.name())
            && cycles::RULES.contains(&rule.name)
    })
}

/// The errors that a spec which allows none has in a database, and which tables its triggers write. `others` are triggers
/// besides that have to do with it; of the functions that are called, and are not the spec's, those are read that are live.
///
/// # Errors
/// The database cannot be read.
pub fn faults(
    spec: &Spec,
    asked: Asked,
    others: &[ObjectId],
    is_live: &dyn Fn(&FunctionId) -> bool,
    database: &mut dyn Database,
) -> Result<Faults, Error> {
    let dialect = database.dialect();
    let follows = follows_writes(dialect);
    let mut writes = BTreeSet::new();
    let found = one(spec, dialect, |spec| {
        let others = Others::These(others, is_live);
        let subject = Subject::of_asked(spec, asked, database, others, follows)?;
        if follows {
            writes = cycles::writes(&subject);
        }
        Ok(look(&subject))
    })?;
    let is_error = |finding: &Finding| finding.severity == Severity::Error;
    let found = found.into_iter().filter(is_error).collect();
    let mut report = Report {
        dialects: vec![dialect.name()],
        ..Report::default()
    };
    settle(spec, merged(found), &[dialect], &[], &mut report);
    in_file_order(spec, &mut report.findings);
    Ok(Faults {
        errors: report.findings,
        writes,
    })
}

/// Which tables the triggers `others`, of which no spec speaks, write.
///
/// # Errors
/// The database cannot be read.
pub fn writes_of(
    others: &[ObjectId],
    is_live: &dyn Fn(&FunctionId) -> bool,
    database: &mut dyn Database,
) -> Result<BTreeSet<(TableId, TableId)>, Error> {
    let nothing = Asked {
        desired: DesiredSet::new(),
        tables: vec![],
    };
    let Faults { errors: _, writes } =
        faults(&Spec::default(), nothing, others, is_live, database)?;
    Ok(writes)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What only the engine tells of triggers is not asked for where no error comes of it.
    #[test]
    fn cycles_are_errors_where_the_engine_is_not_asked() {
        let follows: Vec<&str> = crate::dialect::ALL
            .iter()
            .filter(|dialect| follows_writes(**dialect))
            .map(|dialect| dialect.name())
            .collect();
        assert_eq!(follows, ["postgres", "mysql"]);
        let errors = rules::ALL
            .iter()
            .filter(|rule| rule.severity == Severity::Error && rule.dialects.contains(&"sqlite"));
        let errors: Vec<&str> = errors.map(|rule| rule.name).collect();
        assert_eq!(errors, ["missing_reference"]);
    }
}
