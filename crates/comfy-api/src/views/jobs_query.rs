//! The query of `GET /api/jobs`, with the newest server's rules.

use thiserror::Error;

use super::JobPhase;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum JobsSort {
    CreatedAt,
    ExecutionDuration,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum JobsSortOrder {
    Ascending,
    Descending,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JobsQuery {
    /// `None` asks for all.
    pub phases: Option<Vec<JobPhase>>,
    pub workflow_id: Option<String>,
    pub sort: JobsSort,
    pub order: JobsSortOrder,
    pub limit: Option<usize>,
    pub offset: usize,
}

/// Answered 400 with this text under `error`.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum InvalidJobsQuery {
    #[error("Invalid status value(s): {0}. Valid values: pending, in_progress, completed, failed, cancelled")]
    Status(String),
    #[error("sort_by must be 'created_at' or 'execution_duration'")]
    SortBy,
    #[error("sort_order must be 'asc' or 'desc'")]
    SortOrder,
    #[error("{0} must be an integer")]
    NotAnInteger(&'static str),
    #[error("limit must be a positive integer")]
    LimitNotPositive,
}

impl Default for JobsQuery {
    fn default() -> Self {
        Self {
            phases: None,
            workflow_id: None,
            sort: JobsSort::CreatedAt,
            order: JobsSortOrder::Descending,
            limit: None,
            offset: 0,
        }
    }
}

impl JobsQuery {
    /// Reads decoded query pairs. Unknown names are ignored; of repeated ones the first counts.
    pub fn parse<'a>(pairs: impl IntoIterator<Item = (&'a str, &'a str)>) -> Result<Self, InvalidJobsQuery> {
        let pairs: Vec<(&str, &str)> = pairs.into_iter().collect();
        let value = |name: &str| pairs.iter().find(|(key, _)| *key == name).map(|(_, value)| *value);
        let mut query = Self::default();
        if let Some(status) = value("status") {
            query.phases = phases(status)?;
        }
        query.workflow_id = value("workflow_id").filter(|id| !id.is_empty()).map(str::to_owned);
        query.sort = match value("sort_by").map(str::to_ascii_lowercase).as_deref() {
            None | Some("created_at") => JobsSort::CreatedAt,
            Some("execution_duration") => JobsSort::ExecutionDuration,
            Some(_) => return Err(InvalidJobsQuery::SortBy),
        };
        query.order = match value("sort_order").map(str::to_ascii_lowercase).as_deref() {
            None | Some("desc") => JobsSortOrder::Descending,
            Some("asc") => JobsSortOrder::Ascending,
            Some(_) => return Err(InvalidJobsQuery::SortOrder),
        };
        if let Some(limit) = value("limit") {
            let limit = integer("limit", limit)?;
            query.limit = Some(
                usize::try_from(limit)
                    .ok()
                    .filter(|limit| *limit > 0)
                    .ok_or(InvalidJobsQuery::LimitNotPositive)?,
            );
        }
        if let Some(offset) = value("offset") {
            // A negative offset starts at the beginning.
            query.offset = usize::try_from(integer("offset", offset)?).unwrap_or(0);
        }
        Ok(query)
    }
}

fn phases(status: &str) -> Result<Option<Vec<JobPhase>>, InvalidJobsQuery> {
    if status.is_empty() {
        return Ok(None);
    }
    let mut phases = Vec::new();
    let mut unknown = Vec::new();
    for name in status.split(',').map(|name| name.trim().to_ascii_lowercase()).filter(|name| !name.is_empty())
    {
        match JobPhase::ALL.into_iter().find(|phase| phase.as_str() == name) {
            Some(phase) => phases.push(phase),
            None => unknown.push(name),
        }
    }
    if unknown.is_empty() { Ok(Some(phases)) } else { Err(InvalidJobsQuery::Status(unknown.join(", "))) }
}

fn integer(name: &'static str, text: &str) -> Result<i64, InvalidJobsQuery> {
    text.trim().parse().map_err(|_| InvalidJobsQuery::NotAnInteger(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_frontends_queries_are_read() {
        let query =
            JobsQuery::parse([("status", "in_progress,pending"), ("limit", "200"), ("offset", "0")]).unwrap();
        assert_eq!(query.phases, Some(vec![JobPhase::InProgress, JobPhase::Pending]));
        assert_eq!((query.limit, query.offset), (Some(200), 0));
        assert_eq!(query.order, JobsSortOrder::Descending);
        assert_eq!(JobsQuery::parse([("offset", "-3")]).unwrap(), JobsQuery::default());
        assert_eq!(JobsQuery::parse([("status", ""), ("rand", "1")]).unwrap(), JobsQuery::default());
    }

    #[test]
    fn bad_queries_are_named() {
        let error = |pairs: &[(&'static str, &'static str)]| {
            JobsQuery::parse(pairs.iter().copied()).unwrap_err().to_string()
        };
        insta::assert_snapshot!(
            [
                error(&[("status", "done,failed,x")]),
                error(&[("sort_by", "name")]),
                error(&[("sort_order", "up")]),
                error(&[("limit", "many")]),
                error(&[("limit", "0")]),
                error(&[("offset", "1.5")]),
            ]
            .join("\n"),
            @r"
        Invalid status value(s): done, x. Valid values: pending, in_progress, completed, failed, cancelled
        sort_by must be 'created_at' or 'execution_duration'
        sort_order must be 'asc' or 'desc'
        limit must be an integer
        limit must be a positive integer
        offset must be an integer
        "
        );
    }
}
