//! The real ComfyUI that `make setup` installs, or that COMFYUI_DIR and COMFYUI_PYTHON name.

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::time::Duration;

use worker::engine::{EngineOptions, EngineSource, EngineTiming, LaunchOptions};

/// How to start it, with its files below this folder.
pub fn launch_options(base_dir: &Path) -> LaunchOptions {
    let tools = Path::new(env!("CARGO_MANIFEST_DIR")).join("../.tools");
    let set = |name: &str| std::env::var_os(name).map(PathBuf::from);
    let comfyui_dir = set("COMFYUI_DIR").unwrap_or_else(|| tools.join("comfyui"));
    let python = set("COMFYUI_PYTHON").unwrap_or_else(|| tools.join("comfyui-venv/bin/python"));
    for needed in [comfyui_dir.join("main.py"), python.clone()] {
        assert!(
            needed.exists(),
            "no ComfyUI to test against ({} is missing): run `make setup`",
            needed.display()
        );
    }
    let args = ["--cpu", "--disable-all-custom-nodes", "--database-url", "sqlite:///:memory:"];
    LaunchOptions {
        comfyui_dir,
        python,
        port: free_port(),
        args: args.map(str::to_owned).to_vec(),
        base_dir: base_dir.to_owned(),
    }
}

pub fn engine_options(launch: LaunchOptions) -> EngineOptions {
    let timing = EngineTiming {
        check_every: Duration::from_millis(500),
        ..EngineTiming::new(Duration::from_secs(180))
    };
    EngineOptions { source: EngineSource::Launched(launch), timing }
}

/// A port that nobody uses now.
pub fn free_port() -> u16 {
    let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a port of the loopback");
    listener.local_addr().expect("its address").port()
}
