//! Names that lead out of a seat, through every route that takes one: nothing is shown and
//! nothing is written outside.

use std::collections::BTreeMap;
use std::path::Path;

use reqwest::Method;
use serde_json::{Value, json};

use crate::support::{Client, Reply, TestApp};

const SECRET: &str = "the-secret-of-another";
const BOUNDARY: &str = "----test-boundary";

/// As they are written, before any encoding.
const ATTACKS: [&str; 27] = [
    "../secret.txt",
    "../../secret.txt",
    "../user002/input/secret.txt",
    "../../user002/input/secret.txt",
    "a/../../secret.txt",
    "a/../../../user002/input/secret.txt",
    "..",
    "/etc/passwd",
    "//etc/passwd",
    "..\\..\\secret.txt",
    "a\\..\\..\\secret.txt",
    "\\\\host\\share\\secret.txt",
    "C:\\secret.txt",
    "C:/secret.txt",
    "secret.txt\0.png",
    "%2e%2e%2fsecret.txt",
    "%252e%252e%252fsecret.txt",
    "..%c0%afsecret.txt",
    "\u{ff0e}\u{ff0e}/secret.txt",
    "..\u{2215}secret.txt",
    "file:///etc/passwd",
    "../secret.txt [input]",
    "../../user002/output/secret.txt [output]",
    "secret.txt [temp] [output]",
    "[input]",
    "link.txt",
    "linked/secret.txt",
];

struct Scene {
    app: TestApp,
    anna: Client,
}

impl Scene {
    async fn new() -> Self {
        let app = TestApp::start().await;
        let _worker = app.worker().await;
        let anna = app.seat(1).await;
        let data = app.folder.path();
        for place in ["secret.txt", "seats/secret.txt", "seats/user001/secret.txt"] {
            write(&data.join(place), SECRET);
        }
        for folder in ["input", "output", "temp", "userdata", "models"] {
            write(&data.join("seats/user002").join(folder).join("secret.txt"), SECRET);
            let hers = data.join("seats/user001").join(folder);
            std::fs::create_dir_all(&hers).unwrap();
            std::os::unix::fs::symlink(data.join("secret.txt"), hers.join("link.txt")).unwrap();
            std::os::unix::fs::symlink(data.join("seats/user002/input"), hers.join("linked")).unwrap();
        }
        Self { app, anna }
    }

    /// Every file outside of the seat's own folder, and what is in it.
    fn outside(&self) -> BTreeMap<String, Vec<u8>> {
        let mut found = BTreeMap::new();
        for place in ["secret.txt", "seats/secret.txt", "seats/user002", "seats/user003"] {
            collect(&self.app.folder.path().join(place), &mut found);
        }
        for entry in std::fs::read_dir(self.app.folder.path().join("seats")).unwrap() {
            found.entry(entry.unwrap().path().display().to_string()).or_default();
        }
        found
    }

    async fn get(&self, path: &str) -> Reply {
        self.anna.comfy(path).await
    }

    async fn upload(&self, route: &str, filename: &str, fields: &[(&str, &str)]) -> Reply {
        let mut body = format!(
            "--{BOUNDARY}\r\nContent-Disposition: form-data; name=\"image\"; filename=\"{filename}\"\r\n\r\nattack\r\n"
        );
        for (name, value) in fields {
            body += &format!(
                "--{BOUNDARY}\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n"
            );
        }
        body += &format!("--{BOUNDARY}--\r\n");
        let content_type = format!("multipart/form-data; boundary={BOUNDARY}");
        let path = format!("{}{route}", self.anna.base);
        self.anna.send(Method::POST, &path, &[("content-type", &content_type)], body.into_bytes()).await
    }
}

fn write(path: &Path, content: &str) {
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, content).unwrap();
}

fn collect(path: &Path, found: &mut BTreeMap<String, Vec<u8>>) {
    if path.is_dir() {
        for entry in std::fs::read_dir(path).unwrap() {
            collect(&entry.unwrap().path(), found);
        }
    } else if path.exists() {
        found.insert(path.display().to_string(), std::fs::read(path).unwrap());
    }
}

/// Everything but plain letters and digits.
fn encoded(text: &str) -> String {
    let byte = |byte: u8| {
        if byte.is_ascii_alphanumeric() { char::from(byte).to_string() } else { format!("%{byte:02X}") }
    };
    text.bytes().map(byte).collect()
}

fn assert_refused(reply: &Reply, what: &str) {
    assert!((400..500).contains(&reply.status), "{what}: {} {}", reply.status, reply.text());
    assert_silent(reply, what);
}

fn assert_silent(reply: &Reply, what: &str) {
    let text = reply.text();
    assert!(!text.contains(SECRET) && !text.contains("root:"), "{what}: {text}");
}

#[tokio::test]
async fn nothing_is_read_through_a_route_that_takes_a_name() {
    let scene = Scene::new().await;
    let before = scene.outside();
    for attack in ATTACKS {
        let name = encoded(attack);
        let twice = encoded(&name);
        for name in [&name, &twice] {
            for kind in ["input", "output", "temp"] {
                let path = format!("/api/view?filename={name}&type={kind}");
                assert_refused(&scene.get(&path).await, &path);
                let path = format!("/api/view?filename=secret.txt&subfolder={name}&type={kind}");
                assert_refused(&scene.get(&path).await, &path);
            }
            for path in [
                format!("/api/view?filename=secret.txt&type={name}"),
                format!("/api/userdata/{name}"),
                format!("/api/view_metadata/{name}?filename=x.safetensors"),
                format!("/api/view_metadata/checkpoints?filename={name}"),
                format!("/api/experiment/models/preview/checkpoints/0/{name}"),
                format!("/internal/files/{name}"),
                format!("/assets/{name}"),
                format!("/templates/{name}"),
                format!("/docs/{name}"),
                format!("/{name}"),
            ] {
                let reply = scene.get(&path).await;
                // The client itself resolves a lone `..`, which leads to the page.
                if attack == ".." && name == &encoded(attack) {
                    assert_silent(&reply, &path);
                } else {
                    assert_refused(&reply, &path);
                }
            }
            // These may answer with an empty list.
            for path in [
                format!("/api/models/{name}"),
                format!("/api/experiment/models/{name}"),
                format!("/api/userdata?dir={name}&recurse=true&full_info=true"),
                format!("/api/v2/userdata?path={name}"),
                format!("/api/workflow_templates/{name}"),
            ] {
                let reply = scene.get(&path).await;
                assert!(reply.status < 500, "{path}: {}", reply.text());
                assert_silent(&reply, &path);
                assert!(!reply.text().contains("secret.txt\""), "{path}: {}", reply.text());
            }
        }
    }
    assert_eq!(scene.outside(), before);
}

#[tokio::test]
async fn nothing_is_written_outside_through_a_route_that_takes_a_name() {
    let scene = Scene::new().await;
    let before = scene.outside();
    for attack in ATTACKS {
        let name = encoded(attack);
        let file = format!("{}/api/userdata/{name}", scene.anna.base);
        for method in [Method::POST, Method::DELETE] {
            let reply = scene.anna.send(method.clone(), &file, &[], b"attack".to_vec()).await;
            assert_silent(&reply, &file);
        }
        for path in
            [format!("/api/userdata/mine.json/move/{name}"), format!("/api/userdata/{name}/move/mine.json")]
        {
            scene.anna.comfy_post("/api/userdata/mine.json", &json!({})).await;
            assert_silent(&scene.anna.comfy_post(&path, &json!({})).await, &path);
        }
        // Only the last part of an upload's name counts, so it may be taken.
        assert_silent(&scene.upload("/api/upload/image", attack, &[]).await, attack);
        for route in ["/api/upload/image", "/api/upload/mask"] {
            let original = json!({"filename": attack, "subfolder": "", "type": "input"}).to_string();
            let fields = [("subfolder", attack), ("original_ref", original.as_str())];
            assert_silent(&scene.upload(route, "x.png", &fields).await, attack);
            let original = json!({"filename": "x.png", "subfolder": attack, "type": "output"}).to_string();
            assert_silent(&scene.upload(route, "x.png", &[("original_ref", &original)]).await, attack);
        }
    }
    assert_eq!(scene.outside(), before);
}

#[tokio::test]
async fn no_graph_names_a_file_outside_of_its_seat() {
    let scene = Scene::new().await;
    let before = scene.outside();
    let show = |class: &str, inputs: Value| {
        json!({"prompt": {
            "1": {"class_type": class, "inputs": inputs},
            "2": {"class_type": "PreviewAny", "inputs": {"source": ["1", 0]}},
        }})
    };
    for attack in ATTACKS {
        for (class, input) in [
            ("LoadImage", "image"),
            ("LoadImageMask", "image"),
            ("LoadImageOutput", "image"),
            ("LoadVideo", "file"),
            ("LoadAudio", "audio"),
            ("LoadLatent", "latent"),
            ("WebcamCapture", "image"),
            ("RecordAudio", "audio"),
        ] {
            for value in [json!(attack), json!({"__value__": attack}), json!({"__value__": [attack]})] {
                let mut graph = show(
                    class,
                    json!({"channel": "alpha", "width": 8, "height": 8, "capture_on_queue": true}),
                );
                graph["prompt"]["1"]["inputs"][input] = value;
                let reply = scene.anna.comfy_post("/api/prompt", &graph).await;
                assert_refused(&reply, &graph.to_string());
            }
        }
        for member in ["image", "mask", "normal", "lineart", "recording"] {
            let graph = show(
                "Load3D",
                json!({"model_file": "none", "image": {member: attack}, "width": 8, "height": 8}),
            );
            assert_refused(&scene.anna.comfy_post("/api/prompt", &graph).await, &graph.to_string());
        }
    }
    assert_eq!(scene.outside(), before);
}
