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

/// Half and all but a hundredth of the times that questions take, and how much each found.
fn timed(mut ask: impl FnMut(&str) -> u64, questions: &[String]) -> ((f64, f64), Vec<u64>) {
    for question in questions.iter().take(20) {
        ask(question); // what is warmed once is not measured
    }
    let one = |question: &String| {
        let began = Instant::now();
        let found = ask(question);
        (began.elapsed().as_secs_f64(), found)
    };
    let (seconds, found): (Vec<f64>, Vec<u64>) = questions.iter().map(one).unzip();
    (p50_p99(seconds), found)
}

/// The same questions in this process.
fn within(stage: &Stage, questions: &[(&str, Vec<String>)]) -> Vec<((f64, f64), Vec<u64>)> {
    let folder = Folder::new(&stage.federation.folder("source"));
    let (keeper, _, _) = Keeper::open(&folder).unwrap();
    let (index, _) = Index::open(&folder.index(), keeper.view().counts.arrival).unwrap();
    let library = Library { reader: keeper.reader(), view: keeper.view(), searcher: index.searcher() };
    let ask = |question: &str| library.search(question, &Filters::default(), HITS, 0).unwrap().total;
    let times = questions.iter().map(|(_, asked)| timed(ask, asked)).collect();
    drop((library, index));
    keeper.close().unwrap();
    times
}

/// The workload, on the folder `source`.
pub fn run(stage: &Stage, table: &mut Table) {
    let questions = questions(stage);
    let before = within(stage, &questions);
    let node = stage.federation.start("source", &[]);
    let agent = ureq::agent();
    let ask = |path: &str| {
        let mut response = agent.get(format!("http://{}{path}", node.http)).call().unwrap();
        response.body_mut().read_to_string().unwrap()
    };
    let (empty, _) = timed(|_| ask("/healthz").len() as u64, &questions[0].1);
    let by_http = questions.iter().map(|(_, asked)| {
        let answered = |question: &str| {
            let path = format!("/v1/search?limit={HITS}&q={}", comity::client::percent(question));
            let answer: serde_json::Value = serde_json::from_str(&ask(&path)).unwrap();
            answer["total"].as_u64().unwrap()
        };
        timed(answered, asked)
    });
    let by_http: Vec<_> = by_http.collect();
    node.stop();
    // Before and after, and the faster counts: whoever comes second finds the pages of the index in memory.
    let after = within(stage, &questions);
    for (at, (name, _)) in questions.iter().enumerate() {
        let ((http, found), (first, again), (second, _)) = (&by_http[at], &before[at], &after[at]);
        assert_eq!(found, again, "{name}: HTTP and the library find the same");
        assert!(found.iter().any(|found| *found > 0), "{name}: nothing was found");
        let limit = (first.0.min(second.0) + empty.0, first.1.min(second.1) + empty.1);
        for (part, http, limit, reach) in [("p50", http.0, limit.0, 2.0), ("p99", http.1, limit.1, 3.0)] {
            let (figure, words) = (format!("{part} {:.2} ms", http * 1e3), format!("{:.2} ms in process", limit * 1e3));
            table.add(name, figure, words, http / limit, Reach::AtMost(reach));
        }
    }
}
