//! Runs one graph after the other, and what goes wrong in it.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rand::Rng;
use serde_json::{Value, json};
use tokio::time::sleep;

use super::graph::{Saving, savings};
use super::{Engine, Item, KILLER};
use crate::picture::png;

/// How often a run says how far it is.
const STEP: Duration = Duration::from_millis(20);
const STEPS: std::ops::RangeInclusive<u32> = 3..=15;
const DAWDLING: Duration = Duration::from_millis(1500);

/// What goes wrong in a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fault {
    Crash,
    Hang,
    OutOfMemory,
    DropSocket,
    Dawdle,
}

const FAULTS: [Fault; 5] = [Fault::Crash, Fault::Hang, Fault::OutOfMemory, Fault::DropSocket, Fault::Dawdle];

/// How a run ended.
enum Ending {
    Done,
    Interrupted,
    Error { kind: &'static str, message: String },
}

pub async fn run_all(engine: Arc<Engine>) {
    loop {
        let next = {
            let mut state = engine.state();
            state.is_interrupted = false;
            state.running = state.pending.pop_front();
            state.running.clone()
        };
        match next {
            Some(item) => run(&engine, &item).await,
            None => engine.posted.notified().await,
        }
    }
}

async fn run(engine: &Engine, item: &Item) {
    let mut messages = Vec::new();
    let mut tell = |kind: &str, mut data: Value| {
        data["prompt_id"] = json!(item.id);
        if kind.starts_with("execution_") {
            data["timestamp"] = json!(now_ms());
            messages.push(json!([kind, data]));
        }
        engine.send(item, &json!({"type": kind, "data": data}));
    };
    tell("execution_start", json!({}));
    tell("execution_cached", json!({"nodes": []}));
    let mut outputs = serde_json::Map::new();
    let mut ending = Ending::Done;
    match savings(&item.prompt, &engine.options.base_dir.join("input")) {
        Err(error) => ending = Ending::Error { kind: "ValueError", message: format!("{error:#}") },
        Ok(savings) => {
            for saving in savings {
                tell("executing", json!({"node": saving.node, "display_node": saving.node}));
                if saving.filename_prefix.contains(KILLER) {
                    eprintln!("drill: killed by its job");
                    std::process::exit(139);
                }
                ending = work(engine, item, &saving.node, &mut tell).await;
                if !matches!(ending, Ending::Done) {
                    break;
                }
                match save(&saving, &engine.options.base_dir.join("output")) {
                    Ok(images) => {
                        let output = json!({ "images": images });
                        tell(
                            "executed",
                            json!({"node": saving.node, "display_node": saving.node, "output": output}),
                        );
                        outputs.insert(saving.node, output);
                    }
                    Err(error) => {
                        ending = Ending::Error { kind: "OSError", message: format!("{error:#}") };
                        break;
                    }
                }
            }
        }
    }
    let is_done = matches!(ending, Ending::Done);
    match ending {
        Ending::Done => tell("execution_success", json!({})),
        Ending::Interrupted => {
            tell("execution_interrupted", json!({"node_id": "1", "node_type": "SaveImage", "executed": []}));
        }
        Ending::Error { kind, message } => tell(
            "execution_error",
            json!({"node_id": "1", "node_type": "SaveImage", "executed": [], "exception_type": kind,
                   "exception_message": message, "traceback": [], "current_inputs": {}, "current_outputs": []}),
        ),
    }
    let status = if is_done { "success" } else { "error" };
    let entry = json!({"prompt": [item.number, item.id, {}, {}, []], "outputs": outputs, "meta": {},
                       "status": {"status_str": status, "completed": is_done, "messages": messages}});
    {
        let mut state = engine.state();
        state.history.insert(item.id.clone(), entry);
        state.running = None;
    }
    engine.send(item, &json!({"type": "executing", "data": {"node": null, "prompt_id": item.id}}));
}

/// Takes its time, and breaks where it is the turn of a fault.
async fn work(engine: &Engine, item: &Item, node: &str, tell: &mut impl FnMut(&str, Value)) -> Ending {
    let (steps, fault) = {
        let mut random = engine.random();
        let goes_wrong = random.random_range(0..100) < engine.options.fault_percent;
        let fault = goes_wrong.then(|| FAULTS[random.random_range(0..FAULTS.len())]);
        let steps = random.random_range(STEPS);
        (steps, fault.map(|fault| (fault, random.random_range(0..steps))))
    };
    for step in 0..steps {
        match fault {
            Some((fault, at)) if at == step => match fault {
                Fault::Crash => {
                    eprintln!("drill: crash");
                    std::process::exit(139);
                }
                Fault::Hang => {
                    eprintln!("drill: hang");
                    engine.hang();
                    std::future::pending::<()>().await;
                }
                Fault::OutOfMemory => {
                    let message = "Allocation on device".to_owned();
                    return Ending::Error { kind: "torch.OutOfMemoryError", message };
                }
                Fault::DropSocket => engine.drop_socket(item),
                Fault::Dawdle => sleep(DAWDLING).await,
            },
            _ => {}
        }
        if engine.state().is_interrupted {
            return Ending::Interrupted;
        }
        let progress = json!({"value": step + 1, "max": steps, "state": "running", "node_id": node, "prompt_id": item.id,
                              "display_node_id": node, "parent_node_id": null, "real_node_id": node});
        tell("progress_state", json!({"nodes": {node: progress}}));
        sleep(STEP).await;
    }
    Ending::Done
}

/// Writes the files, numbered on from those that there are, as `SaveImage` does.
fn save(saving: &Saving, output_dir: &Path) -> anyhow::Result<Vec<Value>> {
    let (subfolder, stem) = saving.filename_prefix.rsplit_once('/').unwrap_or(("", &saving.filename_prefix));
    let folder = output_dir.join(subfolder);
    std::fs::create_dir_all(&folder)?;
    let mut number = 0;
    let mut images = Vec::new();
    for _ in 0..saving.pictures {
        let filename = loop {
            number += 1;
            let filename = format!("{stem}_{number:05}_.png");
            if !folder.join(&filename).exists() {
                break filename;
            }
        };
        std::fs::write(folder.join(&filename), png(saving.colour)?)?;
        images.push(json!({"filename": filename, "subfolder": subfolder, "type": "output"}));
    }
    Ok(images)
}

fn now_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}
