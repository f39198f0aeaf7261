//! How far the chain had come, beside the database.
//!
//! After an unclean stop the database goes on from the newest of its two last commits that is whole. Where the newest one is
//! damaged, it goes on from the other without a word. So the number of the tip is also in a file of its own, and somebody can
//! say that blocks are missing. The file tells and decides nothing: it is written after the commit, and not waited for.

use std::{
    fs::{File, OpenOptions},
    io,
    os::unix::fs::FileExt,
    path::Path,
};

use crate::Number;

const FILE_NAME: &str = "chain.tip";
/// Room for every number, so that the file keeps its length.
const WIDTH: usize = 10;

pub struct Waymark {
    file: File,
}

impl Waymark {
    /// Opens the file in the database's directory, and creates it when there is none.
    pub fn open(directory: &Path) -> io::Result<Self> {
        let mut options = OpenOptions::new();
        let file =
            options.read(true).write(true).create(true).truncate(false).open(directory.join(FILE_NAME))?;
        Ok(Self { file })
    }

    /// The tip that was written last; nothing when there is none, or it cannot be read.
    pub fn read(&self) -> Option<Number> {
        let mut text = [0; WIDTH];
        self.file.read_exact_at(&mut text, 0).ok()?;
        std::str::from_utf8(&text).ok()?.trim().parse().ok()
    }

    pub fn write(&self, tip: Number) {
        if let Err(error) = self.file.write_all_at(format!("{tip:>WIDTH$}\n").as_bytes(), 0) {
            tracing::debug!(%error, "cannot write {FILE_NAME}");
        }
    }
}
