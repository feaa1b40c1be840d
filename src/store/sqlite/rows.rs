//! What reading and writing of rows have in common: a write that touches what it means, a row that cannot be read.

use sqlx::Row as _;
use sqlx::sqlite::{SqliteQueryResult, SqliteRow};

use crate::policy::RowKind;
use crate::store::{DamagedRow, StoreFault};

/// The object's new version follows the stored one, or the write touches nothing.
pub(super) fn one_row(result: &SqliteQueryResult) -> Result<(), StoreFault> {
    if result.rows_affected() == 1 { Ok(()) } else { Err(StoreFault::Conflict) }
}

/// A row that cannot be read is left out and told; it never stops the others.
pub(super) fn keep<T>(
    broken: &mut Vec<DamagedRow>,
    kind: RowKind,
    row: &SqliteRow,
    read: impl FnOnce(&SqliteRow) -> Result<T, sqlx::Error>,
) -> Option<T> {
    let tell = |error: sqlx::Error| {
        let name = row.try_get::<String, _>(0).ok();
        broken.push(DamagedRow { kind, name, cause: error.to_string() });
    };
    read(row).map_err(tell).ok()
}
