//! The seat's results, newest first, a page at a time.

use domain::{JobId, SeatId, Timestamp};
use leptos::prelude::*;
use leptos::server_fn::codec::GetUrl;
use serde::{Deserialize, Serialize};

use crate::api::artifact::{ArtifactView, MediaKind};
use crate::api::undo::UndoView;
use crate::error::AppError;

/// Results per page.
pub const PAGE_SIZE: u32 = 48;

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct GalleryItemView {
    /// Newest has the highest.
    pub id: i64,
    pub job: JobId,
    pub file: ArtifactView,
    pub media: MediaKind,
    pub bytes: u64,
    pub created_at: Timestamp,
    pub is_favourite: bool,
    /// What the job that made it was called.
    pub title: String,
    /// The beginning of its content's hash.
    pub content: String,
}

/// Results without a gap, newest first.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct GalleryPage {
    pub items: Vec<GalleryItemView>,
    /// There are older ones than the last.
    pub has_older: bool,
    /// The latest deletion, while it can be undone.
    pub undo: Option<UndoView>,
}

/// What there is to filter by.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct GalleryChoicesView {
    /// Each as it is named in the filter, as it is called, and how many results it has.
    pub workflows: Vec<(String, String, u32)>,
    /// Each day since 1970-01-01 and how many results it has.
    pub days: Vec<(i64, u32)>,
    pub results: u32,
}

impl GalleryPage {
    /// This page continued at its newer end by `newest`, read later. If so much is new
    /// that the two do not meet, only `newest` is kept: a gallery has no hidden gap.
    #[must_use]
    pub fn with_newest(self, newest: Self) -> Self {
        let Some(oldest_new) = newest.items.last().map(|item| item.id) else {
            return newest;
        };
        let meets = self.items.first().is_some_and(|item| item.id >= oldest_new);
        if !meets || !newest.has_older {
            return newest;
        }
        let older = self.items.into_iter().filter(|item| item.id < oldest_new);
        Self {
            items: newest.items.into_iter().chain(older).collect(),
            has_older: self.has_older,
            undo: newest.undo,
        }
    }

    /// This page without the items, which were deleted.
    #[must_use]
    pub fn without(mut self, ids: &[i64]) -> Self {
        self.items.retain(|item| !ids.contains(&item.id));
        self
    }

    /// This page with the items as favourites, or no longer.
    #[must_use]
    pub fn with_favourites(mut self, ids: &[i64], is_favourite: bool) -> Self {
        for item in self.items.iter_mut().filter(|item| ids.contains(&item.id)) {
            item.is_favourite = is_favourite;
        }
        self
    }

    /// This page continued at its older end.
    #[must_use]
    pub fn with_older(mut self, older: Self) -> Self {
        let oldest = self.items.last().map_or(i64::MAX, |item| item.id);
        self.items.extend(older.items.into_iter().filter(|item| item.id < oldest));
        Self { has_older: older.has_older, ..self }
    }
}

/// The newest page under a filter ([`GalleryQuery`]), or the one that follows the item `before`.
///
/// [`GalleryQuery`]: crate::api::gallery_query::GalleryQuery
#[server(name = ReadGallery, endpoint = "read-gallery", input = GetUrl)]
pub async fn read_gallery(seat: SeatId, query: String, before: Option<i64>) -> Result<GalleryPage, AppError> {
    use crate::api::gallery_query::GalleryQuery;
    use crate::api::workshop;
    use crate::viewer::{refuse, require_seat_to_look};

    let seat = require_seat_to_look(seat)?;
    let filter = GalleryQuery::parse(&query).into();
    // One more than shown tells whether there are older ones.
    let mut items = workshop().gallery(seat, &filter, before, PAGE_SIZE + 1).await.map_err(refuse)?;
    let has_older = items.len() > PAGE_SIZE as usize;
    items.truncate(PAGE_SIZE as usize);
    Ok(GalleryPage {
        items: items.into_iter().map(Into::into).collect(),
        has_older,
        undo: crate::api::undo::latest_undo(seat).await?,
    })
}

/// What the results can be filtered by, with days by a clock so many minutes ahead of UTC.
#[server(name = ReadGalleryChoices, endpoint = "read-gallery-choices", input = GetUrl)]
pub async fn read_gallery_choices(seat: SeatId, ahead: i32) -> Result<GalleryChoicesView, AppError> {
    use crate::api::workshop;
    use crate::viewer::{refuse, require_seat_to_look};

    let seat = require_seat_to_look(seat)?;
    let choices = workshop().gallery_choices(seat, ahead).await.map_err(refuse)?;
    Ok(GalleryChoicesView {
        workflows: choices
            .workflows
            .into_iter()
            .map(|workflow| (workflow.workflow, workflow.title, workflow.results))
            .collect(),
        days: choices.days.into_iter().map(|day| (day.day, day.results)).collect(),
        results: choices.results,
    })
}

/// Makes results favourites or no longer; `chosen` says which, as in a download's address.
#[server(name = SetFavourite, endpoint = "set-favourite")]
pub async fn set_favourite(seat: SeatId, chosen: String, is_favourite: bool) -> Result<(), AppError> {
    use crate::api::{gallery_query, workshop};
    use crate::viewer::{refuse, require_seat};

    let seat = require_seat(seat)?;
    let chosen = gallery_query::chosen(&chosen).ok_or(AppError::Invalid)?;
    workshop().set_favourite(seat, &chosen, is_favourite).await.map_err(refuse)
}

/// Deletes results; `chosen` says which.
#[server(name = DiscardResults, endpoint = "discard-results")]
pub async fn discard_results(seat: SeatId, chosen: String) -> Result<(), AppError> {
    use crate::api::{gallery_query, workshop};
    use crate::viewer::{refuse, require_seat};

    let seat = require_seat(seat)?;
    let chosen = gallery_query::chosen(&chosen).ok_or(AppError::Invalid)?;
    workshop().discard_results(seat, &chosen).await.map(|_| ()).map_err(refuse)
}

#[cfg(feature = "ssr")]
impl From<workshop::overview::GalleryItem> for GalleryItemView {
    fn from(item: workshop::overview::GalleryItem) -> Self {
        Self {
            id: item.id,
            job: item.job,
            file: item.file.into(),
            media: item.media.into(),
            bytes: item.bytes,
            created_at: item.created_at,
            is_favourite: item.is_favourite,
            title: item.title,
            content: item.content,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page(ids: &[i64], has_older: bool) -> GalleryPage {
        let item = |id: &i64| GalleryItemView {
            id: *id,
            job: "00000000-0000-4000-8000-000000000001".parse().unwrap(),
            file: ArtifactView {
                filename: "a.png".to_owned(),
                subfolder: String::new(),
                kind: "output".to_owned(),
            },
            media: MediaKind::Image,
            bytes: 1,
            created_at: Timestamp::from_unix_ms(0),
            is_favourite: false,
            title: String::new(),
            content: String::new(),
        };
        GalleryPage { items: ids.iter().map(item).collect(), has_older, undo: None }
    }

    #[test]
    fn new_results_go_in_front_and_older_ones_stay() {
        let kept = page(&[5, 4, 3, 2], false).with_newest(page(&[7, 6, 5, 4], true));
        assert_eq!(kept, page(&[7, 6, 5, 4, 3, 2], false));
    }

    #[test]
    fn pages_that_do_not_meet_leave_no_gap() {
        assert_eq!(page(&[3, 2], false).with_newest(page(&[9, 8], true)), page(&[9, 8], true));
    }

    #[test]
    fn what_is_gone_from_the_newest_page_is_gone() {
        assert_eq!(page(&[3, 2, 1], false).with_newest(page(&[3, 1], false)), page(&[3, 1], false));
        assert_eq!(page(&[3, 2, 1], false).with_newest(page(&[], false)), page(&[], false));
    }

    #[test]
    fn older_results_are_appended_once() {
        assert_eq!(page(&[5, 4], true).with_older(page(&[4, 3], false)), page(&[5, 4, 3], false));
    }

    #[test]
    fn an_empty_gallery_takes_the_newest_page_as_it_is() {
        assert_eq!(GalleryPage::default().with_newest(page(&[2, 1], true)), page(&[2, 1], true));
    }
}
