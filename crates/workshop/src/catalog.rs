//! What the engine offers, kept so that the editor opens while it is away.

use std::collections::{BTreeMap, HashMap};
use std::io::{Read, Write};
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use comfy_api::annotated_path::FileKind;
use comfy_api::catalog::{SeatListing, personalise};
use comfy_api::models::{ModelInputs, OwnModel, SeatModels};
use comfy_api::rewrite::ADDED_CLASSES;
use domain::SeatId;
use queue::report::{Catalog, ModelFile};
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};
use store::StoreError;

use crate::files::FilesError;
use crate::hub::lock;
use crate::{Workshop, WorkshopError};

/// The latest catalog.
#[derive(Debug)]
pub struct CatalogView {
    /// As the engine gave it; participants get [`Workshop::object_info`].
    pub object_info: Map<String, Value>,
    pub models: BTreeMap<String, Vec<ModelFile>>,
    pub embeddings: Vec<String>,
    pub system_stats: Value,
    /// The model folders that the worker can place participants' models in, each with the
    /// extensions that it lists.
    pub model_folders: BTreeMap<String, Vec<String>>,
    pub model_inputs: ModelInputs,
}

impl CatalogView {
    /// The frontend that this ComfyUI was made with, if it tells.
    pub fn wanted_frontend(&self) -> Option<&str> {
        self.system_stats.pointer("/system/required_frontend_version")?.as_str()
    }

    /// ComfyUI's own version, as `/system_stats` tells it.
    pub fn comfyui_version(&self) -> Option<&str> {
        self.system_stats.pointer("/system/comfyui_version")?.as_str()
    }

    /// What it computes on, as `/system_stats` names it.
    pub fn devices(&self) -> Vec<String> {
        let devices = self.system_stats.pointer("/devices").and_then(Value::as_array).into_iter().flatten();
        devices.filter_map(|device| device["name"].as_str().map(str::to_owned)).collect()
    }

    /// How many model files ComfyUI lists, over all folders.
    pub fn model_count(&self) -> usize {
        self.models.values().map(Vec::len).sum()
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

    /// `/object_info` as this seat sees it: its own files and models in the lists, nobody else's.
    pub async fn object_info(&self, seat: SeatId) -> Result<Option<Arc<SeatObjectInfo>>, WorkshopError> {
        let Some(catalog) = self.catalog() else { return Ok(None) };
        let key =
            SeatKey { listing: self.seat_listing(seat).await?, own: self.own_models(seat).await?, catalog };
        if let Some(object_info) = self.inner.object_infos.get(seat, &key) {
            return Ok(Some(object_info));
        }
        let (key, object_info) = tokio::task::spawn_blocking(move || {
            let object_info = SeatObjectInfo::new(&key.personalised(seat))?;
            Ok::<_, std::io::Error>((key, Arc::new(object_info)))
        })
        .await
        .map_err(|error| WorkshopError::BadRequest(format!("the node list could not be made: {error}")))?
        .map_err(|source| FilesError::Io { operation: "compress the node list", source })?;
        self.inner.object_infos.keep(seat, key, Arc::clone(&object_info));
        Ok(Some(object_info))
    }

    /// The definitions of these classes as this seat sees them; unknown ones are left out.
    pub async fn node_definitions(
        &self,
        seat: SeatId,
        classes: impl IntoIterator<Item = &str>,
    ) -> Result<Option<Map<String, Value>>, WorkshopError> {
        let Some(catalog) = self.catalog() else { return Ok(None) };
        let known = classes.into_iter().filter_map(|class| {
            let definition = catalog.object_info.get(class)?;
            Some((class.to_owned(), definition.clone()))
        });
        let known: Map<String, Value> = known.collect();
        let (listing, own) = (self.seat_listing(seat).await?, self.own_models(seat).await?);
        let models = SeatModels { inputs: &catalog.model_inputs, own: &own };
        Ok(Some(personalise(&known, &listing, models, &base_path(seat))))
    }

    /// The definitions of all classes as this seat sees them.
    pub(crate) async fn all_definitions(
        &self,
        seat: SeatId,
    ) -> Result<Option<Map<String, Value>>, WorkshopError> {
        let Some(catalog) = self.catalog() else { return Ok(None) };
        self.node_definitions(seat, catalog.object_info.keys().map(String::as_str)).await
    }

    /// The definitions that checking and rewriting this prompt takes.
    pub(crate) async fn definitions_for(
        &self,
        seat: SeatId,
        prompt: &Map<String, Value>,
    ) -> Result<Option<Map<String, Value>>, WorkshopError> {
        let used = prompt.values().filter_map(|node| node.get("class_type").and_then(Value::as_str));
        self.node_definitions(seat, used.chain(ADDED_CLASSES)).await
    }

    async fn seat_listing(&self, seat: SeatId) -> Result<SeatListing, WorkshopError> {
        let files = self.files().seat(seat).await?;
        Ok(SeatListing {
            inputs: files.list_names(FileKind::Input).await?,
            outputs: files.list_names(FileKind::Output).await?,
        })
    }

    fn use_catalog(&self, catalog: Catalog) {
        let Catalog { mut object_info, models, embeddings, system_stats, model_folders, model_inputs } =
            catalog;
        object_info.retain(|class, _| !self.settings().denied_nodes.denies(class));
        let view = Arc::new(CatalogView {
            object_info,
            models,
            embeddings,
            system_stats,
            model_folders,
            model_inputs,
        });
        *self.inner.catalog.write().unwrap_or_else(std::sync::PoisonError::into_inner) = Some(view);
    }
}

/// A seat's `/object_info`, ready to send.
#[derive(Debug)]
pub struct SeatObjectInfo {
    /// JSON in gzip.
    pub gzipped: Bytes,
    /// Of the JSON, in lower-case hexadecimal.
    pub sha256: String,
}

impl SeatObjectInfo {
    fn new(object_info: &Map<String, Value>) -> std::io::Result<Self> {
        let json = serde_json::to_vec(object_info)?;
        let sha256 = format!("{:x}", Sha256::digest(&json));
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        encoder.write_all(&json)?;
        Ok(Self { gzipped: encoder.finish()?.into(), sha256 })
    }

    /// For the few clients that take no gzip.
    pub fn json(&self) -> std::io::Result<Vec<u8>> {
        let mut json = Vec::new();
        flate2::read::GzDecoder::new(&self.gzipped[..]).read_to_end(&mut json)?;
        Ok(json)
    }
}

/// All that a seat's `/object_info` is made from.
#[derive(Debug)]
struct SeatKey {
    catalog: Arc<CatalogView>,
    listing: SeatListing,
    own: Vec<OwnModel>,
}

impl SeatKey {
    fn personalised(&self, seat: SeatId) -> Map<String, Value> {
        let models = SeatModels { inputs: &self.catalog.model_inputs, own: &self.own };
        personalise(&self.catalog.object_info, &self.listing, models, &base_path(seat))
    }
}

impl PartialEq for SeatKey {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.catalog, &other.catalog) && self.listing == other.listing && self.own == other.own
    }
}

/// The latest `/object_info` of each seat: an editor asks for it at every start, and only files,
/// models and catalogs change it.
#[derive(Default)]
pub(crate) struct ObjectInfos {
    by_seat: Mutex<HashMap<SeatId, (SeatKey, Arc<SeatObjectInfo>)>>,
}

impl ObjectInfos {
    fn get(&self, seat: SeatId, key: &SeatKey) -> Option<Arc<SeatObjectInfo>> {
        let by_seat = lock(&self.by_seat);
        let (made_from, object_info) = by_seat.get(&seat)?;
        (made_from == key).then(|| Arc::clone(object_info))
    }

    fn keep(&self, seat: SeatId, key: SeatKey, object_info: Arc<SeatObjectInfo>) {
        lock(&self.by_seat).insert(seat, (key, object_info));
    }
}

/// Where the seat's ComfyUI is served.
fn base_path(seat: SeatId) -> String {
    format!("/user/{seat}/comfy")
}
