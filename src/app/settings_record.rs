//! A start by other settings than the last one is recorded: `config.changed`, with what differs.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::audit::body;
use crate::audit::event::EventType;
use crate::audit::leaf::Record;
use crate::config::Settings;
use crate::store::{Change, Store, StoreFault};

/// The fact that holds the settings of the last start.
const FACT: &str = "settings";

type Told = BTreeMap<String, String>;

#[derive(Serialize)]
struct ChangedBody<'a> {
    actor: &'static str,
    via: &'static str,
    request_id: Option<&'a str>,
    object: &'static str,
    before: Told,
    after: Told,
}

/// What the first transaction of a run adds for it: nothing where the settings are those of the last start, and no
/// record at the first.
pub(super) async fn compared(
    store: &dyn Store,
    settings: &Settings,
) -> Result<(Option<Record>, Option<Change>), StoreFault> {
    let now: Told = settings.told().into_iter().map(|(path, text)| (path.to_owned(), text)).collect();
    let text = serde_json::to_string(&now).unwrap_or_default();
    let last = store.fact(FACT).await?;
    if last.as_deref() == Some(text.as_str()) {
        return Ok((None, None));
    }
    let change = Some(Change::SetFact(FACT, text));
    // A fact that cannot be read is no news about the settings.
    let Some(last) = last.and_then(|last| serde_json::from_str::<Told>(&last).ok()) else {
        return Ok((None, change));
    };
    let differs = |one: &Told, other: &Told| -> Told {
        let kept = one.iter().filter(|(path, text)| other.get(*path) != Some(*text));
        kept.map(|(path, text)| (path.clone(), text.clone())).collect()
    };
    let body = ChangedBody {
        actor: "mintmark",
        via: "settings",
        request_id: None,
        object: "settings",
        before: differs(&last, &now),
        after: differs(&now, &last),
    };
    Ok((Some(Record::of(EventType::ConfigChanged, body::line(&body))), change))
}
