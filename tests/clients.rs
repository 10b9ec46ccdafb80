//! The promise on the tin: whatever program inserts ('John', 30) reads back 31. The example spec is applied, then
//! SQLAlchemy, the engines' own shells, and the example's other triggers have their turn.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use std::process::Command;

use common::{Live, Sandbox, finish, repository, script};

for_each_dialect!(sqlalchemy, shell, example, a_script_carries_every_text);

/// A database with the example's tables and triggers.
fn prepared(live: &mut dyn Live) -> Sandbox {
    let fixtures = repository().join("fixtures");
    let schema = match live.dialect() {
        "sqlite" => fixtures.join("example.sql"),
        other => fixtures.join(format!("example.{other}.sql")),
    };
    live.batch(&std::fs::read_to_string(schema).unwrap());
    let spec = std::fs::read_to_string(repository().join("triggers.example.toml")).unwrap();
    let sandbox = Sandbox::with_spec(&spec);
    sandbox.on(live, &["apply", "--yes"]).ok();
    sandbox
}

fn sqlalchemy(live: &mut dyn Live) {
    prepared(live);
    let python = std::env::var_os("TRIGGERCTL_TEST_PYTHON")
        .expect("TRIGGERCTL_TEST_PYTHON is not set: run tests/run.sh, or set it to a Python that has SQLAlchemy and psycopg");
    let url = live.url();
    let url = if let Some(path) = url.strip_prefix("sqlite:") {
        format!("sqlite:///{path}")
    } else {
        format!("postgresql+psycopg://{}", url.split_once("://").unwrap().1)
    };
    let mut command = Command::new(python);
    command.arg(repository().join("tests/clients.py")).arg(&url);
    let run = finish(command).ok();
    assert_eq!(
        run.stdout, "core John 31\norm John 31\nraw John 31\n",
        "{run}"
    );

    // triggerctl takes the URL that SQLAlchemy took.
    let spec = std::fs::read_to_string(repository().join("triggers.example.toml")).unwrap();
    Sandbox::with_spec(&spec)
        .run(&["--url", &url, "check"])
        .ok();
}

fn shell(live: &mut dyn Live) {
    prepared(live);
    let run = script(
        live,
        "INSERT INTO users (name, age) VALUES ('John', 30);\nSELECT name, age FROM users;\n",
    )
    .ok();
    let answer: String = run.stdout.chars().filter(|c| !c.is_whitespace()).collect();
    assert!(answer.contains("John|31"), "{run}");
}

/// What the example's comments promise.
fn example(live: &mut dyn Live) {
    prepared(live);
    let mut says = |sql: &str, expected: &str| {
        let rows = live.run(sql);
        assert_eq!(rows.trim_end(), expected, "{sql}");
    };
    says("INSERT INTO users (name, age) VALUES ('John', 30)", "");
    says("SELECT name, age FROM users", "John|31");
    says(
        "INSERT INTO users (name, age) VALUES ('Nobody', -5)",
        "error: age must not be negative",
    );
    says(
        "UPDATE users SET age = -5",
        "error: age must not be negative",
    );
    says("UPDATE users SET name = 'Johnny', age = 31", "");
    says(
        "SELECT name, age FROM users WHERE updated_at > '2020-01-01'",
        "Johnny|31",
    );
    says("INSERT INTO adults (name, age) VALUES ('Jane', 40)", "");
    says(
        "SELECT name, age FROM adults ORDER BY name",
        "Jane|41\nJohnny|31",
    );
    says(
        "SELECT old_age, new_age FROM age_changes ORDER BY old_age",
        "30|31\n40|41",
    );
}

/// A trigger whose text in quotes is this one, escaped as TOML has it.
fn says(text: &str) -> String {
    format!(
        "version = 1\n[[trigger]]\nname = \"says\"\ntable = \"t\"\ntiming = \"after\"\nevents = [\"insert\"]\n\
         body = \"INSERT INTO log VALUES ('{text}');\"\n"
    )
}

/// What the shells might take for words of their own.
const ODD: &str = r#"a\n.quit\n\\q\n\\! false\n:name :'name' :\"x\"\n\\gexec\nDELIMITER ;\n// ; $$ $body$ -- /* \tb \u2028\n/\ngo\n\rc"#;

fn a_script_carries_every_text(live: &mut dyn Live) {
    live.batch("CREATE TABLE t (id integer PRIMARY KEY, s text); CREATE TABLE log (s text)");
    let is_sqlite = live.dialect() == "sqlite";
    let text = ODD.replace(":'name'", ":''name''");
    let sandbox = Sandbox::with_spec(&says(&text));
    let by_script = |live: &mut dyn Live| {
        let sql = sandbox.on(live, &["plan", "--format", "sql"]).ok().stdout;
        script(live, &sql).ok();
        sandbox.on(live, &["check"]).ok();
    };
    by_script(live);
    // What somebody wrote with other line ends is what the script looks at again.
    if is_sqlite {
        live.batch("DROP TRIGGER says; CREATE TRIGGER says\r\nAFTER INSERT ON t BEGIN\r\n SELECT 'a\r\nb \u{240d}'; END");
        by_script(live);
    }
    sandbox.write("triggers.toml", says(r"a\r\nb"));
    if !is_sqlite {
        return by_script(live);
    }
    // The shell would lose them.
    sandbox
        .on(live, &["plan", "--format", "sql"])
        .code(3)
        .says(&[
            "cannot be written as a script",
            "trigger says on t",
            "char(13)",
        ]);
    sandbox.on(live, &["apply", "--yes"]).ok();
    sandbox.on(live, &["check"]).ok();
    // In between it is a line end like any other.
    sandbox.write(
        "triggers.toml",
        says("c").replace("VALUES (", r"VALUES\r\n("),
    );
    by_script(live);
}
