//! Asks ComfyUI for the device that it computes on, and how much of its memory is free.

use std::sync::Arc;
use std::time::Duration;

use queue::report::DeviceStats;
use serde_json::Value;
use tokio_util::sync::CancellationToken;

use super::Engine;

const PERIOD: Duration = Duration::from_secs(3);

/// Publishes the device while ComfyUI answers within this limit, until shutdown.
pub async fn watch(engine: Arc<Engine>, limit: Duration, shutdown: CancellationToken) {
    let asking = async {
        // Without a limit it does not give up.
        while let Ok(generation) = engine.ready(Duration::MAX).await {
            let asking = async {
                loop {
                    let stats = tokio::time::timeout(limit, engine.client().system_stats()).await;
                    engine.device.send_replace(stats.ok().and_then(Result::ok).as_ref().and_then(read));
                    tokio::time::sleep(PERIOD).await;
                }
            };
            tokio::select! {
                () = asking => {}
                _ = engine.ended(generation) => {}
            }
            engine.device.send_replace(None);
        }
    };
    shutdown.run_until_cancelled(asking).await;
}

/// The first device that `/system_stats` names: ComfyUI computes on it.
fn read(stats: &Value) -> Option<DeviceStats> {
    let device = stats["devices"].get(0)?;
    Some(DeviceStats {
        name: device["name"].as_str()?.to_owned(),
        memory_total_bytes: device["vram_total"].as_u64()?,
        memory_free_bytes: device["vram_free"].as_u64()?,
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_first_device_is_read() {
        let device = |name: &str, free: u64| {
            json!({"name": name, "type": "cuda", "index": 0, "vram_total": 150_120_890_368_u64, "vram_free": free,
                   "torch_vram_total": 0, "torch_vram_free": 0})
        };
        let stats = json!({"system": {}, "devices": [device("cuda:0 NVIDIA H200", 7), device("cuda:1", 8)]});
        let expected = DeviceStats {
            name: "cuda:0 NVIDIA H200".to_owned(),
            memory_total_bytes: 150_120_890_368,
            memory_free_bytes: 7,
        };
        assert_eq!(read(&stats), Some(expected));
    }

    #[test]
    fn an_answer_without_a_device_is_none() {
        for stats in [json!({}), json!({"devices": []}), json!({"devices": [{"name": "cpu"}]}), json!(null)] {
            assert_eq!(read(&stats), None, "{stats}");
        }
    }
}
