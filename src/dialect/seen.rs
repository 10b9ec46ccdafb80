//! What a template reads of its table, noted while it is rendered: so that a plan can say which column came or went when
//! a text follows the table.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use minijinja::Value;
use minijinja::value::{Enumerator, Object, ObjectRepr, ValueKind};

/// Whether a value was read.
#[derive(Debug, Clone, Default)]
pub(crate) struct Note(Arc<AtomicBool>);

impl Note {
    /// Whether it was.
    pub(crate) fn was_read(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }

    /// Whether it was since the last time.
    pub(crate) fn take(&self) -> bool {
        self.0.swap(false, Ordering::Relaxed)
    }

    /// Take a value that notes apart, without reading it: what it is, and where it notes.
    pub(crate) fn of(value: &Value) -> Option<(&Value, &Self)> {
        let noted = value.downcast_object_ref::<Noted>()?;
        Some((&noted.value, &noted.note))
    }

    /// Note that a value was read.
    pub(crate) fn read(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    /// A list or map that notes here when somebody looks into it; to be handed on is not to be read.
    pub(crate) fn on(&self, value: Value) -> Value {
        Value::from_object(Noted {
            value,
            note: self.clone(),
        })
    }
}

struct Noted {
    value: Value,
    note: Note,
}

impl fmt::Debug for Noted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.note.read();
        fmt::Debug::fmt(&self.value, f)
    }
}

impl Object for Noted {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        match self.value.kind() {
            ValueKind::Map => ObjectRepr::Map,
            _ => ObjectRepr::Seq,
        }
    }

    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        self.note.read();
        self.value
            .get_item(key)
            .ok()
            .filter(|value| !value.is_undefined())
    }

    fn enumerate(self: &Arc<Self>) -> Enumerator {
        self.note.read();
        match self.value.kind() {
            ValueKind::Map => match self.value.try_iter() {
                Ok(keys) => Enumerator::Values(keys.collect()),
                Err(_) => Enumerator::NonEnumerable,
            },
            _ => Enumerator::Seq(self.value.len().unwrap_or(0)),
        }
    }
}

#[cfg(test)]
mod tests {
    use minijinja::{Environment, context};

    use super::*;

    fn rendered(template: &str) -> (String, bool) {
        let note = Note::default();
        let columns = note.on(Value::from(vec!["id", "name"]));
        let text = Environment::new()
            .render_str(template, context! { columns })
            .unwrap();
        (text, note.was_read())
    }

    #[test]
    fn looking_into_a_list_is_noted() {
        for (template, text) in [
            ("{% for c in columns %}{{ c }},{% endfor %}", "id,name,"),
            ("{{ columns | join('+') }}", "id+name"),
            ("{{ columns | length }}", "2"),
            ("{{ columns[0] }}", "id"),
            ("{{ columns[1:] | join }}", "name"),
            ("{{ 'name' in columns }}", "True"),
            ("{{ columns | reject('eq', 'id') | join }}", "name"),
            ("{{ (columns + ['x']) | join }}", "idnamex"),
            ("{{ columns == ['id', 'name'] }}", "True"),
        ] {
            assert_eq!(rendered(template), (text.to_owned(), true), "{template}");
        }
    }

    #[test]
    fn a_map_is_read_like_any_other() {
        let note = Note::default();
        let types = note.on(minijinja::context! { id => "integer" });
        let text = Environment::new()
            .render_str(
                "{{ types.id }} {% for k, v in types | items %}{{ k }}{{ v }}{% endfor %} {{ types.x is undefined }}",
                context! { types },
            )
            .unwrap();
        assert_eq!(text, "integer idinteger True");
        assert!(note.was_read());
    }

    #[test]
    fn handing_it_on_is_not_reading_it() {
        assert_eq!(
            rendered("{% set c = columns %}{{ 1 }}{% if columns is sequence %}{% endif %}"),
            ("1".to_owned(), false)
        );
    }
}
