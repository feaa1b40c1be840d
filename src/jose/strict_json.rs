//! JSON that reads one way only.
//!
//! serde's own reader keeps the last of two members of one name, where another
//! parser keeps the first; what is signed or recorded must not depend on that.
//! Pure; never repairs input. RFC 8259, RFC 7515 section 4, RFC 7493.

use std::cell::Cell;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};

/// How many arrays and objects may lie in each other where nothing narrower is said.
pub const MAX_DEPTH: usize = 32;

/// Why a document was refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadJson {
    /// Not one JSON text in UTF-8. A byte order mark is none, either.
    #[error("not well-formed JSON")]
    Syntax,
    /// An object names a member twice; the first 64 characters of its name.
    #[error("the member {0:?} is repeated")]
    Repeated(String),
    /// More arrays and objects in each other than allowed.
    #[error("nested too deeply")]
    TooDeep,
    /// Something follows the value.
    #[error("something follows the JSON value")]
    Trailing,
}

/// Reads exactly one JSON value. A scalar has depth 0, `[]` and `{}` have depth
/// 1; depths above `max_depth` (at most 127) are refused.
pub fn parse(bytes: &[u8], max_depth: usize) -> Result<Value, BadJson> {
    let found = Cell::new(None);
    let mut reader = serde_json::Deserializer::from_slice(bytes);
    let node = Node { left: max_depth, found: &found };
    match node.deserialize(&mut reader) {
        Ok(value) => reader.end().map(|()| value).map_err(|_| BadJson::Trailing),
        Err(_) => Err(found.take().unwrap_or(BadJson::Syntax)),
    }
}

/// Reads one value that may hold `left` levels. serde's errors are text, so the
/// true reason goes by `found`.
#[derive(Clone, Copy)]
struct Node<'a> {
    left: usize,
    found: &'a Cell<Option<BadJson>>,
}

impl Node<'_> {
    fn inner<E: serde::de::Error>(self) -> Result<Self, E> {
        match self.left.checked_sub(1) {
            Some(left) => Ok(Self { left, ..self }),
            None => Err(self.refuse(BadJson::TooDeep)),
        }
    }

    fn refuse<E: serde::de::Error>(self, reason: BadJson) -> E {
        self.found.set(Some(reason));
        E::custom("refused")
    }
}

impl<'de> DeserializeSeed<'de> for Node<'_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Node<'_> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(Value::from(value))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(Value::from(value))
    }

    fn visit_f64<E: serde::de::Error>(self, value: f64) -> Result<Value, E> {
        Number::from_f64(value).map(Value::Number).ok_or_else(|| E::custom("not a finite number"))
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(Value::String(value.to_owned()))
    }

    fn visit_string<E>(self, value: String) -> Result<Value, E> {
        Ok(Value::String(value))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut array: A) -> Result<Value, A::Error> {
        let node = self.inner()?;
        let mut values = Vec::new();
        while let Some(value) = array.next_element_seed(node)? {
            values.push(value);
        }
        Ok(Value::Array(values))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut object: A) -> Result<Value, A::Error> {
        let node = self.inner()?;
        let mut members = Map::new();
        while let Some(name) = object.next_key::<String>()? {
            if members.contains_key(&name) {
                return Err(self.refuse(BadJson::Repeated(name.chars().take(64).collect())));
            }
            let value = object.next_value_seed(node)?;
            members.insert(name, value);
        }
        Ok(Value::Object(members))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn read(text: &str) -> Result<Value, BadJson> {
        parse(text.as_bytes(), 3)
    }

    #[test]
    fn reads_every_kind_of_value() {
        let text = r#" {"a":[null,true,-1,18446744073709551615,1.5,"\u00e9"],"b":{"c":{}}} "#;
        let value = json!({"a": [null, true, -1, u64::MAX, 1.5, "é"], "b": {"c": {}}});
        assert_eq!(read(text), Ok(value));
    }

    #[test]
    fn repeated_members_are_refused_at_any_depth() {
        let repeated = Err(BadJson::Repeated("a".to_owned()));
        for text in [r#"{"a":1,"a":1}"#, r#"{"b":[{"a":1,"c":2,"a":3}]}"#, r#"{"a":1,"\u0061":2}"#] {
            assert_eq!(read(text), repeated, "{text}");
        }
        assert!(read(r#"{"a":{"a":1},"b":{"a":1}}"#).is_ok());
    }

    #[test]
    fn depth_is_bounded() {
        assert!(read("[[[]]]").is_ok());
        assert!(read(r#"{"a":[{}]}"#).is_ok());
        for text in ["[[[[]]]]", r#"{"a":[{"b":[]}]}"#, &"[".repeat(100_000)] {
            assert_eq!(read(text), Err(BadJson::TooDeep));
        }
    }

    #[test]
    fn one_value_and_nothing_else() {
        for text in ["1 2", "{}x", "{},", "null\0"] {
            assert_eq!(read(text), Err(BadJson::Trailing), "{text}");
        }
        for text in
            ["", " ", "\u{feff}{}", "{'a':1}", "{\"a\":1,}", "[01]", "NaN", "1e400", "\"\\ud800\"", "// x\n1"]
        {
            assert_eq!(read(text), Err(BadJson::Syntax), "{text}");
        }
        assert_eq!(parse(b"\"\xff\"", 3), Err(BadJson::Syntax));
    }

    #[test]
    fn a_number_that_is_stored_and_read_again_stays_the_same() {
        // The nearest number to this one is written with fewer digits, which must lead back to it.
        let value = read("444000070058311613441901709080").unwrap();
        assert_eq!(read(&value.to_string()), Ok(value));
    }

    #[test]
    fn a_long_name_is_cut_in_the_complaint() {
        let name = "é".repeat(100);
        let text = format!(r#"{{"{name}":1,"{name}":2}}"#);
        assert_eq!(read(&text), Err(BadJson::Repeated("é".repeat(64))));
    }

    proptest! {
        #[test]
        fn any_number_stays_the_same(text in "-?[1-9][0-9]{0,40}(\\.[0-9]{1,20})?(e-?[0-9]{1,2})?") {
            let value = read(&text).unwrap();
            prop_assert_eq!(read(&value.to_string()), Ok(value));
        }

        /// Whatever is accepted means the same to serde_json, so only ambiguity is taken away.
        #[test]
        fn agrees_with_serde_json_on_what_it_accepts(text in r#"[\[\]{}:,"ab1e. -]{0,24}"#) {
            if let Ok(value) = parse(text.as_bytes(), MAX_DEPTH) {
                prop_assert_eq!(value, serde_json::from_str::<Value>(&text).unwrap());
            }
        }
    }
}
