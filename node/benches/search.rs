//! Questions of a librarian through HTTP, beside the same questions asked in one process.

use std::time::Instant;

use comity::config::Folder;
use comity::index::{Index, Question};
use comity::keeper::Keeper;
use comity::library::Library;

use crate::stage::Stage;
use crate::table::{Reach, Table, p50_p99};

/// Hits of a page.
const HITS: usize = 10;
/// Questions of each sort.
const QUESTIONS: usize = 300;

/// Every form of a question, in nine languages: all are answered with hits, snippets and counts.
fn questions(stage: &Stage) -> Vec<(&'static str, Vec<String>)> {
    let each = |make: &dyn Fn(usize) -> String| (0..QUESTIONS).map(make).collect::<Vec<String>>();
    let word = |rank: usize| stage.corpus.word(rank);
    let topics = ["children", "Enfants", "儿童", "سوق العمل", "ИИ и кибербезопасность", "marcos legais"];
    vec![
        ("search: word", each(&|at| word(1_000 + at).to_owned())),
        ("search: phrase", each(&|at| format!("\"{}\"", stage.corpus.two_words(at)))),
        ("search: common word, counts", each(&|at| word(5 + at % 40).to_owned())),
        ("search: prefix", each(&|at| word(1_000 + at).chars().take(4).collect::<String>() + "*")),
        (
            "search: boolean",
            each(&|at| {
                let [a, b, c] = [word(300 + at), word(309 + at), word(20 + at)];
                format!("({a} OR {b}) NOT {c}")
            }),
        ),
        ("search: fields", each(&|at| format!("topic:children status:in-force {}", word(200 + at)))),
        ("search: dates", each(&|at| format!("in_force:{}-03..{} {}", 1990 + at % 30, 1993 + at % 30, word(100 + at)))),
        ("search: label", each(&|at| topics[at % topics.len()].to_owned())),
        ("search: everything", each(&|at| format!("year:>{}", 1980 + at % 9))),
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
fn within(stage: &Stage, questions: &[(&'static str, Vec<String>)]) -> Vec<((f64, f64), Vec<u64>)> {
    let folder = Folder::new(&stage.federation.folder("source"));
    let (keeper, _, _) = Keeper::open(&folder).unwrap();
    let (index, _) = Index::open(&folder.index(), keeper.view().counts.arrival).unwrap();
    let library = Library { reader: keeper.reader(), view: keeper.view(), searcher: index.searcher() };
    let ask = |asked: &str| {
        let question = Question { query: asked.to_owned(), limit: HITS, ..Question::default() };
        library.search(&question).unwrap().total
    };
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
