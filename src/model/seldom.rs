//! What most objects do not have. There are many objects, and each holds all that a catalog may say of one: such a part takes
//! a pointer where there is nothing to say.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::ops::{Deref, DerefMut};

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::{EnabledState, Setting, TableId, TransitionTables};

/// A part that is empty in most objects. It is used, compared and written down as what it holds.
#[derive(Clone)]
pub struct Seldom<T>(Option<Box<T>>);

/// What a part is like where there is nothing to say.
pub trait Nothing: Default + PartialEq + 'static {
    /// The one that all share.
    const NOTHING: &'static Self;
}

impl Nothing for BTreeSet<String> {
    const NOTHING: &'static Self = &Self::new();
}

impl Nothing for BTreeMap<TableId, EnabledState> {
    const NOTHING: &'static Self = &Self::new();
}

impl Nothing for Vec<String> {
    const NOTHING: &'static Self = &Self::new();
}

impl Nothing for Vec<Setting> {
    const NOTHING: &'static Self = &Self::new();
}

impl Nothing for TransitionTables {
    const NOTHING: &'static Self = &Self {
        old: None,
        new: None,
    };
}

impl<T> Default for Seldom<T> {
    fn default() -> Self {
        Self(None)
    }
}

impl<T: Nothing> From<T> for Seldom<T> {
    fn from(value: T) -> Self {
        Self((value != *T::NOTHING).then(|| Box::new(value)))
    }
}

impl<T: Nothing> Deref for Seldom<T> {
    type Target = T;

    fn deref(&self) -> &T {
        self.0.as_deref().unwrap_or(T::NOTHING)
    }
}

impl<T: Nothing> DerefMut for Seldom<T> {
    fn deref_mut(&mut self) -> &mut T {
        self.0.get_or_insert_default()
    }
}

impl<T: Nothing> PartialEq for Seldom<T> {
    fn eq(&self, other: &Self) -> bool {
        **self == **other
    }
}

impl<T: Nothing + Eq> Eq for Seldom<T> {}

impl<T: Nothing + fmt::Debug> fmt::Debug for Seldom<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}

// `iter` is that of what it holds.
#[allow(clippy::into_iter_without_iter)]
impl<'a, T: Nothing> IntoIterator for &'a Seldom<T>
where
    &'a T: IntoIterator,
{
    type Item = <&'a T as IntoIterator>::Item;
    type IntoIter = <&'a T as IntoIterator>::IntoIter;

    fn into_iter(self) -> Self::IntoIter {
        (**self).into_iter()
    }
}

impl<T: Nothing + FromIterator<I>, I> FromIterator<I> for Seldom<T> {
    fn from_iter<It: IntoIterator<Item = I>>(items: It) -> Self {
        Self::from(items.into_iter().collect::<T>())
    }
}

impl<T: Nothing + Serialize> Serialize for Seldom<T> {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        T::serialize(self, to)
    }
}

impl<'de, T: Nothing + Deserialize<'de>> Deserialize<'de> for Seldom<T> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        T::deserialize(from).map(Self::from)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn it_is_what_it_holds() {
        let none: Seldom<Vec<String>> = Seldom::default();
        let mut some = none.clone();
        assert!(none.is_empty() && some == none && Seldom::from(vec![]) == none);
        some.push("a".to_owned());
        assert_ne!(some, none);
        assert_eq!(*some, ["a"]);
        some.clear();
        assert_eq!(some, none);
        let json = serde_json::to_string(&none).unwrap();
        assert_eq!((json.as_str(), format!("{none:?}").as_str()), ("[]", "[]"));
        let back: Seldom<Vec<String>> = serde_json::from_str(r#"["b"]"#).unwrap();
        assert_eq!(*back, ["b"]);
        assert_eq!(size_of_val(&back), size_of::<usize>());
    }
}
