//! What an editor says on its socket: once, which features it has.
//!
//! Of `comfy_api` and `serde_json` alone, so that `make fuzz` builds it without the server.

use comfy_api::{events, json};
use serde_json::Value;

/// What this client said it understands.
#[derive(Default)]
pub(super) struct Client {
    has_spoken: bool,
    pub(super) previews_with_metadata: bool,
}

impl Client {
    /// Answers the feature flags, which count only as the first message.
    pub(super) fn hear(&mut self, text: &str, max_upload_bytes: usize) -> Option<String> {
        if std::mem::replace(&mut self.has_spoken, true) {
            return None;
        }
        let message: Value = json::from_str(text).ok()?;
        if message.get("type")? != "feature_flags" {
            return None;
        }
        self.previews_with_metadata =
            message.pointer("/data/supports_preview_metadata") == Some(&Value::Bool(true));
        Some(events::feature_flags(max_upload_bytes as u64).to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flags_count_only_as_the_first_message() {
        let flags = r#"{"type": "feature_flags", "data": {"supports_preview_metadata": true}}"#;
        let mut client = Client::default();
        assert!(client.hear(flags, 7).unwrap().contains(r#""max_upload_size":7"#));
        assert!(client.previews_with_metadata);
        for first in ["", "7", "[]", r#"{"type": 1}"#, &"[".repeat(100_000)] {
            let mut client = Client::default();
            assert_eq!(client.hear(first, 7), None, "{first:.20}");
            assert_eq!(client.hear(flags, 7), None);
            assert!(!client.previews_with_metadata);
        }
    }
}
