//! What standing costs: a large federation from its records, and one more entry on top of a long history.
//!
//! Ratios within one run, because machines differ. `COMITY_SCALE=1` runs it; it is a benchmark and takes half a minute.

use std::sync::Arc;
use std::time::{Duration, Instant};

use proto::body::{Cut, Open, Purpose, delegation, revocation};
use proto::charter::Charter;
use proto::digest::Digest;
use proto::edition::Edition;
use proto::key::SecretKey;
use proto::member::{Member, key_name};
use proto::note::Note;
use proto::schema::Kind;
use proto::standing::Standing;
use proto::tree::Compact;

use crate::world::{SALT, key};

const MEMBERS: u64 = 200;
const EDITIONS: u64 = 200;

struct Records {
    charter: Arc<Charter>,
    keys: Vec<SecretKey>,
    editions: Vec<Edition>,
}

/// A federation of 200 whose every edition gives one member another name.
fn records() -> Records {
    let keys: Vec<SecretKey> = (0..MEMBERS).map(|at| key(1_000_000 + at)).collect();
    let member = |(at, key): (usize, &SecretKey)| Member {
        code: format!("AA-{at:03}"),
        signer: true,
        identity_key: key.public(),
        successor_digest: Digest::of(&at.to_be_bytes()),
        name: "Parliament".to_owned(),
    };
    let members: Vec<Member> = keys.iter().enumerate().map(member).collect();
    let mut charter = Charter::draft("A large federation", members.clone()).unwrap();
    for (member, key) in members.iter().zip(&keys) {
        charter.sign(&member.code, key).unwrap();
    }
    let mut before = Edition::from(&charter);
    let mut editions = Vec::new();
    for number in 0..EDITIONS {
        let mut members = before.members().to_vec();
        members[number as usize % MEMBERS as usize].name = format!("Parliament {number}");
        let mut note = Note::new(&Edition::write(&before, "A large federation", members.clone(), Vec::new())).unwrap();
        for (member, key) in members.iter().zip(&keys).take(2 * MEMBERS as usize / 3 + 1) {
            note.sign(&key_name(&member.code), key);
        }
        before = Edition::read(&note.to_bytes(), Vec::new()).unwrap();
        editions.push(before.clone());
    }
    Records { charter: Arc::new(charter), keys, editions }
}

/// Acts of all members in turn: desks come and go.
fn acts(records: &Records, count: u64) -> Vec<(usize, u64, u32, Vec<u8>)> {
    let mut acts = Vec::new();
    for (at, key) in records.keys.iter().enumerate() {
        let open = Open {
            purpose: Purpose::Governance,
            member: format!("AA-{at:03}"),
            identity_key: key.public(),
            successor_digest: Some(Digest::of(&at.to_be_bytes())),
            predecessor: None,
        };
        acts.push((at, 0, Kind::Open as u32, open.to_body(SALT)));
    }
    // Desk keys need only be distinct and sound.
    let mut desks = (0..).map(|number| key(2_000_000 + number).public());
    let mut last = vec![None; records.keys.len()];
    let mut next = vec![1; records.keys.len()];
    while (acts.len() as u64) < count {
        let at = acts.len() % records.keys.len();
        let (kind, body) = match last[at].take() {
            None => {
                let desk = desks.next().unwrap();
                last[at] = Some(desk);
                (Kind::Delegate, delegation(&desk, "Library", SALT))
            }
            Some(desk) => {
                let cut = Cut::new(desk, 0, Compact::new().root());
                (Kind::Revoke, revocation(&cut, "moved", SALT))
            }
        };
        acts.push((at, next[at], kind as u32, body));
        next[at] += 1;
    }
    acts
}

fn standing(records: &Records) -> Standing {
    let mut standing = Standing::new(records.charter.clone(), None);
    for edition in &records.editions {
        standing.take_edition(edition.clone()).unwrap();
    }
    standing
}

fn fold(standing: &mut Standing, records: &Records, acts: &[(usize, u64, u32, Vec<u8>)]) -> Duration {
    let begun = Instant::now();
    for (at, index, kind, body) in acts {
        standing.on_governance(&records.keys[*at].public(), *index, *kind, body);
    }
    begun.elapsed()
}

#[test]
fn standing_of_a_large_federation() {
    if std::env::var_os("COMITY_SCALE").is_none() {
        println!("skipped: COMITY_SCALE=1 runs it");
        return;
    }
    let records = records();
    let begun = Instant::now();
    let fresh = standing(&records);
    let editions = begun.elapsed();
    println!("{EDITIONS} editions of {MEMBERS} members with 134 signatures each: {editions:?}");
    let mut per_entry = Vec::new();
    for count in [2_000, 20_000, 200_000] {
        let acts = acts(&records, count);
        let mut standing = fresh.clone();
        let all = fold(&mut standing, &records, &acts[..acts.len() - 1_000]);
        let last = fold(&mut standing, &records, &acts[acts.len() - 1_000..]);
        println!("{count} governance entries: {all:?} for all, {:?} for each of the last thousand", last / 1_000);
        per_entry.push(last.as_secs_f64());
    }
    let growth = per_entry[2] / per_entry[0];
    println!("an entry on top of 200,000 costs {growth:.2} times what one on top of 2,000 does");
    assert!(growth < 3.0, "the cost of an entry grows with history");
}
