//! `mintmark dev`: a whole issuer on loopback with a policy to try things with.

use std::num::NonZeroU32;
use std::path::Path;
use std::time::Duration;

use secrecy::{ExposeSecret as _, SecretString};
use serde_json::json;

use super::{cannot_start, complaints, make_kek, orders, start_log, system};
use crate::admin::{Actor, Admin, Expected, Refusal};
use crate::app::{self, App, Listeners, Ports, Purpose};
use crate::cli::failure::Failure;
use crate::cli::globals::Globals;
use crate::cli::session::Terminal;
use crate::config::{Complaint, Settings, read_kek};
use crate::limits::{Enforce, Quota};
use crate::oauth::ScopeToken;
use crate::policy::{AdminScopes, Registration, Resource, ResourceUri, ScopeRule};

/// The demo's one API.
const RESOURCE: &str = "https://orders.example.com";
/// Its scopes, with limits that differ.
const SCOPES: [(&str, &str, u32); 3] =
    [("orders:read", "600/1m", 50), ("orders:write", "60/1m", 10), ("orders:export", "5/1h", 5)];
/// The client that the printed commands use, and one that may do less.
const CLIENTS: [(&str, &str); 2] =
    [("demo", "orders:export orders:read orders:write"), ("demo-reader", "orders:read")];
/// How long the secret of the last start works on.
const OVERLAP: Duration = Duration::from_hours(24);

/// `mintmark dev`: makes what is missing, loads the demo policy, prints commands that work, runs until stopped.
pub async fn dev(globals: &Globals, terminal: &mut Terminal<'_>) -> Result<(), Failure> {
    let settings = settings(globals, terminal)?;
    start_log(globals);
    app::harden();
    app::raise_open_files();
    let ambient = system();
    App::check_clock(&ambient).map_err(|error| cannot_start(&error))?;
    if !settings.keys.kek_file.exists() {
        make_kek(&settings.keys.kek_file)?;
    }
    let kek = complaints(read_kek(&settings.keys.kek_file).map_err(|error| vec![error.into()]), terminal)?;
    app::make_store(&settings, Purpose::Dev).await.map_err(|error| cannot_start(&error))?;
    let ports = Ports::bind(&settings).map_err(|error| cannot_start(&error))?;
    let app =
        App::open(&settings, &kek, ambient, Purpose::Dev).await.map_err(|error| cannot_start(&error))?;
    drop(kek);
    let listeners = Listeners::complete(&app, &settings, ports).map_err(|error| cannot_start(&error))?;
    let secrets =
        load(&app.admin, &settings).await.map_err(|refusal| Failure::refused(refusal.to_string()))?;
    print(&settings, &secrets, terminal)?;
    app::serve(app, &settings, listeners, orders()?, &()).await;
    Ok(())
}

/// The settings of the environment, with the listener as the issuer.
fn settings(globals: &Globals, terminal: &mut Terminal<'_>) -> Result<Settings, Failure> {
    let load = |issuer: &str| {
        let mut environment = globals.environment.clone();
        if !environment.iter().any(|(name, _)| name == "MINTMARK_ISSUER") {
            environment.push(("MINTMARK_ISSUER".to_owned(), issuer.to_owned()));
        }
        Settings::load(None, &environment)
    };
    let listen = complaints(load("http://localhost"), terminal)?.public.listen;
    let settings = complaints(load(&format!("http://{listen}")), terminal)?;
    let complaint = if !listen.ip().is_loopback() {
        Complaint::new(
            "public.listen",
            format!("{listen} is not loopback"),
            "dev listens on loopback only; use `mintmark serve`",
        )
    } else if settings.issuer.is_https() {
        Complaint::new("issuer", "is https", "dev is for loopback; use `mintmark serve`")
    } else if settings.public.tls.is_some() {
        Complaint::new("public.tls_cert_file", "is set", "dev speaks plain HTTP; use `mintmark serve`")
    } else {
        return Ok(settings);
    };
    complaints(Err(vec![complaint]), terminal)
}

/// Puts the demo policy in place where it is missing. What was changed by hand stays.
async fn load(admin: &Admin, settings: &Settings) -> Result<Vec<(&'static str, SecretString)>, Refusal> {
    let (name, request_id, held) = ("dev".to_owned(), "start".to_owned(), AdminScopes::all());
    let actor = Actor { name, via: "dev", request_id, once: None, held };
    let uri = ResourceUri::parse(RESOURCE).map_err(|_| Refusal::Internal("the demo's resource"))?;
    let policy = admin.policy();
    if !policy.resources.contains_key(&uri) {
        let first = settings.keys.algorithms.first().copied();
        let signing_alg = first.ok_or(Refusal::Internal("no algorithm is configured"))?;
        let resource = Resource { uri: uri.clone(), signing_alg, lifetime: None, version: 0 };
        admin.set_resource(&actor, resource, Expected::Unsaid).await?;
    }
    for (name, limit, burst) in SCOPES {
        let rule = scope(name, limit, burst, &uri).ok_or(Refusal::Internal("the demo's scopes"))?;
        if !policy.scopes.contains_key(&rule.name) {
            admin.set_scope(&actor, rule, Expected::Unsaid).await?;
        }
    }
    let mut secrets = Vec::new();
    for (id, scope) in CLIENTS {
        let made = if policy.client(id).is_some() {
            admin.end_oldest_of_two(&actor, id).await?;
            admin.rotate_secret(&actor, id, OVERLAP).await?
        } else {
            let new = json!({ "client_id": id, "scope": scope, "default_scope": "orders:read" });
            let new: Registration =
                serde_json::from_value(new).map_err(|_| Refusal::Internal("the demo's clients"))?;
            match admin.create_client(&actor, new).await {
                // It was deleted by hand, for good.
                Err(Refusal::Taken) => continue,
                made => made?.secret.ok_or(Refusal::Internal("the demo's clients"))?,
            }
        };
        secrets.push((id, made.secret));
    }
    Ok(secrets)
}

fn scope(name: &str, limit: &str, burst: u32, resource: &ResourceUri) -> Option<ScopeRule> {
    Some(ScopeRule {
        key: 0,
        name: ScopeToken::parse(name).ok()?,
        resource: resource.clone(),
        limit: Quota::parse(limit).ok()?.with_burst(NonZeroU32::new(burst)?).ok()?,
        total: None,
        enforce: Enforce::Refuse,
        lifetime: None,
        version: 0,
    })
}

fn print(
    settings: &Settings,
    secrets: &[(&str, SecretString)],
    terminal: &mut Terminal<'_>,
) -> Result<(), Failure> {
    let (issuer, socket) = (settings.issuer.as_str(), settings.admin.socket.as_path());
    let out = &mut *terminal.stdout;
    writeln!(out, "issuer   {issuer}")?;
    for (id, secret) in secrets {
        writeln!(out, "client   {id}   secret {}", secret.expose_secret())?;
    }
    let Some((id, secret)) = secrets.first() else { return Ok(()) };
    let secret = secret.expose_secret();
    writeln!(
        out,
        "\n# a token\n\
         curl -u '{id}:{secret}' -d grant_type=client_credentials -d scope=orders:read {issuer}/oauth2/token\n\n\
         # the keys that verify it\n\
         curl {issuer}/.well-known/jwks.json\n\n\
         # its entry in the log\n\
         curl --unix-socket {} 'http://mintmark/admin/v1/audit/entries?event=token.issued&limit=1'\n",
        shown(socket)
    )?;
    out.flush()?;
    Ok(())
}

/// A path as a shell reads it.
fn shown(path: &Path) -> String {
    let text = path.display().to_string();
    let plain = text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"/._-".contains(&byte));
    if plain { text } else { format!("'{}'", text.replace('\'', r"'\''")) }
}
