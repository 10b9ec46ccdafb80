//! Triggers and functions as an engine's catalog knows them: what is compared, recorded and restored.
//!
//! The desired, the recorded and the live side all use these types, so a difference between two sides is a
//! difference between two values. Everything that a catalog holds about a trigger is a field here; `diff` takes the
//! structs apart without `..`, so that a new field which nobody compares does not compile.
//!
//! The types carry `serde` because the history tables and saved plans hold them as JSON; there is no other I/O.

mod events;
mod seldom;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

pub use self::events::Events;
pub use self::seldom::{Nothing, Seldom};

/// A table, view or partition: `schema` is `main` on SQLite.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct TableId {
    /// The schema that holds the table.
    pub schema: String,
    /// The name within the schema, unquoted.
    pub name: String,
}

/// A trigger is known by its table and its name (on SQLite the name alone is unique, the table is kept all the same).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct TriggerId {
    /// The table that the trigger is on.
    pub table: TableId,
    /// The trigger's name, unquoted.
    pub name: String,
}

/// A trigger function; it takes no declared arguments, so schema and name say it all.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct FunctionId {
    /// The schema that holds the function.
    pub schema: String,
    /// The function's name, unquoted.
    pub name: String,
}

/// The identity of anything that triggerctl creates. Functions order before triggers.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ObjectId {
    /// A trigger function.
    Function(FunctionId),
    /// A trigger.
    Trigger(TriggerId),
}

impl ObjectId {
    /// `function` or `trigger`.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Function(_) => "function",
            Self::Trigger(_) => "trigger",
        }
    }

    /// The schema that the object lives in.
    pub fn schema(&self) -> &str {
        match self {
            Self::Function(id) => &id.schema,
            Self::Trigger(id) => &id.table.schema,
        }
    }

    /// The table that a trigger is on; a function is on none.
    pub fn table(&self) -> Option<&TableId> {
        match self {
            Self::Function(_) => None,
            Self::Trigger(id) => Some(&id.table),
        }
    }

    /// The object's own name.
    pub fn name(&self) -> &str {
        match self {
            Self::Function(id) => &id.name,
            Self::Trigger(id) => &id.name,
        }
    }
}

impl fmt::Display for TableId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Without a database at hand, MySQL's tables are in none.
        if self.schema.is_empty() {
            return f.write_str(&self.name);
        }
        write!(f, "{}.{}", self.schema, self.name)
    }
}

impl fmt::Display for FunctionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.schema, self.name)
    }
}

impl fmt::Display for TriggerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // SQLite takes an empty name: it must be seen that there is one.
        let name = if self.name.is_empty() {
            "\"\""
        } else {
            &self.name
        };
        write!(f, "{name} on {}", self.table)
    }
}

impl fmt::Display for ObjectId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Function(id) => write!(f, "function {id}"),
            Self::Trigger(id) => write!(f, "trigger {id}"),
        }
    }
}

/// When the action runs, relative to the event.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Timing {
    /// Before the row or statement takes effect.
    Before,
    /// After it took effect.
    After,
    /// In its place; views only.
    InsteadOf,
}

/// What fires a trigger.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Event {
    /// A row comes in.
    Insert,
    /// A row changes.
    Update,
    /// A row goes.
    Delete,
    /// The table is emptied at once.
    Truncate,
}

impl Event {
    /// `INSERT`, `UPDATE`, `DELETE` or `TRUNCATE`.
    pub fn keyword(self) -> &'static str {
        match self {
            Self::Insert => "INSERT",
            Self::Update => "UPDATE",
            Self::Delete => "DELETE",
            Self::Truncate => "TRUNCATE",
        }
    }

    /// The word in lower case, as the spec has it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Insert => "insert",
            Self::Update => "update",
            Self::Delete => "delete",
            Self::Truncate => "truncate",
        }
    }
}

impl Timing {
    /// `before`, `after` or `instead_of`, as the spec has it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Before => "before",
            Self::After => "after",
            Self::InsteadOf => "instead_of",
        }
    }

    /// `BEFORE`, `AFTER` or `INSTEAD OF`.
    pub fn keyword(self) -> &'static str {
        match self {
            Self::Before => "BEFORE",
            Self::After => "AFTER",
            Self::InsteadOf => "INSTEAD OF",
        }
    }
}

/// Once for each row, or once for the statement.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Orientation {
    /// FOR EACH ROW.
    Row,
    /// FOR EACH STATEMENT.
    Statement,
}

/// In which sessions a PostgreSQL trigger fires (`pg_trigger.tgenabled`); other engines know `Origin` only.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EnabledState {
    /// `O`: in all but replica sessions.
    Origin,
    /// `D`: never.
    Disabled,
    /// `R`: in replica sessions only.
    Replica,
    /// `A`: always.
    Always,
}

/// When a constraint trigger may run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Deferral {
    /// NOT DEFERRABLE.
    NotDeferrable,
    /// DEFERRABLE INITIALLY IMMEDIATE.
    InitiallyImmediate,
    /// DEFERRABLE INITIALLY DEFERRED.
    InitiallyDeferred,
}

/// What makes a trigger a constraint trigger.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Constraint {
    /// When it may run.
    pub deferral: Deferral,
    /// The other table of the constraint (FROM).
    pub from: Option<TableId>,
}

/// REFERENCING OLD TABLE / NEW TABLE.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Default)]
pub struct TransitionTables {
    /// The name under which the old rows are seen.
    pub old: Option<String>,
    /// The name under which the new rows are seen.
    pub new: Option<String>,
}

/// A WHEN expression.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Condition {
    /// Its SQL text, without the outer parentheses.
    Sql(String),
    /// There is one, but its text was not asked for (see `db::Depth`). Never recorded, never in a plan.
    Unread,
}

/// What runs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Action {
    /// The statements between BEGIN and END (SQLite, MySQL), without these two words.
    Body(String),
    /// EXECUTE FUNCTION (PostgreSQL).
    Call {
        /// The function.
        function: FunctionId,
        /// Its arguments, as `pg_trigger.tgargs` holds them in the database's encoding.
        arguments: Vec<String>,
    },
}

/// One trigger with all that a catalog holds about it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Trigger {
    /// Schema, table and name.
    pub id: TriggerId,
    /// BEFORE, AFTER or INSTEAD OF.
    pub timing: Timing,
    /// The events, never empty; one only on SQLite and MySQL.
    pub events: Events,
    /// Columns of UPDATE OF, in the order of the DDL, which means nothing and is kept to restore it.
    pub update_of: Vec<String>,
    /// Row or statement.
    pub orientation: Orientation,
    /// WHEN.
    pub condition: Option<Condition>,
    /// The body, or the function that is called.
    pub action: Action,
    /// REFERENCING.
    pub transition_tables: Seldom<TransitionTables>,
    /// Set on constraint triggers only.
    pub constraint: Option<Box<Constraint>>,
    /// The enabled state.
    pub enabled: EnabledState,
    /// Partitions whose clone of this trigger has another enabled state.
    #[serde(with = "pairs")]
    pub enabled_on_partitions: Seldom<BTreeMap<TableId, EnabledState>>,
    /// COMMENT ON TRIGGER.
    pub comment: Option<String>,
    /// Extensions that the trigger is marked as depending on (ALTER TRIGGER … DEPENDS ON EXTENSION).
    pub depends_on_extensions: Seldom<BTreeSet<String>>,
    /// The CREATE TRIGGER text that the engine keeps to the letter (SQLite); how a trigger is restored, not compared.
    pub verbatim: Option<String>,
    /// What MySQL and MariaDB keep besides; `None` elsewhere.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub creation: Option<Box<Creation>>,
    /// What its texts were rendered from; recorded to say why they change, not compared.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seen: Option<Box<Seen>>,
}

/// What the templates of an object read of its table when they were rendered. What they did not read is `None`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Seen {
    /// The table, as messages name it.
    pub table: String,
    /// SHA-256 of the templates themselves, in lower-case hex: where it is another, the spec changed too.
    pub templates: String,
    /// `columns`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub columns: Option<Vec<String>>,
}

/// What MySQL and MariaDB keep of the session that created a trigger (information_schema.TRIGGERS), and its place among
/// the triggers of the same table, timing and event. `None` is "not said": the session's own.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Creation {
    /// With whose rights it runs: `user@host`.
    pub definer: Option<String>,
    /// The `sql_mode` that it runs under.
    pub sql_mode: Option<String>,
    /// `character_set_client`.
    pub character_set_client: Option<String>,
    /// `collation_connection`, by which its literals compare.
    pub collation_connection: Option<String>,
    /// The database's collation at that time.
    pub database_collation: Option<String>,
    /// Where it stands among its siblings.
    pub place: Option<Place>,
}

/// A trigger's place among those of the same table, timing and event.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Place {
    /// Somewhere behind this one, as the spec asks.
    Follows(String),
    /// Somewhere before this one, as the spec asks.
    Precedes(String),
    /// Between these, as the catalog has it; both lists in firing order.
    Among {
        /// Those that fire earlier.
        before: Vec<String>,
        /// Those that fire later.
        after: Vec<String>,
    },
}

impl Place {
    /// Whether two sides can both be so.
    pub fn agrees(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Among { before, .. }, Self::Follows(name))
            | (Self::Follows(name), Self::Among { before, .. }) => before.contains(name),
            (Self::Among { after, .. }, Self::Precedes(name))
            | (Self::Precedes(name), Self::Among { after, .. }) => after.contains(name),
            // Of two places that were read, only what is in both can tell: siblings come and go.
            (
                Self::Among { before, after },
                Self::Among {
                    before: other_before,
                    after: other_after,
                },
            ) => {
                !before.iter().any(|name| other_after.contains(name))
                    && !after.iter().any(|name| other_before.contains(name))
            }
            (left, right) => left == right,
        }
    }
}

/// What is shared is written down as what it is.
pub(crate) mod shared {
    use std::sync::Arc;

    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    pub(crate) fn serialize<T: Serialize, S: Serializer>(
        value: &Arc<T>,
        to: S,
    ) -> Result<S::Ok, S::Error> {
        T::serialize(value, to)
    }

    pub(crate) fn deserialize<'de, T: Deserialize<'de>, D: Deserializer<'de>>(
        from: D,
    ) -> Result<Arc<T>, D::Error> {
        T::deserialize(from).map(Arc::new)
    }
}

/// A map as a list of pairs: JSON's objects have texts for keys, and a table's identity is no text.
mod pairs {
    use std::collections::BTreeMap;

    use serde::{Deserialize, Deserializer, Serializer};

    use super::{EnabledState, Seldom, TableId};

    type States = Seldom<BTreeMap<TableId, EnabledState>>;

    pub(super) fn serialize<S: Serializer>(states: &States, to: S) -> Result<S::Ok, S::Error> {
        to.collect_seq(states)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<States, D::Error> {
        Vec::deserialize(from)
            .map(|pairs: Vec<(TableId, EnabledState)>| pairs.into_iter().collect())
    }
}

/// Whether there is nothing to say.
fn nothing<T: Nothing>(part: &Seldom<T>) -> bool {
    **part == *T::NOTHING
}

/// What a function is made of.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FunctionSource {
    /// The text between AS and the end, byte for byte (`pg_proc.prosrc`).
    Body(String),
    /// A C function: the library (`probin`) and the symbol (`prosrc`).
    Library {
        /// The library file.
        file: String,
        /// The symbol in it.
        symbol: String,
    },
}

/// With whose rights a function runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Security {
    /// Those of whoever caused the event.
    Invoker,
    /// Those of the function's owner.
    Definer,
}

/// `pg_proc.provolatile`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Volatility {
    /// May do anything; the default.
    Volatile,
    /// Same result within a statement.
    Stable,
    /// Same result for ever.
    Immutable,
}

/// `pg_proc.proparallel`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Parallel {
    /// Not in parallel plans; the default.
    Unsafe,
    /// In the leader only.
    Restricted,
    /// Anywhere.
    Safe,
}

/// One `SET name TO value` of a function.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Setting {
    /// The parameter, as the server spells it (`TimeZone`, `search_path`).
    pub name: String,
    /// One value, or the elements of a parameter that is a list of names (`search_path`), unquoted.
    pub values: Vec<String>,
}

/// A right on a function: who may execute it, and pass that on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Grant {
    /// The role; `None` is PUBLIC.
    pub grantee: Option<String>,
    /// WITH GRANT OPTION.
    pub grantable: bool,
}

/// One trigger function with all that the catalog holds about it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Function {
    /// Schema and name.
    pub id: FunctionId,
    /// `plpgsql`, `c`, or any other that is installed.
    pub language: String,
    /// Body or library.
    pub source: FunctionSource,
    /// SECURITY INVOKER or DEFINER.
    pub security: Security,
    /// SET …, in the order of the catalog, which means nothing and is kept to restore it.
    pub settings: Seldom<Vec<Setting>>,
    /// Volatility.
    pub volatility: Volatility,
    /// Parallel safety.
    pub parallel: Parallel,
    /// LEAKPROOF.
    pub leakproof: bool,
    /// STRICT, which means nothing without arguments, and is kept.
    #[serde(default)]
    pub strict: bool,
    /// Other clauses of its CREATE FUNCTION, which no spec can say: `WINDOW`, `SUPPORT …`, `TRANSFORM …`.
    #[serde(default, skip_serializing_if = "nothing")]
    pub clauses: Seldom<Vec<String>>,
    /// COST, in units of `cpu_operator_cost`.
    pub cost: f32,
    /// COMMENT ON FUNCTION.
    pub comment: Option<String>,
    /// Owner, where it was read from a catalog: who applies owns what is new. Restored after a drop, and part of what the
    /// function does where it runs with its owner's rights ([`Function::borrows_rights`]).
    pub owner: Option<String>,
    /// Rights, where the catalog has others than the default; known where the owner is. Restored after a drop, and part of
    /// what the function does where its owner is.
    pub grants: Option<Vec<Grant>>,
    /// Extensions that the function is marked as depending on.
    pub depends_on_extensions: Seldom<BTreeSet<String>>,
    /// What its text was rendered from; recorded to say why it changes, not compared.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seen: Option<Box<Seen>>,
}

impl Function {
    /// Whether it runs with its owner's rights. Then the owner decides what it may do, and EXECUTE decides who may put it on
    /// a table of his own, which is all that EXECUTE is asked for of a trigger function. Of any other function neither
    /// changes what its triggers do.
    pub fn borrows_rights(&self) -> bool {
        self.security == Security::Definer
    }

    /// Let it belong to whom another belongs, with the rights that the other gives.
    pub fn belong_as(&mut self, other: &Self) {
        self.owner.clone_from(&other.owner);
        self.grants.clone_from(&other.grants);
    }

    /// Who may execute it, and whether they may pass that on; `None` in place of a role is PUBLIC. Nothing where the owner,
    /// and so the default, is not known.
    pub fn executors(&self) -> Option<BTreeMap<Option<&str>, bool>> {
        let owner = self.owner.as_deref()?;
        let Some(grants) = &self.grants else {
            return Some(BTreeMap::from([(None, false), (Some(owner), false)]));
        };
        let mut executors = BTreeMap::new();
        for Grant { grantee, grantable } in grants {
            // The same right may come from several roles.
            *executors.entry(grantee.as_deref()).or_insert(false) |= *grantable;
        }
        Some(executors)
    }
}

/// A trigger or a function. It is shared by all who hold it: the desired side, the plan, the migration and its records.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Definition {
    /// A trigger function.
    Function(#[serde(with = "shared")] Arc<Function>),
    /// A trigger.
    Trigger(#[serde(with = "shared")] Arc<Trigger>),
}

impl From<Function> for Definition {
    fn from(function: Function) -> Self {
        Self::Function(Arc::new(function))
    }
}

impl From<Trigger> for Definition {
    fn from(trigger: Trigger) -> Self {
        Self::Trigger(Arc::new(trigger))
    }
}

impl Definition {
    /// The identity of what is defined.
    pub fn id(&self) -> ObjectId {
        match self {
            Self::Function(function) => ObjectId::Function(function.id.clone()),
            Self::Trigger(trigger) => ObjectId::Trigger(trigger.id.clone()),
        }
    }

    /// Where a trigger is, or is to be, among its siblings.
    pub fn place(&self) -> Option<&Place> {
        self.creation()?.place.as_ref()
    }

    /// What the engine keeps of the session that created it.
    pub fn creation(&self) -> Option<&Creation> {
        match self {
            Self::Trigger(trigger) => trigger.creation.as_deref(),
            Self::Function(_) => None,
        }
    }

    /// What its texts were rendered from.
    pub fn seen(&self) -> Option<&Seen> {
        match self {
            Self::Trigger(trigger) => trigger.seen.as_deref(),
            Self::Function(function) => function.seen.as_deref(),
        }
    }

    /// Say what its texts were rendered from.
    pub fn set_seen(&mut self, seen: Option<Box<Seen>>) {
        match self {
            Self::Trigger(trigger) => Arc::make_mut(trigger).seen = seen,
            Self::Function(function) => Arc::make_mut(function).seen = seen,
        }
    }

    /// Have a trigger call another function, where `other` has one in place of the one that it calls; the arguments stay.
    pub fn call_instead<'a>(&mut self, other: impl FnOnce(&FunctionId) -> Option<&'a FunctionId>) {
        let Some(other) = self.calls().and_then(other) else {
            return;
        };
        if let Self::Trigger(trigger) = self
            && let Action::Call {
                function,
                arguments: _,
            } = &mut Arc::make_mut(trigger).action
        {
            function.clone_from(other);
        }
    }

    /// The function that a trigger calls.
    pub fn calls(&self) -> Option<&FunctionId> {
        match self {
            Self::Trigger(trigger) => match &trigger.action {
                Action::Call { function, .. } => Some(function),
                Action::Body(_) => None,
            },
            Self::Function(_) => None,
        }
    }
}
