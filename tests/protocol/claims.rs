//! A desk key that two members delegate. The key itself says whose it is, in entry 0 of its log; one that has signed two such
//! entries says two things, and no replica may go by the one that it happened to hear first.

use proto::body::Cut;
use proto::frontier::Row;
use proto::key::SecretKey;
use proto::tree::Compact;

use crate::tales::{Tale, revokes_at};
use crate::world::{Node, key, sync};

const DESK: u64 = 61;

/// Finland and Kenya both delegate a desk, and its key has opened a log for each. Finland's node holds the one, Kenya's the other,
/// Uruguay's none. Given are the nodes and where each branch ends.
struct Claimed {
    finland: SecretKey,
    kenya: SecretKey,
    kenya_next: SecretKey,
    nodes: Vec<Node>,
    ends: [Cut; 2],
}

fn claimed(lengths: [usize; 2]) -> Claimed {
    let mut base = Tale::founded("a desk of two members", 3);
    let (finland, kenya) = (base.members[0].clone(), base.members[1].clone());
    base.delegate(&finland.identity, &key(DESK));
    base.delegate(&kenya.identity, &key(DESK));
    let [mut one, mut other] = [base.clone(), base.clone()];
    one.open_desk("FI", &finland.identity, &key(DESK), lengths[0]);
    other.open_desk("KE-LC01", &kenya.identity, &key(DESK), lengths[1]);
    let ends = [one.end(&key(DESK)), other.end(&key(DESK))];
    let keys = [finland.identity.clone(), kenya.identity.clone(), kenya.successor.clone()];
    let nodes = [one, other, base].into_iter().map(|tale| {
        let memory = tale.memory();
        Node { replica: memory.restart(&tale.charter, &keys), memory }
    });
    let nodes = nodes.collect();
    Claimed { finland: finland.identity, kenya: kenya.identity, kenya_next: kenya.successor, nodes, ends }
}

/// Everybody calls everybody until nobody learns anything; all come to the same.
fn meet(nodes: &mut [Node]) -> Row {
    for _ in 0..4 {
        for caller in 0..nodes.len() {
            for called in (0..nodes.len()).filter(|called| *called != caller) {
                let [one, other] = nodes.get_disjoint_mut([caller, called]).unwrap();
                sync(one, other);
            }
        }
    }
    let rows: Vec<Row> = nodes.iter().map(|node| node.replica.row(&key(DESK).public())).collect();
    assert!(rows.iter().all(|row| *row == rows[0]), "{rows:?}");
    let first = nodes[0].replica.frontier().digest();
    assert!(nodes.iter().all(|node| node.replica.frontier().digest() == first));
    rows[0]
}

fn nothing(contested: bool) -> Row {
    Row { size: 0, root: Compact::new().root(), contested }
}

#[test]
fn a_desk_of_two_members_that_opened_two_logs_is_nobodys_whoever_revokes_it() {
    for by in [vec![], vec![0], vec![1], vec![0, 1]] {
        for met in [false, true] {
            let Claimed { finland, kenya, mut nodes, ends, .. } = claimed([2, 3]);
            if met {
                assert_eq!(meet(&mut nodes), nothing(true));
            }
            for at in &by {
                let identity = [&finland, &kenya][*at];
                nodes[*at].write(identity, &[revokes_at(&ends[*at])]).unwrap();
            }
            assert_eq!(meet(&mut nodes), nothing(true), "revoked by {by:?}, {met}");
            assert!((0..2).all(|at| nodes[at].size(&key(DESK)) == ends[at].size), "what was held is evidence");
        }
    }
}

#[test]
fn a_log_that_its_member_never_delegated_is_no_obstacle_to_the_one_that_another_did() {
    // Kenya's log is cut before it delegated the desk, once its node has taken the desk's log.
    for lengths in [[2, 3], [3, 2], [2, 2]] {
        for revoked in [false, true] {
            let Claimed { finland, kenya, kenya_next, mut nodes, ends } = claimed(lengths);
            let mut tale = Tale::founded("Kenya's identity key is retired", 3);
            tale.begin("KE-LC01", &kenya_next, &key(90), Some(tale.cut(&kenya, 2)));
            let said = tale.logs.remove(&kenya_next.public()).unwrap().said;
            nodes[1].write(&kenya_next, &said).unwrap();
            if revoked {
                nodes[0].write(&finland, &[revokes_at(&ends[0])]).unwrap();
            }
            let row = meet(&mut nodes);
            let stands = Row { size: ends[0].size, root: ends[0].root, contested: false };
            assert_eq!(row, if revoked { stands } else { nothing(true) }, "{lengths:?}");
        }
    }
}
