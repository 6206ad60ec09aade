//! Tales of desks: delegated, revoked, bounded, claimed by two; and what a newer Comity says.

use proto::body::Purpose;
use proto::schema::{Kind, Open};

use prost::Message;

use crate::tales::{Tale, delegates_as, elsewhere, opens, revokes_at};
use crate::world::{delegates, key, summary};

pub fn all() -> Vec<Tale> {
    [opened(), revoked(), bounded(), claimed(), newer()].concat()
}

fn opened() -> Vec<Tale> {
    let only = Tale::chartered("a charter and nothing else", 3);
    let founded = Tale::founded("three founders with a library each", 3);
    let observed = Tale::founded("five founders, one an observer", 5);
    let alone = Tale::founded("a federation of one", 1);
    let mut unheld = Tale::chartered("a desk of which nothing is held", 2);
    let finland = unheld.members[0].clone();
    unheld.write(&finland.identity, finland.governance_open());
    unheld.delegate(&finland.identity, &finland.desk);
    let mut part = Tale::founded("a library of which the first entries are held", 2);
    part.hold(&finland.desk, 2);
    let mut begun = Tale::founded("a governance log of which entry 0 is held", 2);
    begun.hold(&finland.identity, 1);
    vec![only, founded, observed, alone, unheld, part, begun]
}

fn revoked() -> Vec<Tale> {
    let mut tales = Vec::new();
    for (size, held, name) in [
        (3, 3, "a desk revoked at its end"),
        (2, 3, "a desk revoked within what is held"),
        (3, 2, "a desk revoked beyond what is held"),
        (0, 3, "a desk revoked at nothing"),
        (1, 3, "a desk revoked at its entry 0"),
    ] {
        let mut tale = Tale::founded(name, 2);
        let finland = tale.members[0].clone();
        let cut = tale.cut(&finland.desk, size);
        tale.hold(&finland.desk, held);
        tale.revoke(&finland.identity, &cut);
        tales.push(tale);
    }
    for (size, held, name) in [
        (3, 3, "a desk revoked at its end on a branch that nobody has"),
        (2, 3, "a desk revoked within what is held on a branch that nobody has"),
        (3, 2, "a desk revoked beyond what is held on a branch that nobody has"),
        (0, 3, "a desk revoked at nothing, with a root"),
    ] {
        let mut tale = Tale::founded(name, 2);
        let finland = tale.members[0].clone();
        let cut = elsewhere(&tale.cut(&finland.desk, size));
        tale.hold(&finland.desk, held);
        tale.revoke(&finland.identity, &cut);
        tales.push(tale);
    }
    let mut twice = Tale::founded("of two revocations the first counts", 2);
    let (finland, kenya) = (twice.members[0].clone(), twice.members[1].clone());
    for size in [2, 3] {
        let cut = twice.cut(&finland.desk, size);
        twice.revoke(&finland.identity, &cut);
    }
    let mut strange = Tale::founded("nobody revokes another's desk", 2);
    let cut = strange.cut(&finland.desk, 1);
    strange.revoke(&kenya.identity, &cut);
    let mut early = Tale::founded("a revocation before the delegation is none", 2);
    let cut = early.cut(&key(60), 0);
    early.revoke(&finland.identity, &cut);
    early.delegate(&finland.identity, &key(60));
    early.open_desk("FI", &finland.identity, &key(60), 1);
    let mut again = Tale::founded("a desk that was revoked is not delegated again", 2);
    let cut = again.cut(&finland.desk, 2);
    again.revoke(&finland.identity, &cut);
    again.delegate(&finland.identity, &finland.desk);
    let mut own = Tale::founded("an identity key that revokes itself", 2);
    let cut = own.cut(&finland.identity, 1);
    own.revoke(&finland.identity, &cut);
    tales.extend([twice, strange, early, again, own]);
    tales
}

fn bounded() -> Vec<Tale> {
    let mut tales = Vec::new();
    for (revoked, name) in [(false, "the seventeenth desk is void for good"), (true, "a place that a revocation freed")]
    {
        let mut tale = Tale::founded(name, 2);
        let finland = tale.members[0].clone();
        (100..117).for_each(|number| tale.delegate(&finland.identity, &key(number)));
        if revoked {
            let cut = tale.cut(&finland.desk, 3);
            tale.revoke(&finland.identity, &cut);
            tale.delegate(&finland.identity, &key(120));
            tale.open_desk("FI", &finland.identity, &key(120), 1);
        }
        tale.open_desk("FI", &finland.identity, &key(116), 1);
        tale.open_desk("FI", &finland.identity, &key(114), 1);
        tales.push(tale);
    }
    let mut late = Tale::founded("a void desk that is delegated once more when there is a place", 2);
    let finland = late.members[0].clone();
    (100..116).for_each(|number| late.delegate(&finland.identity, &key(number)));
    let cut = late.cut(&finland.desk, 3);
    late.revoke(&finland.identity, &cut);
    late.delegate(&finland.identity, &key(115));
    late.open_desk("FI", &finland.identity, &key(115), 1);
    tales.push(late);
    tales
}

fn claimed() -> Vec<Tale> {
    let mut tales = Vec::new();
    for (says, name) in [
        ("FI", "a desk that two members delegate and that says it is the first's"),
        ("KE-LC01", "a desk that two members delegate and that says it is the second's"),
        ("UY-UC01", "a desk that two members delegate and that says it is a third's"),
    ] {
        for cut_by in [None, Some(0), Some(1)] {
            let mut tale = Tale::founded(name, 3);
            let by = cut_by.map_or("nobody".to_owned(), |at: usize| tale.members[at].code.to_owned());
            tale.name = format!("{name}, revoked by {by}");
            let members = tale.members.clone();
            let whose = members.iter().find(|one| one.code == says).unwrap().identity.clone();
            tale.open_desk(says, &whose, &key(60), 3);
            for one in &members[..2] {
                tale.delegate(&one.identity, &key(60));
            }
            if let Some(at) = cut_by {
                let cut = tale.cut(&key(60), 2);
                tale.revoke(&members[at].identity, &cut);
            }
            tales.push(tale);
        }
    }
    let mut identity = Tale::founded("an identity key is never a desk", 2);
    let (finland, kenya) = (identity.members[0].clone(), identity.members[1].clone());
    identity.delegate(&kenya.identity, &finland.identity);
    let mut other = Tale::chartered("an identity key whose log says it is a desk", 2);
    other.write(&kenya.identity, kenya.governance_open());
    other.delegate(&kenya.identity, &finland.identity);
    other.open_desk("KE-LC01", &kenya.identity, &finland.identity, 1);
    let mut purpose = Tale::founded("a desk that opens a governance log", 2);
    purpose.delegate(&finland.identity, &key(60));
    purpose.begin("FI", &key(60), &key(61), None);
    purpose.delegate(&key(60), &key(62));
    let mut wrong = Tale::founded("a desk that names another identity key of nobody", 2);
    wrong.delegate(&finland.identity, &key(60));
    wrong.open_desk("FI", &key(61), &key(60), 1);
    let mut member = Tale::chartered("a governance log that says it is another member's", 2);
    member.begin("KE-LC01", &finland.identity, &finland.successor, None);
    member.delegate(&finland.identity, &finland.desk);
    member.open_desk("KE-LC01", &finland.identity, &finland.desk, 1);
    let mut digest = Tale::chartered("a governance log that commits to another successor than the list", 2);
    digest.begin("FI", &finland.identity, &key(63), None);
    digest.delegate(&finland.identity, &finland.desk);
    let cut = digest.end(&finland.identity);
    digest.begin("FI", &key(63), &key(64), Some(cut));
    let mut predecessor = Tale::chartered("a listed key that says it succeeds another", 2);
    let cut = predecessor.cut(&key(65), 0);
    predecessor.begin("FI", &finland.identity, &finland.successor, Some(cut));
    predecessor.delegate(&finland.identity, &finland.desk);
    predecessor.open_desk("FI", &finland.identity, &finland.desk, 1);
    tales.extend([identity, other, purpose, wrong, member, digest, predecessor]);
    tales
}

/// Entries that this version cannot read, each between two delegations.
fn newer() -> Vec<Tale> {
    let good = delegates(&key(70)).1;
    let unknown_field = [good.clone(), vec![0xa2, 0x06, 1, 7]].concat();
    let order = [&good[18..], &good[..18]].concat();
    let weak = {
        let mut body = vec![0x0a, 0x10];
        body.extend([7; 16]);
        body.extend([0x12, 0x20, 1]);
        body.extend([0; 31]);
        body
    };
    let open = |change: &dyn Fn(&mut Open)| {
        let finland = crate::world::parliaments(1).remove(0);
        let mut open = Open::decode(finland.governance_open().1.as_slice()).unwrap();
        change(&mut open);
        open.encode_to_vec()
    };
    let kinds = [
        ("an unknown kind", 99, good.clone()),
        ("a publication's kind", Kind::LawSummary as u32, good),
        ("an unknown field", Kind::Delegate as u32, unknown_field),
        ("fields out of order", Kind::Delegate as u32, order),
        ("a key that is none", Kind::Delegate as u32, weak),
        ("a body that does not decode", Kind::Revoke as u32, b"not a message".to_vec()),
        ("a revocation of nothing", Kind::Revoke as u32, vec![0x1a, 1, b'x']),
        ("a second opening", Kind::Open as u32, open(&|_| {})),
        ("a second opening of no purpose", Kind::Open as u32, open(&|open| open.purpose = 0)),
        ("a second opening with a short digest", Kind::Open as u32, open(&|open| open.successor_digest.truncate(31))),
    ];
    let tale = |(name, kind, body): (&str, u32, Vec<u8>)| {
        let mut tale = Tale::founded(&format!("{name} between two delegations"), 2);
        let finland = tale.members[0].clone();
        tale.delegate(&finland.identity, &key(71));
        tale.write(&finland.identity, (kind, body));
        tale.write(&finland.identity, delegates_as(&key(72), "Press"));
        tale.open_desk("FI", &finland.identity, &key(71), 1);
        tale.open_desk("FI", &finland.identity, &key(72), 1);
        tale
    };
    let mut tales: Vec<Tale> = kinds.into_iter().map(tale).collect();
    let mut cut = Tale::founded("what is newer than a cut allows", 2);
    let finland = cut.members[0].clone();
    cut.write(&finland.identity, (99, b"newer".to_vec()));
    let end = cut.cut(&finland.desk, 1);
    cut.write(&finland.identity, revokes_at(&end));
    let ended = cut.cut(&finland.identity, 2);
    cut.begin("FI", &finland.successor, &key(73), Some(ended));
    let mut library = Tale::founded("a publication of an unknown kind is one like any other", 2);
    library.write(&finland.desk, (12_345, b"of a newer Comity".to_vec()));
    library.write(&finland.desk, summary("after it"));
    let mut reopened = Tale::founded("a publication log that opens twice", 2);
    let other = opens(Purpose::Publication, "KE-LC01", &finland.identity.public(), None, None);
    reopened.write(&finland.desk, other);
    tales.extend([cut, library, reopened]);
    tales
}
