//! The built-in kinds are whatever folders there are in `templates/kinds`: a new one needs no list to be in.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::{env, error, fs};

fn main() -> Result<(), Box<dyn error::Error>> {
    let root = PathBuf::from(env::var("CARGO_MANIFEST_DIR")?).join("templates/kinds");
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-changed={}", root.display());
    let mut files = vec![];
    collect(&root, &mut files)?;
    let mut files = files
        .into_iter()
        .map(|path| {
            let name = path
                .strip_prefix(&root)?
                .to_string_lossy()
                .replace('\\', "/");
            Ok((name, path))
        })
        .collect::<Result<Vec<_>, Box<dyn error::Error>>>()?;
    files.sort();
    let mut code = String::from("&[\n");
    for (name, path) in files {
        writeln!(
            code,
            "    ({name:?}, include_str!({:?})),",
            path.display().to_string()
        )?;
    }
    code.push_str("]\n");
    fs::write(PathBuf::from(env::var("OUT_DIR")?).join("kinds.rs"), code)?;
    Ok(())
}

fn collect(folder: &Path, files: &mut Vec<PathBuf>) -> Result<(), Box<dyn error::Error>> {
    println!("cargo::rerun-if-changed={}", folder.display());
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            collect(&path, files)?;
        } else {
            files.push(path);
        }
    }
    Ok(())
}
