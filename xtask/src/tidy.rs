//! Rules of the house that no compiler checks.
//!
//! * A storage item belongs to one concept: only files in the folder that declares it name it.
//! * Only `cli`, `xtask` and examples print.
//! * Every task that a document shows exists.
//! * Every link between documents leads somewhere.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use anyhow::{bail, Context, Result};
use clap::Parser;

pub fn check(root: &Path) -> Result<()> {
    let problems: Vec<String> =
        [storage_owners(root)?, printing(root)?, shown_tasks(root)?, links(root)?].concat();
    if problems.is_empty() {
        return Ok(());
    }
    bail!("{} untidy places:\n  {}", problems.len(), problems.join("\n  "))
}

/// Names of storage items used outside the folder that declares them.
fn storage_owners(root: &Path) -> Result<Vec<String>> {
    let pallet = root.join("pallets").join("subtensor").join("src");
    let files = rust_files(&pallet)?;
    let mut owners = BTreeMap::new();
    for (path, text) in &files {
        for item in declared_items(text) {
            if let Some(other) = owners.insert(item.clone(), folder(&pallet, path)) {
                return Ok(vec![format!("storage item {item} is declared twice, also in {other}")]);
            }
        }
    }
    let mut problems = Vec::new();
    for (path, text) in &files {
        let here = folder(&pallet, path);
        for item in used_items(text) {
            match owners.get(&item) {
                Some(owner) if *owner != here => problems.push(format!(
                    "{} names storage item {item}, which belongs to `{owner}`: call a function of that concept",
                    path.display()
                )),
                _ => {}
            }
        }
    }
    Ok(problems)
}

/// `pub type Name<T> =` after `#[pallet::storage]`.
fn declared_items(text: &str) -> Vec<String> {
    let mut lines = text.lines();
    let mut items = Vec::new();
    while let Some(line) = lines.next() {
        if line.trim() == "#[pallet::storage]" {
            let declaration = lines.next().unwrap_or_default().trim();
            items.extend(
                declaration
                    .strip_prefix("pub type ")
                    .and_then(|rest| rest.split('<').next())
                    .map(str::to_owned),
            );
        }
    }
    items
}

/// `Name::<T>` and `Name<T>` as generic argument.
fn used_items(text: &str) -> Vec<String> {
    let code: Vec<&str> = text.lines().filter(|line| !line.trim_start().starts_with("//")).collect();
    let code = code.join("\n");
    let uses = code.match_indices("::<T>").chain(code.match_indices("<T>"));
    uses.filter_map(|(end, _)| identifier_before(&code, end)).collect()
}

fn identifier_before(code: &str, end: usize) -> Option<String> {
    let before = code.get(..end)?;
    let start = before.rfind(|c: char| !c.is_alphanumeric() && c != '_').map_or(0, |index| index + 1);
    Some(before.get(start..)?.to_owned()).filter(|name| !name.is_empty())
}

fn folder(pallet: &Path, file: &Path) -> String {
    let relative = file.strip_prefix(pallet).unwrap_or(file);
    let mut parts = relative.components();
    let first = parts.next().map(|part| part.as_os_str().to_string_lossy().into_owned()).unwrap_or_default();
    if parts.next().is_some() {
        first
    } else {
        "the pallet's root".to_owned()
    }
}

/// Printing outside the places that talk to people.
fn printing(root: &Path) -> Result<Vec<String>> {
    let talkers = ["crates/cli", "xtask"];
    let mut problems = Vec::new();
    for area in ["crates", "pallets", "subnets"] {
        for (path, text) in rust_files(&root.join(area))? {
            let relative = path.strip_prefix(root).unwrap_or(&path);
            let may_print = talkers.iter().any(|talker| relative.starts_with(talker))
                || relative
                    .components()
                    .any(|part| matches!(part.as_os_str().to_str(), Some("examples" | "benches" | "tests")));
            let prints = text.lines().any(|line| {
                let line = line.trim_start();
                ["println!", "print!", "eprintln!", "eprint!"].iter().any(|name| line.starts_with(name))
            });
            if prints && !may_print {
                problems.push(format!("{} prints; only the command line does", relative.display()));
            }
        }
    }
    Ok(problems)
}

/// `cargo xtask ...` commands in documents that this program does not take. Those of `myelin` are tested where its parser is.
fn shown_tasks(root: &Path) -> Result<Vec<String>> {
    let mut problems = Vec::new();
    for document in documents(root)? {
        let text = fs::read_to_string(&document)?;
        let spans = text.split(['`', '\n']).map(str::trim).filter(|span| span.starts_with("cargo xtask"));
        for span in spans.filter(|span| !takes(span)) {
            problems.push(format!("{} shows `{span}`, which is no task", document.display()));
        }
    }
    Ok(problems)
}

/// Whether a command line, up to its comment, is one of this program's.
fn takes(line: &str) -> bool {
    let command = line.split(" #").next().unwrap_or_default();
    crate::Arguments::try_parse_from(command.split_whitespace().skip(1)).is_ok()
}

/// Relative links in documents that lead nowhere.
fn links(root: &Path) -> Result<Vec<String>> {
    let mut problems = Vec::new();
    for document in documents(root)? {
        let text = fs::read_to_string(&document)?;
        let targets = text.match_indices("](").filter_map(|(at, _)| text.get(at + 2..)?.split(')').next());
        for target in targets {
            let path = target.split('#').next().unwrap_or_default();
            let is_relative = !path.is_empty() && !path.contains("://") && !path.contains(' ');
            let directory = document.parent().unwrap_or(root);
            if is_relative && !directory.join(path).exists() {
                problems.push(format!("{} links to {target}, which does not exist", document.display()));
            }
        }
    }
    Ok(problems)
}

fn documents(root: &Path) -> Result<Vec<PathBuf>> {
    let mut documents = Vec::new();
    for directory in [root.to_path_buf(), root.join("docs"), root.join("docs").join("adr")] {
        for entry in fs::read_dir(&directory).with_context(|| directory.display().to_string())? {
            let path = entry?.path();
            if path.extension().is_some_and(|extension| extension == "md") {
                documents.push(path);
            }
        }
    }
    documents.sort();
    Ok(documents)
}

fn rust_files(directory: &Path) -> Result<Vec<(PathBuf, String)>> {
    let mut files = Vec::new();
    let mut pending = vec![directory.to_path_buf()];
    while let Some(directory) = pending.pop() {
        if !directory.exists() {
            continue;
        }
        for entry in fs::read_dir(&directory)? {
            let path = entry?.path();
            if path.is_dir() {
                pending.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                files.push((path.clone(), fs::read_to_string(&path)?));
            }
        }
    }
    files.sort();
    Ok(files)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn write(root: &Path, path: &str, text: &str) {
        let path = root.join(path);
        fs::create_dir_all(path.parent().expect("has a parent")).expect("creates");
        fs::write(path, text).expect("writes");
    }

    #[test]
    fn a_foreign_storage_item_is_found() {
        let root = tempfile::tempdir().expect("temporary directory");
        let root = root.path();
        let declaration = "#[pallet::storage]\npub type Burn<T> = StorageValue<_, u64>;\n";
        write(root, "pallets/subtensor/src/registration/storage.rs", declaration);
        write(root, "pallets/subtensor/src/registration/mod.rs", "fn f() { Burn::<T>::get() }");
        assert_eq!(storage_owners(root).expect("reads"), Vec::<String>::new());
        write(root, "pallets/subtensor/src/neurons/mod.rs", "fn f() { try_update::<Burn<T>, T>() }");
        assert_eq!(storage_owners(root).expect("reads").len(), 1);
    }

    #[test]
    fn printing_is_found_outside_the_command_line() {
        let root = tempfile::tempdir().expect("temporary directory");
        let root = root.path();
        write(root, "crates/cli/src/main.rs", "fn main() {\n    println!(\"result\");\n}");
        assert_eq!(printing(root).expect("reads"), Vec::<String>::new());
        write(root, "crates/chain/src/lib.rs", "fn f() {\n    eprintln!(\"noise\");\n}");
        assert_eq!(printing(root).expect("reads").len(), 1);
    }

    #[test]
    fn a_task_that_does_not_exist_is_found() {
        let root = tempfile::tempdir().expect("temporary directory");
        let root = root.path();
        write(root, "docs/adr/0001-x.md", "");
        write(
            root,
            "README.md",
            "Say `cargo xtask tidy`:\n```sh\ncargo xtask test --rust-only  # less\n```\n",
        );
        assert_eq!(shown_tasks(root).expect("reads"), Vec::<String>::new());
        write(root, "README.md", "Say `cargo xtask fly`:\n```sh\ncargo xtask test --fly\n```\n");
        assert_eq!(shown_tasks(root).expect("reads").len(), 2);
    }

    #[test]
    fn a_dead_link_is_found() {
        let root = tempfile::tempdir().expect("temporary directory");
        let root = root.path();
        write(root, "docs/adr/0001-x.md", "see [here](../map.md)");
        write(root, "docs/map.md", "nothing");
        assert_eq!(links(root).expect("reads"), Vec::<String>::new());
        write(root, "README.md", "[gone](docs/gone.md#part)");
        assert_eq!(links(root).expect("reads").len(), 1);
    }
}
