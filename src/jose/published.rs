//! Signatures that others published, to try the verification with at each start.
//!
//! Nobody here holds their private keys, and nothing else uses them.

use super::PublicJwk;
use super::rsa::Scheme;
use crate::digest::base64url_decode;

/// A public key, a message, and the key's signature over it in base64url.
type Published = (PublicJwk, &'static [u8], String);

/// The example of RFC 7515 appendix A.2. `None` if a constant here is damaged.
pub(super) fn rs256() -> Option<Published> {
    let modulus = base64url_decode(RFC_7515_MODULUS)?;
    let key = PublicJwk::rsa(Scheme::Pkcs1, &modulus, &EXPONENT).ok()?;
    Some((key, RFC_7515_INPUT.as_bytes(), RFC_7515_SIGNATURE.to_owned()))
}

/// Test 3 of Wycheproof's `rsa_pss_2048_sha256_mgf1_32`. `None` if a constant here is damaged.
pub(super) fn ps256() -> Option<Published> {
    let modulus = base64url_decode(WYCHEPROOF_MODULUS)?;
    let key = PublicJwk::rsa(Scheme::Pss, &modulus, &EXPONENT).ok()?;
    Some((key, b"Test", WYCHEPROOF_SIGNATURE.to_owned()))
}

const EXPONENT: [u8; 3] = [1, 0, 1];

/// Of appendix A.2.1.
const RFC_7515_MODULUS: &str = "\
    ofgWCuLjybRlzo0tZWJjNiuSfb4p4fAkd_wWJcyQoTbji9k0l8W26mPddxHmfHQp-Vaw-4qPCJrcS2mJPMEzP1Pt0Bm4d4QlL-\
    yRT-SFd2lZS-pCgNMsD1W_YpRPEwOWvG6b32690r2jZ47soMZo9wGzjb_7OMg0LOL-\
    bSf63kpaSHSXndS5z5rexMdbBYUsLA9e-KXBdQOS-\
    UTo7WTBEMa2R2CapHg665xsmtdVMTBQY4uDZlxvb3qCo5ZwKh9kG4LT6_I5IhlJH7aGhyxXFvUK-\
    DWNmoudF8NAco9_h9iaGNj8q2ethFkMLs91kzk2PAcDTW9gb54h4FRWyuXpoQ";

/// Of appendix A.2.1.
const RFC_7515_INPUT: &str = "\
    eyJhbGciOiJSUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19\
    yb290Ijp0cnVlfQ";

/// Of appendix A.2.1.
const RFC_7515_SIGNATURE: &str = "\
    cC4hiUPoj9Eetdgtv3hF80EGrhuB__dzERat0XF9g2VtQgr9PJbu3XOiZj5RZmh7AAuHIm4Bh-\
    0Qc_lF5YKt_O8W2Fp5jujGbds9uJdbF9CUAr7t1dnZcAcQjbKBYNX4BAynRFdiuB--\
    f_nZLgrnbyTyWzO75vRK5h6xBArLIARNPvkSjtQBMHlb1L07Qe7K0GarZRmB_eSN9383LcOLn6_dO--xi12jzDwusC-eOkHWEsqt\
    FZESc6BfI7noOPqvhJ1phCnvWh6IeYI2w9QOYEUipUTI8np6LbgGY9Fs98rqVt5AXLIhWkWywlVmtVrBp0igcN_IoypGlUPQGe77\
    Rw";

/// Of the first test group.
const WYCHEPROOF_MODULUS: &str = "\
    orRRoH0KpfluRVZxUTVQUUqKW0YuvvcXCU-h_ugiJOY3-\
    XRtP3yv0xh42AMltu9aFwD2WQO0aUKeidbqyIRQl7WrOTGJ25JRLtincRoSU_rNIPecFegkfz0-QuRuSMmOJUov6XZTE6A-\
    _48X4aApOXofomqNzib0kO2BKZYV2YFMItphBCjgnH2WWFlCZvXAIdD87KCNlFoSvoLeTR7Oa0wDFFtdNJXU7VQR64eNrwX9evw-\
    Ca2g8RJkIvWQl1oZaYFvSGmLy7obTZyuedRg2Pn4Xnl1AF2bwixOWsD3waRdElaaYoB9O5oC5aUw53MGb0U9H1tMLpz3ggKD90K5\
    1Q";

/// Over the message "Test".
const WYCHEPROOF_SIGNATURE: &str = "\
    QB6wPNtHyogDPjAw9r3susj1yPwd1qE9I9N57ZorMJiR0T10_qnSHRWbnm2PN--\
    iSJli4kVV9W3UNP8dMc5Pn1q9PyLL6otpHWoR5E77g-K8oVXmoWQyXg_eKohlr9XJ9RFhqdYV9ir37C4xs-WrZJwWRJDTHYjPrjW\
    4Sup5JWkPkpoUS20vSOj7iUpS3uzRuaZJaZDE7PFYhpmkLKzRDFOvNQUU5CkeqaBY538QHjLBwM76YdlF97yTH4vRnnujFpNYpg5\
    aiwEjvDGZuf3K_o5RnEG6Z1SRonuF5E7y13J3wQ_hByk8gpAYaRO8mpm2QNjaBBtk8x6rHTWSCYX0pQ";
