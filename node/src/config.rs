//! What an operator decides: `comity.toml` in the data folder, and where everything in that folder is.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use proto::charter::Charter;
use proto::digest::{Digest, DigestError};
use serde::Deserialize;
use thiserror::Error;

use crate::network::Bounds;

/// Bytes of a config or charter file that are read: 256 KiB is the largest charter.
const FILE_BYTES_MAX: u64 = 512 * 1024;

/// The whole of `comity.toml`. Every key is optional; an unknown one is an error.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// The member whose node this is; absent for a replica or a bootstrap peer.
    pub member: Option<MemberConfig>,
    /// Whom to talk to and how.
    pub network: NetworkConfig,
    /// The pages and the API.
    pub http: HttpConfig,
    /// What this node does without, and does not show.
    pub policy: PolicyConfig,
    /// Between rival editions: the digest of the one whose line counts here.
    pub pin: Option<String>,
    /// Where the marks of the fence are; `$XDG_STATE_HOME/comity` unless given.
    pub state_dir: Option<PathBuf>,
}

impl Config {
    /// The edition that was pinned, by its digest.
    pub fn pin(&self) -> Result<Option<Digest>, ConfigError> {
        let Some(pin) = &self.pin else { return Ok(None) };
        pin.parse().map(Some).map_err(|error: DigestError| ConfigError::File {
            path: "comity.toml".into(),
            what: format!("pin = \"{pin}\": {error}; `comity edition list` shows the digests"),
        })
    }
}

/// The member.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MemberConfig {
    /// Its code in the IPU Parline pattern.
    pub code: String,
    /// What it calls itself.
    pub name: String,
    /// What its desk is called.
    #[serde(default = "desk")]
    pub desk: String,
}

/// Whom to talk to and how.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct NetworkConfig {
    /// Multiaddrs to listen on.
    pub listen: Vec<String>,
    /// Multiaddrs under which others reach this node; published in the phone book.
    pub announce: Vec<String>,
    /// First addresses to call, each ending in `/p2p/<peer id>`.
    pub peers: Vec<String>,
    /// Whether private and loopback addresses of the phone book may be called.
    pub allow_private: bool,
    /// Whether to gossip. Without it everything still arrives, by sync.
    pub gossip: bool,
    /// Connections that one address may have opened at once.
    pub connections_per_address: usize,
    /// Connections that one address may open in a minute.
    pub new_connections_per_minute: u32,
    /// Seconds of the first block of a peer or an address that misbehaves.
    pub first_block_seconds: u64,
}

/// The pages and the API.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct HttpConfig {
    /// Address and port.
    pub listen: String,
    /// Names under which the pages may be asked for, besides loopback and the address itself.
    pub hosts: Vec<String>,
    /// Mail address of whoever answers for this node: harvesters are told.
    pub contact: String,
}

/// What this node does without, and does not show. It is told to no peer and changes nothing for anyone else.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct PolicyConfig {
    /// Members by their codes, works as `CODE/slug`, or logs by their keys, whose texts are neither kept nor fetched.
    pub deny: Vec<String>,
    /// The same, whose texts are kept and not shown.
    pub hide: Vec<String>,
    /// By a member's code: how much of its publication logs is taken.
    pub quotas: BTreeMap<String, QuotaConfig>,
}

/// How much of one member is taken; without a number as much as there is.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct QuotaConfig {
    /// Entries of its publication logs together.
    pub entries: Option<u64>,
    /// Bytes of their texts.
    pub bytes: Option<u64>,
}

impl Default for NetworkConfig {
    fn default() -> NetworkConfig {
        let listen = vec!["/ip4/0.0.0.0/tcp/8114".to_owned(), "/ip6/::/tcp/8114".to_owned()];
        let Bounds { connections_per_address, new_connections_per_minute, first_block_seconds } = Bounds::default();
        NetworkConfig {
            listen,
            announce: Vec::new(),
            peers: Vec::new(),
            allow_private: false,
            gossip: true,
            connections_per_address,
            new_connections_per_minute,
            first_block_seconds,
        }
    }
}

impl Default for HttpConfig {
    fn default() -> HttpConfig {
        HttpConfig {
            listen: "127.0.0.1:8014".to_owned(),
            hosts: Vec::new(),
            contact: "nobody@comity.invalid".to_owned(),
        }
    }
}

fn desk() -> String {
    "Library".to_owned()
}

/// Why a folder cannot be used as it is.
#[derive(Debug, Error)]
pub enum ConfigError {
    /// Nothing was set up there.
    #[error("{0} is not a Comity data folder; make one with `comity init --data {0} ..`")]
    NotInitialised(PathBuf),
    /// Bound to no federation.
    #[error("{0} belongs to no federation yet; join one with `comity join --data {0} --charter FILE`")]
    NotJoined(PathBuf),
    /// The file cannot be read.
    #[error("{path}: {what}")]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        what: String,
    },
    /// There is no place for the fence's marks.
    #[error("neither XDG_STATE_HOME nor HOME is set; say in {0} where the marks are, with `state_dir = \"..\"`")]
    NoStateDir(PathBuf),
}

/// The places in one data folder.
#[derive(Clone, Debug)]
pub struct Folder(PathBuf);

impl Folder {
    /// The folder at a path.
    pub fn new(path: &Path) -> Folder {
        Folder(path.to_owned())
    }

    /// The folder itself.
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// What the operator decided.
    pub fn config_file(&self) -> PathBuf {
        self.0.join("comity.toml")
    }

    /// The charter of the federation it is bound to.
    pub fn charter_file(&self) -> PathBuf {
        self.0.join("charter")
    }

    /// The member's line for a list of members.
    pub fn member_file(&self) -> PathBuf {
        self.0.join("member.txt")
    }

    /// Segments and sled.
    pub fn store(&self) -> PathBuf {
        self.0.join("store")
    }

    /// The search index.
    pub fn index(&self) -> PathBuf {
        self.0.join("index")
    }

    /// Addresses of peers, for the next start.
    pub fn address_book(&self) -> PathBuf {
        self.0.join("peers.json")
    }

    /// The bearer token for writing.
    pub fn token_file(&self) -> PathBuf {
        self.0.join("token")
    }

    /// The HTTP address of the node that runs on this folder.
    pub fn http_file(&self) -> PathBuf {
        self.0.join("http")
    }

    /// Reads the config.
    pub fn config(&self) -> Result<Config, ConfigError> {
        let path = self.config_file();
        if !path.exists() {
            return Err(ConfigError::NotInitialised(self.0.clone()));
        }
        let text = read(&path)?;
        // toml's words name line and column.
        toml::from_str(&text).map_err(|error| ConfigError::File { path, what: error.to_string() })
    }

    /// Reads the charter this folder is bound to, verified.
    pub fn charter(&self) -> Result<Charter, ConfigError> {
        let path = self.charter_file();
        if !path.exists() {
            self.config()?;
            return Err(ConfigError::NotJoined(self.0.clone()));
        }
        charter(&path)
    }

    /// Where the fence's marks are.
    pub fn state_dir(&self, config: &Config) -> Result<PathBuf, ConfigError> {
        if let Some(dir) = &config.state_dir {
            return Ok(dir.clone());
        }
        let set = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
        let base = set("XDG_STATE_HOME").or_else(|| set("HOME").map(|home| home.join(".local/state")));
        base.map(|base| base.join("comity")).ok_or_else(|| ConfigError::NoStateDir(self.config_file()))
    }
}

/// Reads and verifies a charter file.
pub fn charter(path: &Path) -> Result<Charter, ConfigError> {
    let text = read(path)?;
    Charter::verify(text.as_bytes()).map_err(|error| ConfigError::File {
        path: path.to_owned(),
        what: format!("{error}; ask a founder for the charter again"),
    })
}

/// Reads a request for the identity key: at most all entries of a governance log, and a draft.
pub fn read_long(path: &Path) -> Result<String, ConfigError> {
    read_up_to(path, 8 * FILE_BYTES_MAX)
}

/// Reads a small text file.
pub fn read(path: &Path) -> Result<String, ConfigError> {
    read_up_to(path, FILE_BYTES_MAX)
}

fn read_up_to(path: &Path, bytes_max: u64) -> Result<String, ConfigError> {
    let failed = |what: String| ConfigError::File { path: path.to_owned(), what };
    let meta = fs::metadata(path).map_err(|error| failed(error.to_string()))?;
    if meta.len() > bytes_max {
        return Err(failed(format!("it has over {bytes_max} bytes")));
    }
    fs::read_to_string(path).map_err(|error| failed(error.to_string()))
}

/// The commented config that `comity init` writes.
pub fn template(member: Option<(&str, &str)>) -> String {
    let quote = |text: &str| toml::Value::String(text.to_owned()).to_string();
    let member = member.map_or_else(String::new, |(code, name)| {
        format!(
            "[member]\n# The parliament whose node this is, by its code in the IPU Parline pattern.\ncode = {}\nname = {}\n# \
             What the desk that publishes is called on pages.\ndesk = \"Library\"\n\n",
            quote(code),
            quote(name)
        )
    });
    format!(
        "# Comity: what the operator of this node decides. A line that begins with # shows the default.\n\n\
         # Where the marks are that keep a restored backup from writing twice. Never inside this folder.\n\
         # state_dir = \"~/.local/state/comity\"\n\
         # Where two valid lists of members rival: the digest of the one that counts here.\n# pin = \"\"\n\n{member}\
         [network]\n# Where this node listens for peers. An empty list: it only calls others.\n\
         # listen = [\"/ip4/0.0.0.0/tcp/8114\", \"/ip6/::/tcp/8114\"]\n\
         # Under which addresses others reach it. They are published in the federation's phone book.\n\
         # announce = [\"/dns4/comity.parliament.example/tcp/8114\"]\n\
         # First addresses to call; each ends in /p2p/ and the peer id.\npeers = []\n\
         # Whether private addresses in the phone book may be called.\n# allow_private = false\n\
         # Gossip only makes things fast; with false everything still arrives.\n# gossip = true\n\
         # Connections that one address may have opened at once, and open in a minute; of IPv6 an address is a /64. Raise both\n\
         # where many nodes reach this one from one address.\n\
         # connections_per_address = 8\n# new_connections_per_minute = 30\n\
         # Seconds for which a peer or an address that misbehaves is blocked at first. Each further block is four times as long.\n\
         # first_block_seconds = 60\n\n\
         [http]\n# Pages and API. Anyone who reaches this address can read; writing needs the token in this folder.\n\
         # listen = \"127.0.0.1:8014\"\n# Other names under which the pages may be asked for.\n# hosts = []\n\
         # Whom an aggregator of library catalogues writes to: the mail address of a role.\n# contact = \"nobody@comity.invalid\"\n\n\
         [policy]\n# What this node does about others. It is told to no peer, changes nothing for anyone else, and takes effect at the\n\
         # next start. Each item is a member's code, a work as CODE/slug, or the key of a log.\n\
         # Texts that are neither kept nor fetched; their entries and proofs are held all the same.\n# deny = []\n\
         # Texts that are kept and handed on to peers, and not shown on pages, in search and in the API.\n# hide = []\n\
         # How much of a member is taken, say {{ KE-LC01 = {{ entries = 100000, bytes = 1000000000 }} }}; the rest waits.\n\
         # quotas = {{}}\n"
    )
}

/// The text of a config with one key set, in place of its line or of the comment that shows its default.
pub fn set(text: &str, key: &str, value: &toml::Value) -> String {
    let line = format!("{key} = {value}");
    let is_it = |old: &str| old.trim_start_matches("# ").strip_prefix(key).is_some_and(|rest| rest.starts_with(" ="));
    let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
    match lines.iter_mut().find(|old| is_it(old)) {
        Some(old) => *old = line,
        None if key == "pin" => lines.insert(0, line), // no table's, and a folder of an earlier version has no line for it
        None => lines.push(line),
    }
    lines.join("\n") + "\n"
}
