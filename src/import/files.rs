//! Writing an import to files: into one that is there by adding to its end, as new ones, or table by table. What a file
//! had before stays to the byte, and when the spec as a whole cannot be read afterwards, everything is put back.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use toml::de::{DeTable, DeValue};

use crate::digest::digest;
use crate::error::{Error, Kind, SourceFile};
use crate::model::TableId;
use crate::spec::{LoadOptions, Spec};

use super::document::Header;
use super::{Import, text};

/// Names of files are cut at this many characters; file systems take 255 bytes.
const LONGEST_NAME: usize = 50;

/// Where an import goes.
#[derive(Debug, Clone)]
pub struct Destination<'a> {
    /// The file; with `split`, the one that includes the others.
    pub out: &'a Path,
    /// The main file of the spec that `out` belongs to; often the same.
    pub main: &'a Path,
    /// The folder for one file a table.
    pub split: Option<&'a Path>,
    /// How the spec is read.
    pub options: LoadOptions<'a>,
}

/// A file that was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Written {
    /// Its path.
    pub path: PathBuf,
    /// How many triggers were added.
    pub triggers: usize,
    /// How many functions were added.
    pub functions: usize,
}

impl Import {
    /// Write it. `header` is for a new main file. A file to which nothing is added is not touched.
    pub fn write(
        &self,
        destination: &Destination<'_>,
        header: &Header,
    ) -> Result<Vec<Written>, Error> {
        let mut changes = Changes::default();
        let written = self.write_to(destination, header, &mut changes);
        if written.is_err() {
            changes.undo();
        }
        written
    }

    fn write_to(
        &self,
        destination: &Destination<'_>,
        header: &Header,
        changes: &mut Changes,
    ) -> Result<Vec<Written>, Error> {
        let Destination {
            out,
            main,
            split,
            options,
        } = destination;
        let mut written = vec![];
        if let Some(folder) = split {
            let pattern = pattern(out, folder)?;
            written = self.write_parts(folder, changes)?;
            if !out.exists() {
                let include = if written.is_empty() {
                    vec![]
                } else {
                    vec![pattern]
                };
                let header = Header {
                    include,
                    ..header.clone()
                };
                changes.write(out, &header.text())?;
                written.insert(
                    0,
                    Written {
                        path: out.to_path_buf(),
                        triggers: 0,
                        functions: 0,
                    },
                );
            } else if !written.iter().all(|part| reads(main, options, &part.path)) {
                let text = crate::files::read(out)?;
                let added = with_include(&text, &pattern).ok_or_else(|| {
                    Error::failed(format!(
                        "`{}` does not include `{pattern}`, and it cannot be added",
                        out.display()
                    ))
                    .help(format!("add it by hand: `include = [\"{pattern}\"]`"))
                })?;
                changes.write(out, &added)?;
            }
        } else {
            let text = if out.exists() {
                let before = crate::files::read(out)?;
                if self.triggers() == 0 && self.functions() == 0 {
                    return Ok(vec![]);
                }
                appended(&before, &self.parts())
            } else {
                self.text(header)
            };
            changes.write(out, &text)?;
            written.push(Written {
                path: out.to_path_buf(),
                triggers: self.triggers(),
                functions: self.functions(),
            });
        }
        let files =
            Spec::check(main, options).map_err(|error| error.note("nothing was written"))?;
        for part in &written {
            if !is_among(&files, &part.path) {
                return Err(Error::failed(format!(
                    "`{}` would not be read with `{}`: nothing was written",
                    part.path.display(),
                    main.display()
                ))
                .help("add it to `include`"));
            }
        }
        Ok(written)
    }

    /// One file a table, and one for what several tables share.
    fn write_parts(&self, folder: &Path, changes: &mut Changes) -> Result<Vec<Written>, Error> {
        let (tables, parts): (Vec<Option<&TableId>>, Vec<_>) = self.sections.parts().unzip();
        if parts.is_empty() {
            return Ok(vec![]);
        }
        fs::create_dir_all(folder).map_err(|error| {
            Error::failed(format!(
                "the folder `{}` cannot be made: {error}",
                folder.display()
            ))
        })?;
        let mut written = vec![];
        for (stem, part) in stems(&tables).into_iter().zip(parts) {
            let path = folder.join(format!("{stem}.toml"));
            let text = if path.exists() {
                appended(&crate::files::read(&path)?, &part.text)
            } else {
                part.text.trim_start_matches('\n').to_owned()
            };
            changes.write(&path, &text)?;
            written.push(Written {
                path,
                triggers: part.triggers,
                functions: part.functions,
            });
        }
        Ok(written)
    }
}

/// Files as they were.
#[derive(Default)]
struct Changes(Vec<(PathBuf, Option<String>)>);

impl Changes {
    fn write(&mut self, path: &Path, text: &str) -> Result<(), Error> {
        // Through a link, so that the link stays one.
        let path = fs::canonicalize(path).unwrap_or_else(|_| path.to_path_buf());
        let before = if path.exists() {
            Some(crate::files::read(&path)?)
        } else {
            None
        };
        crate::files::write_whole(&path, text)?;
        self.0.push((path, before));
        Ok(())
    }

    /// Put everything back. What cannot be put back is said, and does not keep the rest from it.
    fn undo(self) {
        for (path, before) in self.0.into_iter().rev() {
            let done = match &before {
                Some(text) => crate::files::write_whole(&path, text),
                None => fs::remove_file(&path).map_err(|error| Error::failed(error.to_string())),
            };
            if let Err(error) = done {
                log::error!("`{}` cannot be put back: {error}", path.display());
            }
        }
    }
}

fn appended(before: &str, added: &str) -> String {
    let end = if before.is_empty() || before.ends_with('\n') {
        ""
    } else {
        "\n"
    };
    format!("{before}{end}{added}")
}

fn reads(main: &Path, options: &LoadOptions<'_>, part: &Path) -> bool {
    Spec::check(main, options).is_ok_and(|files| is_among(&files, part))
}

/// Whether a file is one of a spec's.
pub(crate) fn includes(spec: &Spec, path: &Path) -> bool {
    is_among(&spec.files, path)
}

fn is_among(files: &[Arc<SourceFile>], path: &Path) -> bool {
    let Ok(wanted) = fs::canonicalize(path) else {
        return false;
    };
    files
        .iter()
        .any(|file| fs::canonicalize(&file.name).is_ok_and(|found| found == wanted))
}

/// The pattern by which the main file includes the folder.
fn pattern(main: &Path, folder: &Path) -> Result<String, Error> {
    let failed =
        |error: std::io::Error| Error::failed(format!("the current folder is not known: {error}"));
    let main = std::path::absolute(main).map_err(failed)?;
    let folder = std::path::absolute(folder).map_err(failed)?;
    let base = main.parent().unwrap_or(Path::new("/"));
    let relative = folder.strip_prefix(base).unwrap_or(&folder);
    if relative.as_os_str().is_empty() {
        return Err(
            Error::new(Kind::Usage, "`--split` names the folder of the spec itself")
                .help("name a folder for the tables' files alone: `--split triggers`"),
        );
    }
    let relative = relative
        .to_str()
        .ok_or_else(|| Error::failed(format!("the path `{}` is not UTF-8", relative.display())))?
        .replace('\\', "/");
    Ok(format!("{}/*.toml", glob::Pattern::escape(&relative)))
}

/// The text of a main file with one more pattern in its `include`; all else as it was.
fn with_include(text: &str, pattern: &str) -> Option<String> {
    let value = text::list([text::no_variables(pattern).as_ref()]);
    let table = DeTable::parse(text).ok()?;
    let (at, added) = if let Some(include) = table.get_ref().get("include") {
        added_to_list(include, &value)?
    } else {
        let version = table.get_ref().get("version")?.span().end;
        let end = text
            .get(version..)?
            .find('\n')
            .map_or(text.len(), |line| version + line);
        (end, format!("\ninclude = {value}"))
    };
    Some(format!("{}{added}{}", text.get(..at)?, text.get(at..)?))
}

/// Where in the text a list gets one more element, and what is written there.
fn added_to_list(array: &toml::Spanned<DeValue<'_>>, value: &str) -> Option<(usize, String)> {
    let value = value.strip_prefix('[')?.strip_suffix(']')?;
    let last = array.get_ref().as_array()?.iter().last();
    Some(
        last.map_or((array.span().start + 1, value.to_owned()), |last| {
            (last.span().end, format!(", {value}"))
        }),
    )
}

/// A name for each part's file: the table's, as far as any file system takes it, and never the same twice.
fn stems(tables: &[Option<&TableId>]) -> Vec<String> {
    let plain: Vec<String> = tables
        .iter()
        .map(|table| table.map_or("functions".to_owned(), stem))
        .collect();
    let mut count: BTreeMap<String, usize> = BTreeMap::new();
    for stem in &plain {
        *count.entry(stem.to_lowercase()).or_default() += 1;
    }
    let mut taken = BTreeSet::new();
    let mut stems = vec![];
    for (stem, table) in plain.into_iter().zip(tables) {
        let Some(table) = table else {
            stems.push(stem);
            continue;
        };
        let own = shown(table);
        let is_own =
            own == stem && stem != "functions" && count.get(&stem.to_lowercase()) == Some(&1);
        let stem = if is_own {
            stem
        } else {
            let digest = digest([table.schema.as_str(), table.name.as_str()]);
            format!("{stem}-{}", digest.get(..8).unwrap_or(&digest))
        };
        debug_assert!(taken.insert(stem.clone()), "two files are named {stem}");
        stems.push(stem);
    }
    stems
}

/// `table`, or `schema.table` outside of the schemas that everybody means.
fn shown(table: &TableId) -> String {
    if matches!(table.schema.as_str(), "public" | "main") {
        table.name.clone()
    } else {
        table.to_string()
    }
}

fn stem(table: &TableId) -> String {
    let odd = |c: char| {
        c.is_control()
            || matches!(
                c,
                '/' | '\\' | ':' | '*' | '?' | '"' | '<' | '>' | '|' | '[' | ']'
            )
    };
    let stem: String = shown(table)
        .chars()
        .map(|c| if odd(c) { '_' } else { c })
        .take(LONGEST_NAME)
        .collect();
    // A file whose name begins with a dot is not found by a pattern.
    if let Some(rest) = stem.strip_prefix('.') {
        format!("_{rest}")
    } else {
        stem
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_is_added_where_it_belongs() {
        let added = |text: &str| with_include(text, "t/*.toml").unwrap();
        assert_eq!(
            added("version = 1 # first\r\n[vars]\n"),
            "version = 1 # first\r\ninclude = [\"t/*.toml\"]\n[vars]\n"
        );
        assert_eq!(
            added("version = 1"),
            "version = 1\ninclude = [\"t/*.toml\"]"
        );
        assert_eq!(
            added("include = []\nversion = 1\n"),
            "include = [\"t/*.toml\"]\nversion = 1\n"
        );
        assert_eq!(
            added("version = 1\ninclude = [\n  'a.toml', # one\n  'b.toml', # two\n]\n"),
            "version = 1\ninclude = [\n  'a.toml', # one\n  'b.toml', \"t/*.toml\", # two\n]\n"
        );
    }

    #[test]
    fn names_of_files_are_safe_and_different() {
        let tables: Vec<TableId> = [
            ("main", "users"),
            ("app", "users"),
            ("main", "Items"),
            ("main", "items"),
            ("main", "a/b"),
            ("main", "functions"),
            ("main", ".x"),
        ]
        .into_iter()
        .map(|(schema, name)| TableId {
            schema: schema.to_owned(),
            name: name.to_owned(),
        })
        .collect();
        let tables: Vec<Option<&TableId>> = tables.iter().map(Some).collect();
        let stems = stems(&tables);
        assert_eq!(stems[0], "users");
        assert_eq!(stems[1], "app.users");
        assert!(
            stems[2].starts_with("Items-") && stems[3].starts_with("items-"),
            "{stems:?}"
        );
        assert!(
            stems[4].starts_with("a_b-") && stems[5].starts_with("functions-"),
            "{stems:?}"
        );
        assert!(stems[6].starts_with("_x-"), "{stems:?}");
        let different: BTreeSet<String> = stems.iter().map(|stem| stem.to_lowercase()).collect();
        assert_eq!(different.len(), tables.len());
    }
}
