//! The one table of all settings of both binaries. `.env.example` says the same, and a
//! test holds the two equal.

/// One setting.
#[derive(Debug, Clone, Copy)]
pub struct Setting {
    pub name: &'static str,
    /// What holds if it is not set. `None`: nothing, or something worked out from the rest.
    pub default: Option<&'static str>,
    pub meaning: &'static str,
    /// Not shown in messages, and may come from the file named by `NAME_FILE`.
    pub is_secret: bool,
}

const fn plain(name: &'static str, default: &'static str, meaning: &'static str) -> Setting {
    Setting { name, default: Some(default), meaning, is_secret: false }
}

const fn optional(name: &'static str, meaning: &'static str) -> Setting {
    Setting { name, default: None, meaning, is_secret: false }
}

const fn secret(name: &'static str, meaning: &'static str) -> Setting {
    Setting { name, default: None, meaning, is_secret: true }
}

/// All settings, in the order of `.env.example`.
pub const SETTINGS: &[Setting] = &[
    // Workshop
    plain("WORKSHOP_TITLE", "ComfyUI workshop", "what the portal calls itself"),
    plain("SEATS", "20", "how many seats there are, from 1 to 500"),
    plain("ACCESS_MODE", "link", "how people get a seat: link (secret join link) or open (choose one)"),
    secret("ADMIN_PASSWORD", "the instructor's password; one is generated if not set"),
    secret("METRICS_TOKEN", "what Prometheus sends to read /metrics; without it only the instructor may"),
    // Server
    plain("LISTEN_ADDR", "127.0.0.1:8080", "address and port that the server listens on"),
    optional("PUBLIC_URL", "how people reach the server, for printed links; default http://LISTEN_ADDR"),
    optional(
        "SEAT_HOST_PATTERN",
        "a host name for each seat, such as {seat}.workshop.example: an origin of its own",
    ),
    plain("DATA_DIR", "./data", "everything that must outlive a restart"),
    plain("MAX_PROMPT_BYTES", "20MiB", "largest graph that may be queued"),
    plain("MAX_UPLOAD_BYTES", "100MiB", "largest file that the editor may upload in one go"),
    plain("MAX_FILE_BYTES", "20GiB", "largest input file that may be uploaded in the Files tab"),
    plain("MAX_MODEL_BYTES", "100GiB", "largest model that a participant may upload"),
    plain(
        "SEAT_REQUESTS_PER_SECOND",
        "300",
        "requests of one seat that are served, lasting; ten seconds' worth may come at once",
    ),
    optional("SEAT_QUOTA_BYTES", "how much the files of one seat may take; default no limit"),
    optional("TOTAL_QUOTA_BYTES", "how much the files of all seats may take; default no limit"),
    plain("MIN_FREE_BYTES", "1GiB", "what always stays free on the disk of DATA_DIR"),
    plain("LEASE_SECONDS", "20", "a worker silent for this long loses its jobs, which run again"),
    plain("DELIVERY_TIMEOUT_SECONDS", "15", "a job not taken up within this is handed out again"),
    plain("SITE_ROOT", "target/site", "the portal's compiled files"),
    optional(
        "DENIED_NODES",
        "node classes that nobody may use, apart by commas, * for anything, or none; default: custom nodes known to reach files, addresses or code",
    ),
    plain(
        "WORKFLOWS_DIR",
        "workflows",
        "workflows that every seat gets: *.json files, in folders if you like",
    ),
    optional("FRONTEND_DIR", "static folder of the Python package comfyui_frontend_package"),
    optional("FRONTEND_TEMPLATES_DIR", "templates folder of comfyui_workflow_templates"),
    optional("FRONTEND_DOCS_DIR", "docs folder of comfyui_embedded_docs"),
    // Redis
    secret("REDIS_URL", "a Redis of your own; without it the server starts a private one"),
    secret("WORKER_REDIS_URL", "the same Redis as workers reach it; default REDIS_URL"),
    plain("REDIS_PORT", "16379", "port of the private Redis, on this machine only"),
    // Workers
    secret("WORKER_TOKEN", "what workers and server know each other by; the server generates one if not set"),
    plain("SERVER_URL", "http://127.0.0.1:8080", "how the worker reaches the server"),
    optional("WORKER_NAME", "what people call this machine; default its host name"),
    plain("CACHE_DIR", "./data/worker-cache", "input files that the worker keeps for the next job"),
    plain(
        "MODEL_CACHE_BYTES",
        "200GiB",
        "room for participants' models beside ComfyUI's own; those unused for longest go first",
    ),
    // ComfyUI
    optional("COMFYUI_URL", "a running ComfyUI to use, instead of starting one"),
    optional("COMFYUI_DIR", "folder of the ComfyUI to start: the one with main.py"),
    plain("COMFYUI_PYTHON", "python3", "the Python that has ComfyUI's packages"),
    plain("COMFYUI_PORT", "8188", "port of the started ComfyUI, on this machine only"),
    optional("COMFYUI_ARGS", "more arguments for ComfyUI, as on a command line"),
    plain("COMFYUI_BASE_DIR", "./data/engine", "input, output and temporary files of the started ComfyUI"),
    plain("ENGINE_START_TIMEOUT_SECONDS", "300", "how long ComfyUI may take to start"),
    plain(
        "ENGINE_HANG_SECONDS",
        "300",
        "how long ComfyUI may answer nothing while it runs a job, before it is restarted",
    ),
    // Log
    plain("LOG", "info", "what is logged, such as info,workshop=debug"),
    plain("LOG_FORMAT", "text", "text for people, json for programs"),
];

pub(super) fn find(name: &str) -> Option<&'static Setting> {
    SETTINGS.iter().find(|setting| setting.name == name)
}

/// All names that may be set, those of the files with secrets included.
pub(super) fn known_names() -> impl Iterator<Item = String> {
    SETTINGS.iter().flat_map(|setting| {
        let file = setting.is_secret.then(|| format!("{}_FILE", setting.name));
        [setting.name.to_owned()].into_iter().chain(file)
    })
}

pub(super) fn is_known(name: &str) -> bool {
    known_names().any(|known| known == name)
}
