//! One step of a plan: from two definitions to the statements both ways, the locks and the hazards.

use std::borrow::Cow;
use std::sync::Arc;

use crate::db::Database;
use crate::dialect::{Ddl, Dialect};
use crate::diff::FieldChange;
use crate::error::Error;
use crate::model::{Definition, ObjectId};
use crate::render::Renderer;

use super::{Action, Change, Lock, ObjectRef};

/// What is to become what.
pub(crate) struct Step<'a> {
    /// What is done.
    pub(crate) action: Action,
    /// To what; after a rename, its new name.
    pub(crate) object: ObjectRef,
    /// What is live.
    pub(crate) before: Option<Definition>,
    /// What is to be.
    pub(crate) after: Option<Definition>,
    /// In what they differ, as the engine sees it.
    pub(crate) fields: Vec<FieldChange>,
    /// The DDL that makes `after` from nothing, where it was worked out already.
    pub(crate) create: Option<&'a Ddl>,
}

impl Step<'_> {
    /// The change, without its reasons and what it rests on.
    pub(crate) fn change(
        self,
        database: &dyn Database,
        renderer: &Renderer,
    ) -> Result<Change, Error> {
        let Self {
            action,
            object,
            before,
            after,
            fields,
            create,
        } = self;
        let (dialect, server) = (database.dialect(), database.server());
        let made = |definition: &Definition| {
            dialect.create(&database.spared(definition), renderer, server)
        };
        let (up, down) = match (action, &before, &after) {
            (Action::Adopt | Action::Forget | Action::Conflict, _, _) | (_, None, None) => {
                Default::default()
            }
            (_, None, Some(after)) => {
                let up = match create {
                    Some(create) if !says_more(after, create, database) => create.clone(),
                    _ => made(after)?,
                };
                (up, dialect.drop(after, renderer, server)?)
            }
            (_, Some(before), None) => (dialect.drop(before, renderer, server)?, made(before)?),
            (_, Some(before), Some(after)) => {
                let before = with_known_condition(before, after, &fields);
                let (before, after) = (database.spared(&before), database.spared(after));
                (
                    dialect.alter(&before, &after, renderer, server)?,
                    dialect.alter(&after, &before, renderer, server)?,
                )
            }
        };
        Ok(Change {
            action,
            because: Cow::from(""),
            selected_by: None,
            fields,
            drift: vec![],
            before,
            after,
            // Found once the whole plan is known.
            hazards: vec![],
            locks: locks(&up, &object, dialect),
            object,
            custom: create.is_some_and(|ddl| ddl.custom),
            statements: up.statements,
            reverse: down.statements.into_iter().collect(),
            rests_on: vec![],
            rendered_digest: None,
            faults_allowed: false,
        })
    }
}

/// Whether the DDL that makes a definition from nothing is not the one of the spec: what the spec leaves open comes back as it
/// was recorded, such as who is to own it, and what a session has anyway is not said.
fn says_more(definition: &Definition, create: &Ddl, database: &dyn Database) -> bool {
    match definition {
        Definition::Trigger(_) => {
            !create.custom && matches!(database.spared(definition), Cow::Owned(_))
        }
        Definition::Function(function) => function.owner.is_some(),
    }
}

fn locks(ddl: &Ddl, id: &ObjectId, dialect: &dyn Dialect) -> Vec<Lock> {
    let Some((mode, table)) = ddl.lock.zip(id.table()) else {
        return vec![];
    };
    vec![Lock {
        table: table.clone(),
        mode,
        name: dialect.lock_name(mode).to_owned(),
        size: None,
    }]
}

/// `before` with the condition as `after` has it, where the engine judged the two the same: the text that the catalog
/// prints for it must not make a step lock harder than it has to.
fn with_known_condition(
    before: &Definition,
    after: &Definition,
    fields: &[FieldChange],
) -> Definition {
    let mut before = before.clone();
    if let (Definition::Trigger(before), Definition::Trigger(after)) = (&mut before, after)
        && !fields.iter().any(|change| change.field == "when")
        && before.condition != after.condition
    {
        Arc::make_mut(before).condition.clone_from(&after.condition);
    }
    before
}
