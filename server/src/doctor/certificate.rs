//! When a certificate ends: the one thing that is read of it here. Whom it is for and who signed
//! it, TLS itself has checked.

use std::time::{Duration, SystemTime};

use time::{Date, Month, PrimitiveDateTime, Time};

const SEQUENCE: u8 = 0x30;
const VERSION: u8 = 0xa0;
const UTC_TIME: u8 = 0x17;
const GENERALIZED_TIME: u8 = 0x18;

/// `notAfter` of a certificate in DER; nothing if it is none.
pub fn not_after(der: &[u8]) -> Option<SystemTime> {
    let (SEQUENCE, certificate, _) = element(der)? else { return None };
    let (SEQUENCE, mut rest, _) = element(certificate)? else { return None };
    if let Some((VERSION, _, after)) = element(rest) {
        rest = after;
    }
    // Serial number, algorithm, issuer.
    for _ in 0..3 {
        rest = element(rest)?.2;
    }
    let (SEQUENCE, validity, _) = element(rest)? else { return None };
    let (_, _, rest) = element(validity)?;
    let (tag, text, _) = element(rest)?;
    moment(tag, std::str::from_utf8(text).ok()?)
}

/// Tag and content of the first element, and what comes after it.
fn element(der: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (&tag, rest) = der.split_first()?;
    let (&first, mut rest) = rest.split_first()?;
    let mut length = usize::from(first & 0x7f);
    if first >= 0x80 {
        let (digits, after) = rest.split_at_checked(length).filter(|_| length <= 4)?;
        length = digits.iter().fold(0, |length, digit| length << 8 | usize::from(*digit));
        rest = after;
    }
    let (content, after) = rest.split_at_checked(length)?;
    Some((tag, content, after))
}

/// `YYMMDDHHMMSSZ` up to 2049, `YYYYMMDDHHMMSSZ` from then on.
fn moment(tag: u8, text: &str) -> Option<SystemTime> {
    let digits = text.strip_suffix('Z').filter(|text| text.bytes().all(|byte| byte.is_ascii_digit()))?;
    let (year, rest) = match tag {
        UTC_TIME => {
            let (year, rest) = digits.split_at_checked(2)?;
            let year: i32 = year.parse().ok()?;
            (if year < 50 { 2000 + year } else { 1900 + year }, rest)
        }
        GENERALIZED_TIME => {
            let (year, rest) = digits.split_at_checked(4)?;
            (year.parse().ok()?, rest)
        }
        _ => return None,
    };
    let part = |place: usize| rest.get(2 * place..2 * place + 2)?.parse::<u8>().ok();
    let date = Date::from_calendar_date(year, Month::try_from(part(0)?).ok()?, part(1)?).ok()?;
    let time = Time::from_hms(part(2)?, part(3)?, part(4)?).ok()?;
    let seconds = PrimitiveDateTime::new(date, time).assume_utc().unix_timestamp();
    Some(SystemTime::UNIX_EPOCH + Duration::from_secs(u64::try_from(seconds).ok()?))
}

/// Made for the tests, for workshop.example; ends on 25 February 2027, 00:34:18.
#[cfg(test)]
pub fn sample() -> Vec<u8> {
    use base64::Engine;
    const SAMPLE: &str = "MIIBSjCB/aADAgECAhQ6TX3zyRbV6rj5nJvbcAVfM8lJszAFBgMrZXAwGzEZMBcGA1UEAwwQd29ya3Nob3AuZXhhbXBsZTAeFw0yNjExMjcwMDM0MThaFw0yNzAyMjUwMDM0MThaMBsxGTAXBgNVBAMMEHdvcmtzaG9wLmV4YW1wbGUwKjAFBgMrZXADIQAqTKN7JpPbjGGmjgffpF/OguyR92Qm2CMTu+JHNJ9u2KNTMFEwHQYDVR0OBBYEFF+bBDhszbvF7MnUPxPxVJTaJdtCMB8GA1UdIwQYMBaAFF+bBDhszbvF7MnUPxPxVJTaJdtCMA8GA1UdEwEB/wQFMAMBAf8wBQYDK2VwA0EACchigoecEmr1FsX9OUZj5o0TTX7bBHlK8uh2R1UlWBd4IQ5pk3qI38M1xcFcjorfjjst2Tw749Z1RaideM1aCg==";
    base64::engine::general_purpose::STANDARD.decode(SAMPLE).unwrap()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_of_a_certificate_is_read() {
        let end = httpdate::parse_http_date("Thu, 25 Feb 2027 00:34:18 GMT").unwrap();
        assert_eq!(not_after(&sample()), Some(end));
        assert_eq!(moment(GENERALIZED_TIME, "20270225003418Z"), Some(end));
    }

    #[test]
    fn what_is_no_certificate_has_no_end() {
        let whole = sample();
        for length in 0..90 {
            assert_eq!(not_after(&whole[..length]), None);
        }
        assert_eq!(not_after(&[0x30, 0xff, 1, 2, 3]), None);
        assert_eq!(moment(UTC_TIME, "271325003418Z"), None, "no such month");
    }
}
