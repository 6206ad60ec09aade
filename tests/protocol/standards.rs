//! Code that is not ours checks us: `signed_note` our notes, `tlog_tiles` our checkpoints, proofs and tiles.
//!
//! What we write they accept, what was altered they refuse; so nobody has to take our own verifier's word.

use std::collections::BTreeMap;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use proto::charter::Charter;
use proto::checkpoint::{Checkpoint, SignedCheckpoint};
use proto::digest::Digest;
use proto::key::SecretKey;
use proto::note;
use proto::proof::TlogProof;
use proto::tile::Tile;
use proto::tree;
use signed_note::{Note, StandardSigner, StandardVerifier, VerifierList};
use tlog_tiles::{Hash, HashReader, TileHashReader, TileReader};

use crate::world::{Forest, charter, key, parliaments, unsigned_charter};

/// Sizes around every corner of a tree: powers of two, their neighbours, and more than one tile.
const SIZES: [u64; 14] = [1, 2, 3, 4, 5, 7, 8, 9, 31, 64, 100, 255, 256, 600];

fn forest(size: u64) -> (Forest, Vec<Digest>) {
    let leaves: Vec<Digest> = (0..size).map(|index| tree::leaf_hash(format!("entry {index}").as_bytes())).collect();
    (Forest::over(&leaves), leaves)
}

fn hash(digest: &Digest) -> Hash {
    Hash(*digest.as_bytes())
}

fn path(digests: &[Digest]) -> Vec<Hash> {
    digests.iter().map(hash).collect()
}

fn flipped(mut hash: Hash) -> Hash {
    hash.0[17] ^= 1;
    hash
}

/// Each way to alter one hash of a path.
fn altered(path: &[Hash]) -> Vec<Vec<Hash>> {
    let alter = |at: usize| {
        let mut path = path.to_vec();
        path[at] = flipped(path[at]);
        path
    };
    (0..path.len()).map(alter).collect()
}

fn signed() -> (SignedCheckpoint, Forest, Vec<Digest>, SecretKey) {
    let (forest, leaves) = forest(40);
    let desk = key(2);
    let federation = charter(&parliaments(2)).id();
    let checkpoint = Checkpoint { federation, log: desk.public(), size: 40, root: forest.compact.root() };
    (checkpoint.sign(&desk).unwrap(), forest, leaves, desk)
}

/// What a stranger makes of a checkpoint: its size and root, if the signature holds.
fn stranger_reads(bytes: &[u8], origin: &str, desk: &SecretKey) -> Option<(u64, Hash)> {
    let verifier = StandardVerifier::new(&note::vkey(origin, &desk.public())).unwrap();
    let note = Note::from_bytes(bytes).ok()?;
    note.verify(&VerifierList::new(vec![Box::new(verifier)])).ok()?;
    let checkpoint = tlog_tiles::Checkpoint::from_bytes(note.text()).ok()?;
    (checkpoint.origin() == origin && checkpoint.extension().is_empty())
        .then(|| (checkpoint.size(), *checkpoint.hash()))
}

#[test]
fn a_stranger_accepts_our_checkpoint_and_refuses_it_with_any_byte_altered() {
    let (checkpoint, forest, _, desk) = signed();
    let origin = checkpoint.checkpoint().origin();
    let read = stranger_reads(checkpoint.as_bytes(), &origin, &desk).unwrap();
    assert!(read == (40, hash(&forest.compact.root())));

    let federation = checkpoint.checkpoint().federation;
    for at in 0..checkpoint.as_bytes().len() {
        let mut bytes = checkpoint.as_bytes().to_vec();
        bytes[at] ^= 1;
        assert!(stranger_reads(&bytes, &origin, &desk).is_none(), "byte {at} altered, a stranger accepts");
        assert!(SignedCheckpoint::verify(&bytes, &federation).is_err(), "byte {at} altered, we accept");
    }
}

#[test]
fn a_stranger_finds_every_founders_signature_on_the_charter_and_can_sign_one_for_us() {
    let founders = parliaments(3);
    let signed = charter(&founders).to_bytes();
    for founder in &founders {
        let vkey = note::vkey(&format!("comity/{}", founder.code), &founder.identity.public());
        let known = VerifierList::new(vec![Box::new(StandardVerifier::new(&vkey).unwrap())]);
        let (verified, unknown) = Note::from_bytes(&signed).unwrap().verify(&known).unwrap();
        assert_eq!((verified.len(), unknown.len()), (1, 2));
    }

    let unsigned = unsigned_charter(&founders).to_bytes();
    let text = unsigned.strip_suffix(b"\n").unwrap();
    let mut note = Note::new(text, &[]).unwrap();
    for founder in &founders {
        let name = format!("comity/{}", founder.code);
        let blob = [&[1u8], founder.identity.seed().as_slice()].concat();
        let id = note::key_id(&name, &founder.identity.public());
        let skey = format!("PRIVATE+KEY+{name}+{id:08x}+{}", STANDARD.encode(blob));
        note.add_sigs(&[&StandardSigner::new(&skey).unwrap()]).unwrap();
    }
    assert_eq!(Charter::verify(&note.to_bytes()).unwrap().id(), charter(&founders).id());
}

#[test]
fn a_stranger_accepts_our_inclusion_proofs_and_refuses_altered_ones() {
    for size in SIZES {
        let (forest, leaves) = forest(size);
        let root = hash(&forest.compact.root());
        for index in (0..size).step_by(1 + size as usize / 16) {
            let leaf = hash(&leaves[index as usize]);
            let proof = path(&tree::inclusion(&forest, index, size).unwrap());
            let check = |proof: &Vec<Hash>, size, root, index, leaf| {
                tlog_tiles::check_record(proof, size, root, index, leaf).is_ok()
            };
            assert!(check(&proof, size, root, index, leaf), "leaf {index} of {size}");
            assert!(!check(&proof, size, flipped(root), index, leaf));
            assert!(!check(&proof, size, root, index, flipped(leaf)));
            assert!(!check(&proof, size, root, index ^ 1, leaf));
            assert!(!check(&proof, size * 2 + 1, root, index, leaf));
            assert!(altered(&proof).iter().all(|proof| !check(proof, size, root, index, leaf)));
        }
    }
}

#[test]
fn a_stranger_accepts_our_consistency_proofs_and_refuses_altered_ones() {
    for size in SIZES {
        let (forest, _) = forest(size);
        let root = hash(&forest.compact.root());
        for from in (1..=size).step_by(1 + size as usize / 16) {
            let old = hash(&tree::root_at(&forest, from).unwrap());
            let proof = path(&tree::consistency(&forest, from, size).unwrap());
            let check =
                |proof: &Vec<Hash>, size, root, from, old| tlog_tiles::check_tree(proof, size, root, from, old).is_ok();
            assert!(check(&proof, size, root, from, old), "from {from} to {size}");
            assert!(!check(&proof, size, flipped(root), from, old));
            assert!(!check(&proof, size, root, from, flipped(old)));
            assert!(!check(&proof, size * 2 + 1, root, from, old));
            assert!(altered(&proof).iter().all(|proof| !check(proof, size, root, from, old)));
        }
    }
}

/// Our tiles under their paths, as a plain file server would show them.
struct Folder(BTreeMap<String, Vec<u8>>);

impl TileReader for Folder {
    fn height(&self) -> u8 {
        8
    }

    fn read_tiles(&self, tiles: &[tlog_tiles::Tile]) -> Result<Vec<Vec<u8>>, tlog_tiles::Error> {
        // C2SP fixes the height at 8 and leaves it out of the path; the crate's older form names it.
        let path = |tile: &tlog_tiles::Tile| tile.path().replacen("tile/8/", "tile/", 1);
        tiles.iter().map(|tile| self.0.get(&path(tile)).cloned().ok_or(tlog_tiles::Error::InvalidTile)).collect()
    }

    fn save_tiles(&self, _: &[tlog_tiles::Tile], _: &[Vec<u8>]) {}
}

#[test]
fn a_stranger_reads_the_whole_tree_from_our_tiles_and_notices_an_altered_one() {
    for size in [1, 255, 256, 257, 600] {
        let (forest, leaves) = forest(size);
        let root = hash(&forest.compact.root());
        let tiles = Tile::all(size);
        let expected = tlog_tiles::Tile::new_tiles(8, 0, size);
        let folder =
            |tiles: &[Tile]| Folder(tiles.iter().map(|tile| (tile.path(), tile.bytes(&forest).unwrap())).collect());
        let paths: Vec<String> = expected.iter().map(|tile| tile.path().replacen("tile/8/", "tile/", 1)).collect();
        assert_eq!(tiles.iter().map(Tile::path).collect::<Vec<_>>(), paths);

        let whole = folder(&tiles);
        let indexes: Vec<u64> = (0..size).map(|index| tlog_tiles::stored_hash_index(0, index)).collect();
        let read = TileHashReader::new(size, root, &whole).read_hashes(&indexes).unwrap();
        assert!(read == path(&leaves));
        for tile in whole.0.keys() {
            let mut altered = Folder(whole.0.clone());
            altered.0.get_mut(tile).unwrap()[0] ^= 1;
            let noticed = match TileHashReader::new(size, root, &altered).read_hashes(&indexes) {
                Err(_) => true,
                // Where several peaks share a tile, the crate leaves as many full tiles for its caller to check.
                Ok(read) => {
                    let read: Vec<Digest> = read.iter().map(|hash| Digest(hash.0)).collect();
                    Forest::over(&read).compact.root() != forest.compact.root()
                }
            };
            assert!(noticed, "{tile} of {size}");
        }
        assert!(TileHashReader::new(size, flipped(root), &whole).read_hashes(&indexes).is_err());
    }
}

#[test]
fn the_path_of_a_tile_far_out_is_what_the_standard_says() {
    let ours = Tile { level: 1, index: 1_234_067, width: 5 }.path();
    assert_eq!(ours, "tile/1/x001/x234/067.p/5");
    assert_eq!(ours, tlog_tiles::Tile::new(8, 1, 1_234_067, 5, false).path().replacen("tile/8/", "tile/", 1));
}

#[test]
fn a_tlog_proof_convinces_with_nothing_but_the_logs_key_and_an_altered_one_does_not() {
    let (checkpoint, forest, leaves, desk) = signed();
    let federation = checkpoint.checkpoint().federation;
    let path_of_12 = tree::inclusion(&forest, 12, 40).unwrap();
    let proof = TlogProof { index: 12, path: path_of_12, checkpoint: checkpoint.as_bytes().to_vec() };
    let text = proof.to_text();
    assert_eq!(TlogProof::parse(&text).unwrap(), proof);
    assert_eq!(*proof.verify(&leaves[12], &federation).unwrap().log(), desk.public());

    // The stranger takes the text apart with its own tools.
    let (head, note) = text.split_once("\n\n").unwrap();
    let mut lines = head.lines().skip(2);
    let hashes: Vec<Hash> = lines.by_ref().map(|line| Hash::parse_hash(line).unwrap()).collect();
    let (size, root) = stranger_reads(note.as_bytes(), &checkpoint.checkpoint().origin(), &desk).unwrap();
    tlog_tiles::check_record(&hashes, size, root, 12, hash(&leaves[12])).unwrap();

    assert!(proof.verify(&leaves[13], &federation).is_err());
    for at in 0..text.len() {
        let mut bytes = text.clone().into_bytes();
        bytes[at] ^= 1;
        let Ok(altered) = String::from_utf8(bytes) else { continue };
        let accepted = TlogProof::parse(&altered).is_ok_and(|proof| proof.verify(&leaves[12], &federation).is_ok());
        assert!(!accepted, "byte {at} altered");
    }
}
