//! The few words that every schema is said with. JSON Schema 2020-12, as OpenAPI 3.1 takes it.

use serde_json::{Value, json};
use utoipa::openapi::RefOr;
use utoipa::openapi::schema::{
    AdditionalProperties, ArrayBuilder, ObjectBuilder, OneOfBuilder, Ref, Schema, SchemaType, Type,
};

/// A schema, or the name of one.
pub(super) type Form = RefOr<Schema>;

/// The component of that name.
pub(super) fn named(name: &str) -> Form {
    Ref::from_schema_name(name).into()
}

fn of(kind: Type) -> ObjectBuilder {
    ObjectBuilder::new().schema_type(SchemaType::Type(kind))
}

/// Text of so many characters at most that matches.
pub(super) fn text(pattern: &str, least: usize, most: usize) -> Form {
    of(Type::String).pattern(Some(pattern)).min_length(Some(least)).max_length(Some(most)).into()
}

/// Text that matches.
pub(super) fn matching(pattern: &str) -> Form {
    of(Type::String).pattern(Some(pattern)).into()
}

/// Any text.
pub(super) fn any_text() -> Form {
    of(Type::String).into()
}

/// One of these words.
pub(super) fn one_of(words: impl IntoIterator<Item = &'static str>) -> Form {
    of(Type::String).enum_values(Some(words)).into()
}

/// One value and no other.
pub(super) fn only(value: &Value) -> Form {
    let kind = match value {
        Value::Bool(_) => Type::Boolean,
        Value::Number(_) => Type::Integer,
        _ => Type::String,
    };
    of(kind).enum_values(Some([value.clone()])).into()
}

/// A whole number within bounds.
pub(super) fn number(least: u32, most: u64) -> Form {
    let most = usize::try_from(most).unwrap_or(usize::MAX);
    of(Type::Integer).minimum(Some(least as usize)).maximum(Some(most)).into()
}

/// A count of anything.
pub(super) fn count() -> Form {
    of(Type::Integer).minimum(Some(0_usize)).into()
}

/// Seconds since 1970-01-01T00:00:00Z.
pub(super) fn unix_seconds() -> Form {
    of(Type::Integer).minimum(Some(0_usize)).description(Some("Unix seconds")).into()
}

pub(super) fn truth() -> Form {
    of(Type::Boolean).into()
}

/// Anything that JSON can say.
pub(super) fn anything() -> Form {
    ObjectBuilder::new().schema_type(SchemaType::AnyValue).into()
}

/// So many of them at most.
pub(super) fn list(items: Form, most: Option<usize>) -> Form {
    ArrayBuilder::new().items(items).max_items(most).into()
}

/// At least one of them, and so many at most.
pub(super) fn some(items: Form, most: usize) -> Form {
    ArrayBuilder::new().items(items).min_items(Some(1)).max_items(Some(most)).into()
}

/// That, or `null`.
pub(super) fn or_null(form: Form) -> Form {
    let null = of(Type::Null).build();
    OneOfBuilder::new().item(form).item(null).into()
}

/// Exactly one of these.
pub(super) fn either(forms: impl IntoIterator<Item = Form>) -> Form {
    forms.into_iter().fold(OneOfBuilder::new(), OneOfBuilder::item).into()
}

/// Members of any of these names, each of that form.
pub(super) fn map(names: Option<Schema>, values: Form, most: Option<usize>) -> Form {
    let map = of(Type::Object)
        .property_names(names)
        .additional_properties(Some(AdditionalProperties::RefOr(values)));
    map.max_properties(most).into()
}

/// A schema without a reference, for the names of members.
pub(super) fn plain(form: Form) -> Option<Schema> {
    match form {
        RefOr::T(schema) => Some(schema),
        RefOr::Ref(_) => None,
    }
}

/// An object of these members and no others.
pub(super) fn object(
    required: impl IntoIterator<Item = (&'static str, Form)>,
    optional: impl IntoIterator<Item = (&'static str, Form)>,
) -> Form {
    closed(members(required, optional))
}

/// An object of these members, all of them and no others.
pub(super) fn whole(required: impl IntoIterator<Item = (&'static str, Form)>) -> Form {
    object(required, [])
}

/// An object of these members, and whatever else.
pub(super) fn open(
    required: impl IntoIterator<Item = (&'static str, Form)>,
    optional: impl IntoIterator<Item = (&'static str, Form)>,
) -> Form {
    members(required, optional).into()
}

fn members(
    required: impl IntoIterator<Item = (&'static str, Form)>,
    optional: impl IntoIterator<Item = (&'static str, Form)>,
) -> ObjectBuilder {
    let all = required
        .into_iter()
        .fold(of(Type::Object), |object, (name, form)| object.property(name, form).required(name));
    optional.into_iter().fold(all, |object, (name, form)| object.property(name, form))
}

fn closed(object: ObjectBuilder) -> Form {
    object.additional_properties(Some(AdditionalProperties::<Schema>::FreeForm(false))).into()
}

/// What is true where nothing is said.
pub(super) fn otherwise(form: Form, value: Value) -> Form {
    match form {
        RefOr::T(Schema::Object(mut object)) => {
            object.default = Some(value);
            RefOr::T(Schema::Object(object))
        }
        other => other,
    }
}

/// In words.
pub(super) fn said(form: Form, words: &str) -> Form {
    match form {
        RefOr::T(Schema::Object(mut object)) => {
            object.description = Some(words.to_owned());
            RefOr::T(Schema::Object(object))
        }
        RefOr::T(Schema::OneOf(mut one)) => {
            one.description = Some(words.to_owned());
            RefOr::T(Schema::OneOf(one))
        }
        RefOr::T(Schema::Array(mut array)) => {
            array.description = Some(words.to_owned());
            RefOr::T(Schema::Array(array))
        }
        other => other,
    }
}

/// An empty object.
pub(super) fn nothing() -> Value {
    json!({})
}
