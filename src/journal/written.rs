//! A journal as the history keeps it. It is written before the first statement runs, and the server has to take all of it: so what
//! stands in the migration's row already, the statements, is not in it, and what is not there is not written.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::{Journal, Object, Step};
use crate::db::Migration;
use crate::error::{Diagnostic, Error, Kind};
use crate::kinds::tables::NewTable;
use crate::model::{Definition, ObjectId};
use crate::plan::ObjectRef;

/// What is written. `about` says of each statement of the migration, behind those that create tables, which object it is about.
#[derive(Serialize)]
struct Written<'a> {
    /// See [`crate::db::Database::home`].
    #[serde(skip_serializing_if = "Option::is_none")]
    home: Option<&'a str>,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    tables: &'a [NewTable],
    about: Vec<Option<usize>>,
    objects: &'a [Object],
    found: &'a [(ObjectId, Option<Definition>)],
}

/// What is read: journals of before had the statements themselves.
#[derive(Deserialize)]
struct Read {
    home: Option<String>,
    #[serde(default)]
    tables: Vec<NewTable>,
    steps: Option<Vec<Step>>,
    #[serde(default)]
    about: Vec<Option<usize>>,
    objects: Vec<Object>,
    found: Vec<(ObjectId, Option<Definition>)>,
}

/// A journal as text.
pub(super) fn write(journal: &Journal, home: Option<&str>) -> Result<String, Error> {
    let Journal {
        tables,
        steps,
        objects,
        found,
    } = journal;
    let places: BTreeMap<&ObjectId, usize> = objects
        .iter()
        .enumerate()
        .map(|(place, object)| (&*object.id, place))
        .collect();
    let about = steps.iter().map(|step| {
        let Some(about) = &step.about else {
            return Ok(None);
        };
        let place = places.get(&**about).copied();
        place.map(Some).ok_or_else(|| {
            Error::failed("a statement is about a trigger that the migration does not name")
                .note(step.sql.clone())
        })
    });
    let written = Written {
        home,
        tables,
        about: about.collect::<Result<_, _>>()?,
        objects,
        found,
    };
    let json = serde_json::to_string(&written)
        .map_err(|error| Error::failed(format!("the journal cannot be written: {error}")))?;
    Ok(without_nulls(&json))
}

/// The journal of a migration.
pub(super) fn read(
    text: &str,
    migration: &Migration,
    home: Option<&str>,
) -> Result<Journal, Error> {
    let unreadable = |why: String| {
        Error::new(
            Kind::Uncertain,
            format!(
                "the journal of migration {} cannot be read: {why}",
                migration.version
            ),
        )
        .help("was it written by a newer triggerctl, or changed by hand?")
    };
    let Read {
        home: begun_in,
        tables,
        steps,
        about,
        objects,
        found,
    } = serde_json::from_str(text).map_err(|error| unreadable(error.to_string()))?;
    if let (Some(begun_in), Some(home)) = (begun_in, home)
        && begun_in != home
    {
        return Err(Diagnostic::new(format!(
            "migration {} was begun in the database `{begun_in}`, and this is `{home}`: a copy that was made meanwhile, or a new name",
            migration.version
        ))
        .note("its journal names the triggers there, and what became of them here is not known")
        .help(
            "take its row away, and plan anew: `DELETE FROM triggerctl_migrations WHERE state = 'started'`",
        )
        .into_error(Kind::Uncertain));
    }
    let steps = if let Some(steps) = steps {
        steps
    } else {
        let first = tables.iter().flat_map(NewTable::statements).count();
        let statements = migration.up.get(first..).unwrap_or_default();
        if statements.len() != about.len() {
            return Err(unreadable(format!(
                "it is about {} statements, and the migration has {}",
                about.len(),
                statements.len()
            )));
        }
        let steps = statements.iter().zip(about).map(|(sql, place)| {
            let about = match place {
                None => None,
                Some(place) => {
                    let object = objects
                        .get(place)
                        .ok_or_else(|| unreadable(format!("it has no object {place}")))?;
                    Some(ObjectRef(Arc::clone(&object.id)))
                }
            };
            Ok(Step {
                sql: sql.clone(),
                about,
            })
        });
        steps.collect::<Result<_, Error>>()?
    };
    Ok(Journal {
        tables,
        steps,
        objects,
        found,
    })
}

/// JSON without the members whose value is `null`, which reads back as the same where that is what a member is that is not
/// there: those with a name of letters, as the fields of a struct have. It has no white space between its tokens.
fn without_nulls(json: &str) -> String {
    // Behind a letter, this quote ends a name: within a string it would have a backslash before it, and a string begins
    // behind punctuation.
    const NULL: &str = "\":null";
    let mut text = String::with_capacity(json.len());
    let mut rest = json;
    while let Some((before, after)) = rest.split_once(NULL) {
        text.push_str(before);
        rest = after;
        let head = text.trim_end_matches(|c: char| c.is_ascii_lowercase() || c == '_');
        let is_named = head.len() < text.len();
        let member = head.strip_suffix('"').filter(|_| is_named);
        if let Some(members) = member.and_then(|head| head.strip_suffix(',')) {
            text.truncate(members.len());
        } else if let Some(object) = member.filter(|head| head.ends_with('{')) {
            text.truncate(object.len());
            rest = rest.strip_prefix(',').unwrap_or(rest);
        } else {
            text.push_str(NULL);
        }
    }
    text.push_str(rest);
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_null_is_not_written() {
        for (json, expected) in [
            ("null", "null"),
            ("[null,null]", "[null,null]"),
            (r#"{"a":null}"#, "{}"),
            (r#"{"a":null,"b":1}"#, r#"{"b":1}"#),
            (r#"{"a":1,"b":null}"#, r#"{"a":1}"#),
            (r#"{"a":1,"b":null,"c":null,"d":2}"#, r#"{"a":1,"d":2}"#),
            (
                r#"[{"a":null,"b":null},[null,{"n":{"x":null},"y":"null"}]]"#,
                r#"[{},[null,{"n":{},"y":"null"}]]"#,
            ),
            (
                r#"{"a":"\",\"b\":null,","ü":"\\","c":null}"#,
                r#"{"a":"\",\"b\":null,","ü":"\\"}"#,
            ),
            (
                r#"{"a":":null","b":[":null","x\":null"],"c":"n\\","d":null,"ü":null}"#,
                r#"{"a":":null","b":[":null","x\":null"],"c":"n\\","ü":null}"#,
            ),
        ] {
            assert_eq!(without_nulls(json), expected, "{json}");
        }
    }
    /// A journal as it was written before the statements were left to the migration's row.
    const OLD: &str = r#"{"steps":[
        {"sql":"SET SESSION sql_mode = ''","about":null},
        {"sql":"CREATE TRIGGER a","about":{"kind":"trigger","schema":"app","table":"t","name":"a"}},
        {"sql":"DROP TRIGGER b","about":{"kind":"trigger","schema":"app","table":"t","name":"b"}}],
      "objects":[
        {"id":{"trigger":{"table":{"schema":"app","name":"t"},"name":"a"}},"before":null,"end":{"present":{"definition":{"trigger":
          {"id":{"table":{"schema":"app","name":"t"},"name":"a"},"timing":"after","events":["insert"],"update_of":[],
           "orientation":"row","condition":null,"action":{"body":"SET @a = 'it''s null';"},"transition_tables":{"old":null,"new":null},
           "constraint":null,"enabled":"origin","enabled_on_partitions":[],"comment":null,"depends_on_extensions":[],"verbatim":null,
           "creation":{"definer":"a@b","sql_mode":null,"character_set_client":null,"collation_connection":null,
             "database_collation":null,"place":{"among":{"before":[],"after":["b"]}}}}},
          "rendered_digest":"d","custom":false}}},
        {"id":{"trigger":{"table":{"schema":"app","name":"t"},"name":"b"}},"before":{"fingerprint":"f","definition":{"trigger":
          {"id":{"table":{"schema":"app","name":"t"},"name":"b"},"timing":"before","events":["delete"],"update_of":[],
           "orientation":"row","condition":null,"action":{"body":""},"transition_tables":{"old":null,"new":null},
           "constraint":null,"enabled":"origin","enabled_on_partitions":[],"comment":null,"depends_on_extensions":[],
           "verbatim":"CREATE TRIGGER b BEFORE DELETE ON t FOR EACH ROW BEGIN END"}}},"end":"absent"}],
      "found":[[{"trigger":{"table":{"schema":"app","name":"t"},"name":"b"}},null]]}"#;

    fn migration(up: &[&str]) -> Migration {
        let nothing = String::new;
        Migration {
            version: 7,
            state: "started".to_owned(),
            message: None,
            summary: nothing(),
            plan_id: nothing(),
            spec_digest: nothing(),
            from_fingerprint: nothing(),
            to_fingerprint: nothing(),
            up: up.iter().map(|&sql| sql.to_owned()).collect(),
            down: vec![],
            started_at: nothing(),
            finished_at: None,
            duration_ms: None,
            error: None,
            tool_version: nothing(),
            applied_by: nothing(),
        }
    }

    #[test]
    fn a_journal_reads_back_whole_and_so_does_one_of_before() {
        let up = [
            "SET SESSION sql_mode = ''",
            "CREATE TRIGGER a",
            "DROP TRIGGER b",
        ];
        let old = read(OLD, &migration(&[]), None).expect("an old one is read");
        assert_eq!(old.steps.len(), 3);
        let text = write(&old, None).expect("it is written");
        for absent in ["null,\"", "CREATE TRIGGER a", "\"steps\"", "condition"] {
            assert!(!text.contains(absent), "{absent} in {text}");
        }
        let new = read(&text, &migration(&up), None).expect("it is read");
        assert_eq!(format!("{old:?}"), format!("{new:?}"));
        // Statements that are not those of the journal.
        let error = read(&text, &migration(&up[1..]), None).expect_err("one is missing");
        assert_eq!(error.kind, Kind::Uncertain);
        assert!(error.to_string().contains("about 3 statements"), "{error}");
    }

    #[test]
    fn the_statements_of_a_journal_are_behind_those_that_create_tables() {
        let mut journal = read(OLD, &migration(&[]), None).expect("it is read");
        journal.tables = vec![NewTable {
            table: journal.objects[0].id.table().expect("has one").clone(),
            kind: "audit".to_owned(),
            sql: "CREATE TABLE t (a int)".to_owned(),
            fill: None,
        }];
        let text = write(&journal, None).expect("it is written");
        let up = [
            "CREATE TABLE t (a int)",
            "SET SESSION sql_mode = ''",
            "CREATE TRIGGER a",
            "DROP TRIGGER b",
        ];
        let read = read(&text, &migration(&up), None).expect("it is read");
        assert_eq!(format!("{journal:?}"), format!("{read:?}"));
    }
}
