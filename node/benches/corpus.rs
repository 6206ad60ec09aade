//! The documents: any number of law summaries of about 3 KB, the same for the same number, and stores filled with them.
//!
//! Each is in one of nine languages. Words are drawn by Zipf's law from a vocabulary of 20,000 in each, and every third stretch is
//! one of 2,000 fixed phrases, so that what compresses, what indexes and what a query finds is near to what text is.

use std::path::Path;
use std::sync::Arc;

use comity::config::Folder;
use comity::keystore::{KeyName, Secrets};
use comity::passphrase::{Passphrases, Source};
use comity::store::Store;
use prost::Message;
use proto::body::{self, Open, Purpose};
use proto::charter::Charter;
use proto::key::SecretKey;
use proto::replica::{Effect, Input, Replica};
use proto::schema::{self, Kind};

use crate::federation::Federation;
use crate::voices::{VOICES, Voice};

/// The members whose logs the documents lie in.
pub const MEMBERS: [&str; 10] = ["AR", "BR", "CA", "DE", "ES", "FI", "GB", "IN", "JP", "KE"];
/// Documents under one signature, as an import signs them.
const BATCH: usize = 100;
/// Bytes of one text.
const TEXT_BYTES: usize = 2_800;
const WORDS: usize = 20_000;
const PHRASES: usize = 2_000;
/// A generator of numbers; the same seed gives the same ones.
pub struct Random(pub u64);

impl Random {
    /// The next number (splitmix64).
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// One below `end`.
    pub fn below(&mut self, end: usize) -> usize {
        (self.next() % end as u64) as usize
    }
}

/// Makes documents.
pub struct Corpus {
    tongues: Vec<Tongue>,
    /// Sums of the weights 1/rank.
    sums: Vec<f64>,
}

/// The words of one language.
struct Tongue {
    voice: &'static Voice,
    words: Vec<String>,
    phrases: Vec<String>,
}

impl Corpus {
    /// The vocabularies.
    pub fn new() -> Corpus {
        let sums = (0..WORDS).scan(0.0, |sum, rank| {
            *sum += 1.0 / (rank + 1) as f64;
            Some(*sum)
        });
        let mut corpus = Corpus { tongues: Vec::new(), sums: sums.collect() };
        for voice in &VOICES {
            let mut random = Random(1);
            let mut words = Vec::with_capacity(WORDS);
            for rank in 0..WORDS {
                let syllables = 1 + usize::from(rank > 200) + random.below(2);
                let mut word: String =
                    (0..syllables).map(|_| voice.syllables[random.below(voice.syllables.len())]).collect();
                word.push_str(voice.endings[random.below(voice.endings.len())]);
                words.push(word);
            }
            let mut tongue = Tongue { voice, words, phrases: Vec::new() };
            tongue.phrases = (0..PHRASES).map(|_| corpus.stretch(&tongue, &mut random, 5)).collect();
            corpus.tongues.push(tongue);
        }
        corpus
    }

    /// A word of a rank, in the languages by turns; the lowest are in nearly every document of theirs.
    pub fn word(&self, rank: usize) -> &str {
        &self.tongues[rank % self.tongues.len()].words[rank]
    }

    /// The first two words of one of the fixed phrases.
    pub fn two_words(&self, number: usize) -> String {
        let tongue = &self.tongues[number % self.tongues.len()];
        match tongue.voice.space {
            "" => tongue.phrases[number].chars().take(4).collect(),
            space => tongue.phrases[number].split(space).take(2).collect::<Vec<_>>().join(space),
        }
    }

    fn stretch(&self, tongue: &Tongue, random: &mut Random, words: usize) -> String {
        let total = self.sums[WORDS - 1];
        let pick = |_| {
            let at = (random.next() >> 11) as f64 / (1u64 << 53) as f64 * total;
            tongue.words[self.sums.partition_point(|sum| *sum < at).min(WORDS - 1)].as_str()
        };
        (0..words).map(pick).collect::<Vec<_>>().join(tongue.voice.space)
    }

    /// The document of a number.
    pub fn publication(&self, number: u64) -> schema::Publication {
        let mut random = Random(number.wrapping_mul(0x2545_f491_4f6c_dd1d));
        let tongue = &self.tongues[random.below(self.tongues.len())];
        let mut text = String::with_capacity(TEXT_BYTES + 200);
        while text.len() < TEXT_BYTES {
            let stretch = match random.below(3) {
                0 => tongue.phrases[random.below(PHRASES)].clone(),
                _ => self.stretch(tongue, &mut random, 9),
            };
            text.push_str(&stretch);
            text.push_str([" ", ", ", ". ", ".\n\n"][random.below(4)]);
        }
        let summary = self.stretch(tongue, &mut random, 18);
        let year = 1990 + random.below(36);
        schema::Publication {
            salt: random.next().to_be_bytes().repeat(2),
            slug: slug(number),
            version: 1,
            language: tongue.voice.language.to_owned(),
            title: format!("{} {year}", self.stretch(tongue, &mut random, 4)),
            text,
            jurisdiction: MEMBERS[random.below(MEMBERS.len())].to_owned(),
            topics: vec![
                ["children", "legal-frameworks", "labour-market", "ai-cybersecurity"][random.below(4)].to_owned(),
            ],
            law_summary: Some(schema::LawSummary {
                legal_status: ["in-force", "in-committee", "repealed"][random.below(3)].to_owned(),
                summary_short: summary,
                dates: Some(schema::LawDates {
                    in_force: format!("{year}-{:02}", 1 + random.below(12)),
                    ..schema::LawDates::default()
                }),
                ..schema::LawSummary::default()
            }),
            ..schema::Publication::default()
        }
    }

    /// A body as it is published.
    pub fn body(&self, number: u64) -> (u32, Vec<u8>) {
        (Kind::LawSummary as u32, self.publication(number).encode_to_vec())
    }
}

/// The slug of a document.
pub fn slug(number: u64) -> String {
    format!("act-{number:07}")
}

/// The name of a document of a filled store.
pub fn work(number: u64) -> String {
    format!("{}/{}", MEMBERS[number as usize % MEMBERS.len()], slug(number))
}

/// Every key of the members, as their own nodes hold them, and the charter they founded.
pub struct Keys {
    pub charter: Arc<Charter>,
    desks: Vec<(SecretKey, SecretKey)>,
}

impl Keys {
    /// Reads them from the members' folders.
    pub fn of(federation: &Federation) -> Keys {
        let charter = Arc::new(Folder::new(&federation.folder(MEMBERS[0])).charter().unwrap());
        let mut nowhere = Passphrases::new(Source::Nowhere);
        let mut read =
            |code: &&str, name| Secrets::of(&federation.folder(code), &mut nowhere).open(name).unwrap().unwrap();
        let desks = MEMBERS.iter().map(|code| (read(code, KeyName::Identity), read(code, KeyName::Desk))).collect();
        Keys { charter, desks }
    }
}

/// Writes documents `from..to` into the store of a folder whose node is not running, each in the log of its member, as those
/// members would have. Returns the bytes of their bodies.
pub fn fill(folder: &Path, keys: &Keys, corpus: &Corpus, from: u64, to: u64) -> u64 {
    let federation = keys.charter.id();
    let (mut store, _) = Store::open(&Folder::new(folder).store(), &federation).unwrap();
    let mut replica = Replica::new(keys.charter.clone());
    for (key, log, bodies) in store.logs().unwrap() {
        replica.resume(key, log, &bodies);
    }
    let mut raw = 0;
    let mut write = |replica: &mut Replica, log, bodies| {
        let effects = replica.handle(comity::keeper::now_ms(), Input::Write { log, bodies }).unwrap();
        let records = effects.into_iter().filter_map(|effect| match effect {
            Effect::Keep(record) => Some(record),
            _ => None,
        });
        let appended = store.append(comity::keeper::now_ms(), &records.collect::<Vec<_>>()).unwrap();
        store.apply(appended).unwrap();
    };
    for (code, (identity, desk)) in MEMBERS.iter().zip(&keys.desks) {
        replica.hold_key(identity.clone());
        replica.hold_key(desk.clone());
        if replica.log(&identity.public()).is_some_and(|log| log.size() > 0) {
            continue;
        }
        let member = keys.charter.member(code).unwrap();
        let open = |purpose, successor_digest| {
            let identity_key = identity.public();
            let open = Open { purpose, member: (*code).to_owned(), identity_key, successor_digest, predecessor: None };
            (Kind::Open as u32, open.to_body([7; 16]))
        };
        let delegation = (Kind::Delegate as u32, body::delegation(&desk.public(), "Library", [7; 16]));
        let first = vec![open(Purpose::Governance, Some(member.successor_digest)), delegation];
        write(&mut replica, identity.public(), first);
        write(&mut replica, desk.public(), vec![open(Purpose::Publication, None)]);
    }
    let mut waiting: Vec<Vec<(u32, Vec<u8>)>> = vec![Vec::new(); MEMBERS.len()];
    for number in from..to {
        let member = number as usize % MEMBERS.len();
        let body = corpus.body(number);
        raw += body.1.len() as u64;
        waiting[member].push(body);
        if waiting[member].len() == BATCH {
            write(&mut replica, keys.desks[member].1.public(), std::mem::take(&mut waiting[member]));
        }
    }
    for (bodies, (_, desk)) in waiting.into_iter().zip(&keys.desks) {
        if !bodies.is_empty() {
            write(&mut replica, desk.public(), bodies);
        }
    }
    store.close().unwrap();
    raw
}
