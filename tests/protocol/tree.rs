//! Trees and proofs against the recursion that RFC 6962 defines, for random sizes; and that nothing altered verifies.

use proptest::prelude::{ProptestConfig, prop_assert, prop_assert_eq, proptest};
use proto::digest::Digest;
use proto::tree::{self, Compact, Hashes};

use crate::world::{Forest, Rng};

/// RFC 6962, 2.1, as it is written there.
fn naive_root(leaves: &[Digest]) -> Digest {
    match leaves {
        [] => Digest::of(&[]),
        [leaf] => *leaf,
        _ => {
            let (left, right) = leaves.split_at(split(leaves.len()));
            tree::node_hash(&naive_root(left), &naive_root(right))
        }
    }
}

/// RFC 6962, 2.1.1.
fn naive_path(index: usize, leaves: &[Digest]) -> Vec<Digest> {
    if leaves.len() <= 1 {
        return Vec::new();
    }
    let (left, right) = leaves.split_at(split(leaves.len()));
    let (mut path, sibling) = if index < left.len() {
        (naive_path(index, left), right)
    } else {
        (naive_path(index - left.len(), right), left)
    };
    path.push(naive_root(sibling));
    path
}

/// RFC 6962, 2.1.2.
fn naive_consistency(from: usize, leaves: &[Digest], whole: bool) -> Vec<Digest> {
    if from == leaves.len() {
        return if whole { Vec::new() } else { vec![naive_root(leaves)] };
    }
    let (left, right) = leaves.split_at(split(leaves.len()));
    let (mut proof, other) = if from <= left.len() {
        (naive_consistency(from, left, whole), right)
    } else {
        (naive_consistency(from - left.len(), right, false), left)
    };
    proof.push(naive_root(other));
    proof
}

fn split(size: usize) -> usize {
    size.next_power_of_two() / 2
}

fn leaves(size: u64) -> Vec<Digest> {
    (0..size).map(|index| tree::leaf_hash(&index.to_be_bytes())).collect()
}

/// Every way to alter a path a little: one bit of one hash, one hash fewer, one more.
fn altered(path: &[Digest], rng: &mut Rng) -> Vec<Vec<Digest>> {
    let mut ways = Vec::new();
    for at in 0..path.len() {
        let mut one = path.to_vec();
        one[at].0[rng.below(32) as usize] ^= 1 << rng.below(8);
        ways.push(one);
        let mut fewer = path.to_vec();
        fewer.remove(at);
        ways.push(fewer);
    }
    ways.push([path, &[Digest([7; 32])]].concat());
    ways
}

fn flipped(digest: &Digest) -> Digest {
    let mut other = *digest;
    other.0[3] ^= 0x10;
    other
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(32) })]

    #[test]
    fn the_compact_tree_is_the_naive_one(size in 0u64..400) {
        let all = leaves(size);
        let mut compact = Compact::new();
        for (held, leaf) in all.iter().enumerate() {
            prop_assert_eq!(compact.root(), naive_root(&all[..held]));
            compact.push(*leaf, |_, _, _| {});
        }
        prop_assert_eq!(compact.root(), naive_root(&all));
        prop_assert_eq!(compact.size(), size);
        let again = Compact::from_parts(size, compact.peaks().to_vec());
        prop_assert_eq!(again.as_ref(), Some(&compact));
        let one_too_many = vec![Digest([0; 32]); size.count_ones() as usize + 1];
        prop_assert_eq!(Compact::from_parts(size, one_too_many), None);
    }

    #[test]
    fn every_subtree_a_growing_tree_reports_is_the_root_over_its_leaves(size in 1u64..200) {
        let all = leaves(size);
        let forest = Forest::over(&all);
        for level in 0..8u8 {
            for index in 0..size >> level {
                let range = (index << level) as usize..((index + 1) << level) as usize;
                prop_assert_eq!(forest.hash(level, index), Some(naive_root(&all[range])));
            }
            prop_assert_eq!(forest.hash(level, size >> level), None);
        }
    }

    #[test]
    fn an_inclusion_path_verifies_and_nothing_near_it_does(size in 1u64..400, at: u64, seed: u64) {
        let (all, mut rng) = (leaves(size), Rng::new(seed));
        let (forest, index) = (Forest::over(&all), at % size);
        let (leaf, root) = (&all[index as usize], &naive_root(&all));
        let path = tree::inclusion(&forest, index, size).unwrap();
        prop_assert_eq!(&path, &naive_path(index as usize, &all));
        prop_assert!(tree::verify_inclusion(leaf, index, size, &path, root).is_ok());

        prop_assert!(tree::verify_inclusion(&flipped(leaf), index, size, &path, root).is_err());
        prop_assert!(tree::verify_inclusion(leaf, index, size, &path, &flipped(root)).is_err());
        prop_assert!(tree::verify_inclusion(leaf, size, size, &path, root).is_err());
        prop_assert!(tree::verify_inclusion(leaf, index, 0, &path, root).is_err());
        for other in 0..size.min(64) {
            let verified = tree::verify_inclusion(leaf, other, size, &path, root).is_ok();
            prop_assert_eq!(verified, other == index, "index {}", other);
        }
        for path in altered(&path, &mut rng) {
            prop_assert!(tree::verify_inclusion(leaf, index, size, &path, root).is_err());
        }
        // Another size must be of another depth to be refused by the path alone; its own root differs in any case.
        prop_assert!(tree::verify_inclusion(leaf, index, size * 2 + 2, &path, root).is_err());
        prop_assert_eq!(tree::inclusion(&forest, size, size), None);
        prop_assert_eq!(tree::inclusion(&forest, index, size * 2 + 2), None);
    }

    #[test]
    fn a_consistency_proof_verifies_and_nothing_near_it_does(to in 1u64..400, at: u64, seed: u64) {
        let (all, mut rng) = (leaves(to), Rng::new(seed));
        let (forest, from) = (Forest::over(&all), 1 + at % to);
        let (old, new) = (&naive_root(&all[..from as usize]), &naive_root(&all));
        let path = tree::consistency(&forest, from, to).unwrap();
        prop_assert_eq!(&path, &naive_consistency(from as usize, &all, true));
        prop_assert!(tree::verify_consistency(from, old, to, new, &path).is_ok());
        prop_assert_eq!(tree::root_from_consistency(from, old, to, &path), Ok(*new));

        prop_assert!(tree::verify_consistency(from, &flipped(old), to, new, &path).is_err());
        prop_assert!(tree::verify_consistency(from, old, to, &flipped(new), &path).is_err());
        for path in altered(&path, &mut rng) {
            prop_assert!(tree::verify_consistency(from, old, to, new, &path).is_err());
        }
        for other in (0..=to).filter(|other| *other != from) {
            prop_assert!(tree::verify_consistency(other, old, to, new, &path).is_err(), "from {}", other);
        }
        prop_assert!(tree::verify_consistency(from, old, to * 2 + 1, new, &path).is_err());
        prop_assert!(tree::verify_consistency(to + 1, new, to, old, &path).is_err());
        prop_assert_eq!(tree::consistency(&forest, to + 1, to), None);
    }

    #[test]
    fn the_path_of_the_very_next_leaf_yields_the_consistency_proof(size in 1u64..400, at: u64, seed: u64) {
        let (all, mut rng) = (leaves(size), Rng::new(seed));
        let (forest, held) = (Forest::over(&all), at % size);
        let before = tree::compact_at(&forest, held).unwrap();
        let leaf = &all[held as usize];
        let path = tree::inclusion(&forest, held, size).unwrap();

        let (root, after, proof) = tree::consistency_from_inclusion(&before, leaf, size, &path).unwrap();
        prop_assert_eq!(root, naive_root(&all));
        prop_assert_eq!(&after, &tree::compact_at(&forest, held + 1).unwrap());
        prop_assert_eq!(&proof, &tree::consistency(&forest, held + 1, size).unwrap());

        // From another tree of the same size the path shows another past, unless there is none.
        if held > 0 {
            let mut other = all[..held as usize].to_vec();
            let changed = rng.below(held) as usize;
            other[changed] = flipped(&other[changed]);
            let elsewhere = Forest::over(&other).compact;
            prop_assert!(tree::consistency_from_inclusion(&elsewhere, leaf, size, &path)
                .map_or(true, |(_, _, proof)| proof.is_empty() && held + 1 == size));
        }
        for altered in altered(&path, &mut rng) {
            // What an altered path leads to is another root, which no checkpoint signs; or it leads nowhere.
            let led = tree::consistency_from_inclusion(&before, leaf, size, &altered);
            prop_assert!(led.map_or(true, |(other, _, _)| other != root));
        }
    }
}

#[test]
fn nothing_is_shown_from_the_empty_tree() {
    let all = leaves(5);
    let (root, empty) = (naive_root(&all), tree::empty_root());
    assert_eq!(empty.to_string(), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    assert!(tree::verify_consistency(0, &empty, 5, &root, &[]).is_ok());
    assert!(tree::verify_consistency(0, &root, 5, &root, &[]).is_err());
    assert!(tree::verify_consistency(0, &empty, 5, &root, &[root]).is_err());
    assert!(tree::root_from_consistency(0, &empty, 5, &[]).is_err());
    assert!(tree::verify_consistency(0, &empty, 0, &empty, &[]).is_ok());
}

#[test]
fn the_largest_sizes_neither_verify_nor_overflow() {
    let hash = Digest([1; 32]);
    let long = vec![hash; 66];
    for size in [u64::MAX, u64::MAX - 1, 1 << 63, (1 << 63) + 1] {
        assert!(tree::root_from_inclusion(&hash, size - 1, size, &long).is_err());
        assert!(tree::root_from_inclusion(&hash, 0, size, &long[..3]).is_err());
        assert!(tree::root_from_consistency(1, &hash, size, &long).is_err());
        assert!(tree::root_from_consistency(size - 1, &hash, size, &long[..5]).is_err());
    }
}

#[test]
fn whoever_holds_the_middle_makes_the_same_proof_as_whoever_holds_all() {
    let leaves: Vec<Digest> = (0..70u64).map(|leaf| tree::leaf_hash(&leaf.to_be_bytes())).collect();
    for to in 1..=70u64 {
        let all = Forest::over(&leaves[..to as usize]);
        for held in 1..=to {
            let some = Forest::over(&leaves[..held as usize]);
            let onward = tree::consistency(&all, held, to).unwrap();
            for from in 0..=held {
                let made = tree::consistency_beyond(&some, from, held, to, &onward);
                assert_eq!(made, tree::consistency(&all, from, to), "{from} {held} {to}");
            }
        }
    }
}
