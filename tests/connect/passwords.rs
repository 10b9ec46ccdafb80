//! Where the password comes from, that it is the right one, and that it is never shown.

use triggerctl::db::postgres::connect::connect_in;

use crate::server::{Options, Server, close};
use crate::{assert_refused, connected, environment, postgres_url, refused};

/// Everything that could end a URL, a word or a quotation early.
const ODD: &str = "p@s:s/w?o#r%d '\"\\&=é☃";

fn percent(text: &str) -> String {
    text.bytes()
        .fold(String::new(), |text, byte| format!("{text}%{byte:02X}"))
}

#[test]
fn sources_of_passwords() {
    let server = Server::start(&Options {
        access: "host all alice all scram-sha-256\nhost all bob all md5\nlocal all alice scram-sha-256\n",
        ..Options::default()
    });
    let literal = ODD.replace('\'', "''");
    server.run(&format!(
        "CREATE ROLE alice LOGIN PASSWORD '{literal}'; SET password_encryption = md5; CREATE ROLE bob LOGIN PASSWORD 'bobs'"
    ));
    let home = tempfile::tempdir().unwrap();
    let empty = environment(home.path(), &[]);
    let port = server.port;
    let base = format!("postgres://alice@127.0.0.1:{port}/postgres");

    // The URL.
    let with_password = format!(
        "postgres://alice:{}@127.0.0.1:{port}/postgres",
        percent(ODD)
    );
    let connection = connected(&with_password, &empty);
    assert_eq!(connection.display, base);
    assert_eq!(
        (connection.user.as_str(), connection.database.as_str()),
        ("alice", "postgres")
    );
    connected(&format!("{base}?password={}", percent(ODD)), &empty);
    let quoted = ODD.replace('\\', "\\\\").replace('\'', "\\'");
    connected(
        &format!("host=127.0.0.1 port={port} user=alice dbname=postgres password='{quoted}'"),
        &empty,
    );
    connected(
        &format!("postgres://bob:bobs@127.0.0.1:{port}/postgres"),
        &empty,
    );

    // None.
    for url in [base.clone(), base.replace("alice", "bob")] {
        assert_refused(
            &url,
            &empty,
            &["wants a password for role", "PGPASSWORD", ".pgpass"],
        );
    }

    // The variable, over which the URL wins.
    let right = environment(home.path(), &[("PGPASSWORD", ODD)]);
    let wrong = environment(home.path(), &[("PGPASSWORD", "wrong-one")]);
    connected(&base, &right);
    connected(&with_password, &wrong);
    assert_refused(
        &base,
        &wrong,
        &[
            "does not accept the password",
            "comes from the environment variable PGPASSWORD",
            "28P01",
        ],
    );
    assert_refused(
        &format!("postgres://alice:wrong-one@127.0.0.1:{port}/postgres"),
        &right,
        &["comes from the URL"],
    );

    // The password file: last, and only when it is closed to others.
    let passfile = home.path().join(".pgpass");
    let escaped = ODD.replace('\\', "\\\\").replace(':', "\\:");
    std::fs::write(
        &passfile,
        format!("# ours\n127.0.0.1:{port}:postgres:alice:{escaped}\n"),
    )
    .unwrap();
    assert_refused(
        &base,
        &empty,
        &["wants a password", "was not used", "chmod 600"],
    );
    close(&passfile);
    connected(&base, &empty);
    assert_refused(&base, &wrong, &["PGPASSWORD"]);
    assert_refused(&base.replace("alice", "bob"), &empty, &["wants a password"]);
    std::fs::write(&passfile, "*:*:*:alice:wrong-one\n").unwrap();
    assert_refused(&base, &empty, &["comes from line 1 of the password file"]);
    let elsewhere = home.path().join("passwords");
    std::fs::rename(&passfile, &elsewhere).unwrap();
    std::fs::write(&elsewhere, format!("localhost:{port}:*:alice:{escaped}\n")).unwrap();
    let mut named = environment(home.path(), &[("PGPASSFILE", elsewhere.to_str().unwrap())]);
    assert_refused(&base, &named, &["wants a password"]);
    connected(&base.replace("127.0.0.1", "localhost"), &named);
    connected(
        &format!(
            "{}?passfile=~/passwords",
            base.replace("127.0.0.1", "localhost")
        ),
        &empty,
    );
    // A default socket is called localhost.
    named.socket_folders = vec![server.socket()];
    connected(&format!("postgres://alice@/postgres?port={port}"), &named);

    // The service file, over which the URL wins, and which wins over the variables.
    std::fs::write(
        home.path().join(".pg_service.conf"),
        format!(
            "[mine]\nhost=127.0.0.1\nport={port}\nuser=alice\ndbname=postgres\npassword={ODD}\n"
        ),
    )
    .unwrap();
    let with_service = environment(
        home.path(),
        &[
            ("PGSERVICE", "mine"),
            ("PGUSER", "nobody"),
            ("PGPASSWORD", "wrong-one"),
        ],
    );
    assert_eq!(connected("postgres://", &with_service).user, "alice");
    assert_eq!(connected("postgres://?service=mine", &empty).user, "alice");
    assert_refused(
        "postgres://bob@?service=mine",
        &empty,
        &["role `bob`", "comes from the service file"],
    );
    assert_refused(
        "postgres://?service=mne",
        &empty,
        &["there is no service `mne`", "did you mean `mine`"],
    );

    // Channel binding has nothing to bind to without TLS.
    assert_refused(
        &format!("{with_password}?channel_binding=require"),
        &empty,
        &["agree on how to authenticate"],
    );
}

#[test]
fn passwords_are_never_shown() {
    let server = Server::start(&Options {
        access: "host all all all scram-sha-256\n",
        ..Options::default()
    });
    server.run("CREATE ROLE alice LOGIN PASSWORD 'another'");
    let home = tempfile::tempdir().unwrap();
    let port = server.port;
    std::fs::write(
        home.path().join(".pg_service.conf"),
        format!("[mine]\npassword={ODD}\n"),
    )
    .unwrap();
    std::fs::write(
        home.path().join(".pgpass"),
        format!(
            "*:*:*:*:{}\n",
            ODD.replace('\\', "\\\\").replace(':', "\\:")
        ),
    )
    .unwrap();
    close(&home.path().join(".pgpass"));
    let empty = environment(home.path(), &[]);
    let variable = environment(home.path(), &[("PGPASSWORD", ODD)]);
    let encoded = percent(ODD);
    for (url, environment) in [
        (
            format!("postgres://alice:{encoded}@127.0.0.1:{port}/postgres"),
            &empty,
        ),
        (
            format!("postgres://alice:{encoded}@127.0.0.1:{port}/postgres?sslmode=require"),
            &empty,
        ),
        (
            format!("postgres://alice:{encoded}@127.0.0.1:1/postgres"),
            &empty,
        ),
        (
            format!("postgres://alice:{encoded}@no-such-host.invalid/postgres?connect_timeout=5"),
            &empty,
        ),
        (
            format!("postgres://alice:{encoded}@127.0.0.1:{port}/postgres?sslmode=nonsense"),
            &empty,
        ),
        (
            format!("postgres://alice@127.0.0.1:{port}/postgres?sslpassword={encoded}"),
            &variable,
        ),
        (
            format!("postgres://alice@127.0.0.1:{port}/postgres?service=mine"),
            &empty,
        ),
        (
            format!("postgres://alice@127.0.0.1:{port}/postgres"),
            &empty,
        ),
    ] {
        let parsed = postgres_url(&url);
        let error = connect_in(&parsed, environment).err().expect("refused");
        let all = format!(
            "{}{error}{error:?}{error:#?}{parsed:?}{}{environment:?}",
            refused(&url, environment),
            parsed.display()
        );
        for form in [
            ODD.to_owned(),
            encoded.clone(),
            encoded.to_lowercase(),
            ODD.escape_debug().to_string(),
        ] {
            assert!(!all.contains(&form), "{all}");
        }
        // Nor a part of it.
        for part in ["p@s", "s/w", "é☃", "%C3%A9", "\\u{2603}"] {
            assert!(!all.contains(part), "`{part}` is in {all}");
        }
    }
}
