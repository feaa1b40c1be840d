//! Each answer that any test gets must be one that the listener's OpenAPI document tells of: operation, status, media
//! type and every member.

use std::sync::OnceLock;

use axum::http::Method;
use mintmark::http::openapi::Document;
use serde_json::Value;

use super::Answer;

const JSON: &str = "application/json";
const PROBLEM: &str = "application/problem+json";

/// Which of the two documents.
#[derive(Clone, Copy, Debug)]
pub enum Listener {
    Public,
    Admin,
}

/// A request as far as the document goes by it.
#[derive(Clone, Debug)]
pub struct Asked {
    listener: Listener,
    method: Method,
    path: String,
}

impl Asked {
    /// Looks before the request is sent.
    pub fn of<B>(listener: Listener, request: &axum::http::Request<B>) -> Self {
        Self { listener, method: request.method().clone(), path: request.uri().path().to_owned() }
    }

    /// The answer is one that the document tells of.
    #[track_caller]
    pub fn assert_describes(&self, answer: &Answer) {
        let document = document(self.listener);
        let paths = document["paths"].as_object().unwrap();
        // What is said word for word goes before what may be anything.
        let found = paths.iter().filter(|(template, _)| fits(template, &self.path));
        let Some((_, item)) = found.min_by_key(|(template, _)| template.matches('{').count()) else { return };
        let method = if self.method == Method::HEAD { "get" } else { &self.method.as_str().to_lowercase() };
        let told = format!(
            "{} {} {}: {}",
            self.method,
            self.path,
            answer.status,
            String::from_utf8_lossy(&answer.body)
        );
        let Some(operation) = item.get(method) else {
            // Over TCP nobody learns which methods there are without a token that may use one.
            assert!([405, 401, 403].contains(&answer.status.as_u16()), "{told}");
            return;
        };
        if self.path.starts_with("/log/") && answer.status == 404 && answer.body.is_empty() {
            // Where the log is not public there is no such route.
            return;
        }
        let response = &operation["responses"][answer.status.as_str()];
        assert!(response.is_object(), "an undocumented status: {told}");
        let kind = answer.header("content-type").split(';').next().unwrap().trim();
        match response["content"].get(kind) {
            Some(content) if [JSON, PROBLEM].contains(&kind) && self.method != Method::HEAD => {
                let body: Value =
                    serde_json::from_slice(&answer.body).unwrap_or_else(|_| panic!("no JSON: {told}"));
                if let Err(wrong) = check(document, &content["schema"], &body, "") {
                    panic!("{wrong}: {told}");
                }
            }
            Some(_) => {}
            None => assert!(
                kind.is_empty() && answer.body.is_empty(),
                "an undocumented media type {kind}: {told}"
            ),
        }
    }
}

fn document(listener: Listener) -> &'static Value {
    static DOCUMENTS: OnceLock<[Value; 2]> = OnceLock::new();
    let documents = DOCUMENTS.get_or_init(|| {
        [Document::Public { log: true }, Document::Admin]
            .map(|of| serde_json::from_str(&of.compose()).unwrap())
    });
    match listener {
        Listener::Public => &documents[0],
        Listener::Admin => &documents[1],
    }
}

fn fits(template: &str, path: &str) -> bool {
    let (mut wanted, mut given) = (template.split('/'), path.split('/'));
    loop {
        match (wanted.next(), given.next()) {
            // The one path of several segments.
            (Some("{path}"), Some(_)) | (None, None) => return true,
            (Some(wanted), Some(given))
                if wanted == given || wanted.starts_with('{') && !given.is_empty() => {}
            _ => return false,
        }
    }
}

/// The part of JSON Schema 2020-12 that the documents use, but for patterns, which foreign judges look at.
pub fn check(document: &Value, schema: &Value, value: &Value, at: &str) -> Result<(), String> {
    if let Some(name) = schema["$ref"].as_str() {
        let schema = document.pointer(name.strip_prefix('#').unwrap()).unwrap_or_else(|| panic!("{name}"));
        return check(document, schema, value, at);
    }
    if let Some(forms) = schema["oneOf"].as_array() {
        let fitting: Vec<_> = forms.iter().map(|form| check(document, form, value, at)).collect();
        return match fitting.iter().filter(|fits| fits.is_ok()).count() {
            1 => Ok(()),
            count => Err(format!("{at}: fits {count} of {fitting:?}")),
        };
    }
    check_type(schema, value, at)?;
    if let Some(words) = schema["enum"].as_array()
        && !words.contains(value)
    {
        return Err(format!("{at}: {value} is none of {words:?}"));
    }
    let bound = |name: &str| schema[name].as_u64();
    let size = match value {
        Value::String(text) => Some((text.chars().count() as u64, "minLength", "maxLength")),
        Value::Array(items) => Some((items.len() as u64, "minItems", "maxItems")),
        Value::Object(members) => Some((members.len() as u64, "minProperties", "maxProperties")),
        Value::Number(number) => number.as_u64().map(|number| (number, "minimum", "maximum")),
        _ => None,
    };
    if let Some((size, least, most)) = size
        && (bound(least).is_some_and(|least| size < least) || bound(most).is_some_and(|most| size > most))
    {
        return Err(format!("{at}: {value} is beyond its bounds"));
    }
    if let Some(items) = value.as_array() {
        for (index, item) in items.iter().enumerate() {
            check(document, &schema["items"], item, &format!("{at}[{index}]"))?;
        }
    }
    value.as_object().map_or(Ok(()), |members| check_members(document, schema, members, at))
}

fn check_type(schema: &Value, value: &Value, at: &str) -> Result<(), String> {
    let kind = match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(number) if number.is_u64() || number.is_i64() => "integer",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    };
    match schema["type"].as_str() {
        Some(expected) if expected != kind => Err(format!("{at}: {kind} instead of {expected}")),
        _ => Ok(()),
    }
}

fn check_members(
    document: &Value,
    schema: &Value,
    members: &serde_json::Map<String, Value>,
    at: &str,
) -> Result<(), String> {
    for name in schema["required"].as_array().into_iter().flatten() {
        if !members.contains_key(name.as_str().unwrap()) {
            return Err(format!("{at}: lacks {name}"));
        }
    }
    for (name, member) in members {
        let place = format!("{at}/{name}");
        match schema["properties"].get(name) {
            Some(form) => check(document, form, member, &place)?,
            None if schema["additionalProperties"] == Value::Bool(false) => {
                return Err(format!("{place}: nobody told of it"));
            }
            None if schema["additionalProperties"].is_object() => {
                check(document, &schema["additionalProperties"], member, &place)?;
            }
            None => {}
        }
    }
    Ok(())
}
