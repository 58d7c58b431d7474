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
    /// The secret part of the link that hands out the seat's files.
    pub take_home_token: String,
    /// Sessions begun under another generation are void.
    pub session_generation: i64,
    /// Which of its sessions holds it. Only [`Store::claim_seat`] changes it.
    pub session_claim: i64,
    /// Several browsers came by that claim.
    pub is_claim_shared: bool,
    pub last_active_at: Option<Timestamp>,
    /// What the instructor calls it; empty if nothing.
    pub name: String,
    /// None of its jobs is handed out.
    pub is_paused: bool,
    /// Its jobs are demonstrations.
    pub is_demo: bool,
    /// What the instructor wants to tell it.
    pub message: Option<String>,
    pub service: SeatService,
}

/// What a seat has had of the GPU; `scheduler::Service` says what the numbers mean.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct SeatService {
    pub last_served: u64,
    pub account_ms: u64,
    pub floor_ms: u64,
}

/// What a claim makes of the one before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ClaimKind {
    /// It ends.
    Sole,
    /// It is the same.
    Shared,
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
            sqlx::query("UPDATE seats SET take_home_token = ? WHERE number = ? AND take_home_token IS NULL")
                .bind(mint())
                .bind(number)
                .execute(&mut *transaction)
                .await
                .map_err(StoreError::query("give a seat its take-home link"))?;
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

    /// Keeps what the instructor can change of a seat.
    pub async fn save_seat(&self, seat: &Seat) -> Result<(), StoreError> {
        sqlx::query(
            "UPDATE seats SET join_token = ?, take_home_token = ?, session_generation = ?, name = ?, is_paused = ?, is_demo = ?,
                 message = ?
             WHERE number = ?",
        )
        .bind(&seat.join_token)
        .bind(&seat.take_home_token)
        .bind(seat.session_generation)
        .bind(&seat.name)
        .bind(seat.is_paused)
        .bind(seat.is_demo)
        .bind(&seat.message)
        .bind(seat.id.number())
        .execute(&self.writer)
        .await
        .map_err(StoreError::query("change a seat"))?;
        Ok(())
    }

    /// Claims the seat for one more browser; the claim's number.
    pub async fn claim_seat(&self, id: SeatId, kind: ClaimKind) -> Result<i64, StoreError> {
        let is_shared = kind == ClaimKind::Shared;
        sqlx::query_scalar(
            "UPDATE seats SET session_claim = session_claim + ?, is_claim_shared = ? WHERE number = ?
             RETURNING session_claim",
        )
        .bind(i64::from(!is_shared))
        .bind(is_shared)
        .bind(id.number())
        .fetch_one(&self.writer)
        .await
        .map_err(StoreError::query("claim a seat"))
    }

    pub async fn save_service(&self, id: SeatId, service: SeatService) -> Result<(), StoreError> {
        let number = |value: u64| i64::try_from(value).unwrap_or(i64::MAX);
        sqlx::query("UPDATE seats SET last_served = ?, account_ms = ?, floor_ms = ? WHERE number = ?")
            .bind(number(service.last_served))
            .bind(number(service.account_ms))
            .bind(number(service.floor_ms))
            .bind(id.number())
            .execute(&self.writer)
            .await
            .map_err(StoreError::query("note what a seat was served"))?;
        Ok(())
    }

    /// Forgets all that the seats did and made; the seats and their join links stay. Their
    /// files must be gone, and no server may run. The take-home links end.
    pub async fn erase_seats(&self, seats: &[SeatId]) -> Result<(), StoreError> {
        let failed = || StoreError::query("forget what a seat did");
        let mut transaction = self.begin().await?;
        // The tables refer to each other; all is whole again when the transaction ends.
        sqlx::query("PRAGMA defer_foreign_keys = ON").execute(&mut *transaction).await.map_err(failed())?;
        // Asked of the database, so that no table that comes later is forgotten here.
        let tables: Vec<String> = sqlx::query_scalar(
            "SELECT name FROM sqlite_master WHERE type = 'table' AND name <> 'events'
                 AND EXISTS (SELECT 1 FROM pragma_table_info(sqlite_master.name) AS columns WHERE columns.name = 'seat')",
        )
        .fetch_all(&mut *transaction)
        .await
        .map_err(failed())?;
        for seat in seats {
            for table in &tables {
                sqlx::query(&format!("DELETE FROM \"{table}\" WHERE seat = ?"))
                    .bind(seat.number())
                    .execute(&mut *transaction)
                    .await
                    .map_err(failed())?;
            }
            // What happened stays on record; names and messages in it do not.
            sqlx::query("UPDATE events SET detail = NULL WHERE seat = ?")
                .bind(seat.number())
                .execute(&mut *transaction)
                .await
                .map_err(failed())?;
            sqlx::query(
                "UPDATE seats SET name = '', message = NULL, take_home_token = NULL WHERE number = ?",
            )
            .bind(seat.number())
            .execute(&mut *transaction)
            .await
            .map_err(failed())?;
        }
        transaction.commit().await.map_err(failed())?;
        // Else what was deleted stays readable in the file, or in the log beside it.
        sqlx::query("VACUUM").execute(&self.writer).await.map_err(failed())?;
        self.write_out().await
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
        take_home_token: row.get::<Option<String>, _>("take_home_token").unwrap_or_default(),
        session_generation: row.get("session_generation"),
        session_claim: row.get("session_claim"),
        is_claim_shared: row.get("is_claim_shared"),
        last_active_at: row.get::<Option<i64>, _>("last_active_at").map(Timestamp::from_unix_ms),
        name: row.get("name"),
        is_paused: row.get("is_paused"),
        is_demo: row.get("is_demo"),
        message: row.get("message"),
        service: SeatService {
            last_served: row.get("last_served"),
            account_ms: row.get("account_ms"),
            floor_ms: row.get("floor_ms"),
        },
    })
}
