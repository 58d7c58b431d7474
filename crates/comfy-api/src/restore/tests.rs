use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::annotated_path::AnnotatedPath;

fn names() -> EngineNames {
    let input = RewrittenInput {
        path: AnnotatedPath::parse("pasted/photo.png").unwrap(),
        sha256: "ab12".to_owned(),
        bytes: 3,
        subfolder: "cm/user001".to_owned(),
        filename: "ab12.png".to_owned(),
    };
    EngineNames::new(&[input], "cm/job/1", &["cm1-join-9".to_owned()])
        .with_nodes(["5".to_owned(), "9".to_owned()])
        .with_roots(["/srv/engine".to_owned()])
}

#[test]
fn an_error_speaks_of_the_seats_own_files() {
    let mut event = json!({"type": "execution_error", "data": {
        "prompt_id": "p", "node_id": "cm1-join-9", "node_type": "StringConcatenate",
        "executed": ["5", "cm1-join-9"], "current_outputs": ["5", "5.0.1", "77"],
        "exception_message": "cannot read /opt/My Models/x.bin, [Errno 2] No such file: '/opt/My UI/in/y.png'",
        "exception_type": "FileNotFoundError",
        "traceback": ["  File \"/opt/ComfyUI/execution.py\", line 496, in execute\n    x = a/b\n"],
        "current_inputs": {"image": ["cm/user001/ab12.png"], "filename_prefix": ["cm/job/1/a/b"], "url": ["https://example.org/a/b"]},
    }});
    assert!(restore_event(&mut event, &names()));
    assert_eq!(
        event["data"],
        json!({
            "prompt_id": "p", "node_id": "9", "node_type": "StringConcatenate",
            "executed": ["5"], "current_outputs": ["5", "5.0.1"],
            "exception_message": "cannot read My Models/x.bin, [Errno 2] No such file: 'y.png'",
            "exception_type": "FileNotFoundError",
            "traceback": ["  File \"execution.py\", line 496, in execute\n    x = a/b\n"],
            "current_inputs": {"image": ["pasted/photo.png"], "filename_prefix": ["a/b"], "url": ["https://example.org/a/b"]},
        })
    );
}

#[test]
fn engine_names_are_found_behind_absolute_paths() {
    let mut text = json!("open('/srv/engine/input/cm/user001/ab12.png') and C:\\comfy\\output\\cm/job/1/x");
    restore_value(&mut text, &names(), false);
    assert_eq!(text, "open('pasted/photo.png') and x");
    let mut kept = json!("cm/job/12 and /home/me in my prompt");
    restore_value(&mut kept, &names(), false);
    assert_eq!(kept, "cm/job/12 and /home/me in my prompt");
}

#[test]
fn events_of_added_nodes_are_not_the_participants() {
    let mut executing =
        json!({"type": "executing", "data": {"node": "cm1-join-9", "display_node": "cm1-join-9"}});
    assert!(!restore_event(&mut executing, &names()));
    let mut progress = json!({"type": "progress_state", "data": {"nodes": {"cm1-join-9": {}, "9": {}}}});
    assert!(restore_event(&mut progress, &names()));
    assert_eq!(progress["data"]["nodes"], json!({"9": {}}));
    let mut cached = json!({"type": "execution_cached", "data": {"nodes": ["5", "cm1-join-9"]}});
    assert!(restore_event(&mut cached, &names()));
    assert_eq!(cached["data"]["nodes"], json!(["5"]));
    let mut end = json!({"type": "executing", "data": {"node": null, "prompt_id": "p"}});
    assert!(restore_event(&mut end, &names()));
}

#[test]
fn models_are_called_as_the_seat_does_and_others_not_at_all() {
    let own = OwnModel {
        folder: "loras".into(),
        name: "style.safetensors".into(),
        sha256: "a".repeat(64),
        bytes: 1,
    };
    let (mine, theirs) = (own.engine_name(), format!("cm/{}.safetensors", "b".repeat(64)));
    let names = names().with_models(&[own]);
    let mut text = json!(format!(
        "'{mine}' of ['{mine}', '{theirs}', 'cm/probe-loras.safetensors', 'cm/other'], /srv/m/loras/{mine}, embedding:{mine}"
    ));
    restore_value(&mut text, &names, false);
    let seen = "'mine/style.safetensors' of ['mine/style.safetensors', '…', '…', 'cm/other'], mine/style.safetensors, embedding:mine/style.safetensors";
    assert_eq!(text, seen);
}

fn placed(path: &str, subfolder: &str, filename: &str) -> RewrittenInput {
    RewrittenInput {
        path: AnnotatedPath::parse(path).unwrap(),
        sha256: "ab12".to_owned(),
        bytes: 3,
        subfolder: subfolder.to_owned(),
        filename: filename.to_owned(),
    }
}

#[test]
fn a_name_of_the_participants_that_looks_like_ours_is_given_back() {
    let hash = "a".repeat(64);
    for name in ["x.cm/job/1/y.png".to_owned(), format!("cm/{hash}.png"), "cm/user001/ab12.png".to_owned()] {
        let inputs = [placed(&name, "cm/user001", "cd34.png"), placed("other.png", "cm/user001", "ab12.png")];
        let names = EngineNames::new(&inputs, "cm/job/1", &[]);
        let mut text = json!("/srv/in/cm/user001/cd34.png, cm/user001/ab12.png");
        restore_value(&mut text, &names, false);
        assert_eq!(text, format!("{name}, other.png"));
    }
}

#[test]
fn one_content_in_two_folders_is_called_by_both_names() {
    let inputs = [placed("x.glb", "cm/user001", "ab12.glb"), placed("3d/x.glb", "3d/cm/user001", "ab12.glb")];
    let mut text = json!("3d/cm/user001/ab12.glb, cm/user001/ab12.glb");
    restore_value(&mut text, &EngineNames::new(&inputs, "cm/job/1", &[]), false);
    assert_eq!(text, "3d/x.glb, x.glb");
}

proptest! {
    #[test]
    fn texts_without_a_path_stay(text in "[^/\\\\~]{0,40}") {
        prop_assert_eq!(redact_absolute_paths(&text), text);
    }

    #[test]
    fn any_text_is_restored(text in "[a:é/\\\\~. '\"\n…]{0,20}", root in "/[aé]{2,3}") {
        let mut value = json!({"type": "execution_error", "data": {"exception_message": format!("{text}{root}/x{text}")}});
        let names = names().with_roots([root]);
        prop_assert!(restore_event(&mut value, &names));
    }

    #[test]
    fn no_absolute_path_passes(
        before in "[ ='\"(\\[,:>]?",
        folders in proptest::collection::vec("[a-zA-Z0-9_.-]{1,8}", 2..5),
        after in "[ '\")\\],:]?[a-z]{0,4}",
        root in prop_oneof![Just("/"), Just("//"), Just("C:\\"), Just("C:/"), Just("file:///")],
    ) {
        let path = format!("{root}{}", folders.join("/"));
        let mut event = json!({"type": "execution_error", "data": {
            "exception_message": format!("{before}{path}{after}"), "traceback": [format!("File \"{path}\", line 1")],
        }});
        prop_assert!(restore_event(&mut event, &EngineNames::default()));
        let lead = format!("{root}{}/", folders[0]);
        prop_assert!(!event.to_string().contains(&lead.replace('\\', "\\\\")), "{}", event);
    }
}
