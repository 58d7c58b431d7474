//! The public address, as participants' browsers meet it: certificate, clock, and whether the
//! reverse proxy passes on what the editor needs.

use std::time::{Duration, SystemTime};

use anyhow::Context;
use futures::StreamExt;
use reqwest::header::{CONNECTION, CONTENT_LENGTH, DATE, SEC_WEBSOCKET_KEY, SEC_WEBSOCKET_VERSION, UPGRADE};
use reqwest::{StatusCode, tls::TlsInfo};

use super::{Finding, certificate, client};
use crate::config::ServerConfig;
use crate::health::RAW_PATH;
use crate::requests::REQUEST_ID;

const SUBJECT: &str = "address";
const SOON: Duration = Duration::from_secs(14 * 24 * 3600);
/// How long a proxy may take to refuse a body.
const BODY_WAIT: Duration = Duration::from_secs(3);
const OFF: Duration = Duration::from_secs(5);
/// Sessions and leases are judged by the server's own clock; a certificate is by the browser's.
const FAR_OFF: Duration = Duration::from_secs(300);

/// `worker_token`: with it the upgrade to a WebSocket can be tried.
pub async fn public_address(config: &ServerConfig, worker_token: Option<&str>) -> Vec<Finding> {
    let url = &config.public_url;
    let answer = match health(url).await {
        Ok(answer) => answer,
        Err(error) => {
            let fix = "look at PUBLIC_URL, the name's DNS entry, the certificate and the reverse proxy";
            let text = format!("{url} cannot be reached from here: {error:#}");
            return vec![Finding::bad(SUBJECT, text, fix)];
        }
    };
    if !answer.is_ours {
        let text = format!("{url} leads to something else");
        return vec![Finding::bad(SUBJECT, text, "look at PUBLIC_URL and the reverse proxy")];
    }
    let mut findings = vec![Finding::good(SUBJECT, format!("{url} leads here"))];
    let now = SystemTime::now();
    findings.extend(answer.certificate.map(|der| judge_certificate(&der, now)));
    findings.extend(answer.date.and_then(|date| judge_date(date, now)));
    findings.push(raw_path(url).await);
    findings.push(large_bodies(url, config.max_upload_bytes).await);
    findings.extend(match worker_token {
        Some(token) => Some(upgrade(url, token).await),
        None => None,
    });
    findings
}

struct Answer {
    is_ours: bool,
    date: Option<SystemTime>,
    certificate: Option<Vec<u8>>,
}

async fn health(url: &str) -> anyhow::Result<Answer> {
    let answer = client(url)?.get(format!("{url}/health")).send().await.context("no answer")?;
    let date =
        answer.headers().get(DATE).and_then(|date| httpdate::parse_http_date(date.to_str().ok()?).ok());
    let tls = answer.extensions().get::<TlsInfo>();
    let certificate = tls.and_then(|tls| tls.peer_certificate()).map(<[u8]>::to_vec);
    Ok(Answer { date, certificate, is_ours: answer.text().await? == "ok" })
}

/// That its name and who signed it are right, the answer has shown.
fn judge_certificate(der: &[u8], now: SystemTime) -> Finding {
    const SUBJECT: &str = "certificate";
    let Some(end) = certificate::not_after(der) else {
        return Finding::remark(SUBJECT, "its end could not be read", "look at it in a browser");
    };
    let left = end.duration_since(now).unwrap_or_default();
    let text = format!("for this name, valid until {}", httpdate::fmt_http_date(end));
    if left < SOON {
        return Finding::remark(
            SUBJECT,
            text,
            "renew it before the workshop: certbot renew, or restart Caddy",
        );
    }
    Finding::good(SUBJECT, text)
}

fn judge_date(theirs: SystemTime, now: SystemTime) -> Option<Finding> {
    let off = now.duration_since(theirs).unwrap_or_else(|error| error.duration());
    let text = || format!("the clock behind the public address is {} s away from this one", off.as_secs());
    let fix = "let both machines keep time: timedatectl set-ntp true";
    match off {
        off if off > FAR_OFF => Some(Finding::bad("clock", text(), fix)),
        off if off > OFF => Some(Finding::remark("clock", text(), fix)),
        _ => None,
    }
}

/// Names of saved workflows hold `%2F`, which some proxies decode.
async fn raw_path(url: &str) -> Finding {
    const SUBJECT: &str = "paths";
    let asked = async {
        Ok::<_, anyhow::Error>(client(url)?.get(format!("{url}{RAW_PATH}/a%2Fb")).send().await?.status())
    };
    match asked.await {
        Ok(StatusCode::OK) => Finding::good(SUBJECT, "arrive as they are sent"),
        _ => Finding::bad(
            SUBJECT,
            "the reverse proxy changes %2F in paths: saved workflows cannot be opened",
            "nginx: proxy_pass without a path at its end; Apache: AllowEncodedSlashes NoDecode and nocanon",
        ),
    }
}

/// Some proxies refuse by its length a body that the server would take; nginx from 1 MiB on. Only
/// the head is sent and one byte: the server answers that at once, and with a request's number.
async fn large_bodies(url: &str, length: usize) -> Finding {
    const SUBJECT: &str = "uploads";
    let asked = async {
        let start = futures::stream::once(async { Ok::<_, std::io::Error>(vec![0_u8]) });
        let body = reqwest::Body::wrap_stream(start.chain(futures::stream::pending()));
        let request = client(url)?.post(format!("{url}/health")).header(CONTENT_LENGTH, length).body(body);
        let answer = request.timeout(BODY_WAIT).send().await?;
        Ok::<_, reqwest::Error>(
            answer.status() == StatusCode::PAYLOAD_TOO_LARGE && !answer.headers().contains_key(REQUEST_ID),
        )
    };
    let mib = length >> 20;
    match asked.await {
        Ok(true) => Finding::bad(
            SUBJECT,
            format!("the reverse proxy refuses {mib} MiB, which MAX_UPLOAD_BYTES allows"),
            format!("nginx: client_max_body_size {mib}m; Apache: LimitRequestBody {length}"),
        ),
        // A proxy that wants all of it first lets it through.
        Err(error) if !error.is_timeout() => Finding::bad(
            SUBJECT,
            format!("{mib} MiB could not be sent: {error}"),
            "look at the reverse proxy's limit on the size of bodies",
        ),
        _ => Finding::good(SUBJECT, format!("up to {mib} MiB are let through")),
    }
}

async fn upgrade(url: &str, worker_token: &str) -> Finding {
    const SUBJECT: &str = "sockets";
    let asked = async {
        let request = client(url)?.get(format!("{url}/worker/v1/socket")).bearer_auth(worker_token);
        let request = request.header(CONNECTION, "Upgrade").header(UPGRADE, "websocket");
        let request =
            request.header(SEC_WEBSOCKET_VERSION, "13").header(SEC_WEBSOCKET_KEY, "ZG9jdG9yLWtub2Nrcy1oZQ==");
        Ok::<_, anyhow::Error>(request.send().await?.status())
    };
    match asked.await {
        Ok(StatusCode::SWITCHING_PROTOCOLS) => Finding::good(SUBJECT, "WebSockets are passed on"),
        Ok(StatusCode::UNAUTHORIZED) => Finding::remark(
            SUBJECT,
            "could not be tried: the server that runs has another WORKER_TOKEN",
            "ask with the settings that it runs with",
        ),
        _ => Finding::bad(
            SUBJECT,
            "the reverse proxy passes no WebSocket on: the editor shows no progress",
            "nginx: proxy_http_version 1.1, and the headers Upgrade and Connection",
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::super::Verdict;
    use super::*;

    #[test]
    fn a_certificate_that_ends_soon_is_remarked() {
        let end = httpdate::parse_http_date("Thu, 25 Feb 2027 00:34:18 GMT").unwrap();
        let at = |before| judge_certificate(&certificate::sample(), end - before).verdict;
        assert_eq!(at(Duration::from_secs(60 * 24 * 3600)), Verdict::Good);
        assert!(matches!(at(Duration::from_secs(24 * 3600)), Verdict::Remark { .. }));
        let unread = judge_certificate(b"no certificate", end).verdict;
        assert!(matches!(unread, Verdict::Remark { .. }));
    }

    #[test]
    fn clocks_that_differ_are_told() {
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_800_000_000);
        assert_eq!(judge_date(now, now), None);
        let off = |seconds| judge_date(now + Duration::from_secs(seconds), now).unwrap().verdict;
        assert!(matches!(off(20), Verdict::Remark { .. }));
        assert!(matches!(off(600), Verdict::Bad { .. }));
    }
}
