//! A replica among peers that lie, withhold or know less: what is false is refused and its bearer named, what is true
//! arrives in the end, and nobody honest is ever named.

use std::sync::Arc;

use proto::archive::{Archive, Head, StoredLeaf};
use proto::body::{Cut, revocation};
use proto::digest::Digest;
use proto::fork::Fork;
use proto::frontier::Claim;
use proto::key::PublicKey;
use proto::limits;
use proto::message;
use proto::replica::{Effect, Input, SYNC_STALE_MS, Verdict};
use proto::schema::sync_message::Message;
use proto::schema::{self, Kind};
use proto::serve::{self, Answer};

use crate::world::{Borrowed, Memory, Node, Parliament, Rng, SALT, delegates, founded, key, summary, sync, sync_over};

/// Finland has published three summaries; nobody else has heard.
fn published() -> (Parliament, Node, Node) {
    let (charter, members, mut nodes) = founded(2);
    let finland = members[0].clone();
    let mut node = nodes.remove(0);
    node.write(&finland.desk, &[summary("one"), summary("two"), summary("three")]).unwrap();
    (finland, node, Node::new(&charter, &[]))
}

/// A sync whose chunks of Finland's library are altered on the way. Gives the faults that were named.
fn altered(alter: impl Fn(&mut schema::Chunk)) -> Vec<String> {
    let (finland, node, mut newcomer) = published();
    let line = |answer| match answer {
        Message::Chunk(mut chunk) if chunk.log == finland.desk.public().as_bytes() => {
            alter(&mut chunk);
            vec![Message::Chunk(chunk)]
        }
        other => vec![other],
    };
    let faults = sync_over(&mut newcomer, &node, line);
    assert_eq!(newcomer.size(&finland.desk), 0, "nothing was taken");
    sync(&mut newcomer, &node);
    assert_eq!(newcomer.replica.frontier(), node.replica.frontier(), "and the truth still arrives");
    faults
}

#[test]
fn honest_peers_come_to_the_same_frontier_and_say_so() {
    let (finland, node, mut newcomer) = published();
    sync(&mut newcomer, &node);
    assert_eq!(newcomer.replica.frontier().digest(), node.replica.frontier().digest());
    assert_eq!(newcomer.size(&finland.desk), 4);
    let state = newcomer.replica.peers().values().next().unwrap();
    assert_eq!((state.in_sync_ms, state.waiting.len()), (Some(0), 0));
}

type Lie = fn(&mut schema::Chunk);

#[test]
fn a_liar_is_named_whatever_it_alters() {
    let lies: [(&str, Lie); 9] = [
        ("an entry's byte", |chunk| chunk.leaves[2].entry[44] ^= 1),
        ("a body's byte", |chunk| chunk.leaves[2].body[12] ^= 1),
        ("another's body", |chunk| chunk.leaves[2].body = chunk.leaves[3].body.clone()),
        ("the signature", |chunk| {
            let note = &mut chunk.closing.as_mut().unwrap().checkpoint;
            let at = note.len() - 20;
            note[at] = if note[at] == b'A' { b'B' } else { b'A' };
        }),
        ("the order", |chunk| chunk.leaves.swap(1, 2)),
        ("the end, cut off", |chunk| chunk.leaves.truncate(3)),
        ("everything, cut off", |chunk| chunk.leaves.clear()),
        ("the size of a chunk", |chunk| {
            chunk.leaves = vec![chunk.leaves[0].clone(); limits::CHUNK_ENTRIES_MAX + 1];
        }),
        ("the beginning", |chunk| chunk.from = u64::MAX),
    ];
    for (what, lie) in lies {
        let faults = altered(lie);
        assert_eq!(faults.len(), 1, "{what}: {faults:?}");
    }
}

#[test]
fn a_message_over_the_bound_is_no_message() {
    let body = vec![0; limits::SYNC_BYTES_MAX];
    let long =
        Message::Bodies(schema::Bodies { log: vec![0; 32], bodies: vec![schema::IndexedBody { index: 0, body }] });
    assert_eq!(message::decode(&message::encode(long)), None);
    assert!(message::decode_gossip(&[&[0x12, 0xff, 0xff, 0x03], vec![0; 65_535].as_slice()].concat()).is_none());
    let (finland, node, mut newcomer) = published();
    let rows = node.replica.frontier().to_wire().rows;
    let flood = |answer| match answer {
        Message::Frontier(mut frontier) => {
            frontier.rows = vec![rows[0].clone(); limits::FRONTIER_ROWS_MAX + 1];
            vec![Message::Frontier(frontier)]
        }
        other => vec![other],
    };
    assert_eq!(sync_over(&mut newcomer, &node, flood), ["sent a frontier that is not one"]);
    assert_eq!(newcomer.size(&finland.desk), 0);
}

#[test]
fn a_run_that_is_played_again_is_named() {
    let (finland, node, mut newcomer) = published();
    let again = |answer| match answer {
        Message::Chunk(mut chunk) if chunk.log == finland.desk.public().as_bytes() => {
            chunk.total += 1; // "there is more to come", and the same comes
            vec![Message::Chunk(chunk.clone()), Message::Chunk(chunk)]
        }
        Message::Frontier(mut frontier) => {
            let library = frontier.rows.iter_mut().find(|row| row.log == finland.desk.public().as_bytes());
            library.unwrap().size += 1;
            vec![Message::Frontier(frontier)]
        }
        other => vec![other],
    };
    assert_eq!(sync_over(&mut newcomer, &node, again), ["sent a run that was not asked for"]);
    assert_eq!(newcomer.size(&finland.desk), 4, "the first time it was true");
}

#[test]
fn who_holds_less_than_it_says_is_named() {
    let (finland, node, mut newcomer) = published();
    let boast = |answer| match answer {
        Message::Hello(mut hello) => {
            hello.frontier[0] ^= 1;
            vec![Message::Hello(hello)]
        }
        Message::Frontier(mut frontier) => {
            let library = frontier.rows.iter_mut().find(|row| row.log == finland.desk.public().as_bytes());
            library.unwrap().size += 1;
            vec![Message::Frontier(frontier)]
        }
        other => vec![other],
    };
    // Once it may have set aside a branch in between.
    assert!(sync_over(&mut newcomer, &node, boast).is_empty());
    let named =
        format!("refused entries of log {} and said 5: nothing of that range is held here", finland.desk.public());
    assert_eq!(sync_over(&mut newcomer, &node, boast), [named]);
    assert_eq!(newcomer.size(&finland.desk), 4, "what it holds is true and kept");
}

/// What a caller with all of Finland's library says of a peer that claims another root of it, and answers as `answers` says.
fn other_root(mut answers: impl FnMut(Message) -> Message) -> Vec<String> {
    let (finland, node, mut reader) = published();
    sync(&mut reader, &node);
    let library = finland.desk.public();
    let mut claim = |answer| {
        vec![match answer {
            Message::Hello(mut hello) => {
                hello.frontier[0] ^= 1;
                Message::Hello(hello)
            }
            Message::Frontier(mut frontier) => {
                frontier.rows.iter_mut().find(|row| row.log == library.as_bytes()).unwrap().root[0] ^= 1;
                Message::Frontier(frontier)
            }
            other => answers(other),
        }]
    };
    let mut faults = sync_over(&mut reader, &node, &mut claim);
    if faults.is_empty() {
        // Once may be a branch that was set aside in between; the next sync tells.
        faults = sync_over(&mut reader, &node, &mut claim);
    }
    assert_eq!(reader.replica.frontier(), node.replica.frontier(), "and nothing is lost");
    faults
}

#[test]
fn who_claims_another_root_and_shows_none_is_named() {
    let (finland, ..) = published();
    let named = |why: &str| [format!("claimed another root of log {} and showed none{why}", finland.desk.public())];
    assert_eq!(other_root(|honest| honest), named(""), "the tile that is ours");
    let tile = |honest| match honest {
        Message::Tile(mut tile) => {
            tile.hashes[2][0] ^= 1;
            Message::Tile(tile)
        }
        other => other,
    };
    assert_eq!(other_root(tile), named(": both branches have the same entry there"), "a tile that is no tree's");
    let proof = |honest| match tile(honest) {
        Message::Branch(mut branch) => {
            branch.joined[0][0] ^= 1;
            Message::Branch(branch)
        }
        other => other,
    };
    let apart = format!(": a branch of log {} does not part at entry 2", finland.desk.public());
    assert_eq!(other_root(proof), named(&apart), "a proof that joins nothing");
    let none = |honest| match tile(honest) {
        Message::Branch(branch) => Message::Branch(schema::Branch { entry: Vec::new(), ..branch }),
        other => other,
    };
    assert_eq!(other_root(none), ["sent a branch that is none"]);
    let refused = "showed another branch of a log and not where it parts: not now";
    assert_eq!(other_root(|_| serve::refusal("not now")), [refused]);
    let unasked = |honest| match honest {
        Message::Tile(_) => Message::Branch(schema::Branch::default()),
        other => other,
    };
    assert_eq!(other_root(unasked), ["sent a branch that was not asked for"]);
}

#[test]
fn an_answer_to_no_question_is_named() {
    let (_, node, _) = published();
    let unasked = [
        Message::Bodies(schema::Bodies::default()),
        Message::Chunk(schema::Chunk::default()),
        Message::Want(schema::Want::default()),
        Message::Frontier(schema::Frontier::default()),
    ];
    for message in unasked {
        let (_, _, mut newcomer) = published();
        let faults = sync_over(&mut newcomer, &node, |_| vec![message.clone()]);
        assert_eq!(faults, ["answered what was not asked"]);
    }
    let (_, _, mut newcomer) = published();
    let elsewhere = sync_over(&mut newcomer, &node, |answer| match answer {
        Message::Hello(mut hello) => {
            hello.federation[0] ^= 1;
            vec![Message::Hello(hello)]
        }
        other => vec![other],
    });
    assert_eq!(elsewhere, ["greeted for another federation or version"]);
}

#[test]
fn a_body_withheld_by_one_peer_arrives_from_the_next() {
    let (finland, node, mut newcomer) = published();
    let withhold = |answer| match answer {
        Message::Chunk(mut chunk) if chunk.log == finland.desk.public().as_bytes() => {
            chunk.leaves[2].body.clear();
            vec![Message::Chunk(chunk)]
        }
        Message::Bodies(mut bodies) => {
            bodies.bodies.clear();
            vec![Message::Bodies(bodies)]
        }
        other => vec![other],
    };
    assert!(sync_over(&mut newcomer, &node, withhold).is_empty());
    assert_eq!((newcomer.size(&finland.desk), newcomer.replica.missing_bodies()), (4, 1));
    assert_eq!(newcomer.replica.frontier(), node.replica.frontier(), "the entry is proven without it");

    let false_body = |answer| match answer {
        Message::Bodies(mut bodies) => {
            let last = bodies.bodies[0].body.len() - 5;
            bodies.bodies[0].body[last] ^= 1;
            vec![Message::Bodies(bodies)]
        }
        other => vec![other],
    };
    assert!(
        sync_over(&mut newcomer, &node, false_body).is_empty(),
        "once it may be of a branch that nobody knows of yet"
    );
    let faults = sync_over(&mut newcomer, &node, false_body);
    assert!(faults[0].starts_with("sent a false body for entry 2"), "{faults:?}");
    assert_eq!(newcomer.replica.missing_bodies(), 1);

    sync(&mut newcomer, &node);
    assert_eq!(newcomer.replica.missing_bodies(), 0);
    assert!(newcomer.memory.logs[&finland.desk.public()].leaves.iter().all(|leaf| leaf.body.is_some()));
}

#[test]
fn bodies_that_a_peer_lacks_do_not_keep_back_those_it_has() {
    let (finland, mut node, mut newcomer) = published();
    let many: Vec<_> = (0..300).map(|number| summary(&format!("number {number}"))).collect();
    node.write(&finland.desk, &many).unwrap();
    let without_bodies = |answer| match answer {
        Message::Chunk(mut chunk) if chunk.log == finland.desk.public().as_bytes() => {
            chunk.leaves.iter_mut().skip(1).for_each(|leaf| leaf.body.clear());
            vec![Message::Chunk(chunk)]
        }
        Message::Bodies(mut bodies) => {
            bodies.bodies.clear();
            vec![Message::Bodies(bodies)]
        }
        other => vec![other],
    };
    sync_over(&mut newcomer, &node, without_bodies);
    assert_eq!(newcomer.replica.missing_bodies(), 303);
    // The next peer has lost all but the last forty: more are missing before them than one message asks for.
    let kept = node.memory.logs.get_mut(&finland.desk.public()).unwrap();
    kept.leaves.iter_mut().skip(1).take(263).for_each(|leaf| leaf.body = None);
    sync(&mut newcomer, &node);
    assert_eq!(newcomer.replica.missing_bodies(), 263);
}

#[test]
fn a_peer_that_refuses_many_logs_is_asked_for_each_once() {
    let (finland, mut node, mut newcomer) = published();
    let desks: Vec<_> = (100..115).map(key).collect();
    node.write(&finland.identity, &desks.iter().map(delegates).collect::<Vec<_>>()).unwrap();
    for desk in &desks {
        node.replica.hold_key(desk.clone());
        node.write(desk, &[finland.desk_open()]).unwrap();
    }
    let mut refused = 0;
    let refuse = |answer| match answer {
        Message::Chunk(chunk) if chunk.log != finland.identity.public().as_bytes() => {
            refused += 1;
            vec![serve::refusal("still catching up on this log; ask again later")]
        }
        other => vec![other],
    };
    assert!(sync_over(&mut newcomer, &node, refuse).is_empty());
    assert_eq!(refused, 16);
    let waiting = &newcomer.replica.peers().values().next().unwrap().waiting;
    assert!(waiting[0].ends_with("still catching up on this log; ask again later"), "{waiting:?}");
    sync(&mut newcomer, &node);
    assert_eq!(newcomer.replica.frontier(), node.replica.frontier());
}

#[test]
fn a_peer_that_does_not_know_of_a_cut_yet_is_not_named() {
    let (finland, mut node, mut newcomer) = published();
    let (charter, ..) = founded(2);
    // A mirror has all four entries. Then Finland cuts the desk at two, and the newcomer hears of it in time.
    let mut mirror = Node::new(&charter, &[]);
    sync(&mut mirror, &node);
    let root = proto::tree::root_at(&node.memory.logs[&finland.desk.public()].forest, 2).unwrap();
    let cut = Cut::new(finland.desk.public(), 2, root);
    let revoke = (Kind::Revoke as u32, revocation(&cut, "published in error", SALT));
    node.write(&finland.identity, &[revoke]).unwrap();
    let governance_only = |answer| match answer {
        Message::Chunk(chunk) if chunk.log == finland.desk.public().as_bytes() => vec![serve::refusal("not now")],
        other => vec![other],
    };
    sync_over(&mut newcomer, &node, governance_only);
    assert_eq!((newcomer.size(&finland.identity), newcomer.size(&finland.desk)), (3, 0));

    sync(&mut newcomer, &mirror);
    assert_eq!(newcomer.size(&finland.desk), 2, "up to the cut, from a peer that holds more");
}

#[test]
fn gossip_is_kept_at_once_where_it_is_next_and_forwarded_where_it_is_true() {
    let (finland, mut node, mut newcomer) = published();
    sync(&mut newcomer, &node);
    let batch = node.write(&finland.desk, &[summary("four"), summary("five"), summary("six")]).unwrap();
    assert_eq!(newcomer.hear(&batch[1]), (Verdict::Accept, false));
    assert_eq!(newcomer.size(&finland.desk), 4, "there is a gap before it");
    assert_eq!(newcomer.hear(&batch[0]), (Verdict::Accept, false));
    assert_eq!(newcomer.hear(&batch[0]), (Verdict::Accept, false));
    assert_eq!(newcomer.size(&finland.desk), 5);
    assert_eq!(newcomer.hear(&batch[1]), (Verdict::Accept, false));
    assert_eq!(newcomer.hear(&batch[2]), (Verdict::Accept, false));
    assert_eq!(newcomer.replica.frontier(), node.replica.frontier());
}

#[test]
fn gossip_with_any_byte_altered_is_rejected_or_changes_nothing() {
    let (finland, mut node, mut newcomer) = published();
    sync(&mut newcomer, &node);
    let gossip = node.write(&finland.desk, &[summary("four")]).unwrap().remove(0);
    let (charter, ..) = founded(2);
    let (before, kept) = (newcomer.replica.frontier(), newcomer.memory.clone());
    for at in 0..gossip.len() {
        let mut bytes = gossip.clone();
        bytes[at] ^= 1;
        let (verdict, named) = newcomer.hear(&bytes);
        assert_eq!(verdict == Verdict::Reject, named);
        // A flipped field number can turn a part into one nobody knows; what is left may be true, but never more.
        if newcomer.replica.frontier() != before {
            assert_eq!(newcomer.replica.frontier(), node.replica.frontier(), "byte {at}");
            assert_eq!(newcomer.replica.missing_bodies(), 1, "byte {at}: all was true but the body did not come");
            newcomer = Node { replica: kept.restart(&charter, &[]), memory: kept.clone() };
        }
    }
    assert_eq!(newcomer.hear(b"no message"), (Verdict::Reject, true));
}

#[test]
fn gossip_of_an_unknown_key_is_ignored() {
    let (finland, mut node, _) = published();
    let (charter, ..) = founded(2);
    let mut newcomer = Node::new(&charter, &[]);
    let gossip = node.write(&finland.desk, &[summary("four")]).unwrap();
    assert_eq!(newcomer.hear(&gossip[0]), (Verdict::Ignore, false));
}

#[test]
fn a_body_too_long_for_gossip_follows_by_sync_and_a_large_batch_announces_its_checkpoint() {
    let (finland, mut node, mut newcomer) = published();
    sync(&mut newcomer, &node);
    let long = (Kind::LawSummary as u32, Rng::new(5).bytes(limits::BODY_BYTES_MAX));
    let gossip = node.write(&finland.desk, &[long]).unwrap();
    assert!(gossip[0].len() < limits::GOSSIP_BYTES_MAX);
    newcomer.hear(&gossip[0]);
    assert_eq!((newcomer.size(&finland.desk), newcomer.replica.missing_bodies()), (5, 1));

    let batch: Vec<_> = (0..=limits::GOSSIP_BATCH_MAX).map(|number| summary(&number.to_string())).collect();
    let announced = node.write(&finland.desk, &batch).unwrap();
    assert_eq!(announced.len(), 1);
    assert_eq!(newcomer.hear(&announced[0]), (Verdict::Accept, false));
    assert_eq!(newcomer.size(&finland.desk), 5);
    sync(&mut newcomer, &node);
    assert_eq!((newcomer.size(&finland.desk), newcomer.replica.missing_bodies()), (22, 0));
}

#[test]
fn a_log_larger_than_a_chunk_comes_in_several() {
    let (finland, mut node, mut newcomer) = published();
    let many: Vec<_> = (0..2 * limits::CHUNK_ENTRIES_MAX).map(|number| summary(&number.to_string())).collect();
    node.write(&finland.desk, &many).unwrap();
    let mut chunks = 0;
    let count = |answer| {
        chunks += usize::from(matches!(&answer, Message::Chunk(chunk) if chunk.leaves.len() > 2));
        vec![answer]
    };
    assert!(sync_over(&mut newcomer, &node, count).is_empty());
    assert_eq!(chunks, 3);
    assert_eq!(newcomer.replica.frontier(), node.replica.frontier());
}

#[test]
fn a_caller_that_holds_more_is_called_back() {
    let (_, node, mut newcomer) = published();
    newcomer.replica.handle(0, Input::Connected("caller".into())).unwrap();
    newcomer.replica.handle(0, Input::Ended("caller".into(), "the line broke".to_owned())).unwrap();
    let told = Input::Told("caller".into(), node.replica.frontier().to_wire());
    let effects = newcomer.replica.handle(1, told).unwrap();
    assert!(matches!(&effects[..], [Effect::Open(peer, Message::Hello(_))] if &**peer == "caller"));
    let state = &newcomer.replica.peers()["caller"];
    assert!(state.syncing);
}

#[test]
fn of_a_claim_about_every_key_there_could_be_only_what_is_news_is_looked_at() {
    let (_, node, newcomer) = published();
    let ours = newcomer.replica.frontier();
    let mut claim = node.replica.frontier().to_wire();
    let is_known = |row: &schema::Row| PublicKey::from_bytes(&row.log).is_ok_and(|key| ours.rows.contains_key(&key));
    let known = claim.rows.iter().filter(|row| is_known(row) && row.size > 0).count();
    assert!(known > 0 && known < claim.rows.len(), "the newcomer knows identity keys, and no desk yet");
    assert_eq!(ours.news_in(&claim).rows.len(), known);
    let invented = |number: u64| schema::Row {
        log: Digest::of(&number.to_be_bytes()).as_bytes().to_vec(),
        size: u64::MAX,
        root: vec![7; 32],
        contested: false,
    };
    claim.rows.extend((0..(limits::FRONTIER_ROWS_MAX - claim.rows.len()) as u64).map(invented));
    claim.rows.sort_by(|a, b| a.log.cmp(&b.log));
    assert_eq!(ours.news_in(&claim).rows.len(), known);
    assert!(node.replica.frontier().news_in(&claim).rows.is_empty());
    assert!(Claim::from_wire(&claim).is_some_and(|claim| claim.rows.len() == limits::FRONTIER_ROWS_MAX));
    claim.rows.push(invented(0));
    assert!(Claim::from_wire(&claim).is_none(), "more rows than there can be");
}

#[test]
fn a_chunk_that_takes_minutes_on_a_weak_line_is_waited_for_and_a_silent_peer_is_not() {
    let (_, _, mut newcomer) = published();
    newcomer.replica.handle(0, Input::Connected("slow".into())).unwrap();
    newcomer.replica.handle(0, Input::Connected("silent".into())).unwrap();
    for now in (0..10 * SYNC_STALE_MS).step_by(10_000) {
        newcomer.replica.handle(now, Input::Moving("slow".into())).unwrap();
        newcomer.replica.handle(now, Input::Tick).unwrap();
        let given_up = |peer: &str| newcomer.replica.peers()[peer].waiting == ["the peer stopped answering"];
        assert!(!given_up("slow"));
        assert_eq!(given_up("silent"), now > SYNC_STALE_MS, "after {now} ms");
    }
}

#[test]
fn what_is_announced_by_one_who_lacks_it_is_had_from_another_at_once() {
    let (finland, mut node, mut newcomer) = published();
    sync(&mut newcomer, &node);
    newcomer.handle(Input::Gone("called".into())).unwrap();
    let before = newcomer.replica.frontier();
    let batch: Vec<_> = (0..=limits::GOSSIP_BATCH_MAX).map(|number| summary(&number.to_string())).collect();
    let announced = node.write(&finland.desk, &batch).unwrap().remove(0);
    for peer in ["forwarder", "author"] {
        newcomer.handle(Input::Connected(peer.into())).unwrap();
        newcomer.handle(Input::Ended(peer.into(), "the line broke".to_owned())).unwrap();
    }
    let opened = |effects: &[Effect]| {
        effects.iter().find_map(|effect| match effect {
            Effect::Open(peer, _) => Some(peer.to_string()),
            _ => None,
        })
    };
    let effects = newcomer.handle(Input::Gossip { from: "forwarder".into(), id: 1, bytes: announced }).unwrap();
    assert_eq!(opened(&effects).as_deref(), Some("forwarder"));
    let equal = message::hello(&before.federation, &before.digest());
    let effects = newcomer.handle(Input::Answered("forwarder".into(), equal.clone())).unwrap();
    assert_eq!(opened(&effects).as_deref(), Some("author"), "whoever was not asked yet comes next");

    // Had the author lost it too, everyone is asked again a second later, and not for ever.
    newcomer.handle(Input::Answered("author".into(), equal.clone())).unwrap();
    let mut asked = 0;
    for _ in 0..60 {
        let mut effects = newcomer.handle(Input::Tick).unwrap();
        while let Some(peer) = opened(&effects) {
            asked += 1;
            effects = newcomer.handle(Input::Answered(peer.as_str().into(), equal.clone())).unwrap();
        }
    }
    assert_eq!(asked, 2 * 15);
}

/// Durable records whose documents may not be looked at.
struct Closed<'a>(&'a Memory);

impl Archive for Closed<'_> {
    type Error = std::convert::Infallible;
    type Hashes<'b>
        = Borrowed<'b>
    where
        Self: 'b;

    fn head(&self, log: &PublicKey) -> Result<Option<Head>, Self::Error> {
        self.0.head(log)
    }

    fn leaf(&self, log: &PublicKey, index: u64) -> Result<Option<StoredLeaf>, Self::Error> {
        panic!("entry {index} of {log} was read, though there is nothing to tell")
    }

    fn fork(&self, log: &PublicKey) -> Result<Option<Arc<Fork>>, Self::Error> {
        self.0.fork(log)
    }

    fn hashes<'b>(&'b self, log: &PublicKey) -> Borrowed<'b> {
        self.0.hashes(log)
    }
}

#[test]
fn equal_replicas_find_out_in_one_exchange_of_at_most_400_bytes_and_read_no_document() {
    let (finland, mut node, mut newcomer) = published();
    for batch in 0..20 {
        let many: Vec<_> = (0..50).map(|number| summary(&format!("{batch} {number}"))).collect();
        node.write(&finland.desk, &many).unwrap();
    }
    sync(&mut newcomer, &node);
    newcomer.handle(Input::Gone("peer".into())).unwrap();
    let mut effects = newcomer.handle(Input::Connected("again".into())).unwrap();
    let Some(Effect::Open(peer, hello)) = effects.pop() else { panic!("no sync was begun") };
    assert!(effects.is_empty());
    let asked = message::encode(hello.clone());
    let answer = serve::answer(&Closed(&node.memory), &node.replica.frontier(), hello).unwrap();
    let Answer::One(answer) = answer else { panic!("more than one answer") };
    let answered = message::encode(answer.clone());
    // Each message travels with four bytes of length before it.
    let bytes = asked.len() + answered.len() + 8;
    println!("a sync of equal replicas: {bytes} application bytes");
    assert!(bytes <= 400);
    let effects = newcomer.handle(Input::Answered(peer, answer)).unwrap();
    assert!(matches!(effects.as_slice(), [Effect::Close(_)]), "{effects:?}");
}
