//! Parliaments that ask, answer, translate, correct and try what others published.

use comity::keystore::{self, KeyName};

use crate::federation::{Federation, Node, wait_until};

/// A document of a kind with a few more keys.
fn document(federation: &Federation, kind: &str, slug: &str, keys: &str, text: &str) -> String {
    let text = format!("---\nkind: {kind}\nlanguage: en\ntitle: {slug}\n{keys}---\n{text}\n");
    federation.file(&format!("{slug}.md"), &text)
}

fn hold_alike(nodes: &[&Node]) {
    wait_until("all nodes hold the same", || {
        let frontiers: Vec<_> = nodes.iter().map(|node| node.status()["frontier"].clone()).collect();
        frontiers.iter().all(|frontier| *frontier == frontiers[0])
    });
}

fn related<'a>(document: &'a serde_json::Value, rel: &str) -> Vec<&'a serde_json::Value> {
    document["related"].as_array().into_iter().flatten().filter(|one| one["rel"] == rel).collect()
}

#[test]
fn uruguay_asks_three_answer_one_of_them_late_and_one_twice_and_uruguay_sums_up() {
    let federation = Federation::found(&["FI", "KE-LC01", "UY-UC01"]);
    let (finland, kenya, uruguay) = (federation.path("FI"), federation.path("KE-LC01"), federation.path("UY-UC01"));
    let uy = federation.start("UY-UC01", &[]);
    let fi = federation.start("FI", &[&uy]);
    let asked = federation.done(&[
        "request",
        "--data",
        &uruguay,
        "--title",
        "Deepfakes",
        "--slug",
        "deepfakes",
        "--question",
        "Is making intimate deepfakes a crime with you?",
        "--part",
        "Since when?",
        "--part",
        "What is the penalty?",
        "--deadline",
        "2026-12-03",
        "--to",
        "FI",
        "--to",
        "KE-LC01",
        "--accept",
        "es",
        "--accept",
        "en",
    ]);
    assert_eq!(asked.trim(), "UY-UC01/deepfakes@1");
    hold_alike(&[&uy, &fi]);
    wait_until("what is due this year is found", || fi.found("kind:request%20deadline:2026") == 1);
    assert_eq!(fi.found("deadline:2027"), 0);

    // Finland answers by a form, then finds out more.
    let form = federation.home().join("answer.md").display().to_string();
    let told = federation.done(&["reply", "UY-UC01/deepfakes", "--data", &finland, "--form", &form]);
    assert!(told.contains("Is making intimate deepfakes a crime"), "{told}");
    let filled = |penalty: &str| {
        let text = std::fs::read_to_string(&form).unwrap();
        let text = text.replacen("language: \"\"", "language: en", 1);
        let text = text.replacen("answer: \"\"", "answer: Since 2024", 1);
        let at = text.rfind("answer:").unwrap();
        let end = at + text[at..].find('\n').unwrap();
        format!("{}answer: {penalty}{}", &text[..at], &text[end..])
    };
    let first = filled("A fine");
    std::fs::write(&form, first).unwrap();
    let reply = federation.done(&["reply", "UY-UC01/deepfakes", &form, "--data", &finland]);
    let work = "FI/reply-uy-uc01-deepfakes";
    assert_eq!(reply.trim(), format!("{work}@1"));
    assert_eq!(federation.done(&["reply", "UY-UC01/deepfakes", &form, "--data", &finland]).trim(), format!("{work}@1"));
    let second = filled("Up to two years");
    std::fs::write(&form, second).unwrap();
    let reply = federation.done(&["reply", "UY-UC01/deepfakes", &form, "--data", &finland]);
    assert_eq!(reply.trim(), format!("{work}@2"));
    hold_alike(&[&uy, &fi]);
    let thread = uy.get("/v1/threads/UY-UC01/deepfakes");
    assert_eq!(thread["replies"].as_array().unwrap().len(), 1, "{thread}");
    assert_eq!(thread["replies"][0]["reply"]["version"], 2);
    assert_eq!(thread["replies"][0]["answers"][1]["answer"], "Up to two years");
    let answered: Vec<bool> =
        thread["addressees"].as_array().unwrap().iter().map(|one| one["answered"].as_bool().unwrap()).collect();
    assert_eq!(answered, [true, false]);

    // Kenya was away; it has nothing of the kind.
    let ke = federation.start("KE-LC01", &[&uy]);
    hold_alike(&[&uy, &fi, &ke]);
    federation.done(&["reply", "UY-UC01/deepfakes", "--data", &kenya, "--none-applicable"]);
    let refused = federation.refused(&["reply", "FI/reply-uy-uc01-deepfakes", "--data", &kenya]);
    assert!(refused.1.contains("say what you answer"), "{refused:?}");
    hold_alike(&[&uy, &fi, &ke]);

    let theirs = document(
        &federation,
        "synthesis",
        "others-synthesis",
        "about: UY-UC01/deepfakes\ncites: [FI/reply-uy-uc01-deepfakes]\n",
        "Ours.",
    );
    let (_, words) = federation.refused(&["publish", "--data", &finland, &theirs]);
    assert!(words.contains("UY-UC01/deepfakes is not this member's request"), "{words}");
    let synthesis = document(
        &federation,
        "synthesis",
        "what-we-learned",
        "about: UY-UC01/deepfakes\ncites: [FI/reply-uy-uc01-deepfakes, KE-LC01/reply-uy-uc01-deepfakes@1]\nfindings: [One of two has a law]\n",
        "Finland punishes it, Kenya does not yet.",
    );
    federation.done(&["publish", "--data", &uruguay, &synthesis]);
    hold_alike(&[&uy, &fi, &ke]);
    // By the name of a reply, on another's node.
    let thread = ke.get("/v1/threads/FI/reply-uy-uc01-deepfakes");
    assert_eq!(thread["work"], "UY-UC01/deepfakes");
    assert_eq!(thread["syntheses"][0]["cites"][0], "FI/reply-uy-uc01-deepfakes@2");
    assert!(thread["replies"].as_array().unwrap().iter().all(|reply| reply["cited"] == true), "{thread}");
    assert!(thread["addressees"].as_array().unwrap().iter().all(|one| one["answered"] == true), "{thread}");
    let shown = federation.done(&["thread", "UY-UC01/deepfakes", "--data", &kenya]);
    for words in ["answers until 2026-12-03", "nothing of the kind there", "Up to two years", "One of two has a law"] {
        assert!(shown.contains(words), "{words}: {shown}");
    }

    // Who takes a reply back has not answered.
    federation.done(&[
        "withdraw",
        "--data",
        &kenya,
        "KE-LC01/reply-uy-uc01-deepfakes",
        "--reason",
        "overtaken by Act 9",
    ]);
    hold_alike(&[&uy, &fi, &ke]);
    let thread = fi.get("/v1/threads/UY-UC01/deepfakes");
    assert_eq!(thread["addressees"][1]["answered"], false);
    let withdrawn = |reply: &&serde_json::Value| reply["reply"]["withdrawn"] == "overtaken by Act 9";
    assert_eq!(thread["replies"].as_array().unwrap().iter().filter(withdrawn).count(), 1, "{thread}");
    assert_eq!(fi.ask("/v1/threads/UY-UC01/what-we-learned").0, 200);
    for node in [uy, fi, ke] {
        node.stop();
    }
    federation.audit_all(&["FI", "KE-LC01", "UY-UC01"]);
}

#[test]
fn a_law_is_corrected_by_others_translated_superseded_and_taken_back_and_every_reader_sees_it() {
    let federation = Federation::found(&["FI", "KE-LC01"]);
    let (finland, kenya) = (federation.path("FI"), federation.path("KE-LC01"));
    let law = |status: &str, history: &str, text: &str| {
        let keys = format!("legal_status: {status}\nvalid_as_of: 2020-01\n{history}");
        document(&federation, "law-summary", "law", &keys, text)
    };
    let fi = federation.start("FI", &[]);
    let ke = federation.start("KE-LC01", &[&fi]);
    // The law and its translation in one call: the translation names the entry that the law has just become.
    let translation = |about: &str| {
        let text = format!(
            "---\nkind: translation\nlanguage: sw\ntitle: Sheria\nabout: {about}\nmethod: human\nsummary_short: Mashine.\n---\nSheria ya mashine.\n"
        );
        federation.file("law-sw.md", &text)
    };
    federation.done(&["publish", "--data", &finland, &translation("FI/law@1"), &law("in-committee", "", "Machines.")]);
    hold_alike(&[&fi, &ke]);
    let document_of = |node: &Node, work: &str| node.get(&format!("/v1/documents/{work}"));
    let shown = document_of(&ke, "FI/law");
    let one = related(&shown, "translation");
    assert_eq!((one.len(), one[0]["work"].as_str(), one[0]["how"].as_str()), (1, Some("FI/law-sw"), Some("human")));
    assert_eq!(one[0]["of_older"].as_bool(), None);
    assert!(shown["age"].as_str().is_some_and(|age| age.ends_with("years")), "{shown}");
    wait_until("who reads Swahili finds the law by its title in Swahili", || {
        ke.get("/v1/search?q=kind:law-summary&lang=sw")["hits"][0]["display"]["title"] == "Sheria"
    });
    let translated = document_of(&ke, "FI/law-sw");
    assert_eq!(translated["front_matter"]["about"]["entry"], shown["provenance"]["digest"]);

    // Kenya sees an error, and that an act of its own amends the law.
    let correction = document(
        &federation,
        "correction",
        "about-law",
        "about: FI/law@1\nwhat_is_wrong: The bill passed in May.\nconcerns: [legal_status]\n",
        "See the minutes.",
    );
    let act = document(&federation, "law-summary", "act", "relations: [{rel: amends, target: FI/law}]\n", "An act.");
    let nothing = document(&federation, "adoption", "trial", "about: FI/nothing\ndecision: trying\n", "..");
    let (_, words) = federation.refused(&["publish", "--data", &kenya, &nothing]);
    assert!(words.contains("FI/nothing is not held here"), "{words}");
    let reply = document(&federation, "reply", "no-answer", "about: FI/law\n", "..");
    let (_, words) = federation.refused(&["publish", "--data", &kenya, &reply]);
    assert!(words.contains("FI/law is of kind law-summary, and a reply is about a request"), "{words}");
    federation.done(&["publish", "--data", &kenya, &correction, &act]);
    hold_alike(&[&fi, &ke]);
    let shown = document_of(&fi, "FI/law");
    assert_eq!(related(&shown, "correction")[0]["lead"], "The bill passed in May.");
    assert_eq!(related(&shown, "amends")[0]["words"], "amended by");
    assert_eq!(shown["front_matter"]["legal_status"], "in-committee");
    let page = fi.ask("/FI/law").1;
    assert!(page.contains("Correction by") && page.contains("The bill passed in May."), "{page}");

    // Finland mends it: the translation and the correction are of an older version now.
    federation.done(&["publish", "--data", &finland, &law("passed", "", "Machines, and more.")]);
    hold_alike(&[&fi, &ke]);
    let shown = document_of(&ke, "FI/law");
    assert_eq!(related(&shown, "correction")[0]["of_older"], true);
    assert_eq!(related(&shown, "translation")[0]["of_older"], true);
    let translated = document_of(&ke, "FI/law-sw");
    assert_eq!(translated["about"]["older"], true);
    assert!(translated["about"]["words"].as_str().unwrap().contains("of an older version"), "{translated}");
    assert!(ke.ask("/FI/law-sw").1.contains("translation of an older version"));
    // The same file again is still of the version that it was made of.
    let again = translation("FI/law");
    assert_eq!(federation.done(&["publish", "--data", &finland, &again]).trim(), "FI/law-sw@1");
    let changed = federation.done(&["diff", "FI/law@1", "FI/law@2", "--data", &kenya]);
    for words in ["legal_status:\n  - in-committee\n  + passed", "-Machines.", "+Machines, and more."] {
        assert!(changed.contains(words), "{words}: {changed}");
    }
    assert_eq!(federation.done(&["diff", "FI/law", "--data", &kenya]), changed);

    // A law that ended does not return without a word.
    federation.done(&["publish", "--data", &finland, &law("repealed", "", "Gone.")]);
    let back = law("in-committee", "", "Back.");
    let (_, words) = federation.refused(&["publish", "--data", &finland, &back]);
    assert!(words.contains("FI/law is repealed, and this version says in-committee"), "{words}");
    let history = "stage_history: [{status: in-committee, note: The court annulled the repeal.}]\n";
    federation.done(&["publish", "--data", &finland, &law("in-committee", history, "Back.")]);

    // What is taken back is marked, and what says nothing of it any more is gone.
    let silent = document(&federation, "law-summary", "act", "keywords: [another]\n", "An act.");
    federation.done(&["publish", "--data", &kenya, &silent]);
    federation.done(&["withdraw", "--data", &kenya, "KE-LC01/about-law", "--reason", "they were right"]);
    hold_alike(&[&fi, &ke]);
    let shown = document_of(&fi, "FI/law");
    assert_eq!(related(&shown, "correction")[0]["withdrawn"], "they were right");
    assert!(related(&shown, "amends").is_empty(), "{shown}");
    fi.stop();
    ke.stop();
    // Who names whom is found again from the segments alone.
    std::fs::remove_dir_all(federation.folder("FI").join("store/sled")).unwrap();
    let fi = federation.start("FI", &[]);
    assert_eq!(document_of(&fi, "FI/law")["related"], shown["related"]);
    fi.stop();
    federation.audit_all(&["FI", "KE-LC01"]);
}

#[test]
fn two_desks_publish_at_once_and_both_versions_are_shown_until_one_takes_the_place_of_both() {
    let federation = Federation::found(&["FI"]);
    let (library, archive) = (federation.path("FI"), federation.path("archive"));
    federation.done(&["init", "--no-passphrase", "--code", "FI", "--name", "Archive", "--data", &archive]);
    let stored = keystore::find(&federation.folder("archive"), KeyName::Desk).unwrap().unwrap();
    let desk = stored.public().unwrap().to_string();
    for key in ["identity", "successor"] {
        std::fs::remove_file(federation.folder("archive").join(format!("keys/{key}.pem"))).unwrap();
    }
    federation.join("archive", &[]);
    federation.done(&["key", "delegate", "--data", &library, "--key", &desk, "--desk", "Archive"]);
    federation.publish("FI", "law", "As the library knew it.");
    let first = federation.start("FI", &[]);
    let other = federation.start("archive", &[&first]);
    hold_alike(&[&first, &other]);
    wait_until("the archive's desk has begun its log", || first.get("/v1/logs")["logs"].as_array().unwrap().len() == 3);
    hold_alike(&[&first, &other]);
    first.stop();
    other.stop();

    // A line is cut, and each goes on.
    federation.publish("FI", "law", "As the library sees it.");
    federation.publish("archive", "law", "As the archive sees it.");
    let first = federation.start("FI", &[]);
    let other = federation.start("archive", &[&first]);
    let at_once = |node: &Node| {
        let shown = node.get("/v1/documents/FI/law");
        let versions: Vec<String> = shown["versions"]
            .as_array()
            .unwrap()
            .iter()
            .filter(|version| version["current"] == true)
            .map(|version| version["name"].as_str().unwrap().to_owned())
            .collect();
        (versions, shown["concurrent"].as_array().map_or(0, Vec::len))
    };
    for node in [&first, &other] {
        wait_until("both versions are shown", || at_once(node).1 == 1);
    }
    let (names, _) = at_once(&first);
    assert!(names.iter().all(|name| name.starts_with("2~")), "{names:?}");
    let texts: Vec<String> =
        names.iter().map(|name| first.get(&format!("/v1/documents/FI/law@{name}"))["text"].to_string()).collect();
    assert!(texts.iter().any(|text| text.contains("library")) && texts.iter().any(|text| text.contains("archive")));
    assert!(first.ask("/FI/law").1.contains("Two versions stand at once"));
    let changed = federation.done(&[
        "diff",
        &format!("FI/law@{}", names[0]),
        &format!("FI/law@{}", names[1]),
        "--data",
        &library,
    ]);
    assert!(changed.contains("As the library sees it.") && changed.contains("As the archive sees it."), "{changed}");

    federation.publish("FI", "law", "As both see it.");
    hold_alike(&[&first, &other]);
    wait_until("one version stands", || at_once(&other) == (vec!["3".to_owned()], 0));
    first.stop();
    other.stop();
    federation.audit_all(&["FI", "archive"]);
}

#[test]
fn a_librarian_fills_in_a_template_and_is_told_what_is_missing() {
    let federation = Federation::found(&["FI"]);
    let path = federation.home().join("practice.md").display().to_string();
    federation.done(&["new", "good-practice", "--out", &path]);
    let (code, words) = federation.refused(&["new", "good-practice", "--out", &path]);
    assert!(code == 3 && words.contains("not overwritten"), "{code} {words}");
    let (code, words) = federation.refused(&["check", &path]);
    assert_eq!(code, 1);
    let line = |number: usize| format!("practice.md:{number}: ");
    let text = std::fs::read_to_string(&path).unwrap();
    let at = text.lines().position(|line| line == "title: \"\"").unwrap() + 1;
    assert!(words.contains(&format!("{}the key `title` is required", line(at))), "{words}");
    let text = text.replacen("title: \"\"", "title: Kirjasto", 1).replacen("language: \"\"", "language: fi", 1);
    std::fs::write(&path, text.replacen("# maturity: idea", "maturity: scalled", 1)).unwrap();
    let (_, words) = federation.refused(&["check", &path]);
    assert!(words.contains("`scalled` is not a word for `maturity`; did you mean `scaled`?"), "{words}");
    std::fs::write(&path, &text).unwrap();
    let told = federation.done(&["check", &path]);
    assert!(told.contains(": sound\n") && told.contains("advice: it has no `objective`; lists show it"), "{told}");
    assert_eq!(federation.done(&["publish", "--data", &federation.path("FI"), &path]).trim(), "FI/practice@1");
    federation.audit("FI");
}
