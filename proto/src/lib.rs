//! The Comity protocol: pure, deterministic, and small enough to audit. No socket, disk, clock, random source or task.
//!
//! Read in this order. A **log** is the append-only record of one key: [`entry`] is one leaf of it, [`body`] what the leaf
//! says, [`tree`] the RFC 6962 tree over the leaves, [`note`] and [`checkpoint`] what its key signs, [`proof`] what shows a
//! stranger that a leaf is in it, [`log`] how a run of leaves is verified and joined to what is held. A **federation** is the
//! members that share one [`charter`]: [`member`] is a line of it, [`edition`] the next numbered list, [`editions`] the tree of
//! them all. [`standing`] says which keys may speak: [`line`] for one line of editions, [`chain`] for one member in it; and
//! [`work`] what their documents come to. Between peers, a [`frontier`] says what one has, [`message`] what they send, [`session`]
//! how a sync goes for its caller and [`serve`] for the called, out of its [`archive`]. Where one key signed two trees, [`split`]
//! finds where they part, [`fork`] proves it, and [`rewind`] sets aside what is not on the branch of a cut. A replica can do without bodies that were erased ([`erasure`]) or
//! that its operator denies ([`policy`]). At the center stands the [`replica`]: one input in, its effects out.
//!
//! The words are those of the glossary in `proto/README.md`; every number all nodes must agree on is in [`limits`].

pub mod archive;
pub mod body;
pub mod chain;
pub mod charter;
pub mod checkpoint;
pub mod digest;
pub mod edition;
pub mod editions;
pub mod entry;
pub mod erasure;
pub mod fork;
pub mod frontier;
pub mod key;
pub mod limits;
pub mod line;
pub mod log;
pub mod look;
pub mod member;
pub mod message;
pub mod note;
pub mod policy;
pub mod proof;
pub mod replica;
pub mod rewind;
pub mod schema;
pub mod serve;
pub mod session;
pub mod split;
pub mod standing;
pub mod tile;
pub mod tree;
pub mod work;
