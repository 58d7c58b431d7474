//! Models that a participant brought.

use domain::SeatId;
use workshop::WorkshopError;
use workshop::files::FileName;

use crate::support::TestApp;

fn name(text: &str) -> FileName {
    FileName::parse(text).unwrap()
}

async fn add(
    app: &TestApp,
    seat: u16,
    folder: &str,
    file: &str,
    content: &[u8],
) -> Result<(), WorkshopError> {
    let seat = SeatId::new(seat).unwrap();
    let received = app.workshop.files().seat(seat).await.unwrap().receive_bytes(content).await.unwrap();
    app.workshop.add_model(seat, &name(folder), &name(file), received, None).await.map(drop)
}

#[tokio::test]
async fn a_model_is_kept_where_the_engine_takes_it() {
    let app = TestApp::start().await;
    assert!(app.workshop.model_folders().is_empty());
    assert!(add(&app, 1, "loras", "a.safetensors", b"x").await.is_err());

    let _worker = app.worker().await;
    assert_eq!(app.workshop.model_folders(), ["checkpoints", "embeddings", "loras"]);
    add(&app, 1, "loras", "a.safetensors", b"abc").await.unwrap();
    for (folder, file) in [("custom_nodes", "a.safetensors"), ("loras", "a.ckpt"), ("loras", "safetensors")] {
        let refused = add(&app, 1, folder, file, b"x").await;
        assert!(matches!(refused, Err(WorkshopError::BadRequest(_))), "{folder}/{file}");
    }

    let seat = SeatId::new(1).unwrap();
    let models = app.workshop.seat_models(seat).await.unwrap();
    assert_eq!(models.len(), 1);
    assert_eq!(
        (models[0].folder.as_str(), models[0].name.as_str(), models[0].bytes),
        ("loras", "a.safetensors", 3)
    );
    assert_eq!(models[0].sha256, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    assert!(app.workshop.seat_models(SeatId::new(2).unwrap()).await.unwrap().is_empty());
}
