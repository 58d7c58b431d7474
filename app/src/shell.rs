//! The HTML document around the portal, and what the server tells it. Server only.

use domain::{AccessMode, SeatHosts};
use http::{HeaderValue, header};
use leptos::hydration::{AutoReload, HydrationScripts};
use leptos::nonce::use_nonce;
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
    send_content_security_policy();
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

/// Only our own files, and of inline scripts only those that bear this answer's nonce.
/// The editor in its frame is a document of its own and is not under this policy.
fn send_content_security_policy() {
    let Some(nonce) = use_nonce() else { return };
    // Choosing a seat in an open room is a form that ends at the seat's own host.
    let hosts = use_context::<PortalSettings>().and_then(|settings| settings.seat_hosts);
    let seats = hosts.map(|hosts| format!(" {}", hosts.policy_source())).unwrap_or_default();
    let policy = format!(
        "default-src 'self'; script-src 'self' 'nonce-{nonce}' 'wasm-unsafe-eval'; style-src 'self'; \
         img-src 'self' data: blob:; media-src 'self' blob:; object-src 'none'; base-uri 'none'; \
         form-action 'self'{seats}; frame-ancestors 'none'"
    );
    if let Ok(policy) = HeaderValue::try_from(policy) {
        viewer::answer_with_header(header::CONTENT_SECURITY_POLICY, policy);
    }
}
