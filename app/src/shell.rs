//! The HTML document around the portal, and what the server tells it. Server only.

use domain::{AccessMode, SeatHosts};
use leptos::hydration::{AutoReload, HydrationScripts};
use leptos::prelude::*;
use leptos_meta::{HashedStylesheet, MetaTags};

use crate::{App, viewer};

/// What the portal shows of the server's configuration. The server provides it as context.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PortalSettings {
    /// The workshop's name.
    pub title: String,
    pub access_mode: AccessMode,
    /// Seats are `user001` to this number.
    pub seats: u16,
    /// Each seat is at a host name of its own.
    pub seat_hosts: Option<SeatHosts>,
}

/// The whole document. The theme comes from a cookie, so the first paint has it.
pub fn shell(options: LeptosOptions) -> impl IntoView {
    view! {
        <!DOCTYPE html>
        <html lang="en" data-theme=viewer::theme().as_str()>
            <head>
                <meta charset="utf-8"/>
                <meta name="viewport" content="width=device-width, initial-scale=1"/>
                <meta name="robots" content="noindex"/>
                <link rel="icon" href="/favicon.svg" type="image/svg+xml"/>
                <HashedStylesheet options=options.clone() id="portal-style"/>
                <AutoReload options=options.clone()/>
                <HydrationScripts options/>
                <MetaTags/>
            </head>
            <body>
                <App/>
            </body>
        </html>
    }
}
