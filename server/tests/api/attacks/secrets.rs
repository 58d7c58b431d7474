//! What no page and no answer may hold.

use reqwest::Method;
use serde_json::json;

use super::patient_server;
use super::routes::{Whose, addresses};
use crate::support::{METRICS_TOKEN, Reply, WORKER_TOKEN, picture};

#[tokio::test]
async fn no_answer_holds_a_secret_or_a_path_of_the_server() {
    let app = patient_server().await;
    let mut worker = app.worker().await;
    let (anna, admin, stranger) = (app.seat(1).await, app.admin().await, app.anonymous());
    let job = app.run(&anna, &mut worker, picture(1), b"picture").await;
    let links: Vec<_> = app.workshop.join_links().into_iter().map(|link| link.join_path).collect();
    let folder = app.folder.path().display().to_string();
    let assert_silent = |reply: &Reply, at: &str, is_admin: bool| {
        let text = format!("{:?}{}", reply.headers, reply.text());
        for secret in [WORKER_TOKEN, METRICS_TOKEN, "redis://", folder.as_str(), "/secret/main.py"] {
            assert!(!text.contains(secret), "{at} tells {secret}: {text}");
        }
        // The instructor hands them out.
        for link in links.iter().filter(|_| !is_admin) {
            assert!(!text.contains(link.trim_start_matches("/join/")), "{at} tells {link}");
        }
    };
    let mut all = addresses(Whose::Seats, &job, 1);
    all.extend(addresses(Whose::Anybodys, &job, 1));
    all.extend(addresses(Whose::Instructors, &job, 1));
    for panel in ["queue", "gallery", "files", "workflows", "help"] {
        all.push(format!("/user/user001?panel={panel}"));
    }
    for tab in ["queue", "people", "workers", "activity", "settings"] {
        all.push(format!("/admin?tab={tab}"));
    }
    all.extend(
        ["/", "/nothing", "/api/read-seat-page?seat=user001", "/api/read-api-access?seat=user001"]
            .map(str::to_owned),
    );
    for at in &all {
        for (client, is_admin) in [(&anna, false), (&admin, true), (&stranger, false)] {
            assert_silent(&client.get(at).await, at, is_admin);
            if client.cookie() != anna.cookie() {
                continue;
            }
            for body in ["", "{", "\"\0\"", "[1e999]"] {
                let reply = client.send(Method::PUT, at, &[], body.into()).await;
                assert_silent(&reply, at, is_admin);
            }
        }
    }
    assert_silent(&stranger.get("/worker/v1/config").await, "/worker/v1/config", false);
}

#[tokio::test]
async fn the_servers_own_faults_tell_no_path() {
    let app = patient_server().await;
    let _worker = app.worker().await;
    let anna = app.seat(1).await;
    anna.comfy_post("/api/userdata/x.json", &json!({})).await;
    // Where a folder should be is a file.
    let seat = app.folder.path().join("seats/user001");
    for folder in ["user", "input"] {
        let _ = std::fs::remove_dir_all(seat.join(folder));
        std::fs::write(seat.join(folder), b"x").unwrap();
    }
    let folder = app.folder.path().display().to_string();
    for (method, path) in [
        (Method::GET, "/api/userdata?dir=workflows&recurse=true"),
        (Method::GET, "/api/settings"),
        (Method::POST, "/api/settings/x"),
        (Method::POST, "/api/userdata/y.json"),
        (Method::GET, "/api/object_info/LoadImage"),
        (Method::GET, "/internal/files/input"),
    ] {
        let reply = anna.send(method, &format!("{}{path}", anna.base), &[], b"1".to_vec()).await;
        let text = reply.text();
        assert!(
            !text.contains(&folder) && !text.contains("seats/") && !text.contains("os error"),
            "{path}: {text}"
        );
    }
}
