//! Plain files of framed records: the truth from which everything else a node keeps can be rebuilt.
//!
//! A segment is `segments/00000001.seg`: 12 bytes of header, then frames. A frame is 32 bytes of header (little-endian: mark,
//! kind, payload length, local arrival number and time, CRC32C of the payload, CRC32C of the header itself) and the payload.
//! Nothing in a file is ever changed but its torn tail, which opening cuts back to the last frame that ends something whole, and
//! the frame of an erased body, which is overwritten by another of its length.
//! What the payloads mean is the store's affair (`store.rs`); here are only frames, places, damage and fsync.

use std::fs::{self, File, OpenOptions};
use std::io::{self, BufReader, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use std::collections::{BTreeMap, BTreeSet};

use thiserror::Error;

/// Bytes after which a new segment begins: small enough to copy, check and scan at every start.
pub const SEGMENT_BYTES_MAX: u64 = 64 * 1024 * 1024;
/// Bytes of one payload: four times the largest body.
pub const PAYLOAD_BYTES_MAX: usize = 1024 * 1024;
/// Bytes gathered before they are handed to the system; a sync hands over the rest.
const BUFFER_BYTES: usize = 256 * 1024;
/// Segment files kept open for reading at once: 4 GiB of records without reopening.
const OPEN_FILES_MAX: usize = 64;

const FILE_MARK: &[u8; 8] = b"COMITYSG";
const FILE_VERSION: u32 = 1;
const FILE_HEADER: u64 = 12;
/// A version beyond is no version but damage.
const VERSION_MAX: u32 = 1_000;
const FRAME_MARK: [u8; 2] = [0xc0, 0x4d];
/// Bytes of a frame without its payload.
pub const FRAME_HEADER: usize = 32;

/// Why segments cannot be read or written.
#[derive(Debug, Error)]
pub enum SegmentError {
    /// The system refused.
    #[error("{path}: {source}{}", hint(source))]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A frame is not what was written.
    #[error(
        "segment {segment} is damaged at offset {offset}; start the node again, and what was there is fetched from a peer"
    )]
    Damaged {
        /// The segment's number.
        segment: u32,
        /// Where in the file.
        offset: u32,
    },
    /// A file that is no segment stands where one belongs.
    #[error("{0} is no segment that this program can read; move it away, or start the newer program that wrote it")]
    NotASegment(PathBuf),
    /// An earlier write failed, so nothing more is written: what the disk holds is known only after a new start.
    #[error("an earlier write to the segments failed; stop, see to the disk, and start again")]
    Poisoned,
    /// The caller handed over more than a frame may hold.
    #[error("a record of {0} bytes is over the limit of {PAYLOAD_BYTES_MAX}")]
    TooLong(usize),
}

fn hint(source: &io::Error) -> &'static str {
    match source.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
            "; the disk is full: free some space and start again"
        }
        io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => {
            "; make the folder writable and start again"
        }
        io::ErrorKind::NotFound => "",
        _ => "; see to the disk (`dmesg` may say more) and start again",
    }
}

/// Where a frame is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Location {
    /// The segment's number, from 1.
    pub segment: u32,
    /// Where the frame begins in the file.
    pub offset: u32,
    /// Bytes of the payload.
    pub len: u32,
}

/// A point between two frames: what is before it has been taken.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Cursor {
    /// The segment's number; 0 is before everything.
    pub segment: u32,
    /// Where the next frame begins in the file.
    pub offset: u32,
}

/// One record with what the node noted when it arrived.
#[derive(Clone, Debug)]
pub struct Frame {
    /// What it is: a number of `store::frame`.
    pub kind: u8,
    /// Which arrival it was here.
    pub arrival: u64,
    /// When it arrived here, Unix milliseconds.
    pub arrived_ms: u64,
    /// The record.
    pub payload: Vec<u8>,
    /// Where it is.
    pub at: Location,
    /// Where the next one begins.
    pub next: Cursor,
}

/// What a replay comes upon.
#[derive(Debug)]
pub enum Replayed {
    /// A sound frame.
    Frame(Frame),
    /// Bytes that are none.
    Damaged {
        /// Where they begin.
        from: Cursor,
        /// Where they end.
        to: Cursor,
        /// How many.
        bytes: u64,
    },
}

/// What opening found.
#[derive(Clone, Copy, Debug, Default)]
pub struct Opened {
    /// Bytes of an unfinished write that were cut off the last segment.
    pub cut_bytes: u64,
}

/// The one writer.
#[derive(Debug)]
pub struct Segments {
    dir: PathBuf,
    file: File,
    number: u32,
    /// Bytes of the current segment that were handed to the system.
    written: u64,
    buffer: Vec<u8>,
    /// Bytes of all earlier segments.
    earlier: u64,
    poisoned: bool,
    /// Segments in which frames were overwritten since they were made durable.
    overwritten: BTreeSet<u32>,
}

/// A read handle; cheap to clone, usable from every thread.
#[derive(Clone, Debug)]
pub struct SegmentReader {
    dir: PathBuf,
    files: Arc<Mutex<BTreeMap<u32, Arc<File>>>>,
}

impl Location {
    /// As kept in a value: three big-endian u32.
    pub fn to_bytes(&self) -> [u8; 12] {
        let mut bytes = [0; 12];
        bytes[..4].copy_from_slice(&self.segment.to_be_bytes());
        bytes[4..8].copy_from_slice(&self.offset.to_be_bytes());
        bytes[8..].copy_from_slice(&self.len.to_be_bytes());
        bytes
    }

    /// From a value.
    pub fn from_bytes(bytes: &[u8]) -> Option<Location> {
        Some(Location { segment: u32_be(bytes, 0)?, offset: u32_be(bytes, 4)?, len: u32_be(bytes, 8)? })
    }
}

impl Cursor {
    /// As kept in a value: two big-endian u32.
    pub fn to_bytes(&self) -> [u8; 8] {
        let mut bytes = [0; 8];
        bytes[..4].copy_from_slice(&self.segment.to_be_bytes());
        bytes[4..].copy_from_slice(&self.offset.to_be_bytes());
        bytes
    }

    /// From a value.
    pub fn from_bytes(bytes: &[u8]) -> Option<Cursor> {
        Some(Cursor { segment: u32_be(bytes, 0)?, offset: u32_be(bytes, 4)? })
    }
}

impl Segments {
    /// Opens or creates the segments in `dir`. The last one is cut back to the end of its last frame for which `boundary`
    /// holds: what follows was never acknowledged.
    pub fn open(dir: &Path, boundary: fn(u8) -> bool) -> Result<(Segments, Opened), SegmentError> {
        fs::create_dir_all(dir).map_err(|source| io_error(dir, source))?;
        let numbers = numbers(dir)?;
        let Some(number) = numbers.last().copied() else {
            let file = create(dir, 1)?;
            let segments = Segments {
                dir: dir.to_owned(),
                file,
                number: 1,
                written: FILE_HEADER,
                buffer: Vec::new(),
                earlier: 0,
                poisoned: false,
                overwritten: BTreeSet::new(),
            };
            return Ok((segments, Opened::default()));
        };
        let mut earlier = 0;
        for number in numbers.iter().filter(|other| **other != number) {
            let path = path(dir, *number);
            earlier += fs::metadata(&path).map_err(|source| io_error(&path, source))?.len();
        }
        let path = path(dir, number);
        let len = fs::metadata(&path).map_err(|source| io_error(&path, source))?.len();
        if len < FILE_HEADER {
            // A crash between creating the file and writing its header.
            let file = create(dir, number)?;
            let segments = Segments {
                dir: dir.to_owned(),
                file,
                number,
                written: FILE_HEADER,
                buffer: Vec::new(),
                earlier,
                poisoned: false,
                overwritten: BTreeSet::new(),
            };
            return Ok((segments, Opened { cut_bytes: len }));
        }
        settle(&path).map_err(|source| io_error(&path, source))?;
        let (end, sound_head) = last_boundary(dir, number, boundary)?;
        if !sound_head && end == FILE_HEADER {
            return Err(SegmentError::NotASegment(path)); // nothing in it says that it is ours to cut
        }
        let file = OpenOptions::new().append(true).open(&path).map_err(|source| io_error(&path, source))?;
        if end < len {
            let cut = file.set_len(end).and_then(|()| file.sync_all());
            cut.map_err(|source| io_error(&path, source))?;
        }
        let segments = Segments {
            dir: dir.to_owned(),
            file,
            number,
            written: end,
            buffer: Vec::new(),
            earlier,
            poisoned: false,
            overwritten: BTreeSet::new(),
        };
        Ok((segments, Opened { cut_bytes: len - end }))
    }

    /// Appends a frame. It is durable after [`Segments::sync`], not before.
    pub fn append(
        &mut self,
        kind: u8,
        arrival: u64,
        arrived_ms: u64,
        payload: &[u8],
    ) -> Result<Location, SegmentError> {
        if payload.len() > PAYLOAD_BYTES_MAX {
            return Err(SegmentError::TooLong(payload.len()));
        }
        self.usable()?;
        let bytes = (FRAME_HEADER + payload.len()) as u64;
        if self.offset() + bytes > SEGMENT_BYTES_MAX {
            self.next_segment()?;
        }
        let at = Location { segment: self.number, offset: self.offset() as u32, len: payload.len() as u32 };
        self.buffer.extend_from_slice(&header(kind, arrival, arrived_ms, payload));
        self.buffer.extend_from_slice(payload);
        if self.buffer.len() >= BUFFER_BYTES {
            self.hand_over()?;
        }
        Ok(at)
    }

    /// Makes everything appended durable. After an error nothing more is written: the kernel may have dropped the pages.
    pub fn sync(&mut self) -> Result<(), SegmentError> {
        self.usable()?;
        self.hand_over()?;
        let synced = self.file.sync_data();
        self.poisoned = synced.is_err();
        synced.map_err(|source| io_error(&path(&self.dir, self.number), source))
    }

    /// Writes a frame in the place of another of the same length; it is durable after [`Segments::sync_overwritten`]. A frame that stands there and is none of those that
    /// `replaces` says (by kind and payload) stays; so do bytes that are no frame, unless one may end where that one ended.
    pub fn overwrite(&mut self, frame: &Frame, replaces: impl FnOnce(u8, &[u8]) -> bool) -> Result<(), SegmentError> {
        self.usable()?;
        let Location { segment, offset, len } = frame.at;
        match SegmentReader::new(&self.dir).read_frame(&frame.at) {
            Ok(there) if replaces(there.kind, &there.payload) => {}
            Err(SegmentError::Damaged { .. }) if self.may_begin(segment, u64::from(offset) + size(len))? => {}
            Ok(_) | Err(SegmentError::Damaged { .. }) => return Ok(()),
            Err(error) => return Err(error),
        }
        let mut bytes = header(frame.kind, frame.arrival, frame.arrived_ms, &frame.payload).to_vec();
        bytes.extend_from_slice(&frame.payload);
        let path = path(&self.dir, segment);
        let write = || -> io::Result<()> {
            // Not by the descriptor that appends: Linux would append this too.
            let file = OpenOptions::new().write(true).open(&path)?;
            file.write_all_at(&bytes, u64::from(offset))
        };
        if bytes.len() as u64 != size(len) {
            return Err(SegmentError::Damaged { segment, offset });
        }
        let written = write();
        self.poisoned = written.is_err();
        written.map_err(|source| io_error(&path, source))?;
        self.overwritten.insert(segment);
        Ok(())
    }

    /// Makes everything overwritten durable.
    pub fn sync_overwritten(&mut self) -> Result<(), SegmentError> {
        for segment in std::mem::take(&mut self.overwritten) {
            let path = path(&self.dir, segment);
            let synced = File::open(&path).and_then(|file| file.sync_data());
            self.poisoned |= synced.is_err();
            synced.map_err(|source| io_error(&path, source))?;
        }
        Ok(())
    }

    /// Whether a frame begins there, or the file ends.
    fn may_begin(&self, segment: u32, offset: u64) -> Result<bool, SegmentError> {
        let path = path(&self.dir, segment);
        let look = || -> io::Result<bool> {
            let mut file = File::open(&path)?;
            file.seek(SeekFrom::Start(offset))?;
            let mut head = [0; FRAME_HEADER];
            let got = read_up_to(&mut file, &mut head)?;
            Ok(got == 0 && file.metadata()?.len() == offset || got == FRAME_HEADER && payload_len(&head).is_some())
        };
        look().map_err(|source| io_error(&path, source))
    }

    /// Where the next frame will begin if it has so many bytes with its header.
    pub fn next(&self, bytes: usize) -> Cursor {
        if self.offset() + bytes as u64 > SEGMENT_BYTES_MAX {
            return Cursor { segment: self.number + 1, offset: FILE_HEADER as u32 };
        }
        self.end()
    }

    /// Where the next frame will begin.
    pub fn end(&self) -> Cursor {
        Cursor { segment: self.number, offset: self.offset() as u32 }
    }

    /// Bytes of all segments.
    pub fn bytes(&self) -> u64 {
        self.earlier + self.offset()
    }

    /// A read handle. It sees what was synced.
    pub fn reader(&self) -> SegmentReader {
        SegmentReader::new(&self.dir)
    }

    fn offset(&self) -> u64 {
        self.written + self.buffer.len() as u64
    }

    fn usable(&self) -> Result<(), SegmentError> {
        if self.poisoned { Err(SegmentError::Poisoned) } else { Ok(()) }
    }

    fn hand_over(&mut self) -> Result<(), SegmentError> {
        let written = self.file.write_all(&self.buffer);
        self.poisoned = written.is_err();
        written.map_err(|source| io_error(&path(&self.dir, self.number), source))?;
        self.written += self.buffer.len() as u64;
        self.buffer.clear();
        Ok(())
    }

    /// The old segment is durable before the new one exists, so only the last can have a torn tail.
    fn next_segment(&mut self) -> Result<(), SegmentError> {
        self.sync()?;
        self.earlier += self.written;
        self.number += 1;
        let created = create(&self.dir, self.number);
        self.poisoned = created.is_err();
        self.file = created?;
        self.written = FILE_HEADER;
        Ok(())
    }
}

impl SegmentReader {
    /// Reads the segments in `dir`, whoever writes them.
    pub fn new(dir: &Path) -> SegmentReader {
        SegmentReader { dir: dir.to_owned(), files: Arc::default() }
    }

    /// The payload of a frame, checked against its CRC.
    pub fn read(&self, at: &Location) -> Result<Vec<u8>, SegmentError> {
        Ok(self.read_frame(at)?.payload)
    }

    /// A frame, checked against its CRCs.
    pub fn read_frame(&self, at: &Location) -> Result<Frame, SegmentError> {
        let damaged = || SegmentError::Damaged { segment: at.segment, offset: at.offset };
        if at.len as usize > PAYLOAD_BYTES_MAX {
            return Err(damaged());
        }
        let file = self.file(at.segment)?;
        let mut bytes = vec![0; FRAME_HEADER + at.len as usize];
        match file.read_exact_at(&mut bytes, u64::from(at.offset)) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Err(damaged()),
            Err(source) => return Err(io_error(&path(&self.dir, at.segment), source)),
        }
        parse(&bytes, at.segment, at.offset).filter(|frame| frame.at.len == at.len).ok_or_else(damaged)
    }

    /// Whether what was found damaged still is: beside a writer it may have been overwritten at that very moment.
    pub fn is_damaged(&self, from: Cursor, bytes: u64) -> Result<bool, SegmentError> {
        let to = Cursor { offset: (u64::from(from.offset) + bytes) as u32, ..from };
        for item in self.replay(from, Some(to)) {
            if matches!(item?, Replayed::Damaged { .. }) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Every frame in `[from, to)`, in order, stepping over what is damaged.
    pub fn replay(&self, from: Cursor, to: Option<Cursor>) -> Replay {
        Replay { dir: self.dir.clone(), at: from, to, file: None, failed: false }
    }

    fn file(&self, segment: u32) -> Result<Arc<File>, SegmentError> {
        let mut files = self.files.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(file) = files.get(&segment) {
            return Ok(file.clone());
        }
        let path = path(&self.dir, segment);
        let file = Arc::new(File::open(&path).map_err(|source| io_error(&path, source))?);
        if files.len() >= OPEN_FILES_MAX {
            files.pop_first();
        }
        files.insert(segment, file.clone());
        Ok(file)
    }
}

/// The iterator of [`SegmentReader::replay`].
#[derive(Debug)]
pub struct Replay {
    dir: PathBuf,
    at: Cursor,
    to: Option<Cursor>,
    file: Option<BufReader<File>>,
    failed: bool,
}

/// Where opening a file brings a replay.
enum At {
    Frames,
    DamagedHeader,
    End,
}

impl Iterator for Replay {
    type Item = Result<Replayed, SegmentError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.failed {
            return None;
        }
        let item = self.step().transpose();
        self.failed = matches!(item, Some(Err(_)));
        item
    }
}

impl Replay {
    fn step(&mut self) -> Result<Option<Replayed>, SegmentError> {
        loop {
            if self.to.is_some_and(|to| self.at >= to) {
                return Ok(None);
            }
            if self.file.is_none() {
                match self.open()? {
                    At::End => return Ok(None),
                    At::Frames => {}
                    At::DamagedHeader => {
                        let from = Cursor { offset: 0, ..self.at };
                        return Ok(Some(Replayed::Damaged { from, to: self.at, bytes: FILE_HEADER }));
                    }
                }
            }
            let Some(file) = self.file.as_mut() else { return Ok(None) };
            let mut bytes = vec![0; FRAME_HEADER];
            let path = path(&self.dir, self.at.segment);
            let got = read_up_to(file, &mut bytes).map_err(|source| io_error(&path, source))?;
            if got == 0 {
                self.file = None;
                self.at = Cursor { segment: self.at.segment + 1, offset: 0 };
                continue;
            }
            if got == FRAME_HEADER
                && let Some(len) = payload_len(&bytes)
            {
                bytes.resize(FRAME_HEADER + len, 0);
                let rest = bytes.get_mut(FRAME_HEADER..).unwrap_or_default();
                read_up_to(file, rest).map_err(|source| io_error(&path, source))?;
                if let Some(frame) = parse(&bytes, self.at.segment, self.at.offset) {
                    self.at = frame.next;
                    return Ok(Some(Replayed::Frame(frame)));
                }
            }
            return self.step_over(&path).map(Some);
        }
    }

    /// Opens the segment at the cursor, or the next one there is.
    fn open(&mut self) -> Result<At, SegmentError> {
        let Some(number) = numbers(&self.dir)?.into_iter().find(|number| *number >= self.at.segment) else {
            return Ok(At::End);
        };
        if number > self.at.segment {
            self.at = Cursor { segment: number, offset: 0 };
        }
        let path = path(&self.dir, number);
        let file = File::open(&path).map_err(|source| io_error(&path, source))?;
        let len = file.metadata().map_err(|source| io_error(&path, source))?.len();
        if len > SEGMENT_BYTES_MAX + PAYLOAD_BYTES_MAX as u64 {
            return Err(SegmentError::NotASegment(path));
        }
        let mut file = BufReader::with_capacity(BUFFER_BYTES, file);
        if self.at.offset < FILE_HEADER as u32 {
            let mut head = [0; FILE_HEADER as usize];
            let got = read_up_to(&mut file, &mut head).map_err(|source| io_error(&path, source))?;
            let version = u32_le(&head, 8).unwrap_or_default();
            if got == head.len() && head[..8] == *FILE_MARK && version > FILE_VERSION && version <= VERSION_MAX {
                return Err(SegmentError::NotASegment(path));
            }
            // A file too short for a header holds nothing yet. Any other header is damage like any other: every frame
            // behind it still speaks for itself.
            let sound = got < head.len() || (head[..8] == *FILE_MARK && version == FILE_VERSION);
            self.at.offset = FILE_HEADER as u32;
            self.file = Some(file);
            return Ok(if sound { At::Frames } else { At::DamagedHeader });
        }
        file.seek(SeekFrom::Start(u64::from(self.at.offset))).map_err(|source| io_error(&path, source))?;
        self.file = Some(file);
        Ok(At::Frames)
    }

    /// Looks for the next sound frame after damage at the cursor.
    fn step_over(&mut self, path: &Path) -> Result<Replayed, SegmentError> {
        let from = self.at;
        let Some(file) = self.file.as_mut() else { return Err(SegmentError::NotASegment(path.to_owned())) };
        let mut rest = Vec::new();
        let read = file.seek(SeekFrom::Start(u64::from(from.offset))).and_then(|_| file.read_to_end(&mut rest));
        read.map_err(|source| io_error(path, source))?;
        let sound = |skip: &usize| {
            let tail = rest.get(*skip..).unwrap_or_default();
            let len = payload_len(tail).unwrap_or(usize::MAX - FRAME_HEADER);
            tail.get(..FRAME_HEADER + len).is_some_and(|bytes| parse(bytes, 0, 0).is_some())
        };
        let skip = (1..rest.len()).find(sound).unwrap_or(rest.len());
        self.at = Cursor { offset: from.offset + skip as u32, ..from };
        file.seek(SeekFrom::Start(u64::from(self.at.offset))).map_err(|source| io_error(path, source))?;
        Ok(Replayed::Damaged { from, to: self.at, bytes: skip as u64 })
    }
}

// --------------------------------------------------------------------------------------------------- bytes

fn header(kind: u8, arrival: u64, arrived_ms: u64, payload: &[u8]) -> [u8; FRAME_HEADER] {
    let mut bytes = [0; FRAME_HEADER];
    bytes[..2].copy_from_slice(&FRAME_MARK);
    bytes[2] = kind;
    bytes[4..8].copy_from_slice(&(payload.len() as u32).to_le_bytes());
    bytes[8..16].copy_from_slice(&arrival.to_le_bytes());
    bytes[16..24].copy_from_slice(&arrived_ms.to_le_bytes());
    bytes[24..28].copy_from_slice(&crc32c::crc32c(payload).to_le_bytes());
    let check = crc32c::crc32c(&bytes[..28]);
    bytes[28..].copy_from_slice(&check.to_le_bytes());
    bytes
}

/// The payload's length, if the bytes begin with a sound header.
fn payload_len(bytes: &[u8]) -> Option<usize> {
    let head: &[u8; FRAME_HEADER] = bytes.first_chunk()?;
    let sound = head[..2] == FRAME_MARK && crc32c::crc32c(&head[..28]) == u32_le(head, 28)?;
    let len = u32_le(head, 4)? as usize;
    (sound && len <= PAYLOAD_BYTES_MAX).then_some(len)
}

/// A whole frame out of exactly its bytes.
fn parse(bytes: &[u8], segment: u32, offset: u32) -> Option<Frame> {
    let len = payload_len(bytes)?;
    let payload = bytes.get(FRAME_HEADER..).filter(|payload| payload.len() == len)?;
    if crc32c::crc32c(payload) != u32_le(bytes, 24)? {
        return None;
    }
    let u64_le = |at: usize| bytes.get(at..at + 8)?.try_into().ok().map(u64::from_le_bytes);
    let (arrival, arrived_ms) = (u64_le(8)?, u64_le(16)?);
    let at = Location { segment, offset, len: len as u32 };
    let next = Cursor { segment, offset: offset + (FRAME_HEADER + len) as u32 };
    Some(Frame { kind: *bytes.get(2)?, arrival, arrived_ms, payload: payload.to_vec(), at, next })
}

/// Bytes of a frame with a payload of `len` bytes.
fn size(len: u32) -> u64 {
    FRAME_HEADER as u64 + u64::from(len)
}

fn read_up_to(file: &mut impl Read, bytes: &mut [u8]) -> io::Result<usize> {
    let mut got = 0;
    while let Some(rest) = bytes.get_mut(got..).filter(|rest| !rest.is_empty()) {
        match file.read(rest) {
            Ok(0) => break,
            Ok(read) => got += read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(got)
}

fn u32_le(bytes: &[u8], at: usize) -> Option<u32> {
    bytes.get(at..at + 4)?.try_into().ok().map(u32::from_le_bytes)
}

fn u32_be(bytes: &[u8], at: usize) -> Option<u32> {
    bytes.get(at..at + 4)?.try_into().ok().map(u32::from_be_bytes)
}

// --------------------------------------------------------------------------------------------------- files

/// A segment's file, as it can be copied beside its writer.
#[derive(Clone, Debug)]
pub struct Part {
    /// Its name in the folder of segments.
    pub name: String,
    /// Where it is.
    pub path: PathBuf,
    /// Bytes of it that end with something whole, and are durable. What follows may still be written or cut off.
    pub bytes: u64,
}

/// The segments in `dir` as they can be copied while they are written: only the last grows, and counts up to the end of its last
/// frame for which `boundary` holds. In any of them a body that is erased may be overwritten meanwhile, which changes no length. Of
/// a frame that is torn in the copy, the record of the erasure is redone when the copy is opened; where that was written too late to
/// be in the copy, the frame is damage like any other, and the body is a want.
pub fn parts(dir: &Path, boundary: fn(u8) -> bool) -> Result<Vec<Part>, SegmentError> {
    let numbers = numbers(dir)?;
    let mut parts = Vec::new();
    for number in &numbers {
        let path = path(dir, *number);
        let file = File::open(&path).map_err(|source| io_error(&path, source))?;
        let mut bytes = file.metadata().map_err(|source| io_error(&path, source))?.len();
        if Some(number) == numbers.last() {
            let (end, sound_head) = last_boundary(dir, *number, boundary)?;
            if sound_head || end > FILE_HEADER {
                bytes = end.min(bytes);
            }
            // A copy must not have what a power cut could still take from the original: it would write it anew, and otherwise.
            file.sync_all().map_err(|source| io_error(&path, source))?;
        }
        parts.push(Part { name: file_name(*number), path, bytes });
    }
    Ok(parts)
}

/// Whether a file of this name is a segment.
pub fn is_name(name: &str) -> bool {
    name.strip_suffix(".seg").and_then(|digits| digits.parse().ok()).is_some_and(|number| file_name(number) == name)
}

/// Where the last frame of a segment for which `boundary` holds ends, and whether the file begins as it should.
fn last_boundary(dir: &Path, number: u32, boundary: fn(u8) -> bool) -> Result<(u64, bool), SegmentError> {
    let (mut end, mut sound_head) = (FILE_HEADER, true);
    let next = Cursor { segment: number.saturating_add(1), offset: 0 };
    for item in SegmentReader::new(dir).replay(Cursor { segment: number, offset: 0 }, Some(next)) {
        match item? {
            Replayed::Frame(frame) if boundary(frame.kind) => end = u64::from(frame.next.offset),
            Replayed::Damaged { from, .. } if from.offset == 0 => sound_head = false,
            _ => {}
        }
    }
    Ok((end, sound_head))
}

fn path(dir: &Path, number: u32) -> PathBuf {
    dir.join(file_name(number))
}

fn file_name(number: u32) -> String {
    format!("{number:08}.seg")
}

fn numbers(dir: &Path) -> Result<Vec<u32>, SegmentError> {
    let listing = match fs::read_dir(dir) {
        Ok(listing) => listing,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(source) => return Err(io_error(dir, source)),
    };
    let mut numbers = Vec::new();
    for item in listing {
        let name = item.map_err(|source| io_error(dir, source))?.file_name();
        let digits = name.to_str().and_then(|name| name.strip_suffix(".seg"));
        let number: Option<u32> = digits.and_then(|digits| digits.parse().ok());
        numbers.extend(number);
    }
    numbers.sort_unstable();
    Ok(numbers)
}

/// Makes the disk and what we read from it agree, before a tail is believed. A process that was killed, or refused a sync,
/// left bytes that are in the page cache only: believed, they would be spoken, and a power cut could still take them.
/// Synced they are durable; and pages that a failed sync marked clean are dropped, so that what is read is what the disk has.
fn settle(path: &Path) -> io::Result<()> {
    let file = File::open(path)?;
    file.sync_all()?;
    Ok(rustix::fs::fadvise(&file, 0, None, rustix::fs::Advice::DontNeed)?)
}

fn create(dir: &Path, number: u32) -> Result<File, SegmentError> {
    let path = path(dir, number);
    let made = || -> io::Result<File> {
        File::create(&path)?;
        let mut file = OpenOptions::new().append(true).open(&path)?;
        file.write_all(FILE_MARK)?;
        file.write_all(&FILE_VERSION.to_le_bytes())?;
        file.sync_all()?;
        File::open(dir)?.sync_all()?; // else a power cut could take the name away with everything in it
        Ok(file)
    };
    made().map_err(|source| io_error(&path, source))
}

fn io_error(path: &Path, source: io::Error) -> SegmentError {
    SegmentError::Io { path: path.to_owned(), source }
}
