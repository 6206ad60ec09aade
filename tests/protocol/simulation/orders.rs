//! Without weather: the order in which records come makes no difference, nor does who is gone.

use std::collections::BTreeSet;

use prost::Message as _;
use proto::message;
use proto::tree;

use crate::world::{Node, Rng, founded, summary, sync};

#[test]
fn the_same_records_in_any_order_make_the_same_frontier() {
    let (charter, members, mut nodes) = founded(3);
    for round in 0..3 {
        for (node, member) in nodes.iter_mut().zip(&members) {
            node.write(&member.desk, &[summary(&format!("round {round}")), summary("and one more")]).unwrap();
        }
    }
    let mut announcements = Vec::new();
    for node in &nodes {
        for kept in node.memory.logs.values() {
            for leaf in &kept.leaves {
                let size = kept.leaves.len() as u64;
                let path = tree::inclusion(&kept.forest, leaf.entry.index(), size).unwrap();
                announcements.push(message::gossip_entry(leaf, &kept.closing.checkpoint, &path));
            }
        }
    }
    let mut digests = BTreeSet::new();
    for seed in 0..20 {
        let mut newcomer = Node::new(&charter, &[]);
        let mut rng = Rng::new(seed);
        // What comes too early is ignored or waits for its turn; it is told again until there is nothing new.
        loop {
            let before = newcomer.replica.frontier();
            rng.shuffle(&mut announcements);
            announcements.iter().for_each(|bytes| assert!(!newcomer.hear(bytes).1));
            if newcomer.replica.frontier() == before {
                break;
            }
        }
        digests.insert(newcomer.replica.frontier().digest());
        assert_eq!(newcomer.replica.frontier().entries(), announcements.len() as u64);
    }
    assert_eq!(digests.len(), 1);

    // And by sync, whoever is called first.
    for order in [[0, 1, 2], [2, 0, 1], [1, 2, 0]] {
        let mut newcomer = Node::new(&charter, &[]);
        order.iter().for_each(|at| sync(&mut newcomer, &nodes[*at]));
        assert!(digests.contains(&newcomer.replica.frontier().digest()));
        let wire = newcomer.replica.frontier().to_wire();
        assert!(wire.encoded_len() < 1024);
    }
}

#[test]
fn a_member_switched_off_for_good_takes_nothing_with_it() {
    let (charter, members, mut nodes) = founded(3);
    nodes[0].write(&members[0].desk, &[summary("the last we heard")]).unwrap();
    let mut mirror = Node::new(&charter, &[]);
    nodes.iter().for_each(|node| sync(&mut mirror, node));
    let frontier = mirror.replica.frontier();
    drop(nodes);

    let mut newcomer = Node::new(&charter, &[]);
    sync(&mut newcomer, &mirror);
    assert_eq!(newcomer.replica.frontier(), frontier);
    assert_eq!(newcomer.replica.missing_bodies(), 0);
}
