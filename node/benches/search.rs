//! Questions of a librarian through HTTP, beside the same questions asked in one process.

use std::time::Instant;

use comity::config::Folder;
use comity::index::{Filters, Index};
use comity::keeper::Keeper;
use comity::library::Library;

use crate::stage::Stage;
use crate::table::{Reach, Table, p50_p99};

/// Hits of a page.
const HITS: usize = 10;
/// Questions of each sort.
const QUESTIONS: usize = 300;

/// Sorts of questions: all are answered with hits, snippets and counts.
fn questions(stage: &Stage) -> [(&'static str, Vec<String>); 3] {
    let two = |number: usize| stage.corpus.phrase(number).split(' ').take(2).collect::<Vec<_>>().join(" ");
    let rank = |from: usize| (0..QUESTIONS).map(move |at| from + at);
    [
        ("search: word", rank(1_000).map(|rank| stage.corpus.word(rank).to_owned()).collect()),
        ("search: phrase", rank(0).map(|number| format!("\"{}\"", two(number))).collect()),
        ("search: common word, counts", rank(0).map(|at| stage.corpus.word(5 + at % 40).to_owned()).collect()),
    ]
}

fn timed(mut ask: impl FnMut(&str) -> u64, questions: &[String]) -> (f64, f64) {
    let mut found = 0;
    for question in questions.iter().take(20) {
        found += ask(question); // what is warmed once is not measured
    }
    let seconds = questions.iter().map(|question| {
        let began = Instant::now();
        found += ask(question);
        began.elapsed().as_secs_f64()
    });
    let seconds = p50_p99(seconds.collect());
    assert!(found > 0, "nothing was found");
    seconds
}

/// The workload, on the folder `source`.
pub fn run(stage: &Stage, table: &mut Table) {
    let questions = questions(stage);
    let folder = Folder::new(&stage.federation.folder("source"));
    let (keeper, _, _) = Keeper::open(&folder).unwrap();
    let (index, _) = Index::open(&folder.index(), keeper.view().counts.arrival).unwrap();
    let library = Library { reader: keeper.reader(), view: keeper.view(), searcher: index.searcher() };
    let within = |question: &str| library.search(question, &Filters::default(), HITS, 0).unwrap().total;
    let within: Vec<(f64, f64)> = questions.iter().map(|(_, asked)| timed(within, asked)).collect();
    drop((library, index));
    keeper.close().unwrap();

    let node = stage.federation.start("source", &[]);
    let agent = ureq::agent();
    let ask = |path: &str| {
        let mut response = agent.get(format!("http://{}{path}", node.http)).call().unwrap();
        response.body_mut().read_to_string().unwrap()
    };
    let empty = timed(|_| ask("/healthz").len() as u64, &questions[0].1);
    for ((name, asked), within) in questions.iter().zip(within) {
        let http = timed(
            |question| {
                let path = format!("/v1/search?limit={HITS}&q={}", comity::client::percent(question));
                let answer: serde_json::Value = serde_json::from_str(&ask(&path)).unwrap();
                answer["total"].as_u64().unwrap()
            },
            asked,
        );
        for (part, http, limit, reach) in
            [("p50", http.0, within.0 + empty.0, 2.0), ("p99", http.1, within.1 + empty.1, 3.0)]
        {
            let (figure, words) = (format!("{part} {:.2} ms", http * 1e3), format!("{:.2} ms in process", limit * 1e3));
            table.add(name, figure, words, http / limit, Reach::AtMost(reach));
        }
    }
    node.stop();
}
