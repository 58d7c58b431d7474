//! The tokens that seats made for their programs.

use domain::{SeatId, Timestamp};
use sqlx::Row;
use sqlx::sqlite::SqliteRow;

use crate::{Store, StoreError};

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredApiToken {
    pub id: i64,
    pub seat: SeatId,
    /// The seat's when the token was made; it is void under another.
    pub session_generation: i64,
    pub name: String,
    /// Of the token, in hexadecimal digits.
    pub sha256: String,
    pub created_at: Timestamp,
    pub last_used_at: Option<Timestamp>,
}

#[derive(Debug)]
pub struct NewApiToken {
    pub seat: SeatId,
    pub session_generation: i64,
    pub name: String,
    pub sha256: String,
    pub created_at: Timestamp,
}

impl Store {
    /// Of all seats, oldest first.
    pub async fn api_tokens(&self) -> Result<Vec<StoredApiToken>, StoreError> {
        let rows = sqlx::query("SELECT * FROM api_tokens ORDER BY id")
            .fetch_all(&self.reader)
            .await
            .map_err(StoreError::query("list the API tokens"))?;
        rows.iter().map(api_token).collect()
    }

    pub async fn add_api_token(&self, new: NewApiToken) -> Result<StoredApiToken, StoreError> {
        let row = sqlx::query(
            "INSERT INTO api_tokens (seat, session_generation, name, sha256, created_at)
             VALUES (?, ?, ?, ?, ?) RETURNING *",
        )
        .bind(new.seat.number())
        .bind(new.session_generation)
        .bind(new.name)
        .bind(new.sha256)
        .bind(new.created_at.unix_ms())
        .fetch_one(&self.writer)
        .await
        .map_err(StoreError::query("add an API token"))?;
        api_token(&row)
    }

    /// Whether the seat had such a token.
    pub async fn delete_api_token(&self, seat: SeatId, id: i64) -> Result<bool, StoreError> {
        let done = sqlx::query("DELETE FROM api_tokens WHERE seat = ? AND id = ?")
            .bind(seat.number())
            .bind(id)
            .execute(&self.writer)
            .await
            .map_err(StoreError::query("delete an API token"))?;
        Ok(done.rows_affected() > 0)
    }

    /// Deletes all tokens of the seat.
    pub async fn delete_api_tokens(&self, seat: SeatId) -> Result<(), StoreError> {
        sqlx::query("DELETE FROM api_tokens WHERE seat = ?")
            .bind(seat.number())
            .execute(&self.writer)
            .await
            .map_err(StoreError::query("delete a seat's API tokens"))?;
        Ok(())
    }

    pub async fn touch_api_token(&self, seat: SeatId, id: i64, now: Timestamp) -> Result<(), StoreError> {
        sqlx::query("UPDATE api_tokens SET last_used_at = ? WHERE seat = ? AND id = ?")
            .bind(now.unix_ms())
            .bind(seat.number())
            .bind(id)
            .execute(&self.writer)
            .await
            .map_err(StoreError::query("note the use of an API token"))?;
        Ok(())
    }
}

fn api_token(row: &SqliteRow) -> Result<StoredApiToken, StoreError> {
    let number: u16 = row.get("seat");
    Ok(StoredApiToken {
        id: row.get("id"),
        seat: SeatId::new(number).map_err(StoreError::corrupt("api token"))?,
        session_generation: row.get("session_generation"),
        name: row.get("name"),
        sha256: row.get("sha256"),
        created_at: Timestamp::from_unix_ms(row.get("created_at")),
        last_used_at: row.get::<Option<i64>, _>("last_used_at").map(Timestamp::from_unix_ms),
    })
}
