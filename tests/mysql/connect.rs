//! How one gets in: TCP with every kind of TLS, sockets, options files, other tools' URLs. And what is turned away.

use std::net::TcpListener;
use std::process::Command;

use mysql::prelude::Queryable;

use crate::common::mysql::{Engine, Mysql, connect, with_database};
use crate::common::mysql_server::MysqlServer;
use crate::common::{Live, Run, Sandbox, port};
use crate::fake;
use crate::{Test, counting, empty_plan, spec, tables};

pub(crate) const TESTS: &[(&str, Test)] = &[
    (
        "sockets_options_files_and_other_urls",
        sockets_options_files_and_other_urls,
    ),
    (
        "what_is_wrong_with_a_connection_is_said",
        what_is_wrong_with_a_connection_is_said,
    ),
    ("tidb_is_refused", tidb_is_refused),
];

/// Those that start a server of their own.
pub(crate) const SERVER_TESTS: &[(&str, Test)] = &[
    ("tls_over_tcp", tls_over_tcp),
    (
        "a_server_that_limits_rows_and_packets",
        a_server_that_limits_rows_and_packets,
    ),
    (
        "a_server_that_lets_nobody_prepare",
        a_server_that_lets_nobody_prepare,
    ),
];

/// Certificates: an authority, a server's for `localhost` and 127.0.0.1, a client's, and another authority.
fn certificates() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let openssl = |arguments: &str| {
        let output = Command::new("openssl")
            .args(arguments.split(' '))
            .current_dir(folder.path())
            .output()
            .unwrap();
        assert!(
            output.status.success(),
            "{}",
            String::from_utf8_lossy(&output.stderr)
        );
    };
    let key = "-newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes";
    for name in ["ca", "other"] {
        openssl(&format!(
            "req -x509 {key} -keyout {name}.key -out {name}.pem -subj /CN={name} -days 2"
        ));
    }
    std::fs::write(
        folder.path().join("server.ext"),
        "subjectAltName = DNS:localhost, IP:127.0.0.1\n",
    )
    .unwrap();
    std::fs::write(
        folder.path().join("client.ext"),
        "extendedKeyUsage = clientAuth\n",
    )
    .unwrap();
    for name in ["server", "client"] {
        openssl(&format!(
            "req {key} -keyout {name}.key -out {name}.csr -subj /CN={name}"
        ));
        openssl(&format!(
            "x509 -req -in {name}.csr -CA ca.pem -CAkey ca.key -CAcreateserial -out {name}.pem -days 2 -extfile {name}.ext"
        ));
    }
    folder
}

/// It has no triggers, and takes CREATE TRIGGER for a mistake. It cannot be had here: what it answers is known.
fn tidb_is_refused(_engine: Engine) {
    let sandbox = spec(&counting("t0", "a", 1));
    let url = |port: u16| format!("mysql://root@127.0.0.1:{port}/app");
    let port = fake::serve("8.0.11-TiDB-v8.5.1");
    for command in [&["plan"][..], &["apply", "--yes"], &["check"], &["import"]] {
        let run = sandbox.run(&[&["--url", &url(port)][..], command].concat());
        let run = run.code(1);
        assert_eq!(
            run.stderr,
            "error: TiDB has no triggers\n |\n = note: the server says that it is 8.0.11-TiDB-v8.5.1\n \
             = help: put the rules into the application, or use MySQL or MariaDB\n",
            "{command:?}"
        );
    }
    // The version alone turns it away: another one of the same server gets further.
    let port = fake::serve("9.7.4");
    sandbox
        .run(&["--url", &url(port), "plan"])
        .code(1)
        .never_says(&["TiDB"]);
}

fn tls_over_tcp(engine: Engine) {
    let files = certificates();
    let file = |name: &str| files.path().join(name).display().to_string();
    let port = port::free();
    let server = MysqlServer::start(
        engine,
        &[
            &format!("--port={port}"),
            "--bind-address=127.0.0.1",
            &format!("--ssl-ca={}", file("ca.pem")),
            &format!("--ssl-cert={}", file("server.pem")),
            &format!("--ssl-key={}", file("server.key")),
        ],
    );
    let mut live = Mysql::at(&server.url());
    tables(&mut live, 1);
    let name = live.name().to_owned();
    for (user, require) in [("plain", "NONE"), ("secure", "SSL"), ("known", "X509")] {
        live.batch(&format!(
            "CREATE USER {user}@'%' IDENTIFIED BY 'p@ss:w/rd' REQUIRE {require}; GRANT ALL ON {name}.* TO {user}@'%'; GRANT SUPER ON *.* TO {user}@'%'"
        ));
    }
    let sandbox = spec(&counting("t0", "a", 1));
    let run = |user: &str, host: &str, parameters: &str| -> Run {
        let url = format!("mysql://{user}:p%40ss%3Aw%2Frd@{host}:{port}/{name}?{parameters}");
        sandbox
            .run(&["--url", &url, "plan", "--detailed-exitcode"])
            .never_says(&["p@ss", "p%40ss"])
    };
    let (ca, other) = (file("ca.pem"), file("other.pem"));
    // A server's certificate is not looked at unless one asks for it, and then all of it that was asked for.
    for parameters in [
        "",
        "ssl-mode=preferred",
        "ssl-mode=REQUIRED",
        "sslmode=require",
    ] {
        run("secure", "127.0.0.1", parameters).code(2);
    }
    for parameters in [
        format!("ssl-ca={ca}"),
        format!("ssl-mode=VERIFY_CA&ssl-ca={ca}"),
        format!("ssl-mode=VERIFY_IDENTITY&ssl-ca={ca}"),
    ] {
        run("secure", "127.0.0.1", &parameters).code(2);
        run("secure", "localhost", &parameters).code(2);
    }
    for parameters in [
        format!("ssl-mode=VERIFY_CA&ssl-ca={other}"),
        format!("ssl-mode=VERIFY_IDENTITY&ssl-ca={other}"),
        format!("ssl-ca={other}"),
        "ssl-mode=VERIFY_IDENTITY".to_owned(),
    ] {
        run("secure", "127.0.0.1", &parameters)
            .code(1)
            .says(&["TLS", "ssl-ca"]);
    }
    // Another name of the same machine is not in the certificate.
    let verified = format!("ssl-mode=VERIFY_IDENTITY&ssl-ca={ca}");
    run("secure", "127.0.0.2", &verified).code(1);
    // Without TLS only whom the server lets in so.
    run("secure", "127.0.0.1", "ssl-mode=DISABLED")
        .code(1)
        .says(&["does not let `secure` in"]);
    if engine == Engine::Mariadb {
        run("plain", "127.0.0.1", "ssl-mode=DISABLED").code(2);
    }
    run("known", "127.0.0.1", "").code(1);
    let client = format!(
        "{verified}&ssl-cert={}&ssl-key={}",
        file("client.pem"),
        file("client.key")
    );
    run("known", "127.0.0.1", &client).code(2);
    run("secure", "127.0.0.1", "ssl-mode=VERIFY_CA")
        .code(1)
        .says(&["certificates to trust"]);
    run("secure", "127.0.0.1", "ssl-ca=/nowhere.pem")
        .code(1)
        .says(&["/nowhere.pem"]);
    run("secure", "127.0.0.1", "ssl-mode=sometimes")
        .code(1)
        .says(&["VERIFY_IDENTITY"]);
    // And it is used for more than looking.
    let url = format!(
        "mysql+pymysql://secure:p%40ss%3Aw%2Frd@127.0.0.1:{port}/{name}?ssl_ca={ca}&charset=utf8mb4"
    );
    sandbox.run(&["--url", &url, "apply", "--yes"]).ok();
    sandbox.run(&["--url", &url, "check"]).ok();
    sandbox.run(&["--url", &url, "rollback", "--yes"]).ok();
    if engine == Engine::Mysql9 {
        // The certificate that the server makes for itself names nobody: it can be trusted, but not identified.
        own_certificates(&sandbox);
    }
}

fn own_certificates(sandbox: &Sandbox) {
    let port = port::free();
    let server = MysqlServer::start(
        Engine::Mysql9,
        &[&format!("--port={port}"), "--bind-address=127.0.0.1"],
    );
    let mut live = Mysql::at(&server.url());
    tables(&mut live, 1);
    live.batch("CREATE USER u@'%' IDENTIFIED BY 'x' REQUIRE SSL; GRANT ALL ON *.* TO u@'%'");
    let ca = server.file("ca.pem").display().to_string();
    let run = |mode: &str| {
        let url = format!(
            "mysql://u:x@127.0.0.1:{port}/{}?ssl-mode={mode}&ssl-ca={ca}",
            live.name()
        );
        sandbox.run(&["--url", &url, "plan", "--detailed-exitcode"])
    };
    run("REQUIRED").code(2);
    run("VERIFY_CA").code(2);
    run("VERIFY_IDENTITY").code(1).says(&["TLS"]);
}

/// Statements with parameters are written out where the server prepares none.
fn a_server_that_lets_nobody_prepare(engine: Engine) {
    let server = MysqlServer::start(
        engine,
        &[
            "--max-prepared-stmt-count=0",
            "--log-bin-trust-function-creators=1",
        ],
    );
    let mut live = Mysql::at(&server.url());
    tables(&mut live, 1);
    // Quotes and backslashes go into the journal as they are, whichever way it is written.
    let sandbox = spec(
        "[[trigger]]\nname = \"a\"\ntable = \"t0\"\ntiming = \"after\"\nevents = [\"insert\"]\nbody = \"SET @a = 'it''s ? \\\\ or ?';\"\n",
    );
    sandbox.on(&live, &["apply", "--yes"]).ok();
    sandbox.on(&live, &["plan"]).ok().says(&["Nothing to do"]);
    assert_eq!(live.versions(), ["1 applied"]);
}

/// A limit of rows would make lists end early; what is longer than a packet is told before anything is changed.
fn a_server_that_limits_rows_and_packets(engine: Engine) {
    let server = MysqlServer::start(
        engine,
        &[
            "--max-allowed-packet=1M",
            "--init-connect=SET sql_select_limit=1",
            "--log-bin-trust-function-creators=1",
        ],
    );
    let mut live = Mysql::at(&server.url());
    tables(&mut live, 4);
    let name = live.name().to_owned();
    // For whoever has SUPER, init_connect is not run.
    live.batch(&format!(
        "CREATE USER u@localhost IDENTIFIED BY 'x'; GRANT ALL ON {name}.* TO u@localhost"
    ));
    let url = live.url_of("u", "x");
    let all: Vec<String> = (0..4)
        .map(|number| counting(&format!("t{number}"), &format!("a{number}"), 1))
        .collect();
    let sandbox = spec(&all.concat());
    let apply = || sandbox.run(&["--url", &url, "apply", "--yes"]);
    apply().ok();
    sandbox
        .run(&["--url", &url, "plan"])
        .ok()
        .says(&["Nothing to do"]);
    let before = live.snapshot();

    let long = |number: usize, length: usize| {
        format!(
            "[[trigger]]\nname = \"b{number}\"\ntable = \"t{number}\"\ntiming = \"after\"\nevents = [\"delete\"]\nbody = \"SET @a = '{}';\"\n",
            "x".repeat(length)
        )
    };
    let mut triggers = all.clone();
    triggers.push(long(0, 1_200_000));
    sandbox.write(
        "triggers.toml",
        format!("version = 1\n{}", triggers.concat()),
    );
    let too_long = ["and the server takes 1048576 at once", "max_allowed_packet"];
    apply().code(1).says(&too_long);
    // Each would do, but not all of them in the journal.
    triggers.pop();
    triggers.extend((0..4).map(|number| long(number, 300_000)));
    sandbox.write(
        "triggers.toml",
        format!("version = 1\n{}", triggers.concat()),
    );
    apply().code(1).says(&too_long);
    assert_eq!(live.snapshot(), before);
    assert_eq!(live.versions(), ["1 applied"]);
    sandbox
        .run(&["--url", &url, "apply", "--yes", "--target", "b1"])
        .ok();
    // Each of many on one table is recorded with the names of all: that takes more than one statement.
    let names: Vec<String> = (0..130)
        .map(|n| format!("{}{n:03}", "n".repeat(60)))
        .collect();
    let many: String = names.iter().map(|name| counting("t3", name, 1)).collect();
    sandbox.write("triggers.toml", format!("version = 1\n{many}"));
    let only = ["--url", &url, "apply", "--yes", "--target", "n*"];
    sandbox.run(&only).ok();
    sandbox
        .run(&["--url", &url, "plan", "--target", "n*"])
        .ok()
        .says(&["Nothing to do"]);
    // Nobody has interrupted it.
    if engine == Engine::Mariadb {
        live.batch("SET GLOBAL init_connect = 'SET max_statement_time = 0.00001'");
        sandbox
            .run(&["--url", &url, "plan"])
            .code(1)
            .says(&["max_statement_time exceeded"]);
    }
}

fn sockets_options_files_and_other_urls(engine: Engine) {
    let mut live = Mysql::of(engine);
    tables(&mut live, 1);
    let sandbox = spec(&counting("t0", "a", 1));
    let base = engine.server_url();
    let Some((_, socket)) = base.split_once("socket=") else {
        panic!("the test's server is on a socket: {base}");
    };
    let name = live.name().to_owned();
    let user = format!("opt{}", std::process::id());
    live.batch(&format!(
        "CREATE USER {user}@localhost IDENTIFIED BY 'a#b \\\\x'; GRANT ALL ON {name}.* TO {user}@localhost"
    ));
    // All of it from ~/.my.cnf (the sandbox is its own home), the database from the URL.
    sandbox.write(
        ".my.cnf",
        format!("[mysqld]\nuser=nobody\n[client]\nuser = {user}\npassword = \"a#b \\\\x\"\nsocket = {socket}\n[other]\nuser = x\n"),
    );
    let plan = |url: &str| sandbox.run(&["--url", url, "plan", "--detailed-exitcode"]);
    plan(&format!("mysql:///{name}")).code(2);
    plan(&format!("mariadb:///{name}")).code(2);
    plan(&format!("mysql+pymysql:///{name}?charset=utf8mb4")).code(2);
    sandbox
        .run(&["--url", &format!("mysql:///{name}"), "apply", "--yes"])
        .ok()
        .never_says(&["a#b"]);
    assert!(
        live.run("SELECT applied_by FROM triggerctl_migrations")
            .starts_with(&user)
    );
    // The URL wins over the file.
    plan(&format!("mysql://nobody@/{name}"))
        .code(1)
        .says(&["nobody"]);
    // Another file, by name, and no other.
    sandbox.write(".my.cnf", "[client]\nuser = nobody\n");
    sandbox.write(
        "own.cnf",
        format!("[client]\nuser={user}\npassword='a#b \\\\x'\nsocket={socket}\ndatabase={name}\n"),
    );
    let own = sandbox.path().join("own.cnf").display().to_string();
    plan(&format!("mysql:///?defaults-file={own}")).ok();
    plan("mysql:///x?defaults-file=/nowhere.cnf")
        .code(1)
        .says(&["/nowhere.cnf"]);
    // From the environment.
    let mut command =
        sandbox.command(&["--url", &format!("mysql://{user}@localhost/{name}"), "plan"]);
    command
        .env("HOME", "/nonexistent")
        .env("MYSQL_PWD", "a#b \\x")
        .env("MYSQL_UNIX_PORT", socket);
    let run = crate::common::finish(command);
    // A host that is named is not a socket's place: `localhost` has one only where servers usually have it.
    assert!(run.code == Some(1) || run.code == Some(0), "{run}");
    let mut command = sandbox.command(&["--url", &format!("mysql://{user}@/{name}"), "plan"]);
    command
        .env("HOME", "/nonexistent")
        .env("MYSQL_PWD", "a#b \\x")
        .env("MYSQL_UNIX_PORT", socket);
    crate::common::finish(command).ok();
    live.batch(&format!("DROP USER {user}@localhost"));
    drop(connect(&live.url()));
}

fn what_is_wrong_with_a_connection_is_said(engine: Engine) {
    let mut live = Mysql::of(engine);
    tables(&mut live, 1);
    let sandbox = spec(&counting("t0", "a", 1));
    let base = engine.server_url();
    let plan = |url: &str| sandbox.run(&["--url", url, "plan"]);
    plan(&with_database(&base, "no_such_database"))
        .code(1)
        .says(&["has no database `no_such_database`"]);
    plan(&with_database(&base, ""))
        .code(64)
        .says(&["names no database"]);
    plan("mysql://root@localhost/x?socket=/nowhere.sock")
        .code(1)
        .says(&["cannot reach", "/nowhere.sock"]);
    let port = port::free();
    plan(&format!("mysql://root@127.0.0.1:{port}/x"))
        .code(1)
        .says(&["cannot reach", &port.to_string()]);
    plan("mysql://root@localhost/x?no_such=1")
        .code(1)
        .says(&["no_such"]);
    // Something that speaks no such protocol.
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let other = std::thread::spawn(move || {
        use std::io::Write as _;
        let (mut stream, _) = listener.accept().unwrap();
        let _ = stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n");
    });
    plan(&format!("mysql://root@127.0.0.1:{port}/x"))
        .code(1)
        .says(&[&port.to_string()]);
    other.join().unwrap();
    // A view, a table that is not there, and one of the history.
    live.batch("CREATE VIEW v AS SELECT * FROM t0");
    for (table, words) in [("v", "is a view"), ("t9", "t9")] {
        sandbox.write(
            "triggers.toml",
            format!("version = 1\n{}", counting(table, "a", 1)),
        );
        sandbox.on(&live, &["plan"]).code(1).says(&[words]);
    }
    let _ = live.conn().query_drop("DROP VIEW v");
    sandbox.write(
        "triggers.toml",
        format!("version = 1\n{}", counting("t0", "a", 1)),
    );
    sandbox.on(&live, &["apply", "--yes"]).ok();
    empty_plan(&sandbox, &live);
}
