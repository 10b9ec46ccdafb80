//! A whole database as the engine's own tools write it down, and that in place of what is there.

use std::process::Command;

use crate::common::{self, Live};

/// What the engine's own tool writes, or nothing where there is none that fits the server.
pub(crate) fn dump(live: &mut dyn Live) -> Option<String> {
    let mut command = match live.dialect() {
        "sqlite" => {
            let mut command = Command::new("sqlite3");
            command
                .arg(live.url().strip_prefix("sqlite:").unwrap())
                .arg(".dump");
            command
        }
        "postgres" => {
            // A server that is newer than the tool is refused by it.
            let version = live.run("SELECT current_setting('server_version_num')::integer / 10000");
            if version.trim_end().parse::<u32>().unwrap() > 15 {
                return None;
            }
            let mut command = Command::new("pg_dump");
            command.arg("-d").arg(live.url());
            command
        }
        _ => {
            if !live.run("SELECT @@version").contains("MariaDB") {
                return None;
            }
            let url = live.url();
            let (_, socket) = url.split_once("?socket=").unwrap();
            let name = live.run("SELECT DATABASE()").trim_end().to_owned();
            let mut command = Command::new("mariadb-dump");
            command
                .args(["--no-defaults", "-uroot", "--databases"])
                .args([&name, &format!("{name}_b")])
                .arg(format!("--socket={socket}"));
            command
        }
    };
    command.env_remove("PGOPTIONS");
    Some(common::finish(command).ok().stdout)
}

/// Take away what is there, and make what was dumped.
pub(crate) fn restore(live: &mut dyn Live, dump: &str) {
    match live.dialect() {
        "sqlite" => {
            live.batch("PRAGMA foreign_keys = OFF");
            for kind in ["trigger", "view", "table"] {
                let names = live.run(&format!("SELECT hex(name) FROM sqlite_schema WHERE type = '{kind}' AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\'"));
                for name in names.lines() {
                    let name = common::unhex(name).replace('"', "\"\"");
                    live.batch(&format!("DROP {kind} \"{name}\""));
                }
            }
            common::script(live, dump).ok();
            live.batch("PRAGMA foreign_keys = ON");
        }
        "postgres" => {
            live.batch(
                "DROP SCHEMA IF EXISTS other CASCADE;
                 DROP SCHEMA IF EXISTS other2 CASCADE;
                 DROP SCHEMA IF EXISTS triggerctl CASCADE;
                 DO $do$ DECLARE one text; BEGIN
                 FOR one IN SELECT format('DROP VIEW %s CASCADE', oid::regclass) FROM pg_class
                   WHERE relkind = 'v' AND relnamespace = 'public'::regnamespace LOOP EXECUTE one; END LOOP;
                 FOR one IN SELECT format('DROP TABLE IF EXISTS %I CASCADE', relname) FROM pg_class
                   WHERE relkind IN ('r', 'p') AND relnamespace = 'public'::regnamespace LOOP EXECUTE one; END LOOP;
                 FOR one IN SELECT format('DROP FUNCTION %s CASCADE', oid::regprocedure) FROM pg_proc
                   WHERE pronamespace = 'public'::regnamespace LOOP EXECUTE one; END LOOP;
                 END $do$",
            );
            common::script(live, dump).ok();
        }
        _ => {
            let name = live.run("SELECT DATABASE()").trim_end().to_owned();
            for name in [&name, &format!("{name}_b")] {
                live.batch(&format!("DROP DATABASE {name}"));
                live.batch(&format!("CREATE DATABASE {name} CHARACTER SET utf8mb4"));
            }
            common::script(live, dump).ok();
            live.batch(&format!("USE {name}"));
        }
    }
}
