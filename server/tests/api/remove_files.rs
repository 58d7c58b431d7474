//! The binary's `remove-files` and `links`, on the data of a workshop that has been held.

use std::path::Path;
use std::sync::Arc;

use domain::SeatId;
use server::data_lock::DataLock;
use store::{GalleryFilter, Store};
use tempfile::TempDir;
use workshop::trash::Discard;

use crate::support::binary::{call, text};
use crate::support::{TestApp, picture};

/// Two seats that made and brought something; the server has stopped.
async fn held_workshop() -> Arc<TempDir> {
    let app = TestApp::start().await;
    let mut worker = app.worker().await;
    for number in [1, 2] {
        let client = app.seat(number).await;
        app.run(&client, &mut worker, picture(1), b"picture").await;
        app.run(&client, &mut worker, picture(2), b"deleted").await;
        client.upload("face.png", b"face").await;
        let seat = SeatId::new(number).unwrap();
        let artifact = app.workshop.gallery(seat, &GalleryFilter::default(), None, 1).await.unwrap()[0].id;
        app.workshop.discard(seat, vec![Discard::Output { artifact }]).await.unwrap();
    }
    let folder = Arc::clone(&app.folder);
    app.store.close().await;
    drop(app);
    folder
}

/// Results and jobs of a seat on record, and whether it has a folder.
async fn left(data_dir: &Path, number: u16) -> (usize, bool, bool) {
    let store = Store::open(&data_dir.join("comfy-multi.sqlite")).await.unwrap();
    let seat = SeatId::new(number).unwrap();
    let results = store.gallery(seat, &GalleryFilter::default(), None, 100).await.unwrap().len();
    let has_trash = !store.seat_trash(seat).await.unwrap().is_empty();
    store.close().await;
    (results, has_trash, data_dir.join(format!("seats/{seat}")).exists())
}

#[tokio::test]
async fn a_seats_files_are_removed_and_nobody_elses() {
    let folder = held_workshop().await;
    let data = folder.path();
    let before = text(&call(data, &["links", "--take-home"]).await);
    assert!(before.contains("/take-home/secret-"), "{before}");
    assert!(!text(&call(data, &["links"]).await).contains("/take-home/"));

    for (arguments, reason) in [
        (&["remove-files", "user001"][..], "--yes"),
        (&["remove-files", "user009", "--yes"][..], "no such seat"),
        (&["remove-files", "--yes"][..], "--all"),
        (&["remove-files", "user001", "--all", "--yes"][..], "cannot be used"),
    ] {
        let output = call(data, arguments).await;
        assert!(!output.status.success(), "{arguments:?}");
        assert!(text(&output).contains(reason), "{arguments:?}: {}", text(&output));
    }
    let lock = DataLock::take(data).unwrap();
    let refused = call(data, &["remove-files", "user001", "--yes"]).await;
    assert!(
        !refused.status.success() && text(&refused).contains("a server is running"),
        "{}",
        text(&refused)
    );
    drop(lock);
    assert_eq!(left(data, 1).await, (1, true, true), "nothing was removed so far");

    let removed = call(data, &["remove-files", "user001", "--yes"]).await;
    assert!(removed.status.success(), "{}", text(&removed));
    assert_eq!(left(data, 1).await, (0, false, false));
    assert_eq!(left(data, 2).await, (1, true, true));
    // Her join link stays; what she took home by her other link is no longer offered.
    let after = text(&call(data, &["links", "--take-home"]).await);
    let hers = |text: &str, what: &str| {
        text.lines().find(|line| line.starts_with("user001") && line.contains(what)).map(str::to_owned)
    };
    assert_eq!(hers(&after, "/join/"), hers(&before, "/join/"));
    assert_eq!(hers(&after, "/take-home/"), None);
}

#[tokio::test]
async fn all_seats_are_emptied_and_nothing_stays_readable() {
    let folder = held_workshop().await;
    let data = folder.path();
    let contains_title = |data: &Path| {
        let bytes = std::fs::read(data.join("comfy-multi.sqlite")).unwrap();
        bytes.windows(10).any(|window| window == b"My picture")
    };
    assert!(contains_title(data));
    let removed = call(data, &["remove-files", "--all", "--yes"]).await;
    assert!(removed.status.success(), "{}", text(&removed));
    for number in [1, 2, 3] {
        assert_eq!(left(data, number).await, (0, false, false));
    }
    assert!(!contains_title(data));
    let again = call(data, &["remove-files", "--all", "--yes"]).await;
    assert!(again.status.success(), "what is empty is emptied again: {}", text(&again));
}
