//! `doctor`, on a workshop that is well and on some that are not.

use domain::AccessMode;
use runtime::config::Settings;
use server::config::ServerConfig;
use server::doctor::{Finding, Verdict, examine};

use crate::support::TestApp;
use crate::support::binary::{call, text};

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
