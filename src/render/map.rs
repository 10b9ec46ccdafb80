//! A map for templates that keeps the order in which it was made: columns come as the table has them.

use std::sync::Arc;

use minijinja::Value;
use minijinja::value::{Enumerator, Object};

#[derive(Debug)]
struct Pairs(Vec<(Value, Value)>);

impl Object for Pairs {
    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        let found = self.0.iter().find(|(name, _)| name == key);
        found.map(|(_, value)| value.clone())
    }

    fn enumerate(self: &Arc<Self>) -> Enumerator {
        Enumerator::Values(self.0.iter().map(|(name, _)| name.clone()).collect())
    }
}

/// The map of these names and values.
pub(crate) fn map<N: Into<Value>>(pairs: impl IntoIterator<Item = (N, Value)>) -> Value {
    let pairs = pairs.into_iter();
    Value::from_object(Pairs(
        pairs.map(|(name, value)| (name.into(), value)).collect(),
    ))
}
