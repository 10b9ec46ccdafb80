//! The history tables, which are only read here: what writes to them are statements like all others.

use std::collections::BTreeMap;

use postgres::Row;
use postgres::types::Type;

use super::{Postgres, get, identifier};
use crate::db::{Befores, History, Migration, Record, half_a_history};
use crate::digest::HexDigest;
use crate::error::{Diagnostic, Error};
use crate::model::{Definition, FunctionId, ObjectId, TableId, TriggerId};

/// What the history tables have that not all have.
struct HistoryColumns {
    /// `migrations.rendering`.
    rendering: bool,
}

/// The columns by which each of our tables is known: those that it had from the beginning. `migrations` is what many tools call theirs.
const MIGRATIONS: &[&str] = &["version", "state", "plan_id", "spec_digest", "tool_version"];
const OBJECTS: &[&str] = &[
    "kind",
    "version",
    "rendered_digest",
    "live_fingerprint",
    "definition",
];

/// The latest row of each object up to a version; a sort in byte order, which the primary key may already give.
const LATEST: &str = r#"
SELECT DISTINCT ON (kind COLLATE "C", schema COLLATE "C", "table" COLLATE "C", name COLLATE "C")
       kind, schema, "table", name, version, rendered_digest, live_fingerprint, definition IS NOT NULL, {definition}
FROM {history}.objects
WHERE version <= $1
ORDER BY kind COLLATE "C", schema COLLATE "C", "table" COLLATE "C", name COLLATE "C", version DESC
"#;

/// The first row of each object after a version.
const FIRST: &str = r#"
SELECT DISTINCT ON (kind COLLATE "C", schema COLLATE "C", "table" COLLATE "C", name COLLATE "C")
       kind, schema, "table", name, before::text
FROM {history}.objects
WHERE version > $1
ORDER BY kind COLLATE "C", schema COLLATE "C", "table" COLLATE "C", name COLLATE "C", version
"#;

impl Postgres {
    /// See [`crate::db::Database::history`].
    pub(super) fn read_history(&mut self) -> Result<History, Error> {
        let Some(columns) = self.history_columns()? else {
            return Ok(History::default());
        };
        let rows = self.read(
            "read the history",
            &self.history_sql("SELECT max(version) FROM {history}.migrations"),
            &[],
        )?;
        let version: Option<i64> = match rows.first() {
            Some(row) => get(row, 0)?,
            None => None,
        };
        Ok(History {
            exists: true,
            version: version.unwrap_or_default(),
            unfinished: None,
            records: self.read_records(None)?,
            keeps_rendering: columns.rendering,
        })
    }

    /// See [`crate::db::Database::rendering`].
    pub(super) fn read_rendering(&mut self) -> Result<Option<String>, Error> {
        if !self
            .history_columns()?
            .is_some_and(|columns| columns.rendering)
        {
            return Ok(None);
        }
        let rows = self.read(
            "read the history",
            &self.history_sql(
                "SELECT rendering FROM {history}.migrations ORDER BY version DESC LIMIT 1",
            ),
            &[],
        )?;
        match rows.first() {
            Some(row) => get(row, 0),
            None => Ok(None),
        }
    }

    fn history_exists(&mut self) -> Result<bool, Error> {
        Ok(self.history_columns()?.is_some())
    }

    /// What the history tables are like; `None` where there are none. They are looked up without touching them, so that a role without rights
    /// on the schema learns what it lacks.
    fn history_columns(&mut self) -> Result<Option<HistoryColumns>, Error> {
        let schema = self.history_schema.clone();
        let rows = self.read(
            "look for the history",
            "SELECT n.oid IS NOT NULL,
                    COALESCE(pg_catalog.has_schema_privilege(n.oid, 'USAGE'), false),
                    COALESCE(pg_catalog.has_table_privilege(m.oid, 'SELECT'), false),
                    COALESCE(pg_catalog.has_table_privilege(o.oid, 'SELECT'), false),
                    m.oid IS NOT NULL, o.oid IS NOT NULL,
                    EXISTS (SELECT FROM pg_catalog.pg_attribute a
                            WHERE a.attrelid = m.oid AND a.attname = 'rendering' AND NOT a.attisdropped),
                    COALESCE(pg_catalog.row_security_active(m.oid), false),
                    COALESCE(pg_catalog.row_security_active(o.oid), false),
                    (SELECT pg_catalog.count(*) FROM pg_catalog.pg_attribute a
                     WHERE a.attrelid = m.oid AND NOT a.attisdropped AND a.attname = ANY ($2)),
                    (SELECT pg_catalog.count(*) FROM pg_catalog.pg_attribute a
                     WHERE a.attrelid = o.oid AND NOT a.attisdropped AND a.attname = ANY ($3)),
                    current_user
             FROM pg_catalog.pg_namespace n
             LEFT JOIN pg_catalog.pg_class m ON m.relnamespace = n.oid AND m.relname = 'migrations'
             LEFT JOIN pg_catalog.pg_class o ON o.relnamespace = n.oid AND o.relname = 'objects'
             WHERE n.nspname = $1",
            &[
                (&schema, Type::TEXT),
                (&MIGRATIONS, Type::NAME_ARRAY),
                (&OBJECTS, Type::NAME_ARRAY),
            ],
        )?;
        let Some(row) = rows.first() else {
            return Ok(None);
        };
        let (migrations, objects): (bool, bool) = (get(row, 4)?, get(row, 5)?);
        if !migrations && !objects {
            return Ok(None);
        }
        for (is_there, column, table, own) in [
            (migrations, 9, "migrations", MIGRATIONS),
            (objects, 10, "objects", OBJECTS),
        ] {
            if is_there && usize::try_from(get::<i64>(row, column)?) != Ok(own.len()) {
                return Err(not_ours(&schema, table, own));
            }
        }
        if migrations != objects {
            let name = |table: &str| format!("{schema}.{table}");
            let (migrations, objects) = (name("migrations"), name("objects"));
            return Err(if get(row, 4)? {
                half_a_history(&objects, &migrations)
            } else {
                half_a_history(&migrations, &objects)
            });
        }
        let (usage, first, second): (bool, bool, bool) = (get(row, 1)?, get(row, 2)?, get(row, 3)?);
        if !usage || !first || !second {
            let quoted = identifier(&schema);
            let acting: String = get(row, 11)?;
            let role = identifier(&acting);
            return Err(Diagnostic::new(format!(
                "role `{acting}` may not read the history in schema `{schema}`"
            ))
            .help(format!(
                "GRANT USAGE ON SCHEMA {quoted} TO {role}; GRANT SELECT ON ALL TABLES IN SCHEMA {quoted} TO {role}"
            ))
            .into());
        }
        // Rows that a policy hides are as good as never written: what is ours would look like nobody's.
        for (column, table) in [(7, "migrations"), (8, "objects")] {
            if get(row, column)? {
                return Err(Diagnostic::new(format!(
                    "row security keeps rows of the history from role `{}`",
                    get::<String>(row, 11)?
                ))
                .note(format!(
                    "it is enabled on `{schema}.{table}`, and holds for this role"
                ))
                .help(format!(
                    "ALTER TABLE {}.{table} DISABLE ROW LEVEL SECURITY",
                    identifier(&schema)
                ))
                .help("or run triggerctl as the tables' owner, or as a role that has BYPASSRLS")
                .into());
            }
        }
        Ok(Some(HistoryColumns {
            rendering: get(row, 6)?,
        }))
    }

    pub(super) fn history_sql(&self, text: &str) -> String {
        text.replace("{history}", &identifier(&self.history_schema))
    }

    /// See [`crate::db::Database::written`].
    pub(super) fn count_written(&mut self, version: i64) -> Result<(i64, i64), Error> {
        let sql = self.history_sql(
            "SELECT (SELECT pg_catalog.count(*) FROM {history}.migrations WHERE version = $1), \
                    (SELECT pg_catalog.count(*) FROM {history}.objects WHERE version = $1)",
        );
        let rows = self.read(
            "look at what was written down",
            &sql,
            &[(&version, Type::INT8)],
        )?;
        match rows.first() {
            Some(row) => Ok((get(row, 0)?, get(row, 1)?)),
            None => Err(Error::failed("the server gave no answer")),
        }
    }

    /// What was recorded last, or as of a version, for the objects that were there.
    pub(super) fn read_records(
        &mut self,
        version: Option<i64>,
    ) -> Result<BTreeMap<ObjectId, Record>, Error> {
        // `records_at` may be asked for before there is a history.
        if version.is_some() && !self.history_exists()? {
            return Ok(BTreeMap::new());
        }
        let sql = self.history_sql(&LATEST.replace("{definition}", "NULL::text"));
        // A map is made of a list at once in a fraction of the time that it takes to put in one after the other.
        let mut records = vec![];
        self.read_each(
            "read the history",
            &sql,
            &[(&version.unwrap_or(i64::MAX), Type::INT8)],
            |row| {
                let there: bool = get(row, 7)?;
                if there {
                    let record = Record {
                        version: get(row, 4)?,
                        rendered_digest: HexDigest::from(get::<&str>(row, 5)?),
                        live_fingerprint: HexDigest::from(get::<&str>(row, 6)?),
                    };
                    records.push((object_id(row)?, record));
                }
                Ok(())
            },
        )?;
        Ok(records.into_iter().collect())
    }

    /// See [`crate::db::Database::recorded`].
    pub(super) fn read_recorded(
        &mut self,
        ids: &[ObjectId],
        version: i64,
    ) -> Result<BTreeMap<ObjectId, Definition>, Error> {
        if ids.is_empty() || !self.history_exists()? {
            return Ok(BTreeMap::new());
        }
        let kinds: Vec<&str> = ids.iter().map(ObjectId::kind).collect();
        let schemas: Vec<&str> = ids.iter().map(ObjectId::schema).collect();
        let tables: Vec<&str> = ids
            .iter()
            .map(|id| id.table().map_or("", |table| table.name.as_str()))
            .collect();
        let names: Vec<&str> = ids.iter().map(ObjectId::name).collect();
        let latest = LATEST
            .replace("{definition}", "definition::text")
            .replace(
                "WHERE",
                r#"JOIN ROWS FROM (pg_catalog.unnest($2::pg_catalog.text[]), pg_catalog.unnest($3::pg_catalog.text[]),
  pg_catalog.unnest($4::pg_catalog.text[]), pg_catalog.unnest($5::pg_catalog.text[])) AS asked(kind, schema, "table", name)
  USING (kind, schema, "table", name)
WHERE"#,
            );
        let sql = self.history_sql(&latest);
        let rows = self.read(
            "read the history",
            &sql,
            &[
                (&version, Type::INT8),
                (&kinds, Type::TEXT_ARRAY),
                (&schemas, Type::TEXT_ARRAY),
                (&tables, Type::TEXT_ARRAY),
                (&names, Type::TEXT_ARRAY),
            ],
        )?;
        let mut definitions = BTreeMap::new();
        for row in &rows {
            let text: Option<String> = get(row, 8)?;
            if let Some(text) = text {
                let id = object_id(row)?;
                let definition = definition(&id, &text)?;
                definitions.insert(id, definition);
            }
        }
        Ok(definitions)
    }

    /// See [`crate::db::Database::befores`].
    pub(super) fn read_befores(&mut self, version: i64) -> Result<Befores, Error> {
        if !self.history_exists()? {
            return Ok(BTreeMap::new());
        }
        let sql = self.history_sql(FIRST);
        let rows = self.read("read the history", &sql, &[(&version, Type::INT8)])?;
        let mut befores = BTreeMap::new();
        for row in &rows {
            let id = object_id(row)?;
            let text: Option<String> = get(row, 4)?;
            let before = text.map(|text| definition(&id, &text)).transpose()?;
            befores.insert(id, before);
        }
        Ok(befores)
    }

    /// See [`crate::db::Database::migrations`].
    pub(super) fn read_migrations(&mut self, statements: bool) -> Result<Vec<Migration>, Error> {
        if !self.history_exists()? {
            return Ok(vec![]);
        }
        let sql = self.history_sql(
            r#"SELECT version, state, message, summary, plan_id, spec_digest, from_fingerprint, to_fingerprint,
                CASE WHEN $1 THEN up::text END, CASE WHEN $1 THEN down::text END,
                to_char(started_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'),
                to_char(finished_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'),
                duration_ms, error, tool_version, applied_by
            FROM {history}.migrations ORDER BY version"#,
        );
        self.read("read the history", &sql, &[(&statements, Type::BOOL)])?
            .iter()
            .map(migration)
            .collect()
    }
}

/// That the schema of the history has something else by the name of one of its tables.
fn not_ours(schema: &str, table: &str, own: &[&str]) -> Error {
    Diagnostic::new(format!(
        "`{schema}.{table}` is not triggerctl's: its history cannot be kept in the schema `{schema}`"
    ))
    .note(format!(
        "a table of the history's has the columns {}",
        own.join(", ")
    ))
    .help("choose a schema where nothing else is called `migrations` or `objects`, such as `history_schema = \"triggerctl\"`")
    .into()
}

/// A definition as it was written down.
fn definition<T: serde::de::DeserializeOwned>(id: &ObjectId, text: &str) -> Result<T, Error> {
    serde_json::from_str(text).map_err(|failure| {
        Diagnostic::new(format!("the history's record of {id} cannot be read"))
            .note(failure.to_string())
            .help("a newer triggerctl may have written it")
            .into()
    })
}

fn migration(row: &Row) -> Result<Migration, Error> {
    let version: i64 = get(row, 0)?;
    let list = |index: usize| -> Result<Vec<String>, Error> {
        let text: Option<String> = get(row, index)?;
        match text {
            None => Ok(vec![]),
            Some(text) => serde_json::from_str(&text).map_err(|failure| {
                Diagnostic::new(format!(
                    "the statements of migration {version} cannot be read"
                ))
                .note(failure.to_string())
                .into()
            }),
        }
    };
    // Only the version and the state are always there: the others may be missing in rows that a person put in.
    let text = |index: usize| -> Result<String, Error> {
        let text: Option<String> = get(row, index)?;
        Ok(text.unwrap_or_default())
    };
    Ok(Migration {
        version,
        state: text(1)?,
        message: get(row, 2)?,
        summary: text(3)?,
        plan_id: text(4)?,
        spec_digest: text(5)?,
        from_fingerprint: text(6)?,
        to_fingerprint: text(7)?,
        up: list(8)?,
        down: list(9)?,
        started_at: text(10)?,
        finished_at: get(row, 11)?,
        duration_ms: get(row, 12)?,
        error: get(row, 13)?,
        tool_version: text(14)?,
        applied_by: text(15)?,
    })
}

/// The identity in the first four columns.
fn object_id(row: &Row) -> Result<ObjectId, Error> {
    let kind: String = get(row, 0)?;
    let schema: String = get(row, 1)?;
    let table: String = get(row, 2)?;
    let name: String = get(row, 3)?;
    match kind.as_str() {
        "function" => Ok(ObjectId::Function(FunctionId { schema, name })),
        "trigger" => Ok(ObjectId::Trigger(TriggerId {
            table: TableId {
                schema,
                name: table,
            },
            name,
        })),
        _ => Err(
            Diagnostic::new(format!("the history has a record of the kind `{kind}`"))
                .help("a newer triggerctl may have written it")
                .into(),
        ),
    }
}
