//! The server's validation beside the real ComfyUI's: both get the same prompts (recorded
//! ones, a list of cases, and mutations of every node class) and must answer alike. Nobody
//! waits in line to learn of a typo, and nobody is refused what ComfyUI would have run.
//!
//! Compared are the status, the error's type, message and details, each faulty node's class,
//! errors (type, input, message, details) and failed outputs, and of an accepted prompt the
//! outputs to run and the converted values. Where we depart on purpose the case says why, and
//! a departure that is none any more fails as well.

mod answer;
mod cases;
mod engine;
mod files;
mod mutations;
mod ours;

use std::path::Path;

use comfy_api::client::ComfyClient;

use answer::disagreement;
use cases::Case;
use engine::Engine;
use ours::Ours;

/// How much was compared.
#[derive(Debug, Default)]
pub struct Compared {
    pub prompts: usize,
    pub departures: usize,
}

/// Sends every case to both and tells of all that differ at once. `base_dir` is the engine's.
pub async fn answers_agree(comfyui: &ComfyClient, base_dir: &Path) -> Compared {
    files::plant(base_dir);
    let engine = Engine::hold(comfyui).await;
    let ours = Ours::new(comfyui.object_info().await.unwrap());
    files::every_combo_of_files_is_known(&ours);

    let mut cases = cases::listed();
    cases.extend(cases::recorded());
    cases.extend(mutations::of_every_class(ours.catalog()));
    let mut compared = Compared::default();
    let mut differences = Vec::new();
    for case in &cases {
        let theirs = engine.ask(&case.body).await;
        let difference = disagreement(&theirs, &ours.answer(&case.body));
        compared.prompts += 1;
        match (&case.departs, difference) {
            (None, Some(difference)) => differences.push(report(case, &difference)),
            (Some(why), None) => {
                differences.push(report(case, &format!("agrees, but departs is set: {why}")))
            }
            (Some(_), Some(_)) => compared.departures += 1,
            (None, None) => {}
        }
    }
    engine.release().await;
    files::remove(base_dir);
    assert!(
        differences.is_empty(),
        "{} of {} answers differ:\n{}",
        differences.len(),
        cases.len(),
        differences.join("\n")
    );
    compared
}

fn report(case: &Case, difference: &str) -> String {
    let body: String = case.body.chars().take(400).collect();
    format!("- {}\n    {body}\n    {difference}", case.name)
}
