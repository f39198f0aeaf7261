//! Where words go: standard output carries the result, standard error the rest.

// The one place of the product that prints.
#![allow(clippy::print_stdout, clippy::print_stderr)]

use std::{
    fmt::Display,
    io::{self, Write},
    process::ExitCode,
};

use myelin_client::{ClientError, DispatchFailure};
use serde::Serialize;

/// Prints results as text or as JSON.
#[derive(Clone, Copy, Debug)]
pub struct Output {
    pub json: bool,
}

impl Output {
    /// The result of a command: one document, or a text for people.
    ///
    /// # Errors
    /// When standard output is closed or a value cannot be a document.
    pub fn result<Value: Serialize + Display>(self, value: &Value) -> anyhow::Result<()> {
        let mut stdout = std::io::stdout().lock();
        if self.json {
            serde_json::to_writer(&mut stdout, value)?;
            writeln!(stdout)?;
        } else {
            writeln!(stdout, "{}", plain(&value.to_string()))?;
        }
        Ok(stdout.flush()?)
    }

    /// What went wrong, and why, in one paragraph. Nothing if the reader of the result has gone, as `head` does.
    pub fn error(self, error: &anyhow::Error) {
        if !is_closed_pipe(error) {
            let failures = error.chain().filter_map(|cause| cause.downcast_ref::<ClientError>()?.failure());
            let name = failures.map(DispatchFailure::name).next();
            print_error(self.json, &paragraph(error), name);
        }
    }

    /// A word about what is going on. Nobody reads it, nobody misses it.
    pub fn progress(self, text: impl Display) {
        let _ = writeln!(std::io::stderr(), "{}", plain(&text.to_string()));
    }
}

/// An error as a document.
#[derive(Serialize)]
struct ErrorDocument<'a> {
    error: &'a str,
    /// The chain's name for it, such as `SubtensorModule.SubnetNotExists`, if it is one of the chain's.
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<String>,
}

/// A command line that cannot be understood, or a request for help; returns the exit code.
pub fn usage(error: &clap::Error) -> ExitCode {
    let json =
        std::env::args_os().take_while(|argument| argument != "--").any(|argument| argument == "--json");
    if json && error.use_stderr() {
        let text = error.render().to_string();
        print_error(json, text.strip_prefix("error: ").unwrap_or(&text).trim_end(), None);
    } else {
        // Nobody reads it, nobody misses it.
        let _ = error.print();
    }
    ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(u8::MAX))
}

fn print_error(json: bool, text: &str, name: Option<String>) {
    let document = || serde_json::to_string(&ErrorDocument { error: text, name }).ok();
    let line = if json { document() } else { None };
    let _ = writeln!(io::stderr(), "{}", line.unwrap_or_else(|| format!("error: {}", plain(text))));
}

/// The text without what a terminal takes for orders: names on a chain and words of a document are anybody's.
fn plain(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '\n' | '\t' => shown.push(letter),
            // The second kind turns the direction of what follows.
            _ if letter.is_control() => shown.extend(letter.escape_default()),
            '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => {
                shown.extend(letter.escape_default());
            }
            _ => shown.push(letter),
        }
    }
    shown
}

fn is_closed_pipe(error: &anyhow::Error) -> bool {
    let kind = |cause: &io::Error| cause.kind() == io::ErrorKind::BrokenPipe;
    let json = |cause: &serde_json::Error| cause.io_error_kind() == Some(io::ErrorKind::BrokenPipe);
    error.downcast_ref().is_some_and(kind) || error.downcast_ref().is_some_and(json)
}

/// The error and its causes, without those that the text before them has told already.
fn paragraph(error: &anyhow::Error) -> String {
    error.chain().map(ToString::to_string).fold(String::new(), |told, cause| match told.as_str() {
        "" => cause,
        _ if told.contains(&cause) => told,
        _ => format!("{told}: {cause}"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_terminal_gets_no_orders_from_a_name() {
        assert_eq!(plain("a\tb\nτ \u{1b}[31mred\r\u{202e}"), "a\tb\nτ \\u{1b}[31mred\\r\\u{202e}");
    }

    #[test]
    fn a_cause_is_told_once() {
        let error =
            anyhow::anyhow!("no such file").context("cannot open x: no such file; check x").context("dev");
        assert_eq!(paragraph(&error), "dev: cannot open x: no such file; check x");
    }

    #[test]
    fn a_closed_pipe_is_recognised() {
        let closed = || io::Error::from(io::ErrorKind::BrokenPipe);
        assert!(is_closed_pipe(&closed().into()));
        assert!(is_closed_pipe(&serde_json::Error::io(closed()).into()));
        assert!(!is_closed_pipe(&io::Error::from(io::ErrorKind::NotFound).into()));
    }
}
