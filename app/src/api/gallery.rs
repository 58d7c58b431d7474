//! The seat's results, newest first, a page at a time.

use domain::{JobId, SeatId, Timestamp};
use leptos::prelude::*;
use leptos::server_fn::codec::GetUrl;
use serde::{Deserialize, Serialize};

use crate::api::artifact::{ArtifactView, MediaKind};
use crate::error::AppError;

/// Results per page.
pub const PAGE_SIZE: u32 = 48;

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct GalleryItemView {
    /// Newest has the highest.
    pub id: i64,
    pub job: JobId,
    pub file: ArtifactView,
    pub media_type: String,
    pub bytes: u64,
    pub created_at: Timestamp,
}

/// Results without a gap, newest first.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct GalleryPage {
    pub items: Vec<GalleryItemView>,
    /// There are older ones than the last.
    pub has_older: bool,
}

impl GalleryItemView {
    pub fn media(&self) -> MediaKind {
        MediaKind::of(&self.media_type)
    }
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
        Self { items: newest.items.into_iter().chain(older).collect(), has_older: self.has_older }
    }

    /// This page continued at its older end.
    #[must_use]
    pub fn with_older(mut self, older: Self) -> Self {
        let oldest = self.items.last().map_or(i64::MAX, |item| item.id);
        self.items.extend(older.items.into_iter().filter(|item| item.id < oldest));
        Self { items: self.items, has_older: older.has_older }
    }
}

/// The newest page, or the one that follows the item `before`.
#[server(name = ReadGallery, endpoint = "read-gallery", input = GetUrl)]
pub async fn read_gallery(seat: SeatId, before: Option<i64>) -> Result<GalleryPage, AppError> {
    use crate::api::workshop;
    use crate::viewer::{refuse, require_seat};

    let seat = require_seat(seat)?;
    // One more than shown tells whether there are older ones.
    let mut items = workshop().gallery(seat, before, PAGE_SIZE + 1).await.map_err(refuse)?;
    let has_older = items.len() > PAGE_SIZE as usize;
    items.truncate(PAGE_SIZE as usize);
    Ok(GalleryPage { items: items.into_iter().map(Into::into).collect(), has_older })
}

#[cfg(feature = "ssr")]
impl From<workshop::overview::GalleryItem> for GalleryItemView {
    fn from(item: workshop::overview::GalleryItem) -> Self {
        Self {
            id: item.id,
            job: item.job,
            file: item.file.into(),
            media_type: item.media_type,
            bytes: item.bytes,
            created_at: item.created_at,
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
            media_type: "image/png".to_owned(),
            bytes: 1,
            created_at: Timestamp::from_unix_ms(0),
        };
        GalleryPage { items: ids.iter().map(item).collect(), has_older }
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
