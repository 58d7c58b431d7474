//! The operator's folder of workflows: every seat gets them, and what a participant made of
//! one is theirs.

use std::fs;
use std::path::PathBuf;

use reqwest::Method;
use serde_json::{Value, json};

use crate::support::{Client, TestApp};

const LISTING: &str = "/api/userdata?dir=workflows&recurse=true&split=false&full_info=true";

/// Writes a file of the operator's folder. The note makes its length differ from other versions'.
fn offer(app: &TestApp, path: &str, note: &str) {
    let path = offered(app, path);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, workflow(note).to_string()).unwrap();
}

fn offered(app: &TestApp, path: &str) -> PathBuf {
    app.folder.path().join("workflows").join(path)
}

fn workflow(note: &str) -> Value {
    json!({"id": "x", "nodes": [{"id": 1, "type": "MarkdownNote", "widgets_values": [note]}], "links": []})
}

/// The saved workflows, as the editor's side bar asks for them.
async fn listed(seat: &Client) -> Vec<String> {
    let reply = seat.comfy(LISTING).await;
    assert_eq!(reply.status, 200, "{}", reply.text());
    reply.json().as_array().unwrap().iter().map(|file| file["path"].as_str().unwrap().to_owned()).collect()
}

fn file(path: &str) -> String {
    format!("/api/userdata/{}", format!("workflows/{path}").replace('/', "%2F").replace(' ', "%20"))
}

async fn read(seat: &Client, path: &str) -> Value {
    seat.comfy(&file(path)).await.json()
}

async fn save(seat: &Client, path: &str, content: &Value) {
    let path = format!("{}{}?overwrite=true", seat.base, file(path));
    let reply =
        seat.send(Method::POST, &path, &[("content-type", "text/plain")], content.to_string().into()).await;
    assert_eq!(reply.status, 200, "{}", reply.text());
}

#[tokio::test]
async fn a_seat_finds_the_operators_workflows_at_its_first_listing() {
    let app = TestApp::start().await;
    offer(&app, "a.json", "one");
    offer(&app, "day 1/b.json", "one");
    let (anna, ben) = (app.seat(1).await, app.seat(2).await);
    assert_eq!(listed(&anna).await, ["a.json", "day 1/b.json"]);
    assert_eq!(read(&anna, "day 1/b.json").await, workflow("one"));
    // What one does with hers is nothing to another's.
    save(&anna, "a.json", &workflow("hers")).await;
    assert_eq!(listed(&ben).await, ["a.json", "day 1/b.json"]);
    assert_eq!(read(&ben, "a.json").await, workflow("one"));
    assert_eq!(fs::read_to_string(offered(&app, "a.json")).unwrap(), workflow("one").to_string());
}

#[tokio::test]
async fn new_and_changed_ones_come_while_the_server_runs() {
    let app = TestApp::start().await;
    let anna = app.seat(1).await;
    assert_eq!(listed(&anna).await, [""; 0]);
    offer(&app, "a.json", "one");
    assert_eq!(listed(&anna).await, ["a.json"]);
    offer(&app, "a.json", "version two");
    assert_eq!(listed(&anna).await, ["a.json"]);
    assert_eq!(read(&anna, "a.json").await, workflow("version two"));
}

#[tokio::test]
async fn a_changed_copy_is_kept_also_after_a_restart() {
    let app = TestApp::start().await;
    offer(&app, "a.json", "one");
    let anna = app.seat(1).await;
    listed(&anna).await;
    save(&anna, "a.json", &workflow("my own")).await;
    offer(&app, "a.json", "version two");
    listed(&anna).await;
    assert_eq!(read(&anna, "a.json").await, workflow("my own"));

    let app = app.restart().await;
    let anna = app.seat(1).await;
    assert_eq!(listed(&anna).await, ["a.json"]);
    assert_eq!(read(&anna, "a.json").await, workflow("my own"));
}

#[tokio::test]
async fn a_deleted_or_renamed_copy_is_not_given_again() {
    let app = TestApp::start().await;
    offer(&app, "a.json", "one");
    offer(&app, "b.json", "one");
    let anna = app.seat(1).await;
    listed(&anna).await;
    let path = format!("{}{}", anna.base, file("a.json"));
    assert_eq!(anna.send(Method::DELETE, &path, &[], Vec::new()).await.status, 204);
    let path = format!("{}/move/workflows%2Fmine.json", file("b.json"));
    assert_eq!(anna.comfy_post(&path, &json!({})).await.status, 200);
    offer(&app, "a.json", "version two");
    offer(&app, "b.json", "version two");
    assert_eq!(listed(&anna).await, ["mine.json"]);

    let app = app.restart().await;
    let anna = app.seat(1).await;
    assert_eq!(listed(&anna).await, ["mine.json"]);
    assert_eq!(read(&anna, "mine.json").await, workflow("one"));
}

#[tokio::test]
async fn what_the_operator_removes_stays_with_the_seat() {
    let app = TestApp::start().await;
    offer(&app, "a.json", "one");
    let anna = app.seat(1).await;
    listed(&anna).await;
    fs::remove_file(offered(&app, "a.json")).unwrap();
    assert_eq!(listed(&anna).await, ["a.json"]);
    let ben = app.seat(2).await;
    assert_eq!(listed(&ben).await, [""; 0]);
}

#[tokio::test]
async fn a_file_of_ones_own_keeps_its_name() {
    let app = TestApp::start().await;
    let anna = app.seat(1).await;
    save(&anna, "a.json", &workflow("mine")).await;
    offer(&app, "a.json", "one");
    listed(&anna).await;
    assert_eq!(read(&anna, "a.json").await, workflow("mine"));
}

#[tokio::test]
async fn a_bad_file_is_given_to_nobody_and_told_to_the_instructor() {
    let app = TestApp::start().await;
    offer(&app, "good.json", "one");
    fs::write(offered(&app, "bad.json"), "{").unwrap();
    let anna = app.seat(1).await;
    assert_eq!(listed(&anna).await, ["good.json"]);
    let page = app.admin().await.get("/admin").await.text();
    assert!(page.contains("bad.json is not valid JSON"), "{page}");
}

#[tokio::test]
async fn looking_on_changes_nothing_in_a_seat() {
    let app = TestApp::start().await;
    offer(&app, "a.json", "one");
    let mut admin = app.admin().await;
    admin.base = "/user/user001/comfy".to_owned();
    assert_eq!(listed(&admin).await, [""; 0]);
    assert_eq!(listed(&app.seat(1).await).await, ["a.json"]);
    assert_eq!(listed(&admin).await, ["a.json"]);
    let form = "seat=user001&path=a.json";
    assert_ne!(admin.post_form("/api/restore-workflow", form).await.status, 200);
    assert_eq!(listed(&admin).await, ["a.json"]);
}

#[tokio::test]
async fn the_panel_tells_what_each_workflow_needs() {
    let app = TestApp::start().await;
    let _worker = app.worker().await;
    offer(&app, "ready.json", "one");
    let (anna, ben) = (app.seat(1).await, app.seat(2).await);
    let needy = json!({"nodes": [
        {"id": 1, "type": "CheckpointLoaderSimple", "widgets_values": ["lost.safetensors"]},
        {"id": 2, "type": "NodeOfAnotherPack", "widgets_values": []},
        {"id": 3, "type": "LoadImage", "widgets_values": ["gone.png", "image"]},
    ], "links": []});
    save(&anna, "needy.json", &needy).await;
    save(&anna, ".index.json", &json!({"bookmarks": ["workflows/needy.json"]})).await;

    let read = async |client: &Client| client.get("/api/read-workflows?seat=user001").await;
    let workflows = read(&anna).await.json();
    let find =
        |path: &str| workflows.as_array().unwrap().iter().find(|workflow| workflow["path"] == path).unwrap();
    let needs = json!({"Needs": {
        "models": [["checkpoints", "lost.safetensors"]], "nodes": ["NodeOfAnotherPack"], "inputs": ["gone.png"],
    }});
    assert_eq!(find("needy.json")["readiness"], needs);
    assert_eq!(
        (&find("needy.json")["origin"], &find("needy.json")["is_bookmarked"]),
        (&json!("Own"), &json!(true))
    );
    assert_eq!(find("ready.json")["readiness"], "Ready");
    assert_eq!(find("ready.json")["origin"], "Given");
    assert_eq!(workflows.as_array().unwrap().len(), 2, "the bookmarks are no workflow");
    save(&anna, "ready.json", &workflow("changed by me")).await;
    let changed = read(&anna).await.json();
    assert!(changed.as_array().unwrap().iter().any(|workflow| workflow["origin"] == "Changed"));
    assert_eq!(read(&ben).await.status, 404);
}

#[tokio::test]
async fn the_original_can_be_had_again_beside_the_copy() {
    let app = TestApp::start().await;
    offer(&app, "day 1/a.json", "one");
    let (anna, ben) = (app.seat(1).await, app.seat(2).await);
    listed(&anna).await;
    save(&anna, "day 1/a.json", &workflow("my own")).await;
    for _ in 0..2 {
        let reply = anna.post_form("/api/restore-workflow", "seat=user001&path=day%201%2Fa.json").await;
        assert_eq!(reply.status, 200, "{}", reply.text());
    }
    assert_eq!(listed(&anna).await, ["day 1/a (original 2).json", "day 1/a (original).json", "day 1/a.json"]);
    assert_eq!(read(&anna, "day 1/a.json").await, workflow("my own"));
    assert_eq!(read(&anna, "day 1/a (original).json").await, workflow("one"));

    let theirs = ben.post_form("/api/restore-workflow", "seat=user001&path=day%201%2Fa.json").await;
    assert_eq!(theirs.status, 404);
    for path in ["..%2Fcomfy-multi.sqlite", "%2Fetc%2Fpasswd", "none.json"] {
        let reply = anna.post_form("/api/restore-workflow", &format!("seat=user001&path={path}")).await;
        assert_eq!(reply.status, 404, "{path}");
    }
}

#[tokio::test]
async fn saved_subgraphs_and_bookmarks_are_kept_per_seat() {
    let app = TestApp::start().await;
    let (anna, ben) = (app.seat(1).await, app.seat(2).await);
    let blueprint = json!({"definitions": {"subgraphs": [{"id": "s", "name": "Sky"}]}});
    let path = format!("{}/api/userdata/subgraphs%2FSky.json?overwrite=false&full_info=true", anna.base);
    assert_eq!(anna.send(Method::POST, &path, &[], blueprint.to_string().into()).await.status, 200);
    save(&anna, ".index.json", &json!({"bookmarks": ["workflows/a.json"]})).await;

    let app = app.restart().await;
    let (anna, ben_again) = (app.seat(1).await, app.seat(2).await);
    let subgraphs = "/api/userdata?dir=subgraphs&recurse=true&split=false&full_info=true";
    assert_eq!(anna.comfy(subgraphs).await.json()[0]["path"], "Sky.json");
    assert_eq!(anna.comfy("/api/userdata/subgraphs%2FSky.json").await.json(), blueprint);
    assert_eq!(read(&anna, ".index.json").await, json!({"bookmarks": ["workflows/a.json"]}));
    drop(ben);
    assert_eq!(ben_again.comfy(subgraphs).await.json(), json!([]));
    assert_eq!(ben_again.comfy(&file(".index.json")).await.status, 404);
}
