//! Script in everything that a participant, an engine or an instructor may name, and every page
//! and archive that shows it.

use std::io::{Cursor, Read};

use queue::report::Outcome;
use serde_json::{Map, json};
use zip::ZipArchive;

use super::patient_server;
use crate::support::{Client, picture};

const SCRIPT: &str = "</script><script>window.__pwned=1</script>";
const MARKUP: &str = "\"'><img src=x onerror=window.__pwned=1>{{7*7}}\u{2028}<!--";
/// As part of a name of a file, which has no slash.
const NAME: &str = "\"'><img src=x onerror=__pwned>&lt;b&gt;";

fn encoded(text: &str) -> String {
    text.bytes().map(|byte| format!("%{byte:02X}")).collect()
}

/// No text has become markup: neither in what is shown nor in what the browser takes over.
async fn assert_inert(client: &Client, at: &str, must_show: bool) {
    let reply = client.get(at).await;
    assert_eq!(reply.status, 200, "{at}");
    let page = reply.text();
    for raw in ["<img src=x", "<script>window", "</script><script>window", "<!--\""] {
        assert!(!page.contains(raw), "{at} has {raw:?}: {page}");
    }
    let nonce = reply.header("content-security-policy").unwrap();
    let nonce = nonce.split("'nonce-").nth(1).unwrap().split('\'').next().unwrap();
    assert_eq!(page.matches("<script").count(), page.matches(&format!("nonce=\"{nonce}\"")).count(), "{at}");
    assert!(!page.contains("href=\"javascript:") && !page.contains(" onerror=\""), "{at}");
    assert!(!must_show || page.contains("__pwned"), "{at} shows none of it, so this proves nothing: {page}");
}

#[tokio::test]
async fn nothing_that_is_named_becomes_markup() {
    let app = patient_server().await;
    let mut worker = app.worker().await;
    let (anna, admin) = (app.seat(1).await, app.admin().await);
    let evil = format!("{MARKUP}{SCRIPT}");

    // A job that failed with all of it, one that made a picture, one that waits.
    let mut graph = picture(1);
    graph["prompt"]["2"]["_meta"]["title"] = evil.clone().into();
    graph["client_id"] = evil.clone().into();
    graph["extra_data"] =
        json!({"extra_pnginfo": {"workflow": {"id": evil, "nodes": [{"id": 1, "type": evil}]}}});
    anna.queue(&graph).await;
    app.dispatch().await;
    let task = worker.take().unwrap();
    worker.claim(&task).await;
    worker.start(&task).await;
    let error = json!({
        "prompt_id": task.job, "node_id": "2", "node_type": evil, "executed": [], "exception_message": evil,
        "exception_type": evil, "traceback": [evil], "current_inputs": {"a": [evil]}, "current_outputs": [],
    });
    assert_eq!(worker.report(&task, Outcome::NodeError { error }, Map::new()).await, 204);
    app.run(&anna, &mut worker, graph.clone(), b"picture").await;
    anna.queue(&graph).await;

    // Files.
    for path in [format!("workflows/{NAME}.json"), format!("workflows/{NAME}/{NAME}.json")] {
        let workflow =
            json!({"nodes": [{"id": 1, "type": evil, "inputs": [], "widgets_values": [evil]}], "links": []});
        let saved = anna.comfy_post(&format!("/api/userdata/{}", encoded(&path)), &workflow).await;
        assert_eq!(saved.status, 200, "{}", saved.text());
    }
    let output = app.folder.path().join("seats/user001/input");
    std::fs::create_dir_all(&output).unwrap();
    std::fs::write(output.join(format!("{NAME}.png")), b"\x89PNG\r\n\x1a\n").unwrap();

    // What the instructor writes is shown to participants.
    for (path, form) in [
        ("/api/message-seat", format!("seat=user001&text={}", encoded(&evil))),
        ("/api/announce", format!("text={}", encoded(&evil))),
        ("/api/rename-seat", format!("seat=user001&name={}", encoded("\"><img src=x onerror=__pwned>"))),
    ] {
        assert_eq!(admin.post_form(path, &form).await.status, 200, "{path}");
    }
    assert_eq!(
        anna.post_form(
            "/api/make-api-token",
            &format!("seat=user001&name={}", encoded("<img src=x onerror=__pwned>"))
        )
        .await
        .status,
        200
    );

    for client in [&anna, &admin] {
        for panel in ["queue", "gallery", "files", "workflows", "help"] {
            assert_inert(client, &format!("/user/user001?panel={panel}"), true).await;
        }
    }
    for tab in ["queue", "people", "activity", "settings", "workers"] {
        assert_inert(&admin, &format!("/admin?tab={tab}"), true).await;
    }
    for query in ["?panel=", "?panel=gallery&q=", "?x="] {
        assert_inert(&anna, &format!("/user/user001{query}{}", encoded(&evil)), false).await;
    }
    for at in ["/", "/admin/login"] {
        assert_inert(&anna, &format!("{at}?notice={}", encoded(&evil)), false).await;
    }
    let lost = anna.get(&format!("/{}", encoded(MARKUP))).await;
    assert!(!lost.text().contains("<img src=x"), "{}", lost.text());

    // Raw answers are data, whatever a browser would like to see in them.
    for at in
        ["/user/user001/comfy/api/history", "/user/user001/comfy/api/queue", "/user/user001/comfy/api/jobs"]
    {
        assert_eq!(anna.get(at).await.header("content-type").as_deref(), Some("application/json"), "{at}");
    }
}

#[tokio::test]
async fn what_is_taken_home_runs_nothing_either() {
    let app = patient_server().await;
    let mut worker = app.worker().await;
    let anna = app.seat(1).await;
    let mut graph = picture(1);
    graph["prompt"]["2"]["_meta"]["title"] = format!("{MARKUP}{SCRIPT}").into();
    app.run(&anna, &mut worker, graph, b"picture").await;
    let path = format!("workflows/{NAME}.json");
    anna.comfy_post(&format!("/api/userdata/{}", encoded(&path)), &json!({})).await;
    let seat = app.folder.path().join("seats/user001");
    std::fs::create_dir_all(seat.join("input")).unwrap();
    for name in
        [format!("{NAME}.png"), "javascript:alert(1).png".to_owned(), "..png".to_owned(), "%2e%2e".to_owned()]
    {
        std::fs::write(seat.join("input").join(name), b"x").unwrap();
    }
    let reply = anna.get("/user/user001/take-home.zip?inputs=1").await;
    let mut archive = ZipArchive::new(Cursor::new(&reply.bytes)).unwrap();
    let mut page = String::new();
    archive.by_name("user001/index.html").unwrap().read_to_string(&mut page).unwrap();
    assert!(
        !page.contains("<img src=x") && !page.contains("<script") && !page.contains("href=\"javascript"),
        "{page}"
    );
    assert!(page.contains("__pwned"), "{page}");
    for index in 0..archive.len() {
        let file = archive.by_index(index).unwrap();
        let name = file.name().unwrap().into_owned();
        assert!(name.starts_with("user001/") && !name.contains("/../") && !name.contains('\\'), "{name}");
        assert!(!file.is_symlink(), "{name}");
    }
}
