//! Whether people find what they look for, in every language there is something in: questions with known answers, each to be
//! among the first three for nine of ten.
//!
//! The questions are in `quality/`. They were written before the search was tuned.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use comity::document;
use comity::index::{Index, Question, Searcher};
use comity::indexer::card_of;
use comity::preference;
use proto::schema::{Kind, Publication};
use scraper::{Html, Selector};

/// Among how many of the first the answer must be.
const FIRST: usize = 3;
/// Of ten questions, how many must be answered so.
const ANSWERED: usize = 9;

/// Puts every sample document into the index.
fn put_samples(index: &mut Index) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/documents");
    for member in fs::read_dir(folder).unwrap().map(|item| item.unwrap().path()).filter(|path| path.is_dir()) {
        for file in fs::read_dir(&member).unwrap().map(|item| item.unwrap().path()) {
            let (document, _) = document::read(&file.to_string_lossy(), &fs::read(&file).unwrap()).unwrap();
            let code = member.file_name().unwrap().to_string_lossy();
            let work = format!("{code}/{}", document.publication.slug);
            index.put(&card_of(&work, document.kind as u32, &document.publication, 1)).unwrap();
        }
    }
}

fn work_of(translation: &str, article: &str) -> String {
    format!("FI/udhr-{}-{article}", translation.replace('_', "-"))
}

/// Puts every article of every translation of the Declaration into the index as a document of its own. Gives their languages.
fn put_declaration(index: &mut Index, folder: &Path) -> BTreeMap<String, String> {
    let select = |what: &str| Selector::parse(what).unwrap();
    let text = |element: scraper::ElementRef| element.text().collect::<String>().trim().to_owned();
    let mut languages = BTreeMap::new();
    for file in fs::read_dir(folder).unwrap().map(|item| item.unwrap().path()) {
        if file.extension().is_none_or(|extension| extension != "html") {
            continue;
        }
        let translation = file.file_stem().unwrap().to_string_lossy().into_owned();
        let page = Html::parse_document(&fs::read_to_string(&file).unwrap());
        let language = page.root_element().attr("lang").unwrap().to_owned();
        let whole = page.select(&select("h1")).next().map(text).unwrap_or_default();
        for article in page.select(&select("article[data-number]")) {
            let heading = article.select(&select("h2")).next().map(text).unwrap_or_default();
            let paragraphs: Vec<String> = article.select(&select("p, li")).map(text).collect();
            let publication = Publication {
                language: language.clone(),
                title: format!("{whole}, {heading}"),
                text: paragraphs.join("\n\n"),
                ..Publication::default()
            };
            let work = work_of(&translation, article.attr("data-number").unwrap());
            index.put(&card_of(&work, Kind::LawSummary as u32, &publication, 1)).unwrap();
        }
        languages.insert(translation, language);
    }
    languages
}

/// Asks every question of a file, a language, an answer and a query in each line, and says which languages were served badly.
fn ask(searcher: &Searcher, questions: &str, known: impl Fn(&str, &str) -> (String, String)) {
    let mut missed: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    let mut asked: BTreeMap<&str, usize> = BTreeMap::new();
    for line in questions.lines().filter(|line| !line.starts_with('#')) {
        let [of, answer, query] = line.split('\t').collect::<Vec<_>>().try_into().unwrap();
        let (language, work) = known(of, answer);
        let languages = preference::languages(&language);
        let question = Question { query: query.to_owned(), languages, limit: FIRST, ..Question::default() };
        let found = searcher.search(&question).unwrap();
        *asked.entry(of).or_default() += 1;
        if !found.works.contains(&work) {
            missed.entry(of).or_default().push(format!("{query} ({answer}): {} found, {:?}", found.total, found.works));
        }
    }
    let answered = |of: &str| asked.get(of).unwrap() - missed.get(of).map_or(0, Vec::len);
    let total: usize = asked.keys().map(|of| answered(of)).sum();
    println!(
        "{total} of {} questions in {} languages are answered; not: {missed:#?}",
        asked.values().sum::<usize>(),
        asked.len()
    );
    assert!(asked.values().all(|number| *number == 10), "ten questions in every language: {asked:?}");
    let badly: Vec<&&str> = asked.keys().filter(|of| answered(of) < ANSWERED).collect();
    assert!(badly.is_empty(), "fewer than {ANSWERED} of 10 are answered in {badly:?}");
}

#[test]
fn who_asks_for_a_sample_document_finds_it_in_every_language() {
    let dir = tempfile::tempdir().unwrap();
    let (mut index, _) = Index::open(dir.path(), 1).unwrap();
    put_samples(&mut index);
    index.commit(1).unwrap();
    ask(&index.searcher(), include_str!("quality/samples.tsv"), |language, work| {
        (language.to_owned(), work.to_owned())
    });
}

#[test]
fn who_asks_for_a_human_right_finds_its_article_in_thirty_languages() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/data/udhr");
    if !folder.exists() {
        println!("skipped: the Declaration is not on this machine ({})", folder.display());
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let (mut index, _) = Index::open(dir.path(), 1).unwrap();
    put_samples(&mut index);
    let languages = put_declaration(&mut index, &folder);
    index.commit(1).unwrap();
    ask(&index.searcher(), include_str!("quality/declaration.tsv"), |translation, article| {
        (languages.get(translation).unwrap().clone(), work_of(translation, article))
    });
}
