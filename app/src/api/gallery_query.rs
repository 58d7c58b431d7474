//! Which results of a gallery: the filter, as it stands in the page's address, and the
//! choice of results that something is to be done with. Read and written by both halves.

use crate::api::artifact::MediaKind;
use crate::format;

/// Clocks are at most so many minutes from UTC.
const MAX_AHEAD: i32 = 14 * 60;

/// The filter. An absent part does not matter.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct GalleryQuery {
    pub media: Option<MediaKind>,
    /// A workflow as the filter's choices name it.
    pub workflow: Option<String>,
    /// `2026-11-23`, by the clock of `ahead`.
    pub day: Option<i64>,
    pub favourites: bool,
    /// By how many minutes the person's clock is ahead of UTC.
    pub ahead: i32,
}

impl GalleryQuery {
    /// Reads `type=video&favourites=1`. What is not understood does not filter.
    pub fn parse(query: &str) -> Self {
        let pairs = format::query_pairs(query);
        let find = |name: &str| pairs.iter().find(|(own, _)| own == name).map(|(_, value)| value.clone());
        Self::read(find)
    }

    /// Reads the parts from wherever they are found by name.
    pub fn read(find: impl Fn(&str) -> Option<String>) -> Self {
        let find = |name: &str| find(name).filter(|value| !value.is_empty());
        Self {
            media: find("type").and_then(|slug| MediaKind::of_slug(&slug)),
            workflow: find("workflow"),
            day: find("day").and_then(|day| format::parse_day(&day)),
            favourites: find("favourites").is_some(),
            ahead: find("ahead")
                .and_then(|minutes| minutes.parse().ok())
                .map_or(0, |minutes: i32| minutes.clamp(-MAX_AHEAD, MAX_AHEAD)),
        }
    }

    /// What [`GalleryQuery::parse`] reads.
    pub fn to_query(&self) -> String {
        let mut parts = Vec::new();
        parts.extend(self.media.map(|media| format!("type={}", media.slug())));
        parts.extend(
            self.workflow.as_ref().map(|workflow| format!("workflow={}", format::query_value(workflow))),
        );
        parts.extend(self.day.map(|day| format!("day={}", format::day(day))));
        if self.favourites {
            parts.push("favourites=1".to_owned());
        }
        if self.ahead != 0 {
            parts.push(format!("ahead={}", self.ahead));
        }
        parts.join("&")
    }

    /// Whether it leaves anything out.
    pub fn is_narrow(&self) -> bool {
        self.media.is_some() || self.workflow.is_some() || self.day.is_some() || self.favourites
    }

    /// The address, within the seat's page, of the gallery under this filter.
    pub fn href(&self) -> String {
        let query = self.to_query();
        if query.is_empty() { "?panel=gallery".to_owned() } else { format!("?panel=gallery&{query}") }
    }
}

/// These results, as a query.
pub fn these(ids: impl IntoIterator<Item = i64>) -> String {
    let ids: Vec<_> = ids.into_iter().map(|id| id.to_string()).collect();
    format!("ids={}", ids.join(","))
}

/// The ids of a choice that names them.
pub fn ids_of(chosen: &str) -> Option<Vec<i64>> {
    let ids = chosen.strip_prefix("ids=")?;
    ids.split(',').map(|id| id.parse().ok()).collect()
}

#[cfg(feature = "ssr")]
impl From<GalleryQuery> for workshop::gallery::GalleryFilter {
    fn from(query: GalleryQuery) -> Self {
        const MS_PER_DAY: i64 = 86_400_000;
        let start =
            |day: i64| domain::Timestamp::from_unix_ms(day * MS_PER_DAY - i64::from(query.ahead) * 60_000);
        Self {
            media: query.media.map(Into::into),
            made: query.day.map(|day| (start(day), start(day + 1))),
            workflow: query.workflow,
            is_favourite: query.favourites,
        }
    }
}

/// Reads a choice: `ids=1,2`, or a filter whose results are all chosen. Nothing if the ids are none.
#[cfg(feature = "ssr")]
pub fn chosen(query: &str) -> Option<workshop::gallery::Chosen> {
    use workshop::gallery::{Chosen, MAX_CHOSEN};
    let pairs = format::query_pairs(query);
    match pairs.iter().find(|(name, _)| name == "ids") {
        Some((_, ids)) => {
            let ids: Vec<i64> = ids.split(',').map(str::parse).collect::<Result<_, _>>().ok()?;
            (ids.len() <= MAX_CHOSEN as usize).then_some(Chosen::These(ids))
        }
        None => Some(Chosen::All(GalleryQuery::parse(query).into())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_filter_survives_the_address() {
        let queries = [
            GalleryQuery::default(),
            GalleryQuery { media: Some(MediaKind::Animated), ..Default::default() },
            GalleryQuery {
                media: Some(MediaKind::Other),
                workflow: Some("a b&type=video".to_owned()),
                day: Some(20_780),
                favourites: true,
                ahead: -330,
            },
        ];
        for query in queries {
            assert_eq!(GalleryQuery::parse(&query.to_query()), query);
        }
    }

    #[test]
    fn a_choice_by_ids_is_read_back() {
        assert_eq!(ids_of(&these([3, 1])), Some(vec![3, 1]));
        assert_eq!(ids_of("type=video"), None);
        assert_eq!(ids_of("ids="), None);
    }

    #[test]
    fn what_is_not_understood_does_not_filter() {
        for query in ["", "panel=gallery", "type=spell", "day=yesterday", "workflow=", "ahead=x"] {
            assert_eq!(GalleryQuery::parse(query), GalleryQuery::default(), "{query}");
        }
        assert_eq!(GalleryQuery::parse("ahead=999999").ahead, MAX_AHEAD);
    }

    #[cfg(feature = "ssr")]
    #[test]
    fn a_choice_is_ids_or_all_of_a_filter() {
        use workshop::gallery::Chosen;
        assert_eq!(chosen(&these([3, 1])), Some(Chosen::These(vec![3, 1])));
        assert_eq!(chosen("ids="), None);
        assert_eq!(chosen("ids=1,x"), None);
        let Some(Chosen::All(filter)) = chosen("day=1970-01-02&ahead=60") else { panic!("a filter") };
        let (from, to) = filter.made.unwrap();
        assert_eq!((from.unix_ms(), to.unix_ms()), (86_400_000 - 3_600_000, 2 * 86_400_000 - 3_600_000));
    }
}
