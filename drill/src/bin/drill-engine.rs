//! A ComfyUI that breaks, started as the worker starts the real one. Of ComfyUI's arguments
//! those that do not matter here are passed over.

use anyhow::Context;
use drill::engine::{EngineOptions, serve};

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let given: Vec<String> = std::env::args().collect();
    let argument = |name: &str| {
        let value = given.iter().position(|word| word == name).and_then(|at| given.get(at + 1));
        value.with_context(|| format!("{name} is missing"))
    };
    let setting = |name: &str| -> anyhow::Result<u64> {
        std::env::var(name).with_context(|| name.to_owned())?.parse().with_context(|| name.to_owned())
    };
    let options = EngineOptions {
        seed: setting("DRILL_ENGINE_SEED")?,
        fault_percent: setting("DRILL_ENGINE_FAULT_PERCENT")?,
        base_dir: argument("--base-directory")?.into(),
    };
    serve(argument("--port")?.parse()?, options).await
}
