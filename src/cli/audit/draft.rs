//! What the server streams, into a file that is whole or not there.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use crate::cli::cause::cause;
use crate::cli::failure::Failure;
use crate::cli::session::Session;
use crate::cli::wire::Streamed;

/// Streams the answer at `path` to standard output, whatever `-o` says: it has a form of its own.
pub(super) async fn to_stdout(path: &str, session: &mut Session<'_, '_>) -> Result<(), Failure> {
    let mut stream = session.admin()?.stream(path).await?;
    copy(&mut stream, session.terminal.stdout).await?;
    Ok(session.terminal.stdout.flush()?)
}

/// Streams the answer at `path` into the file `out`, which it replaces. Gives the number of lines.
pub(super) async fn to_file(path: &str, out: &Path, session: &Session<'_, '_>) -> Result<u64, Failure> {
    let mut stream = session.admin()?.stream(path).await?;
    Draft::begin(out)?.fill(&mut stream).await
}

/// Gives the number of lines.
async fn copy(stream: &mut Streamed, out: &mut dyn Write) -> Result<u64, Failure> {
    let mut lines: u64 = 0;
    while let Some(chunk) = stream.chunk().await? {
        out.write_all(&chunk)?;
        lines += chunk.iter().map(|&byte| u64::from(byte == b'\n')).sum::<u64>();
    }
    Ok(lines)
}

/// A file that gets its name when it is whole. It holds personal data: only its owner may read it.
struct Draft<'a> {
    file: File,
    path: PathBuf,
    out: &'a Path,
}

impl<'a> Draft<'a> {
    fn begin(out: &'a Path) -> Result<Self, Failure> {
        let mut name = out.file_name().unwrap_or_default().to_owned();
        name.push(format!(".{}.partial", std::process::id()));
        let path = out.with_file_name(name);
        let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path);
        let file = file.map_err(|error| unwritable(&path, &error))?;
        Ok(Self { file, path, out })
    }

    /// Gives the number of lines.
    async fn fill(mut self, stream: &mut Streamed) -> Result<u64, Failure> {
        let lines = copy(stream, &mut self.file).await?;
        let named = self.file.sync_all().and_then(|()| std::fs::rename(&self.path, self.out));
        named.map_err(|error| unwritable(self.out, &error))?;
        Ok(lines)
    }
}

impl Drop for Draft<'_> {
    fn drop(&mut self) {
        // Once it has its name, there is nothing left to remove here.
        let _ = std::fs::remove_file(&self.path);
    }
}

fn unwritable(path: &Path, error: &io::Error) -> Failure {
    Failure::refused(format!("cannot write {}: {}", path.display(), cause(error)))
}
