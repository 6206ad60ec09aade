//! What parliaments have already goes in without retyping, as often as they like, and whatever is wrong with it is told by its line.

use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use crate::federation::{Federation, Node, wait_until};

/// A real data set, where it is on this machine. It is read in place: its terms do not let us ship it.
fn shared(name: &str) -> Option<PathBuf> {
    let folders = [
        concat!(env!("CARGO_MANIFEST_DIR"), "/../shared/data"),
        concat!(env!("CARGO_MANIFEST_DIR"), "/../../shared/data"),
    ];
    let found = folders.iter().map(|folder| Path::new(folder).join(name)).find(|path| path.exists());
    if found.is_none() {
        println!("skipped: {name} is not on this machine (shared/data beside the project)");
    }
    found
}

fn mapping(name: &str) -> String {
    format!("{}/../examples/mappings/{name}.toml", env!("CARGO_MANIFEST_DIR"))
}

/// What an import said: its exit code, one object for each record, and their counts.
struct Report {
    code: i32,
    records: Vec<Value>,
    counts: Value,
    words: String,
}

impl Report {
    fn of(federation: &Federation, member: &str, arguments: &[&str]) -> Report {
        let data = federation.path(member);
        let output = federation.comity(&[&["import", "--json", "--data", &data], arguments].concat());
        let text = String::from_utf8(output.stdout).unwrap();
        let mut records: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        let counts = records.pop().unwrap_or_default();
        let words = String::from_utf8_lossy(&output.stderr).into_owned();
        Report { code: output.status.code().unwrap_or(-1), records, counts, words }
    }

    /// How many were imported, unchanged, skipped.
    fn counts(&self) -> (u64, u64, u64) {
        let count = |key: &str| self.counts[key].as_u64().unwrap_or_else(|| panic!("{}", self.words));
        (count("imported"), count("unchanged"), count("skipped"))
    }

    /// The records of which it says this.
    fn saying(&self, words: &str) -> Vec<&Value> {
        let says = |record: &&Value| {
            record["why"].as_array().is_some_and(|why| why.iter().any(|why| why.as_str().unwrap().contains(words)))
        };
        self.records.iter().filter(says).collect()
    }
}

fn entries(node: &Node) -> u64 {
    node.status()["entries"].as_u64().unwrap()
}

#[test]
fn a_library_imports_agora_twice_and_the_second_time_changes_nothing() {
    let Some(agora) = shared("agora/documents.csv") else { return };
    let agora = agora.display().to_string();
    let federation = Federation::found(&["KE-LC01"]);
    let node = federation.start("KE-LC01", &[]);
    let first = Report::of(&federation, "KE-LC01", &["--mapping", &mapping("agora"), &agora]);
    assert_eq!((first.code, first.counts()), (0, (680, 0, 0)), "{}", first.words);
    // What is missing is told, row by row; the row is imported all the same.
    assert_eq!(first.saying("no summary_short").len(), 5);
    assert_eq!(first.saying("is not there").len(), 4);
    assert_eq!(first.saying("bytes, ").len(), 1, "one text is longer than a document may be");
    assert!(first.saying("is not there").iter().all(|record| record["line"].as_u64().unwrap() > 1));
    let before = entries(&node);

    let second = Report::of(&federation, "KE-LC01", &["--mapping", &mapping("agora"), &agora]);
    assert_eq!((second.code, second.counts()), (0, (0, 680, 0)), "{}", second.words);
    assert_eq!(entries(&node), before, "the second import wrote something");

    // Who reads it is told that nobody may have read it.
    let unread =
        first.records.iter().map(|record| record["work"].as_str().unwrap().split('@').next().unwrap()).filter(|work| {
            let document = node.get(&format!("/v1/documents/{work}"));
            document["front_matter"]["assistance"]["summary_short"] == "generated-unreviewed"
        });
    assert_eq!(unread.count(), 372);
    assert_eq!(node.get("/v1/documents/KE-LC01/agora-1381")["front_matter"]["jurisdiction"], "UN");
    wait_until("all are found", || node.status()["indexed"] == 680);
    drop(node);
    federation.audit("KE-LC01");
}

#[test]
fn policies_and_use_cases_of_others_go_in_twice_by_the_mappings_that_come_with_it() {
    let (Some(policies), Some(cases)) = (
        shared("oecd-ai-policies/cleaned_policies.csv"),
        shared("us-federal-ai-use-cases-2025/individually_reported.csv"),
    ) else {
        return;
    };
    let federation = Federation::found(&["FI"]);
    let node = federation.start("FI", &[]);
    for (name, path, records) in [("oecd-ai", policies, 293), ("us-federal", cases, 3161)] {
        let path = path.display().to_string();
        let first = Report::of(&federation, "FI", &["--mapping", &mapping(name), &path]);
        let (imported, unchanged, skipped) = first.counts();
        assert_eq!((imported + skipped, unchanged), (records, 0), "{}", first.words);
        // Only what has no id of its own, or is withheld, stays outside.
        let told = first.saying("already").len() + first.saying("withholds").len();
        assert_eq!(
            told as u64,
            skipped,
            "{:?}",
            first.records.iter().filter(|one| one["verdict"] == "skipped").collect::<Vec<_>>()
        );
        let before = entries(&node);
        let second = Report::of(&federation, "FI", &["--mapping", &mapping(name), &path]);
        assert_eq!(second.counts(), (0, imported, skipped), "{}", second.words);
        assert_eq!(entries(&node), before);
    }
    // Names in any script, and each of several addresses in a cell for itself.
    let policy = node.get("/v1/documents/FI/oecd-2021-data-policyinitiatives-27146");
    let sources = policy["front_matter"]["sources"].as_array().unwrap();
    assert!(
        sources.len() > 4 && sources.iter().all(|one| !one["url"].as_str().unwrap().contains(char::is_whitespace)),
        "{policy}"
    );
    drop(node);
    federation.audit("FI");
}

/// A small table with a mapping of its own.
fn table(federation: &Federation, file: &str) -> String {
    let toml = format!(
        "[file]\n{file}\n[constants]\nkind = \"law-summary\"\nlicence = \"CC0-1.0\"\n[fields]\nslug = \"no\"\ntitle = \"name\"\n\
         language = \"lang\"\nlegal_status = {{ column = \"status\", codes = \"statuses\" }}\ntext = \"text\"\n\
         [codes.statuses]\nVigente = \"in-force\"\nDerogada = \"repealed\"\n"
    );
    federation.file("mapping.toml", &toml)
}

#[test]
fn whatever_is_wrong_with_a_row_is_told_by_its_line_and_the_rest_is_imported() {
    let federation = Federation::found(&["UY-UC01"]);
    let node = federation.start("UY-UC01", &[]);
    let csv = "no;name;lang;status;text\n\
        1;Ley de protección;esp;Vigente;Texto <script>alert(1)</script> *fin*\n\
        ;Ley sin número;es;Vigente;x\n\
        1;Otra ley;es;Vigente;x\n\
        3;Ley rota;es;Vigente\n\
        4;Ley rara;es;Olvidada;x\n\
        5;\"Ley; larga\";spa;Derogada;\"dos\nlíneas\"\n\
        6;Ley de idioma;x y;Vigente;x\n";
    let latin: Vec<u8> = csv.chars().map(|char| u8::try_from(char as u32).unwrap()).collect();
    let path = federation.folder("leyes.csv");
    std::fs::write(&path, latin).unwrap();
    let path = path.display().to_string();

    // Read as what it is not, every row with an accent is told, and how to mend it.
    let utf8 = table(&federation, "delimiter = \";\"");
    let report = Report::of(&federation, "UY-UC01", &["--mapping", &utf8, &path]);
    assert_eq!(report.code, 1);
    let lines: Vec<u64> = report.saying("is not UTF-8").iter().map(|record| record["line"].as_u64().unwrap()).collect();
    assert_eq!(lines, [2, 3, 7]);

    let mapping = table(&federation, "delimiter = \";\"\nencoding = \"windows-1252\"");
    let report = Report::of(&federation, "UY-UC01", &["--mapping", &mapping, &path]);
    assert_eq!((report.code, report.counts()), (1, (2, 0, 5)), "{} {:?}", report.words, report.records);
    for (line, words) in [
        (3, "it has no id"),
        (4, "line 2 has already"),
        (5, "has 4 cells where the header has 5"),
        (6, "`Olvidada` for `legal_status` is not in the table"),
        (9, "`x y` is no language tag"),
    ] {
        let record = report.records.iter().find(|record| record["line"] == line).unwrap();
        assert!(record["verdict"] == "skipped" && record["why"][0].as_str().unwrap().contains(words), "{record}");
    }
    let law = node.get("/v1/documents/UY-UC01/1");
    assert_eq!(law["front_matter"]["title"], "Ley de protección");
    assert_eq!(law["front_matter"]["language"], "es");
    // What was text stays text, on the page too.
    let page = node.ask("/UY-UC01/1").1;
    assert!(
        page.contains("&lt;script&gt;alert(1)&lt;/script&gt; *fin*") && !page.contains("<script>alert(1)"),
        "{page}"
    );

    // A column that is not there is told before anything is imported.
    let wrong = federation.file("wrong.csv", "no;nombre;lang;status;text\n9;x;es;Vigente;x\n");
    let report = Report::of(&federation, "UY-UC01", &["--mapping", &mapping, &wrong]);
    assert!(report.code == 1 && report.words.contains("there is no column `name`"), "{}", report.words);
    drop(node);
    federation.audit("UY-UC01");
}

#[test]
fn what_a_librarian_corrected_or_withdrew_no_import_undoes() {
    let federation = Federation::found(&["FI"]);
    let node = federation.start("FI", &[]);
    let mapping = table(&federation, "");
    let rows = |text: &str| {
        federation.file(
            "laws.csv",
            &format!(
                "no,name,lang,status,text\na,Act A,en,Vigente,{text}\nb,Act B,en,Vigente,x\nc,Act C,en,Vigente,x\n"
            ),
        )
    };
    let import = |text: &str| Report::of(&federation, "FI", &["--mapping", &mapping, &rows(text)]);
    assert_eq!(import("first").counts(), (3, 0, 0));
    federation.publish("FI", "b", "Corrected by hand.");
    federation.done(&["withdraw", "--data", &federation.path("FI"), "FI/c", "--reason", "a mistake"]);
    let again = import("first");
    assert_eq!((again.code, again.counts()), (0, (0, 1, 2)), "{:?}", again.records);
    assert!(again.records[1]["why"][0].as_str().unwrap().contains("version 2 has superseded"), "{}", again.records[1]);
    assert!(again.records[2]["why"][0].as_str().unwrap().contains("was withdrawn (a mistake)"), "{}", again.records[2]);
    // What changed where it comes from is a new version.
    let changed = import("second");
    assert_eq!(changed.counts(), (1, 0, 2));
    assert_eq!(changed.records[0]["work"], "FI/a@2");
    drop(node);
    federation.audit("FI");
}

#[test]
fn an_import_that_is_killed_goes_on_where_it_was_and_nothing_is_there_twice() {
    let federation = Federation::found(&["FI"]);
    let node = federation.start("FI", &[]);
    let mapping = table(&federation, "");
    let mut csv = "no,name,lang,status,text\n".to_owned();
    for number in 0..3_000 {
        csv.push_str(&format!("law-{number},Act {number},en,Vigente,Text of act {number}\n"));
    }
    let (data, path) = (federation.path("FI"), federation.file("laws.csv", &csv));
    let mut child = federation
        .command(&["import", "--data", &data, "--mapping", &mapping, &path])
        .stdout(std::process::Stdio::null())
        .spawn()
        .unwrap();
    wait_until("some are in", || node.status()["documents"].as_u64().unwrap() > 0);
    child.kill().unwrap();
    child.wait().unwrap();
    node.kill();
    federation.audit("FI");
    let node = federation.start("FI", &[]);
    let was = node.status()["documents"].as_u64().unwrap();
    let rest = Report::of(&federation, "FI", &["--mapping", &mapping, &path]);
    assert_eq!(rest.counts(), (3_000 - was, was, 0), "{}", rest.words);
    assert_eq!(node.status()["documents"], 3_000);
    // The desk's log has its first entry, and one for each law.
    let logs = node.get("/v1/logs");
    let desk = logs["logs"].as_array().unwrap().iter().find(|log| log["purpose"] == "publication").unwrap();
    assert!(desk["size"].as_u64().unwrap() <= 3_002, "{desk}");
    drop(node);
    federation.audit("FI");
}

/// Pushes records: the status, and the answer.
fn push(federation: &Federation, node: &Node, query: &str, key: Option<&str>, lines: &str) -> (u16, Value) {
    let token = std::fs::read_to_string(federation.folder(&node.name).join("token")).unwrap();
    let request = ureq::post(format!("http://{}/v1/import{query}", node.http))
        .config()
        .http_status_as_error(false)
        .build()
        .header("Authorization", format!("Bearer {}", token.trim()))
        .header("Content-Type", "application/x-ndjson");
    let request = match key {
        Some(key) => request.header("Idempotency-Key", key),
        None => request,
    };
    let mut response = request.send(lines).unwrap();
    let status = response.status().as_u16();
    (status, serde_json::from_str(&response.body_mut().read_to_string().unwrap()).unwrap())
}

#[test]
fn a_parliaments_own_system_pushes_every_night_and_a_push_sent_again_is_answered_again() {
    let federation = Federation::found(&["FI"]);
    let node = federation.start("FI", &[]);
    let record = |slug: &str, title: &str| {
        json!({"kind": "law-summary", "language": "fin", "slug": slug, "title": title, "text": "Teksti"}).to_string()
    };
    let lines = [record("a", "Laki A"), "{\"kind\": \"law-summary\", \"titl\": 1}".to_owned(), record("b", "Laki B")]
        .join("\n");
    let (status, first) = push(&federation, &node, "", Some("2026-11-28"), &lines);
    assert_eq!(status, 200, "{first}");
    assert_eq!((&first["imported"], &first["skipped"], &first["wrong"]), (&json!(2), &json!(1), &json!(1)));
    let why = first["records"][1]["why"][0].as_str().unwrap();
    assert!(first["records"][1]["line"] == 2 && why.contains("unknown key `titl`; did you mean `title`?"), "{first}");
    assert_eq!(node.get("/v1/documents/FI/a")["front_matter"]["language"], "fi");
    let before = entries(&node);
    // The line broke before the answer came: the same again, also after a restart, gives the same answer.
    let (status, again) = push(&federation, &node, "", Some("2026-11-28"), &lines);
    assert_eq!((status, &again), (200, &first));
    node.stop();
    let node = federation.start("FI", &[]);
    let (_, again) = push(&federation, &node, "", Some("2026-11-28"), &lines);
    assert_eq!(again, first);
    // The next night has a key of its own, and finds everything there.
    let (_, next) = push(&federation, &node, "", Some("2026-11-29"), &lines);
    assert_eq!((&next["imported"], &next["unchanged"]), (&json!(0), &json!(2)), "{next}");
    let (status, words) = push(&federation, &node, "", Some("2026-11-29"), &record("c", "Laki C"));
    assert!(status == 422 && words.to_string().contains("used for another request"), "{words}");
    // Rows as that system has them, through a mapping that the operator put there.
    let mappings = federation.folder("FI").join("mappings");
    std::fs::create_dir(&mappings).unwrap();
    let file = table(&federation, "");
    std::fs::copy(file, mappings.join("laws.toml")).unwrap();
    let row = json!({"no": 7, "name": "Laki 7", "lang": "fi", "status": "Vigente", "text": "# ei otsikko"}).to_string();
    let (status, mapped) = push(&federation, &node, "?mapping=laws", None, &row);
    assert_eq!((status, &mapped["records"][0]["work"]), (200, &json!("FI/7@1")), "{mapped}");
    for bad in ["../laws", "none", ""] {
        let (status, words) = push(&federation, &node, &format!("?mapping={bad}"), None, &row);
        assert_eq!(status, 422, "{words}");
    }
    assert_eq!(entries(&node), before + 1);
    drop(node);
    federation.audit("FI");
}

/// A translation of the Declaration as its file has it: language, title, text.
fn declaration(html: &str) -> (String, String, String) {
    let page = scraper::Html::parse_document(html);
    let all = |selector: &str| {
        let selector = scraper::Selector::parse(selector).unwrap();
        page.select(&selector).map(|part| part.text().collect::<String>().trim().to_owned()).collect::<Vec<_>>()
    };
    let code = page.root_element().value().attr("data-iso6393").unwrap().to_owned();
    (code, all("h1").concat(), all("h2, h3, p, li").join("\n\n"))
}

#[test]
fn the_universal_declaration_is_one_work_in_thirty_languages() {
    let Some(folder) = shared("udhr") else { return };
    let federation = Federation::found(&["INT-UN"]);
    let node = federation.start("INT-UN", &[]);
    let mut files: Vec<_> = std::fs::read_dir(folder).unwrap().flatten().map(|file| file.path()).collect();
    files.retain(|path| path.extension().is_some_and(|ending| ending == "html"));
    files.sort();
    let (mut original, mut translations) = (String::new(), String::new());
    for file in &files {
        let (code, title, text) = declaration(&std::fs::read_to_string(file).unwrap());
        let row = json!({"code": code, "title": title, "text": text}).to_string() + "\n";
        if code == "eng" { original += &row } else { translations += &row }
    }
    let mapping = |name: &str, constants: &str, slug: &str| {
        let fields = format!("[fields]\nslug = {slug}\nlanguage = \"code\"\ntitle = \"title\"\ntext = \"text\"\n");
        federation.file(name, &format!("[constants]\nlicence = \"CC0-1.0\"\n{constants}\n{fields}"))
    };
    let first = mapping("original.toml", "kind = \"law-summary\"\njurisdiction = \"UN\"", "{ value = \"udhr\" }");
    let about = "kind = \"translation\"\nabout = \"INT-UN/udhr@1\"\nmethod = \"official\"";
    let others = mapping("others.toml", about, "{ column = \"code\", before = \"udhr-\" }");
    let (original, translations) =
        (federation.file("en.jsonl", &original), federation.file("all.jsonl", &translations));
    for (first_time, counts) in [(true, (29, 0, 0)), (false, (0, 29, 0))] {
        let report = Report::of(&federation, "INT-UN", &["--mapping", &first, &original]);
        assert_eq!(report.counts(), if first_time { (1, 0, 0) } else { (0, 1, 0) }, "{:?}", report.records);
        let report = Report::of(&federation, "INT-UN", &["--mapping", &others, &translations]);
        assert_eq!((report.code, report.counts()), (0, counts), "{:?}", report.records);
    }
    // ISO 639-3 as the files have it, BCP 47 as readers ask for it.
    for (slug, language) in [("arb", "ar"), ("cmn", "zh"), ("pes", "fa"), ("swh", "sw"), ("hye", "hy"), ("deu", "de")] {
        let document = node.get(&format!("/v1/documents/INT-UN/udhr-{slug}"));
        assert_eq!(document["front_matter"]["language"], language, "{document}");
    }
    let declaration = node.get("/v1/documents/INT-UN/udhr");
    let related = declaration["related"].as_array().unwrap();
    assert_eq!(related.iter().filter(|one| one["rel"] == "translation").count(), 29, "{related:?}");
    wait_until("all are found", || node.status()["indexed"] == 30);
    assert!(node.found("language:ar") == 1 && node.found("language:zh") == 1);
    drop(node);
    federation.audit("INT-UN");
}

#[test]
fn a_translation_may_stand_before_its_original_and_readers_see_the_title_in_their_language() {
    let federation = Federation::found(&["FI"]);
    let node = federation.start("FI", &[]);
    let law = |slug: &str, title: &str| json!({"kind": "law-summary", "slug": slug, "language": "en", "title": title, "jurisdiction": "FI", "text": "Text."});
    let translation = |slug: &str, about: &str| {
        json!({"kind": "translation", "slug": slug, "language": "es", "title": "Ley de inteligencia artificial",
            "about": about, "method": "human", "text": "Texto."})
    };
    let mut lines = vec![translation("law-es", "FI/law"), translation("lost-es", "FI/lost")];
    // More than one batch, so that the original is not sent together with it.
    lines.extend((0..600).map(|number| law(&format!("other-{number}"), "Another")));
    lines.push(law("law", "Artificial intelligence act"));
    let lines: Vec<String> = lines.iter().map(Value::to_string).collect();
    let file = federation.file("all.jsonl", &lines.join("\n"));
    let report = Report::of(&federation, "FI", &[&file]);
    assert_eq!((report.code, report.counts()), (1, (602, 0, 1)), "{}", report.words);
    let lost = report.saying("FI/lost is not held here");
    assert!(lost.len() == 1 && lost[0]["line"] == 2 && lost[0]["waits"] == true, "{lost:?}");
    wait_until("all are found", || node.status()["indexed"] == 602);
    let title = |lang: &str| {
        let found = node.get(&format!("/v1/search?q=artificial%20intelligence%20kind:law-summary&lang={lang}"));
        let hit = &found["hits"][0];
        let shown = hit["display"]["title"].as_str().or(hit["title"].as_str());
        shown.map(str::to_owned)
    };
    for (lang, shown) in [("es-MX", "Ley de inteligencia artificial"), ("fr", "Artificial intelligence act")] {
        assert_eq!(title(lang).as_deref(), Some(shown), "{lang}");
    }
    drop(node);
    federation.audit("FI");
}

#[test]
fn what_one_node_exports_another_of_the_same_member_imports() {
    let (old, new) = (Federation::found(&["FI", "KE-LC01"]), Federation::found(&["FI"]));
    let node = old.start("FI", &[]);
    let kenya = old.start("KE-LC01", &[&node]);
    old.publish("FI", "law", "Of *ours*, with <b>all</b> it says.");
    old.publish("FI", "gone", "Taken back.");
    old.publish("KE-LC01", "act", "Of others.");
    old.done(&["withdraw", "--data", &old.path("FI"), "FI/gone", "--reason", "an error"]);
    crate::federation::wait_for_documents(&[&node, &kenya], 2);
    let file = new.path("all.jsonl");
    old.done(&["export", "--data", &old.path("FI"), "--format", "jsonl", "--out", &file]);
    let there = new.start("FI", &[]);
    let report = Report::of(&new, "FI", &[&file]);
    let imported: Vec<&Value> = report.records.iter().filter(|record| record["verdict"] == "imported").collect();
    assert!(imported.len() == 1 && imported[0]["work"] == "FI/law@1", "{:?}", report.records);
    assert_eq!(report.saying("is a work of KE-LC01").len(), 1, "{:?}", report.records);
    assert_eq!(report.code, 0);
    let (before, after) = (node.get("/v1/documents/FI/law"), there.get("/v1/documents/FI/law"));
    assert_eq!((&before["front_matter"], &before["text"]), (&after["front_matter"], &after["text"]));
    assert_eq!(Report::of(&new, "FI", &[&file]).counts().0, 0);
    drop((node, kenya, there));
    new.audit("FI");
}
