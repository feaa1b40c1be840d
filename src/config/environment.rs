//! Options from environment variables, `MINTMARK_<SECTION>__<NAME>`.
//!
//! Pure: the caller reads the environment. Other variables are ignored, those
//! that begin with `MINTMARK_` too: container platforms make such ones up.

use std::collections::BTreeMap;

use super::options::{Kind, ROWS};
use super::{Given, Place};

/// The options that `environment` sets, in their text form.
pub(super) fn read(environment: &[(String, String)]) -> BTreeMap<&'static str, Given> {
    let mut given = BTreeMap::new();
    for row in ROWS {
        let variable = row.variable();
        for (_, text) in environment.iter().filter(|(name, _)| *name == variable) {
            let text = match row.kind {
                // "ES256, EdDSA" is how people write lists.
                Kind::List => text.split(',').map(str::trim).collect::<Vec<_>>().join(","),
                Kind::Text | Kind::Integer | Kind::Boolean => text.clone(),
            };
            let place = Place::Variable(variable.clone());
            given.insert(row.path, Given { text, place });
        }
    }
    given
}
