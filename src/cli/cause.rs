//! What the system said of a failure, in words for a person.

use std::io;

/// What the system said, without its number for it.
pub(super) fn cause(error: &io::Error) -> String {
    let text = error.to_string();
    match (error.raw_os_error(), text.split_once(" (os error ")) {
        (Some(_), Some((said, _))) => said.to_owned(),
        _ => text,
    }
}
