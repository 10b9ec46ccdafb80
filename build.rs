//! The built-in kinds are whatever folders there are in `templates/kinds`: a new one needs no list to be in. And the program
//! learns what it is built from, so that two builds of one version are told apart.

use std::fmt::Write as _;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::path::{Path, PathBuf};
use std::{env, error, fs};

fn main() -> Result<(), Box<dyn error::Error>> {
    let package = PathBuf::from(env::var("CARGO_MANIFEST_DIR")?);
    let build = digest(&package)?;
    println!("cargo::rustc-env=TRIGGERCTL_BUILD={build}");
    let root = package.join("templates/kinds");
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

/// Digest of all that has a say in what a spec is rendered to: the sources, the templates, and the versions of the libraries.
fn digest(package: &Path) -> Result<String, Box<dyn error::Error>> {
    let mut files = vec![];
    for folder in ["src", "templates"] {
        collect(&package.join(folder), &mut files)?;
    }
    let versions = package.join("Cargo.lock");
    if versions.exists() {
        println!("cargo::rerun-if-changed={}", versions.display());
        files.push(versions);
    }
    files.sort();
    // Two of 64 bits: nobody is kept out by it, but chance is.
    let (mut first, mut second) = (DefaultHasher::new(), DefaultHasher::new());
    "another".hash(&mut second);
    for path in files {
        let name = path.strip_prefix(package)?.to_string_lossy().into_owned();
        let file = (name, fs::read(&path)?);
        file.hash(&mut first);
        file.hash(&mut second);
    }
    Ok(format!("{:016x}{:016x}", first.finish(), second.finish()))
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
