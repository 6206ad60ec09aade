//! What tales of standing are written with: records as authors, signers and thieves make them, with no replica to say no.

use std::collections::BTreeMap;
use std::sync::Arc;

use proto::body::{Cut, Open, Purpose, delegation, draft, draft_signature, revocation};
use proto::charter::Charter;
use proto::digest::Digest;
use proto::edition::Edition;
use proto::fork::{Branch, Fork};
use proto::key::{PublicKey, SecretKey};
use proto::log::{Closing, Leaf, Log};
use proto::member::{Member, key_name};
use proto::note::Note;
use proto::schema::Kind;
use proto::tree;

use crate::world::{Forest, Kept, Memory, Parliament, SALT, charter, delegates, parliaments, summary};

/// Kind and body of an entry.
pub type Said = (u32, Vec<u8>);

/// One log: what its key has signed, and how much of it is held.
#[derive(Clone)]
pub struct Written {
    pub secret: SecretKey,
    pub said: Vec<Said>,
    pub held: Option<usize>,
}

/// A set of records with a name.
#[derive(Clone)]
pub struct Tale {
    pub name: String,
    pub charter: Arc<Charter>,
    pub members: Vec<Parliament>,
    pub editions: Vec<Arc<Edition>>,
    pub logs: BTreeMap<PublicKey, Written>,
    pub forks: Vec<Fork>,
    pub pin: Option<Digest>,
}

impl Tale {
    /// Nobody has written anything but the charter.
    pub fn chartered(name: &str, count: usize) -> Tale {
        let members = parliaments(count);
        let (charter, editions, logs) = (charter(&members), Vec::new(), BTreeMap::new());
        Tale { name: name.to_owned(), charter, members, editions, logs, forks: Vec::new(), pin: None }
    }

    /// Every founder has opened its governance log and a library with two summaries.
    pub fn founded(name: &str, count: usize) -> Tale {
        let mut tale = Tale::chartered(name, count);
        for one in tale.members.clone() {
            tale.write(&one.identity, one.governance_open());
            tale.delegate(&one.identity, &one.desk);
            tale.open_desk(one.code, &one.identity, &one.desk, 2);
        }
        tale
    }

    pub fn write(&mut self, log: &SecretKey, said: Said) {
        let fresh = || Written { secret: log.clone(), said: Vec::new(), held: None };
        self.logs.entry(log.public()).or_insert_with(fresh).said.push(said);
    }

    pub fn delegate(&mut self, by: &SecretKey, desk: &SecretKey) {
        self.write(by, delegates(desk));
    }

    pub fn revoke(&mut self, by: &SecretKey, cut: &Cut) {
        self.write(by, revokes_at(cut));
    }

    /// A desk's log with some summaries.
    pub fn open_desk(&mut self, code: &str, by: &SecretKey, desk: &SecretKey, summaries: usize) {
        self.write(desk, opens(Purpose::Publication, code, &by.public(), None, None));
        (0..summaries).for_each(|number| self.write(desk, summary(&format!("summary {number}"))));
    }

    /// A governance log that begins with its own key; it names the log it succeeds where it does.
    pub fn begin(&mut self, code: &str, key: &SecretKey, next: &SecretKey, predecessor: Option<Cut>) {
        self.write(key, opens(Purpose::Governance, code, &key.public(), Some(next), predecessor));
    }

    /// Where the log ends if it ends at `size` as written here.
    pub fn cut(&self, log: &SecretKey, size: usize) -> Cut {
        let leaves = self.logs.get(&log.public()).map_or_else(Vec::new, Written::leaves);
        Cut::new(log.public(), size as u64, Forest::over(&leaves[..size]).compact.root())
    }

    /// The same, with the proof that it shares the first `at` entries with other branches.
    pub fn joined(&self, log: &SecretKey, size: usize, at: usize) -> Cut {
        let leaves = self.logs[&log.public()].leaves();
        let forest = Forest::over(&leaves[..size]);
        self.cut(log, size).joined(at as u64, tree::consistency(&forest, at as u64, size as u64).unwrap())
    }

    pub fn end(&self, log: &SecretKey) -> Cut {
        self.cut(log, self.logs.get(&log.public()).map_or(0, |log| log.said.len()))
    }

    /// Only the first entries are held, with what verifies their end.
    pub fn hold(&mut self, log: &SecretKey, size: usize) {
        self.logs.get_mut(&log.public()).unwrap().held = Some(size);
    }

    /// A list after `before`, nobody has signed it.
    pub fn list(&self, before: &Edition, cuts: Vec<Cut>, change: impl FnOnce(&mut Vec<Member>)) -> Edition {
        let mut members = before.members().to_vec();
        change(&mut members);
        Edition::draft(&Edition::write(before, "Trial federation", members, cuts)).unwrap()
    }

    /// The same, finished and kept: the founders of those places have signed.
    pub fn agree(
        &mut self,
        before: &Edition,
        by: &[usize],
        cuts: Vec<Cut>,
        change: impl FnOnce(&mut Vec<Member>),
    ) -> Edition {
        let edition = self.list(before, cuts, change);
        let keys: Vec<_> = by.iter().map(|at| (self.members[*at].code, self.members[*at].identity.clone())).collect();
        self.sign(&edition, before, &keys)
    }

    /// Finishes a list with the signatures of members, as said.
    pub fn sign(&mut self, edition: &Edition, before: &Edition, by: &[(&str, SecretKey)]) -> Edition {
        let mut note = Note::new(edition.text()).unwrap();
        let mut successors = Vec::new();
        for (code, key) in by {
            note.sign(&key_name(code), key);
            let listed = before.member(code).is_some_and(|member| member.identity_key == key.public());
            successors.extend(Some(key.public()).filter(|_| !listed));
        }
        let edition = Edition::read(&note.to_bytes(), successors).unwrap().follows(&Arc::new(before.clone())).unwrap();
        self.editions.push(Arc::new(edition.clone()));
        edition
    }

    pub fn first(&self) -> Edition {
        Edition::from(&*self.charter)
    }

    /// Proves that the key has signed another branch as well, with `other` from entry `at` on. Held is what was written first.
    pub fn fork(&mut self, log: &SecretKey, at: usize, other: &[Said]) {
        let written = &self.logs[&log.public()];
        let branch = Written { said: [&written.said[..at], other].concat(), ..written.clone() };
        let sides = [written.side(&self.charter.id(), at), branch.side(&self.charter.id(), at)];
        let root = Forest::over(&written.leaves()[..at]).compact.root();
        self.forks.push(Fork::new(log.public(), at as u64, root, sides).unwrap());
    }

    /// From entry `at` on the log is `other`.
    pub fn replace(&mut self, log: &SecretKey, at: usize, other: Vec<Said>) {
        let said = &mut self.logs.get_mut(&log.public()).unwrap().said;
        said.truncate(at);
        said.extend(other);
    }

    /// What a node has kept that holds all this.
    pub fn memory(&self) -> Memory {
        let mut memory = Memory { editions: self.editions.clone(), ..Memory::default() };
        for (key, log) in &self.logs {
            memory.logs.insert(*key, log.kept(&self.charter.id()));
        }
        let mut forks: Vec<&Fork> = self.forks.iter().collect();
        forks.sort_by_key(|fork| std::cmp::Reverse(fork.at())); // the smallest is kept
        forks.into_iter().for_each(|fork| drop(memory.forks.insert(*fork.log(), Arc::new(fork.clone()))));
        memory
    }
}

impl Written {
    fn leaves(&self) -> Vec<Digest> {
        let entries = (0u64..).zip(&self.said);
        let entry = |(index, (kind, body)): (u64, &Said)| {
            proto::entry::Entry::new(self.secret.public(), index, 0, *kind, body).digest()
        };
        entries.map(entry).collect()
    }

    fn kept(&self, federation: &Digest) -> Kept {
        let run = Log::new(self.secret.public(), Purpose::Publication);
        let run = run.write(federation, &self.secret, &self.said, 0).unwrap();
        let (mut leaves, mut closing): (Vec<Leaf>, Closing) = (run.leaves().to_vec(), run.closing().clone());
        if let Some(held) = self.held.filter(|held| *held < leaves.len()) {
            let whole = Forest::over(&self.leaves());
            closing.proof = tree::consistency(&whole, held as u64, leaves.len() as u64).unwrap();
            leaves.truncate(held);
        }
        let forest = Forest::over(&self.leaves()[..leaves.len()]);
        Kept { leaves, closing, forest }
    }

    fn side(&self, federation: &Digest, at: usize) -> Branch {
        let whole = Written { held: None, ..self.clone() }.kept(federation);
        let size = whole.leaves.len() as u64;
        Branch {
            checkpoint: whole.closing.checkpoint.clone(),
            joined: tree::consistency(&whole.forest, at as u64, size).unwrap(),
            entry: whole.leaves[at].entry.clone(),
            path: tree::inclusion(&whole.forest, at as u64, size).unwrap(),
        }
    }
}

/// Entry 0 of a log.
pub fn opens(
    purpose: Purpose,
    code: &str,
    identity: &PublicKey,
    next: Option<&SecretKey>,
    predecessor: Option<Cut>,
) -> Said {
    let open = Open {
        purpose,
        member: code.to_owned(),
        identity_key: *identity,
        successor_digest: next.map(|next| Digest::of(next.public().as_bytes())),
        predecessor,
    };
    (Kind::Open as u32, open.to_body(SALT))
}

pub fn revokes_at(cut: &Cut) -> Said {
    (Kind::Revoke as u32, revocation(cut, "has left", SALT))
}

pub fn delegates_as(desk: &SecretKey, name: &str) -> Said {
    (Kind::Delegate as u32, delegation(&desk.public(), name, SALT))
}

pub fn drafts(edition: &Edition) -> Said {
    (Kind::Draft as u32, draft(edition.text(), SALT))
}

/// A signature on a draft by a member; `successor`: its key is said to be the one committed to.
pub fn signs(edition: &Edition, code: &str, key: &SecretKey, successor: bool) -> Said {
    let line = Note::new(edition.text()).unwrap().sign(&key_name(code), key);
    let public = key.public();
    (Kind::DraftSignature as u32, draft_signature(&edition.digest(), &line, successor.then_some(&public), SALT))
}

/// A cut on a branch that nobody has.
pub fn elsewhere(cut: &Cut) -> Cut {
    Cut { root: Digest::of(b"elsewhere"), ..cut.clone() }
}

/// A member's line with keys of its own.
pub fn listed(code: &str, signer: bool, key: &SecretKey, next: &SecretKey) -> Member {
    Member {
        code: code.to_owned(),
        signer,
        identity_key: key.public(),
        successor_digest: Digest::of(next.public().as_bytes()),
        name: format!("Parliament {code}"),
    }
}
