//! A catalogue harvests all documents by OAI-PMH while more of them arrive, and once more when none do.

use std::collections::BTreeSet;
use std::process::Command;
use std::time::Instant;

use comity::client::percent;

use crate::corpus::fill;
use crate::federation::Node;
use crate::stage::{Stage, wait_for};
use crate::table::{Reach, Table, percentile};

/// Of the documents, so many arrive during the harvest: one in ten.
const ARRIVING: u64 = 10;

/// What a harvest took.
struct Harvest {
    /// Identifiers in the order they came.
    identifiers: Vec<String>,
    /// Seconds of each page.
    pages: Vec<f64>,
}

/// Takes page after page, as a harvester does.
fn harvest(node: &Node) -> Harvest {
    let agent = ureq::agent();
    let (mut identifiers, mut pages) = (Vec::new(), Vec::new());
    let mut next = Some("metadataPrefix=oai_dc".to_owned());
    while let Some(arguments) = next {
        let began = Instant::now();
        let url = format!("http://{}/oai?verb=ListRecords&{arguments}", node.http);
        let page = agent.get(url).call().unwrap().body_mut().read_to_string().unwrap();
        pages.push(began.elapsed().as_secs_f64());
        let named = page.split("<header><identifier>").skip(1);
        identifiers.extend(named.map(|rest| rest.split('<').next().unwrap().to_owned()));
        let token = page.split("<resumptionToken").nth(1).and_then(|rest| rest.split(['>', '<']).nth(1));
        next = token.filter(|token| !token.is_empty()).map(|token| format!("resumptionToken={}", percent(token)));
    }
    Harvest { identifiers, pages }
}

/// The workload.
pub fn run(stage: &Stage, table: &mut Table) {
    let (before, all) = (stage.documents, stage.documents + stage.documents / ARRIVING);
    let (folder, _) = stage.holding("harvested", before);
    let ahead = stage.replica("ahead");
    let copied = Command::new("cp").arg("-a").arg(folder.join("store")).arg(&ahead).status().unwrap();
    assert!(copied.success(), "the store was not copied");
    fill(&ahead, &stage.keys, &stage.corpus, before, all);

    let ahead = stage.federation.start("ahead", &[]);
    let node = stage.federation.start("harvested", &[&ahead]);
    let began = Instant::now();
    let first = harvest(&node);
    let seconds = began.elapsed().as_secs_f64();
    wait_for("all have arrived", || node.status()["documents"] == all);
    // Whatever arrived behind the last page comes with the next harvest.
    let seen: BTreeSet<&String> = first.identifiers.iter().collect();
    assert_eq!(seen.len(), first.identifiers.len(), "none came twice");
    assert!(seen.len() as u64 >= before, "{} of {before} came", seen.len());
    let arrived = seen.len() as u64 - before;
    let rate = first.identifiers.len() as f64 / seconds;
    let figure = format!("{rate:.0} records/s, {arrived} of which arrived meanwhile");
    table.add("harvest", figure, format!("{before} records, none left out, none twice"), rate, Reach::Shown);

    wait_for("all are indexed", || node.status()["indexed"] == all);
    let whole = harvest(&node);
    let seen: BTreeSet<&String> = whole.identifiers.iter().collect();
    assert_eq!((seen.len(), whole.identifiers.len()), (all as usize, all as usize), "complete, and none twice");
    assert!(first.identifiers.iter().all(|identifier| seen.contains(identifier)));
    let part = whole.pages.len() / 10;
    let half = |pages: &[f64]| {
        let mut pages = pages.to_vec();
        pages.sort_by(f64::total_cmp);
        percentile(&pages, 0.5)
    };
    let (early, late) =
        (half(&whole.pages[1..=part]), half(&whole.pages[whole.pages.len() - 1 - part..whole.pages.len() - 1]));
    let figure = format!("p50 {:.2} ms a page of the last tenth", late * 1e3);
    table.add("harvest", figure, format!("{:.2} ms of the first", early * 1e3), late / early, Reach::AtMost(1.5));
    node.stop();
    ahead.stop();
}
