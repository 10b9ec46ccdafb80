//! Every `sslmode` against right and wrong authorities, names, dates and kinds of certificate.

use crate::certificates::Certificates;
use crate::server::{Options, Server};
use crate::{assert_refused, connected, encrypted, environment};

const LEAF: &str = "basicConstraints = CA:FALSE\nsubjectAltName = DNS:localhost\n";

pub(crate) fn certificates() -> Certificates {
    let made = Certificates::new();
    made.self_signed("ca", "Test CA", &[]);
    made.self_signed("other", "Other CA", &[]);
    made.signed("server", "ca", "localhost", LEAF, "5");
    made
}

pub(crate) fn start(made: &Certificates, access: &str) -> Server {
    let server = Server::start(&Options {
        access,
        ..Options::default()
    });
    server.use_certificate(&made.certificate("server"), &made.key("server"));
    let tls = server.folder.path().join("tls");
    let ca = std::fs::read(made.certificate("ca")).unwrap();
    std::fs::write(tls.join("ca.crt"), ca).unwrap();
    for (name, file) in [
        ("ssl_cert_file", "server.crt"),
        ("ssl_key_file", "server.key"),
        ("ssl_ca_file", "ca.crt"),
    ] {
        let path = tls.join(file);
        server.run(&format!("ALTER SYSTEM SET {name} = '{}'", path.display()));
    }
    server.run("ALTER SYSTEM SET ssl = on");
    server.reload();
    server
}

#[test]
fn modes() {
    let made = certificates();
    let server = start(
        &made,
        "host all scram all scram-sha-256\nhostssl all only_tls 127.0.0.1/32 trust\nhost all only_tls all reject\n\
         hostnossl all only_plain 127.0.0.1/32 trust\nhost all only_plain all reject\n",
    );
    server.run("CREATE ROLE only_tls LOGIN; CREATE ROLE only_plain LOGIN; CREATE ROLE scram LOGIN PASSWORD 's @s'");
    let home = tempfile::tempdir().unwrap();
    let empty = environment(home.path(), &[]);
    let port = server.port;
    let url = |host: &str, more: &str| format!("postgres://postgres@{host}:{port}/postgres?{more}");
    let root = |name: &str| format!("sslrootcert={}", made.certificate(name).display());
    let (right, wrong) = (root("ca"), root("other"));

    // No verification: with TLS or without, as the mode prefers.
    for (mode, tls) in [
        ("", true),
        ("sslmode=disable", false),
        ("sslmode=allow", false),
        ("sslmode=prefer", true),
        ("sslmode=require", true),
        ("ssl=true", true),
        // Only `require` and stronger ones look at the root file.
        (&format!("sslmode=prefer&{wrong}"), true),
    ] {
        let mut connection = connected(&url("127.0.0.1", mode), &empty);
        assert_eq!(encrypted(&mut connection), tls, "{mode}");
    }

    // Verification.
    for (host, more) in [
        ("localhost", format!("sslmode=verify-full&{right}")),
        ("localhost", format!("sslmode=verify-ca&{right}")),
        ("127.0.0.1", format!("sslmode=verify-ca&{right}")),
        ("127.0.0.1", format!("sslmode=require&{right}")),
        (
            "localhost",
            format!("hostaddr=127.0.0.1&sslmode=verify-full&{right}"),
        ),
        (
            "localhost",
            format!("ssl_max_protocol_version=TLSv1.2&sslmode=verify-full&{right}"),
        ),
        (
            "localhost",
            format!("ssl_min_protocol_version=TLSv1.3&sslsni=0&sslmode=verify-full&{right}"),
        ),
    ] {
        assert!(
            encrypted(&mut connected(&url(host, &more), &empty)),
            "{host} {more}"
        );
    }
    for (host, more, wanted) in [
        (
            "localhost",
            format!("sslmode=verify-full&{wrong}"),
            "is not trusted",
        ),
        (
            "localhost",
            format!("sslmode=verify-ca&{wrong}"),
            "is not trusted",
        ),
        (
            "localhost",
            format!("sslmode=require&{wrong}"),
            "is not trusted",
        ),
        (
            "127.0.0.1",
            format!("sslmode=verify-full&{right}"),
            "is for another host",
        ),
        (
            "localhost",
            "sslmode=verify-full".to_owned(),
            "no root certificate to check",
        ),
        (
            "localhost",
            "sslmode=verify-ca&sslrootcert=/no/such".to_owned(),
            "`/no/such` does not exist",
        ),
        (
            "localhost",
            "sslmode=verify-full&sslrootcert=system".to_owned(),
            "is not trusted",
        ),
        (
            "localhost",
            "sslmode=require&sslrootcert=system".to_owned(),
            "needs `sslmode=verify-full`",
        ),
        (
            "localhost",
            "sslmode=verfy-full".to_owned(),
            "did you mean `verify-full`",
        ),
        (
            "localhost",
            "sslmode=prefer&sslnegotiation=direct".to_owned(),
            "needs `sslmode=require`",
        ),
        (
            "localhost",
            "sslmode=require&sslnegotiation=direct".to_owned(),
            "needs PostgreSQL 17",
        ),
        (
            "localhost",
            "ssl_max_protocol_version=TLSv1.1".to_owned(),
            "leave no version of TLS",
        ),
    ] {
        assert_refused(&url(host, &more), &empty, &[wanted]);
    }
    let junk = made.folder().join("junk");
    std::fs::write(&junk, "no certificate").unwrap();
    let more = format!("sslmode=verify-ca&sslrootcert={}", junk.display());
    assert_refused(&url("localhost", &more), &empty, &["holds no certificate"]);

    // The variables, and the file that is looked for.
    let path = made.certificate("other").display().to_string();
    let variables = environment(
        home.path(),
        &[("PGSSLMODE", "verify-ca"), ("PGSSLROOTCERT", &path)],
    );
    assert_refused(&url("localhost", ""), &variables, &["is not trusted"]);
    connected(&url("localhost", &right), &variables);
    let own = home.path().join(".postgresql");
    std::fs::create_dir(&own).unwrap();
    std::fs::copy(made.certificate("other"), own.join("root.crt")).unwrap();
    assert_refused(
        &url("localhost", "sslmode=require"),
        &empty,
        &["is not trusted", "root.crt"],
    );
    connected(&url("localhost", "sslmode=prefer"), &empty);
    std::fs::copy(made.certificate("ca"), own.join("root.crt")).unwrap();
    connected(&url("localhost", "sslmode=verify-full"), &empty);

    // Falling back, both ways.
    let as_role = |role: &str, mode: &str| {
        format!("postgres://{role}@127.0.0.1:{port}/postgres?sslmode={mode}")
    };
    assert!(encrypted(&mut connected(
        &as_role("only_tls", "allow"),
        &empty
    )));
    assert!(!encrypted(&mut connected(
        &as_role("only_plain", "prefer"),
        &empty
    )));
    assert_refused(
        &as_role("only_tls", "disable"),
        &empty,
        &["does not let role `only_tls`", "pg_hba.conf"],
    );
    assert_refused(
        &as_role("only_plain", "require"),
        &empty,
        &["does not let role `only_plain`"],
    );

    // SCRAM can be tied to the server's certificate.
    let bound = url("127.0.0.1", "sslmode=require&channel_binding=require");
    let bound = bound.replace("postgres://postgres@", "postgres://scram:s%20%40s@");
    assert!(encrypted(&mut connected(&bound, &empty)));
    let unbound = bound.replace("sslmode=require", "sslmode=disable");
    assert_refused(&unbound, &empty, &["agree on how to authenticate"]);

    // On a socket there is no TLS, whatever is asked for.
    let on_socket = format!("{}&sslmode=verify-full&sslrootcert=/no/such", server.url());
    assert!(!encrypted(&mut connected(&on_socket, &empty)));

    // Cancelling goes by the same TLS.
    let mut connection = connected(&url("localhost", "sslmode=verify-full"), &empty);
    let cancel = connection.canceller();
    let answered = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(false));
    let is_answered = answered.clone();
    let waiting = std::thread::spawn(move || {
        // One that comes before the statement does nothing.
        while !is_answered.load(std::sync::atomic::Ordering::Relaxed) {
            std::thread::sleep(std::time::Duration::from_millis(300));
            cancel();
        }
    });
    let error = connection
        .client
        .batch_execute("SELECT pg_sleep(20)")
        .unwrap_err();
    answered.store(true, std::sync::atomic::Ordering::Relaxed);
    assert_eq!(
        error.code().map(postgres::error::SqlState::code),
        Some("57014")
    );
    waiting.join().unwrap();

    // A server without TLS.
    server.run("ALTER SYSTEM SET ssl = off");
    server.reload();
    assert!(!encrypted(&mut connected(
        &url("localhost", "sslmode=prefer"),
        &empty
    )));
    assert_refused(
        &url("localhost", "sslmode=require"),
        &empty,
        &["has no TLS"],
    );
}

#[test]
fn kinds_of_certificates() {
    let made = certificates();
    let server = start(&made, "");
    let home = tempfile::tempdir().unwrap();
    let empty = environment(home.path(), &[]);
    let url = |host: &str, mode: &str, root: &str| {
        let root = made.certificate(root);
        format!(
            "postgres://postgres@{host}:{}/postgres?sslmode={mode}&sslrootcert={}",
            server.port,
            root.display()
        )
    };
    let serve = |name: &str| server.use_certificate(&made.certificate(name), &made.key(name));

    // No alternative name: the common name counts.
    made.signed(
        "common",
        "ca",
        "localhost",
        "basicConstraints = CA:FALSE\n",
        "5",
    );
    serve("common");
    connected(&url("localhost", "verify-full", "ca"), &empty);
    assert_refused(
        &url("127.0.0.1", "verify-full", "ca"),
        &empty,
        &["is for another host"],
    );
    assert_refused(
        &url("localhost", "verify-full", "other"),
        &empty,
        &["is not trusted"],
    );

    // An alternative name: the common name does not count.
    let elsewhere = "basicConstraints = CA:FALSE\nsubjectAltName = DNS:db.example.com\n";
    made.signed("elsewhere", "ca", "localhost", elsewhere, "5");
    serve("elsewhere");
    assert_refused(
        &url("localhost", "verify-full", "ca"),
        &empty,
        &["is for another host", "db.example.com"],
    );
    connected(&url("localhost", "verify-ca", "ca"), &empty);

    // An address.
    made.signed(
        "address",
        "ca",
        "x",
        "basicConstraints = CA:FALSE\nsubjectAltName = IP:127.0.0.1\n",
        "5",
    );
    serve("address");
    connected(&url("127.0.0.1", "verify-full", "ca"), &empty);

    // Self-signed with CA:TRUE: the root file itself. One that only looks like it is refused.
    for name in ["pinned", "lookalike"] {
        made.self_signed(
            name,
            "localhost",
            &["-days", "5", "-addext", "subjectAltName=DNS:localhost"],
        );
    }
    serve("pinned");
    connected(&url("localhost", "verify-full", "pinned"), &empty);
    assert_refused(
        &url("127.0.0.1", "verify-full", "pinned"),
        &empty,
        &["is for another host"],
    );
    for mode in ["verify-ca", "verify-full"] {
        assert_refused(
            &url("localhost", mode, "lookalike"),
            &empty,
            &["certificate of the server at `localhost"],
        );
        assert_refused(
            &url("localhost", mode, "ca"),
            &empty,
            &["certificate of the server at `localhost"],
        );
    }
    made.self_signed("plain", "localhost", &["-days", "5"]);
    serve("plain");
    connected(&url("localhost", "verify-full", "plain"), &empty);

    // Out of date, signed or pinned.
    made.signed("expired", "ca", "localhost", LEAF, "-1");
    serve("expired");
    for mode in ["verify-ca", "verify-full"] {
        assert_refused(&url("localhost", mode, "ca"), &empty, &["has expired"]);
    }
    connected(
        &format!(
            "postgres://postgres@localhost:{}/postgres?sslmode=require",
            server.port
        ),
        &empty,
    );
    made.self_signed_expired("pinned_expired", "localhost");
    serve("pinned_expired");
    assert_refused(
        &url("localhost", "verify-ca", "pinned_expired"),
        &empty,
        &["has expired"],
    );

    // Version 1 has its own message.
    made.signed("old", "ca", "localhost", "", "5");
    serve("old");
    assert_refused(
        &url("localhost", "verify-ca", "ca"),
        &empty,
        &["is of X.509 version 1"],
    );

    // Revoked.
    serve("server");
    let list = made.revoke("ca", &[]);
    let with_list = format!(
        "{}&sslcrl={}",
        url("localhost", "verify-full", "ca"),
        list.display()
    );
    connected(&with_list, &empty);
    made.revoke("ca", &["server"]);
    assert_refused(&with_list, &empty, &["has been revoked"]);
}
