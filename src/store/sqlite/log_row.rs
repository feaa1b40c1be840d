//! The one row that says which log this store holds: its name, its key, its head and its last checkpoint.

use sqlx::sqlite::SqliteConnection;

use crate::audit::tree::EMPTY_ROOT;
use crate::store::{Change, StoreFault};

/// Writes those changes that are about the log itself; others are none of its business.
pub(super) async fn apply(connection: &mut SqliteConnection, change: &Change) -> Result<(), StoreFault> {
    match change {
        Change::OpenLog(log) => {
            sqlx::query(
                "INSERT INTO log (id, origin, vkey, sealed_key, size, root) VALUES (1, $1, $2, $3, 0, $4)",
            )
            .bind(&log.origin)
            .bind(&log.vkey)
            .bind(log.sealed_key.as_slice())
            .bind(EMPTY_ROOT.as_bytes().as_slice())
            .execute(connection)
            .await?;
            Ok(())
        }
        Change::ReopenLog(log) => {
            let update = sqlx::query(
                "UPDATE log SET origin = $1, vkey = $2, sealed_key = $3, checkpoint = NULL WHERE id = 1",
            );
            update
                .bind(&log.origin)
                .bind(&log.vkey)
                .bind(log.sealed_key.as_slice())
                .execute(connection)
                .await?;
            Ok(())
        }
        Change::SealLogKey(sealed) => {
            let update = sqlx::query("UPDATE log SET sealed_key = $1 WHERE id = 1").bind(sealed.as_slice());
            update.execute(connection).await?;
            Ok(())
        }
        Change::Publish(note) => {
            sqlx::query("UPDATE log SET checkpoint = $1 WHERE id = 1").bind(note).execute(connection).await?;
            Ok(())
        }
        _ => Ok(()),
    }
}
