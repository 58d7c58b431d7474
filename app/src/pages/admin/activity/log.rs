//! What of the list has been read so far, from three sources: live, read at first, and
//! read further back.

use crate::api::admin::ActivityView;
use crate::pages::admin::activity::query::ActivityQuery;

/// A page that stays open for days does not grow for days.
const LONGEST: usize = 1_000;

/// Latest first, nothing twice.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct ActivityLog {
    query: ActivityQuery,
    pub(super) entries: Vec<ActivityView>,
}

impl ActivityLog {
    pub(super) fn with(mut self, query: ActivityQuery, more: &[ActivityView]) -> Self {
        if self.query != query {
            self = Self { query, entries: Vec::new() };
        }
        let is_known = |known: &[ActivityView], id| known.iter().any(|entry| entry.id == id);
        for entry in more.iter().filter(|entry| query.matches(entry)) {
            if !is_known(&self.entries, entry.id) {
                self.entries.push(entry.clone());
            }
        }
        self.entries.sort_by_key(|entry| std::cmp::Reverse(entry.id));
        self.entries.truncate(LONGEST);
        self
    }
}

#[cfg(test)]
mod tests {
    use domain::Timestamp;

    use super::*;

    fn entries(ids: &[i64]) -> Vec<ActivityView> {
        let entry = |id: &i64| ActivityView {
            id: *id,
            at: Timestamp::from_unix_ms(0),
            kind: "started".to_owned(),
            seat: None,
            job: None,
            title: None,
            worker: None,
            detail: None,
            failure: None,
        };
        ids.iter().map(entry).collect()
    }

    #[test]
    fn sources_join_in_order_and_nothing_is_there_twice() {
        let query = ActivityQuery::default();
        let log = ActivityLog::default().with(query, &entries(&[5, 4])).with(query, &entries(&[3, 2]));
        let log = log.with(query, &entries(&[6, 5]));
        assert_eq!(log.entries, entries(&[6, 5, 4, 3, 2]));
    }

    #[test]
    fn another_part_begins_anew() {
        let log = ActivityLog::default().with(ActivityQuery::default(), &entries(&[5, 4]));
        let past = ActivityQuery { before: Some(3), ..ActivityQuery::default() };
        assert_eq!(log.with(past, &entries(&[5, 2])).entries, entries(&[2]));
    }
}
