//! Until when a certificate is valid: `notAfter` of RFC 5280 section 4.1.2.5.
//!
//! Pure. It looks for this one field, believes nothing else, and has no opinion on what it cannot read.

use pkcs8::der::asn1::{AnyRef, GeneralizedTime, UtcTime};
use pkcs8::der::{Decode, SliceReader, Tag, Tagged as _};

use crate::time::Timestamp;

/// The end of the certificate's validity, if the DER of it can be read.
pub(super) fn not_after(certificate: &[u8]) -> Option<Timestamp> {
    let certificate = AnyRef::from_der(certificate).ok()?;
    let signed = AnyRef::decode(&mut inside(&certificate)?).ok()?;
    let mut fields = inside(&signed)?;
    let mut next = || AnyRef::decode(&mut fields).ok();
    // The version is left out by version 1, and has a tag of its own otherwise.
    let first = next()?;
    if first.tag().is_context_specific() {
        let _serial_number = next()?;
    }
    let (_signature, _issuer) = (next()?, next()?);
    let validity = next()?;
    let mut times = inside(&validity)?;
    let _not_before = AnyRef::decode(&mut times).ok()?;
    let end = AnyRef::decode(&mut times).ok()?;
    let since_1970 = match end.tag() {
        Tag::UtcTime => end.decode_as::<UtcTime>().ok()?.to_unix_duration(),
        Tag::GeneralizedTime => end.decode_as::<GeneralizedTime>().ok()?.to_unix_duration(),
        _ => return None,
    };
    Some(Timestamp::from_seconds(since_1970.as_secs()))
}

fn inside<'a>(outer: &AnyRef<'a>) -> Option<SliceReader<'a>> {
    SliceReader::new(outer.value()).ok()
}
