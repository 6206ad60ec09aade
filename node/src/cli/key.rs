//! The identity key's weighty acts: asked for, signed here or on a machine that never sees a network, and handed in.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::edition::{DraftAct, SignAct};
use super::perform::{adopt_desk, adopt_successor, asked, hand_in, new_desk, perform, sign};
use super::{CliError, Data, Keys, confirm, io};
use crate::acts::{self, Act};
use crate::config::{self, Folder};
use crate::fence::write_durably;
use crate::keystore::{self, KeyName};
use crate::passphrase::Passphrases;
use crate::signing::{Reading, Signed};

/// `comity key`
#[derive(Debug, Subcommand)]
pub enum Key {
    /// Let a desk publish for this member: with a new key for this folder, or one that is named
    Delegate(Delegate),
    /// End a desk's log, for good
    Revoke(Revoke),
    /// Let the successor key take over from the identity key
    Rotate(Rotate),
    /// Write what the identity key is to sign into a file, for the machine where that key is
    Request(Request),
    /// Sign such a file, on the machine where the key is; no network is needed
    Sign(Sign),
    /// Hand in what was signed there
    Submit(Submit),
}

/// `comity key delegate`
#[derive(Debug, Args)]
pub struct Delegate {
    #[command(flatten)]
    data: Data,
    #[command(flatten)]
    keys: Keys,
    #[command(flatten)]
    act: DelegateAct,
}

/// `comity key revoke`
#[derive(Debug, Args)]
pub struct Revoke {
    #[command(flatten)]
    data: Data,
    #[command(flatten)]
    keys: Keys,
    #[command(flatten)]
    act: RevokeAct,
}

/// `comity key rotate`
#[derive(Debug, Args)]
pub struct Rotate {
    #[command(flatten)]
    data: Data,
    #[command(flatten)]
    keys: Keys,
}

/// `comity key request`
#[derive(Debug, Args)]
pub struct Request {
    #[command(flatten)]
    data: Data,
    #[command(flatten)]
    keys: Keys,
    /// Where to write the request
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    /// What to ask for
    #[command(subcommand)]
    act: Asked,
}

/// What a request may ask for.
#[derive(Debug, Subcommand)]
pub enum Asked {
    /// Let a desk publish for this member
    Delegate(DelegateAct),
    /// End a desk's log, for good
    Revoke(RevokeAct),
    /// Let the successor key take over
    Rotate,
    /// Propose another list of members, and sign it
    Draft(DraftAct),
    /// Sign a draft
    Sign(SignAct),
}

/// A delegation.
#[derive(Debug, Args)]
pub struct DelegateAct {
    /// What the desk is called
    #[arg(long, default_value = "Library")]
    desk: String,
    /// The desk's public key; without it, this folder gets a new desk key
    #[arg(long, value_name = "KEY")]
    key: Option<String>,
}

/// A revocation.
#[derive(Debug, Args)]
pub struct RevokeAct {
    /// The desk's public key
    #[arg(value_name = "KEY")]
    key: String,
    /// Entries that stand; all that this node holds, unless given
    #[arg(long, value_name = "N")]
    size: Option<u64>,
    /// Why, for everyone
    #[arg(long)]
    reason: String,
}

/// `comity key sign`
#[derive(Debug, Args)]
pub struct Sign {
    #[command(flatten)]
    data: Data,
    #[command(flatten)]
    keys: Keys,
    /// The request
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// Where to write what was signed
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    /// Sign without asking
    #[arg(long)]
    yes: bool,
}

/// `comity key submit`
#[derive(Debug, Args)]
pub struct Submit {
    #[command(flatten)]
    data: Data,
    /// What was signed
    #[arg(value_name = "FILE")]
    file: PathBuf,
}

impl Key {
    /// Does what was asked.
    pub fn run(self) -> Result<(), CliError> {
        match self {
            Key::Delegate(Delegate { data, keys, act }) => {
                let folder = data.folder()?;
                let makes_key = act.key.is_none();
                let mut passphrases = keys.passphrases();
                let act = act.act(&folder, &mut passphrases)?;
                perform(&folder, &mut passphrases, &act, true)?;
                if makes_key { adopt_desk(&folder) } else { Ok(()) }
            }
            Key::Revoke(Revoke { data, keys, act }) => {
                perform(&data.folder()?, &mut keys.passphrases(), &act.act()?, true)
            }
            Key::Rotate(Rotate { data, keys }) => perform(&data.folder()?, &mut keys.passphrases(), &Act::Rotate, true),
            Key::Request(request) => request.run(),
            Key::Sign(sign) => sign.run(),
            Key::Submit(submit) => {
                let folder = submit.data.folder()?;
                let text = config::read(&submit.file).map_err(CliError::failed)?;
                let signed = Signed::read(&text).map_err(CliError::wrong)?;
                hand_in(&folder, &signed)?;
                let next = keystore::find(folder.path(), KeyName::NextDesk).map_err(CliError::failed)?;
                let next = next.and_then(|key| key.public());
                let is_delegated = next.is_some_and(|key| signed.delegates(&key));
                if is_delegated { adopt_desk(&folder) } else { Ok(()) }
            }
        }
    }
}

impl DelegateAct {
    /// The act, with a new key that waits in the folder where none was named.
    fn act(self, folder: &Folder, passphrases: &mut Passphrases) -> Result<Act, CliError> {
        let key = match self.key {
            Some(key) => key,
            None => new_desk(folder, passphrases)?,
        };
        Ok(Act::Delegate { key, desk: self.desk })
    }
}

impl RevokeAct {
    fn act(self) -> Result<Act, CliError> {
        let reason = self.reason.trim().to_owned();
        if reason.is_empty() {
            return Err(CliError::wrong("say why, with --reason: everyone will read it"));
        }
        Ok(Act::Revoke { key: self.key, size: self.size, reason })
    }
}

impl Request {
    fn run(self) -> Result<(), CliError> {
        let folder = self.data.folder()?;
        let act = match self.act {
            Asked::Delegate(act) => act.act(&folder, &mut self.keys.passphrases())?,
            Asked::Revoke(act) => act.act()?,
            Asked::Rotate => Act::Rotate,
            Asked::Draft(act) => act.act()?,
            Asked::Sign(act) => act.act(),
        };
        let request = asked(&folder, &act)?;
        let reading = Reading::of(&request).map_err(CliError::wrong)?;
        let text = serde_json::to_string_pretty(&request).map_err(CliError::failed)?;
        write_durably(&self.out, text.as_bytes(), 0o644).map_err(io(&self.out))?;
        reading.words.iter().for_each(|words| println!("{words}"));
        println!("next, where the key is: comity key sign {} --out FILE, and bring that file back", self.out.display());
        Ok(())
    }
}

impl Sign {
    fn run(self) -> Result<(), CliError> {
        let folder = self.data.folder()?;
        let text = config::read_long(&self.file).map_err(CliError::failed)?;
        let request: acts::Request = serde_json::from_str(&text)
            .map_err(|error| CliError::wrong(format!("{}: {error}; make the request again", self.file.display())))?;
        let reading = Reading::of(&request).map_err(CliError::wrong)?;
        println!("for {} in “{}”, federation {}:", request.member, request.federation_name, request.federation);
        confirm(&reading.words, self.yes)?;
        let signed = sign(&folder, &mut self.keys.passphrases(), &request, &reading)?;
        let text = serde_json::to_string_pretty(&signed).map_err(CliError::failed)?;
        write_durably(&self.out, text.as_bytes(), 0o644).map_err(io(&self.out))?;
        if reading.rotates() {
            adopt_successor(&folder)?;
        }
        println!("next, where the node is: comity key submit {}", self.out.display());
        Ok(())
    }
}
