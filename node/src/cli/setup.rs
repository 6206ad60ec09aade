//! Before the first run: keys, charter, and the folder's bond to a federation.

use std::fs;
use std::path::PathBuf;

use clap::Args;
use proto::digest::Digest;
use proto::member::{self, Member};

use super::{CliError, Data, Keys, io};
use crate::config::{self, Folder};
use crate::fence::{Fence, write_durably};
use crate::invitation::Invitation;
use crate::keeper::Keeper;
use crate::keystore::{self, KeyName, Secrets};
use crate::network;
use crate::passphrase::{Passphrase, Passphrases, Source};

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
    /// A member whose signature does not count for the next list of members: an observer
    #[arg(long, conflicts_with = "replica")]
    observer: bool,
}

/// `comity join`
#[derive(Debug, Args)]
pub struct Join {
    #[command(flatten)]
    data: Data,
    /// What `comity invite` printed: the charter is fetched from a peer
    #[arg(value_name = "INVITATION", required_unless_present = "charter", conflicts_with = "charter")]
    invitation: Option<String>,
    /// The federation's charter, where it is at hand
    #[arg(long, value_name = "FILE")]
    charter: Option<PathBuf>,
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
                member(&folder, &code, &name, !self.observer, passphrase.as_ref())
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

fn member(
    folder: &Folder,
    code: &str,
    name: &str,
    signer: bool,
    passphrase: Option<&Passphrase>,
) -> Result<(), CliError> {
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
    let line = Member {
        code: code.to_owned(),
        signer,
        identity_key: identity.public(),
        successor_digest: Digest::of(successor.public().as_bytes()),
        name: name.to_owned(),
    };
    let line_file = folder.member_file();
    write_durably(&line_file, format!("{}\n", line.to_line()).as_bytes(), 0o644).map_err(io(&line_file))?;
    println!("made the folder of {code}, {name}, in {}", path.display());
    for (name, key) in [("identity", &identity), ("desk", &desk), ("successor", &successor)] {
        println!("{name:<9} key {}", key.public());
        println!("  fingerprint {}", key.public().fingerprint());
    }
    println!("peer id       {}", network::peer_id(&peer).map_err(CliError::failed)?);
    println!("give {} to whoever drafts the charter, or the edition that is to list {code}", line_file.display());
    println!("read the fingerprints to the other members over the telephone; they compare them with the list's");
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

/// The charter that an invitation leads to.
fn fetch(folder: &Folder, invitation: &Invitation) -> Result<proto::charter::Charter, CliError> {
    let missing = || CliError::failed(format!("{} is missing", KeyName::Peer.path(folder.path()).display()));
    let mut key = keystore::find(folder.path(), KeyName::Peer).map_err(CliError::failed)?.ok_or_else(missing)?;
    // The peer key is plain: nobody has to be asked.
    let key = key.open(&mut Passphrases::new(Source::Nowhere)).map_err(CliError::failed)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(CliError::failed)?;
    let charter = runtime.block_on(invitation.fetch(folder, key)).map_err(CliError::wrong)?;
    eprintln!("the charter of “{}” came from a peer, and every founder has signed it", charter.name());
    Ok(charter)
}

impl Join {
    /// Binds the folder.
    pub fn run(self) -> Result<(), CliError> {
        let folder = self.data.folder()?;
        let config = folder.config().map_err(CliError::failed)?;
        let invitation: Option<Invitation> =
            self.invitation.map(|text| text.parse()).transpose().map_err(CliError::wrong)?;
        let charter = match (&self.charter, &invitation) {
            (Some(file), _) => config::charter(file).map_err(CliError::wrong)?,
            (None, Some(invitation)) => fetch(&folder, invitation)?,
            (None, None) => return Err(CliError::wrong("name an invitation, or a charter with --charter")),
        };
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
            match charter.member(&member.code) {
                Some(listed) if identity.is_some_and(|key| key != listed.identity_key) => {
                    return Err(CliError::wrong(format!(
                        "the charter lists {} with another identity key than this folder's; ask the founders for the charter that \
                         has yours, or, where an edition has given you another key since, join as a replica first",
                        member.code
                    )));
                }
                Some(_) => {}
                None => eprintln!(
                    "note: the charter does not list {}; this node reads like a replica until an edition does. Give {} to a signer, \
                     who drafts it with `comity edition draft --line FILE`; once it is valid here, start the node again",
                    member.code,
                    folder.member_file().display()
                ),
            }
        }
        write_durably(&folder.charter_file(), &charter.to_bytes(), 0o644).map_err(io(&folder.charter_file()))?;
        let invited = invitation.map(|invitation| invitation.peers).unwrap_or_default();
        let given: Vec<String> = self.peer.into_iter().chain(invited).collect();
        if !given.is_empty() {
            let mut peers = config.network.peers.clone();
            peers.extend(given.into_iter().filter(|peer| !config.network.peers.contains(peer)).collect::<Vec<_>>());
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
