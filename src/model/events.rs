//! What fires a trigger, as a set that takes one byte: there are many triggers.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::Event;

/// A set of events, in their order.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Events(u8);

/// Every event, at the place of its bit.
const ALL: [Event; 4] = [Event::Insert, Event::Update, Event::Delete, Event::Truncate];

impl Events {
    /// None.
    pub fn new() -> Self {
        Self::default()
    }

    fn bit(event: Event) -> u8 {
        match event {
            Event::Insert => 1,
            Event::Update => 1 << 1,
            Event::Delete => 1 << 2,
            Event::Truncate => 1 << 3,
        }
    }

    /// Add one; whether it is new.
    pub fn insert(&mut self, event: Event) -> bool {
        let is_new = !self.contains(&event);
        self.0 |= Self::bit(event);
        is_new
    }

    /// Whether this is one of them.
    pub fn contains(self, event: &Event) -> bool {
        self.0 & Self::bit(*event) != 0
    }

    /// How many there are.
    pub fn len(self) -> usize {
        self.iter().count()
    }

    /// Whether there is none.
    pub fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// The first one.
    pub fn first(self) -> Option<&'static Event> {
        self.iter().next()
    }

    /// Whether none is in both.
    pub fn is_disjoint(self, other: &Self) -> bool {
        self.0 & other.0 == 0
    }

    /// Whether all of them are in the other.
    pub fn is_subset(self, other: &Self) -> bool {
        self.0 & !other.0 == 0
    }

    /// Them, in order.
    pub fn iter(self) -> Iter {
        Iter(self.0)
    }

    /// Those that are in both, in order.
    pub fn intersection(self, other: &Self) -> Iter {
        Iter(self.0 & other.0)
    }

    /// Those that are not in the other, in order.
    pub fn difference(self, other: &Self) -> Iter {
        Iter(self.0 & !other.0)
    }
}

/// Some events, in order: the bits of those that are left.
#[derive(Debug, Clone)]
pub struct Iter(u8);

impl Iterator for Iter {
    type Item = &'static Event;

    fn next(&mut self) -> Option<&'static Event> {
        let next = ALL
            .iter()
            .find(|event| self.0 & Events::bit(**event) != 0)?;
        self.0 &= !Events::bit(*next);
        Some(next)
    }
}

impl IntoIterator for Events {
    type Item = &'static Event;
    type IntoIter = Iter;

    fn into_iter(self) -> Iter {
        self.iter()
    }
}

impl IntoIterator for &Events {
    type Item = &'static Event;
    type IntoIter = Iter;

    fn into_iter(self) -> Iter {
        self.iter()
    }
}

impl fmt::Debug for Events {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.iter()).finish()
    }
}

impl FromIterator<Event> for Events {
    fn from_iter<I: IntoIterator<Item = Event>>(events: I) -> Self {
        let mut set = Self::new();
        for event in events {
            set.insert(event);
        }
        set
    }
}

impl<const N: usize> From<[Event; N]> for Events {
    fn from(events: [Event; N]) -> Self {
        events.into_iter().collect()
    }
}

impl Serialize for Events {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_seq(self.iter())
    }
}

impl<'de> Deserialize<'de> for Events {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let events: Vec<Event> = Vec::deserialize(from)?;
        Ok(events.into_iter().collect())
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_set_of_events_is_in_their_order() {
        let set = Events::from([Event::Truncate, Event::Insert, Event::Insert]);
        assert_eq!(
            set.iter().collect::<Vec<_>>(),
            [&Event::Insert, &Event::Truncate]
        );
        assert_eq!((set.len(), set.first()), (2, Some(&Event::Insert)));
        let json = serde_json::to_string(&set).unwrap();
        assert_eq!(json, r#"["insert","truncate"]"#);
        assert_eq!(serde_json::from_str::<Events>(&json).unwrap(), set);
        assert!(set.is_disjoint(&Events::from([Event::Update, Event::Delete])));
        assert!(Events::from([Event::Insert]).is_subset(&set) && !set.is_subset(&Events::new()));
        assert_eq!(format!("{set:?}"), "{Insert, Truncate}");
        for (index, event) in ALL.iter().enumerate() {
            assert_eq!(Events::bit(*event), 1 << index);
        }
    }
}
