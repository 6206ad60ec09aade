//! Every number all nodes of a federation must agree on, with its unit and its reason.

/// Bytes of an encoded entry. An entry is a small header; its body carries the text.
pub const ENTRY_BYTES_MAX: usize = 512;
/// Bytes of an uncompressed body: a long law summary is 60 KiB; four times that leaves room for every script.
pub const BODY_BYTES_MAX: usize = 256 * 1024;
/// Bytes of a body as a zstd frame: incompressible text grows by a few bytes a block, never by 1 KiB.
pub const FRAME_BYTES_MAX: usize = BODY_BYTES_MAX + 1024;
/// Base-two logarithm of the window a zstd frame may ask a receiver to hold: 1 MiB.
pub const FRAME_WINDOW_LOG_MAX: u32 = 20;
/// Bytes of a charter or an edition: 800 members at 320 bytes a line.
pub const CHARTER_BYTES_MAX: usize = 256 * 1024;
/// Entries after which a governance log ends, on all replicas alike; rotation is the way on.
pub const GOVERNANCE_ENTRIES_MAX: u64 = 4096;
/// Bytes of uncompressed bodies after which a governance log ends, on all replicas alike.
pub const GOVERNANCE_BODY_BYTES_MAX: u64 = 16 * 1024 * 1024;
/// Desks a member may have unrevoked at once; a delegation beyond is void for good.
pub const DESKS_MAX: usize = 16;
/// Bytes of one gossip message.
pub const GOSSIP_BYTES_MAX: usize = 64 * 1024;
/// Entries of one batch that are announced one by one; a larger batch announces its checkpoint only.
pub const GOSSIP_BATCH_MAX: usize = 16;
/// Bytes of one sync message: a chunk of the largest bodies plus its entries and proofs.
pub const SYNC_BYTES_MAX: usize = 4 * 1024 * 1024;
/// Bytes of entries and bodies after which a sender closes a chunk; big enough to amortise a signature, small enough to resume.
pub const CHUNK_BYTES: usize = 1024 * 1024;
/// Entries of one chunk: bounds what a receiver must hold before it can verify.
pub const CHUNK_ENTRIES_MAX: usize = 1024;
/// Parts of one sync message at all depths: rows, leaves, hashes, indexes. A part of two bytes on the wire becomes one of 64 in
/// memory, so they are counted before anything is made of them. A frontier has the most: rows, editions and forks.
pub const SYNC_PARTS_MAX: usize = 3 * FRONTIER_ROWS_MAX;
/// Rows of a frontier: 400 members with their governance logs and desks, rotated and revoked ones included.
pub const FRONTIER_ROWS_MAX: usize = 16_384;
/// Bodies asked for in one message.
pub const WANT_BODIES_MAX: usize = 256;
/// Editions asked for in one message: each may be as long as a charter and bear a line and a key for every signer.
pub const EDITIONS_ASKED_MAX: usize = 8;
/// Questions by which a caller may search where branches part, in one sync: eight levels of tiles and two branches are ten for
/// one log, and more logs than a hundred are not forked at once.
pub const SPLIT_QUESTIONS_MAX: usize = 1024;
/// Branches of one contested log that are told apart: two, or a few more where a thief goes on; a member chooses among them.
pub const BRANCHES_MAX: usize = 8;
/// Bytes of one question of a sync: the largest is a frontier of 16,384 rows at 82 bytes, with as many editions and forks.
pub const QUESTION_BYTES_MAX: usize = 3 * 1024 * 1024;
/// Addresses a node publishes of itself.
pub const ADDRESSES_MAX: usize = 8;
/// Bytes of one address.
pub const ADDRESS_BYTES_MAX: usize = 256;
/// Random bytes in every body, so that the digest of an erased short text cannot be guessed.
pub const SALT_BYTES: usize = 16;
/// Bytes of a signed checkpoint: three lines of at most 150 bytes and one signature line.
pub const CHECKPOINT_BYTES_MAX: usize = 512;
/// Characters of a member's code in the IPU Parline pattern.
pub const CODE_CHARS_MAX: usize = 12;
/// Characters of a slug.
pub const SLUG_CHARS_MAX: usize = 80;
/// Characters of a title.
pub const TITLE_CHARS_MAX: usize = 300;
/// Items of any list in a publication.
pub const LIST_ITEMS_MAX: usize = 64;
/// Characters of a reason that pages show beside what was erased; a longer one is cut.
pub const REASON_CHARS_MAX: usize = 1000;
/// Erasures of one member whose entries have not come: its desks' logs arrive in any order, and honest ones wait for few.
pub const AWAITED_ERASURES_MAX: usize = 4096;
