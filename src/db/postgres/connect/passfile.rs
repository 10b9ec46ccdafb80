//! The password file, `~/.pgpass`: PostgreSQL's manual, section 32.16.

use std::path::{Path, PathBuf};

use super::secret::Secret;

/// What to look a password up by.
#[derive(Debug, Clone, Copy)]
pub(super) struct Wanted<'a> {
    /// The host as given, or the address; `localhost` for a socket in a default folder.
    pub(super) host: &'a str,
    /// The port.
    pub(super) port: u16,
    /// The database.
    pub(super) dbname: &'a str,
    /// The role.
    pub(super) user: &'a str,
}

/// A password file that may be used, and its path.
#[derive(Debug, Default)]
pub(super) struct Passfile {
    entries: Vec<Entry>,
    /// Where it was read from; `None` when there is none.
    pub(super) path: Option<PathBuf>,
    /// Why a file that exists was not used.
    pub(super) warning: Option<String>,
}

#[derive(Debug)]
struct Entry {
    fields: [Option<String>; 4],
    password: Secret,
    line: usize,
}

impl Passfile {
    /// Read the file, if it is there and may be used. As in libpq, one that others can read is left alone.
    pub(super) fn read(path: Option<PathBuf>) -> Self {
        let Some(path) = path else {
            return Self::default();
        };
        let metadata = match std::fs::metadata(&path) {
            Ok(metadata) => metadata,
            // That there is none is the normal case.
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Self::default(),
            Err(error) => return Self::unused(&path, &error.to_string()),
        };
        if !metadata.is_file() {
            return Self::unused(&path, "it is not a plain file");
        }
        if open_to_others(&metadata) {
            return Self::unused(
                &path,
                "others may read it: make it readable for its owner alone with `chmod 600`",
            );
        }
        match std::fs::read(&path) {
            Err(error) => Self::unused(&path, &error.to_string()),
            Ok(bytes) => Self {
                entries: parse(&String::from_utf8_lossy(&bytes)),
                path: Some(path),
                warning: None,
            },
        }
    }

    fn unused(path: &Path, why: &str) -> Self {
        Self {
            entries: vec![],
            path: Some(path.to_owned()),
            warning: Some(format!(
                "the password file `{}` was not used: {why}",
                path.display()
            )),
        }
    }

    /// The first line that fits, and its number.
    pub(super) fn look_up(&self, wanted: Wanted<'_>) -> Option<(Secret, usize)> {
        let port = wanted.port.to_string();
        let values = [wanted.host, &port, wanted.dbname, wanted.user];
        self.entries
            .iter()
            .find(|entry| {
                entry
                    .fields
                    .iter()
                    .zip(values)
                    .all(|(field, value)| field.as_deref().is_none_or(|field| field == value))
            })
            .map(|entry| (entry.password.clone(), entry.line))
    }
}

#[cfg(unix)]
fn open_to_others(metadata: &std::fs::Metadata) -> bool {
    use std::os::unix::fs::PermissionsExt;
    metadata.permissions().mode() & 0o077 != 0
}

#[cfg(not(unix))]
fn open_to_others(_: &std::fs::Metadata) -> bool {
    false
}

/// `host:port:database:user:password` a line; `*` fits everything; a backslash takes `:` and `\` as they are.
fn parse(text: &str) -> Vec<Entry> {
    text.lines()
        .enumerate()
        .filter(|(_, line)| !line.starts_with('#'))
        .filter_map(|(index, line)| {
            let mut fields = split(line);
            let password = fields.pop()?;
            let fields: [String; 4] = fields.try_into().ok()?;
            Some(Entry {
                fields: fields.map(|field| (field != "*").then_some(field)),
                password: Secret::new(password),
                line: index + 1,
            })
        })
        .collect()
}

/// The fields of a line. What follows a fifth colon is no part of the password, as in libpq.
fn split(line: &str) -> Vec<String> {
    let mut fields = vec![String::new()];
    let mut letters = line.chars();
    while let Some(letter) = letters.next() {
        let add = match letter {
            ':' if fields.len() == 5 => break,
            ':' => {
                fields.push(String::new());
                continue;
            }
            '\\' => letters.next().unwrap_or('\\'),
            other => other,
        };
        if let Some(field) = fields.last_mut() {
            field.push(add);
        }
    }
    fields
}

#[cfg(test)]
mod tests {
    use super::*;

    fn look_up(text: &str, host: &str, port: u16, dbname: &str, user: &str) -> Option<String> {
        let file = Passfile {
            entries: parse(text),
            path: None,
            warning: None,
        };
        let wanted = Wanted {
            host,
            port,
            dbname,
            user,
        };
        file.look_up(wanted)
            .map(|(secret, _)| secret.reveal().to_owned())
    }

    #[test]
    fn the_first_line_that_fits_wins() {
        let text =
            "# comment\n\nbad line\nh:5432:app:me:one\n*:*:*:me:t\\:w\\\\o\n*:*:*:*:three:rest\n";
        assert_eq!(
            look_up(text, "h", 5432, "app", "me").as_deref(),
            Some("one")
        );
        assert_eq!(
            look_up(text, "h", 5433, "app", "me").as_deref(),
            Some("t:w\\o")
        );
        assert_eq!(
            look_up(text, "h", 5432, "app", "you").as_deref(),
            Some("three")
        );
        assert_eq!(look_up("h:1:d:u:p", "h", 1, "d", "other"), None);
        assert_eq!(look_up("h:1:d:u", "h", 1, "d", "u"), None);
    }

    #[test]
    fn an_escaped_colon_is_part_of_a_field() {
        assert_eq!(
            look_up("\\:\\:1:1:d:u:p", "::1", 1, "d", "u").as_deref(),
            Some("p")
        );
    }

    #[cfg(unix)]
    #[test]
    fn a_file_that_others_can_read_is_not_used() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().expect("folder");
        let path = folder.path().join("pgpass");
        std::fs::write(&path, "*:*:*:*:secret\n").expect("write");
        let read = |mode| {
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).expect("chmod");
            Passfile::read(Some(path.clone()))
        };
        let file = read(0o640);
        assert!(file.entries.is_empty());
        assert!(file.warning.is_some_and(|text| text.contains("chmod 600")));
        let file = read(0o600);
        assert_eq!((file.entries.len(), file.warning.as_ref()), (1, None));
        assert!(!format!("{file:?}").contains("secret"));
    }
}
