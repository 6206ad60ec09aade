//! A request and what came of it: whom it asked, who answered, what they said, and what the asker makes of it.

use std::collections::BTreeSet;

use proto::schema::{self, Kind};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::front_matter::{Answer, FrontMatter};
use crate::library::{Library, LibraryError};
use crate::markdown;
use crate::name::Name;
use crate::related::Related;
use crate::rows::fold;
use crate::time;

/// Characters of a reply's text that a thread shows; the document has all of it.
const EXCERPT_CHARS: usize = 600;

/// A request with its replies.
#[derive(Clone, Debug, Default, Serialize, Deserialize, ToSchema)]
pub struct Thread {
    /// The request, `CODE/slug`.
    pub work: String,
    /// Its current version.
    pub version: u32,
    /// Its title.
    pub title: String,
    /// The language of its text.
    pub language: String,
    /// The asker's code.
    pub member: String,
    /// What the asker calls itself.
    pub member_name: String,
    /// What is asked.
    pub question: String,
    /// Its parts.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub questions: Vec<String>,
    /// The day until which answers help.
    #[serde(skip_serializing_if = "String::is_empty", default)]
    pub deadline: String,
    /// How far off that is.
    #[serde(skip_serializing_if = "String::is_empty", default)]
    pub deadline_words: String,
    /// Languages in which the asker can read answers.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub languages_accepted: Vec<String>,
    /// Why its author took the request back.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub withdrawn: Option<String>,
    /// Whom it asks, and whether they answered; empty where it asks all.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub addressees: Vec<Addressee>,
    /// Replies, each in its latest version, oldest first.
    pub replies: Vec<Reply>,
    /// What the asker makes of them.
    pub syntheses: Vec<Synthesis>,
}

/// A member that was asked.
#[derive(Clone, Debug, Default, Serialize, Deserialize, ToSchema)]
pub struct Addressee {
    /// Its code.
    pub code: String,
    /// What it calls itself.
    pub name: String,
    /// Whether a reply of it stands.
    pub answered: bool,
}

/// A reply in a thread.
#[derive(Clone, Debug, Default, Serialize, Deserialize, ToSchema)]
pub struct Reply {
    /// Whose it is, and of which version of the request.
    pub reply: Related,
    /// Part by part.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub answers: Vec<Answer>,
    /// There is nothing of the kind there.
    #[serde(skip_serializing_if = "std::ops::Not::not", default)]
    pub none_applicable: bool,
    /// The beginning of its text.
    pub excerpt: String,
    /// Whether a synthesis rests on it.
    #[serde(skip_serializing_if = "std::ops::Not::not", default)]
    pub cited: bool,
}

/// A synthesis in a thread.
#[derive(Clone, Debug, Default, Serialize, Deserialize, ToSchema)]
pub struct Synthesis {
    /// Which it is.
    pub synthesis: Related,
    /// What the replies come to.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub findings: Vec<String>,
    /// The replies it rests on, `CODE/slug@version`.
    pub cites: Vec<String>,
    /// The beginning of its text.
    pub excerpt: String,
}

impl Library {
    /// The thread that a request begins, or that a reply or a synthesis belongs to.
    pub fn thread(&self, name: &Name, now_ms: u64) -> Result<Thread, LibraryError> {
        let (kind, named) = self.current(name)?;
        if kind == Kind::Request as u32 {
            return self.thread_of(name, &named, now_ms);
        }
        let Some(about) = named.about.filter(|_| [Kind::Reply as u32, Kind::Synthesis as u32].contains(&kind)) else {
            return Err(LibraryError::NoThread(name.work.clone()));
        };
        let name = Name { work: about.work, version: None, digest: None };
        let (kind, request) = self.current(&name)?;
        match kind == Kind::Request as u32 {
            true => self.thread_of(&name, &request, now_ms),
            false => Err(LibraryError::NoThread(name.work)),
        }
    }

    fn thread_of(&self, name: &Name, request: &schema::Publication, now_ms: u64) -> Result<Thread, LibraryError> {
        let state = fold(&self.reader.standing_work(&name.work, &self.view.ends)?);
        let member = name.work.split('/').next().unwrap_or_default().to_owned();
        let (mut replies, mut syntheses) = (Vec::new(), Vec::new());
        for source in self.sources(&name.work)? {
            let naming = &source.naming;
            let Some(about) = naming.publication.about.as_ref().filter(|about| about.work == name.work) else {
                continue;
            };
            let front = FrontMatter::of(naming.kind, &naming.publication);
            let excerpt = excerpt(&naming.publication.text);
            if naming.kind == Kind::Reply as u32 {
                let reply = self.shown_as(&source, "reply", Some(about), &state);
                let FrontMatter { answers, none_applicable, .. } = front;
                replies.push(Reply { reply, answers, none_applicable, excerpt, cited: false });
            } else if naming.kind == Kind::Synthesis as u32 && naming.member == member {
                let synthesis = self.shown_as(&source, "synthesis", Some(about), &state);
                let cites = front.cites.into_iter().map(|citation| citation.work).collect();
                syntheses.push(Synthesis { synthesis, findings: front.findings, cites, excerpt });
            }
        }
        let is_of = |cited: &String, reply: &Related| cited.split('@').next() == Some(reply.work.as_str());
        for reply in &mut replies {
            reply.cited = syntheses.iter().flat_map(|one| &one.cites).any(|cited| is_of(cited, &reply.reply));
        }
        let answered: BTreeSet<&str> = replies
            .iter()
            .filter(|reply| reply.reply.withdrawn.is_none())
            .map(|reply| reply.reply.member.as_str())
            .collect();
        let asked = request.request.clone().unwrap_or_default();
        let addressees = asked.addressed_to.iter().map(|code| Addressee {
            answered: answered.contains(code.as_str()),
            name: self.member_name(code),
            code: code.clone(),
        });
        Ok(Thread {
            addressees: addressees.collect(),
            deadline_words: time::until(&asked.deadline, now_ms),
            deadline: asked.deadline,
            question: asked.question,
            questions: asked.questions,
            languages_accepted: asked.languages_accepted,
            work: name.work.clone(),
            version: request.version,
            title: request.title.clone(),
            language: request.language.clone(),
            member_name: self.member_name(&member),
            member,
            withdrawn: state.withdrawn,
            replies,
            syntheses,
        })
    }
}

fn excerpt(markdown: &str) -> String {
    let text = markdown::to_text(markdown);
    let text = text.trim();
    let end = text.char_indices().nth(EXCERPT_CHARS).map_or(text.len(), |(at, _)| at);
    let cut = if end < text.len() { " .." } else { "" };
    format!("{}{cut}", text.get(..end).unwrap_or_default())
}
