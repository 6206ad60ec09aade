//! One key, two trees: a backup that was written to, a thief, a careless machine. Whoever meets both branches proves it to
//! everybody, all replicas call the same entries contested, and a cut settles it for good.

use std::sync::Arc;

use proto::body::{Cut, revocation};
use proto::charter::Charter;
use proto::digest::Digest;
use proto::fork::Fork;
use proto::frontier::Row;
use proto::key::SecretKey;
use proto::message;
use proto::replica::{Effect, Input, Verdict};
use proto::schema::Kind;
use proto::schema::sync_message::Message;

use crate::world::{Forest, Node, Parliament, SALT, delegates, founded, key, summary, sync, sync_over};

/// Three founders who hold `before` summaries of Finland, a backup of Finland's node, and what was written since: `since` by
/// Finland, who told Kenya, and `other` on the backup, which told Uruguay.
struct Restored {
    charter: Arc<Charter>,
    finland: Parliament,
    nodes: Vec<Node>,
    backup: Node,
}

fn summaries(what: &str, count: usize) -> Vec<(u32, Vec<u8>)> {
    (0..count).map(|number| summary(&format!("{what} {number}"))).collect()
}

fn restored(before: usize, since: usize, other: usize) -> Restored {
    let (charter, members, mut nodes) = founded(3);
    let finland = members[0].clone();
    for part in summaries("before", before).chunks(500) {
        nodes[0].write(&finland.desk, part).unwrap();
    }
    let memory = nodes[0].memory.clone();
    meet(&mut nodes);
    nodes[0].write(&finland.desk, &summaries("since", since)).unwrap();
    let keys = [finland.identity.clone(), finland.desk.clone()];
    let mut backup = Node { replica: memory.restart(&charter, &keys), memory };
    backup.write(&finland.desk, &summaries("other", other)).unwrap();
    call(&mut nodes, 1, 0);
    sync(&mut nodes[2], &backup);
    Restored { charter, finland, nodes, backup }
}

/// One node calls another.
fn call(nodes: &mut [Node], caller: usize, called: usize) {
    let [one, other] = nodes.get_disjoint_mut([caller, called]).unwrap();
    sync(one, other);
}

/// Everybody calls everybody until nobody learns anything.
fn meet(nodes: &mut [Node]) {
    for _ in 0..4 {
        for caller in 0..nodes.len() {
            for called in (0..nodes.len()).filter(|called| *called != caller) {
                call(nodes, caller, called);
            }
        }
    }
}

fn row(node: &Node, key: &SecretKey) -> Row {
    node.replica.row(&key.public())
}

fn agreed(nodes: &[Node]) -> Digest {
    let digests: Vec<Digest> = nodes.iter().map(|node| node.replica.frontier().digest()).collect();
    assert!(digests.iter().all(|digest| *digest == digests[0]), "replicas with the same records have the same state");
    digests[0]
}

/// What a restart makes of what a node kept is what it was.
fn restarts(charter: &Arc<Charter>, node: &Node) {
    let again = node.memory.restart(charter, &[]);
    assert_eq!(again.frontier(), node.replica.frontier());
    let rows = |replica: &proto::replica::Replica| format!("{:?}", replica.standing().lines());
    assert_eq!(rows(&again), rows(&node.replica));
}

fn entry_at(node: &Node, key: &SecretKey, index: usize) -> Digest {
    node.memory.logs[&key.public()].leaves[index].entry.digest()
}

fn revoked(desk: &SecretKey, node: &Node, size: usize) -> (u32, Vec<u8>) {
    let leaves: Vec<Digest> = (0..size).map(|index| entry_at(node, desk, index)).collect();
    let cut = Cut::new(desk.public(), size as u64, Forest::over(&leaves).compact.root());
    (Kind::Revoke as u32, revocation(&cut, "written to by a backup", SALT))
}

#[test]
fn a_backup_that_was_written_to_is_found_out_wherever_both_branches_meet() {
    for (before, since, other) in [(0, 1, 1), (3, 4, 1), (5, 1, 9), (254, 3, 3), (255, 300, 700), (600, 2, 400)] {
        let Restored { charter, finland, mut nodes, .. } = restored(before, since, other);
        // Entry 0 opens the log.
        let at = before as u64 + 1;
        call(&mut nodes, 1, 2);
        call(&mut nodes, 2, 1);
        for node in &nodes[1..] {
            let held = node.replica.log(&finland.desk.public()).unwrap();
            let fork = node.replica.standing().forks().get(&finland.desk.public());
            let fork = fork.unwrap_or_else(|| panic!("no fork at {at}: {:?}", node.replica.peers()));
            assert_eq!((fork.at(), held.size() > at), (at, true), "each keeps its branch as evidence");
            assert_eq!((row(node, &finland.desk).size, row(node, &finland.desk).contested), (at, true));
        }
        meet(&mut nodes);
        agreed(&nodes);
        nodes.iter().for_each(|node| restarts(&charter, node));
        let refused = nodes[0].write(&finland.desk, &summaries("more", 1)).unwrap_err().to_string();
        assert_eq!(refused, format!("the log ends at entry {at}"));
        // Who comes later holds the proof, and the entries before it.
        let mut newcomer = Node::new(&charter, &[]);
        sync(&mut newcomer, &nodes[1]);
        assert_eq!(newcomer.size(&finland.desk), at);
        assert_eq!(newcomer.replica.frontier(), nodes[1].replica.frontier());
        let evidence =
            |node: &Node| Fork::from_wire(&charter.id(), &node.memory.forks[&finland.desk.public()].to_wire());
        assert!(nodes.iter().all(|node| evidence(node).is_ok()));
    }
}

#[test]
fn whoever_caused_a_fork_finds_it_at_its_first_call_and_tells_everybody() {
    let Restored { charter, finland, mut nodes, mut backup } = restored(5, 2, 3);
    let peer: Arc<str> = "called".into();
    let mut effects: std::collections::VecDeque<_> = backup.handle(Input::Connected(peer.clone())).unwrap().into();
    let mut announced = Vec::new();
    while let Some(effect) = effects.pop_front() {
        match effect {
            Effect::Open(_, asked) | Effect::Ask(_, asked) => {
                for answer in nodes[1].answers(asked) {
                    effects.extend(backup.handle(Input::Answered(peer.clone(), answer)).unwrap());
                }
            }
            Effect::Announce(bytes) => announced.push(bytes),
            _ => {}
        }
    }
    let [proof] = announced.as_slice() else { panic!("one proof is announced") };
    assert_eq!(nodes[2].hear(proof), (Verdict::Accept, false));
    assert!(row(&nodes[2], &finland.desk).contested);
    assert_eq!(nodes[2].hear(proof), (Verdict::Ignore, false), "it is no news twice");
    let gossip = message::decode_gossip(proof).unwrap();
    for lie in 0..7 {
        let mut fork = gossip.fork.clone().unwrap();
        match lie {
            0 => fork.at += 1,
            1 => fork.root[0] ^= 1,
            2 => fork.branches[1] = fork.branches[0].clone(),
            3 => fork.branches.swap(0, 1),
            4 => drop(fork.branches.pop()),
            5 => fork.branches[0].joined[0][3] ^= 1,
            _ => fork.branches[1].path.clear(),
        }
        let wire = proto::schema::Gossip { fork: Some(fork), ..Default::default() };
        let bytes = prost::Message::encode_to_vec(&wire);
        let expected = if lie == 3 { (Verdict::Accept, false) } else { (Verdict::Reject, true) };
        assert_eq!(nodes[0].hear(&bytes), expected, "lie {lie}");
    }
    // Of a key that nobody knows nothing is kept.
    let mut stranger = Node::new(&charter, &[]);
    assert_eq!(stranger.hear(proof), (Verdict::Ignore, false));
    assert!(stranger.memory.forks.is_empty());
}

#[test]
fn of_three_branches_the_earliest_parting_counts_whoever_proved_what_first() {
    let Restored { charter, finland, mut nodes, backup } = restored(8, 4, 4);
    let mut early = backup.memory;
    let kept = early.logs.get_mut(&finland.desk.public()).unwrap();
    kept.leaves.truncate(5);
    let hashes: Vec<Digest> = kept.leaves.iter().map(|leaf| leaf.entry.digest()).collect();
    kept.forest = Forest::over(&hashes);
    let mut early = Node { replica: early.restart(&charter, std::slice::from_ref(&finland.desk)), memory: early };
    early.write(&finland.desk, &summaries("early", 9)).unwrap();
    // The first two branches are proven before anybody meets the third.
    call(&mut nodes, 1, 2);
    assert_eq!(row(&nodes[1], &finland.desk).size, 9);
    let mut readers = vec![Node::new(&charter, &[]), early];
    call(&mut readers, 0, 1);
    nodes.append(&mut readers);
    meet(&mut nodes);
    agreed(&nodes);
    assert!(nodes.iter().all(|node| row(node, &finland.desk).size == 5));
    nodes.iter().for_each(|node| restarts(&charter, node));
}

#[test]
fn a_cut_settles_a_fork_on_whichever_branch_it_is_and_nothing_is_dropped() {
    // On Finland's branch, on the backup's, in the middle of either, and before they part.
    for (branch, size) in [(1, 13), (2, 16), (1, 12), (2, 13), (1, 11), (1, 4), (2, 0)] {
        let Restored { charter, finland, mut nodes, .. } = restored(10, 2, 5);
        call(&mut nodes, 1, 2);
        meet(&mut nodes);
        let cut = revoked(&finland.desk, &nodes[branch], size);
        nodes[0].write(&finland.identity, &[cut, delegates(&key(70))]).unwrap();
        nodes[0].replica.hold_key(key(70));
        meet(&mut nodes);
        agreed(&nodes);
        for node in &nodes {
            let row = row(node, &finland.desk);
            assert_eq!((row.size, row.contested), (size as u64, false), "branch {branch}, cut at {size}");
            for index in 0..size {
                assert_eq!(entry_at(node, &finland.desk, index), entry_at(&nodes[branch], &finland.desk, index));
            }
            let kept = node.memory.logs[&finland.desk.public()].leaves.len();
            let aside = node.memory.aside.get(&finland.desk.public()).map_or(0, Vec::len);
            assert!(kept + aside >= 13, "what was held is held or set aside");
            restarts(&charter, node);
        }
        // A newcomer gets the cut's branch, and who proves what was settled changes nothing.
        let mut newcomer = Node::new(&charter, &[]);
        sync(&mut newcomer, &nodes[2]);
        assert_eq!(newcomer.replica.frontier().digest(), nodes[0].replica.frontier().digest());
    }
}

#[test]
fn a_replica_on_the_other_branch_learns_of_cut_and_fork_at_once() {
    // Nobody has proven anything when the member itself cuts its log; Uruguay holds the other branch, longer or shorter.
    for other in [1, 9] {
        let Restored { charter, finland, mut nodes, .. } = restored(300, 5, other);
        let cut = revoked(&finland.desk, &nodes[0], 306);
        nodes[0].write(&finland.identity, &[cut]).unwrap();
        call(&mut nodes, 2, 0);
        assert_eq!((row(&nodes[2], &finland.desk).size, nodes[2].size(&finland.desk)), (306, 306));
        assert_eq!(nodes[2].replica.standing().forks()[&finland.desk.public()].at(), 301);
        meet(&mut nodes);
        agreed(&nodes);
        nodes.iter().for_each(|node| restarts(&charter, node));
    }
}

#[test]
fn who_stands_at_a_cut_and_sends_another_branch_is_named_and_nothing_of_it_stays() {
    let Restored { finland, mut nodes, backup, .. } = restored(10, 200, 40);
    call(&mut nodes, 1, 2);
    call(&mut nodes, 2, 1);
    let cut = revoked(&finland.desk, &nodes[1], 211);
    nodes[0].write(&finland.identity, &[cut]).unwrap();
    let Some(mut liar) = nodes.pop() else { panic!() };
    let mut reader = nodes.pop().unwrap();
    sync(&mut liar, &nodes[0]);
    sync(&mut reader, &nodes[0]);
    // A newcomer that has everything but Finland's library, from one who claims the cut and sends the backup's entries.
    let (charter, ..) = founded(3);
    let mut newcomer = Node::new(&charter, &[]);
    let library = finland.desk.public();
    sync_over(&mut newcomer, &nodes[0], |answer| match answer {
        Message::Chunk(chunk) if chunk.log == library.as_bytes() => vec![proto::serve::refusal("not now")],
        other => vec![other],
    });
    let branch = backup.answers(Message::Want(crate::world::want(&library, 0, 51)));
    let faults = sync_over(&mut newcomer, &nodes[0], |answer| match answer {
        Message::Chunk(chunk) if chunk.log == library.as_bytes() => branch.clone(),
        other => vec![other],
    });
    assert_eq!(faults, [format!("stands at the cut of log {library} and sent entries of another branch")]);
    assert_eq!(newcomer.size(&finland.desk), 0);
    sync(&mut newcomer, &reader);
    assert_eq!(row(&newcomer, &finland.desk).size, 211);
}

#[test]
fn what_a_forked_governance_log_says_of_desks_falls_and_a_rotation_settles_it() {
    let (charter, members, mut nodes) = founded(3);
    let finland = members[0].clone();
    meet(&mut nodes);
    let memory = nodes[0].memory.clone();
    let keys = [finland.identity.clone(), finland.successor.clone()];
    let mut copy = Node { replica: memory.restart(&charter, &keys), memory };
    nodes[0].write(&finland.identity, &[delegates(&key(71))]).unwrap();
    copy.write(&finland.identity, &[delegates(&key(72)), delegates(&key(73))]).unwrap();
    nodes[0].replica.hold_key(key(71));
    let begun = finland.desk_open();
    nodes[0].write(&key(71), &[begun, summary("from the press office")]).unwrap();
    call(&mut nodes, 1, 0);
    sync(&mut nodes[2], &copy);
    meet(&mut nodes);
    agreed(&nodes);
    for node in &nodes {
        assert_eq!((row(node, &finland.identity).size, row(node, &finland.identity).contested), (2, true));
        assert!(!node.replica.standing().knows(&key(71).public()), "a desk that only one branch delegates");
        assert!(node.replica.standing().knows(&finland.desk.public()), "and one that both do");
        restarts(&charter, node);
    }
    // The successor says where its predecessor ended: on the branch that the copy wrote.
    let tree = copy.replica.log(&finland.identity.public()).unwrap().tree().clone();
    let cut = Cut::new(finland.identity.public(), tree.size(), tree.root());
    let open = proto::body::Open {
        purpose: proto::body::Purpose::Governance,
        member: finland.code.to_owned(),
        identity_key: finland.successor.public(),
        successor_digest: Some(Digest::of(key(79).public().as_bytes())),
        predecessor: Some(cut),
    };
    copy.write(&finland.successor, &[(Kind::Open as u32, open.to_body(SALT))]).unwrap();
    nodes.push(copy);
    meet(&mut nodes);
    agreed(&nodes);
    for node in &nodes {
        assert_eq!((row(node, &finland.identity).size, row(node, &finland.identity).contested), (4, false));
        assert!(node.replica.standing().knows(&key(72).public()), "what the cut's branch says of desks counts");
        assert!(!node.replica.standing().knows(&key(71).public()));
        restarts(&charter, node);
    }
}

#[test]
fn a_key_that_opens_two_logs_has_none() {
    let (charter, members, mut nodes) = founded(3);
    let finland = members[0].clone();
    nodes[0].write(&finland.identity, &[delegates(&key(74))]).unwrap();
    meet(&mut nodes);
    let memory = nodes[0].memory.clone();
    let mut copy = Node { replica: memory.restart(&charter, &[key(74)]), memory };
    nodes[0].replica.hold_key(key(74));
    let open = |salt| {
        let open = proto::body::Open {
            purpose: proto::body::Purpose::Publication,
            member: finland.code.to_owned(),
            identity_key: finland.identity.public(),
            successor_digest: None,
            predecessor: None,
        };
        (Kind::Open as u32, open.to_body(salt))
    };
    nodes[0].write(&key(74), &[open(SALT), summary("one")]).unwrap();
    copy.write(&key(74), &[open([9; 16]), summary("one")]).unwrap();
    sync(&mut nodes[2], &copy);
    call(&mut nodes, 1, 0);
    meet(&mut nodes);
    agreed(&nodes);
    assert!(nodes.iter().all(|node| (row(node, &key(74)).size, row(node, &key(74)).contested) == (0, true)));
    // And a cut on one of the two brings that one.
    let cut = revoked(&key(74), &nodes[2], 2);
    nodes[0].write(&finland.identity, &[cut]).unwrap();
    meet(&mut nodes);
    agreed(&nodes);
    assert!(nodes.iter().all(|node| (row(node, &key(74)).size, row(node, &key(74)).contested) == (2, false)));
    assert!(nodes.iter().all(|node| entry_at(node, &key(74), 0) == entry_at(&nodes[2], &key(74), 0)));
    nodes.iter().for_each(|node| restarts(&charter, node));
}

#[test]
fn the_owner_of_a_contested_log_learns_from_its_peers_how_long_each_branch_is() {
    let (charter, members, mut nodes) = founded(3);
    let finland = members[0].clone();
    let keys = [finland.identity.clone(), finland.desk.clone()];
    nodes[0].write(&finland.desk, &summaries("before", 5)).unwrap();
    let memory = nodes[0].memory.clone();
    meet(&mut nodes);
    nodes[0].write(&finland.desk, &summaries("since", 4)).unwrap();
    call(&mut nodes, 1, 0);
    nodes[0].write(&finland.desk, &summaries("later", 5)).unwrap();
    call(&mut nodes, 2, 0);
    let mut backup = Node { replica: memory.restart(&charter, &keys), memory };
    backup.write(&finland.desk, &summaries("other", 2)).unwrap();
    let lengths = |node: &Node| {
        let branches = node.replica.branches(&finland.desk.public());
        let mut sizes: Vec<u64> = branches.values().map(|branch| branch.checkpoint.size()).collect();
        sizes.sort_unstable();
        sizes
    };
    assert!(lengths(&backup).is_empty(), "nothing is contested yet");
    sync(&mut backup, &nodes[1]);
    assert_eq!(lengths(&backup), [10], "Kenya has ten of the fifteen");
    sync(&mut backup, &nodes[2]);
    assert_eq!(lengths(&backup), [15]);
    // After a restart, when everybody has the proof and no row differs any more, it is asked again.
    for _ in 0..2 {
        sync(&mut backup, &nodes[1]);
        sync(&mut backup, &nodes[2]);
        sync(&mut nodes[1], &backup);
        sync(&mut nodes[2], &backup);
    }
    let mut backup = Node { replica: backup.memory.restart(&charter, &keys), memory: backup.memory };
    assert_eq!(backup.replica.frontier(), nodes[2].replica.frontier());
    sync(&mut backup, &nodes[2]);
    assert!(lengths(&backup).contains(&15));
    // A key that is not here is nobody's business here.
    assert!(nodes[1].replica.branches(&finland.desk.public()).is_empty());
}
