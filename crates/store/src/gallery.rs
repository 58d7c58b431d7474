//! The gallery: a seat's saved results that are not deleted, newest first.
//!
//! Every listing is answered from a partial index of the gallery's rows
//! (migrations/20261126142100), so its conditions stand in the SQL as they do there.

use std::fmt;
use std::str::FromStr;

use domain::{SeatId, Timestamp};
use sqlx::sqlite::SqliteRow;
use sqlx::{QueryBuilder, Row, Sqlite};

use crate::artifacts::{Artifact, artifact};
use crate::{Store, StoreError};

const IN_GALLERY: &str = "kind = 'output' AND trash_item IS NULL";
const MS_PER_DAY: i64 = 24 * 60 * 60 * 1000;

/// How a result is looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Media {
    Image,
    /// A picture that moves by itself.
    Animated,
    Video,
    Audio,
    /// Only to be downloaded: meshes, text, whatever else.
    Other,
}

/// Which results are listed; what is not set does not matter.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct GalleryFilter {
    pub media: Option<Media>,
    /// As [`WorkflowCount`] names it.
    pub workflow: Option<String>,
    pub is_favourite: bool,
    /// Made at or after the first moment and before the second.
    pub made: Option<(Timestamp, Timestamp)>,
}

/// A workflow that has results in the gallery.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WorkflowCount {
    /// The workflow's own id, or its title if it has none.
    pub workflow: String,
    /// As its latest job was called.
    pub title: String,
    pub results: u32,
}

/// A day that has results in the gallery.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DayCount {
    /// Days since 1970-01-01, by the clock that was asked for.
    pub day: i64,
    pub results: u32,
}

impl Store {
    /// The seat's results, newest first, from below `before` on.
    pub async fn gallery(
        &self,
        seat: SeatId,
        filter: &GalleryFilter,
        before: Option<i64>,
        limit: u32,
    ) -> Result<Vec<Artifact>, StoreError> {
        let rows = gallery_query(seat, filter, before, limit)
            .build()
            .fetch_all(&self.reader)
            .await
            .map_err(StoreError::query("list the gallery"))?;
        rows.iter().map(artifact).collect()
    }

    /// One result of the seat's gallery.
    pub async fn gallery_artifact(&self, seat: SeatId, id: i64) -> Result<Option<Artifact>, StoreError> {
        let row = sqlx::query(
            "SELECT *, (SELECT title FROM jobs WHERE jobs.id = job_id) AS title FROM artifacts
             WHERE id = ? AND seat = ? AND kind = 'output' AND trash_item IS NULL",
        )
        .bind(id)
        .bind(seat.number())
        .fetch_optional(&self.reader)
        .await
        .map_err(StoreError::query("look a result up"))?;
        row.as_ref().map(artifact).transpose()
    }

    /// Those of the given results that are in the seat's gallery, newest first.
    pub async fn gallery_artifacts(&self, seat: SeatId, ids: &[i64]) -> Result<Vec<Artifact>, StoreError> {
        let ids = serde_json::to_string(ids).map_err(StoreError::corrupt("result ids"))?;
        let rows = sqlx::query(
            "SELECT *, (SELECT title FROM jobs WHERE jobs.id = job_id) AS title FROM artifacts
             WHERE id IN (SELECT value FROM json_each(?)) AND seat = ? AND kind = 'output'
                 AND trash_item IS NULL
             ORDER BY id DESC",
        )
        .bind(ids)
        .bind(seat.number())
        .fetch_all(&self.reader)
        .await
        .map_err(StoreError::query("look results up"))?;
        rows.iter().map(artifact).collect()
    }

    /// How many results there are, and what they take.
    pub async fn gallery_totals(&self, seat: SeatId) -> Result<(u32, u64), StoreError> {
        let row = sqlx::query(
            "SELECT count(*) AS results, coalesce(sum(bytes), 0) AS bytes FROM artifacts
             WHERE seat = ? AND kind = 'output' AND trash_item IS NULL",
        )
        .bind(seat.number())
        .fetch_one(&self.reader)
        .await
        .map_err(StoreError::query("count the results"))?;
        Ok((row.get("results"), u64::try_from(row.get::<i64, _>("bytes")).unwrap_or(0)))
    }

    /// The workflows that the seat's results are of, latest used first.
    pub async fn gallery_workflows(
        &self,
        seat: SeatId,
        limit: u32,
    ) -> Result<Vec<WorkflowCount>, StoreError> {
        let rows = sqlx::query(
            "SELECT workflow, results,
                 (SELECT title FROM jobs JOIN artifacts ON jobs.id = artifacts.job_id WHERE artifacts.id = latest)
                     AS title
             FROM (SELECT workflow, count(*) AS results, max(id) AS latest FROM artifacts
                 WHERE seat = ? AND kind = 'output' AND trash_item IS NULL GROUP BY workflow)
             ORDER BY latest DESC LIMIT ?",
        )
        .bind(seat.number())
        .bind(limit)
        .fetch_all(&self.reader)
        .await
        .map_err(StoreError::query("list the results' workflows"))?;
        let count = |row: &SqliteRow| WorkflowCount {
            workflow: row.get("workflow"),
            title: row.get("title"),
            results: row.get("results"),
        };
        Ok(rows.iter().map(count).collect())
    }

    /// The days on which the seat's results were made, latest first, by a clock so many
    /// milliseconds ahead of UTC.
    pub async fn gallery_days(
        &self,
        seat: SeatId,
        ahead_ms: i64,
        limit: u32,
    ) -> Result<Vec<DayCount>, StoreError> {
        let rows = sqlx::query(
            "SELECT (created_at + ?) / ? AS day, count(*) AS results FROM artifacts
             WHERE seat = ? AND kind = 'output' AND trash_item IS NULL
             GROUP BY day ORDER BY day DESC LIMIT ?",
        )
        .bind(ahead_ms)
        .bind(MS_PER_DAY)
        .bind(seat.number())
        .bind(limit)
        .fetch_all(&self.reader)
        .await
        .map_err(StoreError::query("list the results' days"))?;
        Ok(rows.iter().map(|row| DayCount { day: row.get("day"), results: row.get("results") }).collect())
    }

    /// Makes results of the seat's gallery favourites, or no longer.
    pub async fn set_favourite(
        &self,
        seat: SeatId,
        ids: &[i64],
        is_favourite: bool,
    ) -> Result<u64, StoreError> {
        let ids = serde_json::to_string(ids).map_err(StoreError::corrupt("result ids"))?;
        let done = sqlx::query(
            "UPDATE artifacts SET is_favourite = ? WHERE id IN (SELECT value FROM json_each(?)) AND seat = ?
                 AND kind = 'output' AND trash_item IS NULL",
        )
        .bind(is_favourite)
        .bind(ids)
        .bind(seat.number())
        .execute(&self.writer)
        .await
        .map_err(StoreError::query("mark favourites"))?;
        Ok(done.rows_affected())
    }
}

fn gallery_query(
    seat: SeatId,
    filter: &GalleryFilter,
    before: Option<i64>,
    limit: u32,
) -> QueryBuilder<'static, Sqlite> {
    let mut query = QueryBuilder::new(
        "SELECT *, (SELECT title FROM jobs WHERE jobs.id = job_id) AS title FROM artifacts WHERE seat = ",
    );
    query.push_bind(seat.number()).push(" AND ").push(IN_GALLERY);
    query.push(" AND id < ").push_bind(before.unwrap_or(i64::MAX));
    if let Some(media) = filter.media {
        query.push(" AND media = ").push_bind(media.as_str());
    }
    if let Some(workflow) = &filter.workflow {
        query.push(" AND workflow = ").push_bind(workflow.clone());
    }
    if filter.is_favourite {
        query.push(" AND is_favourite = 1");
    }
    if let Some((from, to)) = filter.made {
        query.push(" AND created_at >= ").push_bind(from.unix_ms());
        query.push(" AND created_at < ").push_bind(to.unix_ms());
    }
    query.push(" ORDER BY id DESC LIMIT ").push_bind(limit);
    query
}

impl Media {
    pub const ALL: [Self; 5] = [Self::Image, Self::Animated, Self::Video, Self::Audio, Self::Other];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Image => "image",
            Self::Animated => "animated",
            Self::Video => "video",
            Self::Audio => "audio",
            Self::Other => "other",
        }
    }
}

/// The text names no kind of medium.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnknownMedia(pub String);

impl fmt::Display for UnknownMedia {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "`{}` is no kind of medium", self.0)
    }
}

impl std::error::Error for UnknownMedia {}

impl FromStr for Media {
    type Err = UnknownMedia;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::ALL
            .into_iter()
            .find(|media| media.as_str() == text)
            .ok_or_else(|| UnknownMedia(text.to_owned()))
    }
}

#[cfg(test)]
#[path = "gallery_tests.rs"]
mod tests;
