//! Writing documents: templates to be filled in, and what is wrong with a file before anything is signed.

use std::fs::{self, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};

use clap::Args;
use clap::builder::PossibleValuesParser;

use super::{CliError, io};
use crate::document::{self, Document};
use crate::forms::{self, Form};
use crate::template::template;
use crate::views;

/// Bytes of a file that are read: twice the largest body, so that the error can say how long it is.
const FILE_BYTES_MAX: u64 = 1024 * 1024;

/// `comity new`
#[derive(Debug, Args)]
pub struct New {
    /// What kind of document
    #[arg(value_name = "KIND", value_parser = PossibleValuesParser::new(forms::kinds()))]
    kind: String,
    /// Where to write it; a file that is there is not overwritten
    #[arg(long, value_name = "FILE.md")]
    out: Option<PathBuf>,
}

/// `comity check`
#[derive(Debug, Args)]
pub struct Check {
    /// Markdown files with front matter
    #[arg(required = true, value_name = "FILE.md")]
    files: Vec<PathBuf>,
}

/// A file that was read and found sound.
pub(super) struct Checked {
    pub(super) file: views::File,
    pub(super) document: Document,
    pub(super) advice: Vec<String>,
}

impl New {
    /// Writes the template.
    pub fn run(self) -> Result<(), CliError> {
        let form = Form::of(&self.kind).ok_or_else(|| CliError::wrong(format!("{} is no kind", self.kind)))?;
        let text = template(form);
        let Some(out) = self.out else {
            print!("{text}");
            return Ok(());
        };
        let mut file = OpenOptions::new().write(true).create_new(true).open(&out).map_err(io(&out))?;
        file.write_all(text.as_bytes()).map_err(io(&out))?;
        println!("wrote {}; fill it in, then `comity check {}`", out.display(), out.display());
        Ok(())
    }
}

impl Check {
    /// Errors and advice of every file.
    pub fn run(self) -> Result<(), CliError> {
        let mut errors = Vec::new();
        for path in &self.files {
            match check(std::slice::from_ref(path)) {
                Err(found) => errors.extend(found),
                Ok(checked) => {
                    println!("{}: sound", path.display());
                    let advice = checked.iter().flat_map(|checked| &checked.advice);
                    advice.for_each(|words| println!("{}: advice: {words}", path.display()));
                }
            }
        }
        if errors.is_empty() { Ok(()) } else { Err(CliError::wrong(errors.join("\n"))) }
    }
}

/// All files, or everything that is wrong with any.
pub(super) fn check(paths: &[PathBuf]) -> Result<Vec<Checked>, Vec<String>> {
    let (mut checked, mut errors) = (Vec::new(), Vec::new());
    for path in paths {
        let shown = path.display().to_string();
        match read(path) {
            Err(error) => errors.push(error),
            Ok(bytes) => match document::read(&shown, &bytes) {
                Ok((document, advice)) => {
                    let text = String::from_utf8(bytes).unwrap_or_default();
                    let name = path.file_name().map_or(shown, |name| name.to_string_lossy().into_owned());
                    checked.push(Checked { file: views::File { name, text }, document, advice });
                }
                Err(found) => errors.extend(found.iter().map(ToString::to_string)),
            },
        }
    }
    if errors.is_empty() { Ok(checked) } else { Err(errors) }
}

fn read(path: &Path) -> Result<Vec<u8>, String> {
    let failed = |error: std::io::Error| format!("{}: {error}", path.display());
    let size = fs::metadata(path).map_err(failed)?.len();
    if size > FILE_BYTES_MAX {
        return Err(format!(
            "{}: has {size} bytes; a document's text may have about 250,000. Publish it in parts",
            path.display()
        ));
    }
    fs::read(path).map_err(failed)
}
