//! Where the text of a template comes from: the user's folder first, then the binary.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use minijinja::ErrorKind;

use super::{INLINE_NAME, INLINE_SQL};
use crate::dialect::Dialect;
use crate::error::{Diagnostic, Error, SourceFile};
use crate::kinds;

/// Before a name: the built-in template, even where the user has one of that name.
const BUILT_IN: &str = "builtin/";
/// Before a name: a file of a kind, which is the same for all dialects.
pub(super) const KINDS: &str = "kinds/";
/// The macros that bodies can call.
const HELPERS: &str = "helpers.sql";
pub(super) const BUILT_IN_HELPERS: &str = "builtin/helpers.sql";
/// What a name becomes that no template may ask for.
const REFUSED: &str = "\0refused";

/// The templates of one dialect, by name.
#[derive(Clone)]
pub(super) struct Sources {
    dialect: &'static str,
    built_in: &'static [(&'static str, &'static str)],
    /// `<templates>/<dialect>`.
    folder: Option<PathBuf>,
    /// `<templates>`, for the files of kinds.
    root: Option<PathBuf>,
}

impl Sources {
    pub(super) fn new(dialect: &'static dyn Dialect, folder: Option<&Path>) -> Self {
        Self {
            dialect: dialect.name(),
            built_in: dialect.templates(),
            folder: folder.map(|folder| folder.join(dialect.name())),
            root: folder.map(Path::to_owned),
        }
    }

    /// The loader of the template engine.
    pub(super) fn load(&self, name: &str) -> Result<Option<Cow<'static, str>>, minijinja::Error> {
        for prefix in [INLINE_SQL, INLINE_NAME] {
            if let Some(text) = name.strip_prefix(prefix).and_then(|n| n.strip_prefix(':')) {
                return Ok(Some(Cow::Owned(text.to_owned())));
            }
        }
        if let Some(path) = self.path(name) {
            return match std::fs::read_to_string(&path) {
                Ok(text) => Ok(Some(Cow::Owned(text))),
                Err(error) => Err(minijinja::Error::new(
                    ErrorKind::InvalidOperation,
                    format!("cannot read `{}`: {error}", path.display()),
                )),
            };
        }
        Ok(self.built_in(name).map(Cow::Borrowed))
    }

    /// A template as a text to point into.
    pub(super) fn file(&self, name: &str) -> Option<Arc<SourceFile>> {
        let (shown, text) = match self.path(name) {
            Some(path) => (
                path.display().to_string(),
                std::fs::read_to_string(&path).ok()?,
            ),
            None => (
                if name.starts_with(KINDS) {
                    format!("<built-in templates/{name}>")
                } else {
                    format!(
                        "<built-in templates/{}/{}>",
                        self.dialect,
                        name.strip_prefix(BUILT_IN).unwrap_or(name)
                    )
                },
                self.built_in(name)?.to_owned(),
            ),
        };
        Some(Arc::new(SourceFile { name: shown, text }))
    }

    /// The built-in templates that the user replaces.
    pub(super) fn custom(&self) -> Result<BTreeSet<String>, Error> {
        let mut found = BTreeSet::new();
        for (name, _) in self.built_in {
            let Some(path) = self.path(name) else {
                continue;
            };
            if let Err(error) = std::fs::read_to_string(&path) {
                let message = format!("cannot read the template `{}`", path.display());
                return Err(Diagnostic::new(message).note(error.to_string()).into());
            }
            found.insert((*name).to_owned());
        }
        Ok(found)
    }

    /// The files with helper macros; later ones add to the earlier ones and win over them.
    pub(super) fn helper_files(&self, custom: &BTreeSet<String>) -> Vec<&'static str> {
        let mut files = vec![];
        if self.built_in(HELPERS).is_some() {
            files.push(BUILT_IN_HELPERS);
        }
        if custom.contains(HELPERS) {
            files.push(HELPERS);
        }
        files
    }

    /// Whether there is a template of this name.
    pub(super) fn has(&self, name: &str) -> bool {
        self.built_in(name).is_some() || self.path(name).is_some()
    }

    /// The names that a template can include.
    pub(super) fn names(&self) -> impl Iterator<Item = &'static str> {
        self.built_in.iter().map(|(name, _)| *name)
    }

    /// The files beside the `kind.toml` of the user's kinds, as they are included.
    pub(super) fn names_of_kinds(&self) -> Vec<String> {
        let listed = |folder: PathBuf| {
            let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
            let mut names: Vec<String> = entries
                .filter_map(|entry| entry.file_name().into_string().ok())
                .collect();
            names.sort_unstable();
            names
        };
        let Some(folder) = self.root.as_ref().map(|root| root.join(KINDS)) else {
            return vec![];
        };
        let mut found = vec![];
        for kind in listed(folder.clone()) {
            let files = listed(folder.join(&kind)).into_iter();
            let files = files.filter(|file| !["kind.toml", "README.md"].contains(&file.as_str()));
            found.extend(files.map(|file| format!("{KINDS}{kind}/{file}")));
        }
        found
    }

    fn built_in(&self, name: &str) -> Option<&'static str> {
        if let Some(file) = name.strip_prefix(KINDS) {
            return kinds::built_in(file);
        }
        let name = name.strip_prefix(BUILT_IN).unwrap_or(name);
        let (_, text) = self.built_in.iter().find(|(found, _)| *found == name)?;
        Some(text)
    }

    /// The user's file of this name, where there is one.
    fn path(&self, name: &str) -> Option<PathBuf> {
        if name.starts_with(BUILT_IN) || !is_inside(name) {
            return None;
        }
        let folder = if name.starts_with(KINDS) {
            &self.root
        } else {
            &self.folder
        };
        let path = folder.as_ref()?.join(name);
        // A folder or an unreadable file of that name is the user's too: reading it is what fails.
        path.symlink_metadata().is_ok().then_some(path)
    }
}

/// What `{% include name %}` looks up: the name, unless it leads out of the folder.
pub(super) fn joined(name: &str) -> Cow<'_, str> {
    if is_inside(name) {
        Cow::Borrowed(name)
    } else {
        Cow::Borrowed(REFUSED)
    }
}

/// Whether a template name stays within its folder.
pub(super) fn is_inside(name: &str) -> bool {
    !name.is_empty()
        && !name.contains(['\\', '\0', ':'])
        && name.split('/').all(|part| !matches!(part, "" | "." | ".."))
}
