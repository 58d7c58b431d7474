//! `doctor`, on a workshop that is well and on some that are not.

use domain::AccessMode;
use runtime::config::Settings;
use server::config::ServerConfig;
use server::doctor::{Finding, Verdict, examine};

use crate::support::binary::{call, text};
use crate::support::{TestApp, WORKER_TOKEN};

async fn findings(settings: &str) -> Vec<Finding> {
    examine(&ServerConfig::read(Settings::from_parts(settings, [])).unwrap()).await
}

fn verdict<'a>(findings: &'a [Finding], subject: &str) -> &'a Verdict {
    &findings.iter().find(|finding| finding.subject == subject).expect(subject).verdict
}

#[tokio::test]
async fn a_running_workshop_is_looked_at_with_all_it_depends_on() {
    let app = TestApp::start_in(AccessMode::Link).await;
    let data = app.folder.path().display();
    let settings = format!(
        "DATA_DIR={data}\nFRONTEND_DIR={data}/frontend\nLISTEN_ADDR={}\nMIN_FREE_BYTES=1\n",
        app.address
    );
    let before = findings(&settings).await;
    assert!(matches!(verdict(&before, "worker"), Verdict::Bad { .. }), "{before:?}");
    for well in ["settings", "record", "disk", "editor", "server", "its redis", "address"] {
        assert_eq!(verdict(&before, well), &Verdict::Good, "{before:?}");
    }
    let _worker = app.worker().await;
    assert_eq!(verdict(&findings(&settings).await, "worker"), &Verdict::Good);
}

#[tokio::test]
async fn what_is_wrong_is_named_with_what_to_do() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path();
    std::fs::write(data.join("comfy-multi.sqlite"), "this is no database at all, and long enough").unwrap();
    std::fs::write(data.join("worker-token"), "secret").unwrap();
    let settings = format!(
        "DATA_DIR={}\nMIN_FREE_BYTES=100000000GiB\nSITE_ROOT=/nowhere\nREDIS_URL=redis://127.0.0.1:1\nLISTEN_ADDR=127.0.0.1:1\n",
        data.display()
    );
    let found = findings(&settings).await;
    for bad in ["secret", "record", "disk", "editor", "portal", "redis"] {
        assert!(matches!(verdict(&found, bad), Verdict::Bad { .. }), "{bad}: {found:?}");
    }
    let said = text(&call(data, &["doctor"]).await);
    assert!(said.contains("BAD   secret"), "{said}");
    assert!(said.contains("→ chmod 600"), "{said}");
    assert!(said.contains("things are bad"), "{said}");
}

/// A reverse proxy as some are: decodes paths, passes no upgrade and no large body on, and has a
/// clock of its own.
async fn careless_proxy(server: std::net::SocketAddr) -> std::net::SocketAddr {
    use axum::http::{StatusCode, header};
    let forward = move |request: axum::extract::Request| async move {
        let length = request.headers().get(header::CONTENT_LENGTH);
        if length.is_some_and(|length| length.len() > 6) {
            return Err(StatusCode::PAYLOAD_TOO_LARGE);
        }
        let path = request.uri().path().replace("%2F", "/");
        let url = format!("http://{server}{path}");
        let client = reqwest::Client::builder().no_proxy().tls_certs_only([]).build().unwrap();
        let mut forwarded = client.get(url);
        if let Some(token) = request.headers().get(header::AUTHORIZATION) {
            forwarded = forwarded.header(header::AUTHORIZATION, token);
        }
        let answer = forwarded.send().await.unwrap();
        let status = StatusCode::from_u16(answer.status().as_u16()).unwrap();
        Ok((status, [(header::DATE, "Thu, 01 Jan 2026 00:00:00 GMT")], answer.text().await.unwrap()))
    };
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, axum::Router::new().fallback(forward)).await });
    address
}

#[tokio::test]
async fn what_the_proxy_does_to_the_editor_is_found() {
    let app = TestApp::start_in(AccessMode::Link).await;
    let _worker = app.worker().await;
    let data = app.folder.path().display();
    let settings = format!(
        "DATA_DIR={data}\nFRONTEND_DIR={data}/frontend\nLISTEN_ADDR={}\nMIN_FREE_BYTES=1\nWORKER_TOKEN={WORKER_TOKEN}\n",
        app.address
    );
    let well = findings(&settings).await;
    for subject in ["address", "paths", "uploads", "sockets", "engine", "handles"] {
        assert_eq!(verdict(&well, subject), &Verdict::Good, "{well:?}");
    }
    // The tests' worker has a version of its own, and no model.
    for subject in ["versions", "models"] {
        assert!(matches!(verdict(&well, subject), Verdict::Remark { .. }), "{subject}: {well:?}");
    }
    let proxy = careless_proxy(app.address).await;
    let found = findings(&format!("{settings}PUBLIC_URL=http://{proxy}\n")).await;
    assert_eq!(verdict(&found, "address"), &Verdict::Good, "{found:?}");
    for subject in ["paths", "uploads", "sockets", "clock"] {
        assert!(matches!(verdict(&found, subject), Verdict::Bad { .. }), "{subject}: {found:?}");
    }
}

#[tokio::test]
async fn a_redis_that_forgets_is_found() {
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("redis.sock");
    let arguments = ["--port", "0", "--save", "", "--maxmemory", "20mb", "--maxmemory-policy", "allkeys-lru"];
    let mut command = tokio::process::Command::new("redis-server");
    command.args(arguments).arg("--unixsocket").arg(&socket).current_dir(folder.path());
    let _redis = command.stdout(std::process::Stdio::null()).kill_on_drop(true).spawn().unwrap();
    let settings = format!("DATA_DIR={}\nREDIS_URL=unix://{}\n", folder.path().display(), socket.display());
    let found = findings(&settings).await;
    let about: Vec<_> = found.iter().filter(|finding| finding.subject == "redis").collect();
    assert_eq!(about[0].verdict, Verdict::Good, "{found:?}");
    assert!(about[1].text.contains("allkeys-lru"), "{found:?}");
    assert!(about[1].to_string().contains("→ redis-cli CONFIG SET"), "{}", about[1]);
}

#[tokio::test]
async fn notes_alone_do_not_make_it_fail() {
    let app = TestApp::start_in(AccessMode::Link).await;
    let _worker = app.worker().await;
    let data = app.folder.path();
    let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_comfy-multi"));
    std::fs::create_dir_all(data.join("site/pkg")).unwrap();
    std::fs::write(data.join("site/pkg/comfy-multi.wasm"), "").unwrap();
    std::fs::set_permissions(data, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    command.arg("doctor").current_dir(data).env("DATA_DIR", data).env("FRONTEND_DIR", data.join("frontend"));
    command.env("SITE_ROOT", data.join("site")).env("LISTEN_ADDR", app.address.to_string());
    command.env("MIN_FREE_BYTES", "1").env("WORKER_TOKEN", WORKER_TOKEN);
    let output = tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap();
    let said = text(&output);
    assert!(said.contains("note ") && !said.contains("BAD "), "{said}");
    assert_eq!(output.status.code(), Some(0), "{said}");
}
