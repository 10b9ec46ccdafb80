//! Reading and writing whole text files, with messages that name the file and the way out.

use std::io::Write as _;
use std::path::Path;

use crate::error::Error;

/// The text of a file.
pub fn read(path: &Path) -> Result<String, Error> {
    let name = path.display();
    if path.is_dir() {
        return Err(Error::failed(format!(
            "`{name}` is a folder, and a file was expected"
        )));
    }
    let bytes = std::fs::read(path).map_err(|error| match error.kind() {
        std::io::ErrorKind::NotFound => Error::failed(format!("there is no file `{name}`")),
        _ => Error::failed(format!("`{name}` cannot be read: {error}")),
    })?;
    String::from_utf8(bytes).map_err(|_| Error::failed(format!("`{name}` is not UTF-8 text")))
}

/// Write a file so that it is there whole or not at all, even if the machine stops in between.
pub fn write_whole(path: &Path, text: &str) -> Result<(), Error> {
    let failed = |error: std::io::Error| {
        // Without the name of the temporary file, which is gone and says nothing.
        let reason = error.get_ref().and_then(|inner| inner.source());
        let reason = reason.map_or_else(|| error.to_string(), ToString::to_string);
        Error::failed(format!("`{}` cannot be written: {reason}", path.display()))
    };
    let folder = match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    if path.is_dir() {
        return Err(Error::failed(format!(
            "`{}` is a folder, and a file was expected",
            path.display()
        )));
    }
    if !folder.exists() {
        return Err(Error::failed(format!(
            "`{}` cannot be written: its folder `{}` does not exist",
            path.display(),
            folder.display()
        )));
    }
    let mut builder = tempfile::Builder::new();
    #[cfg(unix)]
    // Like any file that a program writes; the default of temporary files would shut everybody else out.
    builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666));
    let mut file = builder.tempfile_in(folder).map_err(failed)?;
    file.write_all(text.as_bytes()).map_err(failed)?;
    file.as_file().sync_all().map_err(failed)?;
    file.persist(path).map_err(|error| failed(error.error))?;
    Ok(())
}
