//! What engines and editors say on their sockets: ComfyUI's frames, its events, feature flags.
#![no_main]

use bytes::Bytes;
use comfy_api::events::{BinaryFrame, frame_for_client};
use comfy_api::restore::{EngineNames, restore_event};
use libfuzzer_sys::fuzz_target;
use serde_json::Value;

#[path = "../../server/src/comfy/editor_client.rs"]
mod editor_client;

fuzz_target!(|frame: &[u8]| {
    let bytes = Bytes::copy_from_slice(frame);
    if let Ok(parsed) = BinaryFrame::parse(&bytes) {
        let written = parsed.to_bytes();
        match (&parsed, BinaryFrame::parse(&written)) {
            (
                BinaryFrame::PreviewWithMetadata { metadata, image },
                Ok(BinaryFrame::PreviewWithMetadata { metadata: read, image: same }),
            ) => {
                assert!(fuzz::is_same(&metadata.clone().into(), &read.into()) && *image == same);
            }
            (parsed, read) => assert_eq!(read.ok().as_ref(), Some(parsed)),
        }
    }
    assert_eq!(frame_for_client(&bytes, true).ok(), Some(bytes.clone()));
    if let Ok(plain) = frame_for_client(&bytes, false) {
        assert!(plain.len() <= bytes.len().max(8));
        assert_eq!(frame_for_client(&plain, false).ok(), Some(plain));
    }
    let Ok(text) = std::str::from_utf8(frame) else { return };
    hear(text);
    if let Ok(mut event) = serde_json::from_str::<Value>(text) {
        let names = EngineNames::new(&[], "cm/job/1", &["cm1-join-9".to_owned()])
            .with_nodes(["9".to_owned()])
            .with_roots(["/srv/engine".to_owned()]);
        if restore_event(&mut event, &names)
            && let Some(data) = event.get("data")
        {
            assert!(!shows_root(data), "the engine's folder is shown");
        }
    }
});

/// Whether a text in `value` holds the engine's folder as a whole name.
fn shows_root(value: &Value) -> bool {
    match value {
        Value::String(text) => text.match_indices("/srv/engine").any(|(start, root)| {
            let next = text[start + root.len()..].chars().next();
            next.is_none_or(|next| matches!(next, '/' | '\\' | ' ' | '"' | '\''))
        }),
        Value::Array(items) => items.iter().any(shows_root),
        Value::Object(members) => members.values().any(shows_root),
        _ => false,
    }
}

fn hear(text: &str) {
    let mut client = editor_client::Client::default();
    if let Some(reply) = client.hear(text, 1) {
        assert!(reply.contains("feature_flags"));
    } else {
        assert!(!client.previews_with_metadata);
    }
    assert_eq!(client.hear(text, 1), None);
}
