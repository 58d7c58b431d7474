//! The portal's pages as the server renders them.

use std::time::Duration;

use crate::support::TestApp;

/// Far more than a page takes; one that waits for what never comes would wait for ever.
const LIMIT: Duration = Duration::from_secs(20);
/// The fault that this is about showed in one of four.
const TIMES: usize = 25;

#[tokio::test(flavor = "multi_thread")]
async fn every_panel_is_rendered_to_its_end_with_its_data() {
    let app = TestApp::start().await;
    let anna = app.seat(1).await;
    for panel in ["queue", "gallery", "files", "workflows", "help"] {
        for _ in 0..TIMES {
            let page = tokio::time::timeout(LIMIT, anna.get(&format!("/user/user001?panel={panel}"))).await;
            let page = page.unwrap_or_else(|_| panic!("the page with {panel} does not end"));
            assert_eq!(page.status, 200);
            let text = page.text();
            assert!(text.contains("</html>"), "{panel}: {text}");
            // What the browser takes over is what the page shows, not a failure to read it.
            assert!(!text.contains(r#""{\"Err\""#), "{panel}: {text}");
        }
    }
}
