//! The tests of a `kind.toml` as specs: each with the uses of the kind that it is about, and with the schema that it runs
//! on. What is in them keeps its place in the `kind.toml`, so that a failure is shown there.

use std::collections::BTreeMap;
use std::ops::Range;

use toml::Spanned;
use toml::de::{DeArray, DeString, DeTable, DeValue};

use super::keys::DIALECTS;
use super::{Spec, load, source};
use crate::error::{Diagnostic, Error, SourceFile, Span};
use crate::kinds::Kind;

/// What a test of a kind says as any test does.
const OF_TESTS: &[&str] = &["when", "expect", "expect_error", "expect_changes"];

/// What only a kind's tests say, and their fixture.
const OF_STANDS: &[&str] = &["schema", "given", "trigger"];

/// Tests of a kind that run on the same schema with the same triggers.
#[derive(Debug)]
pub struct Stand {
    /// The statements that make the tables.
    pub schema: SourceFile,
    /// The uses of the kind, and the tests.
    pub spec: Spec,
}

/// The tests of a kind.
#[derive(Debug)]
pub struct Stands {
    /// Those for the dialect.
    pub here: Vec<Stand>,
    /// How many are for other dialects.
    pub elsewhere: usize,
}

impl Stands {
    /// The tests of `kind` for a dialect. Variables, templates and the database's settings are those of `base`.
    ///
    /// # Errors
    /// All that is wrong with the tests.
    pub fn of(kind: &Kind, base: &Spec, dialect: &str) -> Result<Self, Error> {
        let mut problems = vec![];
        let (groups, elsewhere) = Reader {
            kind,
            dialect,
            problems: &mut problems,
        }
        .groups();
        Error::collected(std::mem::take(&mut problems))?;
        let mut here = vec![];
        for group in groups {
            let mut spec = base.clone();
            spec.files = vec![std::sync::Arc::clone(&kind.file)];
            load::of_document(&kind.file, &group.document(), &mut spec, &mut problems);
            here.push(Stand {
                schema: SourceFile {
                    name: kind.file.name.clone(),
                    text: group.schema,
                },
                spec,
            });
        }
        Error::collected(problems)?;
        Ok(Self { here, elsewhere })
    }
}

/// Tests with what they have in common.
struct Group<'a> {
    schema: String,
    triggers: DeArray<'a>,
    tests: DeArray<'a>,
}

impl<'a> Group<'a> {
    fn document(&self) -> DeTable<'a> {
        let mut document = DeTable::new();
        for (key, list) in [("trigger", &self.triggers), ("test", &self.tests)] {
            put(&mut document, key, 0..0, DeValue::Array(list.clone()));
        }
        document
    }
}

fn put<'a>(table: &mut DeTable<'a>, key: &'static str, at: Range<usize>, value: DeValue<'a>) {
    let name = Spanned::new(at.clone(), DeString::Borrowed(key));
    table.insert(name, Spanned::new(at, value));
}

type Node<'a> = Spanned<DeValue<'a>>;

/// What a table says for a dialect: in `[….<dialect>]` before above it.
fn said<'t, 'a>(table: &'t DeTable<'a>, dialect: &str, key: &str) -> Option<&'t Node<'a>> {
    let own = table.get(dialect).and_then(|own| own.get_ref().as_table());
    own.and_then(|own| own.get(key)).or_else(|| table.get(key))
}

/// Takes the tests out of a `kind.toml`.
struct Reader<'k, 'p> {
    kind: &'k Kind,
    dialect: &'k str,
    problems: &'p mut Vec<Diagnostic>,
}

impl<'k> Reader<'k, '_> {
    fn groups(&mut self) -> (Vec<Group<'k>>, usize) {
        let document = match source::parse(&self.kind.file, &self.kind.file.text) {
            Ok(document) => document,
            Err(found) => {
                self.problems.extend(found);
                return (vec![], 0);
            }
        };
        let none = DeTable::new();
        let fixture = match document.get("fixture").map(Spanned::get_ref) {
            Some(DeValue::Table(fixture)) => fixture,
            _ => &none,
        };
        self.known(fixture, &[OF_STANDS], "a `[fixture]`");
        let tests = document
            .get("test")
            .and_then(|list| list.get_ref().as_array());
        let mut elsewhere = 0;
        let mut groups: BTreeMap<(usize, usize), Group<'k>> = BTreeMap::new();
        for test in tests.into_iter().flatten() {
            let at = test.span();
            let DeValue::Table(test) = test.get_ref() else {
                self.report("a test is a table", at, "write `[[test]]`");
                continue;
            };
            self.known(
                test,
                &[OF_STANDS, OF_TESTS, &["name", "dialects"]],
                "a `[[test]]`",
            );
            if !self.is_here(test) {
                elsewhere += 1;
                continue;
            }
            self.test(test, at, fixture, &mut groups);
        }
        (groups.into_values().collect(), elsewhere)
    }

    fn test(
        &mut self,
        test: &DeTable<'k>,
        at: Range<usize>,
        fixture: &DeTable<'k>,
        groups: &mut BTreeMap<(usize, usize), Group<'k>>,
    ) {
        let own = said(test, self.dialect, "schema");
        let Some(schema) = own.or_else(|| said(fixture, self.dialect, "schema")) else {
            let help = "add `schema` to `[fixture]`: the statements that make the tables";
            self.report("this test has no tables to run on", at, help);
            return;
        };
        let triggers = said(test, self.dialect, "trigger");
        let Some(triggers) = triggers.or_else(|| said(fixture, self.dialect, "trigger")) else {
            let help = "add `trigger` to `[fixture]`: `trigger = [{ table = \"t\" }]`";
            self.report("this test does not say how the kind is used", at, help);
            return;
        };
        let (Some(statements), Some(uses)) =
            (schema.get_ref().as_str(), triggers.get_ref().as_array())
        else {
            let help = "`schema` is a string, `trigger` a list of tables";
            self.report("this test's fixture cannot be read", at, help);
            return;
        };
        let mut one = DeTable::new();
        for (key, value) in test {
            if *key.get_ref() == "name" {
                one.insert(key.clone(), value.clone());
            }
        }
        for key in OF_TESTS {
            if let Some(value) = said(test, self.dialect, key) {
                put(&mut one, key, value.span(), value.get_ref().clone());
            }
        }
        // The rows that all tests have go with the tables that all have.
        let common = match own {
            Some(_) => None,
            None => said(fixture, self.dialect, "given"),
        };
        let given: Vec<&Node<'k>> = common
            .into_iter()
            .chain(said(test, self.dialect, "given"))
            .collect();
        let text_of = |node: &&Node<'k>| node.get_ref().as_str().map(str::to_owned);
        match (
            given.as_slice(),
            given.iter().map(text_of).collect::<Option<Vec<_>>>(),
        ) {
            ([], _) => {}
            ([first, ..], Some(texts)) if texts.len() > 1 => {
                let both = DeValue::String(texts.join("\n").into());
                put(&mut one, "given", first.span(), both);
            }
            ([first, ..], _) => put(&mut one, "given", first.span(), first.get_ref().clone()),
        }
        let key = (schema.span().start, triggers.span().start);
        let group = groups.entry(key).or_insert_with(|| Group {
            schema: statements.to_owned(),
            triggers: self.uses(uses),
            tests: DeArray::new(),
        });
        group.tests.push(Spanned::new(at, DeValue::Table(one)));
    }

    /// The uses of the kind, as a spec has them.
    fn uses(&self, uses: &DeArray<'k>) -> DeArray<'k> {
        let mut triggers = DeArray::new();
        for one in uses {
            let mut value = one.get_ref().clone();
            if let DeValue::Table(table) = &mut value {
                let at = one.span();
                let kind = DeValue::String(self.kind.name.clone().into());
                put(table, "use", at.clone(), kind);
                let mut dialects = DeArray::new();
                let dialect = DeValue::String(self.dialect.to_owned().into());
                dialects.push(Spanned::new(at.clone(), dialect));
                put(table, "dialects", at, DeValue::Array(dialects));
            }
            triggers.push(Spanned::new(one.span(), value));
        }
        triggers
    }

    fn is_here(&self, test: &DeTable<'_>) -> bool {
        let dialects = test
            .get("dialects")
            .and_then(|list| list.get_ref().as_array());
        dialects.is_none_or(|all| {
            all.into_iter()
                .any(|one| one.get_ref().as_str() == Some(self.dialect))
        })
    }

    /// Report the keys that nobody reads.
    fn known(&mut self, table: &DeTable<'_>, keys: &[&[&str]], what: &str) {
        let is_known = |key: &str| keys.iter().any(|keys| keys.contains(&key));
        for (key, value) in table {
            let name = key.get_ref().as_ref();
            if is_known(name) {
                continue;
            }
            if DIALECTS.iter().any(|(dialect, _)| *dialect == name) {
                if let DeValue::Table(own) = value.get_ref() {
                    let own: Vec<_> = own.iter().map(|(key, _)| key.clone()).collect();
                    for key in own.iter().filter(|key| !is_known(key.get_ref())) {
                        self.unknown(key, what);
                    }
                }
            } else {
                self.unknown(key, what);
            }
        }
    }

    fn unknown(&mut self, key: &Spanned<DeString<'_>>, what: &str) {
        let help = format!(
            "it has {}, and `[….<dialect>]`",
            [OF_STANDS, OF_TESTS].concat().join(", ")
        );
        self.report(
            format!(
                "{what} of a kind has no `{}`",
                super::unknown::short(key.get_ref())
            ),
            key.span(),
            help,
        );
    }

    fn report(&mut self, message: impl Into<String>, at: Range<usize>, help: impl Into<String>) {
        let span = Span {
            file: std::sync::Arc::clone(&self.kind.file),
            range: at,
        };
        self.problems
            .push(Diagnostic::new(message).at(&span).help(help));
    }
}

impl Spec {
    /// One without anything, for what needs no file.
    pub fn empty() -> Self {
        Self {
            folder: ".".into(),
            ..Self::default()
        }
    }

    /// Where this one's templates and variables are, and nothing that it asks for.
    #[must_use]
    pub fn bare(mut self) -> Self {
        self.triggers = vec![];
        self.functions = vec![];
        self.requires = vec![];
        self.tests = vec![];
        self.kinds = BTreeMap::new();
        self
    }
}
