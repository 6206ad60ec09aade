//! Putting a backup into a new folder: everything in it is verified and durable before anything is in place, and the folder starts
//! recovering.

use std::collections::BTreeMap;
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, BufReader, BufWriter, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use tar::{Archive, EntryType};
use zeroize::Zeroizing;

use crate::backup::{
    ABOUT, ABOUT_BYTES_MAX, BackupError, CONFIG, Contents, FORMAT, Hashing, SUMS, failed, key, limit, parent,
};
use crate::config::Folder;
use crate::fence::note_doubt;

/// Puts a backup into a new or empty folder, once everything in it is verified and durable. The folder starts recovering.
pub fn restore(file: &Path, folder: &Folder) -> Result<Contents, BackupError> {
    let source = File::open(file).map_err(failed(file))?;
    let into = folder.path();
    let is_new = !into.exists();
    if !is_new && !is_empty(into)? {
        return Err(BackupError::NotEmpty(into.to_owned()));
    }
    fs::create_dir_all(into).map_err(failed(into))?;
    let restored = fill(file, source, into);
    if restored.is_err() && is_new {
        let _ = fs::remove_dir(into); // empty again; where even this fails, the error that is told says more
    }
    restored
}

fn fill(file: &Path, source: File, into: &Path) -> Result<Contents, BackupError> {
    // Inside, so that it is on the same disk whatever is mounted there; removed with all that is in it if anything fails.
    let staging = tempfile::Builder::new().prefix(".restoring-").tempdir_in(into).map_err(failed(into))?;
    let contents = unpack(file, source, staging.path())?;
    note_doubt(staging.path(), &format!("this folder was restored from a backup that was made {}", contents.made))?;
    put_in_place(staging.path(), into)?;
    Ok(contents)
}

/// Moves what was unpacked to where it belongs. What makes it a data folder comes last; after an error nothing stays.
fn put_in_place(staging: &Path, into: &Path) -> Result<(), BackupError> {
    let mut names: Vec<PathBuf> = Vec::new();
    for item in fs::read_dir(staging).map_err(failed(staging))? {
        names.push(item.map_err(failed(staging))?.file_name().into());
    }
    names.sort_by_key(|name| name.as_path() == Path::new(CONFIG));
    for (moved, name) in names.iter().enumerate() {
        let put = || {
            if name == Path::new(CONFIG) {
                File::open(into)?.sync_all()?; // the doubt above all
            }
            fs::rename(staging.join(name), into.join(name))
        };
        if let Err(source) = put() {
            for name in names.iter().take(moved) {
                let _ = fs::rename(into.join(name), staging.join(name));
            }
            return Err(failed(&into.join(name))(source));
        }
    }
    for dir in [into, parent(into)] {
        File::open(dir).and_then(|dir| dir.sync_all()).map_err(failed(dir))?;
    }
    Ok(())
}

fn is_empty(dir: &Path) -> Result<bool, BackupError> {
    for item in fs::read_dir(dir).map_err(failed(dir))? {
        // A disk of its own has this folder from the start.
        if item.map_err(failed(dir))?.file_name() != "lost+found" {
            return Ok(false);
        }
    }
    Ok(true)
}

fn unpack(file: &Path, source: File, into: &Path) -> Result<Contents, BackupError> {
    let altered = |what: String| BackupError::Altered { path: file.to_owned(), what };
    let mut contents = Contents { made: String::new(), keys: Vec::new(), segments: 0, bytes: 0 };
    let mut digests: BTreeMap<String, String> = BTreeMap::new();
    let mut sums: Option<String> = None;
    let mut archive = Archive::new(BufReader::new(source));
    // Raw: extensions that rename or link what follows are members like any other, and no backup has them.
    for entry in archive.entries().map_err(failed(file))?.raw(true) {
        let is_first = digests.is_empty() && sums.is_none();
        let unreadable = |error: io::Error| match error.kind() {
            _ if is_first => BackupError::NotABackup(file.to_owned()),
            io::ErrorKind::UnexpectedEof => BackupError::CutOff(file.to_owned()),
            _ => altered(error.to_string()),
        };
        let mut entry = entry.map_err(unreadable)?;
        let name = String::from_utf8_lossy(&entry.path_bytes()).into_owned();
        if is_first && name != ABOUT {
            return Err(BackupError::NotABackup(file.to_owned()));
        }
        let limit = limit(&name).filter(|_| entry.header().entry_type() == EntryType::Regular);
        let limit = limit.ok_or_else(|| altered(format!("{name:?} is no file of a backup")))?;
        let size = entry.size();
        if sums.is_some() || digests.contains_key(&name) || size > limit {
            return Err(altered(format!("{name:?} is there twice, too long, or after the list of digests")));
        }
        if name == SUMS {
            sums = Some(read_text(&mut entry, size).map_err(unreadable)?);
            continue;
        }
        let mut hashing = Hashing::new(entry);
        let head = keep(&mut hashing, into, &name, unreadable)?;
        if hashing.bytes != size {
            return Err(BackupError::CutOff(file.to_owned()));
        }
        if name == ABOUT {
            contents.made = about(&head).ok_or_else(|| BackupError::NotABackup(file.to_owned()))?;
        } else if let Some(file) = name.strip_prefix("keys/") {
            contents.keys.extend(key(file.to_owned(), &head));
        } else if name.ends_with(".seg") {
            contents.segments += 1;
        }
        contents.bytes += size;
        digests.insert(name, hashing.digest());
    }
    if digests.is_empty() {
        return Err(BackupError::NotABackup(file.to_owned()));
    }
    let sums = sums.ok_or_else(|| BackupError::CutOff(file.to_owned()))?;
    check(&digests, &sums).map_err(altered)?;
    for dir in ["keys", "store/segments", "store", ""] {
        let dir = into.join(dir);
        if dir.exists() {
            File::open(&dir).and_then(|dir| dir.sync_all()).map_err(failed(&dir))?;
        }
    }
    Ok(contents)
}

/// Whether what was unpacked is what the list of digests names, and all of it.
fn check(digests: &BTreeMap<String, String>, sums: &str) -> Result<(), String> {
    let lines = sums.lines().filter_map(|line| line.split_once("  "));
    let listed: BTreeMap<&str, &str> = lines.map(|(digest, name)| (name, digest)).collect();
    if let Some((name, _)) = digests.iter().find(|(name, digest)| listed.get(name.as_str()) != Some(&digest.as_str())) {
        return Err(format!("{name:?} has another digest than the list says"));
    }
    let missing = listed.keys().find(|name| !digests.contains_key(**name)).copied();
    match missing.or_else(|| (!digests.contains_key(CONFIG)).then_some(CONFIG)) {
        Some(name) => Err(format!("{name:?} is missing")),
        None => Ok(()),
    }
}

/// Copies a member of the archive to its place below `into`, durably, and gives how it begins.
fn keep(
    reader: &mut impl Read,
    into: &Path,
    name: &str,
    unreadable: impl Fn(io::Error) -> BackupError,
) -> Result<Zeroizing<Vec<u8>>, BackupError> {
    let mut head = Zeroizing::new(Vec::new());
    (&mut *reader).take(ABOUT_BYTES_MAX).read_to_end(&mut head).map_err(&unreadable)?;
    if name == ABOUT {
        return Ok(head); // for people only
    }
    let path = into.join(name);
    if let Some(dir) = path.parent() {
        DirBuilder::new().recursive(true).mode(0o700).create(dir).map_err(failed(dir))?;
    }
    let mode = if name.starts_with("keys/") { 0o600 } else { 0o644 };
    let file = OpenOptions::new().write(true).create_new(true).mode(mode).open(&path).map_err(failed(&path))?;
    let mut writer = BufWriter::new(file);
    writer.write_all(&head).map_err(failed(&path))?;
    let mut buffer = vec![0; 64 * 1024];
    loop {
        match reader.read(&mut buffer).map_err(&unreadable)? {
            0 => break,
            got => writer.write_all(buffer.get(..got).unwrap_or_default()).map_err(failed(&path))?,
        }
    }
    let file = writer.into_inner().map_err(|error| failed(&path)(error.into_error()))?;
    file.sync_all().map_err(failed(&path))?;
    Ok(head)
}

/// When a backup was made, by its words.
fn about(words: &[u8]) -> Option<String> {
    let mut lines = std::str::from_utf8(words).ok()?.lines();
    let made = lines.next().filter(|line| *line == FORMAT).and_then(|_| lines.next())?.strip_prefix("made ")?;
    (made.len() < 64 && !made.contains(char::is_control)).then(|| made.to_owned())
}

fn read_text(reader: &mut impl Read, size: u64) -> io::Result<String> {
    let mut text = String::new();
    reader.read_to_string(&mut text)?;
    if text.len() as u64 == size { Ok(text) } else { Err(io::ErrorKind::UnexpectedEof.into()) }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use sha2::{Digest, Sha256};
    use tar::{Builder, Header};

    use super::*;
    use crate::backup::{Key, hex};

    /// A backup that is sound but for one member more.
    fn with_member(name: &str, kind: EntryType, link: &str) -> Vec<u8> {
        let mut builder = Builder::new(Vec::new());
        let mut sums = String::new();
        let mut append = |name: &str, kind: EntryType, bytes: &[u8], sums: &mut String| {
            let mut header = Header::new_ustar();
            header.set_entry_type(kind);
            header.set_size(bytes.len() as u64);
            // As it is: the library would not write such a name.
            header.as_mut_bytes()[..name.len()].copy_from_slice(name.as_bytes());
            header.as_mut_bytes()[157..157 + link.len()].copy_from_slice(link.as_bytes());
            header.set_cksum();
            builder.append(&header, bytes).unwrap();
            sums.push_str(&format!("{}  {name}\n", hex(&Sha256::digest(bytes))));
        };
        let about = format!("{FORMAT}\nmade today\n");
        append(ABOUT, EntryType::Regular, about.as_bytes(), &mut sums);
        append(CONFIG, EntryType::Regular, b"# sound\n", &mut sums);
        let content: &[u8] = if kind == EntryType::Regular { b"evil" } else { b"" };
        append(name, kind, content, &mut sums);
        let listed = sums.clone();
        append(SUMS, EntryType::Regular, listed.as_bytes(), &mut sums);
        builder.into_inner().unwrap()
    }

    fn restored(archive: &[u8]) -> (Result<Contents, BackupError>, tempfile::TempDir) {
        let home = tempfile::tempdir().unwrap();
        let file = home.path().join("backup.tar");
        fs::write(&file, archive).unwrap();
        (restore(&file, &Folder::new(&home.path().join("new"))), home)
    }

    #[test]
    fn no_member_reaches_beyond_what_a_backup_has() {
        let (sound, home) = restored(&with_member("keys/desk.pem", EntryType::Regular, ""));
        assert_eq!(sound.unwrap().keys, [Key { name: "desk.pem".to_owned(), is_encrypted: false }]);
        assert!(home.path().join("new/keys/desk.pem").exists() && home.path().join("new/recovering").exists());
        let (sound, home) = restored(&with_member("keys/identity.mark", EntryType::Regular, ""));
        assert_eq!(sound.unwrap().keys, [], "a mark is no key");
        assert!(home.path().join("new/keys/identity.mark").exists());
        let names = [
            "/tmp/evil",
            "keys/desk.mark",
            "../evil",
            "keys/../../evil.pem",
            "keys/../evil.pem",
            "keys//evil.pem",
            "keys/.pem",
            "./keys/desk.pem",
            "store/segments/1.seg",
            "store/segments/../00000001.seg",
            "store/sled/db",
            "recovering",
            "comity.toml",
            "",
        ];
        let regular = names.map(|name| (name, EntryType::Regular, ""));
        let others = [
            ("keys/desk.pem", EntryType::Symlink, "/etc/passwd"),
            ("keys/desk.pem", EntryType::Link, "../comity.toml"),
            ("keys", EntryType::Directory, ""),
            ("store/segments/00000001.seg", EntryType::Fifo, ""),
            ("keys/desk.pem", EntryType::GNULongName, ""),
            ("keys/desk.pem", EntryType::XHeader, ""),
        ];
        for (name, kind, link) in regular.into_iter().chain(others) {
            let (refused, home) = restored(&with_member(name, kind, link));
            let words = refused.unwrap_err().to_string();
            assert!(words.contains("nothing was restored"), "{name} {kind:?}: {words}");
            assert_eq!(
                fs::read_dir(home.path()).unwrap().count(),
                1,
                "{name} {kind:?}: only the backup itself is there"
            );
        }
    }

    #[test]
    fn a_folder_with_something_in_it_is_left_alone() {
        let home = tempfile::tempdir().unwrap();
        let file = home.path().join("backup.tar");
        fs::write(&file, with_member("charter", EntryType::Regular, "")).unwrap();
        let into = home.path().join("disk");
        fs::create_dir_all(into.join("lost+found")).unwrap();
        restore(&file, &Folder::new(&into)).unwrap();
        assert!(into.join("comity.toml").exists() && into.join("charter").exists());
        assert!(matches!(restore(&file, &Folder::new(&into)), Err(BackupError::NotEmpty(_))));
    }
}
