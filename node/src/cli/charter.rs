//! Founding a federation: the charter drafted, signed by each founder where its key is, and put together.

use std::fs;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use proto::digest::Digest;
use proto::key::SecretKey;
use proto::member::Member;

use super::{CliError, Data, Keys, confirm, io};
use crate::config::{self, Folder};
use crate::fence::write_durably;
use crate::keystore::{KeyName, Secrets};
use crate::membership;
use crate::passphrase::Passphrases;

/// `comity charter`
#[derive(Debug, Subcommand)]
pub enum Charter {
    /// Write and sign a charter with founders whose folders are at hand
    Create(Create),
    /// Write a charter for founders who are far apart, to be signed by each
    Draft(Draft),
    /// Sign a drafted charter with this folder's identity key; no network is needed
    Sign(Sign),
    /// Put the founders' signed copies together
    Assemble(Assemble),
    /// Show a charter: its members with their fingerprints, and who has signed
    Show(Show),
}

/// `comity charter create`
#[derive(Debug, Args)]
pub struct Create {
    /// The federation's name
    #[arg(long)]
    name: String,
    /// A founder's data folder; give one for each
    #[arg(long, required = true, value_name = "DIR")]
    member: Vec<PathBuf>,
    /// Where to write the charter
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    #[command(flatten)]
    keys: Keys,
}

/// `comity charter draft`
#[derive(Debug, Args)]
pub struct Draft {
    /// The federation's name
    #[arg(long)]
    name: String,
    /// A founder's file member.txt, which `comity init` has written; give one for each
    #[arg(long = "line", required = true, value_name = "FILE")]
    lines: Vec<PathBuf>,
    /// Where to write the draft
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
}

/// `comity charter sign`
#[derive(Debug, Args)]
pub struct Sign {
    #[command(flatten)]
    data: Data,
    #[command(flatten)]
    keys: Keys,
    /// The draft, or a copy that others have signed; your signature is added to it
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// Sign without asking
    #[arg(long)]
    yes: bool,
}

/// `comity charter assemble`
#[derive(Debug, Args)]
pub struct Assemble {
    /// Copies of one draft, each signed by some
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// Where to write the charter
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
}

/// `comity charter show`
#[derive(Debug, Args)]
pub struct Show {
    /// A charter, signed by all or not
    #[arg(value_name = "FILE")]
    file: PathBuf,
}

impl Charter {
    /// Does what was asked.
    pub fn run(self) -> Result<(), CliError> {
        match self {
            Charter::Create(create) => create.run(),
            Charter::Draft(draft) => draft.run(),
            Charter::Sign(sign) => sign.run(),
            Charter::Assemble(assemble) => assemble.run(),
            Charter::Show(show) => show.run(),
        }
    }
}

impl Create {
    fn run(self) -> Result<(), CliError> {
        let create = self;
        let (mut members, mut keys): (Vec<Member>, Vec<(String, SecretKey)>) = (Vec::new(), Vec::new());
        let mut passphrases = create.keys.passphrases();
        for path in &create.member {
            let (member, key) = founder(path, &mut passphrases)?;
            keys.push((member.code.clone(), key));
            members.push(member);
        }
        let mut charter = proto::charter::Charter::draft(&create.name, members).map_err(CliError::wrong)?;
        for (code, key) in &keys {
            charter.sign(code, key).map_err(CliError::wrong)?;
        }
        write_new(&create.out, &charter.to_bytes())?;
        println!("federation {}", charter.id());
        let codes: Vec<&str> = keys.iter().map(|(code, _)| code.as_str()).collect();
        println!("{} is signed by {}; give this file to everyone who joins", create.out.display(), codes.join(", "));
        Ok(())
    }
}

fn founder(path: &Path, passphrases: &mut Passphrases) -> Result<(Member, SecretKey), CliError> {
    let config = Folder::new(path).config().map_err(CliError::failed)?;
    let named =
        config.member.ok_or_else(|| CliError::wrong(format!("{} is a replica, not a member", path.display())))?;
    let mut secrets = Secrets::of(path, passphrases);
    let mut key = |name: KeyName| {
        let key = secrets.open(name).map_err(CliError::failed)?;
        key.ok_or_else(|| {
            CliError::wrong(format!("{} is missing; bring it back for the founding", name.path(path).display()))
        })
    };
    // The successor is opened too, though only its public half is written: the charter commits to it for good, so this is the
    // time to find out that its file is damaged or its passphrase forgotten.
    let (identity, successor) = (key(KeyName::Identity)?, key(KeyName::Successor)?);
    let member = Member {
        code: named.code,
        signer: true,
        identity_key: identity.public(),
        successor_digest: Digest::of(successor.public().as_bytes()),
        name: named.name,
    };
    Ok((member, identity))
}

impl Draft {
    fn run(self) -> Result<(), CliError> {
        let mut members = Vec::new();
        for path in &self.lines {
            let line = config::read(path).map_err(CliError::failed)?;
            members.push(membership::read_line(&line).map_err(CliError::wrong)?);
        }
        let charter = proto::charter::Charter::draft(&self.name, members).map_err(CliError::wrong)?;
        write_new(&self.out, charter.note().text.as_bytes())?;
        show(&charter);
        println!("next: every founder signs a copy, with `comity charter sign {}`", self.out.display());
        Ok(())
    }
}

impl Sign {
    fn run(self) -> Result<(), CliError> {
        let folder = self.data.folder()?;
        let mut charter = read(&self.file)?;
        let member = folder.config().map_err(CliError::failed)?.member;
        let code = member.map(|member| member.code);
        let code = code.ok_or_else(|| CliError::wrong("this folder is a replica's; only a founder signs"))?;
        show(&charter);
        confirm(&[format!("signs this charter as {code}, for good")], self.yes)?;
        let mut passphrases = self.keys.passphrases();
        let mut secrets = Secrets::of(folder.path(), &mut passphrases);
        let mut key = |name: KeyName| {
            let key = secrets.open(name).map_err(CliError::failed)?;
            key.ok_or_else(|| {
                CliError::wrong(format!(
                    "{} is missing; bring it back for the founding",
                    name.path(folder.path()).display()
                ))
            })
        };
        // The charter commits to the successor for good: this is the time to find out that its file is damaged or not there.
        let (identity, successor) = (key(KeyName::Identity)?, key(KeyName::Successor)?);
        let committed = Digest::of(successor.public().as_bytes());
        let listed = charter.member(&code).filter(|member| member.identity_key == identity.public());
        if listed.is_none_or(|member| member.successor_digest != committed) {
            return Err(CliError::wrong(format!(
                "the draft does not list {code} with this folder's identity key and successor; give {} to whoever drafts it",
                folder.member_file().display()
            )));
        }
        charter.sign(&code, &identity).map_err(CliError::wrong)?;
        write_durably(&self.file, &charter.to_bytes(), 0o644).map_err(io(&self.file))?;
        println!(
            "{} bears the signature of {code}; send it back to whoever assembles the charter",
            self.file.display()
        );
        Ok(())
    }
}

impl Assemble {
    fn run(self) -> Result<(), CliError> {
        let mut charters = Vec::new();
        for path in &self.files {
            charters.push((path, read(path)?));
        }
        let mut charters = charters.into_iter();
        let Some((first, mut charter)) = charters.next() else { return Ok(()) };
        for (path, other) in charters {
            if !charter.join(&other) {
                return Err(CliError::wrong(format!(
                    "{} and {} are copies of two different drafts; agree on one and sign that",
                    first.display(),
                    path.display()
                )));
            }
        }
        let missing: Vec<&str> = charter.missing().iter().map(|member| member.code.as_str()).collect();
        if !missing.is_empty() {
            return Err(CliError::wrong(format!(
                "the true signature of {} is missing; nothing was written. Ask for a signed copy",
                missing.join(", ")
            )));
        }
        write_new(&self.out, &charter.to_bytes())?;
        show(&charter);
        println!("{} is signed by every founder; give this file to everyone who joins", self.out.display());
        Ok(())
    }
}

impl Show {
    fn run(self) -> Result<(), CliError> {
        show(&read(&self.file)?);
        Ok(())
    }
}

fn read(path: &Path) -> Result<proto::charter::Charter, CliError> {
    let text = config::read(path).map_err(CliError::failed)?;
    let charter = proto::charter::Charter::read_unsigned(text.as_bytes());
    charter.map_err(|error| CliError::wrong(format!("{}: {error}", path.display())))
}

fn show(charter: &proto::charter::Charter) {
    println!("federation {}", charter.id());
    println!("name       {}", charter.name());
    let missing: Vec<&str> = charter.missing().iter().map(|member| member.code.as_str()).collect();
    for member in charter.members() {
        let role = if member.signer { "signer" } else { "member" };
        let signed = if missing.contains(&member.code.as_str()) { "NOT SIGNED" } else { "signed" };
        println!("{:<12} {role}, {signed}: {}", member.code, member.name);
        println!("  fingerprint {}", member.identity_key.fingerprint());
    }
}

fn write_new(path: &Path, bytes: &[u8]) -> Result<(), CliError> {
    let mut options = fs::OpenOptions::new();
    let file = options.write(true).create_new(true).mode(0o644).open(path);
    file.and_then(|mut file| file.write_all(bytes).and_then(|()| file.sync_all())).map_err(io(path))
}
