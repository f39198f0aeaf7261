//! Every command that the documents show is one that this program takes, with the options that it is shown with.

use std::{
    fs,
    path::{Path, PathBuf},
};

use clap::{Command, CommandFactory};

use crate::{Arguments, FIRST_STEPS};

/// A `myelin` command line in a document, without the program's name.
#[derive(Debug, PartialEq)]
struct Shown {
    line: String,
    words: Vec<String>,
    /// Whether it can be typed as it is; in running text arguments may be missing.
    whole: bool,
}

fn documents() -> Vec<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let mut found = Vec::new();
    let mut pending: Vec<PathBuf> = ["docs", "crates", "subnets", "tests"].map(|area| root.join(area)).into();
    found.extend(markdown_in(&root));
    while let Some(directory) = pending.pop() {
        found.extend(markdown_in(&directory));
        let entries = fs::read_dir(&directory).expect("reads").map(|entry| entry.expect("reads").path());
        pending.extend(entries.filter(|path| path.is_dir()));
    }
    found
}

fn markdown_in(directory: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(directory).expect("reads").map(|entry| entry.expect("reads").path());
    entries.filter(|path| path.extension().is_some_and(|extension| extension == "md")).collect()
}

/// Commands in fenced shell blocks, and those in backquotes.
fn commands_in(text: &str) -> Vec<Shown> {
    let mut commands = Vec::new();
    let mut block: Option<bool> = None;
    for line in text.lines().map(str::trim) {
        match (line.strip_prefix("```"), block) {
            (Some(language), None) => block = Some(matches!(language, "sh" | "bash" | "console")),
            (Some(_), Some(_)) => block = None,
            (None, Some(true)) => commands.extend(command(line.trim_start_matches("$ "), true)),
            (None, Some(false)) => {}
            (None, None) => {
                commands.extend(line.split('`').skip(1).step_by(2).filter_map(|span| command(span, false)))
            }
        }
    }
    commands
}

fn command(line: &str, whole: bool) -> Option<Shown> {
    let words = words_of(line);
    let arguments = match words.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        ["myelin", ..] => words.get(1..)?,
        ["cargo", "run", ..] => words.get(words.iter().position(|word| word == "--")? + 1..)?,
        _ => return None,
    };
    Some(Shown { line: line.to_owned(), words: arguments.to_vec(), whole })
}

/// Splits as a shell does, up to a comment or whatever else the shell takes for itself.
fn words_of(line: &str) -> Vec<String> {
    let (mut words, mut word, mut quote) = (Vec::new(), String::new(), None);
    for c in line.chars() {
        match (c, quote) {
            (c, Some(open)) if c == open => quote = None,
            (c, Some(_)) => word.push(c),
            ('"' | '\'', None) => quote = Some(c),
            ('#' | '|' | '>' | '&' | ';', None) if word.is_empty() => break,
            (' ', None) => words.extend(Some(std::mem::take(&mut word)).filter(|word| !word.is_empty())),
            (c, None) => word.push(c),
        }
    }
    words.extend(Some(word).filter(|word| !word.is_empty()));
    words
}

/// What is wrong with a command, if anything.
fn complaint(shown: &Shown) -> Option<String> {
    let mut program = Arguments::command();
    program.build();
    let unknown = unknown_command(&program, &shown.words);
    let refused = || {
        let words = std::iter::once("myelin").chain(shown.words.iter().map(String::as_str));
        let error = program.clone().try_get_matches_from(words).err()?;
        error.use_stderr().then(|| error.to_string())
    };
    unknown.or_else(|| if shown.whole { refused() } else { None })
}

/// The first word that should name a command and names none. Options end the names.
fn unknown_command(program: &Command, words: &[String]) -> Option<String> {
    let (first, rest) = words.split_first()?;
    if first.starts_with('-') || !program.has_subcommands() {
        return None;
    }
    // By its full name: documents do not abbreviate.
    match program.get_subcommands().find(|command| command.get_name() == first) {
        Some(command) => unknown_command(command, rest),
        None => Some(format!("`{}` has no command `{first}`", program.get_name())),
    }
}

#[test]
fn every_command_in_the_documents_exists() {
    let mut count = 0;
    for path in documents() {
        for shown in commands_in(&fs::read_to_string(&path).expect("reads")) {
            count += 1;
            let complaint = complaint(&shown);
            assert_eq!(complaint, None, "{}: `{}`", path.display(), shown.line);
        }
    }
    for line in FIRST_STEPS.lines().skip(1) {
        let (typed, _) = line.trim().split_once("  ").expect("a command and what it does");
        assert_eq!(complaint(&command(typed, true).expect("a command")), None, "{typed}");
    }
    assert!(count > 10, "the README alone shows more than {count} commands");
}

#[test]
fn wrong_commands_are_found() {
    let text =
        "Say `myelin fly` or `myelin query create`, not `myelin demo`.\n```sh\nmyelin dev --fly # up\n\
                myelin stake add 1 -w //Bob\ncargo run --release -- demo --keep | less\n```\n";
    let commands = commands_in(text);
    let wrong: Vec<bool> = commands.iter().map(|shown| complaint(shown).is_some()).collect();
    assert_eq!(wrong, [true, true, false, true, true, false]);
}

#[test]
fn words_are_split_as_a_shell_does() {
    assert_eq!(
        words_of("myelin subnet create --name \"my market\" -w me  # dear"),
        ["myelin", "subnet", "create", "--name", "my market", "-w", "me"]
    );
}
