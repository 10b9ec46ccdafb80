//! An object's identity in the plan document. A plan names each object several times, and is large: it is one for all of
//! them, and for the migration that is made of the plan.

use std::fmt;
use std::ops::Deref;
use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::model::{FunctionId, ObjectId, TableId, TriggerId};

/// An object's identity as the document spells it: `kind`, `schema`, `table` and `name`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct ObjectRef(pub Arc<ObjectId>);

impl Deref for ObjectRef {
    type Target = ObjectId;

    fn deref(&self) -> &ObjectId {
        &self.0
    }
}

impl From<ObjectId> for ObjectRef {
    fn from(id: ObjectId) -> Self {
        Self(Arc::new(id))
    }
}

impl From<&ObjectId> for ObjectRef {
    fn from(id: &ObjectId) -> Self {
        Self::from(id.clone())
    }
}

impl fmt::Display for ObjectRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl Serialize for ObjectRef {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        struct Spelled<'a> {
            kind: &'a str,
            schema: &'a str,
            table: Option<&'a str>,
            name: &'a str,
        }
        Spelled {
            kind: self.kind(),
            schema: self.schema(),
            table: self.table().map(|table| table.name.as_str()),
            name: self.name(),
        }
        .serialize(to)
    }
}

impl<'de> Deserialize<'de> for ObjectRef {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        struct Spelled {
            #[serde(rename = "kind")]
            _kind: String,
            schema: String,
            table: Option<String>,
            name: String,
        }
        let Spelled {
            _kind,
            schema,
            table,
            name,
        } = Spelled::deserialize(from)?;
        Ok(Self::from(match table {
            Some(table) => ObjectId::Trigger(TriggerId {
                table: TableId {
                    schema,
                    name: table,
                },
                name,
            }),
            None => ObjectId::Function(FunctionId { schema, name }),
        }))
    }
}
