use bytes::Bytes;
use serde_json::{Value, json};

use super::*;

fn recorded(capture: &str, kind: &str, position: usize) -> Value {
    let capture: Value = serde_json::from_str(capture).unwrap();
    let messages = capture["messages"].as_array().unwrap();
    let found = messages.iter().filter(|message| message["type"] == kind).nth(position).unwrap();
    json!({"type": found["type"], "data": found["data"]})
}

#[test]
fn frames_are_written_as_the_real_server_writes_them() {
    let cached = include_str!("../../tests/captures/ws_all_cached_rerun.json");
    let failed = include_str!("../../tests/captures/ws_execution_error.json");
    let prompt = "491871f2-acbe-4693-82a3-5747bc0dc5a4";
    let nodes: Vec<String> = ["3", "4", "5", "6", "7", "8", "9"].map(str::to_owned).to_vec();
    let output = json!({"images": [{"filename": "ComfyUI_00001_.png", "subfolder": "", "type": "output"}]});
    let error = recorded(failed, "execution_error", 0)["data"].clone();
    let pairs = [
        (status(0, Some("fe8c092075484659baee5e7c7354241c")), recorded(failed, "status", 0)),
        (status(1, None), recorded(cached, "status", 0)),
        (feature_flags(104_857_600), recorded(failed, "feature_flags", 0)),
        (execution_start(prompt, 1_795_425_528_518), recorded(cached, "execution_start", 0)),
        (execution_cached(prompt, &nodes, 1_795_425_528_520), recorded(cached, "execution_cached", 0)),
        (executed(prompt, "9", "9", output), recorded(cached, "executed", 0)),
        (execution_success(prompt, 1_795_425_528_524), recorded(cached, "execution_success", 0)),
        (executing_end(prompt), recorded(cached, "executing", 0)),
        (executing("88030f23-c277-4d2c-a42d-49c7576ddfe5", "5", "5"), recorded(failed, "executing", 0)),
        (execution_error(error), recorded(failed, "execution_error", 0)),
    ];
    for (ours, theirs) in pairs {
        assert_eq!(ours.to_string(), theirs.to_string());
    }
    let interrupts: Value =
        serde_json::from_str(include_str!("../../tests/captures/interrupt.json")).unwrap();
    let messages = interrupts["ws_messages_without_progress_and_previews"].as_array().unwrap();
    let theirs = messages.iter().find(|message| message["type"] == "execution_interrupted").unwrap();
    let executed: Vec<String> = ["7", "4", "5", "6"].map(str::to_owned).to_vec();
    let ours = execution_interrupted(
        "7b4a9bc5-4145-4b24-a863-57c450a677b9",
        "3",
        "KSampler",
        &executed,
        1_795_425_606_604,
    );
    assert_eq!(ours["data"].to_string(), theirs["data"].to_string());
}

#[test]
fn previews_lose_their_metadata_for_old_clients() {
    let metadata = json!({"node_id": "3", "prompt_id": "p", "image_type": "image/png"});
    let image = Bytes::from_static(b"\x89PNG");
    let frame = BinaryFrame::PreviewWithMetadata { metadata: metadata.as_object().unwrap().clone(), image };
    let bytes = frame.to_bytes();
    assert_eq!(&bytes[..4], [0, 0, 0, 4]);
    assert_eq!(BinaryFrame::parse(&bytes).unwrap(), frame);
    assert_eq!(frame_for_client(&bytes, true).unwrap(), bytes);
    assert_eq!(&frame_for_client(&bytes, false).unwrap()[..], b"\0\0\0\x01\0\0\0\x02\x89PNG");

    let text = Bytes::from_static(b"\0\0\0\x03\0\0\0\x011step 0");
    assert_eq!(frame_for_client(&text, false).unwrap(), text);
}

#[test]
fn broken_frames_are_refused() {
    for frame in [
        &b""[..],
        b"\0\0",
        b"\0\0\0\x04",
        b"\0\0\0\x04\0\0\0\x09{}",
        b"\0\0\0\x04\xff\xff\xff\xff{}",
        b"\0\0\0\x01",
    ] {
        assert!(
            matches!(BinaryFrame::parse(&Bytes::from_static(frame)), Err(BinaryFrameError::Truncated)),
            "{frame:?}"
        );
    }
    let frame = Bytes::from_static(b"\0\0\0\x04\0\0\0\x02[]x");
    assert!(matches!(BinaryFrame::parse(&frame), Err(BinaryFrameError::Metadata(_))));
    let frame = Bytes::from_static(b"\0\0\0\x04\0\0\0\x1b{\"image_type\":\"image/webp\"}x");
    assert!(matches!(frame_for_client(&frame, false), Err(BinaryFrameError::Format(_))));
}
