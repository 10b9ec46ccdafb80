//! What the desired side may ask of a live database. It has no other way to it than this, so every question and its answer
//! are noted: whether the desired side would come out the same again can be told by asking the same again.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::db::Database;
use crate::db::size::TableState;
use crate::dialect::{Dialect, Table};
use crate::digest::hex;
use crate::error::Error;
use crate::model::{ObjectId, TableId};
use crate::plan::foresee_states;
use crate::spec::TableRef;

/// A database, as far as the desired side sees it.
pub struct Lookup<'a> {
    database: &'a mut dyn Database,
    noted: Noted,
    /// What is asked beside it, for the plan that is to be made of the desired side; nothing where there is none.
    foreseen: Option<Box<Foreseen>>,
}

/// What a plan will want to know of tables, as far as that is known.
struct Foreseen {
    /// The tables that something is recorded of: perhaps nothing is to be done there.
    recorded: BTreeSet<TableId>,
    /// The tables that were asked of.
    asked: BTreeSet<TableId>,
    states: BTreeMap<TableId, TableState>,
}

/// Questions in the order in which they were asked, with a digest of the answers.
#[derive(Debug, Clone, Default)]
pub struct Noted {
    /// The questions.
    pub questions: Vec<Question>,
    answers: Sha256,
}

/// A question, as it is written down.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Question {
    /// The schema of unqualified new names.
    CurrentSchema,
    /// Tables by name or pattern: schema, name, and whether they are a pattern.
    Tables(Vec<(Option<String>, String, bool)>),
    /// The names of all tables, or of those in a schema.
    TableNames(Option<String>),
    /// Where unqualified functions are.
    FunctionSchemas(Vec<String>),
}

impl Noted {
    /// Digest of the answers.
    pub fn digest(&self) -> String {
        hex(&self.answers.clone().finalize())
    }
}

impl<'a> Lookup<'a> {
    /// Questions to this database; none was asked yet.
    pub fn new(database: &'a mut dyn Database) -> Self {
        Self {
            database,
            noted: Noted::default(),
            foreseen: None,
        }
    }

    /// A plan is to be made of what is desired, and these objects are recorded: [`Self::foresee`] asks of tables that none of
    /// them is on.
    #[must_use]
    pub fn with_plan<'b>(self, recorded: impl Iterator<Item = &'b ObjectId>) -> Self {
        let recorded = recorded.filter_map(|id| id.table().cloned()).collect();
        let foreseen = Some(Box::new(Foreseen {
            recorded,
            asked: BTreeSet::new(),
            states: BTreeMap::new(),
        }));
        Self { foreseen, ..self }
    }

    /// Ask how big those of these tables are, and who is at them, that will surely get a trigger: nothing is recorded of them,
    /// and none is on them. It takes the server a while, and whoever waits for it has something else to do. Nothing of the
    /// desired side comes of it, so it is not noted; and a plan asks for what it misses.
    pub fn foresee<'b>(&mut self, tables: impl Iterator<Item = &'b TableId>) {
        let Some(Foreseen {
            recorded,
            asked,
            states,
        }) = self.foreseen.as_deref_mut()
        else {
            return;
        };
        let is_new = |table: &&TableId| !recorded.contains(table) && !asked.contains(table);
        let new: BTreeSet<TableId> = tables.filter(is_new).cloned().collect();
        if foresee_states(&new, states, |new| self.database.untouched_states(new)) {
            asked.extend(new);
        }
    }

    /// What [`Self::foresee`] came to.
    pub fn foreseen(&mut self) -> BTreeMap<TableId, TableState> {
        let foreseen = self.foreseen.take();
        foreseen.map_or_else(BTreeMap::new, |foreseen| foreseen.states)
    }

    /// What was asked.
    pub fn noted(self) -> Noted {
        self.noted
    }

    /// The engine's rules.
    pub fn dialect(&self) -> &'static dyn Dialect {
        self.database.dialect()
    }

    /// See [`Database::current_schema`].
    pub fn current_schema(&mut self) -> Result<String, Error> {
        let answer = self.database.current_schema()?;
        Ok(self.note(Question::CurrentSchema, answer))
    }

    /// See [`Database::tables`].
    pub fn tables(&mut self, references: &[TableRef]) -> Result<Vec<Vec<Table>>, Error> {
        let answer = self.database.tables(references)?;
        let parts = |table: &TableRef| {
            let TableRef {
                schema,
                name,
                is_pattern,
            } = table;
            (schema.clone(), name.clone(), *is_pattern)
        };
        let question = Question::Tables(references.iter().map(parts).collect());
        Ok(self.note(question, answer))
    }

    /// See [`Database::table_names`].
    pub fn table_names(&mut self, schema: Option<&str>) -> Result<Vec<TableId>, Error> {
        let answer = self.database.table_names(schema)?;
        Ok(self.note(Question::TableNames(schema.map(str::to_owned)), answer))
    }

    /// See [`Database::function_schemas`].
    pub fn function_schemas(&mut self, names: &[&str]) -> Result<BTreeMap<String, String>, Error> {
        let answer = self.database.function_schemas(names)?;
        let names = names.iter().map(|name| (*name).to_owned()).collect();
        Ok(self.note(Question::FunctionSchemas(names), answer))
    }

    /// Ask what was asked once.
    pub fn ask_again(&mut self, question: Question) -> Result<(), Error> {
        match question {
            Question::CurrentSchema => self.current_schema().map(drop),
            Question::Tables(references) => {
                let reference = |(schema, name, is_pattern)| TableRef {
                    schema,
                    name,
                    is_pattern,
                };
                let references: Vec<TableRef> = references.into_iter().map(reference).collect();
                self.tables(&references).map(drop)
            }
            Question::TableNames(schema) => self.table_names(schema.as_deref()).map(drop),
            Question::FunctionSchemas(names) => {
                let names: Vec<&str> = names.iter().map(String::as_str).collect();
                self.function_schemas(&names).map(drop)
            }
        }
    }

    /// Whatever an answer holds counts, be it used or not.
    fn note<T: std::fmt::Debug>(&mut self, question: Question, answer: T) -> T {
        let text = format!("{question:?}{answer:?}");
        self.noted.answers.update((text.len() as u64).to_le_bytes());
        self.noted.answers.update(text);
        self.noted.questions.push(question);
        answer
    }
}
