//! The tests of kinds: each `kind.toml` has its own, which run as those of a spec do, always in a place made from the
//! schema that stands beside them. The database is not looked at.

use std::time::{Duration, Instant};

use super::ground::{Ground, Options, run as run_spec};
use super::{Coverage, Report};
use crate::db::{self, url::DatabaseUrl};
use crate::dialect;
use crate::error::Error;
use crate::kinds::Kind;
use crate::spec::{Spec, Stands};

/// Run the tests of `kinds`. Variables, templates and the database's settings are those of `base`; the results are named
/// with their kind where there are several.
///
/// # Errors
/// What keeps tests from being run at all; a test that fails is a result.
pub fn run(
    kinds: &[Kind],
    base: &Spec,
    (url, settings): (&DatabaseUrl, &db::Settings),
    options: &Options,
) -> Result<Report, Error> {
    let start = Instant::now();
    let dialect = dialect::by_name(url.dialect())
        .ok_or_else(|| Error::failed("this database's dialect is not known"))?;
    let mut all = Report {
        dialect: dialect.name(),
        place: String::new(),
        tests: vec![],
        elsewhere: 0,
        filtered: 0,
        coverage: Coverage::default(),
        duration: Duration::ZERO,
    };
    for kind in kinds {
        let stands = Stands::of(kind, base, dialect.name())?;
        all.elsewhere += stands.elsewhere;
        for stand in &stands.here {
            let ground = Ground {
                url,
                settings: settings.clone(),
                scratch: true,
                script: Some(&stand.schema),
            };
            let Report {
                dialect: _,
                place,
                mut tests,
                elsewhere,
                filtered,
                coverage,
                duration: _,
            } = run_spec(&stand.spec, &ground, options)?;
            if kinds.len() > 1 {
                for test in &mut tests {
                    test.name.value = format!("{}: {}", kind.name, test.name.value);
                }
            }
            all.place = place;
            all.tests.extend(tests);
            all.elsewhere += elsewhere;
            all.filtered += filtered;
            all.coverage.add(coverage);
        }
    }
    // Those of one schema stood together; they are shown as they are written.
    let of = |place: &crate::error::Located<String>| {
        let file = kinds
            .iter()
            .position(|kind| kind.file.name == place.span.file.name);
        (file, place.span.range.start)
    };
    all.tests.sort_by_key(|test| of(&test.name));
    all.duration = start.elapsed();
    Ok(all)
}
