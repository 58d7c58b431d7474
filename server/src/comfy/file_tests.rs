//! The file-like routes over HTTP, on a seat in a temporary folder.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;

use axum::Router;
use axum::body::{Body, Bytes, to_bytes};
use axum::extract::{FromRef, FromRequestParts, Path};
use axum::http::request::Parts;
use axum::http::{HeaderMap, Method, Request, StatusCode, header};
use domain::SeatId;
use domain::access::Denied;
use image::{DynamicImage, ImageFormat, Rgba, RgbaImage};
use serde_json::{Value, json};
use tempfile::TempDir;
use tower::ServiceExt;
use workshop::files::SeatFolders;

use super::frontend::Frontend;
use super::given_workflows::GivenWorkflows;
use super::uploads::UploadLimit;
use super::{frontend, settings, uploads, userdata, view};
use crate::auth::SeatAccess;
use crate::error::HttpError;

const LIMIT: usize = 100_000;
const BASE: &str = "/user/user001/comfy";

/// A viewer of seat 1 only.
#[derive(Clone)]
struct TestState {
    folders: SeatFolders,
    frontend: Arc<Frontend>,
}

impl FromRef<TestState> for SeatFolders {
    fn from_ref(state: &TestState) -> Self {
        state.folders.clone()
    }
}

impl FromRef<TestState> for Arc<Frontend> {
    fn from_ref(state: &TestState) -> Self {
        Arc::clone(&state.frontend)
    }
}

impl FromRef<TestState> for UploadLimit {
    fn from_ref(_: &TestState) -> Self {
        Self(LIMIT)
    }
}

impl FromRequestParts<TestState> for GivenWorkflows {
    type Rejection = HttpError;

    async fn from_request_parts(_: &mut Parts, _: &TestState) -> Result<Self, Self::Rejection> {
        Ok(Self)
    }
}

impl FromRequestParts<TestState> for SeatAccess {
    type Rejection = HttpError;

    async fn from_request_parts(parts: &mut Parts, state: &TestState) -> Result<Self, Self::Rejection> {
        let Path(path) = Path::<HashMap<String, String>>::from_request_parts(parts, state).await.unwrap();
        if path["seat"] == "user001" {
            Ok(Self(SeatId::new(1).unwrap()))
        } else {
            Err(Denied::NotYours.into())
        }
    }
}

struct TestServer {
    router: Router,
    data: TempDir,
}

struct Answer {
    status: StatusCode,
    headers: HeaderMap,
    body: Bytes,
}

impl Answer {
    fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }

    fn header(&self, name: header::HeaderName) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    fn pixel(&self) -> [u8; 4] {
        image::load_from_memory(&self.body).unwrap().into_rgba8().get_pixel(0, 0).0
    }
}

impl TestServer {
    fn new() -> Self {
        Self::with_frontend("1.58.1")
    }

    fn with_frontend(version: &str) -> Self {
        let data = TempDir::new().unwrap();
        let dir = data.path().join(version);
        for (path, content) in [
            ("index.html", "<!doctype html><html><head><link></head></html>"),
            ("assets/index-CebUEmtR.js", "export {}"),
            ("assets/lib/vue.mjs", "export {}"),
            ("assets/images/logo.svg", "<svg/>"),
            ("assets/favicon.ico", "ico"),
            ("cursor/brush.png", "png"),
            ("extensions/core/a.js", ""),
        ] {
            let path = dir.join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, content).unwrap();
        }
        let templates = data.path().join("templates");
        std::fs::create_dir_all(&templates).unwrap();
        std::fs::write(templates.join("index.json"), "[]").unwrap();
        std::fs::write(data.path().join("secret.txt"), "secret").unwrap();

        let frontend = Arc::new(Frontend::open(&dir, Some(&templates), None).unwrap());
        let folders = SeatFolders::open(data.path()).unwrap();
        let named = || {
            Router::new()
                .merge(settings::routes::<TestState>())
                .merge(uploads::routes())
                .merge(userdata::routes())
                .merge(view::routes())
        };
        let router = Router::new()
            .nest("/user/{seat}/comfy/api", named())
            .nest("/user/{seat}/comfy", named().merge(frontend::routes()))
            .merge(frontend::root_routes())
            .with_state(TestState { folders, frontend });
        Self { router, data }
    }

    fn path(&self, path: &str) -> PathBuf {
        self.data.path().join("seats/user001").join(path)
    }

    fn write(&self, path: &str, content: &[u8]) {
        let path = self.path(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, content).unwrap();
    }

    async fn send(&self, request: Request<Body>) -> Answer {
        let response = self.router.clone().oneshot(request).await.unwrap();
        let (parts, body) = response.into_parts();
        Answer {
            status: parts.status,
            headers: parts.headers,
            body: to_bytes(body, usize::MAX).await.unwrap(),
        }
    }

    async fn call(&self, method: Method, path: &str, body: impl Into<Body>) -> Answer {
        self.send(Request::builder().method(method).uri(path).body(body.into()).unwrap()).await
    }

    async fn get(&self, path: &str) -> Answer {
        self.call(Method::GET, &format!("{BASE}{path}"), Body::empty()).await
    }

    async fn get_with(&self, path: &str, name: header::HeaderName, value: &str) -> Answer {
        let request = Request::builder().uri(format!("{BASE}{path}")).header(name, value);
        self.send(request.body(Body::empty()).unwrap()).await
    }

    async fn post(&self, path: &str, body: impl Into<Body>) -> Answer {
        self.call(Method::POST, &format!("{BASE}{path}"), body).await
    }

    /// Posts a form; a field with a file name is a file.
    async fn upload(&self, path: &str, fields: &[(&str, Option<&str>, &[u8])]) -> Answer {
        let mut body = Vec::new();
        for (name, filename, content) in fields {
            let filename = filename.map(|filename| format!("; filename=\"{filename}\"")).unwrap_or_default();
            body.extend(
                format!("--edge\r\nContent-Disposition: form-data; name=\"{name}\"{filename}\r\n\r\n")
                    .bytes(),
            );
            body.extend(*content);
            body.extend(b"\r\n");
        }
        body.extend(b"--edge--\r\n");
        let request = Request::post(format!("{BASE}{path}"))
            .header(header::CONTENT_TYPE, "multipart/form-data; boundary=edge");
        self.send(request.body(body.into()).unwrap()).await
    }

    async fn upload_image(&self, filename: &str, content: &[u8], text: &[(&str, &str)]) -> Answer {
        let mut fields = vec![("image", Some(filename), content)];
        fields.extend(text.iter().map(|(name, value)| (*name, None, value.as_bytes())));
        self.upload("/api/upload/image", &fields).await
    }
}

fn picture(color: [u8; 4]) -> Vec<u8> {
    let mut bytes = std::io::Cursor::new(Vec::new());
    let picture = DynamicImage::ImageRgba8(RgbaImage::from_pixel(4, 2, Rgba(color)));
    picture.write_to(&mut bytes, ImageFormat::Png).unwrap();
    bytes.into_inner()
}

fn stored(name: &str, subfolder: &str, kind: &str) -> Value {
    json!({"name": name, "subfolder": subfolder, "type": kind})
}

#[tokio::test]
async fn uploads_answer_as_comfyui_does() {
    let server = TestServer::new();
    assert_eq!(server.upload_image("in.png", b"one", &[]).await.json(), stored("in.png", "", "input"));
    assert_eq!(server.upload_image("in.png", b"one", &[]).await.json(), stored("in.png", "", "input"));
    assert_eq!(server.upload_image("in.png", b"two", &[]).await.json(), stored("in (1).png", "", "input"));
    let replaced = server.upload_image("in.png", b"new", &[("overwrite", "true")]).await;
    assert_eq!(replaced.json(), stored("in.png", "", "input"));
    assert_eq!(std::fs::read(server.path("input/in.png")).unwrap(), b"new");
    let pasted = server.upload_image("image.png", b"x", &[("subfolder", "pasted"), ("type", "input")]).await;
    assert_eq!(pasted.json(), stored("image.png", "pasted", "input"));
    let recorded = server.upload_image("t.png", b"x", &[("type", "temp")]).await;
    assert_eq!(recorded.json(), stored("t.png", "", "temp"));
    let video = server.upload_image("clip.mp4", b"x", &[]).await;
    assert_eq!(video.json(), stored("clip.mp4", "", "input"));
}

#[tokio::test]
async fn only_the_last_part_of_an_uploads_name_counts() {
    let server = TestServer::new();
    for name in ["../../x.png", "pasted/x.png", "/etc/x.png", "C:/a/x.png"] {
        let answer = server.upload_image(name, b"x", &[]).await;
        assert_eq!(answer.json(), stored("x.png", "", "input"), "{name}");
    }
    assert!(!server.data.path().join("x.png").exists());
}

#[tokio::test]
async fn bad_uploads_are_refused_with_a_reason() {
    let server = TestServer::new();
    for text in [
        [("subfolder", "../user")],
        [("subfolder", "/etc")],
        [("subfolder", "a\\b")],
        [("type", "output")],
        [("type", "models")],
    ] {
        let answer = server.upload_image("x.png", b"x", &text).await;
        assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{text:?}");
        assert!(answer.json()["error"]["message"].is_string());
    }
    let no_file = server.upload("/upload/image", &[("type", None, b"input")]).await;
    assert_eq!(no_file.status, StatusCode::BAD_REQUEST);
    let text_only = server.upload("/upload/image", &[("image", None, b"text")]).await;
    assert_eq!(text_only.status, StatusCode::BAD_REQUEST);
    let no_form = server.post("/upload/image", "plain").await;
    assert_eq!(no_form.status, StatusCode::BAD_REQUEST);
    let cut_off = Request::post(format!("{BASE}/upload/image"))
        .header(header::CONTENT_TYPE, "multipart/form-data; boundary=edge")
        .body(
            "--edge\r\nContent-Disposition: form-data; name=\"image\"; filename=\"a.png\"\r\n\r\nhalf".into(),
        );
    assert_eq!(server.send(cut_off.unwrap()).await.status, StatusCode::BAD_REQUEST);
    assert!(std::fs::read_dir(server.path("input")).unwrap().next().is_none());
}

#[tokio::test]
async fn an_upload_over_the_limit_is_413() {
    let server = TestServer::new();
    assert_eq!(server.upload_image("fits.bin", &vec![7; LIMIT], &[]).await.status, StatusCode::OK);
    for size in [LIMIT + 1, 3 * LIMIT] {
        let answer = server.upload_image("large.bin", &vec![7; size], &[]).await;
        assert_eq!(answer.status, StatusCode::PAYLOAD_TOO_LARGE);
        assert!(answer.json()["error"]["message"].is_string());
    }
    assert!(!server.path("input/large.bin").exists());
}

#[tokio::test]
async fn a_mask_is_laid_over_its_picture() {
    let server = TestServer::new();
    server.write("input/in.png", &picture([10, 20, 30, 255]));
    let mask = picture([0, 0, 0, 9]);
    let fields = |original: &'static str| {
        let original: (&str, Option<&str>, &[u8]) = ("original_ref", None, original.as_bytes());
        [
            ("image", Some("clipspace-mask-1.png"), mask.as_slice()),
            ("subfolder", None, b"clipspace"),
            original,
        ]
    };
    let original = r#"{"filename": "in.png", "subfolder": "", "type": "input"}"#;
    let answer = server.upload("/upload/mask", &fields(original)).await;
    assert_eq!(answer.json(), stored("clipspace-mask-1.png", "clipspace", "input"));
    let shown = server.get("/view?filename=clipspace-mask-1.png&subfolder=clipspace&type=input").await;
    assert_eq!(shown.pixel(), [10, 20, 30, 9]);

    for (original, status) in [
        (r#"{"filename": "gone.png", "type": "input"}"#, StatusCode::NOT_FOUND),
        (r#"{"filename": "../in.png", "type": "input"}"#, StatusCode::BAD_REQUEST),
        (r#"{"filename": "in.png", "type": "models"}"#, StatusCode::BAD_REQUEST),
        ("{", StatusCode::BAD_REQUEST),
    ] {
        assert_eq!(server.upload("/upload/mask", &fields(original)).await.status, status, "{original}");
    }
}

#[tokio::test]
async fn a_file_is_viewed_whole_or_in_part() {
    let server = TestServer::new();
    server.write("output/sub/clip.mp4", b"0123456789");
    let path = "/api/view?filename=clip.mp4&subfolder=sub&rand=0.5";
    let whole = server.get(path).await;
    assert_eq!((whole.status, &whole.body[..]), (StatusCode::OK, &b"0123456789"[..]));
    assert_eq!(whole.header(header::CONTENT_TYPE), "video/mp4");
    assert_eq!(whole.header(header::ACCEPT_RANGES), "bytes");
    assert!(whole.header(header::CONTENT_DISPOSITION).contains("filename=\"clip.mp4\""));
    assert!(whole.header(header::CACHE_CONTROL).starts_with("private"));

    let part = server.get_with(path, header::RANGE, "bytes=2-4").await;
    assert_eq!((part.status, &part.body[..]), (StatusCode::PARTIAL_CONTENT, &b"234"[..]));
    assert_eq!(part.header(header::CONTENT_RANGE), "bytes 2-4/10");
    assert_eq!(part.header(header::CONTENT_LENGTH), "3");
    let beyond = server.get_with(path, header::RANGE, "bytes=10-").await;
    assert_eq!(beyond.status, StatusCode::RANGE_NOT_SATISFIABLE);
    assert_eq!(beyond.header(header::CONTENT_RANGE), "bytes */10");

    let tag = whole.header(header::ETAG);
    assert_eq!(server.get_with(path, header::IF_NONE_MATCH, tag).await.status, StatusCode::NOT_MODIFIED);
    assert_eq!(server.get_with(path, header::IF_NONE_MATCH, "\"other\"").await.status, StatusCode::OK);
    let modified = whole.header(header::LAST_MODIFIED);
    assert_eq!(
        server.get_with(path, header::IF_MODIFIED_SINCE, modified).await.status,
        StatusCode::NOT_MODIFIED
    );

    let resumed = |tag: &str| {
        let request = Request::builder().uri(format!("{BASE}{path}"));
        request.header(header::RANGE, "bytes=2-").header(header::IF_RANGE, tag).body(Body::empty()).unwrap()
    };
    assert_eq!(server.send(resumed(tag)).await.status, StatusCode::PARTIAL_CONTENT);
    assert_eq!(server.send(resumed("\"other\"")).await.status, StatusCode::OK);
    assert_eq!(server.post("/view?filename=clip.mp4", "").await.status, StatusCode::METHOD_NOT_ALLOWED);
}

#[tokio::test]
async fn the_annotation_wins_and_the_names_folder_is_dropped() {
    let server = TestServer::new();
    server.write("input/a.png", b"input");
    server.write("output/a.png", b"output");
    for (query, body) in [
        ("filename=a.png", "output"),
        ("filename=a.png&type=input", "input"),
        ("filename=a.png%20%5Binput%5D&type=output", "input"),
        ("filename=any/where/a.png&type=input&subfolder=", "input"),
    ] {
        assert_eq!(server.get(&format!("/view?{query}")).await.body, body, "{query}");
    }
}

#[tokio::test]
async fn no_view_leads_out_of_the_seat() {
    let server = TestServer::new();
    server.write("input/a.png", b"x");
    for (query, status) in [
        ("filename=../a.png&type=input", 400),
        ("filename=..%252F..%252Fx.png&type=input", 400),
        ("filename=..%5C..%5Csecret.txt", 400),
        ("filename=/etc/passwd", 400),
        ("filename=a.png&type=models", 400),
        ("filename=", 400),
        ("filename=a%00.png&type=input", 400),
        ("filename=a.png&type=input&subfolder=../input", 403),
        ("filename=secret.txt&subfolder=/", 403),
        ("filename=secret.txt&subfolder=..%2F..%2F..", 403),
        ("filename=passwd&subfolder=/etc", 403),
        ("filename=secret.txt&subfolder=%252e%252e%252f", 404),
        ("filename=gone.png", 404),
        ("filename=input", 404),
        ("type=input", 404),
    ] {
        assert_eq!(server.get(&format!("/view?{query}")).await.status.as_u16(), status, "{query}");
    }
    let foreign = server.call(Method::GET, "/user/user002/comfy/view?filename=a.png&type=input", "").await;
    assert_eq!(foreign.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn what_could_act_is_downloaded_inert() {
    let server = TestServer::new();
    for name in ["x.html", "x.svg", "x.js"] {
        server.write(&format!("output/{name}"), b"<script>alert(1)</script>");
        let answer = server.get(&format!("/view?filename={name}")).await;
        assert_eq!(answer.header(header::CONTENT_TYPE), "application/octet-stream");
        assert!(answer.header(header::CONTENT_DISPOSITION).starts_with("attachment"));
        assert_eq!(answer.header(header::X_CONTENT_TYPE_OPTIONS), "nosniff");
        assert!(answer.header(header::CONTENT_SECURITY_POLICY).contains("sandbox"));
    }
}

#[tokio::test]
async fn channels_and_previews_are_made() {
    let server = TestServer::new();
    server.write("input/t.png", &picture([10, 20, 30, 9]));
    server.write("input/clip.mp4", b"no picture");
    let rgb = server.get("/view?filename=t.png&type=input&channel=rgb").await;
    assert_eq!((rgb.header(header::CONTENT_TYPE), rgb.pixel()), ("image/png", [10, 20, 30, 255]));
    let alpha = server.get("/view?filename=t.png&type=input&channel=a").await;
    assert_eq!((alpha.header(header::CONTENT_TYPE), alpha.pixel()), ("image/png", [0, 0, 0, 9]));
    let raw = server.get("/view?filename=t.png&type=input&channel=rgba").await;
    assert_eq!(raw.body, picture([10, 20, 30, 9]));
    let webp = server.get("/view?filename=t.png&type=input&preview=webp;70").await;
    assert_eq!((webp.header(header::CONTENT_TYPE), webp.pixel()), ("image/webp", [10, 20, 30, 9]));
    let jpeg = server.get("/view?filename=t.png&type=input&preview=jpeg;50").await;
    assert_eq!(jpeg.header(header::CONTENT_TYPE), "image/jpeg");
    assert_ne!(rgb.header(header::ETAG), alpha.header(header::ETAG));
    let path = "/view?filename=t.png&type=input&channel=rgb";
    let again = server.get_with(path, header::IF_NONE_MATCH, rgb.header(header::ETAG)).await;
    assert_eq!(again.status, StatusCode::NOT_MODIFIED);

    let video = server.get("/view?filename=clip.mp4&type=input&preview=webp;70").await;
    assert_eq!((video.header(header::CONTENT_TYPE), &video.body[..]), ("video/mp4", &b"no picture"[..]));
    let no_channel = server.get("/view?filename=clip.mp4&type=input&channel=rgb").await;
    assert_eq!(no_channel.status, StatusCode::UNSUPPORTED_MEDIA_TYPE);
}

#[tokio::test]
async fn workflows_are_saved_listed_renamed_and_deleted() {
    let server = TestServer::new();
    assert_eq!(server.get("/api/userdata?dir=workflows&recurse=true&full_info=true").await.json(), json!([]));
    let saved =
        server.post("/api/userdata/workflows%2Fa%20b.json?overwrite=false&full_info=true", "{}").await.json();
    assert_eq!((&saved["path"], &saved["size"]), (&json!("workflows/a b.json"), &json!(2)));
    assert!(saved["modified"].as_u64().unwrap() > 1_000_000_000_000, "milliseconds: {saved}");
    let again = server.post("/api/userdata/workflows%2Fa%20b.json?overwrite=false", "{}").await;
    assert_eq!(again.status, StatusCode::CONFLICT);
    let over = server.post("/api/userdata/workflows%2Fa%20b.json?overwrite=true", "[1]").await;
    assert_eq!(over.json(), json!("workflows/a b.json"));

    let read = server.get("/api/userdata/workflows%2Fa%20b.json").await;
    assert_eq!((read.status, &read.body[..]), (StatusCode::OK, &b"[1]"[..]));
    assert_eq!(read.header(header::CONTENT_TYPE), "application/json");
    assert!(read.header(header::CONTENT_DISPOSITION).starts_with("attachment"));

    let moved = server
        .post("/api/userdata/workflows%2Fa%20b.json/move/workflows%2Fx%2Fc.json?overwrite=false", "")
        .await;
    assert_eq!(moved.json(), json!("workflows/x/c.json"));
    let list = |query: &'static str| server.get(query);
    assert_eq!(list("/userdata?dir=workflows").await.json(), json!([]));
    assert_eq!(list("/userdata?dir=workflows&recurse=true").await.json(), json!(["x/c.json"]));
    assert_eq!(
        list("/userdata?dir=workflows&recurse=true&split=true").await.json(),
        json!([["x/c.json", "x", "c.json"]])
    );
    let full = list("/userdata?dir=workflows&recurse=true&split=true&full_info=true").await.json();
    assert_eq!(full[0]["path"], "x/c.json");
    let tree = list("/api/v2/userdata?path=workflows").await.json();
    assert_eq!(tree[0], json!({"name": "x", "path": "workflows/x", "type": "directory"}));
    assert_eq!((&tree[1]["path"], &tree[1]["type"]), (&json!("workflows/x/c.json"), &json!("file")));

    let delete = format!("{BASE}/api/userdata/workflows%2Fx%2Fc.json");
    assert_eq!(server.call(Method::DELETE, &delete, "").await.status, StatusCode::NO_CONTENT);
    assert_eq!(server.call(Method::DELETE, &delete, "").await.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn no_userdata_leads_out_of_the_seat() {
    let server = TestServer::new();
    for (path, status) in [
        ("/userdata", 400),
        ("/userdata?dir=../..", 403),
        ("/userdata?dir=/etc", 403),
        ("/userdata?dir=nothing", 404),
        ("/v2/userdata?path=../..", 400),
        ("/v2/userdata?path=nothing", 404),
        ("/userdata/..%2F..%2Fsecret.txt", 403),
        ("/userdata/..%252F..%252Fsecret.txt", 403),
        ("/userdata/%2Fetc%2Fpasswd", 403),
        ("/userdata/comfy.templates.json", 404),
    ] {
        assert_eq!(server.get(path).await.status.as_u16(), status, "{path}");
    }
    assert_eq!(server.post("/userdata/..%2Fx.json", "{}").await.status, StatusCode::FORBIDDEN);
    server.post("/userdata/a.json", "{}").await;
    assert_eq!(server.post("/userdata/a.json/move/..%2Fa.json", "").await.status, StatusCode::FORBIDDEN);
    assert!(!server.path("a.json").exists());
}

#[tokio::test]
async fn an_older_frontend_gets_times_in_seconds() {
    let server = TestServer::with_frontend("1.32.9");
    let saved = server.post("/userdata/a.json?full_info=true", "{}").await.json();
    assert!(saved["modified"].as_f64().unwrap() < 100_000_000_000.0, "{saved}");
}

#[tokio::test]
async fn the_linked_stylesheets_are_empty_until_there_is_one() {
    let server = TestServer::new();
    for path in ["/user.css", "/api/userdata/user.css"] {
        let answer = server.get(path).await;
        assert_eq!((answer.status, answer.body.len()), (StatusCode::OK, 0));
        assert_eq!(answer.header(header::CONTENT_TYPE), "text/css; charset=utf-8");
    }
    server.post("/userdata/user.css", "body{}").await;
    assert_eq!(server.get("/api/userdata/user.css").await.body, "body{}");
}

#[tokio::test]
async fn settings_are_kept_whatever_the_body_calls_itself() {
    let server = TestServer::new();
    assert_eq!(server.get("/api/settings").await.json(), json!({}));
    assert_eq!(server.post("/api/settings/Comfy.Locale", "\"en\"").await.status, StatusCode::OK);
    assert_eq!(server.post("/api/settings", r#"{"x": [1]}"#).await.body.len(), 0);
    assert_eq!(server.get("/api/settings").await.json(), json!({"Comfy.Locale": "en", "x": [1]}));
    assert_eq!(server.get("/api/settings/Comfy.Locale").await.json(), json!("en"));
    assert_eq!(server.get("/api/settings/none").await.json(), Value::Null);
    assert_eq!(server.post("/api/settings/x", "{").await.status, StatusCode::BAD_REQUEST);
    assert_eq!(server.post("/api/settings", "[1]").await.status, StatusCode::BAD_REQUEST);
    let large = "x".repeat(3_000_000);
    assert_eq!(
        server.post("/api/settings/x", format!("\"{large}\"")).await.status,
        StatusCode::PAYLOAD_TOO_LARGE
    );
}

#[tokio::test]
async fn the_page_is_the_seats_own_with_our_script_first() {
    let server = TestServer::new();
    let page = server.get("/").await;
    assert_eq!(page.status, StatusCode::OK);
    let html = std::str::from_utf8(&page.body).unwrap();
    assert!(html.starts_with("<!doctype html><html><head><script>"), "{html}");
    assert!(html.contains("keepSeatsApart(\"user001\");") && html.ends_with("<link></head></html>"));
    assert_eq!(page.header(header::CACHE_CONTROL), "no-store");
    let policy = page.header(header::CONTENT_SECURITY_POLICY);
    assert!(policy.contains("connect-src 'self' data: blob:;") && policy.contains("frame-ancestors 'self'"));

    let foreign = server.call(Method::GET, "/user/user002/comfy/", "").await;
    assert_eq!(foreign.status, StatusCode::NOT_FOUND);
    let bare = server.call(Method::GET, "/user/user001/comfy?x=1", "").await;
    assert_eq!(bare.status, StatusCode::PERMANENT_REDIRECT);
    assert_eq!(bare.header(header::LOCATION), "/user/user001/comfy/?x=1");
    // The page as it is on disk has no script of ours in it.
    assert_eq!(server.get("/index.html").await.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn the_editors_files_are_cached_by_what_their_names_say() {
    let server = TestServer::new();
    let hashed = server.get("/assets/index-CebUEmtR.js").await;
    assert_eq!(hashed.header(header::CACHE_CONTROL), "public, max-age=31536000, immutable");
    let module = server.get("/assets/lib/vue.mjs").await;
    assert_eq!(module.header(header::CONTENT_TYPE), "text/javascript; charset=utf-8");
    assert_eq!(module.header(header::CACHE_CONTROL), "no-cache");
    let unchanged =
        server.get_with("/assets/lib/vue.mjs", header::IF_NONE_MATCH, module.header(header::ETAG)).await;
    assert_eq!((unchanged.status, unchanged.body.len()), (StatusCode::NOT_MODIFIED, 0));
    assert_eq!(server.get("/templates/index.json").await.json(), json!([]));
    for path in ["/assets/images/logo.svg", "/assets/favicon.ico", "/cursor/brush.png"] {
        assert_eq!(server.call(Method::GET, path, "").await.status, StatusCode::OK, "{path}");
    }
}

#[tokio::test]
async fn what_is_no_file_is_404_and_never_the_page() {
    let server = TestServer::new();
    for path in [
        "/nothing",
        "/api/nothing",
        "/api/manager/queue",
        "/assets",
        "/assets/",
        "/docs/KSampler/en.md",
        "/templates/gone.json",
        "/..%2Fsecret.txt",
        "/assets/..%2F..%2Fsecret.txt",
        "/%2Fetc%2Fpasswd",
        "/templates/..%2Fsecret.txt",
    ] {
        let answer = server.get(path).await;
        assert_eq!(answer.status, StatusCode::NOT_FOUND, "{path}");
        assert!(answer.json()["error"].is_object(), "{path}");
    }
    assert_eq!(server.post("/api/nothing", "").await.status, StatusCode::NOT_FOUND);
    let escape = server.call(Method::GET, "/assets/images/..%2F..%2F..%2Fsecret.txt", "").await;
    assert_eq!(escape.status, StatusCode::NOT_FOUND);
}
