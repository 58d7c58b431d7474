//! The server that runs, asked as a worker asks: its workers, and whether versions fit.

use anyhow::Context;
use queue::report::{ServerStatus, WorkerStatus};

use super::{Finding, client};

/// What the server that runs says of itself and its workers.
pub async fn versions(server: &str, worker_token: &str) -> Vec<Finding> {
    match status(server, worker_token).await {
        Ok(status) => judge(&status, env!("CARGO_PKG_VERSION")),
        Err(error) => vec![Finding::remark(
            "versions",
            format!("the server tells none: {error:#}"),
            "ask with the settings that it runs with (WORKER_TOKEN, DATA_DIR), and the same program",
        )],
    }
}

async fn status(server: &str, worker_token: &str) -> anyhow::Result<ServerStatus> {
    let request = client(server)?.get(format!("{server}/worker/v1/status")).bearer_auth(worker_token);
    let answer = request.send().await.context("no answer")?.error_for_status()?;
    answer.json().await.context("an answer that is not understood")
}

fn judge(status: &ServerStatus, ours: &str) -> Vec<Finding> {
    let mut findings = Vec::new();
    if status.version != ours {
        let text = format!("the server that runs is {}, this program {ours}", status.version);
        findings.push(Finding::remark("versions", text, "restart the server"));
    }
    for WorkerStatus { name, version, problem, .. } in &status.workers {
        if *version != status.version {
            let text = format!("the worker {name} is {version}, the server {}", status.version);
            findings.push(Finding::remark("versions", text, "update the older one"));
        }
        if let Some(problem) = problem {
            let text = format!("ComfyUI of {name} is down: {problem}");
            findings.push(Finding::bad("engine", text, "look at that worker's log"));
        }
    }
    if let Some(comfyui) = &status.comfyui_version {
        findings.push(editor_fits(comfyui, status));
    }
    findings.extend(status.models.map(|count| models(count, &status.devices)));
    findings
}

fn models(count: usize, devices: &[String]) -> Finding {
    const SUBJECT: &str = "models";
    let at = if devices.is_empty() { "ComfyUI".to_owned() } else { devices.join(", ") };
    if count == 0 {
        return Finding::remark(
            SUBJECT,
            format!("{at} has none: graphs that load one are refused"),
            "put some into ComfyUI's models folder, or name theirs in its extra_model_paths.yaml; restart it",
        );
    }
    Finding::good(SUBJECT, format!("{count} files at {at}"))
}

/// ComfyUI names the frontend that it was made with; the editor should be no older.
fn editor_fits(comfyui: &str, status: &ServerStatus) -> Finding {
    let parse = |text: &str| {
        let mut parts = text.split('.').map(|part| part.parse::<u32>().ok());
        Some((parts.next()??, parts.next()??))
    };
    let wanted = status.wanted_frontend.as_deref();
    match (wanted.and_then(parse), status.frontend.as_deref().and_then(parse)) {
        (Some(wanted), Some(ours)) if ours < wanted => {
            let text = format!(
                "ComfyUI {comfyui} was made with the frontend {}.{}, and the editor here is {}.{}",
                wanted.0, wanted.1, ours.0, ours.1
            );
            Finding::remark(
                "engine",
                text,
                "pip install that comfyui-frontend-package, and set FRONTEND_DIR to it",
            )
        }
        _ => Finding::good("engine", format!("ComfyUI {comfyui}, and the editor fits")),
    }
}

#[cfg(test)]
mod tests {
    use super::super::Verdict;
    use super::*;

    fn well() -> ServerStatus {
        let worker = WorkerStatus { name: "gpu".into(), version: "1.0.0".into(), problem: None };
        ServerStatus {
            version: "1.0.0".into(),
            workers: vec![worker],
            comfyui_version: Some("0.3.75".into()),
            wanted_frontend: Some("1.32.9".into()),
            frontend: Some("1.32".into()),
            devices: vec!["cuda:0 NVIDIA H100".into()],
            models: Some(3),
        }
    }

    #[test]
    fn a_comfyui_without_models_is_remarked() {
        let models = |count| judge(&ServerStatus { models: count, ..well() }, "1.0.0").pop().unwrap();
        assert_eq!(models(Some(3)).to_string(), "good  models       3 files at cuda:0 NVIDIA H100");
        assert!(matches!(models(Some(0)).verdict, Verdict::Remark { .. }));
        assert_ne!(models(None).subject, "models", "nobody has told yet");
    }

    #[test]
    fn versions_that_do_not_fit_are_remarked() {
        let remarks = |status: &ServerStatus| {
            let found = judge(status, "1.0.0");
            found.iter().filter(|finding| matches!(finding.verdict, Verdict::Remark { .. })).count()
        };
        assert_eq!(remarks(&well()), 0);
        assert_eq!(remarks(&ServerStatus { frontend: Some("1.58".into()), ..well() }), 0, "newer ones fit");
        assert_eq!(remarks(&ServerStatus { frontend: Some("1.31".into()), ..well() }), 1);
        let mut older = well();
        older.workers[0].version = "0.9.0".into();
        assert_eq!(remarks(&older), 1);
        assert_eq!(judge(&well(), "1.1.0").iter().filter(|found| found.subject == "versions").count(), 1);
    }

    #[test]
    fn an_engine_that_is_down_is_bad() {
        let mut down = well();
        down.workers[0].problem = Some("it ended".into());
        assert!(matches!(judge(&down, "1.0.0")[0].verdict, Verdict::Bad { .. }));
    }
}
