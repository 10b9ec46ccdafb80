//! Each reason why there is no connection has its own message.

use std::io::{Read, Write};
use std::time::{Duration, Instant};

use crate::server::{Options, Server};
use crate::{assert_refused, connected, environment, fake, port};

#[test]
fn what_a_server_refuses() {
    let server = Server::start(&Options {
        access: "host all barred all reject\nhost all identified all ident\nlocal all peered peer\n",
        ..Options::default()
    });
    server.run(
        "CREATE ROLE barred LOGIN; CREATE ROLE peered LOGIN; CREATE ROLE group_role NOLOGIN; \
         CREATE ROLE limited LOGIN CONNECTION LIMIT 0; CREATE ROLE outsider LOGIN",
    );
    server.run("CREATE DATABASE closed");
    server.run("REVOKE CONNECT ON DATABASE closed FROM public");
    let home = tempfile::tempdir().unwrap();
    let bare = environment(home.path(), &[]);
    let url = |role: &str, database: &str| {
        format!("postgres://{role}@127.0.0.1:{}/{database}", server.port)
    };
    assert_refused(
        &url("postgres", "nonesuch"),
        &bare,
        &["there is no database `nonesuch`", "3D000", "createdb"],
    );
    assert_refused(
        &url("nobody", "postgres"),
        &bare,
        &["there is no role `nobody`"],
    );
    assert_refused(
        &url("group_role", "postgres"),
        &bare,
        &["role `group_role` may not log in"],
    );
    assert_refused(
        &url("barred", "postgres"),
        &bare,
        &["does not let role `barred` into database `postgres`"],
    );
    assert_refused(
        &url("limited", "postgres"),
        &bare,
        &["has no connection left", "53300"],
    );
    assert_refused(
        &url("outsider", "closed"),
        &bare,
        &["role `outsider` may not connect to database `closed`"],
    );
    let by_socket = server
        .url()
        .replace("postgres://postgres@", "postgres://peered@");
    assert_refused(
        &by_socket,
        &bare,
        &["does not believe that this is role `peered`"],
    );

    // Defaults: the database is named as the role, the program as itself.
    assert_refused(&url("barred", ""), &bare, &["database `barred`"]);
    let mut connection = connected(&url("postgres", "?options=-c%20work_mem%3D123kB"), &bare);
    let row = connection
        .client
        .query_one(
            "SELECT current_setting('application_name'), current_setting('work_mem')",
            &[],
        )
        .unwrap();
    assert_eq!(
        (row.get::<_, &str>(0), row.get::<_, &str>(1)),
        ("triggerctl", "123kB")
    );
    let variables = environment(
        home.path(),
        &[
            ("PGHOST", "127.0.0.1"),
            ("PGPORT", &server.port.to_string()),
            ("PGUSER", "postgres"),
            ("PGDATABASE", "template1"),
            ("PGAPPNAME", "mine"),
            ("PGOPTIONS", "-c work_mem=456kB"),
        ],
    );
    let mut connection = connected("postgres://", &variables);
    let row = connection
        .client
        .query_one("SELECT current_database()::text, current_setting('application_name'), current_setting('work_mem')", &[])
        .unwrap();
    assert_eq!(
        (
            row.get::<_, &str>(0),
            row.get::<_, &str>(1),
            row.get::<_, &str>(2)
        ),
        ("template1", "mine", "456kB")
    );
    assert!(connection.server_version_num >= 120_000);
    assert!(
        connection
            .server_version
            .starts_with(&(connection.server_version_num / 10_000).to_string())
    );
    assert!(!connection.in_recovery());
}

#[test]
fn what_is_wrong_with_the_surroundings() {
    let home = tempfile::tempdir().unwrap();
    let bare = environment(home.path(), &[]);
    let dead = port::free();
    assert_refused(
        &format!("postgres://127.0.0.1:{dead}/x"),
        &bare,
        &["refuses connections", "listen_addresses"],
    );
    assert_refused(
        "postgres://no-such-host.invalid/x",
        &bare,
        &["`no-such-host.invalid` cannot be resolved"],
    );
    let socket = format!("postgres:///x?host={}", home.path().display());
    assert_refused(
        &socket,
        &bare,
        &["there is no PostgreSQL socket for port 5432"],
    );
    std::os::unix::net::UnixListener::bind(home.path().join(".s.PGSQL.5432"))
        .map(drop)
        .unwrap();
    assert_refused(
        &socket,
        &bare,
        &["no server listens at the socket", "left behind"],
    );
    for (name, value, wanted) in [
        (
            "PGPORT",
            "many",
            "it comes from the environment variable PGPORT",
        ),
        ("PGPORT", "70000", "from 1 to 65535"),
        ("PGSSLMODE", "on", "is not a valid `sslmode`"),
        ("PGREQUIREAUTH", "scram-sha-256", "unset PGREQUIREAUTH"),
        (
            "PGGSSENCMODE",
            "require",
            "`gssencmode=require` is not supported",
        ),
        ("PGHOSTADDR", "localhost", "is not a valid `hostaddr`"),
        ("PGHOSTADDR", "127.0.0.1,127.0.0.2", "do not go with"),
        ("PGTARGETSESSIONATTRS", "primry", "did you mean `primary`"),
        (
            "PGCONNECT_TIMEOUT",
            "soon",
            "is not a valid `connect_timeout`",
        ),
    ] {
        assert_refused(
            "postgres://h",
            &environment(home.path(), &[(name, value)]),
            &[wanted],
        );
    }
    let mut nobody = environment(home.path(), &[]);
    nobody.user = None;
    assert_refused("postgres://h", &nobody, &["no role to connect as"]);
}

#[test]
fn servers_that_are_odd() {
    let home = tempfile::tempdir().unwrap();
    let bare = environment(home.path(), &[]);
    let url = |port: u16| format!("postgres://127.0.0.1:{port}/x?connect_timeout=1");

    let silent = fake::serve(|stream| {
        let mut stream = stream.try_clone().unwrap();
        std::thread::spawn(move || {
            let mut all = vec![];
            let _ = stream.read_to_end(&mut all);
        });
    });
    for mode in ["disable", "prefer", "require"] {
        let start = Instant::now();
        assert_refused(
            &format!("{}&sslmode={mode}", url(silent)),
            &bare,
            &["no answer from", "within 1 s", "PGCONNECT_TIMEOUT"],
        );
        assert!(start.elapsed() < Duration::from_secs(4));
    }
    // What a web server, a MySQL server and an SSH server say.
    for (words, mode, wanted) in [
        (
            &b"HTTP/1.1 400 Bad Request\r\n\r\n"[..],
            "disable",
            "does not speak PostgreSQL's protocol",
        ),
        (
            b"HTTP/1.1 400 Bad Request\r\n\r\n",
            "prefer",
            "does not speak PostgreSQL's protocol",
        ),
        (
            b"J\0\0\0\x0a8.0.36\0 and more than that",
            "disable",
            "does not speak PostgreSQL's protocol",
        ),
        (
            b"SSH-2.0-OpenSSH_9.2\r\n",
            "require",
            "the TLS handshake with",
        ),
    ] {
        let other = fake::serve(|stream| {
            let mut some = [0; 8];
            let _ = stream.read(&mut some);
            let _ = stream.write_all(words);
            // Closing with something unread would reset the connection.
            let _ = stream.shutdown(std::net::Shutdown::Write);
            let _ = stream.read_to_end(&mut vec![]);
        });
        assert_refused(&format!("{}&sslmode={mode}", url(other)), &bare, &[wanted]);
    }
    let mute = fake::serve(|stream| {
        fake::greet(stream);
    });
    assert_refused(
        &url(mute),
        &bare,
        &["closed the connection without an answer"],
    );
    let old = fake::serve(|stream| {
        fake::answer_query(
            stream,
            &["110022", "11.22 (Debian)", "f", "f", "x", "me", "1"],
        );
    });
    assert_refused(
        &url(old),
        &bare,
        &[
            "is PostgreSQL 11.22, which is not supported",
            "PostgreSQL 12 and later",
        ],
    );
    let starting =
        fake::serve(|stream| fake::fail(stream, "57P03", "the database system is starting up"));
    assert_refused(
        &url(starting),
        &bare,
        &["is starting up, shutting down", "try again"],
    );
    let full = fake::serve(|stream| fake::fail(stream, "53300", "sorry, too many clients already"));
    assert_refused(&url(full), &bare, &["has no connection left"]);
    let kerberos = fake::serve(|stream| {
        if fake::greet(stream) {
            fake::send(stream, b'R', &7_u32.to_be_bytes());
        }
    });
    assert_refused(
        &url(kerberos),
        &bare,
        &["agree on how to authenticate", "GSSAPI"],
    );
}
