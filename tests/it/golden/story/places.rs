//! Named places in their order: the objects of the tree.

use serde_json::{Map, Value};

/// Where an object says in which order its places stood.
pub(crate) const ORDER: &str = "(order)";

/// Places under way; a name that comes again is numbered.
#[derive(Default)]
pub(super) struct Places(Map<String, Value>);

impl Places {
    /// Begins with one place.
    pub(super) fn of(name: &str, value: Value) -> Self {
        let mut places = Self::default();
        places.add(name, value);
        places
    }

    /// One more place: `name`, or `name #2` where there is one already.
    pub(super) fn add(&mut self, name: &str, value: Value) {
        let mut free = name.to_owned();
        let mut number = 1_u32;
        while free == ORDER || self.0.contains_key(&free) {
            number += 1;
            free = format!("{name} #{number}");
        }
        self.0.insert(free, value);
    }

    /// One more element of the list `name`, if that was the last place, or of a new one.
    pub(super) fn add_to_list(&mut self, name: &str, value: Value) {
        let last = self.0.iter_mut().next_back();
        match last.filter(|(last, _)| unnumbered(last) == name) {
            Some((_, Value::Array(elements))) => elements.push(value),
            _ => self.add(name, Value::Array(vec![value])),
        }
    }

    /// The object with its order.
    pub(super) fn object(self) -> Value {
        in_order(self.0)
    }
}

/// The name that a place has without its number.
pub(crate) fn unnumbered(name: &str) -> &str {
    match name.rsplit_once(" #") {
        Some((name, number)) if number.parse::<u32>().is_ok() => name,
        _ => name,
    }
}

/// Any JSON, each object in it with its order; `None` where a name of it is ours.
pub(super) fn ordered(value: Value) -> Option<Value> {
    Some(match value {
        Value::Array(elements) => {
            Value::Array(elements.into_iter().map(ordered).collect::<Option<Vec<_>>>()?)
        }
        Value::Object(members) if members.contains_key(ORDER) => return None,
        Value::Object(members) => {
            let members = members.into_iter().map(|(name, value)| Some((name, ordered(value)?)));
            in_order(members.collect::<Option<Map<_, _>>>()?)
        }
        value => value,
    })
}

fn in_order(mut members: Map<String, Value>) -> Value {
    if members.len() > 1 {
        let names = Value::from(members.keys().map(String::as_str).collect::<Vec<_>>());
        members.insert(ORDER.to_owned(), Value::String(names.to_string()));
    }
    Value::Object(members)
}
