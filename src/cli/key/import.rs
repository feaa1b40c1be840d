//! The file of a private key on its way to the server.
//!
//! It obeys the same rules as the KEK file, and what was read of it is erased
//! here once it is sent. RFC 5958 (PKCS#8), RFC 7468 (PEM).

use std::path::Path;

use serde::Serialize;
use zeroize::Zeroizing;

use crate::cli::failure::Failure;
use crate::config::read_secret_file;

/// Larger than any key that can be brought in.
const MOST: usize = 16 * 1024;
const BEGIN: &str = "-----BEGIN PRIVATE KEY-----";

#[derive(Serialize)]
struct Body<'a> {
    pkcs8: &'a str,
    alg: Option<&'a str>,
}

/// The body of the request, once the file is one that a private key may lie in and holds one in PEM.
pub(super) fn body(file: &Path, alg: Option<&str>) -> Result<Zeroizing<Vec<u8>>, Failure> {
    let bytes = read_secret_file(file, MOST).map_err(|error| Failure::usage(error.to_string()))?;
    let printable = |byte: &u8| byte.is_ascii_graphic() || byte.is_ascii_whitespace();
    let text = std::str::from_utf8(&bytes).ok().filter(|text| text.as_bytes().iter().all(printable));
    let Some(pkcs8) = text.filter(|text| text.trim_start().starts_with(BEGIN)) else {
        return Err(Failure::usage(format!(
            "{0} is not an unencrypted PKCS#8 key in PEM; make one of it: \
             (umask 077; openssl pkcs8 -topk8 -nocrypt -in {0} -out FILE)",
            file.display()
        )));
    };
    // Room for every escape, so that the buffer never moves and leaves a copy behind.
    let alg_length = alg.map_or(4, |alg| 6 * alg.len());
    let mut body = Zeroizing::new(Vec::with_capacity(6 * pkcs8.len() + alg_length + 64));
    serde_json::to_writer(&mut *body, &Body { pkcs8, alg })
        .map_err(|error| Failure::usage(format!("{} cannot be sent: {error}", file.display())))?;
    Ok(body)
}
