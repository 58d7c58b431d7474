//! The pages' server functions are addresses that anybody can call. All that are registered
//! are tried: one that forgets to ask who calls fails here.

use domain::{JobId, WorkerId};
use leptos::server_fn::axum::server_fn_paths;
use reqwest::Method;
use uuid::Uuid;

use super::patient_server;
use crate::support::Client;

/// Their answers are for everybody.
const ANYBODYS: [&str; 3] = ["/api/read-landing-page", "/api/set-theme", "/api/read-take-home"];

/// What any of them may want to know, of seat 1.
fn arguments() -> String {
    let (job, worker) = (JobId::from_uuid(Uuid::from_u128(1)), WorkerId::from_uuid(Uuid::from_u128(2)));
    format!(
        "seat=user001&job={job}&priority=normal&interrupts=false&is_paused=true&is_demo=true&name=x&text=x\
         &mode=fifo&max_queued=1&max_running=1&is_draining=true&worker={worker}&subfolder=&filename=x.png\
         &folder=loras&id=1&query=&before=1&ahead=0&chosen=ids%3D1&is_favourite=true&token=x&trash=1\
         &path=x.json&theme=dark&problems_only=false"
    )
}

async fn call(client: &Client, path: &str, method: &Method) -> u16 {
    if *method == Method::GET {
        client.get(&format!("{path}?{}", arguments())).await.status
    } else {
        client.post_form(path, &arguments()).await.status
    }
}

#[tokio::test]
async fn each_asks_who_calls() {
    let app = patient_server().await;
    let _worker = app.worker().await;
    let (stranger, ben, admin) = (app.anonymous(), app.seat(2).await, app.admin().await);
    let all: Vec<_> = server_fn_paths()
        .map(|(path, method)| (path, Method::from_bytes(method.as_str().as_bytes()).unwrap()))
        .collect();
    assert!(all.len() > 35, "{all:?}");
    for (path, method) in all {
        if ANYBODYS.contains(&path) {
            continue;
        }
        let status = call(&stranger, path, &method).await;
        assert_eq!(status, 401, "a stranger: {path}");
        let status = call(&ben, path, &method).await;
        assert_eq!(status, 404, "another seat: {path}");
        // The instructor steers, and changes nothing in a seat; ids that are nobody's are 404.
        let is_refused = call(&admin, path, &method).await == 404;
        let is_seats = [
            "cancel-job",
            "cancel-all-jobs",
            "dismiss-message",
            "set-favourite",
            "make-api-token",
            "revoke-api-token",
            "undo-discard",
            "restore-workflow",
            "cancel-upload",
        ];
        let is_seats =
            path.starts_with("/api/discard-") || is_seats.iter().any(|name| path == format!("/api/{name}"));
        assert!(is_refused || !is_seats, "the instructor: {path}");
    }
}
