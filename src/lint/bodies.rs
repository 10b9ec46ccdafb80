//! Reading what triggers run. The grammar takes some tenths of a millisecond a body, which is most of what looking at a
//! spec costs: so bodies are read on all processors, and a tree is kept no longer than it is followed.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::subject::Item;
use crate::effects::ByEvent;
use crate::model::{Condition, Event, Function, FunctionId, FunctionSource};
use crate::parallel;
use crate::plpgsql::{self, Situation, Unread, Walk};

/// So many triggers of one function are followed with one reading of it.
const PART: usize = 64;
/// What is put around a condition to make it a function.
const BEFORE: &str = "BEGIN IF ";

/// How functions run for triggers, by the number of the item.
pub(super) type Walks = Vec<(usize, ByEvent<Walk>)>;

/// How each trigger's function runs, and the functions that could not be read.
pub(super) fn walks(
    items: &[Item<'_>],
    functions: &BTreeMap<FunctionId, Arc<Function>>,
) -> (Walks, BTreeMap<FunctionId, Unread>) {
    let mut callers: BTreeMap<&FunctionId, Vec<usize>> = BTreeMap::new();
    for (number, item) in items.iter().enumerate() {
        if let Some(function) = item.function() {
            callers.entry(function).or_default().push(number);
        }
    }
    let parts: Vec<(&Function, &[usize])> = callers
        .iter()
        .filter_map(|(id, numbers)| Some((&**functions.get(*id)?, numbers)))
        .flat_map(|(function, numbers)| numbers.chunks(PART).map(move |part| (function, part)))
        .collect();
    let read = |(function, numbers): &(&Function, &[usize])| {
        let tree = match (&function.source, function.language.as_str()) {
            (FunctionSource::Body(body), "plpgsql") => plpgsql::parse(body)?,
            (_, language) => {
                return Err(Unread {
                    reason: format!("it is written in {language}"),
                    range: 0..0,
                });
            }
        };
        let follow = |number: &usize| {
            let item = items.get(*number)?;
            let walks = item.trigger.events.iter().map(|event| {
                let walk = plpgsql::walk(&tree, &situation(item, *event));
                (*event, walk)
            });
            Some((*number, walks.collect()))
        };
        Ok(numbers.iter().filter_map(follow).collect::<Vec<_>>())
    };
    let (found, ()) = parallel::map(&parts, read, || ());
    let (mut walks, mut unread) = (vec![], BTreeMap::new());
    for ((function, _), found) in parts.iter().zip(found) {
        match found {
            Ok(found) => walks.extend(found),
            Err(why) => {
                unread.insert(function.id.clone(), why);
            }
        }
    }
    (walks, unread)
}

/// Each condition that can be read as if it stood in a function, with its trigger.
pub(super) fn conditions<'i, 'a>(items: &'i mut [Item<'a>]) -> Vec<(&'i mut Item<'a>, Walk)> {
    let read = |item: &Item<'_>| {
        let Some(Condition::Sql(text)) = &item.trigger.condition else {
            return None;
        };
        let tree = plpgsql::parse(&format!("{BEFORE}{text}\nTHEN NULL; END IF; END")).ok()?;
        let event = *item.trigger.events.first()?;
        Some(plpgsql::walk(&tree, &situation(item, event)))
    };
    let (walks, ()) = parallel::map(&*items, read, || ());
    let found = items.iter_mut().zip(walks);
    found
        .filter_map(|(item, walk)| Some((item, walk?)))
        .collect()
}

fn situation<'a>(item: &'a Item<'_>, event: Event) -> Situation<'a> {
    let trigger = &item.trigger;
    Situation {
        event,
        timing: trigger.timing,
        orientation: trigger.orientation,
        table: &trigger.id.table,
        name: &trigger.id.name,
    }
}
