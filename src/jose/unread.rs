//! Why JSON is not of the form that it should have, told without the values in it.
//!
//! A secret in the wrong member (a private key where its algorithm belongs) must not come back in
//! an answer, since answers end up in terminals and build logs. Names of members are told: they
//! show what was misspelt. Never reads anything itself. RFC 9457 section 5.

/// serde's reason, without the value that it quotes.
pub fn reason(cause: &serde_json::Error) -> String {
    let text = cause.to_string();
    let quotes = ["invalid type: ", "invalid value: ", "unknown variant "];
    if !quotes.iter().any(|begin| text.starts_with(begin)) {
        return text;
    }
    // The value may hold any text, what is expected is ours: the last one is meant.
    let (told, expected) = text.rsplit_once(", expected ").unwrap_or((&text, "something else"));
    let kind = told.split(['"', '`']).next().unwrap_or_default().trim_end();
    format!("{kind}, expected {expected}")
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;
    use serde_json::json;

    use super::*;

    #[derive(Debug, Deserialize)]
    #[serde(rename_all = "lowercase")]
    enum Kind {
        One,
        Two,
    }

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    #[expect(dead_code, reason = "only read")]
    struct Form {
        count: u8,
        kind: Kind,
        name: String,
    }

    fn told(value: serde_json::Value) -> String {
        reason(&serde_json::from_value::<Form>(value).unwrap_err())
    }

    #[test]
    fn a_value_is_not_told_back() {
        let secret = "mms_\", expected `x`, expected \"";
        assert_eq!(told(json!({ "count": secret })), "invalid type: string, expected u8");
        assert_eq!(told(json!({ "count": 300 })), "invalid value: integer, expected u8");
        assert_eq!(told(json!({ "name": 1.5 })), "invalid type: floating point, expected a string");
        assert_eq!(told(json!({ "name": null })), "invalid type: null, expected a string");
        assert_eq!(told(json!({ "kind": secret })), "unknown variant, expected `one` or `two`");
    }

    #[test]
    fn what_is_missing_or_unknown_is_named() {
        assert_eq!(told(json!({})), "missing field `count`");
        let unknown = "unknown field `conut`, expected one of `count`, `kind`, `name`";
        assert_eq!(told(json!({ "conut": 1 })), unknown);
    }
}
