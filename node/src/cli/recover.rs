//! After a fork of an own log: which branch stands, and what only another had published again.

use std::path::PathBuf;

use clap::Args;

use super::perform::{adopt_desk, asked, hand_in, new_desk, sign};
use super::read::answered;
use super::{CliError, Data, Keys, confirm, io};
use crate::acts::Act;
use crate::client::Client;
use crate::config::Folder;
use crate::contested::{Contested, StandBy};
use crate::fence::write_durably;
use crate::signing::Reading;
use crate::views;

/// Works that are named one by one.
const NAMED_MAX: usize = 20;

/// `comity recover`
#[derive(Debug, Args)]
pub struct Recover {
    #[command(flatten)]
    data: Data,
    #[command(flatten)]
    keys: Keys,
    /// The branch that stands: `elsewhere`, the longest that others hold; `here`, the one in this folder; or the first digits of
    /// its root. Without it the branches are shown, and nothing is signed
    #[arg(long, value_name = "BRANCH", value_parser = stand_by)]
    stand_by: Option<StandBy>,
    /// What the new desk is called
    #[arg(long, default_value = "Library")]
    desk: String,
    /// Why, for everyone
    #[arg(long, default_value = "two branches of this log exist")]
    reason: String,
    /// Write what the identity key is to sign into a file, for the machine where that key is
    #[arg(long, value_name = "FILE")]
    request: Option<PathBuf>,
    /// Sign without asking
    #[arg(long)]
    yes: bool,
}

fn stand_by(text: &str) -> Result<StandBy, String> {
    match text {
        "elsewhere" => Ok(StandBy::Elsewhere),
        "here" => Ok(StandBy::Here),
        root if root.len() >= 8 && root.bytes().all(|byte| byte.is_ascii_hexdigit()) => {
            Ok(StandBy::Root(root.to_ascii_lowercase()))
        }
        _ => Err("say `elsewhere`, `here`, or at least eight digits of a branch's root".to_owned()),
    }
}

impl Recover {
    /// Settles the fork, or, where none is left to settle, publishes again what was set aside.
    pub fn run(self) -> Result<(), CliError> {
        let folder = self.data.folder()?;
        let client = Client::find(&folder).ok_or_else(|| {
            CliError::wrong("start the node first, and let it reach its peers: they know which branches there are")
        })?;
        let found: views::Recovery = client.get("/v1/recovery").map_err(answered)?;
        let (desks, identities): (Vec<&Contested>, Vec<&Contested>) =
            found.contested.iter().partition(|contested| contested.purpose != "governance");
        for contested in &identities {
            println!("governance {}", words(contested));
            println!("next: comity key rotate, which cuts it and lets the successor key take over");
        }
        match desks.first() {
            Some(contested) => self.settle(&folder, contested),
            None if !identities.is_empty() => Ok(()),
            None => publish_again(&client, &found),
        }
    }

    fn settle(mut self, folder: &Folder, contested: &Contested) -> Result<(), CliError> {
        println!("{}", words(contested));
        for branch in &contested.branches {
            let held = if branch.here { "held here" } else { "held by others" };
            println!("  {} entries, root {}, {held}", branch.size, branch.root);
        }
        if !contested.branches.iter().any(|branch| !branch.here) {
            println!("  of another no peer has shown that it holds it; it may be on nobody's disk any more");
        }
        let Some(stand_by) = &self.stand_by else {
            println!("next, once it is sure which is yours: comity recover --stand-by elsewhere, or here, or ROOT");
            return Ok(());
        };
        let chosen = contested.choose(stand_by).ok_or_else(|| {
            CliError::wrong("none of these branches is the one that --stand-by names; choose one of them, or let the node reach more peers")
        })?;
        println!("of these the one of {} entries is to stand, root {}", chosen.size, chosen.root);
        if !chosen.here {
            println!("what only the branch held here has can be published again after that");
        }
        let mut passphrases = self.keys.passphrases();
        let act = Act::Recover {
            log: contested.log.clone(),
            // By its root, so that what is signed is what was shown, whatever a peer says meanwhile.
            stand_by: StandBy::Root(chosen.root.clone()),
            key: new_desk(folder, &mut passphrases)?,
            desk: std::mem::take(&mut self.desk),
            reason: self.reason.trim().to_owned(),
        };
        let request = asked(folder, &act)?;
        let reading = Reading::of(&request).map_err(CliError::wrong)?;
        if let Some(out) = self.request {
            let text = serde_json::to_string_pretty(&request).map_err(CliError::failed)?;
            write_durably(&out, text.as_bytes(), 0o644).map_err(io(&out))?;
            println!("next, where the key is: comity key sign {} --out FILE, and bring that file back", out.display());
            return Ok(());
        }
        confirm(&reading.words, self.yes)?;
        let signed = sign(folder, &mut passphrases, &request, &reading)?;
        hand_in(folder, &signed)?;
        adopt_desk(folder)?;
        println!("then comity recover once more, to publish again what only the other branch had");
        Ok(())
    }
}

fn words(contested: &Contested) -> String {
    let Contested { log, stands, branches, .. } = contested;
    format!("log {log} is contested: after its first {stands} entries there are {} branches", branches.len())
}

fn publish_again(client: &Client, found: &views::Recovery) -> Result<(), CliError> {
    for work in &found.withdrawn {
        println!(
            "{work} was withdrawn on the branch that was set aside, and stands; if that still holds, withdraw it again"
        );
    }
    if found.lost.is_empty() {
        println!(
            "no log of this member is contested, and nothing of a branch that was set aside waits to be published again"
        );
        return Ok(());
    }
    let works: Vec<String> = client.post("/v1/recovery", &()).map_err(answered)?.unwrap_or_default();
    works.iter().take(NAMED_MAX).for_each(|work| println!("published again: {work}"));
    if works.len() > NAMED_MAX {
        println!("and {} more", works.len() - NAMED_MAX);
    }
    println!("{} works of the branch that was set aside are published again", works.len());
    Ok(())
}
