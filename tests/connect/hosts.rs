//! Sockets, addresses and names, one or several; servers that are standbys.

use crate::server::{Options, Server};
use crate::{assert_refused, connected, environment, fake, port};

#[test]
fn several_hosts() {
    let primary = Server::start(&Options::default());
    let standby = Server::start(&Options {
        standby: true,
        ..Options::default()
    });
    let home = tempfile::tempdir().unwrap();
    let mut bare = environment(home.path(), &[]);
    let dead = port::free();
    let (first, second) = (primary.port, standby.port);
    let url = |hosts: &str, more: &str| {
        format!("postgres://postgres@{hosts}/postgres?connect_timeout=5&{more}")
    };

    // The dead ones are passed over, by whatever they are dead.
    let starting =
        fake::serve(|stream| fake::fail(stream, "57P03", "the database system is starting up"));
    for before in [
        format!("127.0.0.1:{dead}"),
        "no-such-host.invalid:1".to_owned(),
        format!("127.0.0.1:{starting}"),
    ] {
        let connection = connected(&url(&format!("{before},127.0.0.1:{first}"), ""), &bare);
        assert_eq!(connection.port, first, "{before}");
    }
    let by_keywords = format!(
        "host={},127.0.0.1 port={dead},{first} user=postgres",
        home.path().display()
    );
    assert_eq!(connected(&by_keywords, &bare).port, first);
    assert_refused(
        &url(&format!("127.0.0.1:{dead},no-such-host.invalid"), ""),
        &bare,
        &[
            "none of 2 hosts can be used",
            "refuses connections",
            "cannot be resolved",
        ],
    );
    // An answer is an answer.
    let absent =
        format!("postgres://postgres@127.0.0.1:{dead},127.0.0.1:{first},127.0.0.1:{second}/absent");
    assert_refused(
        &absent,
        &bare,
        &[
            "there is no database `absent`",
            "before that",
            "refuses connections",
        ],
    );
    assert_refused(
        "postgres://a:1,b:2/x?port=1,2,3",
        &bare,
        &["3 ports do not go with 2 hosts"],
    );

    // The kind of server.
    let both = format!("127.0.0.1:{first},127.0.0.1:{second}");
    for (wanted, port) in [
        ("any", first),
        ("read-write", first),
        ("primary", first),
        ("read-only", second),
        ("standby", second),
        ("prefer-standby", second),
    ] {
        let connection = connected(
            &url(&both, &format!("target_session_attrs={wanted}")),
            &bare,
        );
        assert_eq!(connection.port, port, "{wanted}");
        assert_eq!(connection.in_recovery(), port == second, "{wanted}");
    }
    let one = format!("127.0.0.1:{first}");
    assert_eq!(
        connected(&url(&one, "target_session_attrs=prefer-standby"), &bare).port,
        first
    );
    assert_refused(
        &url(&one, "target_session_attrs=standby"),
        &bare,
        &["is not a standby"],
    );
    let random = (0..20).map(|_| connected(&url(&both, "load_balance_hosts=random"), &bare).port);
    let random: std::collections::BTreeSet<u16> = random.collect();
    assert_eq!(
        random.len(),
        2,
        "twenty throws of a coin are never all the same"
    );

    // Ways to the same server.
    let ipv6 = std::net::TcpListener::bind("[::1]:0").is_ok();
    if ipv6 {
        let connection = connected(&url(&format!("[::1]:{first}"), ""), &bare);
        assert_eq!(
            connection.display,
            format!("postgres://postgres@[::1]:{first}/postgres")
        );
    }
    connected(&url(&format!("localhost:{first}"), ""), &bare);
    let by_address = connected(
        &url(&format!("db.invalid:{first}"), "hostaddr=127.0.0.1"),
        &bare,
    );
    assert_eq!(
        by_address.display,
        format!("postgres://postgres@db.invalid:{first}/postgres?hostaddr=127.0.0.1")
    );
    connected(
        &format!("hostaddr=127.0.0.1 port={first} user=postgres"),
        &bare,
    );
    let folder = primary.socket().display().to_string();
    let by_socket = connected(
        &format!("postgres://{}:{first}/", folder.replace('/', "%2F")),
        &bare,
    );
    assert_eq!(
        by_socket.display,
        format!("postgres://postgres@/postgres?host={folder}&port={first}")
    );

    // No host: the socket that is there, else localhost.
    assert_eq!(
        connected(&format!("postgres://?port={first}"), &bare).host,
        "localhost"
    );
    bare.socket_folders = vec![home.path().to_owned(), primary.socket()];
    assert_eq!(
        connected(&format!("postgres://?port={first}"), &bare).host,
        folder
    );
}
