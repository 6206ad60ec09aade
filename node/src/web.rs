//! The pages: rendered here, readable without JavaScript and without the internet. They ask the same questions as the API.

mod facts;

use askama::Template;
use axum::Router;
use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{Html, IntoResponse, Response};
use axum::routing::get;

use crate::app::{self, App, Problem, SearchParams};
use crate::client::percent;
use crate::feed;
use crate::index::{OFFSET_MAX, Question};
use crate::jurisdictions;
use crate::labels;
use crate::languages;
use crate::library::Library;
use crate::markdown;
use crate::related::{About, Related};
use crate::time::{day, minute};
use crate::views;

/// Hits of one page.
const PAGE: usize = 20;
/// The language of the pages.
const LANGUAGE: &str = "en";
/// Values shown of one group of counts.
const GROUP_MAX: usize = 12;
/// What a browser may load and run for our pages: our style sheet, and nothing else.
const POLICY: &str =
    "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'";
const STYLE: &str = include_str!("../templates/style.css");

/// The pages' routes. Works come last: a code has no lower-case letters, so none can take the name of a page.
pub fn routes() -> Router<App> {
    Router::new()
        .route("/", get(search))
        .route("/members", get(members))
        .route("/network", get(network))
        .route("/style.css", get(|| async { ([(header::CONTENT_TYPE, "text/css; charset=utf-8")], STYLE) }))
        .route("/{code}/{slug}", get(document))
        .fallback(nowhere)
}

/// What every page shows around itself.
struct Shell {
    here: &'static str,
    federation: String,
    node: String,
    documents: u64,
    sync: String,
}

struct Tag {
    class: &'static str,
    label: String,
}

#[derive(Template)]
#[template(path = "search.html")]
struct SearchPage {
    shell: Shell,
    query: String,
    searching: bool,
    total: u64,
    notes: Vec<String>,
    active: Vec<Active>,
    hits: Vec<HitLine>,
    groups: Vec<Group>,
    languages: String,
    earlier: String,
    later: String,
    feed: String,
}

struct Active {
    name: &'static str,
    value: String,
    label: String,
    without: String,
}

struct HitLine {
    work: String,
    title: String,
    title_language: String,
    language: String,
    snippet: String,
    tags: Vec<Tag>,
    by: String,
}

struct Group {
    label: &'static str,
    open: bool,
    items: Vec<Item>,
}

struct Item {
    label: String,
    href: String,
    count: u64,
}

#[derive(Template)]
#[template(path = "document.html")]
struct DocumentPage {
    shell: Shell,
    work: String,
    version: u32,
    current: bool,
    newer: bool,
    unreviewed: bool,
    withdrawn: Option<String>,
    title: String,
    language: String,
    lead: String,
    html: String,
    tags: Vec<Tag>,
    facts: Vec<Fact>,
    lists: Vec<List>,
    sources: Vec<Source>,
    topics: Vec<Topic>,
    provenance: views::Provenance,
    arrived: String,
    claimed: String,
    citation: String,
    licence: String,
    versions: Vec<VersionLine>,
    concurrent: Vec<String>,
    about: Option<About>,
    age: Option<String>,
    corrections: Vec<Related>,
    related: Vec<Related>,
}

struct Fact {
    label: String,
    value: String,
    meaning: &'static str,
}

struct List {
    label: String,
    items: Vec<Line>,
}

struct Line {
    lead: String,
    text: String,
}

struct Source {
    url: String,
    title: String,
    official: bool,
}

struct Topic {
    value: String,
    label: String,
}

struct VersionLine {
    name: String,
    arrived: String,
    erased: String,
    shown: bool,
}

#[derive(Template)]
#[template(path = "members.html")]
struct MembersPage {
    shell: Shell,
    members: Vec<views::Member>,
}

#[derive(Template)]
#[template(path = "network.html")]
struct NetworkPage {
    shell: Shell,
    status: views::Status,
    peers: Vec<PeerLine>,
    limited: Vec<LimitedLine>,
    free: String,
}

struct LimitedLine {
    who: String,
    member: String,
    bounds: String,
    last: String,
    blocked: String,
}

struct PeerLine {
    id: String,
    member: String,
    since: String,
    waiting: String,
}

#[derive(Template)]
#[template(path = "problem.html")]
struct ProblemPage {
    shell: Shell,
    heading: String,
    lines: Vec<String>,
}

// ----------------------------------------------------------------------------------------------------- search

async fn search(State(app): State<App>, headers: HeaderMap, Query(mut params): Query<SearchParams>) -> Response {
    params.limit = Some(PAGE);
    let asked = params.clone();
    let found = match params.with_languages(&headers).ask(&app).await {
        Ok(found) => found,
        Err(problem) => return page_of(&app, problem),
    };
    let library = app.library();
    let offset = asked.offset.unwrap_or(0);
    let more = found.total > (offset + PAGE) as u64 && offset + PAGE <= OFFSET_MAX;
    let at = |offset: usize| address(&asked, &[("offset", &offset.to_string())]);
    let page = SearchPage {
        shell: shell(&app, "find"),
        searching: !asked.q.trim().is_empty(),
        query: asked.q.clone(),
        total: found.total,
        notes: found.notes.clone(),
        active: active(&asked),
        hits: found.hits.iter().map(|hit| hit_line(hit, &library)).collect(),
        groups: groups(&asked, &found, &library),
        languages: if found.total == 0 { languages(&app) } else { String::new() },
        earlier: if offset > 0 { at(offset.saturating_sub(PAGE)) } else { String::new() },
        later: if more { at(offset + PAGE) } else { String::new() },
        feed: feed::address(&asked),
    };
    show(StatusCode::OK, &page)
}

fn hit_line(hit: &views::Hit, library: &Library) -> HitLine {
    let mut tags = Vec::new();
    if !hit.jurisdiction.is_empty() {
        tags.push(Tag { class: "strong", label: jurisdictions::name(&hit.jurisdiction) });
    }
    if !hit.legal_status.is_empty() {
        tags.push(Tag {
            class: status_class(&hit.legal_status),
            label: labels::label(labels::List::Status, &hit.legal_status, LANGUAGE).into_owned(),
        });
    }
    tags.push(Tag { class: "", label: label("kind", &hit.kind, None) });
    tags.push(Tag { class: "", label: languages::name(&hit.language) });
    let valid = if hit.valid_as_of.is_empty() { String::new() } else { format!(" · valid as of {}", hit.valid_as_of) };
    let (title, language) =
        hit.display.as_ref().map_or((&hit.title, &hit.language), |display| (&display.title, &display.language));
    HitLine {
        work: hit.work.clone(),
        title: title.clone(),
        title_language: language.clone(),
        language: hit.language.clone(),
        snippet: hit.snippet.clone(),
        tags,
        by: format!("Signed by {}{valid}", library.member_name(&hit.member)),
    }
}

fn status_class(status: &str) -> &'static str {
    match status {
        "in-force" | "partially-in-force" | "adopted-not-in-force" => "strong",
        "rejected" | "vetoed" | "withdrawn" | "lapsed" | "repealed" | "superseded" | "annulled" | "expired" => "bad",
        _ => "",
    }
}

const FILTERS: [(&str, &str); 8] = [
    ("kind", "Kind"),
    ("jurisdiction", "Jurisdiction"),
    ("topic", "Topic"),
    ("language", "Language"),
    ("member", "Published by"),
    ("status", "Legal status"),
    ("year", "Year"),
    ("assistance", "AI assistance"),
];

fn active(params: &SearchParams) -> Vec<Active> {
    let value = |name: &str| value(params, name).filter(|value| !value.is_empty());
    let one = |(name, _): (&'static str, &'static str)| {
        let value = value(name)?.to_owned();
        let without = address(params, &[(name, ""), ("offset", "")]);
        Some(Active { name, label: label(name, &value, None), value, without })
    };
    FILTERS.into_iter().filter_map(one).collect()
}

fn groups(params: &SearchParams, found: &views::Search, library: &Library) -> Vec<Group> {
    let mut groups = Vec::new();
    for (name, title) in FILTERS {
        if value(params, name).is_some_and(|value| !value.is_empty()) {
            continue;
        }
        let Some(counts) = found.counts.get(name).filter(|counts| counts.len() > 1) else { continue };
        let mut counts: Vec<(&String, &u64)> = counts.iter().collect();
        counts.sort_by(|a, b| b.1.cmp(a.1).then(a.0.cmp(b.0)));
        let items = counts.into_iter().take(GROUP_MAX).map(|(value, count)| Item {
            label: label(name, value, Some(library)),
            href: address(params, &[(name, value), ("offset", "")]),
            count: *count,
        });
        groups.push(Group { label: title, open: groups.len() < 3, items: items.collect() });
    }
    groups
}

fn label(name: &str, value: &str, library: Option<&Library>) -> String {
    match name {
        "kind" => labels::label(labels::List::Kind, value, LANGUAGE).into_owned(),
        "topic" => labels::label(labels::List::Topic, value, LANGUAGE).into_owned(),
        "status" => labels::label(labels::List::Status, value, LANGUAGE).into_owned(),
        "assistance" => labels::label(labels::List::Assistance, value, LANGUAGE).into_owned(),
        "language" => languages::name(value),
        "jurisdiction" => jurisdictions::name(value),
        "member" => library.map_or_else(|| value.to_owned(), |library| library.member_name(value)),
        _ => value.to_owned(),
    }
}

fn value<'a>(params: &'a SearchParams, name: &str) -> Option<&'a str> {
    match name {
        "kind" => params.kind.as_deref(),
        "topic" => params.topic.as_deref(),
        "jurisdiction" => params.jurisdiction.as_deref(),
        "language" => params.language.as_deref(),
        "member" => params.member.as_deref(),
        "status" => params.status.as_deref(),
        "year" => params.year.as_deref(),
        "assistance" => params.assistance.as_deref(),
        "sort" => params.sort.as_deref(),
        "lang" => params.lang.as_deref(),
        _ => None,
    }
}

/// The address of the same search with some parameters changed; an empty value removes one.
fn address(params: &SearchParams, changes: &[(&str, &str)]) -> String {
    let offset = params.offset.map(|offset| offset.to_string());
    let mut query = Vec::new();
    let parameters = ["q"].into_iter().chain(FILTERS.map(|(name, _)| name)).chain(["sort", "lang", "offset"]);
    for name in parameters {
        let before = match name {
            "q" => Some(params.q.as_str()),
            "offset" => offset.as_deref(),
            name => value(params, name),
        };
        let changed = changes.iter().find(|(changed, _)| *changed == name).map(|(_, value)| *value);
        if let Some(value) = changed.or(before).filter(|value| !value.is_empty()) {
            query.push(format!("{name}={}", percent(value)));
        }
    }
    if query.is_empty() { "/".to_owned() } else { format!("/?{}", query.join("&")) }
}

fn languages(app: &App) -> String {
    let all = app.searcher.search(&Question::default()).unwrap_or_default();
    let names =
        all.counts.get("language").map(|counts| counts.keys().map(|tag| languages::name(tag)).collect::<Vec<_>>());
    names.unwrap_or_default().join(", ")
}

// --------------------------------------------------------------------------------------------------- document

async fn document(State(app): State<App>, Path((code, slug)): Path<(String, String)>) -> Response {
    let asked = match app::name(&code, &slug) {
        Ok(name) => app.ask(move |library| library.document(&name)).await,
        Err(problem) => Err(problem),
    };
    match asked {
        Ok(document) => show(StatusCode::OK, &document_page(&app, document)),
        Err(problem) => page_of(&app, problem),
    }
}

fn document_page(app: &App, document: views::Document) -> DocumentPage {
    let front = document.front_matter;
    let mut tags = Vec::new();
    if !front.jurisdiction.is_empty() {
        tags.push(Tag { class: "strong", label: jurisdictions::name(&front.jurisdiction) });
    }
    tags.push(Tag { class: "", label: label("kind", &front.kind, None) });
    tags.push(Tag { class: "", label: languages::name(&front.language) });
    let shown = |version: &views::Version| version.digest == document.provenance.digest;
    let versions = document.versions.iter().map(|version| VersionLine {
        name: version.name.clone(),
        arrived: day(version.arrived_ms),
        erased: version.erased.clone().unwrap_or_default(),
        shown: shown(version),
    });
    let lead = front.lead().to_owned();
    let topics = front.topics.iter().map(|topic| Topic { value: topic.clone(), label: label("topic", topic, None) });
    let sources = front.sources.iter().map(|source| Source {
        // Only addresses a browser may follow become links; others are shown as text.
        url: if source.url.starts_with("http") { source.url.clone() } else { String::new() },
        title: if source.title.is_empty() { source.url.clone() } else { source.title.clone() },
        official: source.official,
    });
    let (corrections, related) = document.related.into_iter().partition(|related| related.rel == "correction");
    DocumentPage {
        shell: shell(app, "find"),
        version: document.version,
        current: document.current,
        newer: document.newer,
        unreviewed: front.assistance.values().any(|level| level == "generated-unreviewed"),
        withdrawn: document.withdrawn,
        html: markdown::to_html(&document.text),
        facts: facts::facts(&front),
        lists: facts::lists(&front),
        versions: versions.collect(),
        concurrent: document.concurrent,
        about: document.about,
        age: document.age,
        corrections,
        related,
        topics: topics.collect(),
        sources: sources.collect(),
        arrived: minute(document.provenance.arrived_ms),
        claimed: minute(document.provenance.claimed_ms),
        work: document.work,
        provenance: document.provenance,
        citation: document.citation,
        licence: front.licence,
        title: front.title,
        language: front.language,
        lead,
        tags,
    }
}

// ---------------------------------------------------------------------------------------- members and network

async fn members(State(app): State<App>) -> Response {
    match app.ask(Library::members).await {
        Ok(members) => show(StatusCode::OK, &MembersPage { shell: shell(&app, "members"), members }),
        Err(problem) => page_of(&app, problem),
    }
}

async fn network(State(app): State<App>) -> Response {
    let views::Peers { peers, limited } = match app.peers().await {
        Ok(peers) => peers,
        Err(problem) => return page_of(&app, problem),
    };
    let limited = limited.into_iter().map(|one| LimitedLine {
        who: one.who,
        member: one.member.unwrap_or_default(),
        bounds: one.bounds.iter().map(|met| format!("{} ({} ×)", met.bound, met.times)).collect::<Vec<_>>().join("; "),
        last: minute(one.last_ms),
        blocked: one.blocked_until_ms.map_or_else(|| "no".to_owned(), |until| format!("until {}", minute(until))),
    });
    let peers = peers.into_iter().map(|peer| PeerLine {
        id: peer.peer_id,
        member: peer.member.unwrap_or_default(),
        since: match (peer.in_sync_ms, peer.syncing) {
            (_, true) => "now syncing".to_owned(),
            (Some(at), false) => minute(at),
            (None, false) => "not yet".to_owned(),
        },
        waiting: if peer.waiting.is_empty() { "nothing".to_owned() } else { peer.waiting.join("; ") },
    });
    let status = app.status();
    let free = format!("{:.1} GB", status.free_bytes as f64 / 1e9);
    let (shell, peers, limited) = (shell(&app, "network"), peers.collect(), limited.collect());
    show(StatusCode::OK, &NetworkPage { shell, peers, limited, status, free })
}

async fn nowhere(State(app): State<App>) -> Response {
    page_of(&app, Problem(StatusCode::NOT_FOUND, vec!["There is no page of that address.".to_owned()]))
}

// ------------------------------------------------------------------------------------------------------ around

fn shell(app: &App, here: &'static str) -> Shell {
    let status = app.status();
    let node = status
        .member
        .as_ref()
        .map_or_else(|| "A replica without a member".to_owned(), |code| app.library().member_name(code));
    Shell { here, federation: status.federation_name, node, documents: status.documents, sync: status.sync }
}

fn page_of(app: &App, problem: Problem) -> Response {
    let heading = match problem.0 {
        StatusCode::NOT_FOUND => "Not found here",
        StatusCode::GONE => "Erased or withdrawn",
        StatusCode::FORBIDDEN => "Not shown here",
        _ => "That did not work",
    };
    let page = ProblemPage { shell: shell(app, ""), heading: heading.to_owned(), lines: problem.1 };
    show(problem.0, &page)
}

fn show(status: StatusCode, page: &impl Template) -> Response {
    match page.render() {
        Ok(html) => (status, [(header::CONTENT_SECURITY_POLICY, POLICY)], Html(html)).into_response(),
        Err(error) => Problem::internal(&error).into_response(),
    }
}
