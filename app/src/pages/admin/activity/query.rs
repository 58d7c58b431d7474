//! Which part of the list the address names: `?tab=activity&seat=user003&problems=true`.

use domain::SeatId;
use leptos::prelude::*;
use leptos_router::hooks::use_query_map;
use leptos_router::params::ParamsMap;

use crate::api::admin::ActivityView;
use crate::pages::admin::tab::Tab;

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct ActivityQuery {
    pub(super) seat: Option<SeatId>,
    pub(super) problems_only: bool,
    /// Older than this entry. A page of the past, which nothing new joins.
    pub(super) before: Option<i64>,
}

impl ActivityQuery {
    /// What makes no sense is left out: a form sends `seat=` for everybody.
    pub(super) fn of(params: &ParamsMap) -> Self {
        Self {
            seat: params.get("seat").and_then(|seat| seat.parse().ok()),
            problems_only: params.get("problems").as_deref() == Some("true"),
            before: params.get("before").and_then(|before| before.parse().ok()),
        }
    }

    pub(super) fn href(self) -> String {
        let mut href = Tab::Activity.href();
        if let Some(seat) = self.seat {
            href.push_str(&format!("&seat={seat}"));
        }
        if self.problems_only {
            href.push_str("&problems=true");
        }
        if let Some(before) = self.before {
            href.push_str(&format!("&before={before}"));
        }
        href
    }

    /// Whether the entry belongs to the part.
    pub(super) fn matches(self, entry: &ActivityView) -> bool {
        self.seat.is_none_or(|seat| entry.seat == Some(seat))
            && (!self.problems_only || entry.is_problem())
            && self.before.is_none_or(|before| entry.id < before)
    }

    /// Whether what the page receives live is all there is to show at first.
    pub(super) fn is_live(self) -> bool {
        self == Self::default()
    }
}

pub(super) fn activity_query() -> Memo<ActivityQuery> {
    let query = use_query_map();
    Memo::new(move |_| query.with(ActivityQuery::of))
}

#[cfg(test)]
mod tests {
    use domain::Timestamp;

    use super::*;

    fn entry(id: i64, kind: &str, seat: u16) -> ActivityView {
        ActivityView {
            id,
            at: Timestamp::from_unix_ms(0),
            kind: kind.to_owned(),
            seat: SeatId::new(seat).ok(),
            job: None,
            title: None,
            worker: None,
            detail: None,
            failure: None,
        }
    }

    fn params(pairs: &[(&str, &str)]) -> ParamsMap {
        pairs.iter().map(|(name, value)| (name.to_string(), value.to_string())).collect()
    }

    #[test]
    fn the_address_is_read_and_written_alike() {
        let query = ActivityQuery { seat: SeatId::new(3).ok(), problems_only: true, before: Some(40) };
        assert_eq!(query.href(), "?tab=activity&seat=user003&problems=true&before=40");
        let read = params(&[("seat", "user003"), ("problems", "true"), ("before", "40")]);
        assert_eq!(ActivityQuery::of(&read), query);
        assert!(ActivityQuery::of(&params(&[("seat", ""), ("before", "x")])).is_live());
    }

    #[test]
    fn only_what_was_asked_for_is_shown() {
        let all = ActivityQuery::default();
        let seat = ActivityQuery { seat: SeatId::new(3).ok(), ..all };
        let problems = ActivityQuery { problems_only: true, ..all };
        let past = ActivityQuery { before: Some(7), ..all };
        assert!(all.matches(&entry(7, "started", 0)));
        assert!(seat.matches(&entry(7, "started", 3)) && !seat.matches(&entry(7, "started", 4)));
        assert!(problems.matches(&entry(7, "failed", 3)) && !problems.matches(&entry(7, "started", 3)));
        assert!(past.matches(&entry(6, "started", 3)) && !past.matches(&entry(7, "started", 3)));
    }
}
