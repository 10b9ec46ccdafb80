//! The specs that a walk goes through.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use proptest::prelude::*;

/// One trigger of the user's.
#[derive(Debug, Clone)]
#[allow(clippy::struct_excessive_bools)] // Each is a key of its own.
pub(crate) struct Own {
    table: usize,
    before: bool,
    events: BTreeSet<&'static str>,
    update_of: bool,
    when: usize,
    body: usize,
    more: usize,
    statement: bool,
    /// Which of the dialect's own keys, and which of each one's values.
    keys: BTreeMap<usize, usize>,
    /// Whether it calls a function of the spec's where there is one.
    calls: bool,
}

/// A `[[function]]`: whose body, and which of the keys with which of their values.
#[derive(Debug, Clone)]
pub(crate) struct Function {
    body: usize,
    keys: BTreeMap<usize, usize>,
}

/// Triggers by name, uses of kinds, and functions.
#[derive(Debug, Clone)]
pub(crate) struct Spec {
    own: BTreeMap<&'static str, Own>,
    uses: BTreeSet<usize>,
    functions: BTreeMap<&'static str, Function>,
    top: Top,
}

/// What a spec says of itself: what `vars.what` is, whether its triggers are in files of their own, which of the built-in
/// templates it has its own of, and what it requires.
#[derive(Debug, Clone)]
struct Top {
    vars: usize,
    is_split: bool,
    templates: usize,
    require: usize,
}

/// Before the name of the file that follows, where a spec is more than one.
pub(crate) const FILE: &str = "#=== ";
const VARS: [&str; 3] = ["'A b'", "\"it's\"", "'{{ x }}'"];
/// How many ways there are to have templates of one's own, and none.
const TEMPLATES: usize = 3;
const REQUIRE: [&str; 5] = [
    "",
    "",
    "tables = ['t', 'u*']\nexclude = ['u_*']\nhaving_columns = ['b']\nuse = 'audit'",
    "tables = ['*']\nhaving_columns = ['updated*']\nuse = 'updated_at'\nname = 'up to date'",
    "tables = ['t']\ntrigger = 'first'",
];

pub(crate) const NAMES: [&str; 5] = [
    "first",
    "Second one",
    "select",
    "It's \"ödd\".",
    "{{ table }}_own",
];
const WHERE: [&str; 6] = [
    "table = 't'",
    "table = 'u'",
    "table = '\"Odd Täble.x\"'",
    "tables = ['u', 't*']\nexclude = ['t_*', 'triggerctl_*']\nhaving_columns = ['b']",
    "tables = ['*']\nhaving_columns = ['b', 'n*']",
    "table = 'other.w'",
];
const CONDITIONS: [&str; 3] = ["", "NEW.n > 1", "NEW.n >= 1 AND NEW.b <> 'a  B'"];
const BODIES: [&str; 4] = [
    "INSERT INTO log (what) VALUES ('A b');",
    "INSERT INTO log (what) VALUES ('ab');",
    "INSERT INTO log (what) VALUES ('it''s; END'); -- $$\nDELETE FROM log WHERE what = '''';",
    "INSERT INTO log (what) VALUES ({{ vars.what | literal }});",
];
const MORE: [&str; 8] = [
    "",
    "description = 'Says.'",
    "bypass = 'app.off'",
    "bypass = 'app.other'\ndescription = \"It's\\na $$ 'second'.\"",
    "renamed_from = 'first'",
    "renamed_from = 'Second one'",
    "renamed_from = '{{ table }}_own'",
    "allow = { rule = 'unanalysed_body', reason = 'It is so.' }",
];
/// A key, and the values that it takes here.
type Key = (&'static str, &'static [&'static str]);
const POSTGRES: [Key; 8] = [
    (
        "enabled",
        &["'disabled'", "'replica'", "'always'", "'origin'"],
    ),
    (
        "constraint",
        &[
            "{ deferrable = true, initially = 'deferred' }",
            "{ deferrable = true }",
            "{}",
        ],
    ),
    ("declare", &["'n integer;'", "'n integer := 1; -- $$'"]),
    ("security", &["'definer'", "'invoker'"]),
    (
        "search_path",
        &["['public', 'pg_temp']", "['']", "['other', 'public']"],
    ),
    ("function_name", &["'bump'", "'other.bump'", "'\"Bu.mp\"'"]),
    ("depends_on_extensions", &["['plpgsql']"]),
    ("shared", &["true"]),
];
const MYSQL: [Key; 4] = [
    ("definer", &["'root@localhost'", "'walker@localhost'"]),
    (
        "sql_mode",
        &[
            "'STRICT_TRANS_TABLES'",
            "'ANSI_QUOTES,STRICT_ALL_TABLES'",
            "''",
        ],
    ),
    ("collation", &["'utf8mb4_bin'", "'utf8mb4_general_ci'"]),
    ("order", &["follows", "precedes"]),
];
const FUNCTIONS: [&str; 2] = ["helper", "other.\"Help er\""];
const FUNCTION_BODIES: [&str; 2] = [
    "BEGIN\n  INSERT INTO public.log (what) VALUES (TG_NAME);\n  RETURN coalesce(NEW, OLD);\nEND",
    "DECLARE n integer; BEGIN n := 1; RETURN coalesce(NEW, OLD); END",
];
const FUNCTION: [Key; 9] = [
    ("security", &["'definer'", "'invoker'"]),
    ("search_path", &["['public', 'pg_temp']", "['']"]),
    (
        "settings",
        &[
            "{ work_mem = '64MB' }",
            "{ enable_seqscan = false, 'app.what' = \"it's\" }",
        ],
    ),
    ("volatility", &["'stable'", "'volatile'"]),
    ("parallel", &["'safe'", "'restricted'"]),
    ("leakproof", &["true"]),
    ("strict", &["true"]),
    ("cost", &["7", "100"]),
    ("description", &["'Helps.'", "\"It's.\""]),
];
pub(crate) const USES: [&str; 51] = [
    "use = 'updated_at'\ntable = 't'",
    "use = 'updated_at'\ntables = ['*']\nhaving_columns = ['updated_at', 'n']",
    "use = 'version'\ntable = 't'",
    "use = 'audit'\ntable = 't'\ncreate_table = true",
    "use = 'audit'\ntable = 't'\nname = 't_other'\ncreate_table = true\nwith = { except = ['b'], target = 'other_log' }",
    "use = 'history'\ntable = 't'\ncreate_table = true",
    "use = 'outbox'\ntables = ['t', 'u']\ncreate_table = true",
    "use = 'append_only'\ntable = 'u'",
    "use = 'counter_cache'\ntable = 'u'\nwith = { parent = 't', key = 't_id' }",
    "use = 'sum_cache'\ntable = 'u'\nwith = { parent = 't', key = 't_id', column = 'u_sum', amount = 'NEW.n' }",
    "use = 'validate'\ntable = 'u'\nwith = { condition = 'NEW.n > 0', message = 'n is positive' }",
    "use = 'read_only'\ntable = 't'\nwith = { except = ['a', 'b', 'u_count', 'u_sum', 'version', 'updated_at', 'deleted_at'] }",
    "use = 'protect'\ntable = 't'\nwith = { events = ['delete'] }",
    "use = 'state_machine'\ntable = 't'\nwith = { column = 'b', initial = ['new'], transitions = { new = ['done'], done = [] } }",
    "use = 'created_at'\ntable = 'u'\nwith = { column = 'updated_at' }",
    "use = 'touch'\ntable = 'u'\nwith = { parent = 't', key = 't_id' }",
    "use = 'soft_delete'\ntable = 't'\ndialects = ['sqlite', 'postgres']",
    "use = 'derive'\ntable = 't'\nwith = { columns = { b = \"concat('x', NEW.a)\" } }\ndialects = ['postgres', 'mysql']",
    "use = 'mirror'\ntable = 'u'\nwith = { parent = 't', key = 't_id', columns = { b = 'b' } }",
    "use = 'force_defaults'\ntable = 't'\nwith = { values = { u_count = '0', b = \"'new'\" } }",
    "use = 'skip_noop_update'\ntable = 't'\ndialects = ['postgres', 'sqlite']",
    "use = 'notify'\ntable = 't'\ndialects = ['postgres']",
    "use = 'deferred_check'\ntable = 'u'\nwith = { condition = 'NEW.n > 0', message = 'n is positive' }\ndialects = ['postgres']",
    "use = 'audit'\ntable = 'u'\ncreate_table = true\nwith = { for_each = 'statement' }\ndialects = ['postgres']",
    "use = 'protect'\ntable = 't'\nname = 'no_truncate'\nwith = { events = ['truncate'] }\ndialects = ['postgres']",
    "use = 'updated_at'\ntable = 'parted'\ndialects = ['postgres']",
    "use = 'audit'\ntable = 'parted'\ncreate_table = true\ndialects = ['postgres']",
    "name = 'seen'\ntable = 'seen'\ntiming = 'instead_of'\nevents = ['insert']\nbody = 'INSERT INTO log (what) VALUES (NEW.b);'\ndialects = ['sqlite', 'postgres']",
    "name = 'both'\ntable = 'parted'\ntiming = 'after'\nevents = ['insert']\nbody = \"INSERT INTO log (what) VALUES ('p');\"\ndialects = ['postgres']\n[trigger.postgres]\nenabled = 'always'\nconstraint = { deferrable = true, initially = 'deferred' }",
    "use = 'view_write'\ntable = 'seen'\nwith = { target = 't' }\ndialects = ['sqlite', 'postgres']",
    "use = 'version'\ntable = 'other.w'\ndialects = ['postgres', 'mysql']",
    "use = 'audit'\ntable = 'other.w'\ncreate_table = true\nname = 'w_there'\ndialects = ['postgres', 'mysql']",
    "name = 'beyond'\ntables = ['other.*', 'u']\nhaving_columns = ['n']\ntiming = 'after'\nevents = ['delete']\nbody = \"INSERT INTO log (what) VALUES ({{ table_name() }});\"\ndialects = ['postgres', 'mysql']",
    "use = 'derive'\ntable = 'other.w'\nwith = { columns = { b = \"concat('x', NEW.n)\" } }\ndialects = ['postgres', 'mysql']",
    // Selectors, and names from a template.
    "use = 'version'\ntables = ['t*', 'w*']\nexclude = ['t_*']\nhaving_columns = ['version']",
    "use = 'updated_at'\ntables = ['*']\nhaving_columns = ['updated*', 'n']\nname = '{{ table }}_now'",
    "use = 'append_only'\ntables = ['u', '\"Odd Täble.x\"']\nname = 'only {{ table }}'",
    "name = '{{ table }}_seen'\ntables = ['t', 'u', '\"Odd Täble.x\"']\ntiming = 'after'\nevents = ['delete']\nbody = \"INSERT INTO log (what) VALUES ({{ table | literal }});\"",
    "name = 'Ever\"y {{ table }}'\ntables = ['?']\nexclude = ['t']\ntiming = 'before'\nevents = ['insert']\nbody = \"INSERT INTO log (what) VALUES ({{ table_name() }});\"",
    "use = 'audit'\ntables = ['t', 'u']\ncreate_table = true\nname = 'a_{{ table }}'\nwith = { target = 'wide_log' }",
    "name = '{{ table }}_each'\ntables = ['?', 'other.*']\nhaving_columns = ['n']\ntiming = 'after'\nevents = ['insert']\nbody = \"INSERT INTO log (what) VALUES ({{ table_name() }});\"\ndialects = ['postgres']\n[trigger.postgres]\nshared = true\nfunction_name = 'other.each'",
    "name = '{{ table }}_each'\ntables = ['t', 'u']\ntiming = 'after'\nevents = ['insert']\nbody = \"INSERT INTO log (what) VALUES ({{ table_name() }});\"\ndialects = ['postgres']\n[trigger.postgres]\nshared = true\nargs = ['{{ table }}', '']",
    "use = 'audit'\ntable = 'u'\nname = 'u_by'\ncreate_table = true\nbypass = 'app.off'\nwith = { target = 'by_log' }\n[trigger.postgres]\nenabled = 'always'",
    "use = 'updated_at'\ntables = ['t', 'u']\nname = '{{ table }}_by'\nbypass = 'app.other'\n[trigger.postgres]\nenabled = 'replica'",
    "use = 'append_only'\ntable = 'other.w'\nbypass = 'app.off'\ndialects = ['postgres', 'mysql']\n[trigger.postgres]\nenabled = 'disabled'",
    "use = 'version'\ntables = ['?']\nexclude = ['w', 'log']\nhaving_columns = ['version', 'b*']\nname = 'one_{{ table }}'\nrenamed_from = '{{ table }}_version'\ndialects = ['sqlite', 'postgres']",
    // What one engine alone has.
    "name = 'part'\ntable = 'parted'\ntiming = 'after'\nevents = ['update']\nbody = 'RETURN NULL;'\ndialects = ['postgres']\n[trigger.postgres]\nenabled_on = { parted_top = 'disabled', parted_high = 'always' }\ndepends_on_extensions = ['plpgsql']",
    "name = 'rows'\ntable = 'u'\ntiming = 'after'\nevents = ['update']\nfor_each = 'statement'\nbody = 'PERFORM count(*) FROM old_rows JOIN new_rows USING (id);'\ndialects = ['postgres']\n[trigger.postgres]\nreferencing = { old_table = 'old_rows', new_table = 'new_rows' }",
    "name = 'from'\ntable = 'u'\ntiming = 'after'\nevents = ['insert']\nbody = 'NULL;'\ndialects = ['postgres']\n[trigger.postgres]\nconstraint = { deferrable = true, initially = 'immediate', from = 't' }\nfunction_name = 'other.From'",
    "name = 'noted'\ntable = 'other.w'\ntiming = 'before'\nevents = ['insert', 'update']\nwhen = 'NEW.n > 0'\nbody = 'NEW.b := now();'\ndialects = ['postgres']\ndescription = 'Élan.'",
    "name = 'last'\ntable = 'u'\ntiming = 'before'\nevents = ['insert']\nbody = 'SET NEW.n = 1;'\ndialects = ['mysql']\n[trigger.mysql]\nsql_mode = 'ANSI_QUOTES'\ncollation = 'utf8mb4_bin'\ndefiner = 'walker@localhost'",
];

fn keys(of: &'static [Key], most: usize) -> impl Strategy<Value = BTreeMap<usize, usize>> {
    proptest::collection::btree_map(0..of.len(), 0..4_usize, 0..=most)
}

fn own(dialect: &'static str) -> impl Strategy<Value = Own> {
    let most = if dialect == "mysql" { 1 } else { 3 };
    let (tables, own, some): (_, &'static [Key], _) = match dialect {
        "postgres" => (WHERE.len(), &POSTGRES, 2),
        "mysql" => (WHERE.len(), &MYSQL, 3),
        _ => (WHERE.len() - 1, &[("", &[])], 0),
    };
    (
        prop_oneof![2 => 0..2_usize, 1 => 0..tables],
        any::<bool>(),
        proptest::collection::btree_set(
            proptest::sample::select(vec!["insert", "update", "delete"]),
            1..=most,
        ),
        any::<bool>(),
        0..CONDITIONS.len(),
        0..BODIES.len(),
        0..MORE.len(),
        proptest::bool::weighted(if dialect == "postgres" { 0.2 } else { 0.0 }),
        keys(own, some),
        any::<bool>(),
    )
        .prop_map(
            |(table, before, events, update_of, when, body, more, statement, keys, calls)| Own {
                table,
                before,
                events,
                update_of,
                when,
                body,
                more,
                statement,
                keys,
                calls,
            },
        )
}

fn top() -> impl Strategy<Value = Top> {
    let templates = prop_oneof![4 => Just(0), 1 => 1..TEMPLATES];
    (
        0..VARS.len(),
        proptest::bool::weighted(0.3),
        templates,
        0..REQUIRE.len(),
    )
        .prop_map(|(vars, is_split, templates, require)| Top {
            vars,
            is_split,
            templates,
            require,
        })
}

pub(crate) fn spec(dialect: &'static str) -> impl Strategy<Value = Spec> {
    let function = (0..FUNCTION_BODIES.len(), keys(&FUNCTION, 3))
        .prop_map(|(body, keys)| Function { body, keys });
    (
        proptest::collection::btree_map(
            proptest::sample::select(NAMES.to_vec()),
            own(dialect),
            0..=3,
        ),
        proptest::collection::btree_set(0..USES.len(), 0..=4),
        proptest::collection::btree_map(
            proptest::sample::select(FUNCTIONS.to_vec()),
            function,
            0..=usize::from(dialect == "postgres"),
        ),
        top(),
    )
        .prop_map(|(own, uses, functions, top)| Spec {
            own,
            uses,
            functions,
            top,
        })
}

/// The spec as a person writes it, without what would be refused whatever the database: its files, each but the first
/// behind a line with its name.
pub(crate) fn written(spec: &Spec, dialect: &str) -> String {
    let Top {
        vars,
        is_split,
        templates,
        require,
    } = spec.top;
    let mut own_text = String::new();
    for (name, own) in &spec.own {
        write_own(&mut own_text, name, own, spec, dialect);
    }
    let mut uses = String::new();
    for one in &spec.uses {
        // MySQL 9 cannot be told a place beside a trigger that leads back to its own table while that one is held.
        if dialect == "mysql" && USES[*one].contains("'mirror'") {
            continue;
        }
        let _ = writeln!(uses, "[[trigger]]\n{}", USES[*one]);
    }
    let mut functions = String::new();
    for (name, Function { body, keys }) in &spec.functions {
        let _ = writeln!(
            functions,
            "[[function]]\nname = '{name}'\nbody = {:?}",
            FUNCTION_BODIES[*body]
        );
        for (key, value) in keys {
            let (key, values) = FUNCTION[*key];
            let _ = writeln!(functions, "{key} = {}", values[value % values.len()]);
        }
    }
    let mut body = String::new();
    let mut parts = vec![];
    let all = [("own", own_text), ("uses", uses), ("functions", functions)];
    for (name, part) in all {
        if !is_split {
            body += &part;
        } else if !part.is_empty() {
            parts.push((name, part));
        }
    }
    let mut text = "version = 1\n".to_owned();
    if !parts.is_empty() {
        text += "include = ['parts/*.toml']\n";
    }
    if templates > 0 {
        text += "templates = 'ours'\n";
    }
    let _ = writeln!(text, "[vars]\nwhat = {}", VARS[vars]);
    if !REQUIRE[require].is_empty() {
        let _ = writeln!(text, "[[require]]\n{}", REQUIRE[require]);
    }
    text += &body;
    for (name, part) in parts {
        let _ = write!(text, "{FILE}parts/{name}.toml\n{part}");
    }
    if templates > 0 {
        let (name, template) = template(dialect, templates);
        let _ = write!(text, "{FILE}ours/{dialect}/{name}\n{template}");
    }
    text
}

/// The name of a template of the dialect's, and the built-in one with something of one's own in it.
fn template(dialect: &str, which: usize) -> (&'static str, String) {
    let (name, text, from, to) = match (dialect, which) {
        ("sqlite", 1) => (
            "create_trigger.sql",
            include_str!("../../templates/sqlite/create_trigger.sql"),
            "BEGIN\n",
            "BEGIN\nSELECT 'ours';\n",
        ),
        ("sqlite", _) => (
            "create_trigger.sql",
            include_str!("../../templates/sqlite/create_trigger.sql"),
            "BEGIN\n",
            "/* ours */ BEGIN\n",
        ),
        ("postgres", 1) => (
            "function_body.sql",
            include_str!("../../templates/postgres/function_body.sql"),
            "BEGIN\n",
            "BEGIN\n-- ours\n",
        ),
        ("postgres", _) => (
            "create_trigger.sql",
            include_str!("../../templates/postgres/create_trigger.sql"),
            "FOR EACH ",
            "/* ours */ FOR EACH ",
        ),
        (_, 1) => (
            "create_trigger.sql",
            include_str!("../../templates/mysql/create_trigger.sql"),
            "BEGIN\n",
            "BEGIN /* ours */\n",
        ),
        _ => (
            "trigger_body.sql",
            include_str!("../../templates/mysql/trigger_body.sql"),
            " THEN\n",
            " THEN SET @ours = 1;\n",
        ),
    };
    let changed = text.replacen(from, to, 1);
    assert_ne!(changed, text, "{name}");
    (name, changed)
}

fn write_own(text: &mut String, name: &str, own: &Own, spec: &Spec, dialect: &str) {
    let Own {
        table,
        before,
        events,
        update_of,
        when,
        body,
        more,
        statement,
        keys,
        calls,
    } = own;
    let _ = write!(
        text,
        "[[trigger]]\nname = {name:?}\n{}\ntiming = '{}'\nevents = {:?}\nbody = {:?}\n",
        WHERE[*table],
        if *before { "before" } else { "after" },
        events.iter().collect::<Vec<_>>(),
        BODIES[*body],
    );
    let is_constraint = *statement || *before || dialect != "postgres" || !keys.contains_key(&1);
    if *update_of && events.contains("update") {
        *text += "update_of = ['b']\n";
    }
    if [1, 2, 4, 5].contains(table) && !events.contains("delete") && *when > 0 && !statement {
        let _ = writeln!(text, "when = {:?}", CONDITIONS[*when]);
    }
    if *statement {
        *text += "for_each = 'statement'\n";
    }
    let more = MORE[*more];
    // What the spec leaves open is as it was under the other name.
    let is_renamed = more.starts_with("renamed_from");
    if !(more.contains(&format!("'{name}'")) || is_renamed && dialect == "mysql") {
        let _ = writeln!(text, "{more}");
    }
    let called = spec.functions.keys().next().filter(|_| *calls);
    match dialect {
        "postgres" => {
            *text += "[trigger.postgres]\n";
            if let Some(called) = called {
                let _ = writeln!(text, "function = '{called}'\nargs = ['a', \"it's\"]");
            }
            for (key, value) in keys {
                let (key, values) = POSTGRES[*key];
                let generated = [
                    "declare",
                    "security",
                    "search_path",
                    "function_name",
                    "shared",
                ];
                if (key == "constraint" && is_constraint)
                    || (called.is_some() && generated.contains(&key))
                {
                    continue;
                }
                let _ = writeln!(text, "{key} = {}", values[value % values.len()]);
            }
        }
        "mysql" => {
            *text += "[trigger.mysql]\n";
            for (number, (key, values)) in MYSQL.into_iter().enumerate() {
                if key == "order" {
                    let other = spec.own.iter().find(|(other, own)| {
                        **other != name
                            && (own.table, own.before, &own.events) == (*table, *before, events)
                    });
                    if let (Some(value), Some((other, _))) = (keys.get(&number), other) {
                        let _ = writeln!(
                            text,
                            "order = {{ {} = {other:?} }}",
                            values[value % values.len()]
                        );
                    }
                } else if ["first", "select"].contains(&name) {
                    // What a spec leaves open stays as it was: a trigger has these in every spec of a walk, or in none.
                    let value = keys.get(&number).unwrap_or(&0);
                    let _ = writeln!(text, "{key} = {}", values[value % values.len()]);
                }
            }
        }
        _ => {}
    }
}
