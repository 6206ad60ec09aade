//! Publishing and withdrawing: through the running node, or, where none runs, into the folder, to be spoken at its next run.

use std::io::IsTerminal;
use std::path::PathBuf;

use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};

use super::author::{self, Checked};
use super::read::{answered, name};
use super::{CliError, Data, Keys};
use crate::client::Client;
use crate::config::{Config, Folder};
use crate::keeper::{Keeper, PublishError};
use crate::keystore::Secrets;
use crate::views;

/// Files that one signature covers: enough to amortise it, few enough for a progress bar to move.
const FILES_AT_ONCE: usize = 50;

/// `comity publish`
#[derive(Debug, Args)]
pub struct Publish {
    #[command(flatten)]
    data: Data,
    #[command(flatten)]
    keys: Keys,
    /// Markdown files with front matter
    #[arg(required = true, value_name = "FILE.md")]
    files: Vec<PathBuf>,
}

/// `comity withdraw`
#[derive(Debug, Args)]
pub struct Withdraw {
    #[command(flatten)]
    data: Data,
    #[command(flatten)]
    keys: Keys,
    /// CODE/slug
    #[arg(value_name = "CODE/slug")]
    work: String,
    /// Why, for everyone who cites the work
    #[arg(long)]
    reason: String,
    /// Have every replica of the federation erase the texts of all its versions; this cannot be undone
    #[arg(long)]
    erase: bool,
    /// Do not ask before erasing everywhere
    #[arg(long, requires = "erase")]
    yes: bool,
}

/// `comity erase`
#[derive(Debug, Args)]
pub struct Erase {
    #[command(flatten)]
    data: Data,
    /// CODE/slug for all versions, or CODE/slug@2 for one
    #[arg(value_name = "CODE/slug[@V]")]
    work: String,
    /// Why; this node shows it where the document was
    #[arg(long)]
    reason: String,
}

impl Publish {
    /// Checks every file before anything is signed, then publishes.
    pub fn run(self) -> Result<(), CliError> {
        let checked = author::check(&self.files).map_err(|mut errors| {
            errors.push("nothing was published".to_owned());
            CliError::wrong(errors.join("\n"))
        })?;
        publish(&self.data, &self.keys, checked)
    }
}

/// Publishes what was found sound.
pub(super) fn publish(data: &Data, keys: &Keys, checked: Vec<Checked>) -> Result<(), CliError> {
    let folder = data.folder()?;
    folder.charter().map_err(CliError::failed)?;
    match Client::find(&folder) {
        Some(client) => through(&client, &checked),
        None => alone(&folder, keys, checked),
    }
}

fn through(client: &Client, checked: &[Checked]) -> Result<(), CliError> {
    let bar = bar(checked.len());
    for part in checked.chunks(FILES_AT_ONCE) {
        let request = views::PublishRequest { files: part.iter().map(|checked| checked.file.clone()).collect() };
        let reply = client.post::<views::PublishReply>("/v1/documents", &request).map_err(answered)?;
        for published in reply.map(|reply| reply.published).unwrap_or_default() {
            told(&bar, &published.work, &published.file, published.changed, &published.advice);
        }
        bar.inc(part.len() as u64);
    }
    bar.finish_and_clear();
    Ok(())
}

/// Opens a folder on which no node runs, with its desk key.
fn open(folder: &Folder, keys: &Keys) -> Result<(Keeper, Config), CliError> {
    let mut passphrases = keys.passphrases();
    let mut secrets = Secrets::of(folder.path(), &mut passphrases);
    let (keeper, config, notes) = Keeper::open_to_write(folder, &mut secrets, false).map_err(CliError::failed)?;
    for note in notes {
        eprintln!("note: {note}");
    }
    Ok((keeper, config))
}

fn alone(folder: &Folder, keys: &Keys, checked: Vec<Checked>) -> Result<(), CliError> {
    let (mut keeper, _) = open(folder, keys)?;
    let bar = bar(checked.len());
    let mut rest = checked;
    while !rest.is_empty() {
        let part: Vec<Checked> = rest.drain(..rest.len().min(FILES_AT_ONCE)).collect();
        let documents =
            part.iter().map(|checked| (checked.document.kind, checked.document.publication.clone())).collect();
        // Unspoken until the node runs: the effects are dropped here, and sync tells everyone.
        let (published, _) = keeper.publish(documents).map_err(refused)?;
        for (published, checked) in published.iter().zip(&part) {
            let work = format!("{}@{}", published.work, published.version);
            told(&bar, &work, &checked.file.name, published.changed, &checked.advice);
        }
        bar.inc(part.len() as u64);
    }
    bar.finish_and_clear();
    keeper.close().map_err(CliError::failed)
}

/// One line on stdout for each file, for scripts; the rest on stderr, for people.
fn told(bar: &ProgressBar, work: &str, file: &str, changed: bool, advice: &[String]) {
    bar.suspend(|| {
        println!("{work}");
        if !changed {
            eprintln!("{file}: unchanged, nothing was written");
        }
        for words in advice {
            eprintln!("{file}: advice: {words}");
        }
    });
}

fn bar(files: usize) -> ProgressBar {
    if files <= FILES_AT_ONCE || !std::io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let bar = ProgressBar::new(files as u64);
    if let Ok(style) = ProgressStyle::with_template("{bar:40} {pos}/{len} published, {eta} left") {
        bar.set_style(style);
    }
    bar
}

fn refused(error: PublishError) -> CliError {
    match error {
        PublishError::Failed(_) | PublishError::Full(_) => CliError::failed(error),
        other => CliError::wrong(other),
    }
}

impl Withdraw {
    /// Withdraws.
    pub fn run(self) -> Result<(), CliError> {
        let folder = self.data.folder()?;
        let name = name(&self.work)?;
        let reason = self.reason.trim().to_owned();
        if reason.is_empty() {
            return Err(CliError::wrong("say why, with --reason: everyone who cites the work will read it"));
        }
        if self.erase {
            confirm(&name.work, self.yes)?;
        }
        match Client::find(&folder) {
            Some(client) => {
                let request = views::WithdrawRequest { work: name.work.clone(), reason, erase: self.erase };
                client.post::<()>("/v1/withdrawals", &request).map_err(answered)?;
            }
            None => {
                let (mut keeper, config) = open(&folder, &self.keys)?;
                let own = config.member.map(|member| format!("{}/", member.code)).unwrap_or_default();
                let slug = name
                    .work
                    .strip_prefix(&own)
                    .ok_or_else(|| CliError::wrong(format!("{} is not a work of this member", name.work)))?;
                keeper.withdraw(slug, &reason, self.erase).map_err(refused)?;
                keeper.close().map_err(CliError::failed)?;
            }
        }
        if self.erase {
            println!(
                "{} is withdrawn, and its texts are erased here; every replica does so as it hears of it",
                name.work
            );
        } else {
            println!("{} is withdrawn; its versions stay readable with your reason beside them", name.work);
        }
        Ok(())
    }
}

/// Says what an erasing withdrawal does, and what it cannot; and asks, unless that was answered on the command line.
fn confirm(work: &str, yes: bool) -> Result<(), CliError> {
    eprintln!(
        "This withdraws {work} and has every replica of the federation erase the texts of all its versions, also those that \
         join later. It cannot be undone. It cannot reach what people copied, cited, printed or exported, backups, or a node \
         that never hears of it. That the work was there, its entries, their times and your reason stay, for everyone and for \
         good: do not repeat in the reason what is to be forgotten."
    );
    if yes {
        return Ok(());
    }
    if !std::io::stdin().is_terminal() {
        return Err(CliError::wrong("nothing was published; say --yes to erase it everywhere"));
    }
    eprint!("Type the name of the work to go on: ");
    let mut typed = String::new();
    std::io::stdin().read_line(&mut typed).map_err(CliError::failed)?;
    if typed.trim() == work { Ok(()) } else { Err(CliError::wrong("that is another name; nothing was published")) }
}

impl Erase {
    /// Erases.
    pub fn run(self) -> Result<(), CliError> {
        let folder = self.data.folder()?;
        let name = name(&self.work)?;
        let reason = self.reason.trim().to_owned();
        if reason.is_empty() {
            return Err(CliError::wrong("say why, with --reason: this node shows it where the document was"));
        }
        let versions = match Client::find(&folder) {
            Some(client) => {
                let request = views::EraseRequest { work: self.work.clone(), reason };
                let reply = client.post::<views::EraseReply>("/v1/erasures", &request).map_err(answered)?;
                reply.map(|reply| reply.versions).unwrap_or_default()
            }
            None => {
                let (mut keeper, _, notes) = Keeper::open(&folder).map_err(CliError::failed)?;
                for note in notes {
                    eprintln!("note: {note}");
                }
                let is_meant = |number: u32, digest: &str| name.means(number, digest);
                let (versions, _) = keeper.erase(&name.work, is_meant, &reason).map_err(refused)?;
                keeper.close().map_err(CliError::failed)?;
                versions
            }
        };
        for version in &versions {
            println!("{}@{version}", name.work);
        }
        match versions.len() {
            0 => eprintln!("{} was erased here before; nothing was changed", self.work),
            _ => eprintln!("erased from this node alone; other replicas keep it, and this one takes it no more"),
        }
        Ok(())
    }
}
