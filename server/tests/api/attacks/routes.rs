//! Every route, from the outside: strangers, other seats, workers and the instructor get no
//! more of it than the table says. A route that the table lacks fails the first test.

use std::collections::BTreeSet;
use std::path::Path;

use reqwest::Method;

use super::patient_server;
use crate::support::{Client, WORKER_TOKEN};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Whose {
    Anybodys,
    Seats,
    Instructors,
    Workers,
}
use Whose::{Anybodys, Instructors, Seats, Workers};

/// As in the source, whose it is, and an address of it. What begins below `/comfy` is a seat's.
pub const ROUTES: &[(&str, Whose, &str)] = &[
    ("/admin/live", Instructors, "/admin/live"),
    ("/admin/login", Anybodys, "/admin/login"),
    ("/assets/favicon.ico", Anybodys, "/assets/favicon.ico"),
    ("/assets/images/{*path}", Anybodys, "/assets/images/x.png"),
    ("/cursor/{*path}", Anybodys, "/cursor/x.png"),
    ("/docs/{*path}", Anybodys, "/docs/x.md"),
    ("/embeddings", Seats, "/user/user001/comfy/api/embeddings"),
    ("/experiment/models", Seats, "/user/user001/comfy/api/experiment/models"),
    ("/experiment/models/{folder}", Seats, "/user/user001/comfy/api/experiment/models/checkpoints"),
    ("/extensions", Seats, "/user/user001/comfy/api/extensions"),
    ("/features", Seats, "/user/user001/comfy/api/features"),
    ("/free", Seats, "/user/user001/comfy/api/free"),
    ("/global_subgraphs", Seats, "/user/user001/comfy/api/global_subgraphs"),
    ("/health", Anybodys, "/health"),
    ("/health/raw/{name}", Anybodys, "/health/raw/a%2Fb"),
    ("/history", Seats, "/user/user001/comfy/api/history"),
    ("/history/{prompt_id}", Seats, "/user/user001/comfy/api/history/{job}"),
    ("/i18n", Seats, "/user/user001/comfy/api/i18n"),
    ("/internal/files/{kind}", Seats, "/user/user001/comfy/internal/files/input"),
    ("/internal/folder_paths", Seats, "/user/user001/comfy/internal/folder_paths"),
    ("/internal/logs", Seats, "/user/user001/comfy/internal/logs"),
    ("/internal/logs/raw", Seats, "/user/user001/comfy/internal/logs/raw"),
    ("/internal/logs/subscribe", Seats, "/user/user001/comfy/internal/logs/subscribe"),
    ("/interrupt", Seats, "/user/user001/comfy/api/interrupt"),
    ("/jobs", Seats, "/user/user001/comfy/api/jobs"),
    ("/jobs/cancel", Seats, "/user/user001/comfy/api/jobs/cancel"),
    ("/jobs/{job_id}", Seats, "/user/user001/comfy/api/jobs/{job}"),
    ("/jobs/{job_id}/cancel", Seats, "/user/user001/comfy/api/jobs/{job}/cancel"),
    ("/join/{token}", Anybodys, "/join/x"),
    ("/leave", Anybodys, "/leave"),
    ("/look/{word}", Anybodys, "/look/x"),
    ("/metrics", Instructors, "/metrics"),
    ("/models", Seats, "/user/user001/comfy/api/models"),
    ("/models/{folder}", Seats, "/user/user001/comfy/api/models/checkpoints"),
    ("/node_replacements", Seats, "/user/user001/comfy/api/node_replacements"),
    ("/object_info", Seats, "/user/user001/comfy/api/object_info"),
    ("/object_info/{class}", Seats, "/user/user001/comfy/api/object_info/KSampler"),
    ("/open", Anybodys, "/open"),
    ("/prompt", Seats, "/user/user001/comfy/api/prompt"),
    ("/queue", Seats, "/user/user001/comfy/api/queue"),
    ("/ready", Anybodys, "/ready"),
    ("/settings", Seats, "/user/user001/comfy/api/settings"),
    ("/settings/{id}", Seats, "/user/user001/comfy/api/settings/x"),
    ("/system_stats", Seats, "/user/user001/comfy/api/system_stats"),
    ("/take-home/{token}/download.zip", Anybodys, "/take-home/x/download.zip"),
    ("/templates/{*path}", Anybodys, "/user/user001/comfy/templates/x.json"),
    ("/upload/image", Seats, "/user/user001/comfy/api/upload/image"),
    ("/upload/mask", Seats, "/user/user001/comfy/api/upload/mask"),
    ("/user.css", Anybodys, "/user/user001/comfy/user.css"),
    ("/user/{seat}/comfy", Anybodys, "/user/user001/comfy"),
    ("/user/{seat}/comfy/", Seats, "/user/user001/comfy/"),
    ("/user/{seat}/download.zip", Seats, "/user/user001/download.zip?ids={result}"),
    ("/user/{seat}/jobs/{job}/workflow.json", Seats, "/user/user001/jobs/{job}/workflow.json"),
    ("/user/{seat}/live", Seats, "/user/user001/live"),
    ("/user/{seat}/results/{result}/thumbnail", Seats, "/user/user001/results/{result}/thumbnail"),
    ("/user/{seat}/take-home.zip", Seats, "/user/user001/take-home.zip"),
    ("/user/{seat}/uploads", Seats, "/user/user001/uploads"),
    ("/user/{seat}/uploads/{id}", Seats, "/user/user001/uploads/{job}"),
    ("/user/{seat}/take", Seats, "/user/user001/take"),
    ("/userdata", Seats, "/user/user001/comfy/api/userdata?dir=workflows"),
    ("/userdata/{file}", Seats, "/user/user001/comfy/api/userdata/mine.json"),
    ("/userdata/{file}/move/{destination}", Seats, "/user/user001/comfy/api/userdata/mine.json/move/x.json"),
    ("/users", Seats, "/user/user001/comfy/api/users"),
    ("/v2/userdata", Seats, "/user/user001/comfy/api/v2/userdata"),
    ("/view", Seats, "/user/user001/comfy/api/view?filename=picture_00001_.png"),
    ("/view_metadata/{folder}", Seats, "/user/user001/comfy/api/view_metadata/checkpoints?filename=mine/x"),
    ("/worker/v1/catalog", Workers, "/worker/v1/catalog"),
    ("/worker/v1/config", Workers, "/worker/v1/config"),
    ("/worker/v1/jobs/{job}/artifacts", Workers, "/worker/v1/jobs/{job}/artifacts"),
    ("/worker/v1/jobs/{job}/claim", Workers, "/worker/v1/jobs/{job}/claim"),
    ("/worker/v1/jobs/{job}/inputs/{index}", Workers, "/worker/v1/jobs/{job}/inputs/0"),
    ("/worker/v1/jobs/{job}/models/{index}", Workers, "/worker/v1/jobs/{job}/models/0"),
    ("/worker/v1/jobs/{job}/release", Workers, "/worker/v1/jobs/{job}/release"),
    ("/worker/v1/jobs/{job}/result", Workers, "/worker/v1/jobs/{job}/result"),
    ("/worker/v1/socket", Workers, "/worker/v1/socket"),
    ("/worker/v1/status", Workers, "/worker/v1/status"),
    ("/workflow_templates", Seats, "/user/user001/comfy/api/workflow_templates"),
    ("/ws", Seats, "/user/user001/comfy/ws"),
    ("/{*path}", Anybodys, "/user/user001/comfy/assets/index-BbCcDdEe.js"),
];

/// Below a seat's ComfyUI, but not below its `/api`.
const ONLY_AT_THE_ROOT: [&str; 3] = ["/comfy/internal/", "/comfy/ws", "/comfy/assets/"];
const METHODS: [Method; 5] = [Method::GET, Method::POST, Method::PUT, Method::PATCH, Method::DELETE];
const TUS: (&str, &str) = ("tus-resumable", "1.0.0");
const FORM: (&str, &str) = ("content-type", "application/x-www-form-urlencoded");

fn routes_in_source(folder: &Path, found: &mut BTreeSet<String>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            routes_in_source(&path, found);
            continue;
        }
        let source = std::fs::read_to_string(&path).unwrap_or_default();
        // What tests add to a router is after their mark.
        let source = source.split("#[cfg(test)]").next().unwrap();
        let calls = source.split(".route(").skip(1);
        found.extend(
            calls.filter_map(|call| Some(call.trim_start().strip_prefix('"')?.split('"').next()?.to_owned())),
        );
    }
}

#[test]
fn every_route_is_attacked_here() {
    let mut found = BTreeSet::new();
    routes_in_source(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), &mut found);
    let known: BTreeSet<_> = ROUTES.iter().map(|(route, ..)| (*route).to_owned()).collect();
    assert_eq!(found, known);
}

/// The table's addresses, with a job and a result of seat 1 in them.
pub fn addresses(whose: Whose, job: &str, result: i64) -> Vec<String> {
    let of = ROUTES.iter().filter(|(_, owner, _)| *owner == whose);
    let mut all: Vec<_> =
        of.map(|(_, _, at)| at.replace("{job}", job).replace("{result}", &result.to_string())).collect();
    let at_root: Vec<_> =
        all.iter().filter(|at| at.contains("/comfy/api/")).map(|at| at.replacen("/api", "", 1)).collect();
    all.extend(at_root);
    assert!(
        whose != Seats || ONLY_AT_THE_ROOT.iter().take(2).all(|part| all.iter().any(|at| at.contains(part)))
    );
    all
}

async fn assert_answers(
    client: &Client,
    addresses: &[String],
    methods: &[Method],
    allowed: &[u16],
    who: &str,
) {
    for at in addresses {
        for method in methods {
            let reply = client.send(method.clone(), at, &[TUS, FORM], b"{}".to_vec()).await;
            assert!(
                allowed.contains(&reply.status),
                "{who}: {method} {at}: {} {}",
                reply.status,
                reply.text()
            );
        }
    }
}

#[tokio::test]
async fn nobody_gets_what_is_anothers() {
    let app = patient_server().await;
    let mut worker = app.worker().await;
    let (anna, ben, admin) = (app.seat(1).await, app.seat(2).await, app.admin().await);
    let job = app.run(&anna, &mut worker, crate::support::picture(1), b"picture").await;
    anna.comfy_post("/api/userdata/mine.json", &serde_json::json!({})).await;
    let seats = addresses(Seats, &job, 1);

    let stranger = app.anonymous();
    assert_answers(&stranger, &seats, &METHODS, &[401, 404, 405], "a stranger").await;
    assert_answers(&ben, &seats, &METHODS, &[404, 405], "another seat").await;
    let mut program = app.anonymous();
    let token = app.workshop.make_api_token(domain::SeatId::new(2).unwrap(), "x").await.unwrap();
    program.bearer = Some(token.secret);
    assert_answers(&program, &seats, &METHODS, &[401, 404, 405], "another seat's program").await;
    let mut forger = app.anonymous();
    forger.bearer = Some(WORKER_TOKEN.into());
    assert_answers(&forger, &seats, &METHODS, &[401, 404, 405], "a worker").await;
    assert_answers(&admin, &seats, &METHODS[1..], &[403, 404, 405], "the instructor who looks on").await;

    let instructors = addresses(Instructors, &job, 1);
    for (client, who) in
        [(&anna, "a seat"), (&stranger, "a stranger"), (&program, "a program"), (&forger, "a worker")]
    {
        assert_answers(client, &instructors, &METHODS, &[401, 404, 405], who).await;
    }
    let workers = addresses(Workers, &job, 1);
    for (client, who) in
        [(&anna, "a seat"), (&admin, "the instructor"), (&stranger, "a stranger"), (&program, "a program")]
    {
        assert_answers(client, &workers, &METHODS, &[401, 405], who).await;
    }

    let kept = anna.comfy(&format!("/api/history/{job}")).await.json();
    assert_eq!(kept[&job]["status"]["completed"], true, "nothing of it changed anything");
    assert_eq!(anna.comfy("/api/view?filename=picture_00001_.png").await.bytes, b"picture");
    assert_eq!(anna.comfy("/api/userdata/mine.json").await.status, 200);
}

#[tokio::test]
async fn in_ones_own_seat_anothers_ids_name_nothing() {
    let app = patient_server().await;
    let mut worker = app.worker().await;
    let (anna, ben) = (app.seat(1).await, app.seat(2).await);
    let job = app.run(&anna, &mut worker, crate::support::picture(1), b"picture").await;
    for path in [
        "/user/user002/results/1/thumbnail".to_owned(),
        format!("/user/user002/jobs/{job}/workflow.json"),
        "/user/user002/download.zip?ids=1".to_owned(),
        format!("/user/user002/comfy/api/jobs/{job}"),
        "/user/user002/comfy/api/view?filename=picture_00001_.png".to_owned(),
    ] {
        let reply = ben.get(&path).await;
        assert_eq!(reply.status, 404, "{path}: {}", reply.text());
    }
    let length = [TUS, ("upload-length", "5"), ("upload-metadata", "filename eC5wbmc=")];
    let begun = anna.send(Method::POST, "/user/user001/uploads", &length, Vec::new()).await;
    let upload = begun.header("location").unwrap().replace("user001", "user002");
    for (method, headers) in [
        (Method::HEAD, vec![TUS]),
        (Method::GET, vec![]),
        (Method::DELETE, vec![TUS]),
        (
            Method::PATCH,
            vec![TUS, ("upload-offset", "0"), ("content-type", "application/offset+octet-stream")],
        ),
    ] {
        let reply = ben.send(method.clone(), &upload, &headers, b"12345".to_vec()).await;
        assert_eq!(reply.status, 404, "{method} {upload}: {}", reply.text());
    }
}
