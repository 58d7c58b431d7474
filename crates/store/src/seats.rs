//! Seats and their join links.

use domain::{SeatId, Timestamp};
use sqlx::Row;
use sqlx::sqlite::SqliteRow;

use crate::{Store, StoreError};

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seat {
    pub id: SeatId,
    /// The secret part of the join link.
    pub join_token: String,
    /// Sessions begun under another generation are void.
    pub session_generation: i64,
    pub last_active_at: Option<Timestamp>,
}

impl Store {
    /// Adds the seats up to `count` that are not there yet, each with a token from `mint`.
    pub async fn ensure_seats(
        &self,
        count: u16,
        now: Timestamp,
        mint: impl Fn() -> String + Send,
    ) -> Result<(), StoreError> {
        let mut transaction = self.begin().await?;
        for number in 1..=count {
            sqlx::query(
                "INSERT INTO seats (number, join_token, created_at) VALUES (?, ?, ?) ON CONFLICT DO NOTHING",
            )
            .bind(number)
            .bind(mint())
            .bind(now.unix_ms())
            .execute(&mut *transaction)
            .await
            .map_err(StoreError::query("add a seat"))?;
        }
        transaction.commit().await.map_err(StoreError::query("add the seats"))
    }

    /// The first `count` seats in order.
    pub async fn seats(&self, count: u16) -> Result<Vec<Seat>, StoreError> {
        let rows = sqlx::query("SELECT * FROM seats WHERE number <= ? ORDER BY number")
            .bind(count)
            .fetch_all(&self.reader)
            .await
            .map_err(StoreError::query("list the seats"))?;
        rows.iter().map(seat).collect()
    }

    pub async fn touch_seat(&self, id: SeatId, now: Timestamp) -> Result<(), StoreError> {
        sqlx::query("UPDATE seats SET last_active_at = ? WHERE number = ?")
            .bind(now.unix_ms())
            .bind(id.number())
            .execute(&self.writer)
            .await
            .map_err(StoreError::query("note a seat's activity"))?;
        Ok(())
    }
}

fn seat(row: &SqliteRow) -> Result<Seat, StoreError> {
    let number: u16 = row.get("number");
    Ok(Seat {
        id: SeatId::new(number).map_err(StoreError::corrupt("seat"))?,
        join_token: row.get("join_token"),
        session_generation: row.get("session_generation"),
        last_active_at: row.get::<Option<i64>, _>("last_active_at").map(Timestamp::from_unix_ms),
    })
}
