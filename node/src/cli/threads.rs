//! Questions to other parliaments and answers to theirs, the threads they make, and what changed between versions.

use std::fs::OpenOptions;
use std::io::Write;
use std::path::PathBuf;

use clap::Args;

use super::author::{self, Checked};
use super::read::{Source, answered, missing, name, path};
use super::write::publish;
use super::{CliError, Data, Keys, io, print_json};
use crate::client::percent;
use crate::differences::Differences;
use crate::document;
use crate::forms::Form;
use crate::front_matter::{Answer, Citation, FrontMatter};
use crate::keeper::now_ms;
use crate::thread::Thread;
use crate::{template, views};

/// `comity request`
#[derive(Debug, Args)]
pub struct Request {
    #[command(flatten)]
    data: Data,
    #[command(flatten)]
    keys: Keys,
    /// The request as a file, as `comity new request` begins one; otherwise it is made from the options
    #[arg(value_name = "FILE.md", conflicts_with_all = ["title", "question", "slug"])]
    file: Option<PathBuf>,
    /// Its title
    #[arg(long, required_unless_present = "file")]
    title: Option<String>,
    /// What you ask, in one or two sentences
    #[arg(long, required_unless_present = "file")]
    question: Option<String>,
    /// The work's name below your code
    #[arg(long, required_unless_present = "file")]
    slug: Option<String>,
    /// The language you write in
    #[arg(long, default_value = "en")]
    language: String,
    /// A part of the question, to be answered on its own; once for each
    #[arg(long = "part", value_name = "TEXT")]
    parts: Vec<String>,
    /// Why you ask
    #[arg(long, default_value = "")]
    background: String,
    /// The day until which answers help, like 2026-12-24
    #[arg(long, value_name = "DAY", default_value = "")]
    deadline: String,
    /// Code of a member you ask, once for each; all where there is none
    #[arg(long = "to", value_name = "CODE")]
    to: Vec<String>,
    /// A language in which you can read answers, once for each
    #[arg(long = "accept", value_name = "LANGUAGE")]
    accept: Vec<String>,
    /// A topic, once for each
    #[arg(long = "topic", value_name = "SLUG")]
    topics: Vec<String>,
}

/// `comity reply`
#[derive(Debug, Args)]
pub struct Reply {
    #[command(flatten)]
    data: Data,
    #[command(flatten)]
    keys: Keys,
    /// The request
    #[arg(value_name = "CODE/slug")]
    request: String,
    /// The reply as a file, as --form begins one
    #[arg(value_name = "FILE.md")]
    file: Option<PathBuf>,
    /// Write a form for this request, to be filled in, and publish nothing
    #[arg(long, value_name = "FILE.md", conflicts_with_all = ["file", "text"])]
    form: Option<PathBuf>,
    /// The reply's text, in place of a file
    #[arg(long, conflicts_with = "file")]
    text: Option<String>,
    /// There is nothing of the kind in your country
    #[arg(long, conflicts_with = "file")]
    none_applicable: bool,
    /// The language you write in
    #[arg(long, default_value = "en")]
    language: String,
}

/// `comity thread`
#[derive(Debug, Args)]
pub struct Show {
    #[command(flatten)]
    data: Data,
    /// A request, or a reply or synthesis to one
    #[arg(value_name = "CODE/slug")]
    work: String,
    /// For a script
    #[arg(long)]
    json: bool,
}

/// `comity diff`
#[derive(Debug, Args)]
pub struct Diff {
    #[command(flatten)]
    data: Data,
    /// The version to compare with: CODE/slug@1; of CODE/slug, the current version with the one before
    #[arg(value_name = "CODE/slug[@V]")]
    from: String,
    /// The version to compare: CODE/slug@2; the current one where it is left out
    #[arg(value_name = "CODE/slug@V")]
    to: Option<String>,
    /// For a script
    #[arg(long)]
    json: bool,
}

impl Request {
    /// Publishes the request.
    pub fn run(self) -> Result<(), CliError> {
        if let Some(file) = self.file {
            return publish(&self.data, &self.keys, of_kind(file, "request")?);
        }
        let slug = self.slug.unwrap_or_default();
        let front = FrontMatter {
            kind: "request".to_owned(),
            language: self.language,
            title: self.title.unwrap_or_default(),
            question: self.question.unwrap_or_default(),
            questions: self.parts,
            background: self.background,
            deadline: self.deadline,
            addressed_to: self.to,
            languages_accepted: self.accept,
            topics: self.topics,
            slug: slug.clone(),
            ..FrontMatter::default()
        };
        publish(&self.data, &self.keys, vec![made(&slug, &front, "")?])
    }
}

impl Reply {
    /// Publishes the reply, or writes the form for one.
    pub fn run(self) -> Result<(), CliError> {
        if let Some(file) = self.file {
            let checked = of_kind(file, "reply")?;
            let about = checked.first().and_then(|checked| checked.document.publication.about.as_ref());
            if about.is_none_or(|about| Some(about.work.as_str()) != self.request.split('@').next()) {
                return Err(CliError::wrong(format!("the file is not about {}; correct its `about`", self.request)));
            }
            return publish(&self.data, &self.keys, checked);
        }
        let thread = ask(&self.data, &self.request)?;
        let slug = format!("reply-{}", thread.work.replace('/', "-").to_lowercase());
        let slug: String = slug.chars().take(proto::limits::SLUG_CHARS_MAX).collect();
        let about = Citation { work: format!("{}@{}", thread.work, thread.version), entry: String::new() };
        if let Some(out) = &self.form {
            return form(out, &thread, &slug, about);
        }
        if self.text.is_none() && !self.none_applicable {
            let words = "say what you answer: a FILE.md, --text, or --none-applicable; --form FILE.md begins a file";
            return Err(CliError::wrong(words));
        }
        let front = FrontMatter {
            kind: "reply".to_owned(),
            language: self.language,
            title: format!("Re: {}", thread.title).chars().take(proto::limits::TITLE_CHARS_MAX).collect(),
            none_applicable: self.none_applicable,
            about: Some(about),
            slug: slug.clone(),
            ..FrontMatter::default()
        };
        publish(&self.data, &self.keys, vec![made(&slug, &front, &self.text.unwrap_or_default())?])
    }
}

/// A reply to be filled in, with what the request asks.
fn form(out: &PathBuf, thread: &Thread, slug: &str, about: Citation) -> Result<(), CliError> {
    let form = Form::of("reply").ok_or_else(|| CliError::failed("there is no form of a reply"))?;
    let answers = thread.questions.iter().map(|part| Answer { question: part.clone(), answer: String::new() });
    let known = FrontMatter {
        title: format!("Re: {}", thread.title),
        slug: slug.to_owned(),
        about: Some(about),
        answers: answers.collect(),
        ..FrontMatter::default()
    };
    let text = template::filled(form, &known);
    let mut file = OpenOptions::new().write(true).create_new(true).open(out).map_err(io(out))?;
    file.write_all(text.as_bytes()).map_err(io(out))?;
    println!("{} asks: {}", thread.member_name, thread.question);
    println!("wrote {}; fill it in, then `comity reply {} {}`", out.display(), thread.work, out.display());
    Ok(())
}

/// A document from options, as if it had been written as a file.
fn made(slug: &str, front: &FrontMatter, text: &str) -> Result<Checked, CliError> {
    let text = document::file(front, text);
    let file = views::File { name: format!("{slug}.md"), text };
    let (document, advice) = document::read("what you gave", file.text.as_bytes()).map_err(|errors| {
        // There is no file, so a line of it would say nothing.
        let lines: Vec<String> = errors.into_iter().map(|error| error.what).collect();
        CliError::wrong(lines.join("\n"))
    })?;
    Ok(Checked { file, document, advice })
}

/// A file that must be of a kind.
fn of_kind(file: PathBuf, kind: &str) -> Result<Vec<Checked>, CliError> {
    let checked = author::check(&[file]).map_err(|errors| CliError::wrong(errors.join("\n")))?;
    let is_other = |checked: &Checked| crate::vocabulary::kind_slug(checked.document.kind as u32) != kind;
    match checked.iter().find(|checked| is_other(checked)) {
        Some(other) => {
            Err(CliError::wrong(format!("{} is no {kind}; publish it with `comity publish`", other.file.name)))
        }
        None => Ok(checked),
    }
}

fn ask(data: &Data, work: &str) -> Result<Thread, CliError> {
    let (name, source) = (name(work)?, Source::open(&data.folder()?)?);
    match source {
        Source::Running(client) => client.get(&format!("/v1/threads/{}", path(&name.work))).map_err(answered),
        Source::Alone(alone) => alone.1.thread(&name, now_ms()).map_err(missing),
    }
}

impl Show {
    /// The thread.
    pub fn run(self) -> Result<(), CliError> {
        let thread = ask(&self.data, &self.work)?;
        if self.json {
            return print_json(&thread);
        }
        println!("{}@{}  {}", thread.work, thread.version, thread.title);
        println!("{} asks: {}", thread.member_name, thread.question);
        for (number, part) in thread.questions.iter().enumerate() {
            println!("  {}. {part}", number + 1);
        }
        if let Some(reason) = &thread.withdrawn {
            println!("WITHDRAWN by its author: {reason}");
        }
        if !thread.deadline.is_empty() {
            println!("answers until {} ({})", thread.deadline, thread.deadline_words);
        }
        for addressee in &thread.addressees {
            let state = if addressee.answered { "answered" } else { "has not answered" };
            println!("  {} {}: {state}", addressee.code, addressee.name);
        }
        for reply in &thread.replies {
            let older = if reply.reply.of_older { " (to an older version of the request)" } else { "" };
            println!("\n{}@{}  {}{older}", reply.reply.work, reply.reply.version, reply.reply.member_name);
            if let Some(reason) = &reply.reply.withdrawn {
                println!("  WITHDRAWN by its author: {reason}");
            }
            if reply.none_applicable {
                println!("  nothing of the kind there");
            }
            for answer in &reply.answers {
                println!("  {} {}", answer.question, answer.answer);
            }
            reply.excerpt.lines().for_each(|line| println!("  {line}"));
        }
        for one in &thread.syntheses {
            println!("\n{}@{}  synthesis: {}", one.synthesis.work, one.synthesis.version, one.synthesis.title);
            one.findings.iter().for_each(|finding| println!("  - {finding}"));
            one.excerpt.lines().for_each(|line| println!("  {line}"));
            println!("  rests on {}", one.cites.join(", "));
        }
        Ok(())
    }
}

impl Diff {
    /// The differences.
    pub fn run(self) -> Result<(), CliError> {
        let (from, to) = (name(&self.from)?, self.to.as_deref().map(name).transpose()?);
        if to.as_ref().is_some_and(|to| to.work != from.work) {
            return Err(CliError::wrong("these are two works; versions of one are compared"));
        }
        let version = |typed: &str| typed.split_once('@').map(|(_, version)| version.to_owned());
        let (from_version, to_version) = (version(&self.from), self.to.as_deref().and_then(version));
        let found: Differences = match Source::open(&self.data.folder()?)? {
            Source::Running(client) => {
                let given = [("from", &from_version), ("to", &to_version)];
                let query: Vec<String> = given
                    .iter()
                    .filter_map(|(name, value)| Some(format!("{name}={}", percent(value.as_ref()?))))
                    .collect();
                let path = format!("/v1/differences/{}?{}", path(&from.work), query.join("&"));
                client.get(&path).map_err(answered)?
            }
            Source::Alone(alone) => {
                alone.1.differences(&from.work, from_version.as_deref(), to_version.as_deref()).map_err(missing)?
            }
        };
        if self.json {
            return print_json(&found);
        }
        println!("{}@{} -> @{}", found.work, found.from, found.to);
        for change in &found.keys {
            println!("{}:", change.key);
            change.removed.iter().for_each(|words| println!("  - {words}"));
            change.added.iter().for_each(|words| println!("  + {words}"));
        }
        print!("{}", found.text);
        if found.keys.is_empty() && found.text.is_empty() {
            println!("they say the same");
        }
        Ok(())
    }
}
