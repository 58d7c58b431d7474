//! Replays prompts that a real ComfyUI 0.3.64 answered, and compares our answers with its.

#![allow(clippy::unwrap_used, reason = "a test that meets what it does not expect fails")]

use std::io::Read;

use comfy_api::annotated_path::{AnnotatedPath, FileKind};
use comfy_api::catalog::{SeatListing, personalise};
use comfy_api::models::{ModelInputs, SeatModels};
use comfy_api::prompt::{PromptError, PromptRequest, prune_prompt};
use comfy_api::rewrite::{ResolvedInput, RewriteError, RewriteOptions, Rewritten, rewrite_prompt};
use comfy_api::validate::{InputFiles, Validated, validate_prompt};
use serde_json::{Map, Value};

/// The files that the recorded machine had.
struct RecordedFiles;

impl InputFiles for RecordedFiles {
    fn exists(&self, file: &AnnotatedPath) -> bool {
        let known = [
            (FileKind::Input, "in.png"),
            (FileKind::Input, "pasted/image.png"),
            (FileKind::Output, "inv_00001_.png"),
        ];
        known.contains(&(file.kind, file.relative().as_str()))
    }
}

fn capture(name: &str) -> Map<String, Value> {
    let path = format!("{}/tests/captures/{name}.json", env!("CARGO_MANIFEST_DIR"));
    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
}

fn catalog() -> Map<String, Value> {
    let path = format!("{}/tests/captures/object_info_0.3.64.json.gz", env!("CARGO_MANIFEST_DIR"));
    let mut text = String::new();
    flate2::read::GzDecoder::new(std::fs::File::open(path).unwrap()).read_to_string(&mut text).unwrap();
    serde_json::from_str(&text).unwrap()
}

fn answer(request: &Value, catalog: &Map<String, Value>) -> Result<Validated, PromptError> {
    let request = PromptRequest::parse(request.to_string().as_bytes())?;
    validate_prompt(&request.prompt, catalog, request.partial_execution_targets.as_deref(), &RecordedFiles)
}

/// A node's errors come in the order of a Python set, which differs from run to run.
fn with_sorted_errors(mut body: Value) -> Value {
    for node in body["node_errors"].as_object_mut().unwrap().values_mut() {
        let errors = node["errors"].as_array_mut().unwrap();
        errors.sort_by_key(|error| error["extra_info"]["input_name"].to_string());
    }
    body
}

#[test]
fn every_recorded_prompt_is_answered_as_comfyui_answered_it() {
    let catalog = catalog();
    let mut replayed = 0;
    for (name, case) in capture("prompt_responses") {
        let Some(request) = case["request"].get("json") else { continue };
        replayed += 1;
        match (answer(request, &catalog), case["status"].as_u64()) {
            (Ok(validated), Some(200)) => {
                let recorded = case["body"]["node_errors"].as_object().unwrap();
                assert_eq!(&validated.node_errors, recorded, "{name}");
            }
            (Err(error), Some(400)) => {
                assert_eq!(error.status, 400, "{name}");
                assert_eq!(
                    with_sorted_errors(error.body),
                    with_sorted_errors(case["body"].clone()),
                    "{name}"
                );
            }
            (ours, theirs) => panic!("{name}: {ours:?} where ComfyUI answered {theirs:?}"),
        }
    }
    assert_eq!(replayed, 12);
}

#[test]
fn faulty_nodes_come_in_the_order_of_the_graph() {
    let case = capture("prompt_responses").remove("several_validation_errors").unwrap();
    let error = answer(&case["request"]["json"], &catalog()).unwrap_err();
    let ids = |body: &Value| body["node_errors"].as_object().unwrap().keys().cloned().collect::<Vec<_>>();
    assert_eq!(ids(&error.body), ids(&case["body"]));
}

#[test]
fn malformed_json_is_explained_where_comfyui_fails() {
    let error = PromptRequest::parse(b"{\"prompt\": ").unwrap_err();
    assert_eq!((error.status, error.kind()), (400, "invalid_json"));
}

/// The seat has no models of its own.
fn no_models() -> SeatModels<'static> {
    static INPUTS: ModelInputs = ModelInputs::new();
    SeatModels { inputs: &INPUTS, own: &[] }
}

fn rewrite(name: &str, catalog: &Map<String, Value>) -> Result<Rewritten, RewriteError> {
    let case = capture("outputs_by_node").remove(name).unwrap();
    let prompt = case["prompt"].as_object().unwrap();
    let options =
        RewriteOptions { output_folder: "cm/job/1", input_folder: "cm/user001", models: no_models() };
    let resolve = |path: &AnnotatedPath| {
        RecordedFiles.exists(path).then(|| ResolvedInput { sha256: "ab12".to_owned(), bytes: 1 })
    };
    rewrite_prompt(prompt, catalog, &options, &resolve)
}

#[test]
fn recorded_graphs_stay_in_their_folders_or_are_refused() {
    let catalog = catalog();
    let mut lines = Vec::new();
    for name in capture("outputs_by_node").keys() {
        match rewrite(name, &catalog) {
            Ok(rewritten) => {
                let values = rewritten.prompt.values().filter_map(|node| node["inputs"].as_object());
                let moved = values
                    .flat_map(Map::iter)
                    .filter(|(_, value)| value.as_str().is_some_and(|text| text.starts_with("cm/")));
                let moved: Vec<String> = moved.map(|(input, value)| format!("{input}={value}")).collect();
                let shown = if moved.is_empty() { "none".to_owned() } else { moved.join(" ") };
                lines.push(format!("{name}: {shown}"));
            }
            Err(error) => lines.push(format!("{name}: {error}")),
        }
    }
    insta::assert_snapshot!(lines.join("\n"), @r#"
    load_invert_save: image="cm/user001/ab12.png" filename_prefix="cm/job/1/inv"
    load_from_subfolder_and_annotations: image="cm/user001/ab12.png" filename_prefix="cm/job/1/user001/job42/out"
    load_from_output_annotation: image="cm/user001/ab12.png"
    batch_of_3_prefix_with_date_vars: filename_prefix="cm/job/1/%year%-%month%-%day%/%width%x%height%"
    scale_to_preview: none
    solid_mask_to_image: filename_prefix="cm/job/1/mask"
    animated_webp: filename_prefix="cm/job/1/anim"
    animated_png: filename_prefix="cm/job/1/anim"
    create_save_video: filename_prefix="cm/job/1/video/ComfyUI"
    save_webm: filename_prefix="cm/job/1/webm"
    empty_audio_save: filename_prefix="cm/job/1/audio/ComfyUI"
    preview_any_text: none
    prefix_traversal: node 3, input filename_prefix: the prefix must not contain `..`: files are saved in your own output folder
    load_traversal: node 1, input image: the path must not contain `.` or `..`
    load_absolute_path: node 1, input image: the path must be relative
    string_concat_no_ui: filename_prefix="cm/job/1/latents/ComfyUI"
    "#);
}

#[test]
fn traversal_is_refused_before_it_reaches_the_engine() {
    let catalog = catalog();
    for name in ["load_traversal", "load_absolute_path"] {
        let case = capture("outputs_by_node").remove(name).unwrap();
        let error =
            validate_prompt(case["prompt"].as_object().unwrap(), &catalog, None, &RecordedFiles).unwrap_err();
        let reported = error.body.pointer("/node_errors/1/errors/0/type").unwrap();
        assert_eq!(reported, "custom_validation_failed", "{name}");
    }
}

#[test]
fn every_other_recorded_graph_is_accepted_unchanged() {
    let catalog = catalog();
    for (name, case) in capture("outputs_by_node") {
        if name.starts_with("load_traversal") || name.starts_with("load_absolute") {
            continue;
        }
        let prompt = case["prompt"].as_object().unwrap();
        let validated = validate_prompt(prompt, &catalog, None, &RecordedFiles).unwrap();
        assert_eq!(validated.node_errors, Map::new(), "{name}");
        assert_eq!(&validated.prompt, prompt, "{name}");
        assert_eq!(&prune_prompt(prompt, &validated.outputs), prompt, "{name}");
    }
}

#[test]
fn a_seats_catalog_shows_nothing_of_the_recorded_input_folder() {
    let recorded = catalog();
    let listing = SeatListing { inputs: vec!["mine.png".to_owned()], outputs: Vec::new() };
    let seen = personalise(&recorded, &listing, no_models(), "/user/user001/comfy");
    let (before, after) = (Value::Object(recorded).to_string(), Value::Object(seen).to_string());
    for name in ["in (1).png", "clip.mp4", "x.html", "\"clipspace\"", "\"a/b\"", "\"/internal/files/output\""]
    {
        assert!(before.contains(name) && !after.contains(name), "{name}");
    }
    assert!(after.contains(r#"[["mine.png"],{"image_upload":true}]"#));
    assert!(after.contains("\"/user/user001/comfy/internal/files/output\""));
}
