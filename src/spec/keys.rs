//! The one table of everything that a spec may say: the reader checks by it, and documentation and the JSON Schema
//! come from it, so that none of them can differ from the others.

mod file;
mod function;
mod kind;
mod test;
mod trigger;

use std::collections::HashMap;
use std::sync::LazyLock;

/// A dialect's name, and the keys that only `[trigger.<dialect>]` may have.
pub type DialectKeys = (&'static str, &'static [&'static str]);

/// The dialects that a spec can speak of, and their own keys.
pub const DIALECTS: &[DialectKeys] = &[
    ("sqlite", &[]),
    (
        "postgres",
        &[
            "enabled",
            "constraint",
            "referencing",
            "function",
            "args",
            "shared",
            "function_name",
            "declare",
            "security",
            "search_path",
            "enabled_on",
            "depends_on_extensions",
        ],
    ),
    ("mysql", &["definer", "order", "sql_mode", "collation"]),
];

/// Other names that people use for a dialect.
pub(super) const DIALECT_ALIASES: &[(&str, &str)] = &[
    ("postgresql", "postgres"),
    ("pg", "postgres"),
    ("pgsql", "postgres"),
    ("sqlite3", "sqlite"),
    ("mariadb", "mysql"),
];

/// A table of the file in which keys may stand.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Section {
    /// The top of the main file.
    Top,
    /// The top of an included file.
    Part,
    /// `[database]`.
    Database,
    /// `[environments.NAME]`.
    Environment,
    /// `[[trigger]]` alone.
    Trigger,
    /// Both `[[trigger]]` and `[trigger.<dialect>]`.
    Field,
    /// `[trigger.<dialect>]` of the dialects that own the key (see [`DIALECTS`]).
    Own,
    /// `constraint = { … }`.
    Constraint,
    /// `referencing = { … }`.
    Referencing,
    /// `order = { … }`.
    Order,
    /// `[[function]]`.
    Function,
    /// `[lint]`.
    Lint,
    /// `allow = { … }`.
    Allow,
    /// `[[test]]` alone.
    Test,
    /// Both `[[test]]` and `[test.<dialect>]`.
    TestField,
    /// `expect = { … }`.
    Expect,
    /// `expect_error = { … }`.
    ExpectError,
    /// `expect_changes = { … }`.
    ExpectChanges,
    /// An element of `changed` in `expect_changes`.
    ExpectChanged,
    /// `[[require]]`.
    Require,
    /// `[[trigger]]` and `[trigger.<dialect>]` of a spec, and not of a kind.
    Use,
    /// The top of a `kind.toml`.
    Kind,
    /// `[parameters.NAME]` of a kind.
    Parameter,
    /// `[needs]` of a kind.
    Needs,
    /// `[[refuse]]` of a kind.
    Refusal,
    /// `[[trigger]]` of a kind.
    KindTrigger,
    /// `[trigger.<dialect>]` of a kind.
    KindOwn,
    /// `[[table]]` of a kind.
    KindTable,
    /// `[table.<dialect>]` of a kind.
    KindTableOwn,
    /// `[example]` of a kind.
    Example,
    /// `[[example.table]]` of a kind.
    ExampleTable,
}

impl Section {
    /// Where that is, in messages.
    pub fn place(self) -> &'static str {
        match self {
            Self::Top => "at the top of the main file",
            Self::Part => "in an included file",
            Self::Database => "in `[database]`",
            Self::Environment => "in `[environments.NAME]`",
            Self::Trigger | Self::Field | Self::Use => "in `[[trigger]]`",
            Self::Own => "in `[trigger.<dialect>]`",
            Self::Constraint => "in `constraint`",
            Self::Referencing => "in `referencing`",
            Self::Order => "in `order`",
            Self::Function => "in `[[function]]`",
            Self::Lint => "in `[lint]`",
            Self::Allow => "in `allow`",
            Self::Test | Self::TestField => "in `[[test]]`",
            Self::Expect => "in `expect`",
            Self::ExpectError => "in `expect_error`",
            Self::ExpectChanges => "in `expect_changes`",
            Self::ExpectChanged => "in `changed`",
            Self::Require => "in `[[require]]`",
            Self::Kind => "at the top of a `kind.toml`",
            Self::Parameter => "in `[parameters.NAME]` of a kind",
            Self::Needs => "in `[needs]` of a kind",
            Self::Refusal => "in `[[refuse]]` of a kind",
            Self::KindTrigger => "in `[[trigger]]` of a kind",
            Self::KindOwn => "in `[trigger.<dialect>]` of a kind",
            Self::KindTable => "in `[[table]]` of a kind",
            Self::KindTableOwn => "in `[table.<dialect>]` of a kind",
            Self::Example => "in `[example]` of a kind",
            Self::ExampleTable => "in `[[example.table]]` of a kind",
        }
    }
}

/// What a value must look like. Strings must not be empty where nothing else is said.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Shape {
    /// The integer 1.
    Version,
    /// A string.
    Text,
    /// A string that may be empty.
    Free,
    /// A string whose `${env:…}` is filled in only when it is used.
    Late,
    /// A template in SQL: kept to the letter, nothing is filled in.
    Sql,
    /// `name` or `schema.name`.
    Name,
    /// The same, where `*` and `?` in the name stand for any characters and for any one.
    Pattern,
    /// The name of a dialect.
    Dialect,
    /// One of these words.
    Word(&'static [&'static str]),
    /// `true` or `false`.
    Bool,
    /// A number above 0.
    Positive,
    /// A string, an integer, a number or a boolean.
    Scalar,
    /// A list of these, not empty, nothing in it twice.
    List(&'static Shape),
    /// A list of these, not empty, in which a value may come again.
    Row(&'static Shape),
    /// A list of these, which may be empty, and in which a value may come again.
    Many(&'static Shape),
    /// A table with the keys of a section.
    Table(Section),
    /// A table with the keys of a section, or a list of them.
    OneOrMany(Section),
    /// A string, or a table with the keys of a section.
    TextOr(Section),
    /// `[[name]]`: any number of tables with the keys of a section.
    Tables(Section),
    /// A table with keys of the user's choice.
    Map(&'static Shape),
    /// A table, not empty, whose keys are `name` or `schema.name`, none of them twice.
    Named(&'static Shape),
    /// Any value.
    Any,
    /// Any value, with the place of everything in it.
    Tree,
    /// A table with keys of the user's choice, whose values are tables with the keys of a section.
    Sections(Section),
}

/// One key.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Key {
    /// As it is written.
    pub name: &'static str,
    /// Where it may stand.
    pub sections: &'static [Section],
    /// Its value.
    pub shape: Shape,
    /// Whether it must be there.
    pub required: bool,
    /// What holds when it is left out; empty where nothing does.
    pub default: &'static str,
    /// What it is, in one line.
    pub doc: &'static str,
    /// How it is written.
    pub example: &'static str,
    /// Words that people may write in its place.
    pub aliases: &'static [&'static str],
}

const KEY: Key = Key {
    name: "",
    sections: &[],
    shape: Shape::Any,
    required: false,
    default: "",
    doc: "",
    example: "",
    aliases: &[],
};

/// Every key, in the order in which they are documented.
pub fn every_key() -> impl Iterator<Item = &'static Key> {
    [
        file::FILE,
        trigger::TRIGGER,
        function::FUNCTION,
        test::TEST,
        kind::KIND,
    ]
    .into_iter()
    .flatten()
}

/// The types of a kind's parameters.
pub(super) const TYPES: &[&str] = &[
    "column", "columns", "table", "sql", "text", "texts", "name", "bool", "integer", "word",
    "words", "map",
];

static BY_NAME: LazyLock<HashMap<&'static str, Vec<&'static Key>>> = LazyLock::new(|| {
    let mut map: HashMap<&'static str, Vec<&'static Key>> = HashMap::new();
    for key in every_key() {
        map.entry(key.name).or_default().push(key);
    }
    map
});

/// All keys of this name, wherever they may stand.
pub(super) fn named(name: &str) -> &'static [&'static Key] {
    BY_NAME.get(name).map_or(&[], Vec::as_slice)
}

/// Whether `[[trigger]]` has a key of this name.
pub fn is_key_of_trigger(name: &str) -> bool {
    named(name)
        .iter()
        .any(|key| key.sections.contains(&Section::Trigger))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn every_own_key_belongs_to_a_dialect_and_the_other_way_round() {
        let owned: HashSet<&str> = DIALECTS
            .iter()
            .flat_map(|(_, own)| own.iter().copied())
            .collect();
        let own: HashSet<&str> = every_key()
            .filter(|key| key.sections.contains(&Section::Own))
            .map(|key| key.name)
            .collect();
        assert_eq!(owned, own);
    }

    #[test]
    fn the_dialects_agree_on_their_own_keys() {
        for dialect in crate::dialect::ALL {
            let (_, own) = DIALECTS
                .iter()
                .find(|(name, _)| *name == dialect.name())
                .unwrap();
            assert_eq!(*own, dialect.own_keys(), "{}", dialect.name());
        }
    }

    #[test]
    fn no_key_is_said_twice_for_one_section() {
        let mut seen = HashSet::new();
        for key in every_key() {
            for section in key.sections {
                assert!(seen.insert((key.name, section)), "{} twice", key.name);
            }
            assert!(!key.doc.is_empty() && key.example.contains(key.name));
        }
    }
}
