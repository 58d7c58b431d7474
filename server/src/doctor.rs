//! `doctor`: looks at everything that a workshop needs, and says how to mend what is wrong.
//! It changes nothing, and a server may run meanwhile.

mod certificate;
mod machine;
mod public;
mod redis;
mod running;
mod settings;

use std::fmt;
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use anyhow::Context;
use serde_json::Value;
use tokio::process::Command;

use crate::commands::{DATABASE, open_frontend};
use crate::config::ServerConfig;
use crate::error::chain;
use crate::secrets;

const ANSWER_LIMIT: Duration = Duration::from_secs(10);

/// What a look at one thing came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    Good,
    /// It works without.
    Remark {
        fix: String,
    },
    Bad {
        fix: String,
    },
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    pub subject: &'static str,
    pub text: String,
    pub verdict: Verdict,
}

impl Finding {
    fn good(subject: &'static str, text: impl Into<String>) -> Self {
        Self { subject, text: text.into(), verdict: Verdict::Good }
    }

    fn remark(subject: &'static str, text: impl Into<String>, fix: impl Into<String>) -> Self {
        Self { subject, text: text.into(), verdict: Verdict::Remark { fix: fix.into() } }
    }

    fn bad(subject: &'static str, text: impl Into<String>, fix: impl Into<String>) -> Self {
        Self { subject, text: text.into(), verdict: Verdict::Bad { fix: fix.into() } }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (mark, fix) = match &self.verdict {
            Verdict::Good => ("good", None),
            Verdict::Remark { fix } => ("note", Some(fix)),
            Verdict::Bad { fix } => ("BAD ", Some(fix)),
        };
        write!(formatter, "{mark}  {:<12} {}", self.subject, self.text)?;
        fix.map_or(Ok(()), |fix| write!(formatter, "\n      {:<12} → {fix}", ""))
    }
}

/// Prints what was found; an error if something is bad.
pub async fn doctor(config: ServerConfig) -> anyhow::Result<()> {
    let findings = examine(&config).await;
    for finding in &findings {
        println!("{finding}");
    }
    let bad = findings.iter().filter(|finding| matches!(finding.verdict, Verdict::Bad { .. })).count();
    anyhow::ensure!(bad == 0, "{bad} of {} things are bad", findings.len());
    Ok(())
}

/// Looks at everything.
pub async fn examine(config: &ServerConfig) -> Vec<Finding> {
    let mut findings = settings::settings(config);
    findings.extend(data_folder(config));
    findings.push(database(&config.data_dir.join(DATABASE)).await);
    findings.extend(machine::disk(config));
    findings.push(machine::handles(config));
    findings.push(frontend(config));
    findings.push(site(&config.site_root));
    findings.push(workflows(&config.workflows_dir));
    findings.extend(redis(config).await);
    findings.push(ffmpeg().await);
    findings.extend(server(config).await);
    findings
}

fn data_folder(config: &ServerConfig) -> Vec<Finding> {
    const SUBJECT: &str = "data folder";
    let folder = config.data_dir.display();
    let Ok(metadata) = std::fs::metadata(&config.data_dir) else {
        return vec![Finding::remark(
            SUBJECT,
            format!("{folder} is not there yet"),
            "the first start makes it",
        )];
    };
    if rustix::fs::access(&config.data_dir, rustix::fs::Access::WRITE_OK).is_err() {
        let fix = "give it to the user that runs the server, or set DATA_DIR to another";
        return vec![Finding::bad(SUBJECT, format!("{folder} cannot be written to"), fix)];
    }
    let secrets =
        [secrets::admin_password_file(&config.data_dir), secrets::worker_token_file(&config.data_dir)];
    let open =
        |path: &Path| std::fs::metadata(path).is_ok_and(|found| found.permissions().mode() & 0o077 != 0);
    let mut findings = vec![match metadata.permissions().mode() & 0o077 {
        0 => Finding::good(SUBJECT, format!("{folder} is there, for its owner only")),
        _ => Finding::remark(
            SUBJECT,
            format!("{folder} can be read by other users of this machine"),
            format!("chmod 700 {folder}"),
        ),
    }];
    findings.extend(secrets.iter().filter(|path| open(path)).map(|path| {
        let path = path.display();
        Finding::bad("secret", format!("{path} can be read by other users"), format!("chmod 600 {path}"))
    }));
    findings
}

async fn database(path: &Path) -> Finding {
    const SUBJECT: &str = "record";
    if !path.exists() {
        return Finding::remark(SUBJECT, "there is none yet", "the first start makes it");
    }
    match store::check(path).await {
        Ok(()) => Finding::good(SUBJECT, "the database is whole"),
        Err(error) => Finding::bad(
            SUBJECT,
            format!("the database is damaged or cannot be read: {}", chain(&error)),
            "stop the server and restore a backup (comfy-multi restore)",
        ),
    }
}

fn frontend(config: &ServerConfig) -> Finding {
    match open_frontend(config) {
        Ok(_) => Finding::good("editor", "the frontend package can be served"),
        Err(error) => Finding::bad("editor", format!("{error:#}"), "make setup, or set FRONTEND_DIR"),
    }
}

fn site(site_root: &Path) -> Finding {
    let mut files = std::fs::read_dir(site_root.join("pkg")).into_iter().flatten().flatten();
    if files.any(|file| file.file_name().to_string_lossy().ends_with(".wasm")) {
        return Finding::good("portal", "its compiled files are there");
    }
    Finding::bad(
        "portal",
        format!("{} has no compiled portal", site_root.display()),
        "make build, or set SITE_ROOT",
    )
}

fn workflows(folder: &Path) -> Finding {
    if folder.is_dir() {
        return Finding::good("workflows", format!("{} is there", folder.display()));
    }
    Finding::remark(
        "workflows",
        format!("{} is not there", folder.display()),
        "participants start without workflows; set WORKFLOWS_DIR to give them some",
    )
}

async fn redis(config: &ServerConfig) -> Vec<Finding> {
    const SUBJECT: &str = "redis";
    let Some(url) = &config.redis_url else {
        return vec![match version("redis-server").await {
            Some(version) => Finding::good(SUBJECT, format!("the server runs its own ({version})")),
            None => {
                let fix = "apt-get install redis-server, or set REDIS_URL to one of your own";
                Finding::bad(SUBJECT, "redis-server is not installed", fix)
            }
        }];
    };
    redis::redis(config, url.expose()).await
}

async fn ffmpeg() -> Finding {
    match version("ffmpeg").await {
        Some(_) => Finding::good("ffmpeg", "videos get pictures in the gallery"),
        None => {
            Finding::remark("ffmpeg", "is not installed", "apt-get install ffmpeg, for pictures of videos")
        }
    }
}

/// The first line that a program says of itself; nothing if it cannot be run.
async fn version(program: &str) -> Option<String> {
    let argument = if program == "ffmpeg" { "-version" } else { "--version" };
    let output = Command::new(program).arg(argument).stdin(Stdio::null()).output().await.ok()?;
    String::from_utf8_lossy(&output.stdout).lines().next().map(str::to_owned)
}

/// The running server, what it depends on, and whether people reach it.
async fn server(config: &ServerConfig) -> Vec<Finding> {
    const SUBJECT: &str = "server";
    let address = config.listen_addr;
    let ready = match ask(&format!("http://{}/ready", reachable(address))).await {
        Ok(answer) => answer,
        Err(_) if TcpListener::bind(address).is_ok() => {
            return vec![Finding::remark(
                SUBJECT,
                "is not running",
                "start it, then ask again: comfy-multi serve",
            )];
        }
        Err(error) => {
            let text = format!("LISTEN_ADDR {address} is taken, and not by a workshop: {error:#}");
            return vec![Finding::bad(SUBJECT, text, "stop what listens there, or set LISTEN_ADDR")];
        }
    };
    let mut findings = vec![Finding::good(SUBJECT, format!("runs at {address}"))];
    let body: Value = serde_json::from_str(&ready).unwrap_or_default();
    let dependencies = body["dependencies"].as_object().into_iter().flatten();
    findings.extend(dependencies.map(|(name, state)| {
        let state = state.as_str().unwrap_or("unknown");
        let (subject, fix) = match name.as_str() {
            "worker" => ("worker", "start comfy-multi-worker; its log says why if ComfyUI does not come up"),
            "redis" => ("its redis", "look at the server's log"),
            "catalog" => ("catalog", "it comes with the first worker"),
            _ => ("its record", "look at the server's log"),
        };
        if state == "ok" { Finding::good(subject, "ok") } else { Finding::bad(subject, state, fix) }
    }));
    let token = worker_token(config);
    if let Some(token) = &token {
        findings.extend(running::versions(&format!("http://{}", reachable(address)), token).await);
    }
    findings.extend(public::public_address(config, token.as_deref()).await);
    findings
}

/// The operator's, else the generated one, if it can be read.
fn worker_token(config: &ServerConfig) -> Option<String> {
    let kept = || std::fs::read_to_string(secrets::worker_token_file(&config.data_dir)).ok();
    let token = config.worker_token.as_ref().map(|token| token.expose().to_owned()).or_else(kept)?;
    Some(token.trim().to_owned())
}

fn reachable(mut address: std::net::SocketAddr) -> std::net::SocketAddr {
    if address.ip().is_unspecified() {
        address.set_ip(std::net::Ipv4Addr::LOCALHOST.into());
    }
    address
}

/// The answer's text, whatever its status.
async fn ask(url: &str) -> anyhow::Result<String> {
    let answer = client(url)?.get(url).send().await.context("no answer")?;
    Ok(answer.text().await?)
}

fn client(url: &str) -> reqwest::Result<reqwest::Client> {
    // A second installation is refused and means that there is one already.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let mut builder = reqwest::Client::builder().no_proxy().tls_info(true).timeout(ANSWER_LIMIT);
    if url.starts_with("http://") {
        // Otherwise a machine without certificate authorities could not even speak plain HTTP.
        builder = builder.tls_certs_only([]);
    }
    builder.build()
}
