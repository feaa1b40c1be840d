//! Tokens: issued, refused, revoked, and those that nobody issued.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use super::Group;
use super::sheet::Sheet;
use crate::audit::standing::Standings;
use crate::introspect::Revocations;
use crate::keys::signer::Signer;
use crate::telemetry::Traffic;

pub(super) struct Tokens {
    pub(super) signer: Arc<Signer>,
    pub(super) standings: Arc<Standings>,
    pub(super) revocations: Arc<Revocations>,
    pub(super) traffic: Vec<Arc<Traffic>>,
}

impl Group for Tokens {
    fn write(&self, sheet: &mut Sheet<'_>) -> fmt::Result {
        let issued = self.signer.reading().issued;
        let issued = issued.map(|(algorithm, count)| (vec![("alg", algorithm.as_str())], count));
        sheet.counters("tokens_issued", "Tokens that were recorded and signed, by algorithm", issued)?;
        let mut errors = BTreeMap::new();
        for (code, count) in self.traffic.iter().flat_map(|traffic| traffic.reading().errors) {
            *errors.entry(code).or_default() += count;
        }
        let errors = errors.iter().map(|(code, count)| (vec![("error", code.as_str())], *count));
        sheet.counters("oauth_errors", "Error answers of the OAuth endpoints, by code", errors)?;
        let unrecorded = self.standings.unrecorded();
        sheet.counter(
            "tokens_unrecorded",
            "Tokens with our signature that the log does not know",
            unrecorded,
        )?;
        let revoked = self.revocations.reading();
        sheet.gauge("revoked_tokens", "Tokens revoked one by one that are remembered", revoked.tokens)?;
        sheet.gauge("revocation_floors", "Times before which all tokens are revoked", revoked.floors)
    }
}
