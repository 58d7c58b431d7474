//! The record of participants' models over a real database file.

#![allow(clippy::unwrap_used, reason = "a test that meets what it does not expect fails")]

use domain::{SeatId, Timestamp};
use store::{SeatModel, Store};

fn model(seat: u16, folder: &str, name: &str) -> SeatModel {
    SeatModel {
        seat: SeatId::new(seat).unwrap(),
        folder: folder.into(),
        name: name.into(),
        bytes: 3 << 30,
        sha256: format!("{seat:064}"),
        metadata: Some(r#"{"ss_tag":"x"}"#.into()),
        created_at: Timestamp::from_unix_ms(5),
    }
}

#[tokio::test]
async fn each_seat_has_its_own_models() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(&folder.path().join("test.sqlite")).await.unwrap();
    store.ensure_seats(2, Timestamp::from_unix_ms(0), || uuid::Uuid::new_v4().to_string()).await.unwrap();
    let [mine, other_folder, theirs] = [
        model(1, "loras", "a.safetensors"),
        model(1, "checkpoints", "a.safetensors"),
        model(2, "loras", "a.safetensors"),
    ];
    for model in [&mine, &other_folder, &theirs] {
        store.save_seat_model(model).await.unwrap();
    }
    assert_eq!(store.seat_models(mine.seat).await.unwrap(), [other_folder, mine.clone()]);
    assert_eq!(store.seat_models(theirs.seat).await.unwrap(), std::slice::from_ref(&theirs));
    assert_eq!(store.seat_model(mine.seat, "loras", "a.safetensors").await.unwrap(), Some(mine.clone()));
    assert_eq!(store.seat_model(theirs.seat, "checkpoints", "a.safetensors").await.unwrap(), None);

    let replaced = SeatModel { sha256: "f".repeat(64), metadata: None, ..mine.clone() };
    store.save_seat_model(&replaced).await.unwrap();
    assert_eq!(store.seat_model(mine.seat, "loras", "a.safetensors").await.unwrap(), Some(replaced));

    assert!(store.delete_seat_model(mine.seat, "loras", "a.safetensors").await.unwrap());
    assert!(!store.delete_seat_model(mine.seat, "loras", "a.safetensors").await.unwrap());
    assert_eq!(store.seat_models(theirs.seat).await.unwrap(), [theirs]);
}
