//! Lists of members: drafted, read as a difference to the one in force, signed, and chosen where two rival.

use std::fs;
use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::perform::perform;
use super::read::answered;
use super::{CliError, Data, Keys, io, print_json};
use crate::acts::Act;
use crate::client::Client;
use crate::config;
use crate::config::Folder;
use crate::fence::write_durably;
use crate::keeper::Keeper;
use crate::membership::{self, Change, Editions, Listed};

/// `comity edition`
#[derive(Debug, Subcommand)]
pub enum Edition {
    /// Propose another list of members, and sign it where this member is a signer
    Draft(Draft),
    /// List valid editions and open drafts, with whose signatures are missing
    List(List),
    /// Show one as a difference to the edition before it
    Show(Show),
    /// Sign a draft
    Sign(Sign),
    /// Choose between rival editions, for this node alone
    Pin(Pin),
}

/// `comity edition draft`
#[derive(Debug, Args)]
pub struct Draft {
    #[command(flatten)]
    data: Data,
    #[command(flatten)]
    keys: Keys,
    #[command(flatten)]
    act: DraftAct,
    /// Propose and sign without asking
    #[arg(long)]
    yes: bool,
}

/// What a draft changes.
#[derive(Debug, Args)]
#[group(required = true, multiple = true)]
pub struct DraftAct {
    /// The file member.txt of a parliament: it is added, or its line replaced
    #[arg(long = "line", value_name = "FILE")]
    lines: Vec<PathBuf>,
    /// The code of a member to remove
    #[arg(long, value_name = "CODE")]
    remove: Vec<String>,
    /// The code of a member whose signature is to count
    #[arg(long, value_name = "CODE")]
    signer: Vec<String>,
    /// The code of a member whose signature is to count no more
    #[arg(long, value_name = "CODE")]
    observer: Vec<String>,
    /// Another name for the federation
    #[arg(long, value_name = "NAME")]
    name: Option<String>,
}

/// Which draft to sign.
#[derive(Debug, Args)]
pub struct SignAct {
    /// The draft's digest, or its first 8 digits or more
    #[arg(value_name = "DIGEST")]
    draft: String,
    /// Sign although another draft on the same edition was signed, because that one is given up
    #[arg(long)]
    again: bool,
}

/// `comity edition list`
#[derive(Debug, Args)]
pub struct List {
    #[command(flatten)]
    data: Data,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// `comity edition show`
#[derive(Debug, Args)]
pub struct Show {
    #[command(flatten)]
    data: Data,
    /// A digest, or its first 8 digits or more; the edition in force, unless given
    #[arg(value_name = "DIGEST")]
    digest: Option<String>,
}

/// `comity edition sign`
#[derive(Debug, Args)]
pub struct Sign {
    #[command(flatten)]
    data: Data,
    #[command(flatten)]
    keys: Keys,
    #[command(flatten)]
    act: SignAct,
    /// Sign without asking
    #[arg(long)]
    yes: bool,
}

/// `comity edition pin`
#[derive(Debug, Args)]
pub struct Pin {
    #[command(flatten)]
    data: Data,
    /// The digest of a valid edition, or its first 8 digits or more
    #[arg(value_name = "DIGEST")]
    digest: String,
}

impl Edition {
    /// Does what was asked.
    pub fn run(self) -> Result<(), CliError> {
        match self {
            Edition::Draft(Draft { data, keys, act, yes }) => {
                perform(&data.folder()?, &mut keys.passphrases(), &act.act()?, yes)
            }
            Edition::Sign(Sign { data, keys, act, yes }) => {
                perform(&data.folder()?, &mut keys.passphrases(), &act.act(), yes)
            }
            Edition::List(list) => list.run(),
            Edition::Show(show) => show.run(),
            Edition::Pin(pin) => pin.run(),
        }
    }
}

impl DraftAct {
    /// The act.
    pub fn act(self) -> Result<Act, CliError> {
        let mut changes = Vec::new();
        for path in &self.lines {
            let line = config::read(path).map_err(CliError::failed)?;
            changes.push(Change::Line { line: line.trim_end().to_owned() });
        }
        let role = |signer: bool| move |code: String| Change::Signer { code, signer };
        changes.extend(self.remove.into_iter().map(|code| Change::Remove { code }));
        changes.extend(self.signer.into_iter().map(role(true)));
        changes.extend(self.observer.into_iter().map(role(false)));
        changes.extend(self.name.map(|name| Change::Name { name }));
        Ok(Act::Draft { changes })
    }
}

impl SignAct {
    /// The act.
    pub fn act(self) -> Act {
        Act::Sign { draft: self.draft, again: self.again }
    }
}

impl List {
    fn run(self) -> Result<(), CliError> {
        let editions = view(&self.data.folder()?)?;
        if self.json {
            return print_json(&editions);
        }
        for one in &editions.editions {
            let state = match one.state.as_str() {
                _ if one.digest == editions.in_force => "in force",
                _ if editions.rivals.contains(&one.digest) => "RIVAL",
                state => state,
            };
            println!("{:>4}  {state:<10}  {}", one.number, one.digest);
            told(one);
        }
        if let Some(words) = &editions.words {
            println!("{words}");
        }
        Ok(())
    }
}

impl Show {
    fn run(self) -> Result<(), CliError> {
        let editions = view(&self.data.folder()?)?;
        let wanted = self.digest.as_deref().unwrap_or(&editions.in_force);
        let one = find(&editions, wanted)?;
        print!("{}", one.text);
        println!();
        println!("digest {}", one.digest);
        told(one);
        Ok(())
    }
}

impl Pin {
    fn run(self) -> Result<(), CliError> {
        let folder = self.data.folder()?;
        let editions = view(&folder)?;
        let one = find(&editions, &self.digest)?;
        if one.state != "valid" {
            return Err(CliError::wrong("this is a draft; only a valid edition can be pinned"));
        }
        let path = folder.config_file();
        let text = fs::read_to_string(&path).map_err(io(&path))?;
        let text = config::set(&text, "pin", &toml::Value::String(one.digest.clone()));
        write_durably(&path, text.as_bytes(), 0o644).map_err(io(&path))?;
        println!("edition {} is pinned in {}; start the node again", one.number, path.display());
        Ok(())
    }
}

/// Changes and signatures, indented.
fn told(one: &Listed) {
    one.changes.iter().for_each(|change| println!("      {change}"));
    println!("      signed by {} ({} of {} needed)", one.signed.join(", "), one.counted, one.needed);
    if !one.missing.is_empty() {
        println!("      not yet by {}", one.missing.join(", "));
    }
}

fn find<'a>(editions: &'a Editions, digest: &str) -> Result<&'a Listed, CliError> {
    let mut found = editions.editions.iter().filter(|one| digest.len() >= 8 && one.digest.starts_with(digest));
    match (found.next(), found.next()) {
        (Some(one), None) => Ok(one),
        _ => {
            Err(CliError::wrong(format!("`{digest}` names no one edition or draft; `comity edition list` shows them")))
        }
    }
}

/// Editions and drafts, from the node that runs on the folder or from the folder itself.
fn view(folder: &Folder) -> Result<Editions, CliError> {
    if let Some(client) = Client::find(folder) {
        return client.get("/v1/editions").map_err(answered);
    }
    let (keeper, _, _) = Keeper::open(folder).map_err(CliError::failed)?;
    let editions = membership::list(&keeper.view().standing);
    keeper.close().map_err(CliError::failed)?;
    Ok(editions)
}
