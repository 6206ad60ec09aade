//! Publishing documents: what each is beside the version before it, and whether there is anything to write.

use std::collections::BTreeSet;

use proto::body;
use proto::replica::Effect;
use proto::schema::{self, Kind};
use proto::work;

use super::{Keeper, PublishError, Published, failed, salted};
use crate::citing::{self, CitingError};
use crate::rows::{Says, WorkRow, fold};
use crate::statuses;

/// A document of a call, and the version that it takes the place of.
struct Beside {
    work: String,
    state: work::State,
    before: Option<Before>,
}

struct Before {
    number: u32,
    kind: u32,
    publication: schema::Publication,
}

impl Keeper {
    /// Publishes documents as new versions of this member's works, under one signature. What says nothing new is not written.
    ///
    /// Documents that are about others of the same call are published after them, under a signature of their own, for they name
    /// the entries. Where such a one is refused the others are there already, and the same call again changes nothing of them.
    pub fn publish(
        &mut self,
        documents: Vec<(Kind, schema::Publication)>,
    ) -> Result<(Vec<Published>, Vec<Effect>), PublishError> {
        let member = self.may_write()?;
        let mut slugs = BTreeSet::new();
        for (_, publication) in &documents {
            if !slugs.insert(publication.slug.clone()) {
                return Err(PublishError::Twice(publication.slug.clone()));
            }
        }
        let (mut published, mut effects) = (Vec::new(), Vec::new());
        let mut rest: Vec<(usize, (Kind, schema::Publication))> = documents.into_iter().enumerate().collect();
        while !rest.is_empty() {
            let waiting: BTreeSet<String> =
                rest.iter().map(|(_, (_, publication))| format!("{member}/{}", publication.slug)).collect();
            let cites_none = |(_, (_, publication)): &(usize, (Kind, schema::Publication))| {
                !citing::cited(publication).any(|citation| waiting.contains(&citation.work))
            };
            let (mut now, later): (Vec<_>, Vec<_>) = rest.into_iter().partition(cites_none);
            rest = later;
            if now.is_empty() {
                // They cite one another in a ring; whether an older version can be meant is seen below.
                now.append(&mut rest);
            }
            let mut bodies = Vec::new();
            for (place, (kind, publication)) in now {
                let (done, body) = self.version(&member, kind, publication)?;
                published.push((place, done));
                bodies.extend(body.map(|body| (kind as u32, body)));
            }
            if !bodies.is_empty() {
                effects.extend(self.write(bodies)?);
            }
        }
        published.sort_by_key(|(place, _)| *place);
        Ok((published.into_iter().map(|(_, done)| done).collect(), effects))
    }

    /// The body of a document's next version; none where a version says exactly this already and stands alone.
    fn version(
        &self,
        member: &str,
        kind: Kind,
        mut publication: schema::Publication,
    ) -> Result<(Published, Option<Vec<u8>>), PublishError> {
        let Beside { work, state, before } = self.beside(member, &publication.slug)?;
        let known = before.as_ref().map(|before| &before.publication);
        citing::cite(&self.store.reader(), &self.ends, member, kind, &mut publication, known).map_err(|error| {
            match error {
                CitingError::Store(error) => failed(error),
                error => PublishError::Citing { slug: publication.slug.clone(), error },
            }
        })?;
        if let Some(before) = &before {
            let is_alone = state.current.len() == 1 && state.withdrawn.is_none();
            if is_alone && before.kind == kind as u32 && before.publication == publication {
                return Ok((Published { work, version: before.number, changed: false }, None));
            }
            if let (Some(law), Some(now)) = (&before.publication.law_summary, &publication.law_summary) {
                statuses::explained(law, now).map_err(|why| PublishError::Status {
                    work: work.clone(),
                    from: why.from,
                    to: why.to,
                })?;
            }
        }
        let (version, supersedes) = work::next(&state);
        publication.version = version;
        publication.supersedes = supersedes.iter().map(|digest| digest.as_bytes().to_vec()).collect();
        Ok((Published { work, version, changed: true }, Some(salted(publication)?)))
    }

    /// What is there of a work of this member.
    fn beside(&self, member: &str, slug: &str) -> Result<Beside, PublishError> {
        let work = format!("{member}/{slug}");
        let rows = self.store.reader().standing_work(&work, &self.ends).map_err(failed)?;
        let state = fold(&rows);
        let row = state.current.first().and_then(|current| rows.iter().find(|row| row.digest == current.digest));
        let before = row.map(|row| self.before(row)).transpose()?.flatten();
        Ok(Beside { work, state, before })
    }

    /// What a version says, as it was before it was published.
    fn before(&self, row: &WorkRow) -> Result<Option<Before>, PublishError> {
        let Says::Version(version, kind) = &row.says else { return Ok(None) };
        let Some(kept) = self.store.reader().entry(row.log, row.index).map_err(failed)? else { return Ok(None) };
        let Some((mut publication, _)) = kept.body.as_deref().and_then(body::publication) else { return Ok(None) };
        (publication.salt, publication.version, publication.supersedes) = (Vec::new(), 0, Vec::new());
        Ok(Some(Before { number: version.number, kind: *kind, publication }))
    }
}
