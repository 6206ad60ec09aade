//! Why things are as they are here: one paragraph, made from the records that are held, naming those that decide.

use proto::body::{Act, Cut, Purpose};
use proto::chain::{Chain, Delegation, Link};
use proto::edition::Edition;
use proto::key::PublicKey;
use proto::log::Admission;

use crate::library::{Library, LibraryError};
use crate::name::Name;
use crate::rows::StoreError;

/// What an explanation is made from.
#[derive(Clone, Copy)]
pub struct Explainer<'a> {
    /// What stands, who may speak, the records, and what is shown of them.
    pub library: &'a Library,
    /// The member whose node this is.
    pub member: Option<&'a str>,
    /// How the sync is, in words.
    pub sync: &'a str,
}

impl Explainer<'_> {
    /// Explains a work (`CODE/slug`), a key (64 digits), a member (its code), `sync`, or `publish`.
    pub fn explain(&self, what: &str) -> Result<String, StoreError> {
        if what == "sync" {
            return Ok(self.sync());
        }
        if what == "publish" {
            return Ok(self.publish());
        }
        if let Ok(key) = what.parse() {
            return self.key(&key);
        }
        if what.contains('/') {
            return self.work(what);
        }
        Ok(self.code(what))
    }

    // ------------------------------------------------------------------------------------------------- members

    fn code(&self, code: &str) -> String {
        let standing = &self.library.view.standing;
        let Some(line) = standing.lines().first() else { return String::new() };
        let listings = || line.editions().iter().filter(|edition| edition.member(code).is_some());
        let (Some(first), Some(last), Some(member)) =
            (listings().next(), listings().next_back(), standing.member(code))
        else {
            let newest = line.editions().last().map(|edition| named(edition)).unwrap_or_default();
            return format!(
                "{code} is no member: neither the charter nor any edition held here lists it, up to {newest}. What can be explained is \
                 a member's code, a work (CODE/slug), a key in hex, `sync` and `publish`."
            );
        };
        let mut words = match line.editions().iter().find(|edition| edition.number() > last.number()) {
            None => {
                let role = if member.signer { "as a signer" } else { "as a member whose signature does not count" };
                format!("{code}, {}, is a member since {}, {role}, by {}.", member.name, named(first), named(last))
            }
            Some(edition) => format!(
                "{code}, {}, is no member any more: {} has no line for it, and {} signed that.",
                member.name,
                named(edition),
                edition.signed_names().join(", ")
            ),
        };
        if standing.lines().len() > 1 {
            words.push_str(" Two valid editions rival here, and this is what the first of them says; `comity edition list` shows both.");
        }
        match standing.identity_key(code) {
            Some(key) if key == member.identity_key => {
                words.push_str(&format!(" Its identity key is the one listed, {key} (fingerprint {}).", key.fingerprint()));
            }
            Some(key) => words.push_str(&format!(
                " Its identity key is {key} (fingerprint {}): the key that is listed, {}, had committed to its digest, and entry 0 of \
                 its log takes over.",
                key.fingerprint(),
                member.identity_key
            )),
            None => {}
        }
        words
    }

    // ---------------------------------------------------------------------------------------------------- keys

    fn key(&self, key: &PublicKey) -> Result<String, StoreError> {
        let standing = &self.library.view.standing;
        let row = self.library.view.frontier.rows.get(key);
        let held =
            self.library.reader.number(key)?.map(|number| self.library.reader.owner(number)).transpose()?.flatten();
        let open = held.as_ref().map(|owner| &owner.open);
        let code = open.map(|open| open.member.as_str()).or_else(|| standing.owner(key));
        let chain = code.and_then(|code| Some((code, standing.lines().iter().find_map(|line| line.chain(code))?)));
        let Some((code, chain)) = chain.filter(|_| standing.knows(key) || held.is_some()) else {
            let awaited = standing.awaits(key.as_bytes());
            return Ok(if awaited {
                format!(
                    "{key} is a key that a member has committed to; its log is not here, so it has not taken over from anybody."
                )
            } else {
                format!(
                    "{key} is refused: no list of members has it, no key held here has committed to it, and no governance log that \
                     stands delegates it. Nothing of such keys is stored."
                )
            });
        };
        let mut words = match (chain.link(key), chain.desks().get(key)) {
            (Some(link), _) => identity(code, link),
            (None, Some(desk)) => format!(
                "{key} is the desk “{}” of {code}: entry {} of the governance log {} delegates it.",
                desk.desk, desk.index, desk.identity_key
            ),
            (None, None) => format!("{key} says that it is of {code}, and nothing that stands lists or delegates it."),
        };
        let admission = open.map(|open| standing.admission(key, open));
        match admission {
            None => words.push_str(" Its log has not been begun, or has not come here yet."),
            Some(Admission::Refused) => {
                words.push_str(" What its entry 0 says does not agree with that, so nothing of it counts.");
            }
            Some(Admission::Whole) => {
                words.push_str(&format!(" Its log goes on; {} entries stand here.", row.map_or(0, |row| row.size)));
            }
            Some(Admission::Until(cut)) => {
                words.push_str(&self.ended(chain, cut, held.as_ref().map_or(0, |owner| owner.size))?);
            }
        }
        words.push_str(&self.forked(key, code, matches!(admission, Some(Admission::Until(_))))?);
        if standing.is_newer(key) {
            words.push_str(
                " It holds an entry of a newer Comity; that and all after it have no effect here until this program is updated.",
            );
        }
        Ok(words)
    }

    /// Of a key that signed two branches: where they part, what that means, and what settles it or did.
    fn forked(&self, key: &PublicKey, code: &str, is_cut: bool) -> Result<String, StoreError> {
        let Some(fork) = self.library.view.standing.forks().get(key) else { return Ok(String::new()) };
        let [one, other] = fork.branches();
        let mut words = format!(
            " Its key signed two different entries at place {}, on branches of at least {} and {} entries; the proof is held here.",
            fork.at(),
            one.checkpoint.size(),
            other.checkpoint.size()
        );
        if self.library.view.standing.is_nobodys(key) {
            words.push_str(
                " With it the key opened a log for each of two members that delegate it. So it is nobody's: nothing of it counts, and \
                 no cut says whose it is. Each of the members gives it up and delegates a key of its own, with `comity key delegate`.",
            );
            return Ok(words);
        }
        let is_governance = self.library.view.standing.purpose(key) == Some(Purpose::Governance);
        let aside = self.library.reader.aside(key)?.len();
        words.push_str(&match (is_cut, is_governance) {
            (true, _) if aside > 0 => format!(
                " The cut says which branch stands; {aside} entries of the other were set aside here, and `comity recover` publishes \
                 again what only they say, where that is wanted."
            ),
            (true, _) => " The cut says which branch stands; the other has no effect.".to_owned(),
            (false, true) => format!(
                " So it is contested: what comes before stands, and nothing after it counts until {code} rotates to its successor key, \
                 with `comity key rotate`, or an edition gives it another."
            ),
            (false, false) => format!(
                " So it is contested: what comes before stands, and what comes after is kept as evidence and not shown until {code} \
                 says which branch stands, with `comity recover` on its own node."
            ),
        });
        Ok(words)
    }

    /// Why a log ends where it does.
    fn ended(&self, chain: &Chain, cut: &Cut, held: u64) -> Result<String, StoreError> {
        let by = self.cut_by(chain, cut)?;
        let mut words = format!(" Its log ends after {} entries: {by}.", cut.size);
        if held > cut.size {
            words.push_str(&format!(" {} more are held as evidence and do not count.", held - cut.size));
        }
        Ok(words)
    }

    /// The record that names a cut.
    fn cut_by(&self, chain: &Chain, cut: &Cut) -> Result<String, StoreError> {
        for link in chain.links() {
            let Some(number) = self.library.reader.number(&link.key)? else { continue };
            let stands = self.library.view.frontier.rows.get(&link.key).map_or(0, |row| row.size);
            for index in 0..stands {
                let Some(kept) = self.library.reader.entry(number, index)? else { continue };
                let act = kept.body.and_then(|body| Act::parse(kept.entry.kind(), &body));
                match act {
                    Some(Act::Revoke { cut: found, reason }) if found == *cut => {
                        return Ok(format!("entry {index} of the governance log {} revokes it, “{reason}”", link.key));
                    }
                    Some(Act::Open(open)) if open.predecessor == Some(cut.clone()) => {
                        return Ok(format!("entry 0 of the log of its successor {} says so", link.key));
                    }
                    _ => {}
                }
            }
        }
        let mut editions = self.library.view.standing.lines().iter().flat_map(|line| line.editions());
        let by = editions.rfind(|edition| edition.cuts().get(&cut.log) == Some(cut));
        Ok(by.map_or_else(
            || "its member was removed or given another key by an edition that does not name it".to_owned(),
            |edition| format!("{} says so", named(edition)),
        ))
    }

    // --------------------------------------------------------------------------------------------------- works

    fn work(&self, what: &str) -> Result<String, StoreError> {
        let Some(name) = Name::parse(what) else {
            return Ok(format!("`{what}` is no name of a work; CODE/slug is one, and CODE/slug@2 its second version."));
        };
        let work = name.work.as_str();
        let code = work.split('/').next().unwrap_or(work);
        let rows = self.library.reader.work(work)?;
        if rows.is_empty() {
            let standing = &self.library.view.standing;
            if standing.member(code).is_none() {
                return Ok(format!("{work} is absent here because {}", self.code(code)));
            }
            let desks =
                standing.lines().iter().filter_map(|line| line.chain(code)).flat_map(|chain| chain.desks().keys());
            let held: u64 = desks.filter_map(|key| self.library.view.frontier.rows.get(key)).map(|row| row.size).sum();
            return Ok(format!(
                "No entry that is held here names {work}: {held} entries of the desks of {code} are here, and {} texts of all members \
                 are known and have not come yet. {}",
                self.library.view.missing_bodies,
                self.sync()
            ));
        }
        // As `show` has it, so that no two commands differ on whether it can be read here.
        let mut words = Vec::new();
        let is_shown = match self.library.document(&name) {
            Ok(document) => {
                words
                    .extend(document.withdrawn.iter().map(|why| format!("{work} was withdrawn by its author: {why}.")));
                document.withdrawn.is_none()
            }
            Err(LibraryError::Store(error)) => return Err(error),
            Err(LibraryError::NotFound(_)) => {
                let version =
                    name.version.map(|_| format!("{what} is not here: {work} has no such version that stands."));
                words.extend(version);
                false
            }
            Err(error) => {
                words.push(format!("{error}."));
                false
            }
        };
        for row in &rows {
            let Some(owner) = self.library.reader.owner(row.log)? else { continue };
            let stands = self.library.view.frontier.rows.get(&owner.log).map_or(0, |row| row.size);
            let place = format!("entry {} of the log {}", row.index, owner.log);
            words.push(match (row.index < stands, is_shown) {
                (true, true) => format!("{work} is here: {place} says so and stands."),
                (true, false) => format!("Of {work}, {place} stands."),
                (false, _) => format!("{place} names {work} and does not stand. {}", self.key(&owner.log)?),
            });
        }
        Ok(words.join(" "))
    }

    // ---------------------------------------------------------------------------------------------------- node

    fn sync(&self) -> String {
        let mut words = format!("This node is {}.", self.sync);
        for (peer, state) in &self.library.view.peers {
            for why in &state.waiting {
                words.push_str(&format!(" Of {peer} it waits: {why}."));
            }
        }
        if self.library.view.missing_bodies > 0 {
            words.push_str(&format!(
                " {} texts are wanted, and every peer is asked for them at every sync.",
                self.library.view.missing_bodies
            ));
        }
        words
    }

    fn publish(&self) -> String {
        let Some(code) = self.member else {
            return "This node may not publish because it is a replica without a desk key; only a member's desk publishes.".to_owned();
        };
        if let Some(why) = self.library.view.recovering.first() {
            return format!("This node may not publish: {why}.");
        }
        let standing = &self.library.view.standing;
        if !standing.is_member(code) {
            return format!("This node may not publish because {}", self.code(code));
        }
        let chain = standing.lines().iter().find_map(|line| line.chain(code));
        let unrevoked: Vec<(&PublicKey, &Delegation)> = chain
            .map(|chain| chain.desks().iter().filter(|(_, desk)| desk.cut.is_none()).collect())
            .unwrap_or_default();
        if unrevoked.is_empty() {
            return format!(
                "This node may not publish because {code} has no desk that is delegated and not revoked; delegate one with \
                 `comity key delegate`."
            );
        }
        let desks: Vec<String> = unrevoked.iter().map(|(key, desk)| format!("“{}” ({key})", desk.desk)).collect();
        format!("This node may publish for {code} if it holds the key of one of its desks: {}.", desks.join(", "))
    }
}

fn identity(code: &str, link: &Link) -> String {
    let how = match (&link.before, link.listed) {
        (None, _) => "the list of members has it".to_owned(),
        (Some(before), true) => format!("the list of members has it, and {before} had committed to it"),
        (Some(before), false) => {
            format!("it took over from {before}, which had committed to it, by entry 0 of its own log")
        }
    };
    format!("{} is an identity key of {code}: {how}.", link.key)
}

fn named(edition: &Edition) -> String {
    match edition.number() {
        0 => "the charter".to_owned(),
        number => format!("edition {number} ({})", &edition.digest().to_string()[..8]),
    }
}
