//! Settings that each can be used and together make no sense.

use std::net::IpAddr;
use std::time::Duration;

use super::Finding;
use crate::config::ServerConfig;

const SUBJECT: &str = "settings";
/// A lease must outlast a heartbeat (3 s) that is late, and the one after it.
const SHORTEST_LEASE: Duration = Duration::from_secs(9);

pub fn settings(config: &ServerConfig) -> Vec<Finding> {
    let problems = [lease(config), quotas(config), public_url(config), plain_http(config)];
    let mut findings: Vec<_> = problems.into_iter().flatten().collect();
    if findings.is_empty() {
        findings.push(Finding::good(SUBJECT, "every setting can be used"));
    }
    findings
}

fn lease(config: &ServerConfig) -> Option<Finding> {
    (config.lease < SHORTEST_LEASE).then(|| {
        let text = format!(
            "LEASE_SECONDS is {}, and workers say every 3 s that they live: jobs are taken from workers that are well",
            config.lease.as_secs()
        );
        Finding::bad(SUBJECT, text, "set LEASE_SECONDS to 9 or more, or leave it out (20)")
    })
}

fn quotas(config: &ServerConfig) -> Option<Finding> {
    let storage = &config.storage;
    let (seat, all) = (storage.seat_quota_bytes, storage.total_quota_bytes);
    let contradiction = match (seat, all) {
        (Some(seat), Some(all)) if seat > all => "SEAT_QUOTA_BYTES is more than TOTAL_QUOTA_BYTES",
        (Some(seat), _) if storage.max_file_bytes > seat => "MAX_FILE_BYTES is more than SEAT_QUOTA_BYTES",
        (_, Some(all)) if storage.max_file_bytes > all => "MAX_FILE_BYTES is more than TOTAL_QUOTA_BYTES",
        _ => return None,
    };
    let fix = "lower the first or raise the second: what people are promised is refused";
    Some(Finding::remark(SUBJECT, contradiction, fix))
}

/// An address that only this machine's own browsers can use.
fn public_url(config: &ServerConfig) -> Option<Finding> {
    let is_loopback = |ip: IpAddr| ip.is_loopback();
    let is_ours = matches!(host(&config.public_url), "localhost" | "127.0.0.1" | "[::1]");
    (is_ours && !is_loopback(config.listen_addr.ip())).then(|| {
        let text = format!(
            "LISTEN_ADDR is open to others, and the join links say {}, which leads each to their own machine",
            config.public_url
        );
        Finding::bad(SUBJECT, text, "set PUBLIC_URL to the address that participants type")
    })
}

fn plain_http(config: &ServerConfig) -> Option<Finding> {
    let host = host(&config.public_url);
    let is_public_name = host.parse::<IpAddr>().is_err() && host.contains('.') && !host.ends_with(".local");
    (config.public_url.starts_with("http://") && is_public_name).then(|| {
        let text = format!("{} is not encrypted: whoever is on the way reads the links", config.public_url);
        Finding::remark(SUBJECT, text, "put a reverse proxy with https before it, and set PUBLIC_URL to that")
    })
}

/// The URL's host, without its port.
pub fn host(url: &str) -> &str {
    let authority = url.split_once("://").map_or(url, |(_, rest)| rest);
    let authority = authority.split('/').next().unwrap_or(authority);
    match authority.rsplit_once(':') {
        Some((host, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => host,
        _ => authority,
    }
}

#[cfg(test)]
mod tests {
    use runtime::config::Settings;

    use super::super::Verdict;
    use super::*;

    fn verdict(dotenv: &str) -> (Verdict, String) {
        let config = ServerConfig::read(Settings::from_parts(dotenv, [])).unwrap();
        let found = settings(&config).remove(0);
        (found.verdict, found.text)
    }

    #[test]
    fn contradictions_are_named() {
        assert_eq!(verdict("").0, Verdict::Good);
        for (dotenv, word) in [
            ("LEASE_SECONDS=4", "LEASE_SECONDS"),
            ("LISTEN_ADDR=0.0.0.0:80", "LISTEN_ADDR"),
            ("LISTEN_ADDR=0.0.0.0:80\nPUBLIC_URL=http://localhost:80", "LISTEN_ADDR"),
        ] {
            let (verdict, text) = verdict(dotenv);
            assert!(matches!(verdict, Verdict::Bad { .. }) && text.contains(word), "{dotenv}: {text}");
        }
        for (dotenv, word) in [
            ("SEAT_QUOTA_BYTES=2GiB\nTOTAL_QUOTA_BYTES=1GiB", "SEAT_QUOTA_BYTES"),
            ("MAX_FILE_BYTES=2GiB\nSEAT_QUOTA_BYTES=1GiB", "MAX_FILE_BYTES"),
            ("PUBLIC_URL=http://workshop.example", "not encrypted"),
        ] {
            let (verdict, text) = verdict(dotenv);
            assert!(matches!(verdict, Verdict::Remark { .. }) && text.contains(word), "{dotenv}: {text}");
        }
    }

    #[test]
    fn addresses_that_others_reach_are_well() {
        for dotenv in
            ["LISTEN_ADDR=0.0.0.0:80\nPUBLIC_URL=http://192.168.1.5", "PUBLIC_URL=https://workshop.example"]
        {
            assert_eq!(verdict(dotenv).0, Verdict::Good, "{dotenv}");
        }
        assert_eq!(host("http://[::1]:8080"), "[::1]");
    }
}
