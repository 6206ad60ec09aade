//! The commands: what people and scripts type. Each is a client of the running node where one runs, and reads alone otherwise.
//!
//! Exit codes: 0 done; 1 what was asked about is wrong (a document, a proof, the audit) or not there; 2 the command line is
//! wrong; 3 it could not be done (folder, disk, port, network).

mod author;
mod backup;
mod charter;
mod check;
mod compare;
mod demo;
mod edition;
mod export;
mod import;
mod invite;
mod key;
mod passphrase;
mod perform;
mod read;
mod recover;
mod run;
mod setup;
mod threads;
mod write;

use std::io::{ErrorKind, IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};
use thiserror::Error;

use crate::config::Folder;
use crate::passphrase::{Passphrases, Source};

/// A node of an inter-parliamentary knowledge-exchange federation.
#[derive(Debug, Parser)]
#[command(name = "comity", version, about, max_term_width = 120)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

/// Where the node's data is.
#[derive(Debug, Args)]
struct Data {
    /// The data folder; otherwise COMITY_DATA, otherwise the platform's data folder
    #[arg(long, env = "COMITY_DATA", value_name = "DIR")]
    data: Option<PathBuf>,
}

/// Where the passphrase of encrypted keys comes from.
#[derive(Debug, Args)]
struct Keys {
    /// Read the keys' passphrase from this file descriptor, its first line; otherwise the systemd credential comity-passphrase
    /// is taken, or a person at the terminal is asked
    #[arg(long, value_name = "N")]
    passphrase_fd: Option<u32>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// A small federation on this machine: real nodes, each its own process, on the sample documents
    Demo(demo::Options),
    /// Make a data folder with its keys
    Init(setup::Init),
    /// Found a federation
    #[command(subcommand)]
    Charter(charter::Charter),
    /// Lists of members: draft, sign, and choose
    #[command(subcommand)]
    Edition(edition::Edition),
    /// Weighty acts of the identity key: delegate and revoke desks, rotate, and sign on a machine without a network
    #[command(subcommand)]
    Key(key::Key),
    /// Change the passphrase of a data folder's keys, or encrypt plain ones
    Passphrase(passphrase::Change),
    /// Bind a data folder to a federation
    Join(setup::Join),
    /// Print an invitation: the federation's id and addresses, as a line and as a code for a camera
    Invite(invite::Invite),
    /// Run the node
    Run(run::Run),
    /// Write a document to be filled in, with every key of its kind explained
    New(author::New),
    /// Say what is wrong with documents, by line, and what is advisable; nothing is published
    Check(author::Check),
    /// Publish Markdown files with front matter, to everyone and for good
    Publish(write::Publish),
    /// Import a folder of Markdown, a table through a mapping, or another node's export; a second time nothing is changed
    Import(import::Import),
    /// Ask other parliaments: publish a request from a file or from options
    Request(Box<threads::Request>),
    /// Answer a request of another parliament
    Reply(Box<threads::Reply>),
    /// Show a request with its replies and what the asker makes of them
    Thread(threads::Show),
    /// Take back a work of this member, with a reason
    Withdraw(write::Withdraw),
    /// Erase the text of a work from this node alone; entries and proofs stay
    Erase(write::Erase),
    /// After a fork of a log of this member: say which branch stands, and publish again what only another had
    Recover(recover::Recover),
    /// Search everything that is held here
    Search(read::Search),
    /// Put what a search finds beside each other: jurisdictions as rows, fields as columns
    Compare(compare::Compare),
    /// Show a document and who signed it
    Show(read::Show),
    /// List all versions of a work
    History(read::Show),
    /// Show what changed between two versions of a work
    Diff(threads::Diff),
    /// Write all documents that a query finds into a file, in a form that other programs read
    Export(export::Export),
    /// Print how to cite a document, in a form that other programs read
    Cite(export::Cite),
    /// Write a file that proves who published a document
    Proof(check::Proof),
    /// Verify such a file with the charter alone
    Verify(check::Verify),
    /// Say why something is as it is here: a work, a key, a member, the sync, or why this node may not publish
    Explain(read::Explain),
    /// Say how the node is
    Status(read::Plain),
    /// List connected peers
    Peers(read::Plain),
    /// List all logs
    Logs(read::Plain),
    /// Verify everything again from the raw bytes on disk
    Audit(check::Audit),
    /// Write everything that cannot be made again into one file, also beside a running node
    Backup(backup::Backup),
    /// Put a backup into a new folder
    Restore(backup::Restore),
}

/// Why a command failed.
#[derive(Debug, Error)]
pub enum CliError {
    /// What was asked about is wrong or not there.
    #[error("{0}")]
    Wrong(String),
    /// It could not be done.
    #[error("{0}")]
    Failed(String),
}

impl CliError {
    /// Wraps any error that says itself what to do.
    pub fn failed(error: impl std::fmt::Display) -> CliError {
        CliError::Failed(error.to_string())
    }

    /// Wraps what is wrong with the thing asked about.
    pub fn wrong(error: impl std::fmt::Display) -> CliError {
        CliError::Wrong(error.to_string())
    }
}

impl Data {
    fn folder(&self) -> Result<Folder, CliError> {
        if let Some(path) = &self.data {
            return Ok(Folder::new(path));
        }
        let platform = directories::ProjectDirs::from("org", "comity", "comity");
        let platform =
            platform.ok_or_else(|| CliError::failed("there is no home folder; name the data folder with --data"))?;
        Ok(Folder::new(platform.data_dir()))
    }
}

impl Keys {
    fn passphrases(&self) -> Passphrases {
        Passphrases::new(Source::find(self.passphrase_fd))
    }
}

/// Runs the command line.
pub fn main() -> ExitCode {
    let cli = Cli::parse();
    let default = if matches!(cli.command, Command::Run(_)) { "warn,comity=info" } else { "warn" };
    let filter = tracing_subscriber::EnvFilter::try_from_env("COMITY_LOG").unwrap_or_else(|_| default.into());
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).with_target(false).init();
    let done = match cli.command {
        Command::Demo(options) => demo::run(&options),
        Command::Init(init) => init.run(),
        Command::Charter(charter) => charter.run(),
        Command::Edition(edition) => edition.run(),
        Command::Key(key) => key.run(),
        Command::Passphrase(change) => change.run(),
        Command::Join(join) => join.run(),
        Command::Invite(invite) => invite.run(),
        Command::Run(run) => run.run(),
        Command::New(new) => new.run(),
        Command::Check(check) => check.run(),
        Command::Publish(publish) => publish.run(),
        Command::Import(import) => import.run(),
        Command::Request(request) => request.run(),
        Command::Reply(reply) => reply.run(),
        Command::Thread(show) => show.run(),
        Command::Withdraw(withdraw) => withdraw.run(),
        Command::Erase(erase) => erase.run(),
        Command::Search(search) => search.run(),
        Command::Compare(compare) => compare.run(),
        Command::Show(show) => show.show(),
        Command::History(show) => show.history(),
        Command::Diff(diff) => diff.run(),
        Command::Export(export) => export.run(),
        Command::Cite(cite) => cite.run(),
        Command::Proof(proof) => proof.run(),
        Command::Verify(verify) => verify.run(),
        Command::Explain(explain) => explain.run(),
        Command::Status(plain) => plain.status(),
        Command::Peers(plain) => plain.peers(),
        Command::Logs(plain) => plain.logs(),
        Command::Audit(audit) => audit.run(),
        Command::Recover(recover) => recover.run(),
        Command::Backup(backup) => backup.run(),
        Command::Restore(restore) => restore.run(),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            match error {
                CliError::Wrong(_) => ExitCode::from(1),
                CliError::Failed(_) => ExitCode::from(3),
            }
        }
    }
}

/// Says what is about to be signed, and asks a person; where there is none, `--yes` must have said so.
fn confirm(words: &[String], yes: bool) -> Result<(), CliError> {
    words.iter().for_each(|words| println!("{words}"));
    if yes {
        return Ok(());
    }
    if !std::io::stdin().is_terminal() {
        return Err(CliError::wrong(
            "nothing was signed: there is no terminal to ask at; read what is above and add --yes",
        ));
    }
    print!("sign this? (yes/no) ");
    let mut answer = String::new();
    let asked = std::io::stdout().flush().and_then(|()| std::io::stdin().read_line(&mut answer));
    asked.map_err(CliError::failed)?;
    if answer.trim() == "yes" { Ok(()) } else { Err(CliError::wrong("nothing was signed")) }
}

/// Prints a value as JSON for a script.
fn print_json(value: &impl serde::Serialize) -> Result<(), CliError> {
    println!("{}", serde_json::to_string_pretty(value).map_err(CliError::failed)?);
    Ok(())
}

/// An I/O error with the file it is about, and what to do where that is known.
fn io(path: &Path) -> impl Fn(std::io::Error) -> CliError + '_ {
    move |error| {
        let next = match error.kind() {
            ErrorKind::PermissionDenied | ErrorKind::ReadOnlyFilesystem => {
                "; make it writable for this user, or name another place"
            }
            ErrorKind::StorageFull | ErrorKind::QuotaExceeded => "; free some space on that disk",
            ErrorKind::AlreadyExists => "; it is not overwritten, name another file",
            _ => "",
        };
        CliError::Failed(format!("{}: {error}{next}", path.display()))
    }
}
