//! Wakes the server-rendered portal up in the browser; everything else is in `app`.

use app::App;
use wasm_bindgen::prelude::wasm_bindgen;

/// Called once by the script in the page's head, after the module has loaded.
#[wasm_bindgen]
pub fn hydrate() {
    console_error_panic_hook::set_once();
    leptos::mount::hydrate_body(App);
    app::mark_hydrated();
}
