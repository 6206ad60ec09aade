//! The node's side of an import: what is there already is told, the rest is published, one signature a batch.

use proto::digest::Digest;
use proto::schema::{Kind, Publication};

use crate::app::{App, Problem};
use crate::import::candidate::Candidate;
use crate::import::held::{self, Held};
use crate::import::report::{Outcome, Verdict};
use crate::keeper::{PublishError, Published};
use crate::node::Node;

/// Compares with what stands; off the tasks that serve, because it reads the disk.
pub async fn held(app: &App, works: Vec<(String, Digest)>) -> Result<Vec<Held>, Problem> {
    app.ask(move |library| {
        let one = |(work, digest): &(String, Digest)| held::held(&library.reader, &library.view.ends, work, digest);
        Ok(works.iter().map(one).collect::<Result<Vec<_>, _>>()?)
    })
    .await
}

/// Publishes what is new or changed, and says of each what became of it. A failure that is no document's fault ends the import;
/// what was published before stays, and the same again goes on from there.
pub async fn take(app: &App, member: &str, candidates: &[Candidate]) -> Result<Vec<Outcome>, Problem> {
    let works = candidates.iter().map(|one| (one.work(member), one.content())).collect();
    let held = held(app, works).await?;
    let settled: Vec<Option<Outcome>> =
        candidates.iter().zip(&held).map(|(one, held)| one.settled(member, held)).collect();
    let fresh: Vec<&Candidate> =
        candidates.iter().zip(&settled).filter(|(_, settled)| settled.is_none()).map(|(one, _)| one).collect();
    let documents = fresh.iter().map(|one| (one.document.kind, one.document.publication.clone())).collect();
    let mut published = publish(&app.node, documents).await?.into_iter();
    let mut outcomes = Vec::with_capacity(candidates.len());
    for (one, settled) in candidates.iter().zip(settled) {
        outcomes.push(match settled {
            Some(outcome) => outcome,
            None => match published.next() {
                Some(Ok(done)) => {
                    let verdict = if done.changed { Verdict::Imported } else { Verdict::Unchanged };
                    one.outcome(verdict, format!("{}@{}", done.work, done.version))
                }
                Some(Err(error)) => one.refused(member, error.to_string(), error.is_of_an_absent_work()),
                None => one.refused(member, "was not answered; import it again".to_owned(), false),
            },
        });
    }
    Ok(outcomes)
}

/// Publishes all in one batch. Where one is refused for what it says, the batch is halved until that one is alone, so that all
/// others are published.
async fn publish(
    node: &Node,
    documents: Vec<(Kind, Publication)>,
) -> Result<Vec<Result<Published, PublishError>>, PublishError> {
    let mut parts = vec![documents];
    let mut done = Vec::new();
    while let Some(mut part) = parts.pop() {
        if part.is_empty() {
            continue;
        }
        match node.publish(part.clone()).await {
            Ok(published) => done.extend(published.into_iter().map(Ok)),
            Err(error) if !error.is_of_a_document() => return Err(error),
            Err(error) if part.len() == 1 => done.push(Err(error)),
            Err(_) => {
                let rest = part.split_off(part.len() / 2);
                parts.push(rest);
                parts.push(part);
            }
        }
    }
    Ok(done)
}
