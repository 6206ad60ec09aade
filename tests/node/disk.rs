//! A disk whose power can be cut: an ext4 file system of its own, and its bytes as they were at one moment.
//!
//! The disk is a file behind a loop device, and that file lies in a second file system, which can be frozen. What the node has
//! written and not synced is in the page cache above the loop device; what the disk has is in the file. Freezing stops every
//! write to the file between two blocks, in the middle of whatever the node is doing, and the copy made then is what a power
//! cut leaves: the page cache is lost. The disk itself is taken at its word: what it was given, it has.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::moments::skipped;

/// Room of the disk: above what a node asks for before it takes anything, little enough to copy often.
const DISK: &str = "288M";
const OUTER: &str = "384M";

pub struct Disk {
    home: tempfile::TempDir,
    device: String,
}

impl Disk {
    /// Makes and mounts one; says why where this machine cannot.
    pub fn new() -> Option<Disk> {
        let missing = ["mkfs.ext4", "losetup", "mount", "umount", "fsfreeze", "blockdev"]
            .into_iter()
            .find(|tool| Command::new(tool).arg("--version").output().is_err());
        let why = match missing {
            Some(tool) => format!("{tool} is missing"),
            None if !rustix::process::geteuid().is_root() => "only root may mount a disk".to_owned(),
            None if !Path::new("/dev/loop-control").exists() => "this machine has no loop devices".to_owned(),
            None => String::new(),
        };
        if !why.is_empty() {
            skipped(&why);
            return None;
        }
        let mut disk = Disk { home: tempfile::tempdir().unwrap(), device: String::new() };
        let (outer, image) = (disk.at("outer"), disk.image());
        for folder in [&outer, &disk.folder()] {
            std::fs::create_dir(folder).unwrap();
        }
        file_system(&disk.at("outer.img"), OUTER);
        if let Err(why) = attempt("mount", &["-o", "loop", &text(&disk.at("outer.img")), &text(&outer)]) {
            skipped(&format!("no disk can be mounted here: {why}"));
            return None;
        }
        file_system(&image, DISK);
        disk.device = run("losetup", &["--find", "--show", &text(&image)]).trim().to_owned();
        disk.mount();
        Some(disk)
    }

    /// Where it is mounted.
    pub fn folder(&self) -> PathBuf {
        self.at("disk")
    }

    /// Cuts the power in the middle of whatever is being written. `die` has those killed who write; it must not wait for
    /// them. They never come to know of a write that the disk has not got.
    pub fn cut(&self, die: impl FnOnce()) {
        run("fsfreeze", &["--freeze", &text(&self.at("outer"))]);
        die();
        run("cp", &["--sparse=always", &text(&self.image()), &text(&self.at("cut.img"))]);
        run("fsfreeze", &["--unfreeze", &text(&self.at("outer"))]);
    }

    /// The power returns: the disk is mounted as it was when it went. The device is the same, as after a real cut, because
    /// the fence tells a copied folder by it.
    pub fn restore(&self) {
        run("umount", &[&text(&self.folder())]);
        run("cp", &["--sparse=always", &text(&self.at("cut.img")), &text(&self.image())]);
        run("blockdev", &["--flushbufs", &self.device]);
        self.mount();
    }

    fn mount(&self) {
        run("mount", &[&self.device, &text(&self.folder())]);
    }

    fn at(&self, name: &str) -> PathBuf {
        self.home.path().join(name)
    }

    fn image(&self) -> PathBuf {
        self.at("outer").join("disk.img")
    }
}

impl Drop for Disk {
    /// Also after a panic nothing stays frozen or mounted.
    fn drop(&mut self) {
        let outer = text(&self.at("outer"));
        let _ = attempt("fsfreeze", &["--unfreeze", &outer]);
        let _ = attempt("umount", &["--lazy", &text(&self.folder())]);
        if !self.device.is_empty() {
            let _ = attempt("losetup", &["--detach", &self.device]);
        }
        let _ = attempt("umount", &["--lazy", &outer]);
    }
}

fn file_system(image: &Path, size: &str) {
    run("truncate", &["--size", size, &text(image)]);
    run("mkfs.ext4", &["-q", "-F", &text(image)]);
}

fn run(tool: &str, arguments: &[&str]) -> String {
    attempt(tool, arguments).unwrap_or_else(|words| panic!("{tool} {arguments:?}: {words}"))
}

fn attempt(tool: &str, arguments: &[&str]) -> Result<String, String> {
    let output = Command::new(tool).args(arguments).output().map_err(|error| error.to_string())?;
    let words = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    if output.status.success() { Ok(words(&output.stdout)) } else { Err(words(&output.stderr)) }
}

fn text(path: &Path) -> String {
    path.display().to_string()
}
