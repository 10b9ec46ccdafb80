use super::*;

fn read(text: &str) -> DatabaseUrl {
    parse(text, Path::new("/base")).unwrap_or_else(|error| panic!("{text}: {error}"))
}

fn postgres(text: &str) -> PostgresUrl {
    match read(text) {
        DatabaseUrl::Postgres(url) => url,
        other => panic!("{text} was taken as {}", other.dialect()),
    }
}

/// Everything that an error shows, in any way.
fn shown(text: &str) -> String {
    let error = parse(text, Path::new("/base")).expect_err(text);
    format!("{error} {error:?}")
}

#[test]
fn sqlite_forms() {
    let file = |path: &str| DatabaseUrl::Sqlite(SqliteLocation::File(PathBuf::from(path)));
    let memory = DatabaseUrl::Sqlite(SqliteLocation::Memory);
    for (text, wanted) in [
        ("sqlite:app.db", file("/base/app.db")),
        ("sqlite:./sub/app.db", file("/base/./sub/app.db")),
        ("sqlite:/var/app.db", file("/var/app.db")),
        ("sqlite:///app.db", file("/base/app.db")),
        ("sqlite:////var/app.db", file("/var/app.db")),
        ("sqlite+pysqlite:///app.db", file("/base/app.db")),
        ("SQLite:app.db", file("/base/app.db")),
        ("sqlite:my%20app%3F.db", file("/base/my app?.db")),
        ("sqlite:a+b#c.db", file("/base/a+b#c.db")),
        ("sqlite::memory:", memory.clone()),
        ("sqlite://", memory.clone()),
        ("sqlite:///:memory:", memory.clone()),
    ] {
        assert_eq!(read(text), wanted, "{text}");
    }
    assert!(shown("sqlite:").contains("names no file"));
    assert!(shown("sqlite://app.db").contains("write `sqlite:app.db`"));
    assert!(shown("sqlite:50%off.db").contains("write `%25`"));
    assert!(shown("sqlite:app.db?mode=ro").contains("unknown parameter `mode`"));
}

#[test]
fn a_relative_path_stays_relative_to_an_empty_base() {
    for base in ["", "."] {
        let url = parse("sqlite:app.db", Path::new(base)).expect("valid");
        assert_eq!(url.display(), "sqlite:app.db");
    }
}

#[test]
fn bare_paths_must_be_sqlite_databases() {
    let folder = tempfile::tempdir().expect("folder");
    let write =
        |name: &str, bytes: &[u8]| std::fs::write(folder.path().join(name), bytes).expect("write");
    write("empty.db", b"");
    write("real:1.db", b"SQLite format 3\0and more");
    write("notes.txt", b"hello");
    let url = |name: &str| parse(name, folder.path());
    for name in ["empty.db", "real:1.db"] {
        assert_eq!(
            url(name).expect(name),
            DatabaseUrl::Sqlite(SqliteLocation::File(folder.path().join(name)))
        );
    }
    let message = |name: &str| format!("{:?}", url(name).expect_err(name));
    assert!(message("notes.txt").contains("is not a SQLite database"));
    assert!(message(".").contains("is a directory"));
    assert!(message("missing.db").contains("write `sqlite:missing.db`"));
}

#[test]
fn postgres_urls() {
    for (text, wanted) in [
        ("postgres://", vec![]),
        ("postgresql://db", vec![("host", "db")]),
        (
            "postgres://me:se%40cret@db.example:6432/my%20app?sslmode=require",
            vec![
                ("user", "me"),
                ("password", "se@cret"),
                ("host", "db.example"),
                ("port", "6432"),
                ("dbname", "my app"),
                ("sslmode", "require"),
            ],
        ),
        (
            "postgresql+psycopg://me@[::1]:6432/app",
            vec![
                ("user", "me"),
                ("host", "::1"),
                ("port", "6432"),
                ("dbname", "app"),
            ],
        ),
        (
            "postgres://a:1,b,[fe80::1]:3/app",
            vec![("host", "a,b,fe80::1"), ("port", "1,,3"), ("dbname", "app")],
        ),
        (
            "postgres://postgres@localhost/postgres?host=/tmp/x&port=7",
            vec![
                ("user", "postgres"),
                ("host", "/tmp/x"),
                ("port", "7"),
                ("dbname", "postgres"),
            ],
        ),
        (
            "postgres://%2Ftmp%2Fx/app",
            vec![("host", "/tmp/x"), ("dbname", "app")],
        ),
        (
            "postgres:///app?user=a@b",
            vec![("user", "a@b"), ("dbname", "app")],
        ),
        (
            "postgres://h?user=a@b",
            vec![("user", "a@b"), ("host", "h")],
        ),
        (
            "postgres://h:1?user=a@b",
            vec![("user", "a@b"), ("host", "h"), ("port", "1")],
        ),
        (
            "postgres://u:p?w@h/d",
            vec![
                ("user", "u"),
                ("password", "p?w"),
                ("host", "h"),
                ("dbname", "d"),
            ],
        ),
        (
            "postgres://u:p@w@h",
            vec![("user", "u"), ("password", "p@w"), ("host", "h")],
        ),
        (
            "postgres://u:a+b@h",
            vec![("user", "u"), ("password", "a+b"), ("host", "h")],
        ),
        (
            "postgresql+psycopg2:///app?host=a:1&host=b:2",
            vec![("host", "a,b"), ("port", "1,2"), ("dbname", "app")],
        ),
        (
            "postgresql+asyncpg://h/d?ssl=verify-full",
            vec![("host", "h"), ("dbname", "d"), ("sslmode", "verify-full")],
        ),
        (
            "postgres://h?ssl=true",
            vec![("host", "h"), ("sslmode", "require")],
        ),
        (
            "host=localhost  dbname = 'my app' password='it\\'s\\\\' port=1",
            vec![
                ("host", "localhost"),
                ("dbname", "my app"),
                ("password", "it's\\"),
                ("port", "1"),
            ],
        ),
    ] {
        let mut expected = PostgresUrl::default();
        for (name, value) in wanted {
            expected.set(name, value.to_owned());
        }
        let got = postgres(text);
        assert_eq!(got, expected, "{text}");
        assert_eq!(got.get("password"), expected.get("password"), "{text}");
    }
}

#[test]
fn display_reads_back_without_the_password() {
    for text in [
        "postgres://me:secret@db:6432/my%20app?sslmode=require",
        "postgres://me:secret@a:1,[::1]:2/d",
        "postgres:///d?host=/tmp/x&port=7&user=me&password=secret&sslpassword=secret",
        "postgres://a%2Fb%3Ac@h",
        "host=a,/tmp dbname='%&?' password=secret",
    ] {
        let mut url = postgres(text);
        let shown = url.display();
        assert!(!shown.contains("secret"), "{shown}");
        assert!(!format!("{url:?}").contains("secret"));
        url.parameters_for_test()
            .retain(|name, _| !name.contains("password"));
        assert_eq!(postgres(&shown), url, "{shown}");
    }
    assert_eq!(
        read("postgres://me:secret@db:6432/app?sslmode=require").display(),
        "postgres://me@db:6432/app?sslmode=require"
    );
}

#[test]
fn errors_name_what_was_meant() {
    for (text, wanted) in [
        ("", "is empty"),
        ("postgers://h/d", "did you mean `postgres:`"),
        ("sqlite3:app.db", "did you mean `sqlite:`"),
        ("mysql:h/d", "is not followed by `//`"),
        ("mariadb+pymysql://h/d?sockte=x", "did you mean `socket`"),
        ("mysql://h:0/d", "no number from 1 to 65535"),
        ("postgres:app", "must be followed by `//`"),
        ("postgres://h/d?sslmod=require", "did you mean `sslmode`"),
        ("postgres://h/d?require_auth=md5", "cannot be restricted"),
        ("postgres://h/d?sslmode", "has no `=`"),
        ("postgres://[::1/d", "no closing `]`"),
        ("postgres://::1/d", "put an IPv6 address into brackets"),
        ("hots=localhost dbname=x", "did you mean `host`"),
        ("host='localhost", "no closing quote"),
        ("host=localhost dbname", "no `=` after it"),
        (
            "localhost/app",
            "neither a database URL nor an existing file",
        ),
    ] {
        let shown = shown(text);
        assert!(shown.contains(wanted), "{text}: {shown}");
    }
}

#[test]
fn no_error_shows_a_password() {
    for text in [
        "postgres://me:sec%ret@h/d",
        "postgres://me:sec/ret@h/d",
        "postgres://me:1/sec@h/d",
        "postgres://me:secret",
        "postgres://me:x@sec/ret@h/d",
        "postgres://me:@?/secret@h/d",
        "postgres://me:secret/name",
        "postgres://me:1?sec=x@h/d",
        "postgres://me:sec?r/et@h/d",
        "postgres://me:sec#r/et@h/d",
        "postgres://me:sec%FFret@h/d",
        "postgres://me:sec%00ret@h/d",
        "postgers://me:secret@h/d",
        "mysql://me:secret@h/d?nonsense=1",
        "mysql://me:sec/ret@h/d",
        "mysql://me:sec?ret@h/d",
        "mysql://me:1?sec=x@h/d",
        "mysql://me:x@sec/ret@h/d",
        "mysql://me:secret@h:x/d",
        "mysql://me:sec%zzret@h/d",
        "mysql:me:secret@h/d",
        "me:secret@h/d",
        "//me:secret@h/d",
        "password=sec ret",
        "password='sec ret",
        "host=h password=secret x",
        "postgres://h/d?password=sec%zz",
        "postgres://h/d?password=secret&nonsense=1",
        "postgres://me:secret@[::1/d",
        "postgres://me:secret@a:b:c/d",
    ] {
        let shown = shown(text);
        for part in ["sec", "ret@", "ret "] {
            assert!(!shown.contains(part), "{text}: {shown}");
        }
    }
}

#[test]
fn a_url_with_a_password_may_not_be_shown() {
    for text in [
        "postgres://u:p@h",
        "postgres://h?password=p",
        "host=h PASSWORD = p",
    ] {
        assert!(!may_be_shown(text), "{text}");
    }
    assert!(may_be_shown("sqlite:app.db"));
    assert!(may_be_shown("postgers://localhost/app"));
}

proptest::proptest! {
    #[test]
    fn nothing_panics_and_nothing_leaks(
        start in "(postgres://|postgresql\\+x://|postgers://|mysql://|//)?[a-z]",
        password in "[%/?#@:,\\[\\] '\\\\=&]{0,4}KRYPTOS[%/?#@:,\\[\\] '\\\\&]{0,4}",
        end in "[@:/?a-z0-9=&%,\\[\\]]{0,12}",
    ) {
        let text = format!("{start}:{password}@{end}");
        let shown = match parse(&text, Path::new("/nonexistent")) {
            Ok(url) => {
                // What became of the text as the user wrote it: a host or a file's name may be shown.
                let all = url.display();
                match url {
                    DatabaseUrl::Postgres(url) if url.get("password").is_some_and(|found| found.contains("KRYPTOS")) => all,
                    _ => String::new(),
                }
            }
            Err(error) => format!("{error:?}"),
        };
        proptest::prop_assert!(!shown.contains("KRYPTOS"), "{text}: {shown}");
    }
}

#[test]
fn reads_mysql() {
    for (text, shown) in [
        ("mysql://h/d", "mysql://h/d"),
        (
            "mariadb+pymysql://me:se%20cret@h:3307/d%2Fe?charset=utf8mb4",
            "mariadb://me@h:3307/d%2Fe?charset=utf8mb4",
        ),
        (
            "mysql://me@/d?unix_socket=/tmp/a.sock&ssl_mode=REQUIRED",
            "mysql://me@/d?socket=/tmp/a.sock&ssl-mode=REQUIRED",
        ),
        ("mysql://[::1]:3306/", "mysql://[::1]:3306/"),
    ] {
        let url = parse(text, Path::new("")).unwrap();
        assert_eq!(url.display(), shown);
        assert_eq!(url.has_password(), text.contains("se%20cret"));
        assert_eq!(parse(shown, Path::new("")).unwrap().display(), shown);
    }
}
