//! Every `sslmode` against right and wrong authorities, names, dates and kinds of certificate.

use crate::certificates::Certificates;
use crate::server::{Options, Server};
use crate::{assert_refused, connected, encrypted, environment};

const LEAF: &str = "basicConstraints = CA:FALSE\nsubjectAltName = DNS:localhost\n";

fn certificates() -> Certificates {
    let made = Certificates::new();
    made.self_signed("ca", "Test CA", &[]);
    made.self_signed("other", "Other CA", &[]);
    made.signed("server", "ca", "localhost", LEAF, "5");
    made
}

fn start(made: &Certificates, access: &str) -> Server {
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
        "hostssl all only_tls 127.0.0.1/32 trust\nhost all only_tls all reject\n\
         hostnossl all only_plain 127.0.0.1/32 trust\nhost all only_plain all reject\n",
    );
    server.run("CREATE ROLE only_tls LOGIN; CREATE ROLE only_plain LOGIN");
    let home = tempfile::tempdir().unwrap();
    let bare = environment(home.path(), &[]);
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
        let mut connection = connected(&url("127.0.0.1", mode), &bare);
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
            encrypted(&mut connected(&url(host, &more), &bare)),
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
        assert_refused(&url(host, &more), &bare, &[wanted]);
    }
    let junk = made.folder().join("junk");
    std::fs::write(&junk, "no certificate").unwrap();
    let more = format!("sslmode=verify-ca&sslrootcert={}", junk.display());
    assert_refused(&url("localhost", &more), &bare, &["holds no certificate"]);

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
        &bare,
        &["is not trusted", "root.crt"],
    );
    connected(&url("localhost", "sslmode=prefer"), &bare);
    std::fs::copy(made.certificate("ca"), own.join("root.crt")).unwrap();
    connected(&url("localhost", "sslmode=verify-full"), &bare);

    // Falling back, both ways.
    let as_role = |role: &str, mode: &str| {
        format!("postgres://{role}@127.0.0.1:{port}/postgres?sslmode={mode}")
    };
    assert!(encrypted(&mut connected(
        &as_role("only_tls", "allow"),
        &bare
    )));
    assert!(!encrypted(&mut connected(
        &as_role("only_plain", "prefer"),
        &bare
    )));
    assert_refused(
        &as_role("only_tls", "disable"),
        &bare,
        &["does not let role `only_tls`", "pg_hba.conf"],
    );
    assert_refused(
        &as_role("only_plain", "require"),
        &bare,
        &["does not let role `only_plain`"],
    );

    // On a socket there is no TLS, whatever is asked for.
    let on_socket = format!("{}&sslmode=verify-full&sslrootcert=/no/such", server.url());
    assert!(!encrypted(&mut connected(&on_socket, &bare)));

    // Cancelling goes by the same TLS.
    let mut connection = connected(&url("localhost", "sslmode=verify-full"), &bare);
    let cancel = connection.canceller();
    let waiting = std::thread::spawn(move || {
        std::thread::sleep(std::time::Duration::from_millis(300));
        cancel();
    });
    let error = connection
        .client
        .batch_execute("SELECT pg_sleep(20)")
        .unwrap_err();
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
        &bare
    )));
    assert_refused(&url("localhost", "sslmode=require"), &bare, &["has no TLS"]);
}

#[test]
fn kinds_of_certificates() {
    let made = certificates();
    let server = start(&made, "");
    let home = tempfile::tempdir().unwrap();
    let bare = environment(home.path(), &[]);
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
    connected(&url("localhost", "verify-full", "ca"), &bare);
    assert_refused(
        &url("127.0.0.1", "verify-full", "ca"),
        &bare,
        &["is for another host"],
    );
    assert_refused(
        &url("localhost", "verify-full", "other"),
        &bare,
        &["is not trusted"],
    );

    // An alternative name: the common name does not count.
    let elsewhere = "basicConstraints = CA:FALSE\nsubjectAltName = DNS:db.example.com\n";
    made.signed("elsewhere", "ca", "localhost", elsewhere, "5");
    serve("elsewhere");
    assert_refused(
        &url("localhost", "verify-full", "ca"),
        &bare,
        &["is for another host", "db.example.com"],
    );
    connected(&url("localhost", "verify-ca", "ca"), &bare);

    // An address.
    made.signed(
        "address",
        "ca",
        "x",
        "basicConstraints = CA:FALSE\nsubjectAltName = IP:127.0.0.1\n",
        "5",
    );
    serve("address");
    connected(&url("127.0.0.1", "verify-full", "ca"), &bare);

    // Self-signed with CA:TRUE: the root file itself. One that only looks like it is refused.
    for name in ["pinned", "lookalike"] {
        made.self_signed(
            name,
            "localhost",
            &["-days", "5", "-addext", "subjectAltName=DNS:localhost"],
        );
    }
    serve("pinned");
    connected(&url("localhost", "verify-full", "pinned"), &bare);
    assert_refused(
        &url("127.0.0.1", "verify-full", "pinned"),
        &bare,
        &["is for another host"],
    );
    for mode in ["verify-ca", "verify-full"] {
        assert_refused(
            &url("localhost", mode, "lookalike"),
            &bare,
            &["certificate of the server at `localhost"],
        );
        assert_refused(
            &url("localhost", mode, "ca"),
            &bare,
            &["certificate of the server at `localhost"],
        );
    }
    made.self_signed("plain", "localhost", &["-days", "5"]);
    serve("plain");
    connected(&url("localhost", "verify-full", "plain"), &bare);

    // Out of date, signed or pinned.
    made.signed("expired", "ca", "localhost", LEAF, "-1");
    serve("expired");
    for mode in ["verify-ca", "verify-full"] {
        assert_refused(&url("localhost", mode, "ca"), &bare, &["has expired"]);
    }
    connected(
        &format!(
            "postgres://postgres@localhost:{}/postgres?sslmode=require",
            server.port
        ),
        &bare,
    );
    made.self_signed_expired("pinned_expired", "localhost");
    serve("pinned_expired");
    assert_refused(
        &url("localhost", "verify-ca", "pinned_expired"),
        &bare,
        &["has expired"],
    );

    // Version 1 has its own message.
    made.signed("old", "ca", "localhost", "", "5");
    serve("old");
    assert_refused(
        &url("localhost", "verify-ca", "ca"),
        &bare,
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
    connected(&with_list, &bare);
    made.revoke("ca", &["server"]);
    assert_refused(&with_list, &bare, &["has been revoked"]);
}

#[test]
fn client_certificates() {
    let made = certificates();
    let server = start(&made, "hostssl all alice 127.0.0.1/32 cert\n");
    server.run("CREATE ROLE alice LOGIN; CREATE ROLE bob LOGIN");
    for (name, authority) in [("alice", "ca"), ("bob", "ca"), ("mallory", "other")] {
        let common = if name == "mallory" { "alice" } else { name };
        made.signed(
            name,
            authority,
            common,
            "basicConstraints = CA:FALSE\n",
            "5",
        );
    }
    let home = tempfile::tempdir().unwrap();
    let bare = environment(home.path(), &[]);
    let base = format!(
        "postgres://alice@127.0.0.1:{}/postgres?sslmode=require",
        server.port
    );
    let identity = |name: &str| {
        format!(
            "{base}&sslcert={}&sslkey={}",
            made.certificate(name).display(),
            made.key(name).display()
        )
    };
    connected(&identity("alice"), &bare);
    assert_refused(
        &identity("bob"),
        &bare,
        &["does not believe that this is role `alice`"],
    );
    assert_refused(
        &identity("mallory"),
        &bare,
        &["does not accept the client certificate", "mallory.crt"],
    );
    assert_refused(
        &base,
        &bare,
        &["wants a client certificate", "sslcert=FILE"],
    );
    assert_refused(
        &format!("{}&sslcertmode=disable", identity("alice")),
        &bare,
        &["wants a client certificate"],
    );

    let own = home.path().join(".postgresql");
    std::fs::create_dir(&own).unwrap();
    std::fs::copy(made.certificate("alice"), own.join("postgresql.crt")).unwrap();
    assert_refused(
        &base,
        &bare,
        &["cannot read the client key", "postgresql.key"],
    );
    let key = own.join("postgresql.key");
    std::fs::copy(made.key("alice"), &key).unwrap();
    connected(&base, &bare);
    use std::os::unix::fs::PermissionsExt;
    std::fs::set_permissions(&key, std::fs::Permissions::from_mode(0o644)).unwrap();
    assert_refused(&base, &bare, &["is open to others", "chmod 600"]);
    std::fs::copy(made.key("bob"), &key).unwrap();
    crate::server::close(&key);
    assert_refused(&base, &bare, &["TLS cannot be set up"]);
}
