//! The portal: landing page, seat page, instructor's page.
//!
//! Invariant: server and browser render the same HTML from the same data. Clock,
//! window and storage are touched in effects and event handlers only, and pages
//! reach the workshop through the server functions in [`api`], never directly.

// A page's view is one nested type, deeper than the compiler expects of a program.
#![recursion_limit = "256"]

pub mod api;
mod clock;
mod components;
pub mod error;
pub mod format;
mod live;
mod notify;
mod pages;
pub mod paths;
mod scope;
#[cfg(feature = "ssr")]
mod shell;
pub mod theme;
#[cfg(feature = "ssr")]
pub mod viewer;

use leptos::prelude::*;
use leptos_meta::provide_meta_context;
use leptos_router::components::{Route, Router, Routes};
use leptos_router::{SsrMode, path};

#[cfg(feature = "ssr")]
pub use shell::{PortalSettings, shell};

use crate::pages::admin::AdminPage;
use crate::pages::admin_login::AdminLoginPage;
use crate::pages::landing::LandingPage;
use crate::pages::not_found::NotFoundPage;
use crate::pages::seat::SeatPage;
use crate::pages::take_home::TakeHomePage;

/// The whole portal. Pages are rendered to the end before the first byte is sent
/// (`SsrMode::Async`): their status is then known and they read without script.
#[component]
pub fn App() -> impl IntoView {
    provide_meta_context();
    clock::provide_clock();
    theme::provide_theme();

    view! {
        <Router>
            <Routes fallback=NotFoundPage>
                <Route path=path!("/") view=LandingPage ssr=SsrMode::Async/>
                <Route path=path!("/user/:seat") view=SeatPage ssr=SsrMode::Async/>
                <Route path=path!("/take-home/:token") view=TakeHomePage ssr=SsrMode::Async/>
                <Route path=path!("/admin") view=AdminPage ssr=SsrMode::Async/>
                <Route path=path!("/admin/login") view=AdminLoginPage ssr=SsrMode::Async/>
            </Routes>
        </Router>
    }
}

/// Tells styles and browser tests that event handlers are in place.
pub fn mark_hydrated() {
    if let Some(root) = document().document_element() {
        // Fails only for an attribute name that is not one.
        let _ = root.set_attribute("data-hydrated", "true");
    }
}
