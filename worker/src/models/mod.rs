//! Participants' models on the engine's disk.
//!
//! [`folders`] finds out where ComfyUI looks for models and which inputs list them, [`cache`]
//! brings models there, [`arriving`] takes their bytes. Copies lie below `cm/` of a model folder,
//! named by their content, and may all be deleted at any time that no job runs.

mod arriving;
mod cache;
mod folders;

pub use cache::{FetchError, ModelCache};
pub use folders::{ModelFolders, Planted, Probed};
