//! Where two JSON values differ, each place by its JSON Pointer (RFC 6901). Pure.
//!
//! Members are compared by name. Elements of arrays that are equal are lined up
//! first, so that one more element is one difference, not as many as follow it.

use serde_json::Value;

/// One place at which two values differ: at least one side is there.
#[derive(Clone, Debug, PartialEq)]
pub struct Change {
    /// Where: in the old value, or in the new one for what is only there.
    pub pointer: String,
    /// What was there; `None` where it is new.
    pub old: Option<Value>,
    /// What is there now; `None` where it is gone.
    pub new: Option<Value>,
}

/// Every place at which `new` differs from `old`, in the order of the values; none when they are equal.
/// Whole members and elements that came or went are one change; what is on both sides is looked into.
pub fn changes(old: &Value, new: &Value) -> Vec<Change> {
    let mut found = Vec::new();
    look(&mut String::new(), (Some(old), Some(new)), &mut found);
    found
}

fn look(pointer: &mut String, sides: (Option<&Value>, Option<&Value>), found: &mut Vec<Change>) {
    match sides {
        (Some(Value::Object(old)), Some(Value::Object(new))) => {
            for (name, before) in old {
                within(pointer, name, (Some(before), new.get(name)), found);
            }
            for (name, after) in new.iter().filter(|(name, _)| !old.contains_key(*name)) {
                within(pointer, name, (None, Some(after)), found);
            }
        }
        (Some(Value::Array(old)), Some(Value::Array(new))) => {
            for (place, before, after) in aligned(old, new) {
                within(pointer, &place.to_string(), (before, after), found);
            }
        }
        (old, new) if old == new => {}
        (old, new) => {
            found.push(Change { pointer: pointer.clone(), old: old.cloned(), new: new.cloned() });
        }
    }
}

fn within(
    pointer: &mut String,
    name: &str,
    sides: (Option<&Value>, Option<&Value>),
    found: &mut Vec<Change>,
) {
    let length = pointer.len();
    pointer.push('/');
    pointer.push_str(&name.replace('~', "~0").replace('/', "~1"));
    look(pointer, sides, found);
    pointer.truncate(length);
}

/// An element's place with its sides.
type Pair<'a> = (usize, Option<&'a Value>, Option<&'a Value>);

/// The elements side by side: equal ones by the longest common subsequence, and what lies between two
/// of them one after the other as far as both sides have some.
fn aligned<'a>(old: &'a [Value], new: &'a [Value]) -> Vec<Pair<'a>> {
    let mut pairs = Vec::new();
    let (mut from, mut to) = (0, 0);
    for (here, there) in common(old, new).into_iter().chain([(old.len(), new.len())]) {
        let (before, after) = (old.get(from..here).unwrap_or(&[]), new.get(to..there).unwrap_or(&[]));
        for place in 0..before.len().max(after.len()) {
            let at = if place < before.len() { from + place } else { to + place };
            pairs.push((at, before.get(place), after.get(place)));
        }
        (from, to) = (here + 1, there + 1);
    }
    pairs
}

/// Arrays that would need a larger table are taken apart in order: no file makes this room fill the memory.
const MOST_CELLS: usize = 1 << 22;

/// The places of a longest common subsequence, in both. Equal ends are cut off first, since most arrays
/// differ in one spot; of what is left the table has one cell for each pair of elements.
fn common(old: &[Value], new: &[Value]) -> Vec<(usize, usize)> {
    let head = old.iter().zip(new).take_while(|(before, after)| before == after).count();
    let (rest, other) = (old.get(head..).unwrap_or(&[]), new.get(head..).unwrap_or(&[]));
    let tail =
        rest.iter().rev().zip(other.iter().rev()).take_while(|(before, after)| before == after).count();
    let (rows, columns) = (rest.len() - tail, other.len() - tail);
    // Without a table nothing in between is lined up.
    let (rows, columns) = if rows.saturating_mul(columns) > MOST_CELLS { (0, 0) } else { (rows, columns) };
    let at = |row: usize, column: usize| row * (columns + 1) + column;
    let mut longest = vec![0_u32; (rows + 1) * (columns + 1)];
    let cell = |table: &[u32], row, column| table.get(at(row, column)).copied().unwrap_or_default();
    for row in (0..rows).rev() {
        for column in (0..columns).rev() {
            let length = if rest.get(row) == other.get(column) {
                cell(&longest, row + 1, column + 1) + 1
            } else {
                cell(&longest, row + 1, column).max(cell(&longest, row, column + 1))
            };
            if let Some(place) = longest.get_mut(at(row, column)) {
                *place = length;
            }
        }
    }
    let mut found: Vec<_> = (0..head).map(|place| (place, place)).collect();
    let (mut row, mut column) = (0, 0);
    while row < rows && column < columns {
        if rest.get(row) == other.get(column) {
            found.push((head + row, head + column));
            (row, column) = (row + 1, column + 1);
        } else if cell(&longest, row + 1, column) >= cell(&longest, row, column + 1) {
            row += 1;
        } else {
            column += 1;
        }
    }
    found.extend((0..tail).map(|place| (old.len() - tail + place, new.len() - tail + place)));
    found
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn told(old: &Value, new: &Value) -> Vec<String> {
        let side = |value: Option<Value>| value.map_or_else(|| "-".to_owned(), |value| value.to_string());
        let told = changes(old, new).into_iter();
        told.map(|Change { pointer, old, new }| format!("{pointer} {} {}", side(old), side(new))).collect()
    }

    #[test]
    fn each_change_is_told_at_its_own_place() {
        let old = json!({ "exp": 600, "aud": "a", "deep": { "x/y": 1, "m~n": [1, 2] } });
        let new = json!({ "exp": 300, "deep": { "x/y": 2, "m~n": [1, 3] }, "azp": "b" });
        assert_eq!(
            told(&old, &new),
            ["/exp 600 300", "/aud \"a\" -", "/deep/x~1y 1 2", "/deep/m~0n/1 2 3", "/azp - \"b\""]
        );
    }

    #[test]
    fn one_element_more_is_one_change() {
        assert_eq!(told(&json!([1, 2, 3]), &json!([1, 9, 2, 3])), ["/1 - 9"]);
        assert_eq!(told(&json!([1, 2, 3]), &json!([1, 3])), ["/1 2 -"]);
        assert_eq!(told(&json!([{ "a": 1 }, 5]), &json!([{ "a": 2 }, 5, 6])), ["/0/a 1 2", "/2 - 6"]);
    }

    #[test]
    fn long_arrays_fill_no_memory() {
        let (old, new) = (json!(vec![1; 100_000]), json!([vec![1, 3], vec![2; 100_000]].concat()));
        assert_eq!(changes(&old, &new).len(), 100_001);
    }

    #[test]
    fn another_type_or_null_is_another_value() {
        assert_eq!(told(&json!({ "a": null }), &json!({})), ["/a null -"]);
        assert_eq!(told(&json!({ "a": [] }), &json!({ "a": {} })), ["/a [] {}"]);
        assert_eq!(told(&json!(1), &json!("1")), [" 1 \"1\""]);
    }

    fn values() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            (0..3_u8).prop_map(Value::from),
            "[a~/]{0,2}".prop_map(Value::from)
        ];
        leaf.prop_recursive(3, 24, 4, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
                prop::collection::btree_map("[ab~/]{1,2}", inner, 0..4)
                    .prop_map(|members| Value::Object(members.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn there_are_changes_only_where_something_differs(old in values(), new in values()) {
            let found = changes(&old, &new);
            prop_assert_eq!(found.is_empty(), old == new);
            for change in found {
                let Change { pointer, old: before, new: after } = change;
                prop_assert_ne!(&before, &after);
                if before.is_some() {
                    prop_assert_eq!(old.pointer(&pointer), before.as_ref());
                } else {
                    prop_assert_eq!(new.pointer(&pointer), after.as_ref());
                }
            }
        }
    }
}
