//! What is new, as an Atom feed at `/feed.atom`: everything, or what a search finds, newest by arrival here first.
//!
//! An entry is a work; its id is the one that harvests use, and it is `updated` when what is shown of it last changed here. A work
//! that was withdrawn and whose text is still here is an entry that says so, because most readers know nothing else; where there
//! is nothing to show any more, it is a tombstone (RFC 6721), in every feed, since nobody can tell which ones had it.
//! Written with `atom_syndication`, the crate of that format; it escapes, and its readers are widely used.

use std::collections::BTreeMap;

use atom_syndication::extension::Extension;
use atom_syndication::{Category, Entry, Feed, FixedDateTime, Generator, Link, Person, Text};
use axum::Router;
use axum::extract::{Query, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use proto::digest::Digest;

use crate::app::{App, Problem, SearchParams};
use crate::client::percent;
use crate::identifier;
use crate::index::OFFSET_MAX;
use crate::labels::{self, List};
use crate::library::{Library, LibraryError};
use crate::markdown;
use crate::name::Name;
use crate::origin::Origin;
use crate::reader::News;
use crate::rows::fold;
use crate::time;
use crate::views;
use crate::xml::allowed;

/// Entries of a page.
const PAGE: usize = 50;
/// Changes of the latest time among which works are looked for that were withdrawn or are shown no more: what a reader that asks
/// once a day has missed.
const LOOKED_BACK: usize = 500;
/// Characters of the text that stand for a summary where there is none.
const LEAD_CHARS: usize = 1_000;
/// Of the elements of RFC 6721.
const TOMBSTONES: &str = "http://purl.org/atompub/tombstones/1.0";

/// The route.
pub fn routes() -> Router<App> {
    Router::new().route("/feed.atom", get(answer))
}

/// The address of the feed of a search, without its place among the pages.
pub fn address(params: &SearchParams) -> String {
    addressed(params, 0)
}

fn addressed(params: &SearchParams, offset: usize) -> String {
    let offset = if offset == 0 { String::new() } else { offset.to_string() };
    let fields = [("q", Some(&params.q)), ("offset", Some(&offset))].into_iter().chain(filters(params));
    let given = fields.filter_map(|(name, value)| Some((name, value.filter(|value| !value.is_empty())?)));
    let query: Vec<String> = given.map(|(name, value)| format!("{name}={}", percent(value))).collect();
    if query.is_empty() { "/feed.atom".to_owned() } else { format!("/feed.atom?{}", query.join("&")) }
}

fn filters(params: &SearchParams) -> [(&'static str, Option<&String>); 8] {
    [
        ("kind", params.kind.as_ref()),
        ("topic", params.topic.as_ref()),
        ("jurisdiction", params.jurisdiction.as_ref()),
        ("language", params.language.as_ref()),
        ("member", params.member.as_ref()),
        ("status", params.status.as_ref()),
        ("year", params.year.as_ref()),
        ("assistance", params.assistance.as_ref()),
    ]
}

async fn answer(State(app): State<App>, Query(params): Query<SearchParams>, headers: HeaderMap) -> Response {
    let made = make(&app, params, &Origin::of(&headers)).await;
    let (text, updated_ms) = match made {
        Ok(made) => made,
        Err(problem) => return problem.into_response(),
    };
    // Weak, because compression changes the bytes and not what they say.
    let tag = format!("W/\"{}\"", Digest::of(text.as_bytes()));
    let kept = [
        (header::CONTENT_TYPE, "application/atom+xml; charset=utf-8".to_owned()),
        (header::ETAG, tag.clone()),
        (header::LAST_MODIFIED, time::http(updated_ms)),
        (header::CACHE_CONTROL, "no-cache".to_owned()),
    ];
    if is_known(&headers, &tag, updated_ms) {
        return (StatusCode::NOT_MODIFIED, kept).into_response();
    }
    (kept, text).into_response()
}

/// Whether the reader has it already (RFC 9110, 13.2.2: its tag counts before its date).
fn is_known(headers: &HeaderMap, tag: &str, updated_ms: u64) -> bool {
    let text = |name| headers.get(name).and_then(|value| value.to_str().ok());
    if let Some(tags) = text(header::IF_NONE_MATCH) {
        // Weakly compared, as RFC 9110 wants it here: a proxy may have made one strong or weak.
        let opaque = |tag: &str| tag.trim().trim_start_matches("W/").to_owned();
        return tags.split(',').any(|known| opaque(known) == opaque(tag) || known.trim() == "*");
    }
    text(header::IF_MODIFIED_SINCE).and_then(time::read_http).is_some_and(|since| updated_ms / 1000 * 1000 <= since)
}

async fn make(app: &App, params: SearchParams, origin: &Origin) -> Result<(String, u64), Problem> {
    let offset = params.offset.unwrap_or(0).min(OFFSET_MAX);
    let sort = Some("newest".to_owned());
    let params = SearchParams { limit: Some(PAGE), offset: Some(offset), sort, ..params };
    let found = params.clone().ask(app).await?;
    let origin = origin.clone();
    let made = app.ask(move |library| {
        let maker = Maker { library, origin: &origin };
        maker.feed(&params, &found, offset)
    });
    let (feed, updated_ms) = made.await?;
    let mut bytes = Vec::new();
    feed.write_to(&mut bytes).map_err(|error| Problem::internal(&error))?;
    let text = String::from_utf8(bytes).map_err(|error| Problem::internal(&error))?;
    Ok((text, updated_ms))
}

struct Maker<'a> {
    library: &'a Library,
    origin: &'a Origin,
}

/// What a feed says of one work.
enum Told {
    Entry(Box<Entry>),
    Tombstone(Extension),
}

impl Maker<'_> {
    /// A page, and when anything in it last changed, Unix milliseconds.
    fn feed(&self, params: &SearchParams, found: &views::Search, offset: usize) -> Result<(Feed, u64), LibraryError> {
        let mut told = Vec::new();
        for hit in &found.hits {
            if let Some(news) = self.library.reader.news_of(&hit.work)? {
                told.extend(self.tell(&news, params)?);
            }
        }
        if offset == 0 {
            for news in self.library.reader.news_before(None, LOOKED_BACK)? {
                if !found.hits.iter().any(|hit| hit.work == news.work) && self.may_be_gone(&news.work)? {
                    told.extend(self.tell(&news, params)?.filter(|(_, told)| is_end(told)));
                }
            }
        }
        told.sort_by_key(|(at_ms, _)| std::cmp::Reverse(*at_ms));
        let updated_ms = told.first().map_or(0, |(at_ms, _)| *at_ms);
        let (mut entries, mut tombstones) = (Vec::new(), Vec::new());
        for (_, told) in told {
            match told {
                Told::Entry(entry) => entries.push(*entry),
                Told::Tombstone(tombstone) => tombstones.push(tombstone),
            }
        }
        let feed = Feed {
            title: plain(&self.title(params), None),
            id: format!("{}{}", self.origin, address(params)),
            updated: date(updated_ms),
            links: self.links(params, found.total, offset),
            generator: Some(Generator {
                value: "Comity".to_owned(),
                uri: None,
                version: Some(env!("CARGO_PKG_VERSION").to_owned()),
            }),
            extensions: [("at".to_owned(), [("deleted-entry".to_owned(), tombstones)].into())].into(),
            namespaces: [("at".to_owned(), TOMBSTONES.to_owned())].into(),
            entries,
            ..Feed::default()
        };
        Ok((feed, updated_ms))
    }

    fn title(&self, params: &SearchParams) -> String {
        let federation = self.library.view.standing.charter().name();
        let asked = [("", Some(&params.q))].into_iter().chain(filters(params));
        let words: Vec<&str> =
            asked.filter_map(|(_, value)| value.map(String::as_str)).filter(|v| !v.is_empty()).collect();
        if words.is_empty() {
            format!("{federation}: what is new")
        } else {
            format!("{federation}: {}", words.join(" · "))
        }
    }

    fn links(&self, params: &SearchParams, total: u64, offset: usize) -> Vec<Link> {
        let feed = |rel: &str, offset: usize| Link {
            href: format!("{}{}", self.origin, addressed(params, offset)),
            rel: rel.to_owned(),
            mime_type: Some("application/atom+xml".to_owned()),
            ..Link::default()
        };
        let page = address(params).replacen("/feed.atom", "/", 1);
        let mut links = vec![
            feed("self", offset),
            Link {
                href: format!("{}{page}", self.origin),
                rel: "alternate".to_owned(),
                mime_type: Some("text/html".to_owned()),
                ..Link::default()
            },
        ];
        if total > (offset + PAGE) as u64 && offset + PAGE <= OFFSET_MAX {
            links.push(feed("next", offset + PAGE));
        }
        if offset > 0 {
            links.push(feed("previous", offset.saturating_sub(PAGE)));
        }
        links
    }

    /// Whether a work may be withdrawn or shown no more: most are neither, and need not be read for it.
    fn may_be_gone(&self, work: &str) -> Result<bool, LibraryError> {
        let view = &self.library.view;
        if view.counts.erased > 0 || !view.policy.hidden.is_empty() {
            return Ok(true);
        }
        let state = fold(&self.library.reader.standing_work(work, &view.ends)?);
        Ok(state.withdrawn.is_some() || state.current.is_empty())
    }

    /// What there is to tell of a work now; nothing of one that is withdrawn and would not be found by this search either.
    fn tell(&self, news: &News, params: &SearchParams) -> Result<Option<(u64, Told)>, LibraryError> {
        let Some(name) = Name::parse(&news.work) else { return Ok(None) };
        let told = match self.library.document(&name) {
            Ok(document) if document.withdrawn.is_some() && !matches(&document, params) => {
                Told::Tombstone(self.tombstone(news, document.withdrawn.as_deref().unwrap_or_default()))
            }
            Ok(document) => Told::Entry(Box::new(self.entry(news, &document))),
            Err(LibraryError::NotFound(_)) => Told::Tombstone(self.tombstone(news, "It stands no more.")),
            Err(
                error @ (LibraryError::Erased { .. } | LibraryError::Withdrawn { .. } | LibraryError::NotShown { .. }),
            ) => Told::Tombstone(self.tombstone(news, &error.to_string())),
            Err(LibraryError::NoBody(_)) => return Ok(None),
            Err(error) => return Err(error),
        };
        Ok(Some((news.at_ms, told)))
    }

    fn entry(&self, news: &News, document: &views::Document) -> Entry {
        let front = &document.front_matter;
        let language = Some(front.language.as_str());
        let first_ms = document.versions.iter().map(|version| version.arrived_ms).min();
        let lead = [&front.summary_short, &front.objective].into_iter().find(|text| !text.is_empty()).cloned();
        let lead = lead.unwrap_or_else(|| markdown::to_text(&document.text).chars().take(LEAD_CHARS).collect());
        let (title, summary) = match &document.withdrawn {
            None => (plain(&front.title, language), plain(lead.trim(), language)),
            Some(reason) => (
                plain(&format!("Withdrawn: {}", front.title), language),
                plain(&format!("Withdrawn by its author. Reason given: {reason}"), Some("en")),
            ),
        };
        let mut categories = vec![self.category(&front.kind, "kind", &labels::label(List::Kind, &front.kind, "en"))];
        categories.extend(
            front.topics.iter().map(|topic| self.category(topic, "topic", &labels::label(List::Topic, topic, "en"))),
        );
        if document.withdrawn.is_some() {
            categories.push(self.category("withdrawn", "state", "Withdrawn by its author"));
        }
        if front.assistance.values().any(|level| level == "generated-unreviewed") {
            categories.push(self.category(
                "generated-unreviewed",
                "assistance",
                "Drafted with AI and not reviewed by a person",
            ));
        }
        let corrections =
            document.related.iter().filter(|related| related.rel == "correction").map(|correction| Link {
                href: self.origin.page(&correction.work),
                rel: "related".to_owned(),
                hreflang: named(Some(&correction.language)),
                mime_type: Some("text/html".to_owned()),
                title: Some(
                    allowed(&format!("Corrected by {}: {}", correction.member_name, correction.title)).into_owned(),
                ),
                ..Link::default()
            });
        let page = Link {
            href: self.origin.page(&document.work),
            rel: "alternate".to_owned(),
            hreflang: named(language),
            mime_type: Some("text/html".to_owned()),
            ..Link::default()
        };
        Entry {
            title,
            id: identifier::of(&self.library.view.frontier.federation, &document.work),
            updated: date(news.at_ms),
            published: first_ms.map(date),
            authors: vec![Person { name: allowed(&document.provenance.member_name).into_owned(), ..Person::default() }],
            categories,
            links: [page].into_iter().chain(corrections).collect(),
            rights: (!front.licence.is_empty()).then(|| plain(&front.licence, None)),
            summary: Some(summary),
            ..Entry::default()
        }
    }

    /// A category, in the scheme of the searches it narrows: a topic may be called as a kind is.
    fn category(&self, term: &str, field: &str, label: &str) -> Category {
        Category {
            term: allowed(term).into_owned(),
            scheme: Some(format!("{}/?{field}=", self.origin)),
            label: Some(allowed(label).into_owned()),
        }
    }

    fn tombstone(&self, news: &News, why: &str) -> Extension {
        let comment = Extension {
            name: "at:comment".to_owned(),
            value: Some(allowed(why).into_owned()),
            attrs: BTreeMap::new(),
            children: BTreeMap::new(),
        };
        let id = identifier::of(&self.library.view.frontier.federation, &news.work);
        Extension {
            name: "at:deleted-entry".to_owned(),
            value: None,
            attrs: [("ref".to_owned(), id), ("when".to_owned(), time::second(news.at_ms))].into(),
            children: [("comment".to_owned(), vec![comment])].into(),
        }
    }
}

/// Whether it says that a work is shown no more.
fn is_end(told: &Told) -> bool {
    match told {
        Told::Tombstone(_) => true,
        Told::Entry(entry) => entry.categories.iter().any(|category| category.term == "withdrawn"),
    }
}

/// Whether a withdrawn work, which no index has any more, is one of a feed by its fields; by its words, and by the
/// year that an index makes of its dates, nobody can tell.
fn matches(document: &views::Document, params: &SearchParams) -> bool {
    let front = &document.front_matter;
    let is = |wanted: &Option<String>, has: &dyn Fn(&str) -> bool| {
        wanted.as_deref().filter(|wanted| !wanted.is_empty()).is_none_or(has)
    };
    params.q.trim().is_empty()
        && is(&params.kind, &|kind| front.kind == kind)
        && is(&params.topic, &|topic| front.topics.iter().any(|known| known == topic))
        && is(&params.jurisdiction, &|jurisdiction| front.jurisdiction == jurisdiction)
        && is(&params.language, &|language| front.language == language)
        && is(&params.member, &|member| document.provenance.member == member)
        && is(&params.status, &|status| front.legal_status == status)
        && is(&params.assistance, &|level| front.assistance.values().any(|known| known == level))
        && is(&params.year, &|_| false)
}

/// Text that stays text, in a language.
fn plain(text: &str, language: Option<&str>) -> Text {
    Text { lang: named(language), ..Text::plain(allowed(text).into_owned()) }
}

/// A language that can stand in an attribute; what was received may call anything one.
fn named(language: Option<&str>) -> Option<String> {
    language.filter(|tag| oxilangtag::LanguageTag::parse(*tag).is_ok()).map(str::to_owned)
}

fn date(ms: u64) -> FixedDateTime {
    time::second(ms).parse().unwrap_or_default()
}
