//! What the tests of the worker share: a server that speaks the worker protocol, and where the
//! real ComfyUI is.

pub mod comfyui;
pub mod graphs;
pub mod proxy;
pub mod server;
