//! `mintmark audit export`: the server's stream into a file that is whole or not there.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use crate::cli::failure::Failure;
use crate::cli::session::Session;
use crate::cli::wire::Streamed;

const EXPORT: &str = "/admin/v1/audit/export";

/// Which part of the log goes where.
#[derive(Debug, clap::Args)]
pub(in crate::cli) struct Export {
    /// The first entry
    #[arg(long, value_name = "INDEX", default_value = "0")]
    first: u64,
    /// The entry after the last [default: all that a checkpoint covers]
    #[arg(long, value_name = "INDEX")]
    end: Option<u64>,
    /// The file to write [default: standard output]
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

/// Streams it.
pub(super) async fn run(asked: &Export, session: &mut Session<'_, '_>) -> Result<(), Failure> {
    let end = asked.end.map_or_else(String::new, |end| format!("&end={end}"));
    let path = format!("{EXPORT}?first={}{end}", asked.first);
    let mut stream = session.admin()?.stream(&path).await?;
    match &asked.out {
        None => {
            copy(&mut stream, session.terminal.stdout).await?;
            Ok(session.terminal.stdout.flush()?)
        }
        Some(out) => {
            let entries = Draft::begin(out)?.fill(&mut stream).await?;
            session.remark(&format!("{entries} entries written to {}", out.display()))
        }
    }
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

    /// Gives the number of entries, which are the lines after the first.
    async fn fill(mut self, stream: &mut Streamed) -> Result<u64, Failure> {
        let lines = copy(stream, &mut self.file).await?;
        let named = self.file.sync_all().and_then(|()| std::fs::rename(&self.path, self.out));
        named.map_err(|error| unwritable(self.out, &error))?;
        Ok(lines.saturating_sub(1))
    }
}

impl Drop for Draft<'_> {
    fn drop(&mut self) {
        // Once it has its name, there is nothing left to remove here.
        let _ = std::fs::remove_file(&self.path);
    }
}

fn unwritable(path: &Path, error: &io::Error) -> Failure {
    Failure::refused(format!("cannot write {}: {error}", path.display()))
}
