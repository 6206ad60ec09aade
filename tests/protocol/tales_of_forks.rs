//! Tales of forks: of desks and of identity keys, proven once or twice, cut on either branch or not at all.

use proto::body::{Cut, Purpose};
use proto::digest::Digest;

use crate::tales::{Said, Tale, elsewhere, listed, opens, revokes_at};
use crate::world::{delegates, key, summary};

pub fn all() -> Vec<Tale> {
    [desks(), cuts(), governance(), rotations(), rivals()].concat()
}

fn others(count: usize) -> Vec<Said> {
    (0..count).map(|number| summary(&format!("another {number}"))).collect()
}

/// Finland's library of six entries, forked where said.
fn forked(name: &str, at: &[usize]) -> Tale {
    let mut tale = Tale::founded(name, 3);
    let finland = tale.members[0].clone();
    (0..3).for_each(|number| tale.write(&finland.desk, summary(&format!("law {number}"))));
    at.iter().for_each(|at| tale.fork(&finland.desk, *at, &others(2)));
    tale
}

fn desks() -> Vec<Tale> {
    let finland = Tale::chartered("", 1).members[0].clone();
    let mut tales: Vec<Tale> =
        [1, 4, 5].iter().map(|at| forked(&format!("a library forked at {at} of six"), &[*at])).collect();
    tales.push(forked("of several proofs the smallest index counts", &[5, 2, 4]));
    tales.push(forked("the same, proven in another order", &[2, 5]));
    let mut short = forked("a forked library held as far as the fork", &[4]);
    short.hold(&finland.desk, 4);
    let mut shorter = forked("a forked library held less far than the fork", &[4]);
    shorter.hold(&finland.desk, 3);
    let mut other = forked("a forked library held on the other branch", &[4]);
    other.replace(&finland.desk, 4, others(2));
    let mut unheld = forked("a forked library of which nothing is held", &[4]);
    unheld.logs.remove(&finland.desk.public());
    let mut revoked = forked("a forked library of which nothing is held, and it is revoked", &[4]);
    let cut = revoked.cut(&finland.desk, 5);
    revoked.revoke(&finland.identity, &cut);
    revoked.logs.remove(&finland.desk.public());
    let mut twice = Tale::founded("a desk that opens two logs", 3);
    let open = opens(Purpose::Publication, "KE-LC01", &finland.identity.public(), None, None);
    twice.fork(&finland.desk, 0, &[open, summary("another")]);
    let mut unknown = forked("a fork of a key that nobody knows", &[]);
    unknown.open_desk("FI", &finland.identity, &key(61), 2);
    unknown.fork(&key(61), 1, &others(1));
    let mut refused = forked("a forked desk whose entry 0 does not agree", &[]);
    refused.delegate(&finland.identity, &key(61));
    refused.open_desk("KE-LC01", &finland.identity, &key(61), 2);
    refused.fork(&key(61), 1, &others(1));
    let mut absent = refused.clone();
    absent.name = "the same, where nothing of it was ever taken".to_owned();
    absent.logs.remove(&key(61).public());
    tales.extend([short, shorter, other, unheld, revoked, twice, unknown, refused, absent]);
    for cut_by in 0..3 {
        let mut tale = forked(&format!("a forked desk of two members that {cut_by} of them revoked"), &[]);
        let members = tale.members.clone();
        tale.open_desk("FI", &finland.identity, &key(61), 3);
        tale.fork(&key(61), 2, &others(1));
        let cut = tale.cut(&key(61), 1);
        for (turn, one) in members[..2].iter().rev().enumerate() {
            tale.delegate(&one.identity, &key(61));
            if turn < cut_by {
                tale.revoke(&one.identity, &cut);
            }
        }
        let mut absent = tale.clone();
        absent.name = format!("{}, and nothing is held", tale.name);
        absent.logs.remove(&key(61).public());
        tales.extend([tale, absent]);
    }
    for by in [vec![], vec![0], vec![0, 1]] {
        let mut base = forked("", &[]);
        let members = base.members.clone();
        members[..2].iter().for_each(|one| base.delegate(&one.identity, &key(61)));
        base.open_desk("FI", &finland.identity, &key(61), 2);
        let open = opens(Purpose::Publication, "KE-LC01", &members[1].identity.public(), None, None);
        let other = [vec![open], others(3)].concat();
        base.fork(&key(61), 0, &other);
        let mut kenyas = base.clone();
        kenyas.replace(&key(61), 0, other);
        let cuts = [base.end(&key(61)), kenyas.end(&key(61))];
        let mut absent = base.clone();
        absent.logs.remove(&key(61).public());
        for (mut tale, held) in [(base, "the first is held"), (kenyas, "the second is held"), (absent, "none is held")]
        {
            tale.name = format!("a desk of two members that opened two logs and was revoked by {}; {held}", by.len());
            by.iter().for_each(|at: &usize| tale.revoke(&members[*at].identity, &cuts[*at]));
            tales.push(tale);
        }
    }
    tales
}

fn cuts() -> Vec<Tale> {
    let finland = Tale::chartered("", 1).members[0].clone();
    let mut tales = Vec::new();
    for size in [0, 3, 4, 5, 6] {
        let mut tale = forked(&format!("a library forked at 4 and cut at {size} of six"), &[4]);
        let cut = tale.cut(&finland.desk, size);
        tale.revoke(&finland.identity, &cut);
        let mut early = tale.clone();
        early.name = format!("{}, and three entries are held", tale.name);
        early.hold(&finland.desk, 3);
        // The cut is on the branch that is not held.
        let mut off = tale.clone();
        off.name = format!("{}, and the other branch is held", tale.name);
        off.replace(&finland.desk, 4, others(2));
        let mut longer = tale.clone();
        longer.name = format!("{}, and a longer other branch is held", tale.name);
        longer.replace(&finland.desk, 4, others(5));
        let mut shorter = tale.clone();
        shorter.name = format!("{}, and five entries of the other branch are held", tale.name);
        shorter.replace(&finland.desk, 4, others(1));
        tales.extend([tale, early, off, longer, shorter]);
    }
    // The cut says what it shares with other branches, and nobody need show the one it is on.
    for (at, size) in [(1, 6), (3, 5), (4, 6), (5, 6)] {
        let mut tale = forked(&format!("a library forked at 4 and cut at {size} of six, joined to {at}"), &[4]);
        let cut = tale.joined(&finland.desk, size, at);
        tale.revoke(&finland.identity, &cut);
        let mut off = tale.clone();
        off.name = format!("{}, and the other branch is held", tale.name);
        off.replace(&finland.desk, 4, others(3));
        tales.extend([tale, off]);
    }
    let mut false_proof = forked("a cut joined by a proof that leads elsewhere, and the other branch is held", &[4]);
    let cut = elsewhere(&false_proof.joined(&finland.desk, 6, 4));
    false_proof.revoke(&finland.identity, &cut);
    false_proof.replace(&finland.desk, 4, others(3));
    tales.push(false_proof);
    let mut nobody = forked("a forked library cut on a branch that nobody has", &[4]);
    let cut = elsewhere(&nobody.cut(&finland.desk, 5));
    nobody.revoke(&finland.identity, &cut);
    tales.push(nobody);
    tales
}

/// Finland's governance log: opening, library, two more desks; and another branch from 2 on with two other desks.
fn governance() -> Vec<Tale> {
    let finland = Tale::chartered("", 1).members[0].clone();
    let branch = |name: &str| {
        let mut tale = Tale::founded(name, 4);
        for number in [62, 63] {
            tale.delegate(&finland.identity, &key(number));
            tale.open_desk("FI", &finland.identity, &key(number), 1);
        }
        let other = vec![delegates(&key(64)), delegates(&key(65))];
        tale.open_desk("FI", &finland.identity, &key(64), 1);
        tale.fork(&finland.identity, 2, &other);
        (tale, other)
    };
    let (contested, other) = branch("a forked governance log");
    let (mut held, _) = branch("a forked governance log held on the other branch");
    held.replace(&finland.identity, 2, other);
    let mut zero = Tale::founded("an identity key that opens two logs", 4);
    let open = opens(Purpose::Governance, "FI", &finland.identity.public(), Some(&key(66)), None);
    zero.fork(&finland.identity, 0, &[open, delegates(&key(64))]);
    let (mut revoking, _) = branch("a contested revocation has no effect");
    let cut = revoking.cut(&finland.desk, 1);
    revoking.revoke(&finland.identity, &cut);
    let (mut drafting, _) = branch("contested drafts and signatures count");
    let edition = drafting.list(&drafting.first(), Vec::new(), |members| members[0].name = "Eduskunta".to_owned());
    drafting.write(&finland.identity, crate::tales::drafts(&edition));
    for one in &drafting.members.clone()[..3] {
        drafting.write(&finland.identity, crate::tales::signs(&edition, one.code, &one.identity, false));
    }
    let (mut desk, _) = branch("a desk that a fork undoes, itself forked");
    desk.open_desk("FI", &finland.identity, &key(65), 2);
    desk.fork(&key(62), 1, &others(1));
    vec![contested, held, zero, revoking, drafting, desk]
}

/// The successor says where the forked log ended.
fn rotations() -> Vec<Tale> {
    let finland = Tale::chartered("", 1).members[0].clone();
    let mut tales = Vec::new();
    for size in [0, 1, 2, 3, 4] {
        for on_other in [false, true] {
            let whose = if on_other { "the other branch" } else { "the branch that is held" };
            let mut tale = Tale::founded(&format!("a forked governance log, and a rotation at {size} of {whose}"), 4);
            for number in [62, 63] {
                tale.delegate(&finland.identity, &key(number));
                tale.open_desk("FI", &finland.identity, &key(number), 1);
            }
            let other = vec![delegates(&key(64)), delegates(&key(65))];
            tale.open_desk("FI", &finland.identity, &key(64), 1);
            tale.fork(&finland.identity, 2, &other);
            let mut there = tale.clone();
            if on_other {
                there.replace(&finland.identity, 2, other);
            }
            let rotated = |name: String, cut: Cut| {
                let mut tale = Tale { name, ..tale.clone() };
                tale.begin("FI", &finland.successor, &key(67), Some(cut));
                tale.delegate(&finland.successor, &key(68));
                let end = tale.cut(&key(62), 1);
                tale.write(&finland.successor, revokes_at(&end));
                tale
            };
            tales.push(rotated(tale.name.clone(), there.cut(&finland.identity, size)));
            if size > 2 {
                tales.push(rotated(format!("{}, joined to 2", tale.name), there.joined(&finland.identity, size, 2)));
            }
        }
    }
    for (at, name) in
        [(0, "a rotated key that opens two logs never took over"), (1, "a rotated key forked after its entry 0")]
    {
        let mut tale = Tale::founded(name, 4);
        let cut = tale.end(&finland.identity);
        tale.begin("FI", &finland.successor, &key(67), Some(cut.clone()));
        tale.delegate(&finland.successor, &key(68));
        let open = opens(Purpose::Governance, "FI", &finland.successor.public(), Some(&key(69)), Some(cut));
        let other = if at == 0 { vec![open, delegates(&key(64))] } else { vec![delegates(&key(64))] };
        tale.fork(&finland.successor, at, &other);
        let mut next = tale.clone();
        next.name = format!("{name}, and the next key cuts it");
        let cut = next.end(&finland.successor);
        next.begin("FI", &key(67), &key(70), Some(cut));
        let mut closed = tale.clone();
        closed.name = format!("{name}, and a re-key names it");
        let mut cuts = vec![closed.end(&finland.identity), closed.end(&finland.successor)];
        cuts.sort_by_key(|cut| cut.log);
        let first = closed.first();
        closed.agree(&first, &[1, 2, 3], cuts, |members| {
            members[0].identity_key = key(80).public();
            members[0].successor_digest = Digest::of(key(81).public().as_bytes());
        });
        tales.extend([tale, next, closed]);
    }
    tales
}

/// One line cuts what the other lets be contested.
fn rivals() -> Vec<Tale> {
    let mut tales = Vec::new();
    for held in [true, false] {
        let what = if held { "it is held" } else { "nothing of it is held" };
        let mut tale = Tale::founded(&format!("a fork that only one rival's cut settles, and {what}"), 4);
        let kenya = tale.members[1].clone();
        let first = tale.first();
        tale.fork(&kenya.desk, 1, &others(1));
        let mut cuts = vec![tale.end(&kenya.identity), tale.end(&kenya.desk)];
        cuts.sort_by_key(|cut| cut.log);
        tale.agree(&first, &[0, 2, 3], cuts, |members| members.retain(|member| member.code != "KE-LC01"));
        tale.agree(&first, &[0, 2, 3], Vec::new(), |members| members[0].name = "Eduskunta".to_owned());
        if !held {
            tale.logs.remove(&kenya.desk.public());
        }
        tales.push(tale);
    }
    let mut joined = Tale::founded("a forked desk of a member that only one rival lists", 3);
    let first = joined.first();
    let line = listed("JP-LC01", true, &key(90), &key(91));
    joined.agree(&first, &[0, 1, 2], Vec::new(), |members| members.insert(1, line));
    joined.agree(&first, &[0, 1, 2], Vec::new(), |members| members[0].name = "Eduskunta".to_owned());
    joined.begin("JP-LC01", &key(90), &key(91), None);
    joined.delegate(&key(90), &key(92));
    joined.open_desk("JP-LC01", &key(90), &key(92), 3);
    joined.fork(&key(92), 2, &others(1));
    let cut = joined.cut(&key(92), 3);
    joined.revoke(&key(90), &cut);
    tales.push(joined);
    tales
}
