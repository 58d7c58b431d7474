//! Files that would act if a browser took them for a page or a script.

use reqwest::Method;

use super::patient_server;

const PAGE: &[u8] = b"<html xmlns='http://www.w3.org/1999/xhtml'><script>window.__pwned=1</script></html>";
/// What each is called; the content is a page all the same.
const NAMES: [&str; 22] = [
    "a.html",
    "a.HTML",
    "a.hTm",
    "a.xhtml",
    "a.svg",
    "a.SVG",
    "a.svgz",
    "a.xml",
    "a.xsl",
    "a.pdf",
    "a.js",
    "a.mjs",
    "a.wasm",
    "a.mht",
    "a.swf",
    "a.hta",
    "a",
    "a.html.png",
    "a.png.html",
    "a.json",
    "a.txt",
    "a.css",
];
const MAY_BE: [&str; 4] =
    ["application/octet-stream", "image/png", "application/json", "text/plain; charset=utf-8"];

#[tokio::test]
async fn whatever_a_file_is_called_it_is_no_page() {
    let app = patient_server().await;
    let anna = app.seat(1).await;
    // Makes the seat's folders.
    anna.comfy_post("/api/userdata/x.json", &serde_json::json!({})).await;
    let seat = app.folder.path().join("seats/user001");
    for name in NAMES {
        for folder in ["input", "output", "temp", "user"] {
            std::fs::create_dir_all(seat.join(folder)).unwrap();
            std::fs::write(seat.join(folder).join(name), PAGE).unwrap();
        }
        let kinds = ["input", "output", "temp"].map(|kind| format!("/api/view?filename={name}&type={kind}"));
        let makings = ["preview=webp;90", "preview=image/svg+xml", "channel=rgb", "channel=html"];
        let made = makings.map(|making| format!("/api/view?filename={name}&{making}"));
        let mut paths: Vec<_> = kinds.into_iter().chain(made).collect();
        paths.push(format!("/api/userdata/{name}"));
        paths.push(format!("/view?filename={name}%20%5Binput%5D"));
        for path in paths {
            for (method, headers) in [
                (Method::GET, vec![("accept", "text/html")]),
                (Method::GET, vec![("range", "bytes=0-20")]),
                (Method::HEAD, vec![]),
            ] {
                let at = format!("{}{path}", anna.base);
                let reply = anna.send(method.clone(), &at, &headers, Vec::new()).await;
                let media_type = reply.header("content-type").unwrap_or_default();
                let is_error = reply.status >= 400;
                assert!(is_error || MAY_BE.contains(&media_type.as_str()), "{path}: {media_type}");
                assert!(!is_error || !reply.text().contains("__pwned"), "{path}");
                let policy = reply.header("content-security-policy").unwrap();
                assert!(
                    policy.starts_with("sandbox allow-same-origin;")
                        || policy.starts_with("default-src 'none'"),
                    "{path}: {policy}"
                );
                assert!(
                    !policy.contains("allow-scripts") && !policy.contains("script-src"),
                    "{path}: {policy}"
                );
                assert_eq!(reply.header("x-content-type-options").as_deref(), Some("nosniff"));
                if reply.status == 200 && media_type == "application/octet-stream" {
                    let shown = reply.header("content-disposition").unwrap();
                    assert!(shown.starts_with("attachment;"), "{path}: {shown}");
                }
            }
        }
    }
}

#[tokio::test]
async fn an_upload_chooses_no_media_type() {
    let app = patient_server().await;
    let anna = app.seat(1).await;
    let body = "--X\r\nContent-Disposition: form-data; name=\"image\"; filename=\"evil.svg\"\r\nContent-Type: text/html\r\n\r\n<svg onload=alert(1)>\r\n--X--\r\n";
    let headers = [("content-type", "multipart/form-data; boundary=X")];
    anna.send(Method::POST, "/user/user001/comfy/api/upload/image", &headers, body.into()).await;
    let reply = anna.comfy("/api/view?filename=evil.svg&type=input").await;
    let media_type = reply.header("content-type").unwrap();
    assert!(["application/octet-stream", "application/json"].contains(&media_type.as_str()), "{media_type}");
}
