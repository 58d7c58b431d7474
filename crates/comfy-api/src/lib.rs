//! ComfyUI's wire: what its web client and server say to each other.
//!
//! The pure half reads and writes JSON and does no I/O: [`prompt`] and [`validate`] answer
//! `POST /prompt` as ComfyUI would, [`catalog`] shows a seat its own `/object_info`, [`models`]
//! says what its own models are called where,
//! [`rewrite`] prepares a graph for a shared engine and [`restore`] undoes it in what the
//! engine says, [`shape`] tells how much work a graph is, [`views`] and [`events`] speak to the frontend,
//! [`model_file`] judges an uploaded model by its header. [`client`] talks to a real ComfyUI.
//!
//! Invariant: nothing that a seat sends names a file outside that seat's own folders on
//! the engine, and nothing that the engine says shows a seat a path of the server.

pub mod annotated_path;
pub mod catalog;
#[cfg(feature = "client")]
pub mod client;
pub mod denied;
pub mod events;
pub mod file_inputs;
pub mod json;
pub mod json_values;
pub mod model_file;
pub mod models;
pub mod needs;
mod node_definition;
pub mod prompt;
mod python;
pub mod restore;
pub mod rewrite;
pub mod shape;
pub mod validate;
pub mod views;

/// The folder that all our files share below the engine's input and output folders.
pub const ENGINE_FOLDER: &str = "cm";
