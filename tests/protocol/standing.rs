//! Who may speak, and until where: desks, their bound, their cuts, and keys that two members claim. And the charter.

use proto::charter::{Charter, CharterError};
use proto::key::SecretKey;
use proto::log::RunError;
use proto::member::ListError;
use proto::note::Note;
use proto::replica::{Verdict, WriteError};
use proto::schema::Kind;

use crate::world::{
    Node, Parliament, charter, delegates, founded, key, parliaments, revokes, summary, sync, sync_over,
    unsigned_charter,
};

fn is_delegated(node: &Node, by: &Parliament, desk: &SecretKey) -> bool {
    let delegation = node.replica.standing().delegation(&desk.public(), &by.identity.public());
    delegation.is_some_and(|delegation| delegation.cut.is_none())
}

#[test]
fn a_charter_counts_when_every_founder_signed_it() {
    let founders = parliaments(3);
    let signed = charter(&founders).to_bytes();
    assert!(Charter::verify(&signed).is_ok());

    let mut missing = unsigned_charter(&founders);
    missing.sign("FI", &founders[0].identity).unwrap();
    missing.sign("UY-UC01", &founders[2].identity).unwrap();
    let kenya = CharterError::Signature { code: "KE-LC01".to_owned() };
    assert_eq!(Charter::verify(&missing.to_bytes()).unwrap_err(), kenya);
    assert_eq!(missing.sign("KE-LC01", &founders[0].identity).unwrap_err(), kenya);

    // A line with Kenya's name and key, and Finland's signature bytes.
    let mut note = Note::parse(&signed).unwrap();
    let at = note.signatures.iter().position(|signature| signature.name == "comity/KE-LC01").unwrap();
    note.signatures[at].bytes = note.signatures[(at + 1) % 3].bytes.clone();
    assert_eq!(Charter::verify(&note.to_bytes()).unwrap_err(), kenya);

    for at in 0..signed.len() {
        let mut bytes = signed.clone();
        bytes[at] ^= 1;
        assert!(Charter::verify(&bytes).is_err(), "byte {at} altered");
    }
}

#[test]
fn a_charter_repeats_nobody_and_has_a_signer() {
    let founders = parliaments(2);
    let members = |parliaments: &[Parliament]| unsigned_charter(parliaments).members().to_vec();
    let mut same_key = members(&founders);
    same_key[1].identity_key = same_key[0].identity_key;
    let repeated = CharterError::List(ListError::Repeated { code: "KE-LC01".to_owned() });
    assert_eq!(Charter::draft("Trial", same_key).unwrap_err(), repeated);
    let mut same_digest = members(&founders);
    same_digest[1].successor_digest = same_digest[0].successor_digest;
    assert_eq!(Charter::draft("Trial", same_digest).unwrap_err(), repeated);
    let mut no_signer = members(&founders);
    no_signer.iter_mut().for_each(|member| member.signer = false);
    assert_eq!(Charter::draft("Trial", no_signer).unwrap_err(), CharterError::List(ListError::NoSigner));
    assert_eq!(Charter::draft("Trial", Vec::new()).unwrap_err(), CharterError::List(ListError::NoSigner));
}

#[test]
fn the_federations_id_does_not_depend_on_who_has_signed_so_far() {
    let founders = parliaments(2);
    assert_eq!(unsigned_charter(&founders).id(), charter(&founders).id());
}

#[test]
fn a_seventeenth_desk_is_void_for_good_but_its_key_is_not() {
    let (_, members, mut nodes) = founded(1);
    let (finland, node) = (&members[0], &mut nodes[0]);
    let more: Vec<SecretKey> = (100..116).map(key).collect();
    let delegations: Vec<_> = more.iter().map(delegates).collect();
    node.write(&finland.identity, &delegations).unwrap();
    let (in_time, late) = more.split_at(15);
    assert!(in_time.iter().all(|desk| is_delegated(node, finland, desk)));
    assert!(!is_delegated(node, finland, &late[0]));
    assert!(!node.replica.standing().knows(&late[0].public()));

    let revocation = revokes(node, &in_time[0]);
    node.write(&finland.identity, &[revocation]).unwrap();
    assert!(!is_delegated(node, finland, &late[0]), "room made later does not bring it back");
    node.write(&finland.identity, &[delegates(&late[0])]).unwrap();
    assert!(is_delegated(node, finland, &late[0]), "a new delegation of a key that was never cut stands");
}

#[test]
fn a_key_that_was_cut_is_never_used_again() {
    let (charter, members, mut nodes) = founded(2);
    let (finland, node) = (&members[0], &mut nodes[0]);
    node.write(&finland.desk, &[summary("before")]).unwrap();
    let revocation = revokes(node, &finland.desk);
    node.write(&finland.identity, &[revocation, delegates(&finland.desk)]).unwrap();
    assert!(!is_delegated(node, finland, &finland.desk));

    let refused = node.write(&finland.desk, &[summary("after")]).unwrap_err();
    assert_eq!(refused, WriteError::Run(RunError::Ended(2)));
    let mut newcomer = Node::new(&charter, &[]);
    sync(&mut newcomer, node);
    assert_eq!(newcomer.size(&finland.desk), 2, "what stood before the cut stays");
    assert_eq!(newcomer.replica.frontier().digest(), node.replica.frontier().digest());
}

#[test]
fn a_thief_of_a_cut_key_reaches_nobody_who_knows_of_the_cut() {
    let (charter, members, mut nodes) = founded(1);
    let (finland, node) = (&members[0], &mut nodes[0]);
    let mut thief = Node::new(&charter, std::slice::from_ref(&finland.desk));
    sync(&mut thief, node);
    let revocation = revokes(node, &finland.desk);
    node.write(&finland.identity, &[revocation]).unwrap();
    let gossip = thief.write(&finland.desk, &[summary("stolen")]).unwrap();

    assert_eq!(node.hear(&gossip[0]), (Verdict::Ignore, false), "true bytes, so nobody is named; but not forwarded");
    assert_eq!(node.size(&finland.desk), 1);
    // A newcomer who calls the thief first and Finland second still stops at the cut: it asks for governance first.
    let mut newcomer = Node::new(&charter, &[]);
    sync(&mut newcomer, node);
    sync(&mut newcomer, &thief);
    assert_eq!(newcomer.size(&finland.desk), 1);
}

#[test]
fn a_cut_names_the_root_that_stands() {
    let (charter, members, mut nodes) = founded(1);
    let (finland, node) = (&members[0], &mut nodes[0]);
    // The thief wrote on a copy; Finland cuts at what it stands by, which has the same size.
    let mut thief = Node::new(&charter, std::slice::from_ref(&finland.desk));
    sync(&mut thief, node);
    thief.write(&finland.desk, &[summary("stolen")]).unwrap();
    node.write(&finland.desk, &[summary("true")]).unwrap();
    let revocation = revokes(node, &finland.desk);
    node.write(&finland.identity, &[revocation]).unwrap();

    let mut newcomer = Node::new(&charter, &[]);
    let mut without_desks = Node::new(&charter, &[]);
    sync(&mut without_desks, node);
    let only_governance = |message| match message {
        proto::schema::sync_message::Message::Chunk(chunk) if chunk.log == finland.desk.public().as_bytes() => {
            vec![proto::serve::refusal("not now")]
        }
        other => vec![other],
    };
    assert!(sync_over(&mut newcomer, node, only_governance).is_empty());
    assert_eq!(newcomer.size(&finland.desk), 0);
    // The thief need not know of the cut, so it is not named; the operator reads why its entries are not taken.
    sync(&mut newcomer, &thief);
    assert!(newcomer.replica.peers()["called"].waiting[0].contains("not on the branch of the log's cut"));
    assert_eq!(newcomer.size(&finland.desk), 0);
    sync(&mut newcomer, node);
    assert_eq!(newcomer.replica.frontier(), node.replica.frontier());
}

#[test]
fn a_key_that_two_members_delegate_is_whose_it_says_in_either_order() {
    let (charter, members, mut nodes) = founded(2);
    let shared = key(200);
    let [finland, kenya] = &members[..] else { panic!() };
    let (left, right) = nodes.split_at_mut(1);
    let (at_finland, at_kenya) = (&mut left[0], &mut right[0]);
    at_finland.write(&finland.identity, &[delegates(&shared)]).unwrap();
    at_kenya.write(&kenya.identity, &[delegates(&shared)]).unwrap();
    at_kenya.replica.hold_key(shared.clone());
    at_finland.replica.hold_key(shared.clone());
    let as_kenyas = at_finland.write(&shared, &[kenya.desk_open()]).unwrap_err();
    assert_eq!(as_kenyas, WriteError::Run(RunError::Open), "Finland's node has not heard of Kenya's delegation");
    at_kenya.write(&shared, &[kenya.desk_open(), summary("from Nairobi")]).unwrap();

    for first in [0, 1] {
        let mut newcomer = Node::new(&charter, &[]);
        sync(&mut newcomer, &nodes[first]);
        sync(&mut newcomer, &nodes[1 - first]);
        assert_eq!(newcomer.size(&shared), 2);
        let open = newcomer.replica.log(&shared.public()).unwrap().open().unwrap();
        assert_eq!(open.member, "KE-LC01");
    }
}

#[test]
fn an_identity_key_is_never_a_desk() {
    let (_, members, mut nodes) = founded(2);
    let [finland, kenya] = &members[..] else { panic!() };
    nodes[0].write(&finland.identity, &[delegates(&kenya.identity)]).unwrap();
    nodes[0].replica.hold_key(kenya.identity.clone());
    let refused = nodes[0].write(&kenya.identity, &[finland.desk_open()]).unwrap_err();
    assert_eq!(refused, WriteError::Run(RunError::Open));
}

#[test]
fn what_a_newer_comity_wrote_into_governance_is_carried_and_ends_its_effect() {
    let (charter, members, mut nodes) = founded(1);
    let (finland, node) = (&members[0], &mut nodes[0]);
    let newer = (15, b"an act of a newer Comity".to_vec());
    node.write(&finland.identity, &[newer, delegates(&key(300))]).unwrap();
    assert!(node.replica.standing().is_newer(&finland.identity.public()));
    assert!(!is_delegated(node, finland, &key(300)));
    let mut newcomer = Node::new(&charter, &[]);
    sync(&mut newcomer, node);
    assert_eq!(newcomer.size(&finland.identity), 4);
    assert_eq!(newcomer.replica.frontier(), node.replica.frontier());
}

#[test]
fn a_log_opens_with_an_open_of_its_own_or_not_at_all() {
    let (_, members, mut nodes) = founded(2);
    let (finland, node) = (&members[0], &mut nodes[0]);
    node.write(&finland.identity, &[delegates(&key(400))]).unwrap();
    node.replica.hold_key(key(400));
    let unopened = WriteError::Run(RunError::Open);
    let (_, open) = finland.desk_open();
    let as_another_kind = node.write(&key(400), &[(Kind::LawSummary as u32, open)]).unwrap_err();
    assert_eq!(as_another_kind, unopened);
    assert_eq!(node.write(&key(400), &[summary("no open")]).unwrap_err(), unopened);
    assert_eq!(node.write(&key(400), &[members[1].desk_open()]).unwrap_err(), unopened);
    let stranger = key(500);
    node.replica.hold_key(stranger.clone());
    let unknown = node.write(&stranger, &[finland.desk_open()]).unwrap_err();
    assert_eq!(unknown, WriteError::Unknown(stranger.public()));
    let not_ours = node.write(&key(600), &[finland.desk_open()]).unwrap_err();
    assert_eq!(not_ours, WriteError::NoKey(key(600).public()));
}
