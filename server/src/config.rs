//! The server's settings, checked. `runtime::config::SETTINGS` lists them.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::num::NonZeroU32;
use std::path::PathBuf;
use std::time::Duration;

use comfy_api::denied::{DENIED_BY_DEFAULT, DeniedNodes};
use domain::{AccessMode, SeatHosts, SeatId};
use queue::ProducerOptions;
use runtime::config::{ConfigError, Settings};
use runtime::logging::LogOptions;
use runtime::{EmbeddedRedisOptions, Secret};
use workshop::StorageLimits;

const REDIS_SCHEMES: [&str; 4] = ["redis", "rediss", "redis+unix", "unix"];
/// One a second is of no use to an editor; a million is no limit.
const REQUESTS: std::ops::RangeInclusive<u64> = 10..=1_000_000;
/// The shortest and the longest that a lease or a delivery may sensibly take.
const SECONDS: std::ops::RangeInclusive<u64> = 1..=3600;

#[derive(Debug, Clone)]
pub struct ServerConfig {
    pub listen_addr: SocketAddr,
    /// Without a slash at its end.
    pub public_url: String,
    /// `None`: all seats are at the public address, each below a path.
    pub seat_hosts: Option<SeatHosts>,
    pub data_dir: PathBuf,
    /// The portal's compiled files.
    pub site_root: PathBuf,
    /// Workflows that every seat gets.
    pub workflows_dir: PathBuf,
    pub frontend_dir: Option<PathBuf>,
    pub frontend_templates_dir: Option<PathBuf>,
    pub frontend_docs_dir: Option<PathBuf>,
    pub seats: u16,
    pub access_mode: AccessMode,
    pub workshop_title: String,
    /// `None`: one is generated.
    pub admin_password: Option<Secret>,
    /// `None`: one is generated.
    pub worker_token: Option<Secret>,
    /// `None`: only the instructor sees `/metrics`.
    pub metrics_token: Option<Secret>,
    /// `None`: the embedded Redis.
    pub redis_url: Option<Secret>,
    /// The same Redis as workers reach it. `None`: as the server does.
    pub worker_redis_url: Option<Secret>,
    /// Of the embedded Redis.
    pub redis_port: u16,
    pub max_prompt_bytes: usize,
    pub max_upload_bytes: usize,
    pub seat_requests_per_second: NonZeroU32,
    pub storage: StorageLimits,
    pub denied_nodes: DeniedNodes,
    pub lease: Duration,
    pub delivery_timeout: Duration,
    pub logging: LogOptions,
}

impl ServerConfig {
    /// From the process's environment and `.env`.
    pub fn load() -> Result<Self, ConfigError> {
        Self::read(Settings::load())
    }

    pub fn read(mut settings: Settings) -> Result<Self, ConfigError> {
        let listen_addr = settings.parsed("LISTEN_ADDR");
        let public_url = settings.optional_url("PUBLIC_URL").unwrap_or_else(|| local_url(listen_addr));
        let config = Self {
            listen_addr,
            seat_hosts: seat_hosts(&mut settings, &public_url),
            public_url,
            data_dir: settings.path("DATA_DIR"),
            site_root: settings.path("SITE_ROOT"),
            workflows_dir: settings.path("WORKFLOWS_DIR"),
            frontend_dir: settings.optional_path("FRONTEND_DIR"),
            frontend_templates_dir: settings.optional_path("FRONTEND_TEMPLATES_DIR"),
            frontend_docs_dir: settings.optional_path("FRONTEND_DOCS_DIR"),
            seats: saturate(settings.number("SEATS", 1..=u64::from(SeatId::MAX)), u16::MAX),
            access_mode: settings.parsed("ACCESS_MODE"),
            workshop_title: settings.text("WORKSHOP_TITLE"),
            admin_password: settings.secret("ADMIN_PASSWORD"),
            worker_token: settings.secret("WORKER_TOKEN"),
            metrics_token: settings.secret("METRICS_TOKEN"),
            redis_url: settings.secret_url("REDIS_URL", &REDIS_SCHEMES),
            worker_redis_url: settings.secret_url("WORKER_REDIS_URL", &REDIS_SCHEMES),
            redis_port: settings.port("REDIS_PORT"),
            max_prompt_bytes: saturate(settings.bytes("MAX_PROMPT_BYTES"), usize::MAX),
            max_upload_bytes: saturate(settings.bytes("MAX_UPLOAD_BYTES"), usize::MAX),
            seat_requests_per_second: nonzero(settings.number("SEAT_REQUESTS_PER_SECOND", REQUESTS)),
            storage: StorageLimits {
                max_file_bytes: settings.bytes("MAX_FILE_BYTES"),
                max_model_bytes: settings.bytes("MAX_MODEL_BYTES"),
                seat_quota_bytes: settings.optional_bytes("SEAT_QUOTA_BYTES"),
                total_quota_bytes: settings.optional_bytes("TOTAL_QUOTA_BYTES"),
                min_free_bytes: settings.bytes("MIN_FREE_BYTES"),
            },
            denied_nodes: DeniedNodes::parse(
                settings.optional_text("DENIED_NODES").as_deref().unwrap_or(DENIED_BY_DEFAULT),
            ),
            lease: settings.seconds("LEASE_SECONDS", SECONDS),
            delivery_timeout: settings.seconds("DELIVERY_TIMEOUT_SECONDS", SECONDS),
            logging: LogOptions::read(&mut settings),
        };
        settings.finish()?;
        Ok(config)
    }

    /// How to run the private Redis that is used without `REDIS_URL`.
    pub fn embedded_redis(&self) -> EmbeddedRedisOptions {
        EmbeddedRedisOptions::new(&self.data_dir, self.redis_port)
    }

    pub fn queue_producer(&self, redis_url: &str) -> ProducerOptions {
        ProducerOptions::new(redis_url)
    }
}

fn seat_hosts(settings: &mut Settings, public_url: &str) -> Option<SeatHosts> {
    let pattern = settings.optional_text("SEAT_HOST_PATTERN")?;
    let scheme = public_url.split_once("://").map_or("http", |(scheme, _)| scheme);
    SeatHosts::new(&pattern, scheme)
        .map_err(|reason| settings.add_problem(format!("SEAT_HOST_PATTERN={pattern}: {reason}")))
        .ok()
}

/// How a browser on this machine reaches the address.
fn local_url(listen_addr: SocketAddr) -> String {
    let mut address = listen_addr;
    if address.ip().is_unspecified() {
        address.set_ip(IpAddr::V4(Ipv4Addr::LOCALHOST));
    }
    format!("http://{address}")
}

/// Bounds were checked.
fn nonzero(number: u64) -> NonZeroU32 {
    NonZeroU32::new(saturate(number, u32::MAX)).unwrap_or(NonZeroU32::MIN)
}

/// Bounds were checked; `max` stands in for what this machine cannot count to.
fn saturate<T: TryFrom<u64>>(number: u64, max: T) -> T {
    T::try_from(number).unwrap_or(max)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(dotenv: &str) -> Result<ServerConfig, ConfigError> {
        ServerConfig::read(Settings::from_parts(dotenv, []))
    }

    #[test]
    fn every_setting_has_a_usable_default() {
        let config = read("").unwrap();
        assert_eq!(config.public_url, "http://127.0.0.1:8080");
        assert_eq!(config.seats, 20);
        assert_eq!(config.access_mode, AccessMode::Link);
        assert_eq!(config.max_prompt_bytes, 20 << 20);
        assert_eq!(config.storage, StorageLimits::default());
        assert_eq!(config.lease, Duration::from_secs(20));
        assert!(config.redis_url.is_none());
        assert_eq!(config.embedded_redis().directory, PathBuf::from("./data/redis"));
    }

    #[test]
    fn the_public_url_follows_the_listening_address() {
        assert_eq!(read("LISTEN_ADDR=0.0.0.0:80").unwrap().public_url, "http://127.0.0.1:80");
        assert_eq!(read("LISTEN_ADDR=10.0.0.7:9000").unwrap().public_url, "http://10.0.0.7:9000");
        let given = read("LISTEN_ADDR=0.0.0.0:80\nPUBLIC_URL=https://workshop.example/").unwrap();
        assert_eq!(given.public_url, "https://workshop.example");
    }

    #[test]
    fn seats_get_hosts_of_their_own_only_if_a_pattern_says_so() {
        assert_eq!(read("").unwrap().seat_hosts, None);
        let config =
            read("PUBLIC_URL=https://workshop.example\nSEAT_HOST_PATTERN={seat}.workshop.example").unwrap();
        let origin = config.seat_hosts.unwrap().origin(SeatId::new(7).unwrap());
        assert_eq!(origin, "https://user007.workshop.example");
        let error = read("SEAT_HOST_PATTERN=workshop.example").unwrap_err();
        assert!(error.problems[0].starts_with("SEAT_HOST_PATTERN=workshop.example: "), "{error}");
    }

    #[test]
    fn bad_values_are_all_refused_with_their_names() {
        let bad = "LISTEN_ADDR=here\nPUBLIC_URL=workshop.example\nSEATS=501\nACCESS_MODE=closed\nREDIS_PORT=70000\n\
                   REDIS_URL=http://secret@host\nMAX_UPLOAD_BYTES=lots\nLEASE_SECONDS=0\nLOG=workshop=loud\n";
        let error = read(bad).unwrap_err();
        let names: Vec<_> =
            error.problems.iter().map(|problem| problem.split(['=', ' ']).next().unwrap()).collect();
        assert_eq!(
            names,
            [
                "LISTEN_ADDR",
                "PUBLIC_URL",
                "SEATS",
                "ACCESS_MODE",
                "REDIS_URL",
                "REDIS_PORT",
                "MAX_UPLOAD_BYTES",
                "LEASE_SECONDS",
                "LOG"
            ]
        );
        assert!(!error.to_string().contains("secret@"), "{error}");
    }

    #[test]
    fn secrets_are_not_in_its_debug_form() {
        let config = read("ADMIN_PASSWORD=hunter2\nREDIS_URL=redis://:hunter2@host/").unwrap();
        assert!(!format!("{config:?}").contains("hunter2"));
    }
}
