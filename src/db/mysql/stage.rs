//! Tests on MySQL and MariaDB: each is a transaction in a scratch database. What commits in its middle (DDL) or knows no
//! transactions (MyISAM) is found out, and the database is made anew.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use mysql::consts::{ColumnFlags, ColumnType};
use mysql::prelude::Queryable;
use mysql::{Column, Value};

use super::scratch::drain;
use super::{Mysql, column, errors, literal, quoted};
use crate::db::Statement;
use crate::db::stage::{
    Cell, Closed, Failure, Rows, Setup, Snapshot, Stage as StageTrait, Trouble,
};
use crate::dialect::mysql::Mysql as DIALECT;
use crate::error::{Error, Kind};
use crate::model::ObjectId;
use crate::spec::TableRef;
use crate::testing::case::statements;

/// The character set of columns that hold bytes.
const BINARY: u16 = 63;

/// There is no such savepoint: a statement has committed.
const NO_SAVEPOINT: u16 = 1305;

struct Stage {
    database: Mysql,
    /// What each mark stands for, as places in [`Setup::firings`].
    marks: Vec<Vec<usize>>,
    /// What begins a test.
    open: String,
    /// Tables whose rows stay whatever is rolled back.
    lasting: Vec<String>,
    /// The columns of primary keys.
    keys: HashMap<String, Vec<String>>,
}

/// Put the triggers in place.
pub(super) fn set(mut database: Mysql, setup: &Setup) -> Result<Box<dyn StageTrait>, Error> {
    let mut done: BTreeSet<&ObjectId> = BTreeSet::new();
    let mut all = vec![];
    let marked = |id: &ObjectId| setup.marked.iter().find(|marked| marked.object == *id);
    let put = |all: &mut Vec<Statement>, id: &ObjectId, create: &[String]| {
        let drop = format!(
            "DROP TRIGGER IF EXISTS {}.{}",
            quoted(id.schema()),
            quoted(id.name())
        );
        let statements = std::iter::once(drop).chain(create.iter().cloned());
        all.extend(statements.map(|sql| Statement {
            sql,
            object: Some(Arc::new(id.clone())),
        }));
    };
    for statement in &setup.statements {
        match statement.object.as_deref().and_then(marked) {
            Some(marked) => {
                if done.insert(&marked.object) {
                    put(&mut all, &marked.object, &marked.create);
                }
            }
            None => all.push(statement.clone()),
        }
    }
    for marked in &setup.marked {
        if !done.contains(&marked.object) {
            put(&mut all, &marked.object, &marked.create);
        }
    }
    database.run_statements(&all, &mut |_| ())?;
    let lasting = database.rows(
        "look for tables without transactions",
        "SELECT t.TABLE_NAME FROM information_schema.TABLES AS t JOIN information_schema.ENGINES AS e ON e.ENGINE = t.ENGINE \
         WHERE t.TABLE_SCHEMA = DATABASE() AND t.TABLE_TYPE = 'BASE TABLE' AND NOT e.TRANSACTIONS <=> 'YES'",
    )?;
    let lasting = lasting
        .iter()
        .map(|row| column(row, 0))
        .collect::<Result<_, _>>()?;
    let mode = database.session.sql_mode.clone().unwrap_or_default();
    let open = format!(
        "SET NAMES utf8mb4; SET SESSION sql_mode = {}, autocommit = 1, foreign_key_checks = 1, unique_checks = 1, \
         innodb_lock_wait_timeout = 5, lock_wait_timeout = 5; SET @triggerctl_fired = '|'; START TRANSACTION; \
         SAVEPOINT triggerctl_test",
        literal(&mode)
    );
    Ok(Box::new(Stage {
        database,
        marks: setup
            .marked
            .iter()
            .map(|marked| marked.firings.clone())
            .collect(),
        open,
        lasting,
        keys: HashMap::new(),
    }))
}

impl Stage {
    fn trouble(sql: &str, nth: usize, error: &mysql::Error) -> Trouble {
        if errors::is_lost(error) {
            return Trouble::Fatal(
                Error::failed("the connection to the server was lost").note(errors::words(error)),
            );
        }
        let mysql::Error::MySqlError(answer) = error else {
            return Trouble::Fatal(errors::cannot("run the test", error));
        };
        if errors::kind(error) == Kind::Interrupted {
            return Trouble::Fatal(Error::new(Kind::Interrupted, "interrupted"));
        }
        Trouble::Sql(Failure {
            message: answer.message.clone(),
            sqlstate: Some(answer.state.clone()),
            range: statements(sql, &DIALECT).get(nth).cloned(),
            notes: vec![format!("the server's error is {}", answer.code)],
        })
    }

    fn batch(&mut self, sql: &str) -> Result<(), Error> {
        drain(&mut self.database.conn, sql, &mut 0)
            .map_err(|error| errors::cannot("run the test", &error))
    }

    fn rows(&mut self, sql: &str) -> Result<Rows, mysql::Error> {
        let mut result = self.database.conn.query_iter(sql)?;
        let columns: Vec<Column> = result.columns().as_ref().to_vec();
        let mut rows = vec![];
        while let Some(set) = result.iter() {
            for row in set {
                let values = row?.unwrap();
                rows.push(
                    columns
                        .iter()
                        .zip(values)
                        .map(|(of, value)| cell(of, value))
                        .collect(),
                );
            }
        }
        Ok(Rows {
            columns: columns
                .iter()
                .map(|column| column.name_str().into_owned())
                .collect(),
            rows,
        })
    }

    fn key(&mut self, table: &str) -> Result<Vec<String>, Error> {
        if let Some(key) = self.keys.get(table) {
            return Ok(key.clone());
        }
        let rows = self.database.rows(
            "read a primary key",
            &format!("SHOW KEYS FROM {table} WHERE Key_name = 'PRIMARY'"),
        )?;
        let key: Vec<String> = rows
            .iter()
            .map(|row| column(row, 4))
            .collect::<Result<_, _>>()?;
        self.keys.insert(table.to_owned(), key.clone());
        Ok(key)
    }
}

/// A value of the text protocol.
fn cell(of: &Column, value: Value) -> Cell {
    let bytes = match value {
        Value::NULL => return Cell::Null,
        Value::Bytes(bytes) => bytes,
        // Only the binary protocol has these.
        Value::Int(number) => return Cell::Integer(number.into()),
        Value::UInt(number) => return Cell::Integer(number.into()),
        Value::Float(number) => return Cell::Float(number.into()),
        Value::Double(number) => return Cell::Float(number),
        other @ (Value::Date(..) | Value::Time(..)) => {
            return Cell::Text(other.as_sql(true).trim_matches('\'').to_owned());
        }
    };
    let text = || String::from_utf8_lossy(&bytes).into_owned();
    match of.column_type() {
        ColumnType::MYSQL_TYPE_TINY
        | ColumnType::MYSQL_TYPE_SHORT
        | ColumnType::MYSQL_TYPE_LONG
        | ColumnType::MYSQL_TYPE_LONGLONG
        | ColumnType::MYSQL_TYPE_INT24
        | ColumnType::MYSQL_TYPE_YEAR => text()
            .parse()
            .map_or_else(|_| Cell::Text(text()), Cell::Integer),
        ColumnType::MYSQL_TYPE_FLOAT | ColumnType::MYSQL_TYPE_DOUBLE => text()
            .parse()
            .map_or_else(|_| Cell::Text(text()), Cell::Float),
        ColumnType::MYSQL_TYPE_DECIMAL | ColumnType::MYSQL_TYPE_NEWDECIMAL => Cell::Decimal(text()),
        ColumnType::MYSQL_TYPE_JSON => Cell::Json(text()),
        ColumnType::MYSQL_TYPE_BIT => Cell::Integer(
            bytes
                .iter()
                .fold(0, |number: i128, byte| (number << 8) | i128::from(*byte)),
        ),
        ColumnType::MYSQL_TYPE_TINY_BLOB
        | ColumnType::MYSQL_TYPE_MEDIUM_BLOB
        | ColumnType::MYSQL_TYPE_LONG_BLOB
        | ColumnType::MYSQL_TYPE_BLOB
        | ColumnType::MYSQL_TYPE_VAR_STRING
        | ColumnType::MYSQL_TYPE_STRING
            if of.character_set() == BINARY && of.flags().contains(ColumnFlags::BINARY_FLAG) =>
        {
            Cell::Blob(bytes)
        }
        _ => Cell::Text(text()),
    }
}

impl StageTrait for Stage {
    fn open(&mut self) -> Result<(), Error> {
        let open = self.open.clone();
        self.batch(&open)
    }

    fn run(&mut self, sql: &str) -> Result<(), Trouble> {
        let mut done = 0;
        drain(&mut self.database.conn, sql, &mut done)
            .map_err(|error| Self::trouble(sql, done, &error))
    }

    fn remember(&mut self) -> Result<(), Error> {
        Ok(())
    }

    fn recover(&mut self) -> Result<(), Error> {
        Ok(())
    }

    fn query(&mut self, sql: &str) -> Result<Rows, Trouble> {
        self.rows(sql)
            .map_err(|error| Self::trouble(sql, 0, &error))
    }

    fn snapshot(&mut self, table: &TableRef) -> Result<Snapshot, Trouble> {
        let name = match &table.schema {
            Some(schema) => format!("{}.{}", quoted(schema), quoted(&table.name)),
            None => quoted(&table.name),
        };
        let rows = self
            .rows(&format!("SELECT * FROM {name}"))
            .map_err(|error| Self::trouble("", 0, &error))?;
        let key = self.key(&name)?;
        let key = key
            .iter()
            .filter_map(|column| rows.columns.iter().position(|other| other == column))
            .collect();
        Ok(Snapshot {
            shown: rows.columns.len(),
            rows,
            key,
        })
    }

    fn close(&mut self) -> Result<Closed, Error> {
        let mut spoiled = match self
            .database
            .conn
            .query_drop("ROLLBACK TO SAVEPOINT triggerctl_test")
        {
            Ok(()) => false,
            Err(error) if errors::code(&error) == Some(NO_SAVEPOINT) => true,
            Err(error) => return Err(errors::cannot("undo the test", &error)),
        };
        self.batch("ROLLBACK")?;
        let rows = self
            .database
            .rows("see what was fired", "SELECT @triggerctl_fired")?;
        let fired: Option<String> = match rows.first() {
            Some(row) => column(row, 0)?,
            None => None,
        };
        for table in &self.lasting {
            if spoiled {
                break;
            }
            let rows = self.database.rows(
                "see whether the test left rows",
                &format!("SELECT EXISTS (SELECT 1 FROM {})", quoted(table)),
            )?;
            spoiled = match rows.first() {
                Some(row) => column::<u8>(row, 0)? == 1,
                None => false,
            };
        }
        let fired = fired.unwrap_or_default();
        let fired = fired
            .split('|')
            .filter_map(|mark| mark.parse::<usize>().ok())
            .filter_map(|at| self.marks.get(at))
            .flatten()
            .copied()
            .collect();
        Ok(Closed { fired, spoiled })
    }

    fn marks(&self) -> Result<(), String> {
        Ok(())
    }
}
