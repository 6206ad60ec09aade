//! Before the first run: keys, charter, and the folder's bond to a federation.

use std::fs;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use proto::charter;
use proto::digest::Digest;
use proto::key::SecretKey;
use proto::member::{self, Member};

use super::{CliError, Data, Keys, io};
use crate::config::{self, Folder};
use crate::fence::{Fence, write_durably};
use crate::keeper::Keeper;
use crate::keystore::{self, KeyName, Secrets};
use crate::network;
use crate::passphrase::{Passphrase, Passphrases};

/// `comity init`
#[derive(Debug, Args)]
pub struct Init {
    #[command(flatten)]
    data: Data,
    /// The member's code in the IPU Parline pattern: FI, KE-LC01
    #[arg(long, required_unless_present = "replica")]
    code: Option<String>,
    /// What the member calls itself
    #[arg(long, required_unless_present = "replica")]
    name: Option<String>,
    #[command(flatten)]
    keys: Keys,
    /// Keep the keys unencrypted, readable by this user alone
    #[arg(long, conflicts_with = "passphrase_fd")]
    no_passphrase: bool,
    /// A replica or bootstrap peer: reads and passes on everything, and signs nothing
    #[arg(long, conflicts_with_all = ["code", "name"])]
    replica: bool,
}

/// `comity charter`
#[derive(Debug, Subcommand)]
pub enum Charter {
    /// Write and sign a charter with founders whose folders are at hand
    Create(Create),
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

/// `comity join`
#[derive(Debug, Args)]
pub struct Join {
    #[command(flatten)]
    data: Data,
    /// The federation's charter
    #[arg(long, value_name = "FILE")]
    charter: PathBuf,
    /// A first peer to call, ending in /p2p/ and its peer id
    #[arg(long, value_name = "MULTIADDR")]
    peer: Vec<String>,
    #[command(flatten)]
    keys: Keys,
}

/// What to do where nobody can be asked for the passphrase of new keys.
const NO_PASSPHRASE: &str = "give it with --passphrase-fd N, or as the systemd credential comity-passphrase. --no-passphrase keeps the \
     keys as plain files that only this user can read: whoever can read this disk or its backups can then sign as this \
     parliament";

impl Init {
    /// Makes the folder.
    pub fn run(self) -> Result<(), CliError> {
        let folder = self.data.folder()?;
        let path = folder.path();
        if folder.config_file().exists() {
            return Err(CliError::failed(format!(
                "{} is a Comity data folder already; name another one with --data",
                path.display()
            )));
        }
        match (self.code, self.name) {
            (Some(code), Some(name)) if !self.replica => {
                if !member::is_code(&code) {
                    return Err(CliError::failed(format!(
                        "`{code}` is no code; write it as the IPU does: FI, KE-LC01, INT-IPU"
                    )));
                }
                let passphrase = match self.no_passphrase {
                    true => None,
                    false => Some(self.keys.passphrases().choose(NO_PASSPHRASE).map_err(CliError::failed)?),
                };
                fs::create_dir_all(path).map_err(io(path))?;
                member(&folder, &code, &name, passphrase.as_ref())
            }
            _ => {
                fs::create_dir_all(path).map_err(io(path))?;
                let peer = keystore::create(path, KeyName::Peer, None).map_err(CliError::failed)?;
                write_config(&folder, &config::template(None))?;
                println!("made a replica in {}", path.display());
                println!("peer id {}", network::peer_id(&peer).map_err(CliError::failed)?);
                println!("next: comity join --data {} --charter FILE --peer MULTIADDR", path.display());
                Ok(())
            }
        }
    }
}

fn member(folder: &Folder, code: &str, name: &str, passphrase: Option<&Passphrase>) -> Result<(), CliError> {
    let path = folder.path();
    let key = |key: KeyName, passphrase| keystore::create(path, key, passphrase).map_err(CliError::failed);
    let peer = key(KeyName::Peer, None)?;
    let (identity, desk) = (key(KeyName::Identity, passphrase)?, key(KeyName::Desk, passphrase)?);
    let successor = key(KeyName::Successor, passphrase)?;
    write_config(folder, &config::template(Some((code, name))))?;
    let config = folder.config().map_err(CliError::failed)?;
    let marks = folder.state_dir(&config).map_err(CliError::failed)?;
    let fence = Fence::open(&marks, path).map_err(CliError::failed)?;
    for log in [identity.public(), desk.public()] {
        fence.create(&log).map_err(CliError::failed)?;
    }
    println!("made the folder of {code}, {name}, in {}", path.display());
    for (name, key) in [("identity", &identity), ("desk", &desk), ("successor", &successor)] {
        println!("{name:<9} key {}", key.public());
        println!("  fingerprint {}", key.public().fingerprint());
    }
    println!("peer id       {}", network::peer_id(&peer).map_err(CliError::failed)?);
    println!("read the fingerprints to the other founders over the telephone; they compare them with the charter's");
    println!("marks of the fence are in {} and must not be restored from a backup", marks.display());
    println!(
        "move {} to a memory stick in a safe: it is the only key that can replace a stolen identity key",
        KeyName::Successor.path(path).display()
    );
    if passphrase.is_some() {
        println!("the keys open with the passphrase alone: keep it where they are not, for nobody can restore it");
    } else {
        println!("the keys are not encrypted: whoever reads this disk or its backups can sign as {code}");
    }
    println!("next: comity join --data {} --charter FILE --peer MULTIADDR", path.display());
    Ok(())
}

fn write_config(folder: &Folder, text: &str) -> Result<(), CliError> {
    let path = folder.config_file();
    write_durably(&path, text.as_bytes(), 0o644).map_err(io(&path))
}

impl Charter {
    /// Writes the charter.
    pub fn run(self) -> Result<(), CliError> {
        let Charter::Create(create) = self;
        let (mut members, mut keys): (Vec<Member>, Vec<(String, SecretKey)>) = (Vec::new(), Vec::new());
        let mut passphrases = create.keys.passphrases();
        for path in &create.member {
            let (member, key) = founder(path, &mut passphrases)?;
            keys.push((member.code.clone(), key));
            members.push(member);
        }
        let mut charter = charter::Charter::draft(&create.name, members).map_err(CliError::wrong)?;
        for (code, key) in &keys {
            charter.sign(code, key).map_err(CliError::wrong)?;
        }
        let mut options = fs::OpenOptions::new();
        let file = options.write(true).create_new(true).mode(0o644).open(&create.out);
        file.and_then(|mut file| file.write_all(&charter.to_bytes())).map_err(io(&create.out))?;
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

impl Join {
    /// Binds the folder.
    pub fn run(self) -> Result<(), CliError> {
        let folder = self.data.folder()?;
        let config = folder.config().map_err(CliError::failed)?;
        let charter = config::charter(&self.charter).map_err(CliError::wrong)?;
        if folder.charter_file().exists() {
            let bound = folder.charter().map_err(CliError::failed)?;
            if bound.id() != charter.id() {
                return Err(CliError::failed(format!(
                    "{} belongs to the federation “{}” ({}); make another folder for “{}” with `comity init`",
                    folder.path().display(),
                    bound.name(),
                    bound.id(),
                    charter.name()
                )));
            }
        }
        let mut passphrases = self.keys.passphrases();
        let mut secrets = Secrets::of(folder.path(), &mut passphrases);
        if let Some(member) = &config.member {
            // Opened before anything is written, so that a wrong passphrase leaves the folder as it was; and not again after. The
            // first time the identity key is needed for the first words of the governance log.
            secrets.open(KeyName::Desk).map_err(CliError::failed)?;
            let identity = match folder.charter_file().exists() {
                true => secrets.public(KeyName::Identity),
                false => secrets.open(KeyName::Identity).map(|key| key.map(|key| key.public())),
            };
            let identity = identity.map_err(CliError::failed)?;
            let listed = charter.member(&member.code).map(|member| member.identity_key);
            if listed.is_none() || identity.is_some_and(|key| Some(key) != listed) {
                return Err(CliError::wrong(format!(
                    "the charter does not list {} with this folder's identity key; ask the founders for the charter that does",
                    member.code
                )));
            }
        }
        write_durably(&folder.charter_file(), &charter.to_bytes(), 0o644).map_err(io(&folder.charter_file()))?;
        if !self.peer.is_empty() {
            let mut peers = config.network.peers.clone();
            peers.extend(self.peer.into_iter().filter(|peer| !config.network.peers.contains(peer)).collect::<Vec<_>>());
            let path = folder.config_file();
            let text = fs::read_to_string(&path).map_err(io(&path))?;
            write_config(&folder, &config::set(&text, "peers", &toml::Value::from(peers)))?;
        }
        // Opening writes the first entries of a member's own logs, so that it may publish at once, also without a network.
        let (keeper, _, notes) = Keeper::open_to_write(&folder, &mut secrets, false).map_err(CliError::failed)?;
        for note in notes {
            eprintln!("note: {note}");
        }
        keeper.close().map_err(CliError::failed)?;
        println!("{} joined “{}”, federation {}", folder.path().display(), charter.name(), charter.id());
        println!("next: comity run --data {}", folder.path().display());
        Ok(())
    }
}
