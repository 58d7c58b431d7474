//! The portal's data: views that cross the wire and the server functions that read
//! and change them. Each function authorises, calls one use case, converts the answer.

pub mod admin;
pub mod artifact;
pub mod engine;
pub mod files;
pub mod gallery;
pub mod gallery_query;
pub mod job;
pub mod landing;
pub mod policy;
pub mod seat;
pub mod take_home;
pub mod theme;
pub mod token;
pub mod undo;
pub mod workflow;

/// The use cases, as the server provided them for this request.
#[cfg(feature = "ssr")]
fn workshop() -> workshop::Workshop {
    use leptos::prelude::use_context;
    use_context().expect("the server provides the workshop to every page and server function")
}

/// The portal's settings, as the server provided them.
#[cfg(feature = "ssr")]
fn settings() -> crate::PortalSettings {
    use leptos::prelude::use_context;
    use_context().expect("the server provides the portal's settings to every page and server function")
}
