//! The editor's settings: one JSON object in `user/comfy.settings.json`, replaced as a whole.

use std::io::Read;

use cap_std::fs::{Dir, OpenOptions};
use serde_json::{Map, Value};

use super::error::FilesError;
use super::read::OpenFile;
use super::seat::{SeatFiles, SeatShared, lock};

const PATH: &str = "user/comfy.settings.json";

/// The largest settings file, and so the largest value in it. ComfyUI's own is a few kilobytes.
pub const MAX_SETTINGS_BYTES: u64 = 2 * 1024 * 1024;

impl SeatFiles {
    /// All settings; none are an empty object.
    pub async fn settings(&self) -> Result<Map<String, Value>, FilesError> {
        self.blocking(|_, folder| read_settings(folder)).await
    }

    /// Adds `changes` to the settings, each replacing the whole value of its key.
    pub async fn change_settings(&self, changes: Map<String, Value>) -> Result<(), FilesError> {
        self.blocking(move |shared, folder| {
            let _changing = lock(&shared.changing_settings);
            let mut settings = read_settings(folder)?;
            settings.extend(changes);
            shared.write_settings(folder, &settings)
        })
        .await
    }
}

fn read_settings(folder: &Dir) -> Result<Map<String, Value>, FilesError> {
    let open = match OpenFile::open(folder, PATH) {
        Err(FilesError::NotFound) => return Ok(Map::new()),
        open => open?,
    };
    let mut text = Vec::new();
    open.file.take(MAX_SETTINGS_BYTES).read_to_end(&mut text).map_err(FilesError::of("read the settings"))?;
    match comfy_api::json::from_slice(&text) {
        Ok(Value::Object(settings)) => Ok(settings),
        // A broken file must not lock its owner out of the editor; ComfyUI starts afresh as well.
        Ok(_) => {
            tracing::error!(path = PATH, "the settings are no JSON object; starting afresh");
            Ok(Map::new())
        }
        Err(error) => {
            tracing::error!(path = PATH, %error, "the settings are no JSON; starting afresh");
            Ok(Map::new())
        }
    }
}

impl SeatShared {
    fn write_settings(&self, folder: &Dir, settings: &Map<String, Value>) -> Result<(), FilesError> {
        let failed = FilesError::of("write the settings");
        let text = serde_json::to_vec_pretty(settings).map_err(|error| failed(error.into()))?;
        if text.len() as u64 > MAX_SETTINGS_BYTES {
            return Err(FilesError::TooLarge { limit_bytes: MAX_SETTINGS_BYTES });
        }
        let temporary = self.incoming_path();
        let mut options = OpenOptions::new();
        options.write(true).create_new(true);
        let mut file = folder.open_with(&temporary, &options).map_err(&failed)?;
        let written = std::io::Write::write_all(&mut file, &text)
            .and_then(|()| folder.rename(&temporary, folder, PATH));
        if written.is_err()
            && let Err(error) = folder.remove_file(&temporary)
        {
            tracing::warn!(%error, "a temporary file could not be removed; the next start removes it");
        }
        written.map_err(&failed)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::test_seat::TestSeat;
    use super::*;

    fn object(value: Value) -> Map<String, Value> {
        value.as_object().unwrap().clone()
    }

    #[tokio::test]
    async fn settings_are_merged_by_key() {
        let seat = TestSeat::new().await;
        assert!(seat.files.settings().await.unwrap().is_empty());
        let first = json!({"Comfy.Locale": "en", "Comfy.Keys": {"a": 1}});
        seat.files.change_settings(object(first)).await.unwrap();
        seat.files.change_settings(object(json!({"Comfy.Keys": {"b": 2}, "x": null}))).await.unwrap();
        let expected = json!({"Comfy.Locale": "en", "Comfy.Keys": {"b": 2}, "x": null});
        assert_eq!(seat.files.settings().await.unwrap(), object(expected));
        assert!(seat.names("incoming").is_empty());
    }

    #[tokio::test]
    async fn changes_at_once_are_all_kept() {
        let seat = TestSeat::new().await;
        let changes: Vec<_> = (0..20)
            .map(|number| {
                let files = seat.files.clone();
                tokio::spawn(async move {
                    files.change_settings(object(json!({number.to_string(): number}))).await
                })
            })
            .collect();
        for change in changes {
            change.await.unwrap().unwrap();
        }
        assert_eq!(seat.files.settings().await.unwrap().len(), 20);
    }

    #[tokio::test]
    async fn a_broken_file_starts_afresh() {
        let seat = TestSeat::new().await;
        for broken in ["", "{", "[1]"] {
            seat.write(PATH, broken);
            assert!(seat.files.settings().await.unwrap().is_empty(), "{broken:?}");
        }
        seat.files.change_settings(object(json!({"a": 1}))).await.unwrap();
        assert_eq!(seat.files.settings().await.unwrap(), object(json!({"a": 1})));
    }

    #[tokio::test]
    async fn settings_do_not_grow_without_bound() {
        let seat = TestSeat::new().await;
        seat.files.change_settings(object(json!({"a": 1}))).await.unwrap();
        let large = "x".repeat(MAX_SETTINGS_BYTES as usize);
        let refused = seat.files.change_settings(object(json!({"b": large}))).await;
        assert!(matches!(refused, Err(FilesError::TooLarge { .. })));
        assert_eq!(seat.files.settings().await.unwrap(), object(json!({"a": 1})));
        assert!(seat.names("incoming").is_empty());
    }
}
