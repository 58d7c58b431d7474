//! `backup` of a running workshop, and `restore`.

use domain::AccessMode;
use store::Store;

use crate::support::binary::{call, text};
use crate::support::{TestApp, picture};

#[tokio::test]
async fn a_running_workshop_is_backed_up_and_comes_back_whole() {
    let app = TestApp::start().await;
    let mut worker = app.worker().await;
    let seat = app.seat(1).await;
    let done = app.run(&seat, &mut worker, picture(1), b"picture").await;
    seat.upload("face.png", b"face").await;
    let waiting = seat.queue(&picture(2)).await;
    let data = app.folder.path();
    let elsewhere = tempfile::tempdir().unwrap();
    let backup = elsewhere.path().join("backup");
    let folder = backup.to_str().unwrap();

    let made = call(data, &["backup", folder]).await;
    assert!(made.status.success(), "{}", text(&made));
    assert!(text(&made).contains("user001: "), "{}", text(&made));
    let again = call(data, &["backup", folder]).await;
    assert!(!again.status.success() && text(&again).contains("is there already"), "{}", text(&again));
    // What comes later is not in it.
    app.run(&seat, &mut worker, picture(3), b"later").await;

    let target = tempfile::tempdir().unwrap();
    let restored = call(target.path(), &["restore", folder]).await;
    assert!(restored.status.success(), "{}", text(&restored));
    let over = call(target.path(), &["restore", folder]).await;
    assert!(!over.status.success() && text(&over).contains("holds a workshop"), "{}", text(&over));
    let links = |output| text(&output).lines().filter(|line| line.contains("/join/")).count();
    assert_eq!(links(call(target.path(), &["links"]).await), 3);
    let store = Store::open(&target.path().join("comfy-multi.sqlite")).await.unwrap();
    let ids: Vec<_> = store.active_jobs().await.unwrap().iter().map(|job| job.job.id.to_string()).collect();
    assert_eq!(ids, [waiting]);
    assert!(store.job(done.parse().unwrap()).await.unwrap().job.finished_at().is_some());
    store.close().await;
    let file = |path: &str| std::fs::read(target.path().join("seats/user001").join(path)).unwrap();
    assert_eq!(file("output/picture_00001_.png"), b"picture");
    assert_eq!(file("input/face.png"), b"face");

    // The other workshop goes on from there, with the same links.
    let app = app.moved_to(target).await;
    assert_eq!(app.workshop.settings().access_mode, AccessMode::Link);
    let seat = app.seat(1).await;
    let history = seat.comfy("/api/history").await.json();
    assert_eq!(history.as_object().unwrap().keys().collect::<Vec<_>>(), [&done]);
    assert_eq!(seat.comfy("/api/view?filename=picture_00001_.png&type=output").await.bytes, b"picture");
}

#[tokio::test]
async fn what_is_no_whole_backup_is_not_restored() {
    let (source, target) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let refused = call(target.path(), &["restore", source.path().to_str().unwrap()]).await;
    assert!(!refused.status.success());
    assert!(text(&refused).contains("is no backup, or one that was cut short"), "{}", text(&refused));
    let nothing = call(target.path(), &["backup", "somewhere"]).await;
    assert!(text(&nothing).contains("there is no workshop"), "{}", text(&nothing));
}
