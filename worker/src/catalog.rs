//! Tells the server what the engine offers.
//!
//! Published whenever ComfyUI comes up, whenever the socket to the server is opened (the
//! server may have lost it), and when it has changed.

use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;
use std::time::Duration;

use comfy_api::client::{ClientError, ComfyClient};
use comfy_api::models::{hide_reserved, is_reserved};
use queue::report::{Catalog, EngineState, ModelFile};
use tokio_util::sync::CancellationToken;

use crate::engine::{Engine, EngineStatus};
use crate::models::{ModelFolders, Probed};
use crate::server::{ServerClient, ServerError, ServerLink, chain, compress, until_answered};

/// How often a change is looked for. Model files may be added at any time.
const PERIOD: Duration = Duration::from_secs(60);
/// After a catalog could not be read or published.
const FAILURE_DELAY: Duration = Duration::from_secs(10);

#[derive(Debug, thiserror::Error)]
enum CatalogError {
    #[error("the catalog could not be read")]
    Read(#[from] ClientError),
    #[error("the catalog could not be compressed")]
    Compress(#[from] std::io::Error),
    #[error("the catalog could not be published")]
    Publish(#[from] ServerError),
}

/// What was published last, and to whom.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Published {
    generation: u64,
    connection: u64,
    content: u64,
}

/// Keeps the server's catalog up to date until shutdown.
pub async fn publish_changes(
    engine: Arc<Engine>,
    folders: Arc<ModelFolders>,
    server: Arc<ServerClient>,
    link: Arc<ServerLink>,
    shutdown: CancellationToken,
) {
    let mut status = engine.status();
    let mut published: Option<Published> = None;
    let mut connection = 0;
    loop {
        let now = status.borrow_and_update().clone();
        let mut pause = PERIOD;
        if now.state == EngineState::Ready {
            let publishing = publish(&engine, &folders, &server, &now, connection, published);
            let outcome = tokio::select! {
                outcome = publishing => outcome,
                () = shutdown.cancelled() => return,
            };
            match outcome {
                Ok(latest) => published = Some(latest),
                Err(error) => {
                    tracing::warn!("{}; trying again", chain(&error));
                    pause = FAILURE_DELAY;
                }
            }
        }
        tokio::select! {
            changed = status.changed() => if changed.is_err() { return },
            number = link.connected_after(connection) => connection = number,
            () = tokio::time::sleep(pause) => {}
            () = shutdown.cancelled() => return,
        }
    }
}

async fn publish(
    engine: &Engine,
    folders: &Arc<ModelFolders>,
    server: &ServerClient,
    status: &EngineStatus,
    connection: u64,
    published: Option<Published>,
) -> Result<Published, CatalogError> {
    let catalog = read(engine.client(), folders).await?;
    let content = fingerprint(&catalog);
    let latest = Published { generation: status.generation, connection, content };
    if published == Some(latest) {
        return Ok(latest);
    }
    let gzipped = compress(&catalog)?;
    until_answered("publish the catalog", || server.put_catalog(gzipped.clone())).await?;
    tracing::info!(
        nodes = catalog.object_info.len(),
        models = catalog.models.values().map(Vec::len).sum::<usize>(),
        bytes = gzipped.len(),
        "catalog published"
    );
    Ok(latest)
}

/// Reads all that the engine offers: nothing of what only lies there for one run or another.
pub async fn read(comfyui: &ComfyClient, folders: &Arc<ModelFolders>) -> Result<Catalog, ClientError> {
    let listed = comfyui.model_folders().await?;
    let names: Vec<String> = listed.iter().map(|folder| folder.name.clone()).collect();
    let planting = tokio::task::spawn_blocking({
        let folders = folders.clone();
        move || folders.plant(&listed)
    });
    // Where it broke off, nothing is found: the engine is used without participants' models.
    let planted = planting.await.unwrap_or_default();
    let mut object_info = comfyui.object_info().await?;
    let mut models = BTreeMap::new();
    for folder in names {
        let files = comfyui.models(&folder).await?;
        let files = files.into_iter().map(|file| ModelFile {
            name: file.name,
            size: file.size,
            modified: file.modified,
        });
        models.insert(folder, files.collect());
    }
    let mut embeddings = comfyui.embeddings().await?;
    let system_stats = comfyui.system_stats().await?;
    let Probed { folders: model_folders, inputs: model_inputs } =
        folders.probe(planted, &models, &object_info);
    hide_reserved(&mut object_info);
    models.values_mut().for_each(|files| files.retain(|file| !is_reserved(&file.name)));
    embeddings.retain(|name| !is_reserved(name));
    Ok(Catalog { object_info, models, embeddings, system_stats, model_folders, model_inputs })
}

/// Equal for catalogs that differ only in how much memory is free.
fn fingerprint(catalog: &Catalog) -> u64 {
    let mut hasher = DefaultHasher::new();
    catalog.object_info.iter().for_each(|(name, node)| (name, node.to_string()).hash(&mut hasher));
    for (folder, files) in &catalog.models {
        folder.hash(&mut hasher);
        files.iter().for_each(|file| (&file.name, file.size, file.modified.to_bits()).hash(&mut hasher));
    }
    catalog.embeddings.hash(&mut hasher);
    catalog.model_folders.hash(&mut hasher);
    catalog.model_inputs.hash(&mut hasher);
    let system = &catalog.system_stats["system"];
    for key in ["comfyui_version", "required_frontend_version", "pytorch_version", "argv"] {
        system[key].to_string().hash(&mut hasher);
    }
    let devices = catalog.system_stats["devices"].as_array().into_iter().flatten();
    devices.for_each(|device| device["name"].to_string().hash(&mut hasher));
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use serde_json::{Map, json};

    use super::*;

    fn catalog(free: u64, models: &[&str]) -> Catalog {
        let file = |name: &&str| ModelFile { name: (*name).to_owned(), size: 1, modified: 2.0 };
        Catalog {
            object_info: Map::from_iter([("SaveImage".to_owned(), json!({"output_node": true}))]),
            models: BTreeMap::from([("vae".to_owned(), models.iter().map(file).collect())]),
            embeddings: Vec::new(),
            system_stats: json!({"system": {"ram_free": free}, "devices": [{"name": "cpu", "vram_free": free}]}),
            model_folders: BTreeMap::new(),
            model_inputs: BTreeMap::new(),
        }
    }

    #[test]
    fn free_memory_is_no_change_and_a_new_model_is_one() {
        assert_eq!(fingerprint(&catalog(1, &["a"])), fingerprint(&catalog(2, &["a"])));
        assert_ne!(fingerprint(&catalog(1, &["a"])), fingerprint(&catalog(1, &["a", "b"])));
    }
}
