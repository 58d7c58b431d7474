//! Participants' models in a real ComfyUI, and the bounds on what is brought to its disk.

use std::collections::BTreeSet;
use std::path::Path;

use bytes::{BufMut, Bytes, BytesMut};
use domain::FailureKind;
use queue::report::{Catalog, Outcome};
use serde_json::{Value, json};

use crate::scenarios::Bench;
use crate::support::graphs;
use crate::support::server::{JobRecord, ServedModel, TestServer, Told};

/// Room for two of the models of these scenarios, not for three.
pub const MODEL_CAPACITY_BYTES: u64 = 3 * MODEL_BYTES - 1;
const MODEL_BYTES: u64 = 100_000;
/// Room for two of the padded pictures of these scenarios, not for three.
pub const ENGINE_INPUT_CAPACITY_BYTES: u64 = 250_000;
const PICTURE_BYTES: usize = 100_000;

/// A small autoencoder: of all its weights only those by which ComfyUI knows it. Another `mark`
/// makes another content.
fn autoencoder(mark: u8) -> Bytes {
    const WEIGHTS_BYTES: usize = 64 * 4 * 3 * 3 * 4;
    let header = |pad: usize| {
        let end = WEIGHTS_BYTES + pad;
        json!({
            "taesd_decoder.1.weight": {"dtype": "F32", "shape": [64, 4, 3, 3], "data_offsets": [0, WEIGHTS_BYTES]},
            "mark": {"dtype": "U8", "shape": [pad], "data_offsets": [WEIGHTS_BYTES, end]},
        })
        .to_string()
    };
    // The header's own length depends on the padding only by its digits, which are as many here.
    let pad = MODEL_BYTES as usize - 8 - header(90_000).len() - WEIGHTS_BYTES;
    let header = header(pad);
    let mut content = BytesMut::new();
    content.put_u64_le(header.len() as u64);
    content.put_slice(header.as_bytes());
    content.put_bytes(0, WEIGHTS_BYTES);
    content.put_bytes(mark, pad);
    assert_eq!(content.len() as u64, MODEL_BYTES);
    content.freeze()
}

fn copies(bench: &Bench) -> BTreeSet<String> {
    names(&bench.base_dir.path().join("engine/models/vae/cm"))
        .into_iter()
        .filter(|name| !name.starts_with("probe-"))
        .collect()
}

fn names(folder: &Path) -> BTreeSet<String> {
    std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect()
}

/// From which byte on each fetch of the job asked.
fn fetches(record: &JobRecord) -> Vec<u64> {
    let fetches = record.told.iter().filter_map(|told| match told {
        Told::Model { first } => Some(*first),
        _ => None,
    });
    fetches.collect()
}

/// Runs a graph with this model to its end.
async fn run(bench: &Bench, model: ServedModel) -> (JobRecord, Outcome) {
    let task = bench.server.add_job_with_model(model, graphs::decoded);
    bench.deliver(&task).await.unwrap();
    let (record, result) = bench.server.until_result(&task).await;
    (record, result.outcome)
}

pub async fn the_inputs_that_list_models_are_found(bench: &Bench) {
    let found = |server: &TestServer| server.catalogs().pop();
    let catalog: Catalog = bench.server.until_any(found).await.expect("a catalog");
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../crates/comfy-api/tests/captures/model_combo_to_folder.json");
    let recorded: Value = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
    let mut compared = 0;
    for (place, folder) in recorded["map"].as_object().unwrap() {
        let (class_type, input) = place.split_once('.').unwrap();
        let folder = folder.as_str().unwrap();
        // They take neither kind of file.
        if matches!(folder, "configs" | "diffusers") || !catalog.object_info.contains_key(class_type) {
            continue;
        }
        let taken = catalog.model_inputs.get(class_type).and_then(|inputs| inputs.get(input));
        let taken = taken.unwrap_or_else(|| panic!("{place} lists {folder}"));
        assert_eq!(taken.get(folder), Some(&vec![".safetensors".to_owned()]), "{place}");
        compared += 1;
    }
    assert!(compared >= 30, "{compared}");
    for folder in ["checkpoints", "loras", "vae", "embeddings", "text_encoders", "diffusion_models"] {
        assert!(catalog.model_folders.contains_key(folder), "{folder}");
    }
    assert!(!catalog.model_folders.contains_key("configs"));
    let shown = serde_json::to_string(&(&catalog.object_info, &catalog.models, &catalog.embeddings)).unwrap();
    assert!(!shown.contains("cm/"), "nothing of what was planted is shown");
}

pub async fn a_model_is_fetched_once_and_opened_by_comfyui(bench: &Bench) {
    let model = ServedModel::new(autoencoder(1));
    let (record, outcome) = run(bench, model.clone()).await;
    assert!(matches!(outcome, Outcome::Succeeded), "{outcome:?}");
    assert_eq!(fetches(&record), [0]);
    let told = record.events("notification");
    assert_eq!(told[0]["name"], format!("cm/{}", record.assignment.models[0].filename));
    assert_eq!(told[0]["total_bytes"], MODEL_BYTES);
    let (record, outcome) = run(bench, model).await;
    assert!(matches!(outcome, Outcome::Succeeded), "{outcome:?}");
    assert!(fetches(&record).is_empty(), "it is there already");
}

pub async fn a_model_that_two_runs_want_is_fetched_once(bench: &Bench) {
    let model = ServedModel::new(autoencoder(2));
    let tasks = [(); 2].map(|()| bench.server.add_job_with_model(model.clone(), graphs::decoded));
    let deliveries = tasks.each_ref().map(|task| bench.deliver(task));
    for delivery in deliveries {
        delivery.await.unwrap();
    }
    let mut fetched = 0;
    for task in &tasks {
        let (record, result) = bench.server.until_result(task).await;
        assert!(matches!(result.outcome, Outcome::Succeeded), "{:?}", result.outcome);
        fetched += fetches(&record).len();
    }
    assert_eq!(fetched, 1);
}

pub async fn a_broken_connection_is_gone_on_with(bench: &Bench) {
    let model = ServedModel { breaks_after: Some(40_000), ..ServedModel::new(autoencoder(3)) };
    let (record, outcome) = run(bench, model).await;
    assert!(matches!(outcome, Outcome::Succeeded), "{outcome:?}");
    let fetches = fetches(&record);
    assert!(fetches.len() == 2 && fetches[0] == 0 && (1..=40_000).contains(&fetches[1]), "{fetches:?}");
}

pub async fn a_model_with_a_wrong_hash_is_refused(bench: &Bench) {
    let before = copies(bench);
    let wrong = ServedModel { promised: autoencoder(4), ..ServedModel::new(autoencoder(5)) };
    let (record, outcome) = run(bench, wrong).await;
    let expected = matches!(outcome, Outcome::Failed { kind: FailureKind::MissingModel, .. });
    assert!(expected, "{outcome:?}");
    assert_eq!(fetches(&record), [0, 0, 0], "tried again, but not for ever");
    let after = copies(bench);
    assert!(after.is_subset(&before), "nothing of it is left: {after:?}");
}

pub async fn a_model_that_is_gone_is_told(bench: &Bench) {
    let gone = ServedModel { is_gone: true, ..ServedModel::new(autoencoder(6)) };
    let (_, outcome) = run(bench, gone).await;
    let expected = matches!(outcome, Outcome::Failed { kind: FailureKind::MissingModel, .. });
    assert!(expected, "{outcome:?}");
}

pub async fn the_model_unused_for_longest_makes_room(bench: &Bench) {
    let filename = |record: &JobRecord| record.assignment.models[0].filename.clone();
    let mut last = Vec::new();
    for mark in [7, 8, 7, 9] {
        let (record, outcome) = run(bench, ServedModel::new(autoencoder(mark))).await;
        assert!(matches!(outcome, Outcome::Succeeded), "{mark}: {outcome:?}");
        last.push(filename(&record));
    }
    assert_eq!(copies(bench), BTreeSet::from([last[2].clone(), last[3].clone()]));
}

pub async fn old_inputs_leave_comfyuis_folder(bench: &Bench) {
    let first = bench.server.add_job(|prefix| graphs::plain_image(0x20_30_40, prefix));
    bench.deliver(&first).await.unwrap();
    let picture = bench.server.job(&first).artifacts()[0].1.clone();
    let mut used = Vec::new();
    for mark in [1, 2, 1, 3] {
        // What follows a picture is not looked at.
        let mut padded = BytesMut::from(&picture[..]);
        padded.put_bytes(mark, PICTURE_BYTES - picture.len());
        let task = bench.server.add_job_with_inputs_in("cm/user001", &[padded.freeze()], |prefix, files| {
            graphs::inverted(&files[0], prefix)
        });
        bench.deliver(&task).await.unwrap();
        let (record, result) = bench.server.until_result(&task).await;
        assert!(matches!(result.outcome, Outcome::Succeeded), "{:?}", result.outcome);
        used.push(record.assignment.inputs[0].filename.clone());
    }
    let there = names(&bench.base_dir.path().join("engine/input/cm/user001"));
    assert_eq!(there, BTreeSet::from([used[2].clone(), used[3].clone()]));
}
