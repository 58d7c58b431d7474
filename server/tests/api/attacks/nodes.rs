//! Nodes that would reach files, addresses or code, by every spelling; and who pays for whom.

use domain::AccessMode;
use serde_json::{Value, json};

use crate::support::{TestApp, picture};

fn with_class(class: &str) -> Value {
    let mut graph = picture(1);
    graph["prompt"]["1"]["class_type"] = class.into();
    graph
}

#[tokio::test]
async fn a_denied_class_is_taken_by_no_spelling() {
    let app = TestApp::start_with(AccessMode::Link, "DENIED_NODES=\"EmptyImage, *Latent\"\n").await;
    let worker = app.worker().await;
    let anna = app.seat(1).await;
    for class in [
        "EmptyImage",
        "emptyimage",
        "EMPTYIMAGE",
        " EmptyImage",
        "EmptyImage ",
        "EmptyImage\0",
        "EmptyImage\u{200b}",
        "\u{ff25}mptyImage",
        "EmptyImage\n",
        "SaveLatent",
        "../EmptyImage",
        "EmptyImage.__class__",
        "",
    ] {
        let reply = anna.comfy_post("/api/prompt", &with_class(class)).await;
        assert_eq!(reply.status, 400, "{class:?}: {}", reply.text());
    }
    for class in [json!(["EmptyImage"]), json!({"a": "EmptyImage"}), json!(null), json!(1)] {
        let mut graph = picture(1);
        graph["prompt"]["1"]["class_type"] = class.clone();
        assert_eq!(anna.comfy_post("/api/prompt", &graph).await.status, 400, "{class}");
    }
    // Two classes for one node: the last is the one that counts, for the check and for the engine.
    let twice = picture(1)
        .to_string()
        .replace(r#""class_type":"EmptyImage""#, r#""class_type":"SolidMask","class_type":"EmptyImage""#);
    let headers = [("content-type", "application/json")];
    let path = format!("{}/api/prompt", anna.base);
    let reply = anna.send(reqwest::Method::POST, &path, &headers, twice.into_bytes()).await;
    assert_eq!(reply.status, 400, "{}", reply.text());
    // What does not run is not passed on either.
    let mut beside = with_class("EmptyLatentImage");
    beside["prompt"]["3"] = json!({"class_type": "EmptyImage", "inputs": {}});
    assert_eq!(anna.comfy_post("/api/prompt", &beside).await.status, 400);
    app.dispatch().await;
    assert!(worker.take().is_none(), "nothing of it came to the engine");
    let offered = anna.comfy("/api/object_info").await.json();
    assert!(offered.get("EmptyImage").is_none() && offered.get("SaveLatent").is_none());
    assert_eq!(anna.comfy("/api/object_info/EmptyImage").await.json(), json!({}));
}

#[tokio::test]
async fn keys_for_paid_services_and_foreign_names_do_not_reach_the_engine() {
    let app = TestApp::start().await;
    let worker = app.worker().await;
    let anna = app.seat(1).await;
    let mut graph = picture(1);
    graph["extra_data"] = json!({
        "auth_token_comfy_org": "a-paid-token", "api_key_comfy_org": "a-paid-key",
        "extra_pnginfo": {"workflow": {"id": "x"}},
    });
    let id = anna.queue(&graph).await;
    app.dispatch().await;
    let task = worker.take().unwrap();
    let assignment = serde_json::to_string(&worker.claim(&task).await).unwrap();
    for text in [
        assignment,
        anna.comfy("/api/queue").await.text(),
        anna.comfy(&format!("/api/jobs/{id}")).await.text(),
    ] {
        assert!(!text.contains("a-paid-"), "{text}");
    }
}

/// The server itself asks no address that a participant names: it has no client for it.
#[test]
fn the_server_has_no_client_for_addresses() {
    let manifest = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml")).unwrap();
    let run_time = manifest.split("[dev-dependencies]").next().unwrap();
    for client in ["ureq", "curl", "isahc", "surf", "awc"] {
        assert!(!run_time.lines().any(|line| line.starts_with(client)), "{client}");
    }
    // `doctor` asks the server's own address.
    let mut users = Vec::new();
    for entry in walk(std::path::Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/src"))) {
        if std::fs::read_to_string(&entry).unwrap().contains("reqwest") {
            users.push(entry.display().to_string());
        }
    }
    users.retain(|path| !path.contains("doctor"));
    assert_eq!(users, Vec::<String>::new());
}

fn walk(folder: &std::path::Path) -> Vec<std::path::PathBuf> {
    let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    entries.flat_map(|path| if path.is_dir() { walk(&path) } else { vec![path] }).collect()
}
