//! A document through time: versions, concurrent ones, and withdrawals, folded to the same state in whatever order they came.

use proto::digest::Digest;
use proto::work::{Version, Withdrawal, next, state};

use crate::world::Rng;

fn version(name: &str, number: u32, supersedes: &[&str]) -> Version {
    let digest = |name: &&str| Digest::of(name.as_bytes());
    Version { digest: digest(&name), number, supersedes: supersedes.iter().map(digest).collect() }
}

fn withdrawal(names: &[&str], reason: &str) -> Withdrawal {
    Withdrawal { versions: names.iter().map(|name| Digest::of(name.as_bytes())).collect(), reason: reason.to_owned() }
}

#[test]
fn a_later_version_takes_the_place_of_what_it_supersedes() {
    let one = version("one", 1, &[]);
    assert_eq!(next(&state(&[], &[])), (1, Vec::new()));
    assert_eq!(next(&state(std::slice::from_ref(&one), &[])), (2, vec![one.digest]));
    let two = version("two", 2, &["one"]);
    assert_eq!(state(&[one, two.clone()], &[]).current, [two]);
}

#[test]
fn two_desks_at_once_make_concurrent_versions_until_one_supersedes_both() {
    let versions = [version("one", 1, &[]), version("here", 2, &["one"]), version("there", 2, &["one"])];
    let both = state(&versions, &[]);
    assert_eq!(both.current.len(), 2);
    let (number, supersedes) = next(&both);
    assert_eq!((number, supersedes.len()), (3, 2));
    let joined = version("joined", 3, &["here", "there"]);
    let all: Vec<Version> = versions.into_iter().chain([joined.clone()]).collect();
    assert_eq!(state(&all, &[]).current, [joined]);
}

#[test]
fn a_work_is_withdrawn_when_every_current_version_is_named_and_stands_again_with_a_new_one() {
    let versions = [version("one", 1, &[]), version("here", 2, &["one"]), version("there", 2, &["one"])];
    assert_eq!(state(&versions, &[withdrawal(&["here"], "wrong")]).withdrawn, None);
    let notices = [withdrawal(&["here"], "wrong"), withdrawal(&["there"], "also wrong")];
    assert_eq!(state(&versions, &notices).withdrawn.as_deref(), Some("also wrong"));
    let again: Vec<Version> = versions.into_iter().chain([version("again", 3, &["here", "there"])]).collect();
    assert_eq!(state(&again, &notices).withdrawn, None);
}

#[test]
fn any_order_of_arrival_gives_the_same_state() {
    let mut rng = Rng::new(11);
    let mut versions = vec![
        version("one", 1, &[]),
        version("two", 2, &["one"]),
        version("three", 3, &["two"]),
        version("other", 3, &["two"]),
        version("stray", 1, &["never seen"]),
    ];
    let mut notices =
        vec![withdrawal(&["three"], "b"), withdrawal(&["other", "stray"], "a"), withdrawal(&["one"], "c")];
    let expected = state(&versions, &notices);
    assert_eq!(expected.withdrawn.as_deref(), Some("a"));
    for _ in 0..50 {
        rng.shuffle(&mut versions);
        rng.shuffle(&mut notices);
        assert_eq!(state(&versions, &notices), expected);
    }
}
