//! Lists of members: drafted by whoever acts, signed by each once, by some as often as they are asked, and for members without a node
//! by whoever drafts, who has their lines by letter.

use proto::body::{Cut, draft, draft_signature};
use proto::digest::Digest;
use proto::edition::Edition;
use proto::editions::Signing;
use proto::key::{PublicKey, SecretKey};
use proto::member::{Member, key_name};
use proto::note::Note;
use proto::schema::Kind;

use super::storm::Storm;
use crate::world::SALT;

impl Storm {
    /// Proposes another list, signs it, and hands in the lines of members that have no node.
    pub fn draft(&mut self, at: usize) {
        if !self.stations[at].may_act() || self.stations[at].doubt.is_some() {
            return;
        }
        let Some(before) = self.stations[at].replica.as_ref().unwrap().standing().in_force().cloned() else { return };
        let (members, cuts) = self.changed(at, &before);
        let title = format!("Federation {}", self.rng.below(1_000));
        let text = Edition::write(&before, &title, members, cuts);
        let Ok(edition) = Edition::draft(&text) else { return };
        let mut bodies = vec![(Kind::Draft as u32, draft(&text, SALT))];
        let parliament = self.stations[at].parliament.clone();
        bodies.extend(self.line(at, &before, &edition, parliament.code, &parliament.identity));
        let silent = self.members[self.running()..].to_vec();
        for one in &silent {
            if self.rng.chance(3) {
                continue; // the letter is lost
            }
            let line = self.line(at, &before, &edition, one.code, &one.identity);
            // Whoever signs by letter remembers what it signed, whatever the drafter knows.
            let is_first = self.letters.insert((one.code, before.digest())) || self.doubles.contains(one.code);
            bodies.extend(line.filter(|_| is_first));
        }
        self.write(at, parliament.identity.public(), bodies);
    }

    /// Signs what is open, if it may; some sign everything.
    pub fn sign(&mut self, at: usize) {
        let station = &self.stations[at];
        if !station.may_act() || station.doubt.is_some() {
            return;
        }
        let (parliament, editions) =
            (station.parliament.clone(), station.replica.as_ref().unwrap().standing().editions());
        let drafts: Vec<(Edition, Edition)> =
            editions.drafts().iter().map(|draft| (draft.before().clone(), draft.edition().clone())).collect();
        let mut bodies = Vec::new();
        for (before, edition) in &drafts {
            // One draft at a time: what was signed a moment ago is not in the records yet.
            if bodies.is_empty() || self.doubles.contains(parliament.code) {
                bodies.extend(self.line(at, before, edition, parliament.code, &parliament.identity));
            }
        }
        if !bodies.is_empty() {
            self.write(at, parliament.identity.public(), bodies);
        }
    }

    /// A signature on a draft, where the signer gives one.
    fn line(
        &self,
        at: usize,
        before: &Edition,
        edition: &Edition,
        code: &str,
        secret: &SecretKey,
    ) -> Option<(u32, Vec<u8>)> {
        let listed = before.member(code).filter(|member| member.signer)?;
        let public = secret.public();
        let as_successor = listed.identity_key != public;
        if as_successor && listed.successor_digest != Digest::of(public.as_bytes()) {
            return None;
        }
        let editions = self.stations[at].replica.as_ref().unwrap().standing().editions();
        let may = match editions.signing(code, edition) {
            Signing::First => true,
            Signing::Done => false,
            Signing::Again(_) | Signing::Barred(_) => self.doubles.contains(code),
        };
        let line = Note::new(edition.text()).unwrap().sign(&key_name(code), secret);
        let body = || draft_signature(&edition.digest(), &line, as_successor.then_some(&public), SALT);
        may.then(|| (Kind::DraftSignature as u32, body()))
    }

    fn changed(&mut self, at: usize, before: &Edition) -> (Vec<Member>, Vec<Cut>) {
        let (mut members, mut cuts) = (before.members().to_vec(), Vec::new());
        let one = self.rng.below(members.len() as u64) as usize;
        match self.rng.below(8) {
            0 | 1 => {
                let (new, next) = (self.fresh(), self.fresh());
                members.push(Member {
                    code: format!("ZZ-{}", self.rng.below(10_000)),
                    signer: self.rng.chance(50),
                    identity_key: new.public(),
                    successor_digest: Digest::of(next.public().as_bytes()),
                    name: "A new parliament".to_owned(),
                });
            }
            2 | 3 if members.len() > 1 => {
                let removed = members.remove(one);
                cuts = self.cuts_of(at, &removed.code);
            }
            4 => {
                let (new, next) = (self.fresh(), self.fresh());
                members[one].identity_key = new.public();
                members[one].successor_digest = Digest::of(next.public().as_bytes());
                cuts = self.cuts_of(at, &members[one].code);
                // Its own node comes to hold the new key.
                let code = members[one].code.clone();
                let of = self.honest().find(|at| self.stations[*at].parliament.code == code);
                if let Some(of) = of.filter(|_| self.rng.chance(50)) {
                    let station = &mut self.stations[of];
                    station.hold(new);
                    station.hold(next);
                }
            }
            5 => members[one].signer ^= true,
            _ => {}
        }
        (members, cuts)
    }

    /// Where the logs of a member end, as far as the drafter holds and names them.
    fn cuts_of(&mut self, at: usize, code: &str) -> Vec<Cut> {
        let replica = self.stations[at].replica.as_ref().unwrap();
        let chains = replica.standing().lines().iter().filter_map(|line| line.chain(code));
        let mut keys: Vec<PublicKey> = chains.flat_map(|chain| chain.keys().copied()).collect();
        keys.sort();
        keys.dedup();
        keys.retain(|_| self.rng.chance(70));
        let replica = self.stations[at].replica.as_ref().unwrap();
        let rows = keys.into_iter().map(|log| (log, replica.row(&log)));
        rows.map(|(log, row)| Cut::new(log, row.size, row.root)).collect()
    }

    /// Members with a node.
    fn running(&self) -> usize {
        self.honest().count()
    }
}
