//! The policy's rows: objects as JSON documents beside the columns that are looked up.

use std::collections::HashSet;
use std::sync::Arc;

use serde::Serialize;
use serde::de::DeserializeOwned;
use sqlx::Row as _;
use sqlx::sqlite::{SqliteConnection, SqlitePool, SqliteRow};

use super::number::{signed, unsigned};
use super::rows::{keep, one_row};
use super::{answer_rows, secret_rows};
use crate::digest::Digest;
use crate::policy::{Client, ClientId, Policy, RegisteredClient, Resource, RowKind, ScopeRule, reserved_id};
use crate::store::{Change, DamagedRow, StoreFault};

fn document(object: &impl Serialize) -> Result<String, StoreFault> {
    serde_json::to_string(object).map_err(|error| StoreFault::Broken(error.to_string()))
}

pub(super) async fn apply(connection: &mut SqliteConnection, change: &Change) -> Result<(), StoreFault> {
    let query = match change {
        Change::PutResource(resource) => sqlx::query(
            "INSERT INTO resources (uri, version, document) SELECT $1, $2, $3 WHERE $2 = 1 OR EXISTS (SELECT 1 FROM resources WHERE uri = $1)
             ON CONFLICT (uri) DO UPDATE SET version = excluded.version, document = excluded.document
             WHERE resources.version = excluded.version - 1",
        )
        .bind(resource.uri.as_str().to_owned())
        .bind(signed(resource.version))
        .bind(document(resource)?),
        Change::PutScope(rule) => sqlx::query(
            "INSERT INTO scopes (name, version, document) SELECT $1, $2, $3 WHERE $2 = 1 OR EXISTS (SELECT 1 FROM scopes WHERE name = $1)
             ON CONFLICT (name) DO UPDATE SET version = excluded.version, document = excluded.document
             WHERE scopes.version = excluded.version - 1",
        )
        .bind(rule.name.as_str().to_owned())
        .bind(signed(rule.version))
        .bind(document(rule)?),
        Change::PutClient(client) => sqlx::query(
            "INSERT INTO clients (id, version, document) SELECT $1, $2, $3
             WHERE ($2 = 1 AND NOT EXISTS (SELECT 1 FROM deleted_clients WHERE id_hash = $4)) OR EXISTS (SELECT 1 FROM clients WHERE id = $1)
             ON CONFLICT (id) DO UPDATE SET version = excluded.version, document = excluded.document
             WHERE clients.version = excluded.version - 1",
        )
        .bind(client.id.as_str().to_owned())
        .bind(signed(client.version))
        .bind(document(client)?)
        .bind(reserved_id(&client.id).as_bytes().to_vec()),
        Change::DeleteResource(uri, version) => {
            sqlx::query("DELETE FROM resources WHERE uri = $1 AND version = $2")
                .bind(uri.as_str().to_owned())
                .bind(signed(*version))
        }
        Change::DeleteScope(name, version) => sqlx::query("DELETE FROM scopes WHERE name = $1 AND version = $2")
            .bind(name.as_str().to_owned())
            .bind(signed(*version)),
        Change::DeleteClient(id, version) => return delete_client(connection, id, *version).await,
        _ => return Err(StoreFault::Broken("not a change of the policy".to_owned())),
    };
    one_row(&query.execute(connection).await?)
}

async fn delete_client(
    connection: &mut SqliteConnection,
    id: &ClientId,
    version: u64,
) -> Result<(), StoreFault> {
    // No token of a client that is gone is good, so nothing rests on its floor any more.
    for named in
        ["DELETE FROM client_secrets WHERE client = $1", "DELETE FROM token_floors WHERE client = $1"]
    {
        sqlx::query(named).bind(id.as_str()).execute(&mut *connection).await?;
    }
    answer_rows::erase(&mut *connection, id).await?;
    let client = sqlx::query("DELETE FROM clients WHERE id = $1 AND version = $2");
    one_row(&client.bind(id.as_str()).bind(signed(version)).execute(&mut *connection).await?)?;
    let reserved = sqlx::query("INSERT INTO deleted_clients (id_hash) VALUES ($1)");
    one_row(&reserved.bind(reserved_id(id).as_bytes().as_slice()).execute(connection).await?)
}

/// The document in column 2, which must be that of the object named in column 0.
fn document_of<T: DeserializeOwned>(
    row: &SqliteRow,
    name: impl FnOnce(&T) -> &str,
) -> Result<T, sqlx::Error> {
    let object: T =
        serde_json::from_str(row.try_get(2)?).map_err(|error| sqlx::Error::Decode(error.into()))?;
    if name(&object) == row.try_get::<&str, _>(0)? {
        Ok(object)
    } else {
        Err(sqlx::Error::Decode("the document is another object's".into()))
    }
}

pub(super) async fn read(readers: &SqlitePool) -> Result<(Policy, Vec<DamagedRow>), sqlx::Error> {
    let mut broken = Vec::new();
    let mut policy = Policy::default();
    let mut snapshot = readers.begin().await?;
    let version: String = sqlx::query_scalar("SELECT value FROM facts WHERE name = 'policy_version'")
        .fetch_one(&mut *snapshot)
        .await?;
    policy.version = version.parse().unwrap_or_default();
    for row in sqlx::query("SELECT uri, version, document FROM resources").fetch_all(&mut *snapshot).await? {
        let read = keep(&mut broken, RowKind::Resource, &row, |row| {
            let resource = document_of(row, |resource: &Resource| resource.uri.as_str())?;
            Ok(Resource { version: unsigned(row.try_get(1)?), ..resource })
        });
        policy.resources.extend(read.map(|resource| (resource.uri.clone(), Arc::new(resource))));
    }
    for row in
        sqlx::query("SELECT name, version, document, key FROM scopes").fetch_all(&mut *snapshot).await?
    {
        let read = keep(&mut broken, RowKind::Scope, &row, |row| {
            let rule = document_of(row, |rule: &ScopeRule| rule.name.as_str())?;
            Ok(ScopeRule { version: unsigned(row.try_get(1)?), key: row.try_get(3)?, ..rule })
        });
        policy.scopes.extend(read.map(|rule| (rule.name.clone(), Arc::new(rule))));
    }
    let mut secrets = secret_rows::read(&mut snapshot, &mut broken).await?;
    for row in sqlx::query("SELECT id, version, document, key FROM clients").fetch_all(&mut *snapshot).await?
    {
        let read = keep(&mut broken, RowKind::Client, &row, |row| {
            let client = document_of(row, |client: &Client| client.id.as_str())?;
            let client = Client { version: unsigned(row.try_get(1)?), ..client };
            let secrets = secrets.remove(client.id.as_str()).unwrap_or_default();
            Ok(RegisteredClient { key: row.try_get(3)?, client, secrets })
        });
        policy.clients.extend(read.map(|registered| (registered.client.id.clone(), Arc::new(registered))));
    }
    policy.reserved = reserved(&mut snapshot).await?;
    snapshot.commit().await?;
    Ok((policy, broken))
}

/// A row that is no hash reserves nothing.
async fn reserved(connection: &mut SqliteConnection) -> Result<Arc<HashSet<Digest>>, sqlx::Error> {
    let rows: Vec<Vec<u8>> =
        sqlx::query_scalar("SELECT id_hash FROM deleted_clients").fetch_all(connection).await?;
    Ok(Arc::new(rows.into_iter().filter_map(|row| Some(Digest(row.try_into().ok()?))).collect()))
}
