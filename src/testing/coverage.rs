//! Which of the desired triggers were fired, and by which of their events.

use std::collections::{BTreeMap, BTreeSet};

use crate::model::{Event, TriggerId};

/// What the tests fired.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Coverage {
    /// Each desired trigger.
    pub triggers: BTreeMap<TriggerId, Covered>,
    /// Why it cannot be told at all.
    pub unknown: Option<String>,
}

/// One trigger's events.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Covered {
    /// Its events.
    pub events: BTreeSet<Event>,
    /// Those that fired it.
    pub fired: BTreeSet<Event>,
    /// Why it cannot be told of this one.
    pub unknown: Option<String>,
}

impl Covered {
    /// Events that never fired it.
    pub fn idle(&self) -> impl Iterator<Item = Event> {
        self.events.difference(&self.fired).copied()
    }
}

impl Coverage {
    /// Add what was fired elsewhere.
    pub fn add(&mut self, other: Self) {
        self.unknown = self.unknown.take().or(other.unknown);
        for (trigger, covered) in other.triggers {
            let known = self.triggers.entry(trigger).or_default();
            known.events.extend(covered.events);
            known.fired.extend(covered.fired);
            known.unknown = known.unknown.take().or(covered.unknown);
        }
    }

    /// The triggers of which it can be told.
    pub fn known(&self) -> impl Iterator<Item = (&TriggerId, &Covered)> {
        self.triggers
            .iter()
            .filter(|(_, covered)| self.unknown.is_none() && covered.unknown.is_none())
    }

    /// How many events of how many fired, over all triggers of which it can be told.
    pub fn events(&self) -> (usize, usize) {
        self.known().fold((0, 0), |(fired, all), (_, covered)| {
            (fired + covered.fired.len(), all + covered.events.len())
        })
    }

    /// The share of events that fired, in percent, rounded down; `None` where there is nothing to count.
    pub fn percent(&self) -> Option<u8> {
        let (fired, all) = self.events();
        (fired * 100)
            .checked_div(all)
            .and_then(|percent| u8::try_from(percent).ok())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::TableId;

    fn trigger(name: &str) -> TriggerId {
        TriggerId {
            table: TableId {
                schema: "main".into(),
                name: "t".into(),
            },
            name: name.into(),
        }
    }

    #[test]
    fn events_are_counted_one_by_one() {
        let mut coverage = Coverage::default();
        assert_eq!(coverage.percent(), None);
        for (name, fired, unknown) in [("a", 1, None), ("b", 0, None), ("c", 0, Some("why"))] {
            let events = BTreeSet::from([Event::Insert, Event::Update]);
            coverage.triggers.insert(
                trigger(name),
                Covered {
                    fired: events.iter().take(fired).copied().collect(),
                    events,
                    unknown: unknown.map(str::to_owned),
                },
            );
        }
        assert_eq!(coverage.events(), (1, 4));
        assert_eq!(coverage.percent(), Some(25));
        let idle: Vec<Event> = coverage.triggers[&trigger("a")].idle().collect();
        assert_eq!(idle, [Event::Update]);
        coverage.unknown = Some("nothing tells".into());
        assert_eq!(coverage.percent(), None);
    }
}
