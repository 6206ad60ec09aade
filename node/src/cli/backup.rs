//! Backups: writing one, and putting one into a new folder.

use std::path::PathBuf;

use clap::Args;

use super::{CliError, Data};
use crate::backup::{self, BackupError, Contents};
use crate::restore;

/// `comity backup`
#[derive(Debug, Args)]
pub struct Backup {
    #[command(flatten)]
    data: Data,
    /// Where to write it; an existing file is never overwritten
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
}

/// `comity restore`
#[derive(Debug, Args)]
pub struct Restore {
    /// The backup
    #[arg(value_name = "FILE")]
    file: PathBuf,
    #[command(flatten)]
    data: Data,
}

impl Backup {
    /// Writes the backup.
    pub fn run(self) -> Result<(), CliError> {
        let folder = self.data.folder()?;
        let contents = backup::make(&folder, &self.out).map_err(refused)?;
        println!("wrote {}: {}", self.out.display(), summary(&contents));
        println!("{}", secrets(&contents));
        println!("the marks of the fence are not in it, and belong into no backup");
        println!("back in a new folder: comity restore {} --data DIR", self.out.display());
        Ok(())
    }
}

impl Restore {
    /// Puts it in place.
    pub fn run(self) -> Result<(), CliError> {
        let folder = self.data.folder()?;
        let contents = restore::restore(&self.file, &folder).map_err(refused)?;
        let (path, is_member) = (folder.path().display(), contents.keys.iter().any(|key| key.name != "peer.pem"));
        println!("restored {path} as of {}: {}", contents.made, summary(&contents));
        println!(
            "no other copy of this folder may run from now on: stop the one that the backup was made of, for good"
        );
        if is_member {
            println!(
                "the node starts recovering: it reads from its peers what it published since, and publishes nothing itself until \
                 it has reached its mark, where this machine has one, and nodes of half of the other members, at most three, have \
                 confirmed that they hold no more. That ends by itself; `comity status --data {path}` says what is waited for"
            );
        }
        println!("next: comity run --data {path}");
        Ok(())
    }
}

fn summary(contents: &Contents) -> String {
    let megabytes = contents.bytes as f64 / 1e6;
    format!("{megabytes:.1} MB in {} segments, charter, configuration, {} keys", contents.segments, contents.keys.len())
}

/// Which secret keys there are, and what protects them.
fn secrets(contents: &Contents) -> String {
    let names = |is_encrypted: bool| {
        let keys = contents.keys.iter().filter(|key| key.is_encrypted == is_encrypted);
        keys.map(|key| key.name.as_str()).collect::<Vec<_>>().join(", ")
    };
    let (plain, encrypted) = (names(false), names(true));
    let mut words = Vec::new();
    if !encrypted.is_empty() {
        words.push(format!("it holds secret keys that a passphrase protects: {encrypted}"));
    }
    if !plain.is_empty() {
        words.push(format!(
            "it holds secret keys that are NOT encrypted: {plain}; whoever reads the file can use them, so keep it where nobody \
             else reads"
        ));
    }
    if words.is_empty() { "it holds no secret keys".to_owned() } else { words.join("\n") }
}

fn refused(error: BackupError) -> CliError {
    match error {
        BackupError::NotABackup(_) | BackupError::CutOff(_) | BackupError::Altered { .. } => CliError::wrong(error),
        other => CliError::failed(other),
    }
}
