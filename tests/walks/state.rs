//! What a database has, object by object.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use crate::common::{self, Live};
use crate::steps::{MADE, MOVED};

/// Every trigger and function, by what it is called.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct State(pub(crate) BTreeMap<String, Object>);

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Object {
    /// The table of a trigger.
    pub(crate) table: String,
    /// All that there is to say of it, to the letter.
    pub(crate) text: String,
    /// Which of its siblings fire before it, where the engine has an order of its own.
    pub(crate) after: Vec<String>,
}

impl State {
    pub(crate) fn of(live: &mut dyn Live) -> Self {
        let found = live.run(match live.dialect() {
            // As old as they are.
            "sqlite" => "SELECT 'trigger', hex(name), tbl_name, hex(sql), hex(sql) FROM sqlite_schema WHERE type = 'trigger' ORDER BY rowid",
            "postgres" => "
                SELECT 'trigger', encode(convert_to(tgname, 'UTF8'), 'hex'), tgrelid::regclass::text,
                    encode(convert_to(concat_ws(E'\\n', tgenabled::text, pg_get_triggerdef(oid), obj_description(oid, 'pg_trigger'), (
                        SELECT string_agg(refobjid::text, ',' ORDER BY refobjid) FROM pg_depend WHERE objid = pg_trigger.oid AND deptype = 'x'
                    )), 'UTF8'), 'hex'), ''
                FROM pg_trigger WHERE NOT tgisinternal
                UNION ALL
                SELECT 'function', encode(convert_to(proname, 'UTF8'), 'hex'), pronamespace::regnamespace::text,
                    -- Whose it is counts where it runs with his rights.
                    encode(convert_to(concat_ws(E'\\n', CASE WHEN prosecdef THEN proowner::regrole || ' ' || (
                        SELECT string_agg(grantee::text || is_grantable::text, ',' ORDER BY grantee)
                        FROM aclexplode(coalesce(proacl, acldefault('f', proowner)))) END,
                    pg_get_functiondef(oid), obj_description(oid, 'pg_proc'), (
                        SELECT string_agg(refobjid::text, ',' ORDER BY refobjid) FROM pg_depend WHERE objid = pg_proc.oid AND deptype = 'x'
                    )), 'UTF8'), 'hex'), ''
                FROM pg_proc WHERE pronamespace::regnamespace::text IN ('public', 'other', 'other2')
                ORDER BY 1, 2, 3",
            _ => "SELECT 'trigger', HEX(CONCAT(IF(TRIGGER_SCHEMA = DATABASE(), '', 'other.'), TRIGGER_NAME)), CONCAT(IF(TRIGGER_SCHEMA = DATABASE(), '', 'other.'), EVENT_OBJECT_TABLE), HEX(CONCAT_WS('\n', EVENT_OBJECT_TABLE, ACTION_TIMING, EVENT_MANIPULATION, ACTION_STATEMENT, SQL_MODE, DEFINER, CHARACTER_SET_CLIENT, COLLATION_CONNECTION)), HEX(CONCAT(ACTION_TIMING, EVENT_MANIPULATION))
                FROM information_schema.TRIGGERS WHERE TRIGGER_SCHEMA IN (DATABASE(), CONCAT(DATABASE(), '_b')) ORDER BY ACTION_ORDER, 2",
        });
        assert!(!found.starts_with("error: "), "{found}");
        let mut state = Self::default();
        let mut siblings: BTreeMap<(String, String), Vec<String>> = BTreeMap::new();
        for row in found.lines() {
            let [kind, name, table, text, place] = row.split('|').collect::<Vec<_>>()[..] else {
                panic!("{found}");
            };
            let (name, text) = (common::unhex(name), live.plain(&common::unhex(text)));
            let place = match live.dialect() {
                "sqlite" => fires(&text),
                _ => common::unhex(place),
            };
            let siblings = siblings.entry((table.to_owned(), place)).or_default();
            let after = match live.dialect() {
                "postgres" => vec![],
                _ => siblings.clone(),
            };
            siblings.push(name.clone());
            let key = match live.dialect() {
                "postgres" => format!("{kind} {table} {name}"),
                _ => format!("{kind} {name}"),
            };
            let object = Object {
                table: table.to_owned(),
                text,
                after,
            };
            state.0.insert(key, object);
        }
        // What somebody renamed has been seen to be nobody's.
        state.0.retain(|key, _| !is_nobodys(key));
        for object in state.0.values_mut() {
            object
                .after
                .retain(|name| name != "by_hand" && name != "foreign");
        }
        state
    }

    /// One text, to be compared with another of a database that had another way to it: tokens count, and the order of what
    /// came in another order does not.
    pub(crate) fn meaning(&self, live: &dyn Live) -> String {
        let mut all = String::new();
        for (key, Object { text, .. }) in &self.0 {
            // Who renames a table of SQLite's finds its name in quotes.
            let text = match live.dialect() {
                "sqlite" => ["u", "u_old", "u_swap", "w", "t2"]
                    .iter()
                    .fold(text.replace(" ON main.", " ON "), |text, name| {
                        text.replace(&format!("\"{name}\""), name)
                    }),
                _ => text.clone(),
            };
            let _ = writeln!(all, "{key}\n{}", common::comparable(&text, live));
        }
        all
    }

    /// One text, to the letter.
    pub(crate) fn exact(&self) -> String {
        let mut all = String::new();
        for (key, Object { text, after, .. }) in &self.0 {
            let _ = writeln!(all, "{key}\n{text}\nfires after {after:?}");
        }
        all
    }

    /// Without what nobody asks for and is nobody's business: triggers that went with a renamed table, with their functions,
    /// and those that somebody made.
    pub(crate) fn managed(mut self, meant: &Self) -> Self {
        let moved: Vec<String> = self
            .0
            .iter()
            .filter(|(key, object)| {
                let is_made = MADE.iter().any(|text| object.text.contains(text));
                (is_made || MOVED.contains(&object.table.as_str())) && !meant.0.contains_key(*key)
            })
            .map(|(key, _)| key.clone())
            .collect();
        let texts: BTreeSet<String> = moved
            .iter()
            .filter_map(|key| self.0.remove(key))
            .map(|object| object.text)
            .collect();
        self.0.retain(|key, _| {
            let Some(function) = key.strip_prefix("function ") else {
                return true;
            };
            let (schema, name) = function.split_once(' ').unwrap();
            let is_called = |text: &String| {
                let (plain, name) = (text.replace('"', ""), name.replace('"', ""));
                plain.contains(&format!("FUNCTION {name}("))
                    || plain.contains(&format!("FUNCTION {schema}.{name}("))
            };
            // Somebody took it there: it is nobody's now.
            let is_elsewhere = schema.starts_with("other") && !MADE_THERE.contains(&name);
            meant.0.contains_key(key) || !(is_elsewhere || texts.iter().any(is_called))
        });
        self
    }
}

/// The functions of specs that are in another schema.
pub(crate) const MADE_THERE: [&str; 4] = ["Help er", "bump", "each", "From"];

fn is_nobodys(key: &str) -> bool {
    ["by_hand", "foreign"]
        .iter()
        .any(|name| key.ends_with(&format!(" {name}")))
        || key.ends_with(" made") && key.starts_with("function other")
}

/// When a trigger of SQLite's fires, as its text has it.
fn fires(sql: &str) -> String {
    let words: Vec<&str> = sql.split_whitespace().collect();
    let upper = words.join(" ").to_uppercase();
    let first = |words: &[&str]| {
        let found = words
            .iter()
            .filter_map(|word| Some((upper.find(word)?, *word)));
        found
            .min()
            .map_or(String::new(), |(_, word)| word.trim().to_owned())
    };
    let timing = first(&[" BEFORE ", " AFTER ", " INSTEAD OF "]);
    let event = first(&[" INSERT ON ", " UPDATE ON ", " UPDATE OF ", " DELETE ON "]);
    format!("{timing} {}", event.split(' ').next().unwrap_or_default())
}
