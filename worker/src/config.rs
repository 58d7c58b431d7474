//! The worker's settings, checked. `runtime::config::SETTINGS` lists them.

use std::path::PathBuf;
use std::time::Duration;

use runtime::Secret;
use runtime::config::{ConfigError, Settings};
use runtime::logging::LogOptions;

#[derive(Debug, Clone)]
pub struct WorkerConfig {
    /// Without a slash at its end.
    pub server_url: String,
    pub worker_token: Secret,
    /// What people call the machine.
    pub worker_name: String,
    /// A running ComfyUI, without a slash at its end. Exactly one of this and `comfyui_dir` is set.
    pub comfyui_url: Option<String>,
    /// The ComfyUI to start.
    pub comfyui_dir: Option<PathBuf>,
    pub comfyui_python: PathBuf,
    pub comfyui_port: u16,
    pub comfyui_args: Vec<String>,
    pub comfyui_base_dir: PathBuf,
    pub engine_start_timeout: Duration,
    /// How long a ComfyUI that runs something may leave every question unanswered.
    pub engine_hang_limit: Duration,
    pub cache_dir: PathBuf,
    /// How much room participants' models may take beside ComfyUI's own.
    pub model_cache_bytes: u64,
    pub logging: LogOptions,
}

impl WorkerConfig {
    /// From the process's environment and `.env`.
    pub fn load() -> Result<Self, ConfigError> {
        Self::read(Settings::load())
    }

    pub fn read(mut settings: Settings) -> Result<Self, ConfigError> {
        let config = Self {
            server_url: settings.url("SERVER_URL"),
            worker_token: settings.required_secret(
                "WORKER_TOKEN",
                "it is the server's WORKER_TOKEN, or in the file worker-token of its DATA_DIR",
            ),
            worker_name: settings.optional_text("WORKER_NAME").unwrap_or_else(host_name),
            comfyui_url: settings.optional_url("COMFYUI_URL"),
            comfyui_dir: settings.optional_path("COMFYUI_DIR"),
            comfyui_python: settings.path("COMFYUI_PYTHON"),
            comfyui_port: settings.port("COMFYUI_PORT"),
            comfyui_args: settings.words("COMFYUI_ARGS"),
            comfyui_base_dir: settings.path("COMFYUI_BASE_DIR"),
            engine_start_timeout: settings.seconds("ENGINE_START_TIMEOUT_SECONDS", 1..=86_400),
            engine_hang_limit: settings.seconds("ENGINE_HANG_SECONDS", 5..=86_400),
            cache_dir: settings.path("CACHE_DIR"),
            model_cache_bytes: settings.bytes("MODEL_CACHE_BYTES"),
            logging: LogOptions::read(&mut settings),
        };
        // Asked of the settings, not of the values: a bad COMFYUI_URL has been told already.
        match (settings.optional_text("COMFYUI_URL"), &config.comfyui_dir) {
            (None, None) => settings.add_problem(
                "COMFYUI_DIR is not set: name the folder of the ComfyUI to start, or a running one by COMFYUI_URL",
            ),
            (Some(_), Some(_)) => {
                settings.add_problem("COMFYUI_URL and COMFYUI_DIR are both set: keep one of them");
            }
            _ => {}
        }
        settings.finish()?;
        Ok(config)
    }
}

/// The kernel's name for this machine, as no variable of the environment reliably has it.
fn host_name() -> String {
    std::fs::read_to_string("/proc/sys/kernel/hostname")
        .ok()
        .map(|name| name.trim().to_owned())
        .filter(|name| !name.is_empty())
        .unwrap_or_else(|| "worker".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    const LEAST: &str = "WORKER_TOKEN=hunter2\nCOMFYUI_DIR=/opt/comfyui\n";

    fn read(dotenv: &str) -> Result<WorkerConfig, ConfigError> {
        WorkerConfig::read(Settings::from_parts(dotenv, []))
    }

    #[test]
    fn token_and_engine_are_all_that_is_needed() {
        let config = read(LEAST).unwrap();
        assert_eq!(config.server_url, "http://127.0.0.1:8080");
        assert_eq!(config.comfyui_port, 8188);
        assert_eq!(config.model_cache_bytes, 200 << 30);
        assert_eq!(config.engine_start_timeout, Duration::from_secs(300));
        assert_eq!(config.engine_hang_limit, Duration::from_secs(300));
        assert!(!config.worker_name.is_empty());
        assert!(!format!("{config:?}").contains("hunter2"));
    }

    #[test]
    fn what_is_missing_is_told_with_where_to_find_it() {
        let error = read("").unwrap_err();
        assert_eq!(error.problems.len(), 2, "{error}");
        assert!(error.problems[0].starts_with("WORKER_TOKEN (or WORKER_TOKEN_FILE) is not set"), "{error}");
        assert!(error.problems[1].starts_with("COMFYUI_DIR is not set"), "{error}");
    }

    #[test]
    fn two_engines_are_one_too_many() {
        let error = read(&format!("{LEAST}COMFYUI_URL=http://127.0.0.1:8188/")).unwrap_err();
        assert_eq!(error.problems, ["COMFYUI_URL and COMFYUI_DIR are both set: keep one of them"]);
    }

    #[test]
    fn bad_values_are_all_refused_with_their_names() {
        let bad = "WORKER_TOKEN=hunter2\nSERVER_URL=here\nCOMFYUI_URL=there\nCOMFYUI_PORT=0\n";
        // In the file an open quote would swallow the lines below it.
        let environment = [("COMFYUI_ARGS".to_owned(), "'--a".to_owned())];
        let error = WorkerConfig::read(Settings::from_parts(bad, environment)).unwrap_err();
        assert_eq!(
            error.problems,
            [
                "SERVER_URL=here is not valid: it is not of the form http://… or https://…",
                "COMFYUI_URL=there is not valid: it is not of the form http://… or https://…",
                "COMFYUI_PORT=0 is not valid: it is not a port from 1 to 65535",
                "COMFYUI_ARGS='--a is not valid: a quote is not closed",
            ]
        );
    }

    #[test]
    fn arguments_are_split_as_in_a_shell() {
        let config = read(&format!("{LEAST}COMFYUI_ARGS=\"--cpu --extra 'two words'\"\n")).unwrap();
        assert_eq!(config.comfyui_args, ["--cpu", "--extra", "two words"]);
    }
}
