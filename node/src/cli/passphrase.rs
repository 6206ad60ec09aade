//! `comity passphrase`: another passphrase for the keys of a folder, or the first one for keys that were plain.

use clap::Args;

use super::{CliError, Data, Keys};
use crate::keystore::{self, KeyName, SIGNING};
use crate::passphrase::{Passphrases, Source};

/// `comity passphrase`
#[derive(Debug, Args)]
pub struct Change {
    #[command(flatten)]
    data: Data,
    #[command(flatten)]
    keys: Keys,
    /// Read the new passphrase from this file descriptor, its first line; otherwise it is asked for at the terminal
    #[arg(long, value_name = "N")]
    new_passphrase_fd: Option<u32>,
}

impl Change {
    /// Changes it.
    pub fn run(self) -> Result<(), CliError> {
        let folder = self.data.folder()?;
        folder.config().map_err(CliError::failed)?;
        let (data, mut old, mut any) = (folder.path(), None, false);
        for name in SIGNING {
            let Some(stored) = keystore::find(data, name).map_err(CliError::failed)? else { continue };
            any = true;
            if stored.is_encrypted() && old.is_none() {
                let given = self.keys.passphrases().of(&name.path(data));
                old = Some(given.map_err(CliError::failed)?);
            }
        }
        if !any {
            return Err(CliError::wrong(format!(
                "{} holds no key that signs; a replica's peer key needs no passphrase",
                data.display()
            )));
        }
        let new = Passphrases::new(Source::find_new(self.new_passphrase_fd));
        let new = new.choose("give the new one with --new-passphrase-fd N").map_err(CliError::failed)?;
        let changes = keystore::change(data, old.as_ref(), &new).map_err(CliError::failed)?;
        for (name, change) in &changes {
            println!("{}: {}", name.path(data).display(), words(*change));
        }
        if changes.iter().any(|(_, change)| *change == keystore::Change::Encrypted) {
            println!(
                "what was plain may still be found in backups and in free space of the disk: the passphrase keeps out whoever comes \
                 from now on"
            );
        }
        if !changes.iter().any(|(name, _)| *name == KeyName::Successor) {
            println!("the successor key is elsewhere, and keeps the passphrase it has there");
        }
        Ok(())
    }
}

fn words(change: keystore::Change) -> &'static str {
    match change {
        keystore::Change::Encrypted => "was plain and is encrypted now",
        keystore::Change::Changed => "has the new passphrase",
        keystore::Change::Already => "had the new passphrase already",
    }
}
