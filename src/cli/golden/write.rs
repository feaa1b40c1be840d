//! Puts a folder of goldens in its place: the whole of it at once, or nothing.
//!
//! The new folder is written beside the old one under a name of its own, then both change names in one
//! step. A crash leaves the old folder or the new one under the name, and what was written beside it in
//! a hidden folder that may be deleted. Only files that a record writes are ever removed.

use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{self, Read as _, Write as _};
use std::path::{Path, PathBuf};

use rustix::fs::{CWD, RenameFlags, renameat_with};
use rustix::io::Errno;

use super::folder::{Files, MANIFEST, POLICY, ROTATION, SETTINGS, TOKENS, parse_manifest};
use crate::cli::cause::cause;
use crate::cli::failure::Failure;
use crate::oauth::name::ClientId;

/// A manifest has some hundred bytes.
const LONGEST_MANIFEST: u64 = 64 * 1024;

/// Makes the folder hold these files and no others of ours.
pub(super) fn replace(folder: &Path, files: &Files) -> Result<(), Failure> {
    let place = Place::of(folder)?;
    let owned = place.owned()?;
    let staged = place.beside("new");
    fs::create_dir(&staged).map_err(|error| match error.kind() {
        io::ErrorKind::AlreadyExists => Failure::refused(format!(
            "{} was left by a record that was cut off, or another one is writing it: remove it, and record again",
            staged.display()
        )),
        _ => failed(&staged, &error),
    })?;
    let written = stage(&staged, files).and_then(|()| place.put(&staged, &owned));
    written.inspect_err(|_| clear(&staged, &files.keys().cloned().collect::<Vec<_>>()))
}

/// Where the folder is, or is to be.
struct Place {
    parent: PathBuf,
    name: OsString,
}

impl Place {
    /// Resolves links on the way there, so that the folder itself is exchanged and not a link to it.
    fn of(folder: &Path) -> Result<Self, Failure> {
        let nowhere = |problem: &str| Failure::usage(format!("{} {problem}", folder.display()));
        let whole = match folder.canonicalize() {
            Ok(there) => there,
            Err(error) if error.kind() == io::ErrorKind::NotFound && !folder.is_symlink() => {
                let parent = folder.parent().filter(|parent| !parent.as_os_str().is_empty());
                let parent = parent.unwrap_or(Path::new(".")).canonicalize();
                let parent = parent.map_err(|_| nowhere("cannot be made: make the folder above it first"))?;
                parent.join(folder.file_name().ok_or_else(|| nowhere("is no name for a folder"))?)
            }
            Err(error) => return Err(nowhere(&format!("cannot be looked at: {}", cause(&error)))),
        };
        let inside = std::env::current_dir().is_ok_and(|here| here.starts_with(&whole));
        let (Some(parent), Some(name), false) = (whole.parent(), whole.file_name(), inside) else {
            return Err(nowhere(
                "is replaced as a whole, so it cannot be the folder that you are in: name it from outside",
            ));
        };
        Ok(Self { parent: parent.to_owned(), name: name.to_owned() })
    }

    fn path(&self) -> PathBuf {
        self.parent.join(&self.name)
    }

    /// A hidden neighbour of this process.
    fn beside(&self, what: &str) -> PathBuf {
        let mut name = OsString::from(".");
        name.push(&self.name);
        name.push(format!(".{}.{what}", std::process::id()));
        self.parent.join(name)
    }

    /// The files of the folder that is there, all of them ours, or why it is left alone.
    fn owned(&self) -> Result<Vec<String>, Failure> {
        let folder = self.path();
        let unreadable =
            |error: io::Error| Failure::usage(format!("cannot read {}: {}", folder.display(), cause(&error)));
        let mut owned = match names(&folder) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            names => names.map_err(unreadable)?,
        };
        if owned.is_empty() {
            return Ok(owned);
        }
        if parse_manifest(&manifest(&folder), &folder).is_err() {
            return Err(Failure::usage(format!(
                "{} is not empty and no folder of goldens that this version reads: name another, or empty it",
                folder.display()
            )));
        }
        // A link in its place would lead to what is somebody else's.
        if owned.iter().any(|name| name == TOKENS) && !folder.join(TOKENS).is_symlink() {
            owned.retain(|name| name != TOKENS);
            let tokens = names(&folder.join(TOKENS)).map_err(unreadable)?;
            owned.extend(tokens.into_iter().map(|name| format!("{TOKENS}/{name}")));
        }
        match owned.iter().find(|name| !is_ours(name) || !is_plain(&folder.join(name))) {
            None => Ok(owned),
            Some(foreign) => Err(Failure::usage(format!(
                "{} was not recorded, and the folder is replaced as a whole: move it elsewhere first",
                folder.join(foreign).display()
            ))),
        }
    }

    /// Gives the staged folder the name, and removes what had it before.
    fn put(&self, staged: &Path, owned: &[String]) -> Result<(), Failure> {
        let folder = self.path();
        let failed = |error: io::Error| misplaced(&folder, &error);
        if owned.is_empty() {
            fs::rename(staged, &folder).map_err(failed)?;
            return self.sync().map_err(failed);
        }
        let before = match renameat_with(CWD, staged, CWD, &folder, RenameFlags::EXCHANGE) {
            Ok(()) => staged.to_owned(),
            // A file system that cannot: the old one steps aside first.
            Err(Errno::INVAL | Errno::NOSYS | Errno::OPNOTSUPP) => {
                let aside = self.beside("old");
                self.put_in_two_steps(staged, &aside, |from, to| fs::rename(from, to))?;
                aside
            }
            Err(error) => return Err(failed(error.into())),
        };
        clear(&before, owned);
        self.sync().map_err(failed)
    }

    /// Lets the old folder step aside for the staged one. A crash in between leaves both, hidden.
    fn put_in_two_steps(
        &self,
        staged: &Path,
        aside: &Path,
        rename: impl Fn(&Path, &Path) -> io::Result<()>,
    ) -> Result<(), Failure> {
        let folder = self.path();
        rename(&folder, aside).map_err(|error| misplaced(&folder, &error))?;
        let Err(error) = rename(staged, &folder) else { return Ok(()) };
        let failure = misplaced(&folder, &error);
        match rename(aside, &folder) {
            Ok(()) => Err(failure),
            Err(_) => Err(failure.advised(&format!(
                "what was there is {} now and cannot be renamed back: rename it yourself",
                aside.display()
            ))),
        }
    }

    fn sync(&self) -> io::Result<()> {
        File::open(&self.parent)?.sync_all()
    }
}

fn names(folder: &Path) -> io::Result<Vec<String>> {
    fs::read_dir(folder)?.map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned())).collect()
}

/// The text of the folder's manifest, as far as it can be one; else nothing.
fn manifest(folder: &Path) -> String {
    let path = folder.join(MANIFEST);
    let mut text = String::new();
    let file = is_plain(&path).then(|| File::open(&path).ok()).flatten();
    // What cannot be read is no manifest.
    let _ = file.map(|file| file.take(LONGEST_MANIFEST).read_to_string(&mut text));
    text
}

fn is_ours(name: &str) -> bool {
    let id = name.strip_prefix("tokens/").and_then(|name| name.strip_suffix(".json"));
    [MANIFEST, POLICY, SETTINGS, ROTATION].contains(&name) || id.is_some_and(|id| ClientId::parse(id).is_ok())
}

/// A file itself, not a link to one.
fn is_plain(path: &Path) -> bool {
    fs::symlink_metadata(path).is_ok_and(|found| found.is_file())
}

/// Writes the files into an empty folder and onto the disk.
fn stage(staged: &Path, files: &Files) -> Result<(), Failure> {
    let tokens = staged.join(TOKENS);
    fs::create_dir(&tokens).map_err(|error| failed(&tokens, &error))?;
    fill(staged, files)?;
    for folder in [tokens, staged.to_owned()] {
        File::open(&folder).and_then(|folder| folder.sync_all()).map_err(|error| failed(&folder, &error))?;
    }
    Ok(())
}

fn fill(staged: &Path, files: &Files) -> Result<(), Failure> {
    for (name, text) in files {
        let path = staged.join(name);
        let written = File::create_new(&path).and_then(|mut file| {
            file.write_all(text.as_bytes())?;
            file.sync_all()
        });
        written.map_err(|error| match error.kind() {
            io::ErrorKind::AlreadyExists => same_name(name, files),
            _ => failed(&path, &error),
        })?;
    }
    Ok(())
}

fn failed(path: &Path, error: &io::Error) -> Failure {
    Failure::refused(format!("cannot write {}: {}", path.display(), cause(error)))
}

/// The folder could not be given its name.
fn misplaced(folder: &Path, error: &io::Error) -> Failure {
    let failure = Failure::refused(format!("cannot put {} in its place: {}", folder.display(), cause(error)));
    match error.kind() {
        // A mount point, or a folder of a lower layer: the folders in it can be renamed, it cannot.
        io::ErrorKind::CrossesDevices | io::ErrorKind::ResourceBusy => {
            failure.advised("it cannot be replaced as a whole: name a folder below it")
        }
        _ => failure,
    }
}

/// Two names for one file: the file system folds case.
fn same_name(name: &str, files: &Files) -> Failure {
    let other = files.keys().find(|other| *other != name && other.eq_ignore_ascii_case(name));
    let other = other.map_or(name, String::as_str);
    Failure::refused(format!(
        "this file system takes {other} and {name} for one file: their clients' ids differ by case only; \
         record on a file system that tells them apart"
    ))
}

/// Removes these files and their folders; what else is there stays, and its folder with it.
fn clear(folder: &Path, owned: &[String]) {
    for name in owned {
        // What cannot be removed lies in a hidden folder, which harms nobody.
        let _ = fs::remove_file(folder.join(name));
    }
    let _ = fs::remove_dir(folder.join(TOKENS));
    let _ = fs::remove_dir(folder);
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A file system that folds case answers the second of two names as if its file were there.
    #[test]
    fn names_that_the_file_system_takes_for_one_are_told() {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join(TOKENS)).unwrap();
        fs::write(folder.path().join("tokens/web.json"), "").unwrap();
        let files =
            ["tokens/Web.json", "tokens/web.json"].map(|name| (name.to_owned(), String::new())).into();
        let failure = fill(folder.path(), &files).unwrap_err();
        assert_eq!(failure.exit.code(), 1);
        assert!(
            failure.to_string().contains("takes tokens/Web.json and tokens/web.json for one file"),
            "{failure}"
        );
    }

    /// What comes of two steps where these do not succeed, counted from 0, and what then stands where.
    fn two_steps(failing: &[usize]) -> (Result<(), Failure>, Vec<String>) {
        let parent = tempfile::tempdir().unwrap();
        let place = Place { parent: parent.path().to_owned(), name: OsString::from("goldens") };
        let (staged, aside) = (parent.path().join("new"), parent.path().join("old"));
        fs::create_dir(place.path()).unwrap();
        fs::write(place.path().join("before"), "").unwrap();
        fs::create_dir(&staged).unwrap();
        let step = std::cell::Cell::new(0);
        let result = place.put_in_two_steps(&staged, &aside, |from, to| {
            let this = step.replace(step.get() + 1);
            if failing.contains(&this) {
                Err(io::ErrorKind::PermissionDenied.into())
            } else {
                fs::rename(from, to)
            }
        });
        let holders = ["goldens", "old", "new"].into_iter();
        let before = holders.filter(|name| parent.path().join(name).join("before").exists());
        (result, before.map(str::to_owned).collect())
    }

    #[test]
    fn a_folder_that_stepped_aside_comes_back_or_is_named() {
        assert_eq!(two_steps(&[]), (Ok(()), vec!["old".to_owned()]));
        for failing in [&[0][..], &[1]] {
            let (result, before) = two_steps(failing);
            let told = result.unwrap_err().to_string();
            assert!(told.ends_with("/goldens in its place: permission denied"), "{told}");
            assert_eq!(before, ["goldens"]);
        }
        let (result, before) = two_steps(&[1, 2]);
        let told = result.unwrap_err().to_string();
        assert!(told.contains("/goldens in its place: permission denied; what was there is /"), "{told}");
        assert!(told.ends_with("/old now and cannot be renamed back: rename it yourself"), "{told}");
        assert_eq!(before, ["old"]);
    }

    #[test]
    fn a_folder_that_cannot_be_renamed_is_told_with_what_to_do() {
        for number in [Errno::XDEV, Errno::BUSY] {
            let told = misplaced(Path::new("goldens"), &number.into()).to_string();
            assert!(told.ends_with("it cannot be replaced as a whole: name a folder below it"), "{told}");
        }
        let told = misplaced(Path::new("goldens"), &Errno::NOSPC.into()).to_string();
        assert_eq!(told, "cannot put goldens in its place: No space left on device");
    }

    #[test]
    fn only_what_a_record_writes_is_ours() {
        for name in ["manifest.json", "tokens/web.json", "tokens/....json", "tokens/~.json"] {
            assert!(is_ours(name), "{name}");
        }
        for name in
            ["notes.md", "tokens", "tokens/web.txt", "tokens/a b.json", "tokens/.json", ".git", "web.json"]
        {
            assert!(!is_ours(name), "{name}");
        }
    }
}
