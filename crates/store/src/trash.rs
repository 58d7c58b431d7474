//! What participants deleted, until it is undone or purged.
//!
//! The files are moved by the caller, before or after the rows change. An item's state
//! says which of the two was done, so that a crash in between loses and leaks nothing.

use std::str::FromStr;

use domain::{SeatId, Timestamp};
use sqlx::sqlite::SqliteRow;
use sqlx::{Row, Sqlite, Transaction};

use crate::{Store, StoreError};

/// One deletion of one or several things.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TrashId(pub i64);

/// Something to be deleted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NewTrashItem {
    /// A file without a row of its own.
    Input { folder: String, name: String },
    /// A file of the gallery, by its row.
    Output { artifact: i64 },
    /// A participant's model, by its model folder and name.
    Model { folder: String, name: String },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TrashKind {
    Input,
    Output,
    Model,
}

/// How far an item's file is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TrashState {
    /// On its way into the trash.
    Leaving,
    Kept,
    /// On its way back.
    Returning,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TrashItem {
    /// The name of the file in the trash.
    pub id: i64,
    pub trash: TrashId,
    pub kind: TrashKind,
    /// Below the seat's folder.
    pub folder: String,
    /// What the file was called; while it returns, what it will be called.
    pub name: String,
    pub state: TrashState,
}

/// A deletion that can still be undone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TrashSummary {
    pub id: TrashId,
    pub items: u32,
    pub created_at: Timestamp,
}

impl Store {
    /// Notes a deletion and marks the rows of what it takes. What is not there, or no longer,
    /// is left out.
    pub async fn begin_trash(
        &self,
        seat: SeatId,
        now: Timestamp,
        things: &[NewTrashItem],
    ) -> Result<(TrashId, Vec<TrashItem>), StoreError> {
        let mut transaction = self.begin().await?;
        let id: i64 = sqlx::query("INSERT INTO trash (seat, created_at) VALUES (?, ?) RETURNING id")
            .bind(seat.number())
            .bind(now.unix_ms())
            .fetch_one(&mut *transaction)
            .await
            .map_err(StoreError::query("note a deletion"))?
            .get("id");
        let trash = TrashId(id);
        let mut items = Vec::with_capacity(things.len());
        for thing in things {
            items.extend(match thing {
                NewTrashItem::Input { folder, name } => {
                    Some(insert_item(&mut transaction, trash, TrashKind::Input, folder, name).await?)
                }
                NewTrashItem::Output { artifact } => {
                    trash_artifact(&mut transaction, seat, trash, *artifact).await?
                }
                NewTrashItem::Model { folder, name } => {
                    trash_model(&mut transaction, seat, trash, folder, name).await?
                }
            });
        }
        transaction.commit().await.map_err(StoreError::query("note a deletion"))?;
        Ok((trash, items))
    }

    /// Notes that the files of a deletion have arrived in the trash, all but those of `absent`
    /// items, which are forgotten. Returns how many items there are.
    pub async fn keep_trash(&self, trash: TrashId, absent: &[i64]) -> Result<u32, StoreError> {
        let mut transaction = self.begin().await?;
        let absent = serde_json::to_string(absent).map_err(StoreError::corrupt("trash items"))?;
        sqlx::query(
            "DELETE FROM trash_items WHERE trash = ? AND kind = 'input'
                 AND id IN (SELECT value FROM json_each(?))",
        )
        .bind(trash.0)
        .bind(absent)
        .execute(&mut *transaction)
        .await
        .map_err(StoreError::query("forget absent files"))?;
        let kept = sqlx::query("UPDATE trash_items SET state = 'kept' WHERE trash = ?")
            .bind(trash.0)
            .execute(&mut *transaction)
            .await
            .map_err(StoreError::query("note what the trash holds"))?
            .rows_affected();
        if kept == 0 {
            delete_trash(&mut transaction, trash).await?;
        }
        transaction.commit().await.map_err(StoreError::query("note what the trash holds"))?;
        Ok(u32::try_from(kept).unwrap_or(u32::MAX))
    }

    /// The items of one of the seat's deletions; none if it is not the seat's or no longer there.
    pub async fn trash_items(&self, seat: SeatId, trash: TrashId) -> Result<Vec<TrashItem>, StoreError> {
        let rows = sqlx::query(
            "SELECT trash_items.* FROM trash_items JOIN trash ON trash.id = trash_items.trash
             WHERE trash.seat = ? AND trash.id = ? ORDER BY trash_items.id",
        )
        .bind(seat.number())
        .bind(trash.0)
        .fetch_all(&self.reader)
        .await
        .map_err(StoreError::query("read a deletion"))?;
        rows.iter().map(item).collect()
    }

    /// Notes under which names the files of a deletion return.
    pub async fn begin_restore(&self, names: &[(i64, String)]) -> Result<(), StoreError> {
        let mut transaction = self.begin().await?;
        for (id, name) in names {
            sqlx::query("UPDATE trash_items SET state = 'returning', name = ? WHERE id = ?")
                .bind(name)
                .bind(id)
                .execute(&mut *transaction)
                .await
                .map_err(StoreError::query("note where a file returns to"))?;
        }
        transaction.commit().await.map_err(StoreError::query("begin to undo a deletion"))
    }

    /// Ends a deletion whose files have returned: their rows are as before, but for a new name.
    pub async fn end_restore(&self, trash: TrashId) -> Result<(), StoreError> {
        let mut transaction = self.begin().await?;
        sqlx::query(
            "UPDATE artifacts SET filename = trash_items.name, trash_item = NULL
             FROM trash_items WHERE trash_items.id = artifacts.trash_item AND trash_items.trash = ?",
        )
        .bind(trash.0)
        .execute(&mut *transaction)
        .await
        .map_err(StoreError::query("bring results back"))?;
        sqlx::query(
            "INSERT INTO seat_models (seat, folder, name, bytes, sha256, metadata, created_at)
             SELECT model ->> 'seat', model ->> 'folder', name, model ->> 'bytes', model ->> 'sha256',
                 model ->> 'metadata', model ->> 'created_at'
             FROM trash_items WHERE trash = ? AND model IS NOT NULL
             ON CONFLICT DO NOTHING",
        )
        .bind(trash.0)
        .execute(&mut *transaction)
        .await
        .map_err(StoreError::query("bring models back"))?;
        delete_trash(&mut transaction, trash).await?;
        transaction.commit().await.map_err(StoreError::query("end the undoing of a deletion"))
    }

    /// The items whose results are no longer marked by them: a later attempt of the job has
    /// made the file anew, or dropped it.
    pub async fn superseded_trash(&self, trash: TrashId) -> Result<Vec<i64>, StoreError> {
        let rows = sqlx::query(
            "SELECT id FROM trash_items WHERE trash = ? AND kind = 'output'
                 AND NOT EXISTS (SELECT 1 FROM artifacts WHERE artifacts.trash_item = trash_items.id)",
        )
        .bind(trash.0)
        .fetch_all(&self.reader)
        .await
        .map_err(StoreError::query("look for superseded results"))?;
        Ok(rows.iter().map(|row| row.get("id")).collect())
    }

    /// Forgets a deletion for good, with the rows of what it took. Its files must be gone.
    /// Returns the hashes of contents that the seat has no result of any more.
    pub async fn purge_trash(&self, trash: TrashId) -> Result<Vec<String>, StoreError> {
        let mut transaction = self.begin().await?;
        let gone = sqlx::query(
            "DELETE FROM artifacts WHERE trash_item IN (SELECT id FROM trash_items WHERE trash = ?)
             RETURNING seat, sha256",
        )
        .bind(trash.0)
        .fetch_all(&mut *transaction)
        .await
        .map_err(StoreError::query("forget deleted results"))?;
        let mut unused = Vec::new();
        for row in &gone {
            let (seat, sha256): (i64, String) = (row.get("seat"), row.get("sha256"));
            let is_used: bool =
                sqlx::query_scalar("SELECT EXISTS (SELECT 1 FROM artifacts WHERE sha256 = ? AND seat = ?)")
                    .bind(&sha256)
                    .bind(seat)
                    .fetch_one(&mut *transaction)
                    .await
                    .map_err(StoreError::query("look for results of a content"))?;
            if !is_used {
                unused.push(sha256);
            }
        }
        delete_trash(&mut transaction, trash).await?;
        transaction.commit().await.map_err(StoreError::query("forget a deletion"))?;
        Ok(unused)
    }

    /// The seat's deletions that can be undone, latest first.
    pub async fn seat_trash(&self, seat: SeatId) -> Result<Vec<TrashSummary>, StoreError> {
        let rows = sqlx::query(
            "SELECT id, created_at, (SELECT count(*) FROM trash_items WHERE trash = trash.id) AS items
             FROM trash WHERE seat = ? ORDER BY id DESC",
        )
        .bind(seat.number())
        .fetch_all(&self.reader)
        .await
        .map_err(StoreError::query("list deletions"))?;
        let summary = |row: &SqliteRow| TrashSummary {
            id: TrashId(row.get("id")),
            items: row.get("items"),
            created_at: Timestamp::from_unix_ms(row.get("created_at")),
        };
        Ok(rows.iter().map(summary).collect())
    }

    /// Deletions of all seats from before `before`.
    pub async fn trash_before(&self, before: Timestamp) -> Result<Vec<(SeatId, TrashId)>, StoreError> {
        let rows = sqlx::query("SELECT seat, id FROM trash WHERE created_at < ? ORDER BY id")
            .bind(before.unix_ms())
            .fetch_all(&self.reader)
            .await
            .map_err(StoreError::query("list old deletions"))?;
        rows.iter().map(seat_and_trash).collect()
    }

    /// Deletions that were neither done nor undone when the server stopped.
    pub async fn trash_cut_short(&self) -> Result<Vec<(SeatId, TrashId)>, StoreError> {
        let rows = sqlx::query(
            "SELECT seat, id FROM trash WHERE id IN (SELECT trash FROM trash_items WHERE state <> 'kept')
             ORDER BY id",
        )
        .fetch_all(&self.reader)
        .await
        .map_err(StoreError::query("list unfinished deletions"))?;
        rows.iter().map(seat_and_trash).collect()
    }
}

async fn trash_artifact(
    transaction: &mut Transaction<'static, Sqlite>,
    seat: SeatId,
    trash: TrashId,
    artifact: i64,
) -> Result<Option<TrashItem>, StoreError> {
    let row = sqlx::query(
        "SELECT subfolder, filename FROM artifacts
         WHERE id = ? AND seat = ? AND kind = 'output' AND trash_item IS NULL",
    )
    .bind(artifact)
    .bind(seat.number())
    .fetch_optional(&mut **transaction)
    .await
    .map_err(StoreError::query("look a result up"))?;
    let Some(row) = row else { return Ok(None) };
    let subfolder: String = row.get("subfolder");
    let folder = if subfolder.is_empty() { "output".to_owned() } else { format!("output/{subfolder}") };
    let item = insert_item(transaction, trash, TrashKind::Output, &folder, row.get("filename")).await?;
    sqlx::query("UPDATE artifacts SET trash_item = ? WHERE id = ?")
        .bind(item.id)
        .bind(artifact)
        .execute(&mut **transaction)
        .await
        .map_err(StoreError::query("mark a result as deleted"))?;
    Ok(Some(item))
}

/// Moves the model's row into the item, whole.
async fn trash_model(
    transaction: &mut Transaction<'static, Sqlite>,
    seat: SeatId,
    trash: TrashId,
    folder: &str,
    name: &str,
) -> Result<Option<TrashItem>, StoreError> {
    let model: Option<String> = sqlx::query_scalar(
        "DELETE FROM seat_models WHERE seat = ? AND folder = ? AND name = ?
         RETURNING json_object('seat', seat, 'folder', folder, 'bytes', bytes, 'sha256', sha256,
             'metadata', metadata, 'created_at', created_at)",
    )
    .bind(seat.number())
    .bind(folder)
    .bind(name)
    .fetch_optional(&mut **transaction)
    .await
    .map_err(StoreError::query("take a model out of the selectors"))?;
    let Some(model) = model else { return Ok(None) };
    let item = insert_item(transaction, trash, TrashKind::Model, &format!("models/{folder}"), name).await?;
    sqlx::query("UPDATE trash_items SET model = ? WHERE id = ?")
        .bind(model)
        .bind(item.id)
        .execute(&mut **transaction)
        .await
        .map_err(StoreError::query("keep a deleted model's row"))?;
    Ok(Some(item))
}

async fn insert_item(
    transaction: &mut Transaction<'static, Sqlite>,
    trash: TrashId,
    kind: TrashKind,
    folder: &str,
    name: &str,
) -> Result<TrashItem, StoreError> {
    let row =
        sqlx::query("INSERT INTO trash_items (trash, kind, folder, name) VALUES (?, ?, ?, ?) RETURNING *")
            .bind(trash.0)
            .bind(kind.as_str())
            .bind(folder)
            .bind(name)
            .fetch_one(&mut **transaction)
            .await
            .map_err(StoreError::query("note a deleted file"))?;
    item(&row)
}

/// With its items.
async fn delete_trash(
    transaction: &mut Transaction<'static, Sqlite>,
    trash: TrashId,
) -> Result<(), StoreError> {
    sqlx::query("DELETE FROM trash WHERE id = ?")
        .bind(trash.0)
        .execute(&mut **transaction)
        .await
        .map_err(StoreError::query("forget a deletion"))?;
    Ok(())
}

fn item(row: &SqliteRow) -> Result<TrashItem, StoreError> {
    Ok(TrashItem {
        id: row.get("id"),
        trash: TrashId(row.get("trash")),
        kind: row.get::<&str, _>("kind").parse().map_err(StoreError::corrupt("kind of trash"))?,
        folder: row.get("folder"),
        name: row.get("name"),
        state: row.get::<&str, _>("state").parse().map_err(StoreError::corrupt("state of trash"))?,
    })
}

fn seat_and_trash(row: &SqliteRow) -> Result<(SeatId, TrashId), StoreError> {
    let seat = SeatId::new(row.get("seat")).map_err(StoreError::corrupt("seat"))?;
    Ok((seat, TrashId(row.get("id"))))
}

impl TrashKind {
    fn as_str(self) -> &'static str {
        match self {
            Self::Input => "input",
            Self::Output => "output",
            Self::Model => "model",
        }
    }
}

impl FromStr for TrashKind {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "input" => Ok(Self::Input),
            "output" => Ok(Self::Output),
            "model" => Ok(Self::Model),
            other => Err(format!("unknown kind {other}")),
        }
    }
}

impl FromStr for TrashState {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "leaving" => Ok(Self::Leaving),
            "kept" => Ok(Self::Kept),
            "returning" => Ok(Self::Returning),
            other => Err(format!("unknown state {other}")),
        }
    }
}
