//! What answers say of themselves, on every route and for every way to be refused.

use domain::AccessMode;
use reqwest::Method;

use super::patient_server;
use super::routes::{ROUTES, Whose, addresses};
use crate::support::{Reply, TestApp, WORKER_TOKEN};

fn assert_careful(reply: &Reply, at: &str) {
    let header = |name: &str| reply.header(name).unwrap_or_else(|| panic!("{at}: no {name}: {reply:?}"));
    assert_eq!(header("x-content-type-options"), "nosniff", "{at}");
    assert_eq!(header("referrer-policy"), "same-origin", "{at}");
    assert_eq!(header("cross-origin-resource-policy"), "same-origin", "{at}");
    assert!(header("permissions-policy").contains("geolocation=()"), "{at}");
    let policy = header("content-security-policy");
    let frames = policy.split("frame-ancestors ").nth(1).unwrap_or_else(|| panic!("{at}: {policy}"));
    let may_frame = at.contains("/comfy")
        || at.contains("/results/")
        || at.contains(".zip")
        || at.contains("workflow.json");
    assert!(frames.starts_with("'none'") || (may_frame && frames.starts_with("'self'")), "{at}: {policy}");
    let is_for_all = at.contains("/assets/") || at.contains("user.css") || at == "/health" || at == "/ready";
    let caching = header("cache-control");
    assert!(is_for_all || caching.contains("private") || caching.contains("no-store"), "{at}: {caching}");
    assert_eq!(reply.header("server"), None, "{at}");
    assert_eq!(reply.header("x-powered-by"), None, "{at}");
    assert_eq!(reply.header("access-control-allow-origin"), None, "{at}");
}

#[tokio::test]
async fn every_answer_is_inert_and_private_unless_it_says_otherwise() {
    let app = patient_server().await;
    let mut worker = app.worker().await;
    let (anna, admin, stranger) = (app.seat(1).await, app.admin().await, app.anonymous());
    let job = app.run(&anna, &mut worker, crate::support::picture(1), b"picture").await;
    let mut forger = app.anonymous();
    forger.bearer = Some(WORKER_TOKEN.into());
    let whose = [Whose::Anybodys, Whose::Seats, Whose::Instructors, Whose::Workers];
    let all: Vec<_> = whose.into_iter().flat_map(|whose| addresses(whose, &job, 1)).collect();
    assert!(all.len() > ROUTES.len());
    let pages = [
        "/",
        "/admin",
        "/admin/login",
        "/user/user001",
        "/user/1",
        "/take-home/x",
        "/nothing",
        "/api/nothing",
    ];
    for at in all.iter().map(String::as_str).chain(pages) {
        for client in [&anna, &admin, &stranger, &forger] {
            for method in
                [Method::GET, Method::HEAD, Method::OPTIONS, Method::from_bytes(b"PROPFIND").unwrap()]
            {
                let reply = client.send(method.clone(), at, &[], Vec::new()).await;
                // Only a session's own: a program reads the rest, which is in all the same.
                assert_careful(&reply, at);
            }
        }
    }
}

#[tokio::test]
async fn secret_addresses_are_kept_nowhere() {
    let app = patient_server().await;
    let link = app.workshop.join_links().remove(0).join_path;
    for at in
        [link.as_str(), "/join/wrong", "/look/wrong", "/take-home/wrong", "/take-home/wrong/download.zip"]
    {
        let reply = app.anonymous().get(at).await;
        assert_eq!(reply.header("cache-control").as_deref(), Some("private, no-store"), "{at}");
    }
}

#[tokio::test]
async fn pages_run_only_their_own_scripts_and_are_framed_by_nobody() {
    let app = patient_server().await;
    let anna = app.seat(1).await;
    let mut nonces = std::collections::BTreeSet::new();
    for at in ["/", "/user/user001", "/admin/login", "/nothing", "/take-home/x", "/"] {
        let reply = anna.get(at).await;
        let policy = reply.header("content-security-policy").unwrap();
        let scripts = policy.split(';').find(|part| part.trim().starts_with("script-src")).unwrap();
        assert!(
            !scripts.contains("unsafe-inline") && !scripts.contains("unsafe-eval'")
                || scripts.contains("'wasm-unsafe-eval'"),
            "{scripts}"
        );
        assert!(!scripts.contains("'unsafe-inline'") && !scripts.contains("'unsafe-eval'"), "{scripts}");
        for part in [
            "default-src 'self'",
            "object-src 'none'",
            "base-uri 'none'",
            "frame-ancestors 'none'",
            "form-action 'self'",
        ] {
            assert!(policy.contains(part), "{at}: {policy}");
        }
        let nonce = scripts.split("'nonce-").nth(1).unwrap().split('\'').next().unwrap().to_owned();
        let page = reply.text();
        assert_eq!(
            page.matches("<script").count(),
            page.matches(&format!("nonce=\"{nonce}\"")).count(),
            "{page}"
        );
        assert!(nonces.insert(nonce), "{at}: a nonce is used once");
    }
    let editor = anna.get("/user/user001/comfy/").await.header("content-security-policy").unwrap();
    assert!(editor.contains("frame-ancestors 'self'") && editor.contains("connect-src 'self'"), "{editor}");
}

#[tokio::test]
async fn over_tls_other_sites_windows_are_strangers() {
    let app = TestApp::start_with(AccessMode::Link, "PUBLIC_URL=https://workshop.example\n").await;
    let reply = app.anonymous().get("/").await;
    assert_eq!(reply.header("cross-origin-opener-policy").as_deref(), Some("same-origin"));
    let plain = TestApp::start().await.anonymous().get("/").await;
    assert_eq!(plain.header("cross-origin-opener-policy"), None);
}
