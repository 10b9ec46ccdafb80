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

/// A map in which every name stands for the same.
#[derive(Debug)]
struct Anything(Value);

impl Object for Anything {
    fn get_value(self: &Arc<Self>, _: &Value) -> Option<Value> {
        Some(self.0.clone())
    }
}

/// The map in which every name stands for this.
pub(crate) fn map_of_anything(value: &str) -> Value {
    Value::from_object(Anything(Value::from(value)))
}

#[cfg(test)]
mod tests {
    use minijinja::{Environment, context};

    use super::*;

    #[test]
    fn a_map_keeps_its_order() {
        let types = map([("z", Value::from(1)), ("a", Value::from(2))]);
        let text = Environment::new()
            .render_str(
                "{% for name, value in types | items %}{{ name }}{{ value }} {% endfor %}{{ types.a }}{{ types['z'] }}{{ types.x is defined }}",
                context! { types },
            )
            .unwrap_or_default();
        assert_eq!(text.to_lowercase(), "z1 a2 21false");
    }

    #[test]
    fn anything_is_in_it() {
        let types = map_of_anything("text");
        let text = Environment::new()
            .render_str("{{ types.a }} {{ types['any thing'] }}", context! { types })
            .unwrap_or_default();
        assert_eq!(text, "text text");
    }
}
