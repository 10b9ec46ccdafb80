//! The connection service file, `pg_service.conf`: PostgreSQL's manual, section 32.17.

use std::path::PathBuf;

use crate::db::url::{closest, parameters};
use crate::error::Error;

use super::environment::Environment;

/// The parameters of one service, and the file that has them.
#[derive(Default)]
pub(super) struct Service {
    /// Names of libpq's and values.
    pub(super) parameters: Vec<(&'static str, String)>,
    /// Where they stand.
    pub(super) path: PathBuf,
}

/// Find the service in the user's file, then in the system's.
pub(super) fn read(
    name: &str,
    own_file: Option<&str>,
    environment: &Environment,
) -> Result<Service, Error> {
    let own = match own_file {
        Some(path) => Some(PathBuf::from(path)),
        None => environment.in_home(".pg_service.conf"),
    };
    let mut looked_at = vec![];
    let mut names = vec![];
    for path in own.iter().chain(&environment.service_files) {
        let text = match std::fs::read(path) {
            Ok(bytes) => String::from_utf8_lossy(&bytes).into_owned(),
            // As in libpq, a file that is named but missing is an error; a default one need not be there.
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                if own_file.is_some() && Some(path) == own.as_ref() {
                    return Err(Error::failed(format!(
                        "the service file `{}` does not exist",
                        path.display()
                    )));
                }
                continue;
            }
            Err(error) => {
                return Err(Error::failed(format!(
                    "cannot read the service file `{}`",
                    path.display()
                ))
                .note(error.to_string()));
            }
        };
        let shown = path.display().to_string();
        if let Some(parameters) = parse(&text, name, &shown, &mut names)? {
            return Ok(Service {
                parameters,
                path: path.clone(),
            });
        }
        looked_at.push(format!("`{shown}`"));
    }
    let error = Error::failed(format!("there is no service `{name}`"));
    let error = match closest(name, names.iter().map(String::as_str)) {
        Some(meant) => error.help(format!("did you mean `{meant}`?")),
        None => error,
    };
    Err(if looked_at.is_empty() {
        error.help("describe it in `~/.pg_service.conf`, or name a file with PGSERVICEFILE")
    } else {
        error.note(format!("looked in {}", looked_at.join(" and ")))
    })
}

/// The parameters of section `[name]`; `None` when there is no such section. All sections' names go into `names`.
#[allow(clippy::type_complexity)]
fn parse(
    text: &str,
    name: &str,
    file: &str,
    names: &mut Vec<String>,
) -> Result<Option<Vec<(&'static str, String)>>, Error> {
    let mut found: Option<Vec<(&'static str, String)>> = None;
    let mut inside = false;
    for (index, line) in text.lines().enumerate() {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let place = format!("{file}:{}", index + 1);
        if let Some(section) = line.strip_prefix('[') {
            let section = section.strip_suffix(']').unwrap_or(section);
            names.push(section.to_owned());
            // The first section of this name counts.
            inside = section == name && found.is_none();
            if inside {
                found = Some(vec![]);
            }
            continue;
        }
        if !inside {
            continue;
        }
        if line.starts_with("ldap") {
            return Err(
                Error::failed("a service that is looked up by LDAP is not supported").note(place),
            );
        }
        let Some((key, value)) = line.split_once('=') else {
            // The line may hold a password: it is not shown.
            return Err(Error::failed("a line of the service file has no `=`").note(place));
        };
        if key == "service" || key == "servicefile" {
            return Err(Error::failed("a service cannot refer to another service").note(place));
        }
        let parameter = parameters::accept(key).map_err(|error| error.note(place))?;
        if let Some(found) = &mut found
            && !found.iter().any(|(name, _)| *name == parameter.name)
        {
            found.push((parameter.name, value.to_owned()));
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn environment(text: &str) -> (tempfile::TempDir, Environment) {
        let home = tempfile::tempdir().expect("folder");
        std::fs::write(home.path().join(".pg_service.conf"), text).expect("write");
        let environment = Environment {
            home: Some(home.path().to_owned()),
            ..Environment::default()
        };
        (home, environment)
    }

    #[test]
    fn a_section_gives_its_parameters() {
        let (_home, environment) =
            environment("# x\n[other]\nhost=a\n\n[mine]\nhost=b\nport=7\nhost=c\n[mine]\nuser=x\n");
        let service = read("mine", None, &environment).expect("found");
        assert_eq!(
            service.parameters,
            [("host", "b".to_owned()), ("port", "7".to_owned())]
        );
    }

    #[test]
    fn what_is_wrong_is_said_with_its_place() {
        let (_home, environment) = environment("[a]\nhots=a\n[b]\nsecret\n[production]\nhost=a\n");
        let message = |name| format!("{:?}", read(name, None, &environment).err());
        assert!(message("a").contains("did you mean `host`"));
        assert!(message("a").contains(".pg_service.conf:2"));
        assert!(message("b").contains("has no `=`") && !message("b").contains("secret"));
        assert!(message("prodution").contains("did you mean `production`"));
        let missing = read("a", Some("/nonexistent/file"), &environment).err();
        assert!(format!("{missing:?}").contains("does not exist"));
    }

    #[test]
    fn the_systems_file_comes_second() {
        let (home, mut environment) = environment("[a]\nhost=own\n");
        let system = home.path().join("system.conf");
        std::fs::write(&system, "[a]\nhost=system\n[b]\nhost=system\n").expect("write");
        environment.service_files.push(system);
        let host = |name| {
            read(name, None, &environment).expect("found").parameters[0]
                .1
                .clone()
        };
        assert_eq!(
            (host("a"), host("b")),
            ("own".to_owned(), "system".to_owned())
        );
    }
}
