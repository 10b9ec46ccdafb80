//! What a connection takes from the process's surroundings, as a value: so that tests can give their own, and nothing
//! else in here reads the environment.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;

/// Variables, home folder, user and socket folders.
#[derive(Clone, Default)]
pub struct Environment {
    /// Environment variables, of which those that begin with `PG` matter.
    pub variables: BTreeMap<String, String>,
    /// Where `.pgpass`, `.pg_service.conf` and `.postgresql/` are.
    pub home: Option<PathBuf>,
    /// The operating system's name for the user: the default role.
    pub user: Option<String>,
    /// Where to look for a server's socket when no host is named.
    pub socket_folders: Vec<PathBuf>,
    /// Service files for the whole system, looked at after the user's own.
    pub service_files: Vec<PathBuf>,
}

impl Environment {
    /// That of this process.
    pub fn of_process() -> Self {
        let variables: BTreeMap<String, String> = std::env::vars_os()
            .filter_map(|(name, value)| {
                let name = name.into_string().ok()?;
                name.starts_with("PG")
                    .then(|| value.into_string().ok().map(|value| (name, value)))
                    .flatten()
            })
            .collect();
        // Debian's libpq looks in the first, one built from source in the second.
        let service_files = match variables.get("PGSYSCONFDIR") {
            Some(folder) => vec![PathBuf::from(folder).join("pg_service.conf")],
            None => vec![
                PathBuf::from("/etc/postgresql-common/pg_service.conf"),
                PathBuf::from("/usr/local/pgsql/etc/pg_service.conf"),
            ],
        };
        Self {
            variables,
            home: std::env::home_dir().filter(|home| !home.as_os_str().is_empty()),
            user: whoami::username().ok(),
            socket_folders: vec![PathBuf::from("/var/run/postgresql"), PathBuf::from("/tmp")],
            service_files,
        }
    }

    /// A variable's value; an empty one counts as unset, as in libpq.
    pub(crate) fn variable(&self, name: &str) -> Option<&str> {
        self.variables
            .get(name)
            .map(String::as_str)
            .filter(|value| !value.is_empty())
    }

    /// A file in the home folder.
    pub(crate) fn in_home(&self, path: &str) -> Option<PathBuf> {
        self.home.as_ref().map(|home| home.join(path))
    }
}

impl fmt::Debug for Environment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            variables,
            home,
            user,
            socket_folders,
            service_files,
        } = self;
        // Values may be passwords: the names are enough.
        f.debug_struct("Environment")
            .field("variables", &variables.keys().collect::<Vec<_>>())
            .field("home", home)
            .field("user", user)
            .field("socket_folders", socket_folders)
            .field("service_files", service_files)
            .finish()
    }
}
