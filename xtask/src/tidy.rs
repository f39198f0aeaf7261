//! Rules of the house that no compiler checks.
//!
//! * A storage item belongs to one concept: only files in the folder that declares it name it.
//! * Only `cli`, `xtask` and examples print.
//! * Every command that the README shows exists.
//! * Every link between documents leads somewhere.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use anyhow::{bail, Context, Result};

pub fn check(root: &Path) -> Result<()> {
    let problems: Vec<String> =
        [storage_owners(root)?, printing(root)?, readme_commands(root)?, links(root)?].concat();
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

/// `myelin ...` commands in the README whose words are no command of the program's source.
fn readme_commands(root: &Path) -> Result<Vec<String>> {
    let readme = fs::read_to_string(root.join("README.md")).context("README.md")?;
    let sources = rust_files(&root.join("crates").join("cli").join("src"))?;
    let lines: Vec<&str> = sources.iter().flat_map(|(_, text)| text.lines()).map(str::trim).collect();
    let known: Vec<String> = lines.iter().filter_map(|line| command_word(line)).collect();
    let pairs = lines.iter().zip(lines.iter().skip(1));
    let groups: Vec<String> = pairs
        .filter(|(line, _)| **line == "#[command(subcommand)]")
        .filter_map(|(_, next)| command_word(next))
        .collect();
    let mut problems = Vec::new();
    for line in code_lines(&readme) {
        let words = words_of(line);
        let checked = if words.first().is_some_and(|word| groups.contains(word)) { 2 } else { 1 };
        for word in words.iter().take(checked).filter(|word| !known.contains(word)) {
            problems.push(format!("README shows `{line}`, but there is no command `{word}`"));
        }
    }
    Ok(problems)
}

/// Lines inside fenced shell blocks.
fn code_lines(text: &str) -> Vec<&str> {
    let mut inside = false;
    let mut lines = Vec::new();
    for line in text.lines() {
        if let Some(language) = line.trim_start().strip_prefix("```") {
            inside = !inside && matches!(language.trim(), "sh" | "bash" | "console");
        } else if inside {
            lines.push(line.trim().trim_start_matches("$ "));
        }
    }
    lines
}

/// The words of a `myelin` command before its first option.
fn words_of(line: &str) -> Vec<String> {
    let mut words = line.split_whitespace();
    let is_program = match words.next() {
        Some("myelin") => true,
        Some("cargo") => line.contains(" run ") && words.by_ref().any(|word| word == "--"),
        _ => false,
    };
    let is_word =
        |word: &&str| word.chars().all(|c| c.is_ascii_lowercase() || c == '-') && !word.starts_with('-');
    if is_program {
        words.take_while(is_word).map(str::to_owned).collect()
    } else {
        Vec::new()
    }
}

/// The command that a variant of the parser stands for, in its spelling.
fn command_word(line: &str) -> Option<String> {
    let name: String = line.chars().take_while(|c| c.is_alphanumeric()).collect();
    let rest = line.get(name.len()..)?;
    let is_variant = name.chars().next()?.is_uppercase()
        && (rest.starts_with('(') || rest.starts_with(" {") || rest == ",");
    is_variant.then(|| kebab(&name))
}

fn kebab(name: &str) -> String {
    let mut word = String::new();
    for (index, c) in name.chars().enumerate() {
        if c.is_uppercase() && index > 0 {
            word.push('-');
        }
        word.extend(c.to_lowercase());
    }
    word
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
    fn a_command_that_does_not_exist_is_found() {
        let root = tempfile::tempdir().expect("temporary directory");
        let root = root.path();
        write(root, "crates/cli/src/main.rs", "enum Command {\n    Dev(DevArguments),\n    #[command(subcommand)]\n    Subnet(S),\n}\nenum S {\n    List,\n}");
        write(
            root,
            "README.md",
            "```sh\ncargo run --release -- dev\nmyelin subnet list --json\nmyelin dev now\n```\n",
        );
        assert_eq!(readme_commands(root).expect("reads"), Vec::<String>::new());
        write(root, "README.md", "```sh\nmyelin fly --json\nmyelin subnet fly\n```\n");
        assert_eq!(readme_commands(root).expect("reads").len(), 2);
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
