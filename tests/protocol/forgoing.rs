//! Bodies that replicas do without: erased by their author whatever arrives first, denied here, or kept out by a quota. Entries,
//! roots and proofs are the same on all of them.

use std::sync::Arc;

use prost::Message as _;
use proto::body::Purpose;
use proto::charter::Charter;
use proto::erasure::{Cause, Erasure};
use proto::key::SecretKey;
use proto::policy::{Policy, Quota};
use proto::replica::{Input, Verdict};
use proto::schema::sync_message::Message;
use proto::schema::{self, Kind, Publication};
use proto::serve;

use crate::world::{Node, Parliament, SALT, delegates, founded, key, revokes, sync, sync_over};

fn publication(slug: &str) -> Publication {
    Publication { salt: SALT.to_vec(), slug: slug.to_owned(), version: 1, title: "T".to_owned(), ..Default::default() }
}

fn law(slug: &str) -> (u32, Vec<u8>) {
    (Kind::LawSummary as u32, publication(slug).encode_to_vec())
}

/// Finland with two desks, of which the second is younger; nothing is published yet.
fn two_desks() -> (Arc<Charter>, Vec<Parliament>, SecretKey, Vec<Node>) {
    let (charter, members, mut nodes) = founded(2);
    let second = key(77);
    nodes[0].write(&members[0].identity, &[delegates(&second)]).unwrap();
    nodes[0].replica.hold_key(second.clone());
    nodes[0].write(&second, &[members[0].desk_open()]).unwrap();
    (charter, members, second, nodes)
}

/// A withdrawal of a work that erases these entries, as `node` holds them.
fn erasing(node: &Node, slug: &str, entries: &[(&SecretKey, u64)]) -> (u32, Vec<u8>) {
    let place = |(desk, index): &(&SecretKey, u64)| schema::Erase {
        log: desk.public().as_bytes().to_vec(),
        index: *index,
        entry: node.memory.logs[&desk.public()].leaves[*index as usize].entry.digest().as_bytes().to_vec(),
    };
    let erase: Vec<schema::Erase> = entries.iter().map(place).collect();
    let versions = erase.iter().map(|place| place.entry.clone()).collect();
    let withdrawal = Some(schema::Withdrawal { versions, reason: "in error".to_owned(), erase });
    (Kind::Withdrawal as u32, Publication { withdrawal, ..publication(slug) }.encode_to_vec())
}

/// Indexes of a log of which a node has the bodies.
fn held(node: &Node, desk: &SecretKey) -> Vec<u64> {
    let leaves = &node.memory.logs[&desk.public()].leaves;
    leaves.iter().filter(|leaf| leaf.body.is_some()).map(|leaf| leaf.entry.index()).collect()
}

/// A line that carries no chunk of one log.
fn without(desk: &SecretKey) -> impl FnMut(Message) -> Vec<Message> {
    let log = desk.public().as_bytes().to_vec();
    move |answer| match answer {
        Message::Chunk(chunk) if chunk.log == log => vec![serve::refusal("not now")],
        other => vec![other],
    }
}

#[test]
fn a_withdrawal_that_erases_nothing_has_the_bytes_it_always_had() {
    let withdrawal = schema::Withdrawal { versions: vec![vec![7; 32]], reason: "why".to_owned(), erase: Vec::new() };
    let bytes = [&[0x0a, 0x20], [7; 32].as_slice(), &[0x12, 0x03], b"why"].concat();
    assert_eq!(withdrawal.encode_to_vec(), bytes);
    let place = schema::Erase { log: vec![1; 32], index: 5, entry: vec![2; 32] };
    let erasing = schema::Withdrawal { erase: vec![place], ..withdrawal };
    let added = [&[0x1a, 0x46, 0x0a, 0x20], [1; 32].as_slice(), &[0x10, 0x05, 0x1a, 0x20], &[2; 32]].concat();
    assert_eq!(erasing.encode_to_vec(), [bytes, added].concat());
}

#[test]
fn an_authors_erasing_comes_to_the_same_whatever_arrives_first() {
    let (charter, members, second, mut nodes) = two_desks();
    let (finland, mut node) = (&members[0], nodes.remove(0));
    node.write(&finland.desk, &[law("secret"), law("other")]).unwrap();
    // Who had everything before, and who lacked that very body.
    let (mut early, mut lacking) = (Node::new(&charter, &[]), Node::new(&charter, &[]));
    sync(&mut early, &node);
    let withhold = |answer| match answer {
        Message::Chunk(mut chunk) if chunk.log == finland.desk.public().as_bytes() => {
            chunk.leaves[1].body.clear();
            vec![Message::Chunk(chunk)]
        }
        Message::Bodies(_) => {
            vec![Message::Bodies(schema::Bodies { log: finland.desk.public().as_bytes().to_vec(), bodies: Vec::new() })]
        }
        other => vec![other],
    };
    sync_over(&mut lacking, &node, withhold);
    assert_eq!(lacking.replica.missing_bodies(), 1);
    let before = Node { replica: node.memory.restart(&charter, &[]), memory: node.memory.clone() };

    let notice = erasing(&node, "secret", &[(&finland.desk, 1)]);
    node.write(&second, &[notice]).unwrap();
    assert_eq!(held(&node, &finland.desk), [0, 2], "the author's own node goes first");
    // Withdrawal first, text later, from one who has not heard.
    let mut late = Node::new(&charter, &[]);
    sync_over(&mut late, &node, without(&finland.desk));
    assert_eq!((late.size(&second), late.size(&finland.desk)), (2, 0));
    sync(&mut late, &before);
    // The same, with a restart in between.
    let mut restarted = Node::new(&charter, &[]);
    sync_over(&mut restarted, &node, without(&finland.desk));
    restarted.replica = restarted.memory.restart(&charter, &[]);
    sync(&mut restarted, &before);
    let mut newcomer = Node::new(&charter, &[]);
    for reader in [&mut early, &mut lacking, &mut late, &mut restarted, &mut newcomer] {
        sync(reader, &node);
        assert_eq!(held(reader, &finland.desk), [0, 2]);
        assert_eq!(reader.replica.missing_bodies(), 0);
        assert_eq!(reader.replica.frontier(), node.replica.frontier());
        let again = Node { replica: reader.memory.restart(&charter, &[]), memory: reader.memory.clone() };
        assert_eq!(again.replica.missing_bodies(), 0, "nor after a restart");
    }
    // Whoever kept the text offers it in vain.
    sync(&mut newcomer, &before);
    assert_eq!(held(&newcomer, &finland.desk), [0, 2]);
}

#[test]
fn a_text_and_its_erasing_in_one_run_leave_the_entry_alone() {
    let (charter, members, mut nodes) = founded(2);
    let (finland, mut node) = (&members[0], nodes.remove(0));
    node.write(&finland.desk, &[law("secret")]).unwrap();
    let full = node.memory.clone();
    let notice = erasing(&node, "secret", &[(&finland.desk, 1)]);
    node.write(&finland.desk, &[notice]).unwrap();
    // A mirror that never erases shows both in one chunk.
    let mut mirror = Node { replica: node.memory.restart(&charter, &[]), memory: node.memory.clone() };
    mirror.memory.logs.get_mut(&finland.desk.public()).unwrap().leaves[1] =
        full.logs[&finland.desk.public()].leaves[1].clone();
    let mut newcomer = Node::new(&charter, &[]);
    sync(&mut newcomer, &mirror);
    assert_eq!((held(&newcomer, &finland.desk), newcomer.replica.missing_bodies()), (vec![0, 2], 0));
    let work = newcomer.memory.erased[&(finland.desk.public(), 1)].work.clone().unwrap();
    assert_eq!((work.slug.as_str(), work.number), ("secret", 1), "what it was stays known");
}

#[test]
fn nobody_erases_anothers_texts_and_nothing_that_must_stay() {
    let (charter, members, mut nodes) = founded(2);
    let ((finland, kenya), mut author) = ((&members[0], &members[1]), nodes.remove(0));
    let mut other = nodes.remove(0);
    author.write(&finland.desk, &[law("law")]).unwrap();
    sync(&mut other, &author);
    let notice = erasing(&other, "law", &[(&finland.desk, 1), (&finland.desk, 0), (&finland.identity, 1)]);
    other.write(&kenya.desk, &[notice]).unwrap();
    sync(&mut author, &other);
    assert_eq!(held(&author, &finland.desk), [0, 1]);
    // The author itself reaches neither entry 0, nor governance, nor its own withdrawals.
    let notice = erasing(&author, "law", &[(&finland.desk, 0), (&finland.identity, 1)]);
    author.write(&finland.desk, &[notice]).unwrap();
    let notice = erasing(&author, "law", &[(&finland.desk, 2)]);
    author.write(&finland.desk, &[notice]).unwrap();
    let mut newcomer = Node::new(&charter, &[]);
    sync(&mut newcomer, &author);
    for node in [&author, &newcomer] {
        assert_eq!(held(node, &finland.desk), [0, 1, 2, 3]);
        assert_eq!(held(node, &finland.identity), [0, 1]);
    }
    // A place whose digest is another entry's: of a fork that nobody here holds.
    let mut notice = publication("law");
    let place = schema::Erase { log: finland.desk.public().as_bytes().to_vec(), index: 1, entry: vec![9; 32] };
    notice.withdrawal = Some(schema::Withdrawal { erase: vec![place], ..Default::default() });
    author.write(&finland.desk, &[(Kind::Withdrawal as u32, notice.encode_to_vec())]).unwrap();
    assert_eq!(held(&author, &finland.desk), [0, 1, 2, 3, 4]);
}

#[test]
fn a_withdrawal_beyond_a_cut_erases_nothing_and_a_later_cut_brings_nothing_back() {
    let (charter, members, second, mut nodes) = two_desks();
    let (finland, mut node) = (&members[0], nodes.remove(0));
    node.write(&finland.desk, &[law("law")]).unwrap();
    let (mut early, mut reader) = (Node::new(&charter, &[]), Node::new(&charter, &[]));
    sync(&mut reader, &node);
    let revocation = revokes(&node, &second);
    let notice = erasing(&node, "law", &[(&finland.desk, 1)]);
    node.write(&second, &[notice]).unwrap();
    sync(&mut early, &node);
    // Signed by a thief of the second desk's key; the body comes later than the cut.
    let log = second.public().as_bytes().to_vec();
    let withhold = |answer| match answer {
        Message::Chunk(mut chunk) if chunk.log == log => {
            chunk.leaves[0].body.clear();
            vec![Message::Chunk(chunk)]
        }
        Message::Bodies(_) => vec![Message::Bodies(schema::Bodies { log: log.clone(), bodies: Vec::new() })],
        other => vec![other],
    };
    sync_over(&mut reader, &node, withhold);
    assert_eq!((held(&reader, &finland.desk), reader.replica.missing_bodies()), (vec![0, 1], 1));
    node.write(&finland.identity, &[revocation]).unwrap();
    sync(&mut reader, &node);
    assert_eq!((held(&reader, &finland.desk), reader.replica.missing_bodies()), (vec![0, 1], 0));
    let leaf = &reader.memory.logs[&second.public()].leaves[1];
    let mut again = reader.memory.restart(&charter, &[]);
    assert!(again.resume_withdrawal(&leaf.entry, &leaf.body.as_ref().unwrap().bytes).is_empty(), "nor after a restart");
    sync(&mut early, &node);
    assert_eq!((held(&early, &finland.desk), early.replica.missing_bodies()), (vec![0], 0));
    assert_eq!(early.replica.frontier(), reader.replica.frontier());
}

#[test]
fn what_an_operator_erases_is_wanted_no_more_and_still_wanted_by_others() {
    let (charter, members, mut nodes) = founded(2);
    let (finland, mut node) = (&members[0], nodes.remove(0));
    node.write(&finland.desk, &[law("one"), law("two")]).unwrap();
    let mut reader = Node::new(&charter, &[]);
    sync(&mut reader, &node);
    let erasure = |log: &SecretKey, index: u64| Erasure {
        log: log.public(),
        index,
        entry: reader.memory.logs[&log.public()].leaves[index as usize].entry.digest(),
        cause: Cause::Operator,
        reason: "here only".into(),
        work: None,
    };
    let all = vec![erasure(&finland.desk, 0), erasure(&finland.desk, 1), erasure(&finland.identity, 1)];
    reader.handle(Input::Erase(all)).unwrap();
    sync(&mut reader, &node);
    assert_eq!((held(&reader, &finland.desk), reader.replica.missing_bodies()), (vec![0, 2], 0));
    assert_eq!(held(&reader, &finland.identity), [0, 1]);
    let mut newcomer = Node::new(&charter, &[]);
    sync(&mut newcomer, &reader);
    assert_eq!(newcomer.replica.missing_bodies(), 1, "it is erased there, not here");
    sync(&mut newcomer, &node);
    assert_eq!(held(&newcomer, &finland.desk), [0, 1, 2]);
}

fn denying<T>(deny: impl FnOnce(&mut Policy) -> T) -> Policy {
    let mut policy = Policy::default();
    deny(&mut policy);
    policy
}

#[test]
fn of_whom_is_denied_entries_are_held_and_no_texts() {
    let (charter, members, second, mut nodes) = two_desks();
    let (finland, mut node) = (&members[0], nodes.remove(0));
    node.write(&finland.desk, &[law("one"), law("two")]).unwrap();
    node.write(&second, &[law("three"), (Kind::Address as u32, publication("none").encode_to_vec())]).unwrap();
    let by_member = denying(|policy| policy.denied.members.insert("FI".to_owned()));
    let by_log = denying(|policy| policy.denied.logs.insert(second.public()));
    let by_work = denying(|policy| policy.denied.works.insert("FI/two".to_owned()));
    for (policy, first_desk, second_desk) in
        [(by_member, vec![0], vec![0, 2]), (by_log, vec![0, 1, 2], vec![0, 2]), (by_work, vec![0, 1], vec![0, 1, 2])]
    {
        let mut reader = Node::new(&charter, &[]);
        reader.replica.set_policy(policy);
        sync(&mut reader, &node);
        assert_eq!((held(&reader, &finland.desk), held(&reader, &second)), (first_desk, second_desk));
        assert_eq!(reader.replica.missing_bodies(), 0, "nor are they wanted");
        assert_eq!(reader.replica.frontier(), node.replica.frontier());
        assert_eq!(held(&reader, &finland.identity).len(), 3, "governance is never denied");
        assert!(reader.replica.peers()["called"].in_sync_ms.is_some());
    }
}

#[test]
fn a_text_that_comes_late_is_denied_by_what_it_says() {
    let (charter, members, mut nodes) = founded(2);
    let (finland, mut node) = (&members[0], nodes.remove(0));
    node.write(&finland.desk, &[law("one"), law("two")]).unwrap();
    let mut reader = Node::new(&charter, &[]);
    reader.replica.set_policy(denying(|policy| policy.denied.works.insert("FI/two".to_owned())));
    let late = |answer| match answer {
        Message::Chunk(mut chunk) if chunk.log == finland.desk.public().as_bytes() => {
            chunk.leaves.iter_mut().skip(1).for_each(|leaf| leaf.body.clear());
            vec![Message::Chunk(chunk)]
        }
        other => vec![other],
    };
    assert!(sync_over(&mut reader, &node, late).is_empty());
    assert_eq!((held(&reader, &finland.desk), reader.replica.missing_bodies()), (vec![0, 1], 0));
}

#[test]
fn over_its_quota_a_log_waits_and_goes_on_once_there_is_room() {
    let (charter, members, second, mut nodes) = two_desks();
    let (finland, kenya) = (&members[0], &members[1]);
    let (mut node, mut other) = (nodes.remove(0), nodes.remove(0));
    for slug in ["one", "two", "three", "four"] {
        node.write(&finland.desk, &[law(slug)]).unwrap();
        node.write(&second, &[law(&format!("{slug}-again"))]).unwrap();
    }
    other.write(&kenya.desk, &[law("law")]).unwrap();
    sync(&mut node, &other);
    let quota = |entries, bytes| denying(|policy| policy.quotas.insert("FI".to_owned(), Quota { entries, bytes }));
    let mut reader = Node::new(&charter, &[]);
    reader.replica.set_policy(quota(7, u64::MAX));
    for _ in 0..3 {
        sync(&mut reader, &node);
        assert_eq!(reader.size(&finland.desk) + reader.size(&second), 7, "both desks together, to the entry");
    }
    assert_eq!((reader.size(&finland.identity), reader.size(&kenya.desk)), (3, 2), "nobody else waits");
    let waits = reader.replica.over_quota();
    assert!(waits.iter().all(|one| (one.member.as_str(), one.claimed) == ("FI", 5) && one.held < 5), "{waits:?}");
    assert!(!waits.is_empty() && reader.replica.peers()["called"].waiting.is_empty(), "waiting is no fault of a peer");
    assert!(reader.replica.frontier().rows.values().all(|row| !row.contested), "and no fork");

    // What is gossiped of it is passed by, and nobody is chased for it.
    let desk = if reader.size(&finland.desk) < 5 { &finland.desk } else { &second };
    let gossip = node.write(desk, &[law("five")]).unwrap();
    assert_eq!(reader.hear(&gossip[0]), (Verdict::Ignore, false));
    assert!(reader.handle(Input::Tick).unwrap().is_empty());
    assert!(reader.handle(Input::Told("called".into(), node.replica.frontier().to_wire())).unwrap().is_empty());

    reader.replica = reader.memory.restart(&charter, &[]);
    reader.replica.set_policy(quota(100, u64::MAX));
    sync(&mut reader, &node);
    assert_eq!(reader.replica.frontier(), node.replica.frontier());
    assert!(reader.replica.over_quota().is_empty());

    // By bytes: what is under way when they are reached is the last that is taken.
    let mut reader = Node::new(&charter, &[]);
    reader.replica.set_policy(quota(u64::MAX, 1));
    sync(&mut reader, &node);
    let sizes = [reader.size(&finland.desk), reader.size(&second)];
    assert_eq!(sizes, [1, 1], "entry 0 is never over a quota");
    let purposes = reader.memory.logs.values().map(|kept| kept.open().purpose);
    assert_eq!(purposes.filter(|purpose| *purpose == Purpose::Publication).count(), 3);
}
