#![allow(clippy::unwrap_used)]
use super::{By, Card, Filters, Index, Question, Searcher};
use crate::partial_date::Span;

fn card(work: &str, language: &str, title: &str, text: &str) -> Card {
    let member = work.split('/').next().unwrap().to_owned();
    let values = vec![
        ("kind", "law-summary".to_owned()),
        ("topic", "children".to_owned()),
        ("language", language.to_owned()),
        ("member", member),
    ];
    Card {
        work: work.to_owned(),
        language: language.to_owned(),
        title: title.to_owned(),
        text: text.to_owned(),
        values,
        ..Card::default()
    }
}

fn asked(query: &str) -> Question {
    Question { query: query.to_owned(), limit: 10, ..Question::default() }
}

fn find(searcher: &Searcher, query: &str) -> Vec<String> {
    searcher.search(&asked(query)).unwrap().works
}

#[test]
fn a_librarian_finds_what_was_written_in_her_own_script_and_form() {
    let dir = tempfile::tempdir().unwrap();
    let (mut index, _) = Index::open(dir.path(), 42).unwrap();
    index.put(&card("FI/a", "fi", "Täysistunnon puheet", "Puheiden litterointi eduskunnassa")).unwrap();
    index.put(&card("KE/b", "ar", "قانون الذكاء الاصطناعي", "الْقَانُونُ الجديد")).unwrap();
    index.put(&card("UY/c", "zh", "生成式人工智能服务管理暂行办法", "提供者应当")).unwrap();
    index.put(&card("UY/d", "es", "Ley de protección", "La ley prohíbe imágenes íntimas sin consentimiento")).unwrap();
    index.put(&card("UY/e", "en", "Deepfake laws", "Intimate images shared without consent are banned")).unwrap();
    index.commit(7).unwrap();
    let searcher = index.searcher();
    let find = |query: &str| find(&searcher, query);
    assert_eq!(find("taysistunnon"), ["FI/a"]);
    assert_eq!(find("litterointi"), ["FI/a"]);
    assert_eq!(find("القانون"), ["KE/b"]);
    assert_eq!(find("人工智能"), ["UY/c"]);
    assert_eq!(find("intimas"), ["UY/d"]);
    assert_eq!(find("law"), ["UY/e"]);
    assert_eq!(find("\"intimate images\""), ["UY/e"]);
    assert!(find("\"images intimate\"").is_empty());
    assert_eq!(find("ley -protección"), Vec::<String>::new());
    assert_eq!(find("member:UY language:es"), ["UY/d"]);
    assert_eq!(find("").len(), 5);
    let filters = Filters { member: Some("UY".to_owned()), ..Filters::default() };
    let found = searcher.search(&Question { filters, limit: 1, ..asked("") }).unwrap();
    assert_eq!((found.total, found.works.len(), found.counts["language"]["zh"]), (3, 1, 1));
}

#[test]
fn a_new_version_replaces_the_old_a_withdrawn_work_goes_and_the_cursor_stays() {
    let dir = tempfile::tempdir().unwrap();
    let (mut index, opened) = Index::open(dir.path(), 42).unwrap();
    assert_eq!(opened.cursor, 0);
    index.put(&card("FI/a", "en", "old", "text")).unwrap();
    index.put(&card("FI/a", "en", "new", "text")).unwrap();
    index.put(&card("FI/b", "en", "other", "text")).unwrap();
    index.remove("FI/b");
    index.commit(42).unwrap();
    assert_eq!(find(&index.searcher(), "text"), ["FI/a"]);
    assert_eq!(index.searcher().search(&asked("old")).unwrap().total, 0);
    drop(index);
    let (index, opened) = Index::open(dir.path(), 42).unwrap();
    assert_eq!((opened.cursor, opened.rebuilt), (42, None));
    drop(index);
    let (mut index, opened) = Index::open(dir.path(), 41).unwrap();
    assert!(opened.cursor == 0 && opened.rebuilt.is_some());
    index.commit(41).unwrap();
    drop(index);
    std::fs::write(dir.path().join("meta.json"), "{").unwrap();
    let (_, opened) = Index::open(dir.path(), 42).unwrap();
    assert!(opened.cursor == 0 && opened.rebuilt.is_some());
}

/// A law with its dates and status.
fn law(work: &str, title: &str, status: &str, in_force: &str, valid_as_of: &str) -> Card {
    let mut card = card(work, "en", title, "text");
    card.values.push(("status", status.to_owned()));
    card.values.push(("jurisdiction", work.split('/').next().unwrap().to_owned()));
    for (name, date) in [("in_force", in_force), ("year", in_force), ("valid_as_of", valid_as_of)] {
        card.dates.extend(Span::parse(date).map(|span| (name, span)));
    }
    card
}

#[test]
fn every_form_of_a_query_finds_what_it_says() {
    let dir = tempfile::tempdir().unwrap();
    let (mut index, _) = Index::open(dir.path(), 42).unwrap();
    for (at, mut card) in [
        law("KE/a", "Deepfake act", "in-force", "2024-05-03", "2026-01"),
        law("US-CO/b", "Deepfakes and voters", "repealed", "2025", "2025-06-30"),
        law("US/c", "Biometric data", "in-force", "", "2026-09"),
        law("JP/d", "Robots", "drafting", "2026-07", ""),
    ]
    .into_iter()
    .enumerate()
    {
        card.arrival = at as u64;
        card.values.push(("identifier", format!("bill-no:{at}/2024")));
        index.put(&card).unwrap();
    }
    index.commit(7).unwrap();
    let searcher = index.searcher();
    let mut failed = Vec::new();
    for (query, works) in [
        ("deepf*", vec!["KE/a", "US-CO/b"]),
        ("title:deepf* AND title:voters", vec!["US-CO/b"]),
        ("robots OR biometric", vec!["JP/d", "US/c"]),
        ("(robots OR biometric) NOT robots", vec!["US/c"]),
        ("text AND NOT (robots OR deepf*)", vec!["US/c"]),
        ("NOT text", vec![]),
        ("-robots", vec!["KE/a", "US-CO/b", "US/c"]),
        ("jurisdiction:US", vec!["US-CO/b", "US/c"]),
        ("jurisdiction:kenya", vec!["KE/a"]),
        ("jurisdiction:us-*", vec!["US-CO/b"]),
        ("status:in-force", vec!["KE/a", "US/c"]),
        ("status:\"En vigueur\"", vec!["KE/a", "US/c"]),
        ("en vigueur", vec!["KE/a", "US/c"]),
        ("نافذ", vec!["KE/a", "US/c"]),
        ("现行有效", vec!["KE/a", "US/c"]),
        ("en vigueur deepfake", vec!["KE/a"]),
        ("Enfants", vec!["JP/d", "KE/a", "US-CO/b", "US/c"]),
        ("\"Enfants\"", vec![]),
        ("in_force:2024..2025", vec!["KE/a", "US-CO/b"]),
        ("in_force:2025-03", vec!["US-CO/b"]),
        ("in_force:>2025", vec!["JP/d"]),
        ("in_force:>=2025-12", vec!["JP/d", "US-CO/b"]),
        ("in_force:<2025", vec!["KE/a"]),
        ("year:2024", vec!["KE/a"]),
        ("valid_as_of:2026 deepf*", vec!["KE/a"]),
        ("identifier:2/2024", vec!["US/c"]),
        ("identifier:bill-no:2/2024", vec!["US/c"]),
        ("kind:(reply OR law-summary) robots", vec!["JP/d"]),
    ] {
        let mut found = find(&searcher, query);
        found.sort();
        if found != works {
            failed.push(format!("{query}: {found:?}"));
        }
    }
    assert!(failed.is_empty(), "{failed:#?}");
    let by = |by| searcher.search(&Question { by, ..asked("text") }).unwrap().works;
    assert_eq!(by(By::Date), ["JP/d", "US-CO/b", "KE/a", "US/c"]);
    assert_eq!(by(By::ValidAsOf), ["US/c", "KE/a", "US-CO/b", "JP/d"]);
    assert_eq!(by(By::Newest), ["JP/d", "US/c", "US-CO/b", "KE/a"]);
    let found = searcher.search(&asked("colour:red in_force:soon")).unwrap();
    assert_eq!(found.notes.len(), 2, "{:?}", found.notes);
    assert_eq!(searcher.search(&asked("")).unwrap().counts["status"]["in-force"], 2);
}

#[test]
fn who_asks_is_shown_a_translation_and_spellings_that_languages_share_in_hers_first() {
    let dir = tempfile::tempdir().unwrap();
    let (mut index, _) = Index::open(dir.path(), 42).unwrap();
    index.put(&card("FI/en", "en", "Torture", "torture")).unwrap();
    index.put(&card("FI/fr", "fr", "Torture", "torture")).unwrap();
    let original = Some("FI/en".to_owned());
    index.put(&Card { original, ..card("KE/sw", "sw-KE", "Mateso", "mateso") }).unwrap();
    index.commit(7).unwrap();
    let searcher = index.searcher();
    for (language, first) in [("fr-CA", "FI/fr"), ("en", "FI/en")] {
        let question = Question { languages: vec![language.to_owned()], ..asked("torture") };
        assert_eq!(searcher.search(&question).unwrap().works.first().unwrap(), first);
    }
    assert_eq!(searcher.translations("FI/en").unwrap(), [("sw-KE".to_owned(), "KE/sw".to_owned())]);
}

#[test]
fn where_nothing_has_all_of_the_words_what_has_some_is_shown_and_that_is_said() {
    let dir = tempfile::tempdir().unwrap();
    let (mut index, _) = Index::open(dir.path(), 42).unwrap();
    index.put(&card("FI/a", "fi", "Puheet", "Puheiden litterointi eduskunnassa")).unwrap();
    index.put(&card("FI/b", "en", "Holidays", "Holidays with pay")).unwrap();
    index.commit(7).unwrap();
    let searcher = index.searcher();
    for (query, work) in [("paid holiday", "FI/b"), ("litteroida", "FI/a")] {
        let found = searcher.search(&asked(query)).unwrap();
        assert_eq!((found.works.as_slice(), found.notes.len()), (&[work.to_owned()][..], 1), "{query}");
    }
    assert_eq!(searcher.search(&asked("\"paid holiday\"")).unwrap().total, 0);
    assert_eq!(searcher.search(&asked("holidays pay")).unwrap().notes, Vec::<String>::new());
}
