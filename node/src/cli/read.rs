//! Questions: asked of the running node, or, where none runs, of the folder itself.

use clap::Args;

use super::{CliError, Data, print_json};
use crate::client::{Client, ClientError, percent};
use crate::config::Folder;
use crate::disk;
use crate::explain::Explainer;
use crate::index::{By, Filters, Index, Question};
use crate::indexer::{self, Scope};
use crate::keeper::Keeper;
use crate::labels::{self, List};
use crate::languages;
use crate::library::{Library, LibraryError};
use crate::membership;
use crate::name::Name;
use crate::preference;
use crate::views;

/// Hits that are printed.
const HITS: usize = 20;

/// Who answers.
pub enum Source {
    /// The running node.
    Running(Client),
    /// The folder itself; locked for as long as this lives.
    Alone(Box<(Keeper, Library)>),
}

impl Source {
    /// Whoever can answer for a folder.
    pub fn open(folder: &Folder) -> Result<Source, CliError> {
        if let Some(client) = Client::find(folder) {
            return Ok(Source::Running(client));
        }
        let (keeper, _, notes) = Keeper::open(folder).map_err(CliError::failed)?;
        for note in notes {
            eprintln!("note: {note}");
        }
        let view = keeper.view();
        let scope = Scope::of(&view);
        Index::made_for(&folder.index(), &scope.mark(&view.policy)).map_err(CliError::failed)?;
        let (mut index, opened) = Index::open(&folder.index(), view.counts.arrival).map_err(CliError::failed)?;
        if opened.rebuilt.is_some() {
            eprintln!("note: the search index is rebuilt; this takes a while once");
        }
        indexer::catch_up(&keeper.reader(), &mut index, opened.cursor, scope).map_err(CliError::failed)?;
        let library = Library { reader: keeper.reader(), view: keeper.view(), searcher: index.searcher() };
        Ok(Source::Alone(Box::new((keeper, library))))
    }
}

/// `comity search`
#[derive(Debug, Args)]
pub struct Search {
    #[command(flatten)]
    data: Data,
    /// Words, "phrases", pre*, field:value, in_force:2024..2026, AND, OR, NOT or -, parentheses
    #[arg(value_name = "QUERY", allow_hyphen_values = true)]
    query: String,
    /// Only this kind
    #[arg(long)]
    kind: Option<String>,
    /// Only this topic
    #[arg(long)]
    topic: Option<String>,
    /// Only this jurisdiction
    #[arg(long)]
    jurisdiction: Option<String>,
    /// Only this language
    #[arg(long)]
    language: Option<String>,
    /// What comes first: relevance, newest, date or valid_as_of
    #[arg(long, value_parser = By::NAMED.map(|(name, _)| name))]
    sort: Option<String>,
    /// Languages to show titles in, best first: es-MX,fr
    #[arg(long)]
    lang: Option<String>,
    /// For a script
    #[arg(long)]
    json: bool,
}

impl Search {
    /// Searches.
    pub fn run(self) -> Result<(), CliError> {
        let folder = self.data.folder()?;
        let found = match Source::open(&folder)? {
            Source::Running(client) => {
                let mut path = format!("/v1/search?q={}&limit={HITS}", percent(&self.query));
                let filters = [
                    ("kind", &self.kind),
                    ("topic", &self.topic),
                    ("jurisdiction", &self.jurisdiction),
                    ("language", &self.language),
                    ("sort", &self.sort),
                    ("lang", &self.lang),
                ];
                for (name, value) in filters {
                    if let Some(value) = value {
                        path.push_str(&format!("&{name}={}", percent(value)));
                    }
                }
                client.get::<views::Search>(&path).map_err(answered)?
            }
            Source::Alone(alone) => {
                let Search { kind, topic, jurisdiction, language, .. } = self;
                let question = Question {
                    query: self.query,
                    filters: Filters { kind, topic, jurisdiction, language, ..Filters::default() },
                    by: self.sort.as_deref().and_then(By::named).unwrap_or_default(),
                    languages: self.lang.as_deref().map(preference::languages).unwrap_or_default(),
                    limit: HITS,
                    offset: 0,
                };
                alone.1.search(&question).map_err(CliError::failed)?
            }
        };
        if self.json {
            return print_json(&found);
        }
        for note in &found.notes {
            eprintln!("note: {note}");
        }
        for hit in &found.hits {
            let place = if hit.jurisdiction.is_empty() { String::new() } else { format!("{} · ", hit.jurisdiction) };
            let title = hit.display.as_ref().map_or(&hit.title, |display| &display.title);
            println!("{}@{}  {title}", hit.work, hit.version);
            let kind = labels::label(List::Kind, &hit.kind, "en");
            println!("    {place}{kind} · {}", languages::name(&hit.language));
            println!("    {}", plain(&hit.snippet));
        }
        println!("{} found{}", found.total, if found.total > HITS as u64 { ", the first 20 shown" } else { "" });
        Ok(())
    }
}

/// A snippet for a terminal: the HTML is our own, so undoing it is safe.
fn plain(html: &str) -> String {
    let text = html.replace("<mark>", "").replace("</mark>", "").replace("&lt;", "<").replace("&gt;", ">");
    text.replace("&quot;", "\"").replace("&#39;", "'").replace("&amp;", "&")
}

/// `comity show`, `comity history`
#[derive(Debug, Args)]
pub struct Show {
    #[command(flatten)]
    data: Data,
    /// CODE/slug, or CODE/slug@2 for a version
    #[arg(value_name = "CODE/slug[@V]")]
    work: String,
    /// For a script
    #[arg(long)]
    json: bool,
}

impl Show {
    /// Text and provenance.
    pub fn show(self) -> Result<(), CliError> {
        let (name, source) = (name(&self.work)?, Source::open(&self.data.folder()?)?);
        let document: views::Document = match source {
            Source::Running(client) => client.get(&format!("/v1/documents/{}", path(&self.work))).map_err(answered)?,
            Source::Alone(alone) => alone.1.document(&name).map_err(missing)?,
        };
        if self.json {
            return print_json(&document);
        }
        let front = &document.front_matter;
        println!("{}@{}", document.work, document.version);
        println!("{}", front.title);
        if let Some(reason) = &document.withdrawn {
            println!("WITHDRAWN by its author: {reason}");
        }
        if !document.current {
            println!("There is a newer version: comity history {}", document.work);
        }
        for name in &document.concurrent {
            println!("Version {name} stands as well: two desks published at once");
        }
        if let Some(about) = &document.about {
            let words = about.words.as_ref().map(|words| format!(": {words}")).unwrap_or_default();
            println!("about {}@{}{words}", about.work, about.version);
        }
        for line in document.related.iter().filter(|related| related.rel == "correction") {
            println!("CORRECTION by {} ({}@{}): {}", line.member_name, line.work, line.version, line.lead);
        }
        println!("\n{}", document.text);
        for source in &front.sources {
            println!("source: {} {}{}", source.title, source.url, if source.official { " (official)" } else { "" });
        }
        if !front.valid_as_of.is_empty() {
            let age = document.age.as_ref().map(|age| format!(", not checked again for {age}")).unwrap_or_default();
            println!("valid as of {}{age}", front.valid_as_of);
        }
        for line in document.related.iter().filter(|related| related.rel != "correction") {
            let older = if line.of_older { ", of an older version" } else { "" };
            let withdrawn = line.withdrawn.as_ref().map(|why| format!(", withdrawn: {why}")).unwrap_or_default();
            println!("{} {}@{} {}{older}{withdrawn}", line.words, line.work, line.version, line.title);
        }
        println!("{}", document.provenance.words);
        println!("log {} · entry digest {}", document.provenance.log, document.provenance.digest);
        println!("cite as: {}", document.citation);
        Ok(())
    }

    /// All versions.
    pub fn history(self) -> Result<(), CliError> {
        let (name, source) = (name(&self.work)?, Source::open(&self.data.folder()?)?);
        let history: views::History = match source {
            Source::Running(client) => client.get(&format!("/v1/history/{}", path(&name.work))).map_err(answered)?,
            Source::Alone(alone) => alone.1.history(&name).map_err(missing)?,
        };
        if self.json {
            return print_json(&history);
        }
        println!("{}", history.work);
        if let Some(reason) = &history.withdrawn {
            println!("WITHDRAWN by its author: {reason}");
        }
        for version in &history.versions {
            let mark = if version.current { "current" } else { "superseded" };
            let title = version.erased.as_ref().unwrap_or(&version.title);
            println!("  @{}  {mark}  {title}  {}", version.name, version.digest);
        }
        Ok(())
    }
}

/// `comity explain`
#[derive(Debug, Args)]
pub struct Explain {
    #[command(flatten)]
    data: Data,
    /// CODE/slug, a key, a member's code, `sync`, or `publish`
    #[arg(value_name = "WHAT")]
    what: String,
}

impl Explain {
    /// One paragraph.
    pub fn run(self) -> Result<(), CliError> {
        let folder = self.data.folder()?;
        let words = match Source::open(&folder)? {
            Source::Running(client) => {
                let path = format!("/v1/explain?what={}", percent(&self.what));
                client.get::<views::Explanation>(&path).map_err(answered)?.words
            }
            Source::Alone(alone) => {
                let member = folder.config().map_err(CliError::failed)?.member.map(|member| member.code);
                let explainer = Explainer { library: &alone.1, member: member.as_deref(), sync: "not running" };
                explainer.explain(&self.what).map_err(CliError::failed)?
            }
        };
        println!("{words}");
        Ok(())
    }
}

/// `comity status`, `comity peers`, `comity logs`
#[derive(Debug, Args)]
pub struct Plain {
    #[command(flatten)]
    data: Data,
    /// For a script
    #[arg(long)]
    json: bool,
}

impl Plain {
    /// How the node is.
    pub fn status(self) -> Result<(), CliError> {
        let folder = self.data.folder()?;
        let status: views::Status = match Source::open(&folder)? {
            Source::Running(client) => client.get("/v1/status").map_err(answered)?,
            Source::Alone(alone) => alone_status(&folder, &alone.1),
        };
        if self.json {
            return print_json(&status);
        }
        println!("federation     {} ({})", status.federation_name, status.federation);
        println!("node           {}", status.member.as_deref().unwrap_or("a replica without a member"));
        println!("sync           {}", status.sync);
        println!("documents      {} ({} found by search)", status.documents, status.indexed);
        println!("entries        {} in {} logs", status.entries, status.logs);
        println!("missing bodies {}", status.missing_bodies);
        if status.erased_bodies > 0 {
            println!("erased bodies  {} (erased, or denied here)", status.erased_bodies);
        }
        println!("peers          {}", status.peers);
        println!("frontier       {}", status.frontier);
        println!("free on disk   {:.1} GB", status.free_bytes as f64 / 1e9);
        if let Some(words) = &status.rivals {
            println!("rivals         {words}");
        }
        for words in &status.contested {
            println!("contested      {words}");
        }
        for words in &status.policy {
            println!("policy         {words}");
        }
        for words in status.recovering.iter().chain(&status.notes) {
            println!("note           {words}");
        }
        Ok(())
    }

    /// Connected peers.
    pub fn peers(self) -> Result<(), CliError> {
        let peers: views::Peers = match Source::open(&self.data.folder()?)? {
            Source::Running(client) => client.get("/v1/peers").map_err(answered)?,
            Source::Alone(_) => views::Peers::default(),
        };
        if self.json {
            return print_json(&peers);
        }
        for peer in &peers.peers {
            let waiting = if peer.waiting.is_empty() { "nothing".to_owned() } else { peer.waiting.join("; ") };
            println!("{} {} waiting for {waiting}", peer.peer_id, peer.member.as_deref().unwrap_or("-"));
        }
        println!("{} connected", peers.peers.len());
        Ok(())
    }

    /// Every log.
    pub fn logs(self) -> Result<(), CliError> {
        let logs: views::Logs = match Source::open(&self.data.folder()?)? {
            Source::Running(client) => client.get("/v1/logs").map_err(answered)?,
            Source::Alone(alone) => alone.1.logs(),
        };
        if self.json {
            return print_json(&logs);
        }
        for log in &logs.logs {
            let end = match log.cut {
                Some(_) => "  ended",
                None if log.contested => "  CONTESTED",
                None => "",
            };
            println!("{:<10} {:<11} {:>7} entries  {}  {}{end}", log.member, log.purpose, log.size, log.key, log.desk);
            println!("           fingerprint {}", log.fingerprint);
            println!("           vkey        {}", log.vkey);
        }
        Ok(())
    }
}

fn alone_status(folder: &Folder, library: &Library) -> views::Status {
    let view = &library.view;
    views::Status {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        federation: view.frontier.federation.to_string(),
        federation_name: view.standing.charter().name().to_owned(),
        member: folder.config().ok().and_then(|config| config.member).map(|member| member.code),
        frontier: view.frontier.digest().to_string(),
        logs: view.frontier.rows.len() as u64,
        entries: view.counts.entries,
        documents: view.counts.documents,
        indexed: library.searcher.documents(),
        missing_bodies: view.missing_bodies,
        erased_bodies: view.counts.erased,
        sync: "no node runs on this folder; start it with `comity run`".to_owned(),
        recovering: view.recovering.clone(),
        rivals: membership::rival_words(&view.standing),
        contested: library.contested_words(),
        policy: library.policy_words(),
        free_bytes: disk::free(folder.path()).unwrap_or_default(),
        ..views::Status::default()
    }
}

/// A work's name as typed.
pub fn name(work: &str) -> Result<Name, CliError> {
    Name::parse(work)
        .ok_or_else(|| CliError::wrong(format!("`{work}` is no name of a work; write CODE/slug or CODE/slug@2")))
}

/// The path of a work below an address.
pub fn path(work: &str) -> String {
    work.split('/').map(percent).collect::<Vec<_>>().join("/")
}

/// An answer of the node that is no answer.
pub fn answered(error: ClientError) -> CliError {
    match error {
        ClientError::NotFound(_) | ClientError::Refused(_) => CliError::wrong(error),
        ClientError::Unreachable { .. } => CliError::failed(error),
    }
}

/// An answer of the library that is none.
pub fn missing(error: LibraryError) -> CliError {
    match error {
        LibraryError::Store(_) | LibraryError::Index(_) => CliError::failed(error),
        other => CliError::wrong(other),
    }
}
