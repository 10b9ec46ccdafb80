//! The files beside the main one: those that `include` names, and the templates folder.

use std::collections::HashSet;
use std::fs;
use std::path::{Path, PathBuf};

use super::keys::Section;
use super::load::Loader;
use super::source;
use crate::error::{Diagnostic, Located};

impl Loader<'_> {
    /// Read the files that one pattern of `include` names; whether all of them are TOML.
    pub(super) fn include(
        &mut self,
        pattern: &Located<String>,
        main: &HashSet<PathBuf>,
        read: &mut HashSet<PathBuf>,
    ) -> bool {
        let Some(paths) = self.expand(pattern) else {
            return true;
        };
        let mut are_toml = true;
        for path in paths {
            let failed = |diagnostic: Diagnostic| diagnostic.at(&pattern.span);
            let canonical = match fs::canonicalize(&path) {
                Ok(canonical) => canonical,
                Err(_) => path.clone(),
            };
            if main.contains(&canonical) {
                self.problems.push(failed(
                    Diagnostic::new(format!("`{}` includes this file itself", pattern.value)).help(
                        "put the included files in a folder of their own, or name them one by one",
                    ),
                ));
                continue;
            }
            if !read.insert(canonical) {
                continue;
            }
            match source::read(&path) {
                Ok(bytes) => {
                    let name = path.display().to_string();
                    are_toml &= self.file(&name, bytes, Section::Part).is_some();
                }
                Err(diagnostic) => self.problems.push(failed(*diagnostic)),
            }
        }
        are_toml
    }

    /// The files that a pattern matches, sorted; `None` when something is wrong with it.
    fn expand(&mut self, pattern: &Located<String>) -> Option<Vec<PathBuf>> {
        let report = |diagnostic: Diagnostic| Some(diagnostic.at(&pattern.span));
        let problem;
        let Some(folder) = self.folder.to_str() else {
            problem = report(
                Diagnostic::new("the path of the spec's folder is not UTF-8")
                    .help("`include` needs a folder whose path is: rename it"),
            );
            self.problems.extend(problem);
            return None;
        };
        let full = if Path::new(&pattern.value).is_absolute() {
            pattern.value.clone()
        } else {
            Path::new(&glob::Pattern::escape(folder))
                .join(&pattern.value)
                .to_string_lossy()
                .into_owned()
        };
        let options = glob::MatchOptions {
            case_sensitive: true,
            require_literal_separator: true,
            require_literal_leading_dot: true,
        };
        let paths = match glob::glob_with(&full, options) {
            Ok(paths) => paths,
            Err(error) => {
                problem = report(
                    Diagnostic::new(format!("`{}` is no pattern", pattern.value)).note(error.msg),
                );
                self.problems.extend(problem);
                return None;
            }
        };
        let mut found = vec![];
        let is_pattern = pattern.value.contains(['*', '?', '[']);
        for path in paths {
            match path {
                // A folder is never meant by a pattern, and said to be one where it is named.
                Ok(path) if is_pattern && path.is_dir() => {}
                Ok(path) => found.push(path),
                Err(error) => {
                    problem = report(
                        Diagnostic::new(format!("cannot read `{}`", error.path().display()))
                            .note(error.error().to_string()),
                    );
                    self.problems.extend(problem);
                    return None;
                }
            }
        }
        if found.is_empty() {
            let message = if is_pattern {
                format!("`{}` matches no file", pattern.value)
            } else {
                format!("there is no file `{}`", pattern.value)
            };
            problem = report(
                Diagnostic::new(message).help("a path in `include` starts at this file's folder"),
            );
            self.problems.extend(problem);
            return None;
        }
        Some(found)
    }

    /// The templates folder; its files count in the digest.
    pub(super) fn templates(&mut self, folder: &Located<String>) -> Option<PathBuf> {
        let path = self.folder.join(&folder.value);
        let result = match fs::metadata(&path) {
            Ok(metadata) if metadata.is_dir() => self.hash_folder(&path),
            Ok(_) => Err(Box::new(Diagnostic::new(format!(
                "`{}` is a file, and `templates` takes a folder",
                path.display()
            )))),
            Err(_) => Err(Box::new(
                Diagnostic::new(format!("there is no folder `{}`", path.display()))
                    .help("create it, or take `templates` away: the built-in templates need none"),
            )),
        };
        match result {
            Ok(()) => Some(path),
            Err(diagnostic) => {
                self.problems.push(diagnostic.at(&folder.span));
                None
            }
        }
    }

    fn hash_folder(&mut self, root: &Path) -> Result<(), Box<Diagnostic>> {
        // Deeper than this is a link that leads back to itself.
        const DEEPEST: usize = 16;
        let mut files = vec![];
        let mut folders = vec![(root.to_owned(), 0)];
        while let Some((folder, depth)) = folders.pop() {
            let failed = |error: std::io::Error| {
                let message = format!("cannot read the folder `{}`", folder.display());
                Box::new(Diagnostic::new(message).note(error.to_string()))
            };
            for entry in fs::read_dir(&folder).map_err(failed)? {
                let path = entry.map_err(failed)?.path();
                if !path.is_dir() {
                    files.push(path);
                } else if depth < DEEPEST {
                    folders.push((path, depth + 1));
                }
            }
        }
        files.sort();
        for path in files {
            let name = path.strip_prefix(root).unwrap_or(&path);
            let name = name.to_string_lossy().replace('\\', "/");
            let bytes = source::read(&path)?;
            self.hash(name.as_bytes());
            self.hash(&bytes);
        }
        Ok(())
    }
}
