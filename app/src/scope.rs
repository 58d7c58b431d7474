//! The scopes of a page, kept for as long as something is read for it.

use leptos::prelude::Owner;

/// What a resource of a part of a page reads, with the request's own things at hand until the end.
///
/// The server builds such parts twice and drops the first at once, but it is the first one's
/// data that the browser takes. Were its scope gone, what it reads would find neither the viewer
/// nor the workshop, and the page would wait for it and never end.
pub(crate) fn within_page<T>(read: impl Future<Output = T>) -> impl Future<Output = T> {
    // A scope holds no more than a weak link to the one around it, hence all of them.
    let scopes: Vec<Owner> = if cfg!(feature = "ssr") {
        std::iter::successors(Owner::current(), Owner::parent).collect()
    } else {
        Vec::new()
    };
    async move {
        let read = read.await;
        drop(scopes);
        read
    }
}
