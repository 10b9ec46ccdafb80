//! Client certificates: the right one, a wrong one, none, and a key that others can read.

use std::os::unix::fs::PermissionsExt;

use crate::tls::{certificates, start};
use crate::{assert_refused, connected, environment};

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
    let empty = environment(home.path(), &[]);
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
    connected(&identity("alice"), &empty);
    assert_refused(
        &identity("bob"),
        &empty,
        &["does not believe that this is role `alice`"],
    );
    assert_refused(
        &identity("mallory"),
        &empty,
        &["does not accept the client certificate", "mallory.crt"],
    );
    assert_refused(
        &base,
        &empty,
        &["wants a client certificate", "sslcert=FILE"],
    );
    assert_refused(
        &format!("{}&sslcertmode=disable", identity("alice")),
        &empty,
        &["wants a client certificate"],
    );

    let own = home.path().join(".postgresql");
    std::fs::create_dir(&own).unwrap();
    std::fs::copy(made.certificate("alice"), own.join("postgresql.crt")).unwrap();
    assert_refused(
        &base,
        &empty,
        &["cannot read the client key", "postgresql.key"],
    );
    let key = own.join("postgresql.key");
    std::fs::copy(made.key("alice"), &key).unwrap();
    connected(&base, &empty);
    std::fs::set_permissions(&key, std::fs::Permissions::from_mode(0o644)).unwrap();
    assert_refused(&base, &empty, &["is open to others", "chmod 600"]);
    std::fs::copy(made.key("bob"), &key).unwrap();
    crate::server::close(&key);
    assert_refused(&base, &empty, &["TLS cannot be set up"]);

    // Where no certificate is needed, one that is merely there and of no use is no reason to fail; a named one is.
    let anyone = base
        .replace("alice@", "postgres@")
        .replace("=require", "=prefer");
    connected(&anyone, &empty);
    let named = format!(
        "{anyone}&sslcert={}&sslkey={}",
        own.join("postgresql.crt").display(),
        key.display()
    );
    assert_refused(&named, &empty, &["TLS cannot be set up"]);
}
