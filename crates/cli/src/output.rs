//! Where words go: standard output carries the result, standard error the rest.

// The one place of the product that prints.
#![allow(clippy::print_stdout, clippy::print_stderr)]

use std::{fmt::Display, io::Write};

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
            writeln!(stdout, "{value}")?;
        }
        Ok(stdout.flush()?)
    }

    /// A word about what is going on. Nobody reads it, nobody misses it.
    pub fn progress(self, text: impl Display) {
        let _ = writeln!(std::io::stderr(), "{text}");
    }
}

/// What went wrong, and why, in one paragraph.
pub fn error(error: &anyhow::Error) {
    let _ = writeln!(std::io::stderr(), "error: {error:#}");
}
