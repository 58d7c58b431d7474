//! Numbers and times as people read them. Pure: the same text on server and browser,
//! whatever the locale or time zone.

use domain::Timestamp;
pub use domain::readable_size as bytes;

const SECOND_MS: u64 = 1_000;
const MINUTE_MS: u64 = 60 * SECOND_MS;
const HOUR_MS: u64 = 60 * MINUTE_MS;
const DAY_MS: u64 = 24 * HOUR_MS;

/// A measured length of time: `0.4 s`, `42 s`, `1 min 05 s`, `2 h 03 min`.
pub fn duration(ms: u64) -> String {
    if ms < 10 * SECOND_MS {
        format!("{}.{} s", ms / SECOND_MS, ms % SECOND_MS / 100)
    } else if ms < MINUTE_MS {
        format!("{} s", ms / SECOND_MS)
    } else if ms < HOUR_MS {
        format!("{} min {:02} s", ms / MINUTE_MS, ms % MINUTE_MS / SECOND_MS)
    } else {
        format!("{} h {:02} min", ms / HOUR_MS, ms % HOUR_MS / MINUTE_MS)
    }
}

/// A length of time that is likely between the two: `a few seconds`, `about 20-40 s`,
/// `about 4-6 min`. Rounded to what anybody would say.
pub fn time_window(low_ms: u64, high_ms: u64) -> String {
    let high_ms = high_ms.max(low_ms);
    if high_ms < 10 * SECOND_MS {
        return "a few seconds".to_owned();
    }
    let (step, unit_ms, unit) = match high_ms {
        _ if high_ms <= 90 * SECOND_MS => (10, SECOND_MS, "s"),
        _ if high_ms < 100 * MINUTE_MS => (1, MINUTE_MS, "min"),
        _ => (1, HOUR_MS, "h"),
    };
    let low = low_ms / (unit_ms * step) * step;
    let high = high_ms.div_ceil(unit_ms * step) * step;
    match low {
        0 => format!("up to {high} {unit}"),
        _ if low == high => format!("about {high} {unit}"),
        _ => format!("about {low}-{high} {unit}"),
    }
}

/// How long ago something was: `just now`, `5 min ago`, `3 h ago`, `2 days ago`.
/// A time ahead of the reader's own clock counts as now.
pub fn ago(now: Timestamp, then: Timestamp) -> String {
    let ms = u64::try_from(now.unix_ms().saturating_sub(then.unix_ms())).unwrap_or(0);
    match ms {
        _ if ms < MINUTE_MS => "just now".to_owned(),
        _ if ms < HOUR_MS => format!("{} min ago", ms / MINUTE_MS),
        _ if ms < DAY_MS => format!("{} h ago", ms / HOUR_MS),
        _ => format!("{} ago", count(ms / DAY_MS, "day", "days")),
    }
}

/// `1 job`, `3 jobs`.
pub fn count(number: impl Into<u64>, one: &str, many: &str) -> String {
    let number = number.into();
    format!("{number} {}", if number == 1 { one } else { many })
}

/// A place in line: `3 of 8`. The line is never shorter than the place in it, even
/// when the two numbers come from different moments.
pub fn place(position: u32, of: u32) -> String {
    format!("{position} of {}", of.max(position))
}

/// Steps done as a whole percentage, if there is anything to measure by.
pub fn percent(value: f64, max: f64) -> Option<u8> {
    let share = value / max;
    // The cast is of a number between 0 and 100.
    (max > 0.0 && share.is_finite()).then(|| (share.clamp(0.0, 1.0) * 100.0).floor() as u8)
}

/// A moment for `<time datetime>`: `2026-11-23T14:03:09Z`.
pub fn iso(at: Timestamp) -> String {
    let moment = Moment::from(at);
    format!("{}T{:02}:{:02}:{:02}Z", moment.date(), moment.hour, moment.minute, moment.second)
}

/// A moment for reading: `2026-11-23 14:03 UTC`.
pub fn absolute(at: Timestamp) -> String {
    let moment = Moment::from(at);
    format!("{} {:02}:{:02} UTC", moment.date(), moment.hour, moment.minute)
}

/// A day, counted from 1970-01-01: `2026-11-23`.
pub fn day(days: i64) -> String {
    Moment::from(Timestamp::from_unix_ms(days.saturating_mul(86_400_000))).date()
}

/// Reads what [`day`] writes.
pub fn parse_day(text: &str) -> Option<i64> {
    let mut parts = text.splitn(3, '-').map(|part| part.parse::<i64>().ok());
    let (year, month, day_of_month) = (parts.next()??, parts.next()??, parts.next()??);
    let is_possible =
        (1..=9999).contains(&year) && (1..=12).contains(&month) && (1..=31).contains(&day_of_month);
    // The inverse of what `Moment` does, by the same calendar.
    let year = if month <= 2 { year - 1 } else { year };
    let (era, year_of_era) = (year.div_euclid(400), year.rem_euclid(400));
    let month_from_march = (month + 9) % 12;
    let day_of_year = (153 * month_from_march + 2) / 5 + day_of_month - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    let days = era * 146_097 + day_of_era - 719_468;
    // What is no day of the calendar comes out as another one.
    (is_possible && day(days) == text).then_some(days)
}

/// The parameters of a URL's query, decoded.
pub fn query_pairs(query: &str) -> Vec<(String, String)> {
    let pairs = query.split('&').filter(|pair| !pair.is_empty());
    pairs
        .map(|pair| pair.split_once('=').unwrap_or((pair, "")))
        .map(|(name, value)| (decoded(name), decoded(value)))
        .collect()
}

fn decoded(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut plain = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        let hex = (bytes[at] == b'%').then(|| text.get(at + 1..at + 3)).flatten();
        match (bytes[at], hex.and_then(|hex| u8::from_str_radix(hex, 16).ok())) {
            (_, Some(byte)) => {
                plain.push(byte);
                at += 2;
            }
            (b'+', None) => plain.push(b' '),
            (byte, None) => plain.push(byte),
        }
        at += 1;
    }
    String::from_utf8_lossy(&plain).into_owned()
}

/// Text as the value of a URL's query parameter.
pub fn query_value(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
                encoded.push(char::from(byte))
            }
            _ => encoded.push_str(&format!("%{byte:02X}")),
        }
    }
    encoded
}

/// A point in time in the civil calendar, UTC.
struct Moment {
    year: i64,
    month: i64,
    day: i64,
    hour: i64,
    minute: i64,
    second: i64,
}

impl Moment {
    fn date(&self) -> String {
        format!("{:04}-{:02}-{:02}", self.year, self.month, self.day)
    }
}

impl From<Timestamp> for Moment {
    /// Counts in eras of 400 years that begin on 1 March, so that the leap day is
    /// the last of its year and month lengths follow one formula.
    fn from(at: Timestamp) -> Self {
        let seconds = at.unix_ms().div_euclid(1_000);
        let days_since_era_start = seconds.div_euclid(86_400) + 719_468;
        let era = days_since_era_start.div_euclid(146_097);
        let day_of_era = days_since_era_start.rem_euclid(146_097);
        let year_of_era =
            (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
        let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
        let month_from_march = (5 * day_of_year + 2) / 153;
        let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
        let second_of_day = seconds.rem_euclid(86_400);
        Self {
            year: era * 400 + year_of_era + i64::from(month <= 2),
            month,
            day: day_of_year - (153 * month_from_march + 2) / 5 + 1,
            hour: second_of_day / 3_600,
            minute: second_of_day / 60 % 60,
            second: second_of_day % 60,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(ms: i64) -> Timestamp {
        Timestamp::from_unix_ms(ms)
    }

    #[test]
    fn durations_grow_coarser_as_they_grow() {
        assert_eq!(duration(0), "0.0 s");
        assert_eq!(duration(9_999), "9.9 s");
        assert_eq!(duration(42_900), "42 s");
        assert_eq!(duration(65_000), "1 min 05 s");
        assert_eq!(duration(2 * 3_600_000 + 3 * 60_000 + 59_000), "2 h 03 min");
    }

    #[test]
    fn likely_times_are_told_as_anybody_would() {
        let seconds = |low: u64, high: u64| time_window(low * 1000, high * 1000);
        assert_eq!(seconds(0, 5), "a few seconds");
        assert_eq!(seconds(4, 12), "up to 20 s");
        assert_eq!(seconds(22, 38), "about 20-40 s");
        assert_eq!(seconds(50, 50), "about 50 s");
        assert_eq!(seconds(240, 350), "about 4-6 min");
        assert_eq!(seconds(40, 100), "up to 2 min");
        assert_eq!(seconds(2 * 3600, 3 * 3600), "about 2-3 h");
        assert_eq!(seconds(60, 30), "about 60 s", "never backwards");
    }

    #[test]
    fn the_past_is_told_roughly_and_the_future_is_now() {
        let now = at(10 * 86_400_000);
        assert_eq!(ago(now, now), "just now");
        assert_eq!(ago(now, at(now.unix_ms() + 5_000)), "just now");
        assert_eq!(ago(now, at(now.unix_ms() - 5 * 60_000)), "5 min ago");
        assert_eq!(ago(now, at(now.unix_ms() - 3 * 3_600_000)), "3 h ago");
        assert_eq!(ago(now, at(now.unix_ms() - 86_400_000)), "1 day ago");
        assert_eq!(ago(now, at(now.unix_ms() - 2 * 86_400_000)), "2 days ago");
    }

    #[test]
    fn a_line_is_never_shorter_than_the_place_in_it() {
        assert_eq!(place(3, 8), "3 of 8");
        assert_eq!(place(3, 2), "3 of 3");
    }

    #[test]
    fn sizes_keep_one_decimal() {
        assert_eq!(bytes(999), "999 B");
        assert_eq!(bytes(1_000), "1.0 kB");
        assert_eq!(bytes(1_449_999), "1.4 MB");
        assert_eq!(bytes(3_000_000_000), "3.0 GB");
        assert_eq!(bytes(u64::MAX), "18446744.0 TB");
    }

    #[test]
    fn a_percentage_needs_a_measure() {
        assert_eq!(percent(9.0, 20.0), Some(45));
        assert_eq!(percent(30.0, 20.0), Some(100));
        assert_eq!(percent(-1.0, 20.0), Some(0));
        assert_eq!(percent(1.0, 0.0), None);
        assert_eq!(percent(f64::NAN, 1.0), None);
    }

    #[test]
    fn moments_follow_the_calendar() {
        assert_eq!(iso(at(0)), "1970-01-01T00:00:00Z");
        assert_eq!(iso(at(-1)), "1969-12-31T23:59:59Z");
        assert_eq!(iso(at(951_782_400_000)), "2000-02-29T00:00:00Z");
        assert_eq!(iso(at(1_709_251_199_000)), "2024-02-29T23:59:59Z");
        assert_eq!(absolute(at(1_795_442_589_000)), "2026-11-23 14:03 UTC");
    }

    #[test]
    fn days_are_read_as_they_are_written() {
        for days in [-1, 0, 59, 60, 11_016, 20_783, 40_000] {
            assert_eq!(parse_day(&day(days)), Some(days));
        }
        assert_eq!(parse_day("2026-11-23"), Some(20_780));
        for text in ["", "2026-02-30", "2026-13-01", "2026-1-1", "x-01-01", "2026-11-23-1", "99999-01-01"] {
            assert_eq!(parse_day(text), None, "{text}");
        }
    }

    #[test]
    fn a_query_is_read_as_it_is_written() {
        let text = "a b&type=x/ü;.png%+";
        let query = format!("name={}&empty=&flag", query_value(text));
        let expected = [("name", text), ("empty", ""), ("flag", "")];
        assert_eq!(query_pairs(&query), expected.map(|(name, value)| (name.to_owned(), value.to_owned())));
        assert_eq!(
            query_pairs("a=1+2&b=%zz%"),
            [("a".to_owned(), "1 2".to_owned()), ("b".to_owned(), "%zz%".to_owned())]
        );
    }

    #[test]
    fn a_query_value_cannot_leave_its_parameter() {
        assert_eq!(query_value("a b&type=x/ü;.png"), "a%20b%26type%3Dx%2F%C3%BC%3B.png");
    }
}
