//! Deleting, undoing it, and what becomes of it in the end.

use std::path::{Path, PathBuf};
use std::time::Duration;

use domain::{Clock, SeatId};
use workshop::WorkshopError;
use workshop::files::{FileLocation, FolderKind};
use workshop::gallery::GalleryFilter;
use workshop::trash::{Discard, UNDO_WINDOW};

use crate::support::{TestApp, picture};

const VIEW: &str = "/api/view?filename=picture_00001_.png&subfolder=&type=output";

fn seat(number: u16) -> SeatId {
    SeatId::new(number).unwrap()
}

fn input(name: &str) -> Discard {
    Discard::Input(FileLocation::parse(FolderKind::Input, "", name).unwrap())
}

fn trashed_files(data: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(data.join("seats/user001/trash")).unwrap();
    entries.map(|entry| entry.unwrap().path()).collect()
}

async fn gallery_names(app: &TestApp, number: u16) -> Vec<(i64, String)> {
    let items = app.workshop.gallery(seat(number), &GalleryFilter::default(), None, 100).await.unwrap();
    items.into_iter().map(|item| (item.id, item.file.filename)).collect()
}

#[tokio::test]
async fn a_deleted_result_is_gone_at_once_and_comes_back_whole() {
    let app = TestApp::start().await;
    let anna = app.seat(1).await;
    let mut worker = app.worker().await;
    let job = app.run(&anna, &mut worker, picture(1), b"picture").await;
    let before = gallery_names(&app, 1).await;
    let artifact = before[0].0;

    let stolen = app.workshop.discard(seat(2), vec![Discard::Output { artifact }]).await;
    assert!(matches!(stolen, Err(WorkshopError::NotFound)));
    let trash = app.workshop.discard(seat(1), vec![Discard::Output { artifact }]).await.unwrap();
    assert_eq!(anna.comfy(VIEW).await.status, 404);
    assert!(gallery_names(&app, 1).await.is_empty());
    assert!(anna.comfy(&format!("/api/history/{job}")).await.json()[&job].is_object());
    let again = app.workshop.discard(seat(1), vec![Discard::Output { artifact }]).await;
    assert!(matches!(again, Err(WorkshopError::NotFound)), "what is gone is not deleted twice");

    assert!(matches!(app.workshop.restore(seat(2), trash).await, Err(WorkshopError::NotFound)));
    app.workshop.restore(seat(1), trash).await.unwrap();
    assert_eq!(anna.comfy(VIEW).await.bytes, b"picture");
    assert_eq!(gallery_names(&app, 1).await, before);
    assert!(matches!(app.workshop.restore(seat(1), trash).await, Err(WorkshopError::NotFound)));
}

#[tokio::test]
async fn a_name_taken_meanwhile_is_left_to_its_new_holder() {
    let app = TestApp::start().await;
    let anna = app.seat(1).await;
    anna.upload("face.png", b"old").await;
    let trash = app.workshop.discard(seat(1), vec![input("face.png"), input("never.png")]).await.unwrap();
    assert_eq!(app.workshop.trash(seat(1)).await.unwrap()[0].items, 1);
    anna.upload("face.png", b"new").await;
    app.workshop.restore(seat(1), trash).await.unwrap();
    let content = |name: &str| format!("/api/view?filename={name}&type=input");
    assert_eq!(anna.comfy(&content("face.png")).await.bytes, b"new");
    assert_eq!(anna.comfy(&content("face%20(1).png")).await.bytes, b"old");
}

#[tokio::test]
async fn the_undo_survives_a_restart_and_ends_with_its_window() {
    let app = TestApp::start().await;
    let anna = app.seat(1).await;
    let mut worker = app.worker().await;
    app.run(&anna, &mut worker, picture(1), b"picture").await;
    anna.upload("face.png", b"face").await;
    let artifact = gallery_names(&app, 1).await[0].0;
    let trash =
        app.workshop.discard(seat(1), vec![Discard::Output { artifact }, input("face.png")]).await.unwrap();

    let app = app.restart().await;
    assert!(gallery_names(&app, 1).await.is_empty());
    assert_eq!(app.workshop.trash(seat(1)).await.unwrap()[0].items, 2);
    app.clock.advance(UNDO_WINDOW - Duration::from_secs(1));
    app.workshop.purge_trash_once().await.unwrap();
    assert_eq!(trashed_files(app.folder.path()).len(), 2);
    app.workshop.restore(seat(1), trash).await.unwrap();
    assert_eq!(gallery_names(&app, 1).await.len(), 1);

    app.workshop.discard(seat(1), vec![Discard::Output { artifact }]).await.unwrap();
    app.clock.advance(UNDO_WINDOW + Duration::from_secs(1));
    app.workshop.purge_trash_once().await.unwrap();
    assert!(trashed_files(app.folder.path()).is_empty());
    assert!(app.workshop.trash(seat(1)).await.unwrap().is_empty());
    let app = app.restart().await;
    assert!(gallery_names(&app, 1).await.is_empty());
}

#[tokio::test]
async fn what_a_crash_cut_short_is_finished_at_the_next_start() {
    let app = TestApp::start().await;
    let anna = app.seat(1).await;
    anna.upload("a.png", b"a").await;
    anna.upload("b.png", b"b").await;
    let things: Vec<_> = ["a.png", "b.png"]
        .map(|name| store::NewTrashItem::Input { folder: "input".into(), name: name.into() })
        .into();
    // Noted and half moved: the process ended between the two files.
    let (trash, items) = app.store.begin_trash(seat(1), app.clock.now(), &things).await.unwrap();
    let data = app.folder.path().join("seats/user001");
    std::fs::create_dir_all(data.join("trash")).unwrap();
    std::fs::rename(data.join("input/a.png"), data.join(format!("trash/{}", items[0].id))).unwrap();

    let app = app.restart().await;
    assert_eq!(app.workshop.trash(seat(1)).await.unwrap()[0].items, 2);
    assert_eq!(trashed_files(app.folder.path()).len(), 2);
    // Undone, and cut short before the rows were told.
    let names = [(items[0].id, "a.png".to_owned()), (items[1].id, "b.png".to_owned())];
    app.store.begin_restore(&names).await.unwrap();
    std::fs::rename(data.join(format!("trash/{}", items[1].id)), data.join("input/b.png")).unwrap();
    let app = app.restart().await;
    assert!(trashed_files(app.folder.path()).is_empty());
    assert!(app.workshop.trash(seat(1)).await.unwrap().is_empty());
    assert!(matches!(app.workshop.restore(seat(1), trash).await, Err(WorkshopError::NotFound)));
    assert_eq!(std::fs::read_to_string(data.join("input/a.png")).unwrap(), "a");
    assert_eq!(std::fs::read_to_string(data.join("input/b.png")).unwrap(), "b");
}

#[tokio::test]
async fn emptying_the_trash_ends_the_undo() {
    let app = TestApp::start().await;
    let anna = app.seat(1).await;
    anna.upload("a.png", b"a").await;
    let trash = app.workshop.discard(seat(1), vec![input("a.png")]).await.unwrap();
    app.workshop.empty_trash(seat(1)).await.unwrap();
    assert!(trashed_files(app.folder.path()).is_empty());
    assert!(matches!(app.workshop.restore(seat(1), trash).await, Err(WorkshopError::NotFound)));
    assert!(app.workshop.trash(seat(1)).await.unwrap().is_empty());
}
