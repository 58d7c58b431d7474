//! What the engine offers, kept so that the editor opens while it is away.

use std::collections::BTreeMap;
use std::sync::Arc;

use comfy_api::catalog::{SeatListing, personalise};
use domain::SeatId;
use queue::report::{Catalog, ModelFile};
use serde_json::{Map, Value};
use store::StoreError;

use crate::{Workshop, WorkshopError};

/// The latest catalog.
#[derive(Debug)]
pub struct CatalogView {
    /// As the engine gave it; participants get [`Workshop::object_info`].
    pub object_info: Map<String, Value>,
    pub models: BTreeMap<String, Vec<ModelFile>>,
    pub embeddings: Vec<String>,
    pub system_stats: Value,
    /// The model folders that the engine can take participants' models into.
    pub model_folders: Vec<String>,
}

impl CatalogView {
    /// ComfyUI's own version, as `/system_stats` tells it.
    pub fn comfyui_version(&self) -> Option<&str> {
        self.system_stats.pointer("/system/comfyui_version")?.as_str()
    }
}

impl Workshop {
    /// The latest catalog; `None` before any worker has ever connected.
    pub fn catalog(&self) -> Option<Arc<CatalogView>> {
        self.inner.catalog.read().unwrap_or_else(std::sync::PoisonError::into_inner).clone()
    }

    pub(crate) async fn load_catalog(&self) -> Result<(), WorkshopError> {
        if let Some(body) = self.store().catalog().await? {
            let catalog = serde_json::from_str(&body)
                .map_err(|source| StoreError::Corrupt { field: "catalog", source: source.into() })?;
            self.use_catalog(catalog);
        }
        Ok(())
    }

    /// Keeps and uses a worker's catalog. `body` is the JSON of a [`Catalog`].
    pub async fn publish_catalog(&self, body: &str) -> Result<(), WorkshopError> {
        let catalog: Catalog = serde_json::from_str(body)
            .map_err(|error| WorkshopError::BadRequest(format!("this is not a catalog: {error}")))?;
        if catalog.object_info.is_empty() {
            return Err(WorkshopError::BadRequest("the catalog has no nodes".into()));
        }
        self.store().save_catalog(body, self.now()).await?;
        self.use_catalog(catalog);
        self.inner.hub.changed();
        Ok(())
    }

    /// `/object_info` as this seat sees it: its own files in the lists, nobody else's.
    pub async fn object_info(&self, seat: SeatId) -> Result<Option<Map<String, Value>>, WorkshopError> {
        let Some(catalog) = self.catalog() else { return Ok(None) };
        let files = self.files().seat(seat).await?;
        let listing = SeatListing {
            inputs: files.list_names(comfy_api::annotated_path::FileKind::Input).await?,
            outputs: files.list_names(comfy_api::annotated_path::FileKind::Output).await?,
        };
        Ok(Some(personalise(&catalog.object_info, &listing, &format!("/user/{seat}/comfy"))))
    }

    fn use_catalog(&self, catalog: Catalog) {
        let Catalog { object_info, models, embeddings, system_stats, model_folders } = catalog;
        let view = Arc::new(CatalogView { object_info, models, embeddings, system_stats, model_folders });
        *self.inner.catalog.write().unwrap_or_else(std::sync::PoisonError::into_inner) = Some(view);
    }
}
