//! Who is a member: drafts, signatures, numbered lists, and what they make of keys and logs. Rivals too.

use proto::body::{Cut, Open, Purpose, draft, draft_signature};
use proto::charter::Charter;
use proto::digest::Digest;
use proto::edition::{Change, Edition, EditionError};
use proto::editions::Signing;
use proto::key::SecretKey;
use proto::log::RunError;
use proto::member::{ListError, Member, key_name};
use proto::note::Note;
use proto::replica::{Replica, WriteError};
use proto::schema;
use proto::schema::Kind;
use proto::schema::sync_message::Message;

use crate::world::{
    Node, Parliament, SALT, charter, delegates, founded, key, parliaments, revokes, summary, sync, sync_over,
};

/// The list that follows what `node` has in force, changed by `change`, with cuts.
fn next(node: &Node, cuts: Vec<Cut>, change: impl FnOnce(&mut Vec<Member>)) -> Edition {
    let before = node.replica.standing().in_force().unwrap();
    let mut members = before.members().to_vec();
    change(&mut members);
    Edition::draft(&Edition::write(before, "Trial federation", members, cuts)).unwrap()
}

fn drafts(edition: &Edition) -> (u32, Vec<u8>) {
    (Kind::Draft as u32, draft(edition.text(), SALT))
}

/// A signature by the member `code` with `key`; `successor`: the key is the one it had committed to.
fn signs(edition: &Edition, code: &str, key: &SecretKey, successor: bool) -> (u32, Vec<u8>) {
    let line = Note::new(edition.text()).unwrap().sign(&key_name(code), key);
    let public = key.public();
    let body = draft_signature(&edition.digest(), &line, successor.then_some(&public), SALT);
    (Kind::DraftSignature as u32, body)
}

/// The draft is written by the first of `by`, and signed by all of them in their own governance logs, each on its own node.
fn agree(nodes: &mut [Node], members: &[Parliament], edition: &Edition, by: &[usize]) {
    for (turn, at) in by.iter().enumerate() {
        let one = &members[*at];
        let mut acts = vec![signs(edition, one.code, &one.identity, false)];
        if turn == 0 {
            acts.insert(0, drafts(edition));
        }
        nodes[*at].write(&one.identity, &acts).unwrap();
    }
}

/// Every node syncs with every other, twice: what the first round brings decides what the second asks for.
fn meet(nodes: &mut [Node]) {
    for _ in 0..2 {
        for caller in 0..nodes.len() {
            for called in (0..nodes.len()).filter(|called| *called != caller) {
                let [caller, called] = nodes.get_disjoint_mut([caller, called]).unwrap();
                sync(caller, called);
            }
        }
    }
    let first = nodes[0].replica.frontier();
    assert!(nodes.iter().all(|node| node.replica.frontier() == first), "all hold the same and make the same of it");
    assert!(nodes.iter().all(|node| node.replica.frontier().digest() == first.digest()));
}

fn number(node: &Node) -> u64 {
    node.replica.standing().in_force().unwrap().number()
}

fn listed(one: &Parliament, signer: bool) -> Member {
    Member {
        code: one.code.to_owned(),
        signer,
        identity_key: one.identity.public(),
        successor_digest: Digest::of(one.successor.public().as_bytes()),
        name: one.code.to_owned(),
    }
}

/// Entry 0 of the governance log of `key`, which succeeds `before` where its log ended at `size`.
fn rotates(node: &Node, code: &str, key: &SecretKey, next: &SecretKey, before: &SecretKey) -> (u32, Vec<u8>) {
    let tree = node.replica.log(&before.public()).unwrap().tree();
    let open = Open {
        purpose: Purpose::Governance,
        member: code.to_owned(),
        identity_key: key.public(),
        successor_digest: Some(Digest::of(next.public().as_bytes())),
        predecessor: Some(Cut::new(before.public(), tree.size(), tree.root())),
    };
    (Kind::Open as u32, open.to_body(SALT))
}

#[test]
fn enough_have_signed_is_the_same_table_for_one_to_twenty_signers() {
    // Of n signers: floor(2n/3) + 1, and where one of them loses its place or key, at most all the others.
    let thresholds = [1, 2, 3, 3, 4, 5, 5, 6, 7, 7, 8, 9, 9, 10, 11, 11, 12, 13, 13, 14];
    for (signers, threshold) in (1usize..).zip(thresholds) {
        let member = |at: usize, generation: u64| Member {
            code: format!("AA-{at:02}"),
            signer: true,
            identity_key: key(1_000 + at as u64 + 100 * generation).public(),
            successor_digest: Digest::of(&[at as u8, generation as u8]),
            name: "Parliament".to_owned(),
        };
        let observer = Member { signer: false, ..member(50, 0) };
        let founders: Vec<Member> = (0..signers).map(|at| member(at, 0)).chain([observer]).collect();
        let before = Edition::from(&Charter::draft("Trial", founders.clone()).unwrap());
        let quorum = |members: Vec<Member>| {
            let text = Edition::write(&before, "Trial", members, Vec::new());
            Edition::draft(&text).unwrap().quorum(&before)
        };
        let with = |change: &dyn Fn(&mut Vec<Member>)| {
            let mut members = founders.clone();
            change(&mut members);
            quorum(members)
        };
        assert_eq!(with(&|_| {}), Ok(threshold), "{signers} signers, nothing changed");
        assert_eq!(with(&|members| members.push(member(60, 0))), Ok(threshold), "{signers} signers, one added");
        assert_eq!(with(&|members| members.truncate(signers)), Ok(threshold), "an observer goes");
        assert_eq!(with(&|members| members[signers] = Member { signer: false, ..member(50, 1) }), Ok(threshold));
        let unseated = if signers >= 3 { Ok(threshold.min(signers - 1)) } else { Err(EditionError::Signers) };
        if signers > 1 {
            assert_eq!(with(&|members| drop(members.remove(0))), unseated, "{signers} signers, one removed");
            assert_eq!(with(&|members| members[0].signer = false), unseated, "{signers} signers, one made a member");
        }
        assert_eq!(with(&|members| members[0] = member(0, 1)), unseated, "{signers} signers, one re-keyed");
        if signers > 2 {
            let two = with(&|members| drop(members.drain(..2)));
            assert_eq!(two, Err(EditionError::Signers), "{signers} signers, two removed");
            let both = with(&|members| {
                members[0] = member(0, 1);
                members.remove(1);
            });
            assert_eq!(both, Err(EditionError::Signers));
        }
    }
}

#[test]
fn three_parliaments_admit_a_fourth_and_all_hear_it() {
    let (charter, members, mut nodes) = founded(3);
    let japan = parliaments(4).remove(3);
    meet(&mut nodes);
    let edition = next(&nodes[0], Vec::new(), |members| members.push(listed(&japan, true)));
    agree(&mut nodes, &members, &edition, &[0, 1]);
    meet(&mut nodes);
    assert_eq!(number(&nodes[0]), 0, "two of three are not enough to add");
    let draft = nodes[1].replica.standing().editions().drafts()[0];
    assert_eq!((draft.have(), draft.need()), (2, 3));
    assert_eq!(draft.missing()[0].code, "UY-UC01");
    agree(&mut nodes[..], &members, &edition, &[2]);
    meet(&mut nodes);
    assert!(nodes.iter().all(|node| number(node) == 1));

    let mut fourth = Node::new(&charter, &[japan.identity.clone(), japan.desk.clone()]);
    let early = fourth.write(&japan.identity, &[japan.governance_open()]).unwrap_err();
    assert_eq!(early, WriteError::Unknown(japan.identity.public()), "it has not heard yet that it is a member");
    sync(&mut fourth, &nodes[1]);
    fourth.write(&japan.identity, &[japan.governance_open(), delegates(&japan.desk)]).unwrap();
    fourth.write(&japan.desk, &[japan.desk_open(), summary("from Tokyo")]).unwrap();
    nodes.push(fourth);
    meet(&mut nodes);
    assert_eq!(nodes[0].size(&japan.desk), 2);
}

#[test]
fn an_edition_is_valid_by_notes_alone_whoever_carries_them() {
    let (charter, members, mut nodes) = founded(3);
    let japan = parliaments(4).remove(3);
    let edition = next(&nodes[0], Vec::new(), |members| members.push(listed(&japan, false)));
    agree(&mut nodes, &members, &edition, &[0, 1, 2]);
    meet(&mut nodes);

    // Whoever is refused every governance log has the members all the same.
    let mut newcomer = Node::new(&charter, &[]);
    let only_editions = |message| match message {
        Message::Chunk(_) => vec![proto::serve::refusal("not now")],
        other => vec![other],
    };
    assert!(sync_over(&mut newcomer, &nodes[0], only_editions).is_empty());
    assert_eq!(number(&newcomer), 1);
    // And keeps it.
    let again = newcomer.memory.restart(&charter, &[]);
    assert_eq!(again.frontier(), newcomer.replica.frontier());

    // Finland carries the lines of all three: they count as in their own logs.
    let mut finland = Node::new(&charter, std::slice::from_ref(&members[0].identity));
    let acts: Vec<_> = members.iter().map(|one| signs(&edition, one.code, &one.identity, false)).collect();
    finland
        .write(&members[0].identity, &[&[members[0].governance_open(), drafts(&edition)], &acts[..]].concat())
        .unwrap();
    assert_eq!(number(&finland), 1);
    // In any order: the signatures before the text.
    let mut finland = Node::new(&charter, std::slice::from_ref(&members[0].identity));
    let acts = [&[members[0].governance_open()], &acts[..], &[drafts(&edition)]].concat();
    finland.write(&members[0].identity, &acts).unwrap();
    assert_eq!(number(&finland), 1);
}

#[test]
fn whoever_claims_an_edition_that_is_none_is_named() {
    let (charter, members, mut nodes) = founded(3);
    let japan = parliaments(4).remove(3);
    let edition = next(&nodes[0], Vec::new(), |members| members.push(listed(&japan, false)));
    agree(&mut nodes, &members, &edition, &[0, 1, 2]);
    meet(&mut nodes);
    let altered = |alter: &dyn Fn(&mut schema::Editions)| {
        let mut newcomer = Node::new(&charter, &[]);
        let line = |message| match message {
            Message::Editions(mut editions) => {
                alter(&mut editions);
                vec![Message::Editions(editions)]
            }
            other => vec![other],
        };
        let faults = sync_over(&mut newcomer, &nodes[0], line);
        assert_eq!(number(&newcomer), 0);
        faults.join(" ")
    };
    assert!(altered(&|editions| editions.notes.clear()).contains("did not show them"));
    let short = altered(&|editions| {
        let mut note = Note::parse(&editions.notes[0].note).unwrap();
        note.signatures.pop();
        editions.notes[0].note = note.to_bytes();
    });
    assert!(short.contains("2 signers have signed, and 3 are needed"), "{short}");
    let twice = altered(&|editions| {
        let mut note = Note::parse(&editions.notes[0].note).unwrap();
        note.signatures[2] = note.signatures[1].clone();
        editions.notes[0].note = note.to_bytes();
    });
    assert!(twice.contains("2 signers have signed"), "{twice}");
    assert!(altered(&|editions| editions.notes[0].note = charter.to_bytes()).contains("false edition"));
}

#[test]
fn a_signature_counts_once_and_only_of_a_signer_on_what_it_signed() {
    let (_, members, mut nodes) = founded(5);
    let [finland, kenya, uruguay, _, ipu] = &members[..] else { panic!() };
    let node = &mut nodes[0];
    let edition = next(node, Vec::new(), |members| members[0].name = "Eduskunta".to_owned());
    let have = |node: &Node| node.replica.standing().editions().draft(&edition.digest()).unwrap().have();
    let on_another = next(node, Vec::new(), |members| members[0].name = "Riksdag".to_owned());
    let misplaced = draft_signature(
        &edition.digest(),
        &Note::new(on_another.text()).unwrap().sign(&key_name("KE-LC01"), &kenya.identity),
        None,
        SALT,
    );
    node.write(
        &finland.identity,
        &[
            drafts(&edition),
            signs(&edition, "FI", &finland.identity, false),
            signs(&edition, "FI", &finland.identity, false),
            signs(&edition, "FI", &finland.successor, true),
            signs(&edition, "INT-IPU", &ipu.identity, false),
            signs(&edition, "KE-LC01", &uruguay.identity, false),
            signs(&edition, "KE-LC01", &uruguay.successor, true),
            (Kind::DraftSignature as u32, misplaced),
        ],
    )
    .unwrap();
    assert_eq!(have(node), 1);
    // The key it had committed to is Kenya's as much as the one listed: a stolen key cannot keep it from speaking.
    node.write(&finland.identity, &[signs(&edition, "KE-LC01", &kenya.successor, true)]).unwrap();
    assert_eq!(have(node), 2);
}

#[test]
fn a_removed_member_writes_no_more_and_what_it_wrote_before_stays() {
    let (charter, members, mut nodes) = founded(4);
    let kenya = members[1].clone();
    nodes[1].write(&kenya.desk, &[summary("one"), summary("two")]).unwrap();
    meet(&mut nodes);
    let cuts = [&kenya.identity, &kenya.desk].map(|key| {
        let tree = nodes[0].replica.log(&key.public()).unwrap().tree();
        Cut::new(key.public(), tree.size(), tree.root())
    });
    nodes[1].write(&kenya.desk, &[summary("three")]).unwrap();
    let [kenyas, uruguays] = nodes.get_disjoint_mut([1, 2]).unwrap();
    sync(uruguays, kenyas);
    let edition = next(&nodes[0], cuts.to_vec(), |members| members.retain(|member| member.code != "KE-LC01"));
    agree(&mut nodes, &members, &edition, &[0, 2, 3]);
    meet(&mut nodes);

    let row = |node: &Node| node.replica.row(&kenya.desk.public()).size;
    assert!(nodes.iter().all(|node| row(node) == 3), "also where the third document had arrived already");
    assert_eq!(nodes[2].size(&kenya.desk), 4, "what is held is held");
    let refused = nodes[1].write(&kenya.desk, &[summary("four")]).unwrap_err();
    assert_eq!(refused, WriteError::Run(RunError::Ended(3)));
    let mut newcomer = Node::new(&charter, &[]);
    sync(&mut newcomer, &nodes[2]);
    assert_eq!(newcomer.replica.frontier(), nodes[2].replica.frontier());
    assert!(!newcomer.replica.standing().is_member("KE-LC01"));
    assert_eq!(newcomer.replica.standing().member("KE-LC01").unwrap().name, "National Assembly of Kenya");
}

#[test]
fn an_unnamed_log_of_a_removed_member_ends_at_nothing() {
    let (_, members, mut nodes) = founded(4);
    meet(&mut nodes);
    let edition = next(&nodes[0], Vec::new(), |members| members.retain(|member| member.code != "KE-LC01"));
    agree(&mut nodes, &members, &edition, &[0, 2, 3]);
    meet(&mut nodes);
    let frontier = nodes[0].replica.frontier();
    assert_eq!(frontier.rows[&members[1].identity.public()].size, 0);
    assert!(!frontier.rows.contains_key(&members[1].desk.public()), "nothing that stands delegates it");
}

#[test]
fn an_identity_key_is_rotated_and_the_desks_go_on() {
    let (charter, members, mut nodes) = founded(2);
    let (finland, third) = (&members[0], key(77));
    meet(&mut nodes);
    let rotation = rotates(&nodes[0], "FI", &finland.successor, &third, &finland.identity);
    nodes[0].replica.hold_key(finland.successor.clone());
    nodes[0].write(&finland.successor, &[rotation, delegates(&key(78))]).unwrap();
    nodes[0].write(&finland.desk, &[summary("as before")]).unwrap();
    let late = nodes[0].write(&finland.identity, &[delegates(&key(79))]).unwrap_err();
    assert_eq!(late, WriteError::Run(RunError::Ended(2)), "the old key's log has ended");
    meet(&mut nodes);
    assert_eq!(nodes[1].size(&finland.successor), 2);
    assert_eq!(nodes[1].replica.standing().identity_key("FI"), Some(finland.successor.public()));
    // The new key revokes what the old one delegated.
    let revocation = revokes(&nodes[0], &finland.desk);
    nodes[0].write(&finland.successor, &[revocation]).unwrap();
    meet(&mut nodes);
    let ended = nodes[0].write(&finland.desk, &[summary("too late")]).unwrap_err();
    assert_eq!(ended, WriteError::Run(RunError::Ended(2)));
    // And hands over to a third.
    let rotation = rotates(&nodes[0], "FI", &third, &key(80), &finland.successor);
    nodes[0].replica.hold_key(third.clone());
    nodes[0].write(&third, &[rotation]).unwrap();
    meet(&mut nodes);
    let again = nodes[1].memory.restart(&charter, &[]);
    assert_eq!(again.frontier(), nodes[1].replica.frontier());
    assert_eq!(again.standing().identity_key("FI"), Some(third.public()));
}

#[test]
fn a_key_that_was_not_committed_to_takes_nothing_over() {
    let (charter, members, mut nodes) = founded(1);
    let (finland, thief) = (&members[0], key(66));
    let rotation = rotates(&nodes[0], "FI", &thief, &key(67), &finland.identity);
    nodes[0].replica.hold_key(thief.clone());
    assert_eq!(nodes[0].write(&thief, &[rotation]).unwrap_err(), WriteError::Unknown(thief.public()));
    // The committed one that names no predecessor, or another, takes nothing over either.
    nodes[0].replica.hold_key(finland.successor.clone());
    let open = Open {
        purpose: Purpose::Governance,
        member: "FI".to_owned(),
        identity_key: finland.successor.public(),
        successor_digest: Some(Digest::of(b"next")),
        predecessor: None,
    };
    let opening = (Kind::Open as u32, open.to_body(SALT));
    assert_eq!(nodes[0].write(&finland.successor, &[opening]).unwrap_err(), WriteError::Run(RunError::Open));
    let newcomer = Node::new(&charter, &[]);
    assert_eq!(newcomer.replica.frontier().rows.len(), 1);
}

#[test]
fn the_true_key_cuts_off_the_thief_of_the_old_one() {
    let (charter, members, mut nodes) = founded(2);
    let finland = members[0].clone();
    meet(&mut nodes);
    let (desk, thief_desk) = (finland.desk.clone(), key(90));
    // The thief delegates a desk of its own and publishes; Kenya takes it, for the key is Finland's.
    let memory = nodes[0].memory.clone();
    let replica = memory.restart(&charter, &[finland.identity.clone(), thief_desk.clone()]);
    let mut thief = Node { replica, memory };
    let rotation = rotates(&nodes[0], "FI", &finland.successor, &key(91), &finland.identity);
    thief.write(&finland.identity, &[delegates(&thief_desk)]).unwrap();
    thief.write(&thief_desk, &[finland.desk_open(), summary("in Finland's name")]).unwrap();
    sync(&mut nodes[1], &thief);
    assert_eq!(nodes[1].replica.row(&thief_desk.public()).size, 2);

    nodes[0].replica.hold_key(finland.successor.clone());
    nodes[0].write(&finland.successor, &[rotation]).unwrap();
    let [finlands, kenyas] = nodes.get_disjoint_mut([0, 1]).unwrap();
    sync(kenyas, finlands);
    sync(finlands, &thief);
    assert_eq!(nodes[1].replica.frontier(), nodes[0].replica.frontier());
    assert!(!nodes[1].replica.frontier().rows.contains_key(&thief_desk.public()));
    assert_eq!(nodes[1].replica.row(&finland.identity.public()).size, 2);
    assert_eq!(nodes[1].replica.row(&desk.public()).size, 1, "the desk delegated before goes on");
}

#[test]
fn a_re_key_by_the_others_replaces_both_keys_of_a_member_that_lost_them() {
    let (_, members, mut nodes) = founded(4);
    let (kenya, new, after) = (members[1].clone(), key(55), key(56));
    meet(&mut nodes);
    let tree = nodes[0].replica.log(&kenya.identity.public()).unwrap().tree().clone();
    let cut = Cut::new(kenya.identity.public(), tree.size(), tree.root());
    let edition = next(&nodes[0], vec![cut], |members| {
        let line = members.iter_mut().find(|member| member.code == "KE-LC01").unwrap();
        line.identity_key = new.public();
        line.successor_digest = Digest::of(after.public().as_bytes());
    });
    let before = nodes[0].replica.standing().in_force().unwrap();
    assert_eq!(edition.changes(before)["KE-LC01"], Change::Rekeyed);
    agree(&mut nodes, &members, &edition, &[0, 2, 3]);
    meet(&mut nodes);
    let open = Open {
        purpose: Purpose::Governance,
        member: "KE-LC01".to_owned(),
        identity_key: new.public(),
        successor_digest: Some(Digest::of(after.public().as_bytes())),
        predecessor: None,
    };
    nodes[1].replica.hold_key(new.clone());
    nodes[1].write(&new, &[(Kind::Open as u32, open.to_body(SALT))]).unwrap();
    nodes[1].write(&kenya.desk, &[summary("still published")]).unwrap();
    let old = nodes[1].write(&kenya.identity, &[delegates(&key(57))]).unwrap_err();
    assert_eq!(old, WriteError::Run(RunError::Ended(2)));
    meet(&mut nodes);
    assert_eq!(nodes[3].size(&kenya.desk), 2, "the desk goes on until it is revoked");
}

#[test]
fn a_key_that_ended_is_never_listed_again() {
    let (_, members, mut nodes) = founded(4);
    meet(&mut nodes);
    let kenya = listed(&members[1], true);
    let removal = next(&nodes[0], Vec::new(), |members| members.retain(|member| member.code != "KE-LC01"));
    agree(&mut nodes, &members, &removal, &[0, 2, 3]);
    meet(&mut nodes);
    let back = next(&nodes[0], Vec::new(), |members| members.push(kenya.clone()));
    let check = |edition: &Edition| nodes[0].replica.standing().editions().check(edition);
    assert_eq!(check(&back), Err(EditionError::Spent("KE-LC01".to_owned())));
    let fresh = Member { identity_key: key(40).public(), successor_digest: Digest::of(b"fresh"), ..kenya };
    assert_eq!(check(&next(&nodes[0], Vec::new(), |members| members.push(fresh))), Ok(()));
}

#[test]
fn of_two_rivals_the_more_generous_counts_until_the_operator_pins_one() {
    let (charter, members, mut nodes) = founded(4);
    let kenya = members[1].clone();
    nodes[1].write(&kenya.desk, &[summary("one"), summary("two")]).unwrap();
    meet(&mut nodes);
    let without_kenya = next(&nodes[0], Vec::new(), |members| members.retain(|member| member.code != "KE-LC01"));
    let renamed = next(&nodes[0], Vec::new(), |members| members[0].name = "Eduskunta".to_owned());
    // Finland and Japan sign both: more than a third of four.
    agree(&mut nodes, &members, &without_kenya, &[0, 2, 3]);
    agree(&mut nodes, &members, &renamed, &[0, 1, 3]);
    meet(&mut nodes);
    for node in &nodes {
        let standing = node.replica.standing();
        assert_eq!(standing.lines().len(), 2);
        assert_eq!(number(node), 0, "what both follow is in force");
        assert_eq!(node.replica.row(&kenya.desk.public()).size, 3);
        assert!(standing.is_member("KE-LC01"));
    }
    // One that follows a rival counts for nobody.
    let renamed_again = {
        let members = renamed.members().to_vec();
        Edition::draft(&Edition::write(&renamed, "Another name", members, Vec::new())).unwrap()
    };
    agree(&mut nodes, &members, &renamed_again, &[0, 1, 3]);
    meet(&mut nodes);
    assert_eq!(number(&nodes[2]), 0);
    assert_eq!(nodes[2].replica.frontier().editions.len(), 4);

    let pinned = |digest| {
        let mut replica = Replica::pinned(charter.clone(), Some(digest));
        nodes[2].memory.refill(&mut replica);
        replica
    };
    let at_removal = pinned(without_kenya.digest());
    assert_eq!(at_removal.standing().in_force().unwrap().number(), 1);
    assert_eq!(at_removal.row(&kenya.desk.public()).size, 0);
    let at_name = pinned(renamed.digest());
    assert_eq!(at_name.standing().in_force().unwrap().number(), 2, "and its descendants count");
    assert_eq!(at_name.row(&kenya.desk.public()).size, 3);
}

#[test]
fn a_signer_signs_one_draft_for_each_predecessor_unless_another_gathers_more() {
    let (_, members, mut nodes) = founded(4);
    meet(&mut nodes);
    let one = next(&nodes[0], Vec::new(), |members| members[0].name = "One".to_owned());
    let other = next(&nodes[0], Vec::new(), |members| members[0].name = "Other".to_owned());
    agree(&mut nodes, &members, &one, &[0]);
    agree(&mut nodes, &members, &other, &[1, 2]);
    meet(&mut nodes);
    let signing =
        |node: &Node, code: &str, edition: &Edition| node.replica.standing().editions().signing(code, edition);
    assert_eq!(signing(&nodes[0], "FI", &one), Signing::Done);
    assert_eq!(signing(&nodes[0], "FI", &other), Signing::Again(one.digest()));
    assert_eq!(signing(&nodes[0], "KE-LC01", &one), Signing::Barred(other.digest()));
    assert_eq!(signing(&nodes[0], "JP-LC01", &one), Signing::First);
    agree(&mut nodes, &members, &other, &[3]);
    meet(&mut nodes);
    assert_eq!(number(&nodes[0]), 1);
    assert_eq!(
        signing(&nodes[0], "FI", &other),
        Signing::Barred(one.digest()),
        "it is valid without a second signature"
    );
}

#[test]
fn a_page_that_is_no_list_is_no_edition() {
    let founders = parliaments(2);
    let before = Edition::from(&*charter(&founders));
    let members = before.members().to_vec();
    let cut = |number| Cut::new(key(number).public(), 3, Digest::of(b""));
    let text = Edition::write(&before, "Trial federation", members.clone(), vec![cut(1), cut(2)]);
    assert!(Edition::draft(&text).is_ok());
    let refused = |text: &str| Edition::draft(text).unwrap_err();
    let line = |line, what: &str| EditionError::List(ListError::Line { line, what: what.to_owned() });
    assert_eq!(refused(&text.replace("v1", "v2")), line(1, "an edition begins with comity-edition/v1"));
    assert_eq!(
        refused(&text.replace("threshold 2/3", "threshold 1/2")),
        line(3, "only the rule `threshold 2/3` is known")
    );
    for number in ["0", "+1", "01", "x", ""] {
        let number = text.replace("edition 1", &format!("edition {number}"));
        assert_eq!(refused(&number), line(4, "expected `edition N`, from 1"));
    }
    let after = format!("after {}", before.digest());
    assert_eq!(refused(&text.replace(&after, "after all")), line(5, "expected `after DIGEST`"));
    let size = "expected `cut KEY SIZE ROOT`, after the members";
    assert_eq!(refused(&text.replace(" 3 ", " +3 ")), line(8, size));
    let mut lines: Vec<&str> = text.lines().collect();
    lines.swap(7, 8);
    assert_eq!(refused(&(lines.join("\n") + "\n")), line(9, "cuts stand in the order of their keys, each key once"));
    lines.swap(7, 8);
    lines.swap(6, 7);
    assert_eq!(refused(&(lines.join("\n") + "\n")), line(7, size));
    let mut same = members.clone();
    same[1].successor_digest = Digest::of(same[0].identity_key.as_bytes());
    let text = Edition::write(&before, "Trial federation", same, Vec::new());
    assert_eq!(refused(&text), EditionError::List(ListError::Repeated { code: "KE-LC01".to_owned() }));
    let skipped = Edition::draft(&Edition::write(&before, "T", members, Vec::new()).replace("edition 1", "edition 2"));
    assert_eq!(skipped.unwrap().quorum(&before), Err(EditionError::Number { number: 2, before: 0 }));
}
