//! Where kinds come from: the folder `kinds` in the user's templates first, then the binary.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::Kind;
use crate::error::{Diagnostic, SourceFile};
use crate::spec;

/// Every file of `templates/kinds`: its path there, and its text.
static FILES: &[(&str, &str)] = include!(concat!(env!("OUT_DIR"), "/kinds.rs"));

/// The text of a built-in file, by its path in `templates/kinds`.
pub fn built_in(path: &str) -> Option<&'static str> {
    let found = FILES.binary_search_by(|(name, _)| name.cmp(&path)).ok()?;
    FILES.get(found).map(|(_, text)| *text)
}

/// The kinds that there are.
#[derive(Debug, Clone)]
pub struct Library {
    /// `kinds` in the user's templates.
    folder: Option<PathBuf>,
}

impl Library {
    /// The built-in kinds, and those in the templates folder.
    pub fn new(templates: Option<&Path>) -> Self {
        Self {
            folder: templates.map(|folder| folder.join("kinds")),
        }
    }

    /// The names of all kinds, sorted.
    pub fn names(&self) -> BTreeSet<String> {
        let mut names: BTreeSet<String> = FILES
            .iter()
            .filter_map(|(path, _)| path.strip_suffix("/kind.toml"))
            .map(str::to_owned)
            .collect();
        let entries = self.folder.as_ref().and_then(|path| path.read_dir().ok());
        for entry in entries.into_iter().flatten().flatten() {
            if entry.path().join("kind.toml").is_file()
                && let Ok(name) = entry.file_name().into_string()
            {
                names.insert(name);
            }
        }
        names
    }

    /// Whether a kind of this name is the user's own.
    pub fn is_own(&self, name: &str) -> bool {
        self.own(&format!("{name}/kind.toml")).is_some()
    }

    /// The kind of this name. `None` when there is none, or when something is wrong with it, which is then in `problems`.
    pub fn load(&self, name: &str, problems: &mut Vec<Diagnostic>) -> Option<Kind> {
        let plain = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
        if name.is_empty() || !name.chars().all(plain) {
            return None;
        }
        let file = self.file(&format!("{name}/kind.toml"), problems)?;
        let readme = self
            .file(&format!("{name}/README.md"), problems)
            .map(|file| file.text.clone())
            .unwrap_or_default();
        spec::read_kind(name, &file, readme, problems)
    }

    fn file(&self, path: &str, problems: &mut Vec<Diagnostic>) -> Option<Arc<SourceFile>> {
        let (name, text) = match self.own(path) {
            Some(own) => {
                let name = own.display().to_string();
                match std::fs::read_to_string(&own) {
                    Ok(text) => (name, text.replace("\r\n", "\n")),
                    Err(error) => {
                        let message = format!("cannot read `{name}`");
                        problems.push(Diagnostic::new(message).note(error.to_string()));
                        return None;
                    }
                }
            }
            None => (
                format!("<built-in templates/kinds/{path}>"),
                built_in(path)?.to_owned(),
            ),
        };
        Some(Arc::new(SourceFile { name, text }))
    }

    fn own(&self, path: &str) -> Option<PathBuf> {
        let path = self.folder.as_ref()?.join(path);
        path.symlink_metadata().is_ok().then_some(path)
    }
}
