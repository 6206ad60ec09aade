//! Proofs: making one, verifying one with nothing but the charter, and auditing everything on disk.

use std::fs;
use std::path::PathBuf;
use std::sync::Arc;

use clap::Args;

use super::read::{Source, answered, missing, name, path};
use super::{CliError, Data, io, print_json};
use crate::audit;
use crate::config;
use crate::proof_file::{self, ProofFileError};

/// `comity proof`
#[derive(Debug, Args)]
pub struct Proof {
    #[command(flatten)]
    data: Data,
    /// CODE/slug, or CODE/slug@2 for a version
    #[arg(value_name = "CODE/slug[@V]")]
    work: String,
    /// Where to write it
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
}

/// `comity verify`
#[derive(Debug, Args)]
pub struct Verify {
    /// The proof file
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// The federation's charter
    #[arg(long, value_name = "FILE")]
    charter: PathBuf,
}

/// `comity audit`
#[derive(Debug, Args)]
pub struct Audit {
    #[command(flatten)]
    data: Data,
    /// For a script
    #[arg(long)]
    json: bool,
}

impl Proof {
    /// Makes the file.
    pub fn run(self) -> Result<(), CliError> {
        let name = name(&self.work)?;
        let json = match Source::open(&self.data.folder()?)? {
            Source::Running(client) => client.text(&format!("/v1/proofs/{}", path(&self.work))).map_err(answered)?,
            Source::Alone(alone) => {
                let made = proof_file::make(&alone.1, &name).map_err(|error| match error {
                    ProofFileError::Library(error) => missing(error),
                    other => CliError::wrong(other),
                })?;
                serde_json::to_string(&made).map_err(CliError::failed)?
            }
        };
        fs::write(&self.out, json).map_err(io(&self.out))?;
        println!(
            "wrote {}; verify it anywhere with `comity verify {} --charter FILE`",
            self.out.display(),
            self.out.display()
        );
        Ok(())
    }
}

impl Verify {
    /// Verifies the file.
    pub fn run(self) -> Result<(), CliError> {
        let charter = config::charter(&self.charter).map_err(CliError::wrong)?;
        let size = fs::metadata(&self.file).map_err(io(&self.file))?.len();
        if size > proof_file::FILE_BYTES_MAX {
            return Err(CliError::wrong(format!(
                "{} has {size} bytes; no proof file is that long",
                self.file.display()
            )));
        }
        let json = fs::read_to_string(&self.file).map_err(io(&self.file))?;
        let proven = proof_file::verify(&json, &charter).map_err(CliError::wrong)?;
        println!("PROVEN: {} “{}”", proven.work, proven.title);
        println!("was signed by the desk “{}” of {}", proven.desk, proven.member_name);
        println!("as entry {} of {} in its log, digest {}", proven.index + 1, proven.size, proven.digest);
        println!("in the federation “{}” ({})", charter.name(), charter.id());
        println!(
            "A file cannot show what came later: whether the desk's key was revoked, or the work corrected, superseded or \
             withdrawn. Ask any node of the federation for that."
        );
        Ok(())
    }
}

impl Audit {
    /// Audits the folder, also beside a running node.
    pub fn run(self) -> Result<(), CliError> {
        let folder = self.data.folder()?;
        let charter = Arc::new(folder.charter().map_err(CliError::failed)?);
        let report = audit::audit(&folder.store(), &charter).map_err(CliError::failed)?;
        if self.json {
            print_json(&report)?;
        } else {
            println!(
                "{} entries of {} logs and {} bodies verified from raw bytes; {} bodies are not held",
                report.entries, report.logs, report.bodies, report.missing_bodies
            );
            if report.erased_bodies > 0 {
                println!("{} bodies were erased or are denied here; a record says so of each", report.erased_bodies);
            }
            if report.unfinished_erasures > 0 {
                println!(
                    "{} bodies that were erased are still on the disk; the next start overwrites them",
                    report.unfinished_erasures
                );
            }
            if report.unfinished_bytes > 0 {
                println!(
                    "{} bytes at the end are an unfinished write; the next start cuts them off",
                    report.unfinished_bytes
                );
            }
            if report.healed_bytes > 0 {
                println!(
                    "{} damaged bytes are known to this node, which fetches what was in them; `comity status` says whether \
                     anything is still waited for",
                    report.healed_bytes
                );
            }
            println!("digest {}", report.digest);
        }
        if report.wrong.is_empty() {
            return Ok(());
        }
        let lines: Vec<String> = report.wrong.iter().map(|words| format!("  {words}")).collect();
        Err(CliError::wrong(format!(
            "{} findings; stop the node, delete the folder `store/sled` and start it again: what is damaged is fetched from peers\n{}",
            report.wrong.len(),
            lines.join("\n")
        )))
    }
}
