//! Host names of the seats' own: one origin each, which is the wall that browsers keep.

use crate::SeatId;

const PLACE: &str = "{seat}";

/// `SEAT_HOST_PATTERN`, such as `{seat}.workshop.example` or `{seat}.localhost:8080`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SeatHosts {
    /// As in `https`.
    scheme: String,
    before: String,
    after: String,
}

impl SeatHosts {
    /// `scheme` is that by which people reach the server.
    pub fn new(pattern: &str, scheme: &str) -> Result<Self, String> {
        let pattern = pattern.to_ascii_lowercase();
        let (before, after) =
            pattern.split_once(PLACE).ok_or_else(|| format!("it does not say where `{PLACE}` goes"))?;
        let is_label = |text: &str| text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
        let (host, port) = after.split_once(':').map_or((after, None), |(host, port)| (host, Some(port)));
        let (rest_of_label, domain) = host.split_once('.').unwrap_or((host, ""));
        if !is_label(before) || !is_label(rest_of_label) {
            return Err(format!("`{PLACE}` belongs into the first part of a host name"));
        }
        if domain.is_empty() || !domain.split('.').all(|label| !label.is_empty() && is_label(label)) {
            return Err(format!("it is no host name such as `{PLACE}.workshop.example`"));
        }
        if port.is_some_and(|port| port.parse::<u16>().is_err()) {
            return Err("its port is no port".to_owned());
        }
        Ok(Self { scheme: scheme.to_owned(), before: before.to_owned(), after: after.to_owned() })
    }

    /// Where the seat lives: `https://user001.workshop.example`.
    pub fn origin(&self, seat: SeatId) -> String {
        format!("{}://{}{seat}{}", self.scheme, self.before, self.after)
    }

    /// The seat whose host this is, as a `Host` header says it.
    pub fn seat_of(&self, host: &str) -> Option<SeatId> {
        let host = host.to_ascii_lowercase();
        host.strip_prefix(&self.before)?.strip_suffix(&self.after)?.parse().ok()
    }

    /// All of the seats' origins in a Content-Security-Policy, which knows only whole first
    /// parts of a name.
    pub fn policy_source(&self) -> String {
        let domain = self.after.split_once('.').map_or("", |(_, domain)| domain);
        format!("{}://*.{domain}", self.scheme)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seat(number: u16) -> SeatId {
        SeatId::new(number).unwrap()
    }

    #[test]
    fn a_seat_and_its_host_lead_to_each_other() {
        for (pattern, scheme, origin) in [
            ("{seat}.localhost:8080", "http", "http://user007.localhost:8080"),
            ("{seat}.Workshop.example", "https", "https://user007.workshop.example"),
            ("class-{seat}-a.workshop.example", "https", "https://class-user007-a.workshop.example"),
        ] {
            let hosts = SeatHosts::new(pattern, scheme).unwrap();
            assert_eq!(hosts.origin(seat(7)), origin);
            let host = origin.split_once("://").unwrap().1;
            assert_eq!(hosts.seat_of(host), Some(seat(7)));
            assert_eq!(hosts.seat_of(&host.to_uppercase()), Some(seat(7)));
        }
    }

    #[test]
    fn what_is_no_seats_host_is_none() {
        let hosts = SeatHosts::new("{seat}.workshop.example", "https").unwrap();
        for host in [
            "workshop.example",
            "user1.workshop.example",
            "user501.workshop.example",
            "user001.workshop.example:8080",
            "user001.workshop.example.evil.example",
            "a.user001.workshop.example",
            "user001.workshop.example.",
            ".workshop.example",
            "",
        ] {
            assert_eq!(hosts.seat_of(host), None, "{host}");
        }
    }

    #[test]
    fn a_policy_can_name_all_of_them() {
        let source = |pattern| SeatHosts::new(pattern, "http").unwrap().policy_source();
        assert_eq!(source("{seat}.localhost:8080"), "http://*.localhost:8080");
        assert_eq!(source("class-{seat}.workshop.example"), "http://*.workshop.example");
    }

    #[test]
    fn a_pattern_that_makes_no_host_name_is_refused() {
        for pattern in [
            "workshop.example",
            "{seat}",
            "{seat}:8080",
            "{seat}.",
            "{seat}..example",
            "a.{seat}.example",
            "{seat}{seat}.example",
            "http://{seat}.example",
            "{seat}.example/path",
            "{seat}.example:port",
            "{seat}.exa mple",
        ] {
            assert!(SeatHosts::new(pattern, "http").is_err(), "{pattern}");
        }
    }
}
