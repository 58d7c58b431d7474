//! Bringing input files to ComfyUI and fetching what it made.

use std::time::Duration;

use bytes::Bytes;
use futures::{Stream, TryStreamExt};
use reqwest::multipart::{Form, Part};
use serde::Deserialize;

use super::{ClientError, ComfyClient};

/// How long one file may take on its way to or from the ComfyUI next door.
const FILE_LIMIT: Duration = Duration::from_secs(1800);

/// Where an input file goes below ComfyUI's input folder.
#[derive(Debug, Clone, Copy)]
pub struct UploadInput<'a> {
    pub subfolder: &'a str,
    pub filename: &'a str,
    pub bytes: u64,
    pub if_there: IfThere,
}

/// What ComfyUI does where there is a file of that name with another content. One with the same
/// content it leaves as it is, unless it is told to overwrite.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum IfThere {
    /// It stores the new one under another name, and answers with that.
    Rename,
    /// It writes over the old one, in place: whoever reads that meanwhile reads a torn file.
    Overwrite,
}

/// A file that ComfyUI has, as it names it itself.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Deserialize)]
pub struct StoredFile {
    #[serde(alias = "name")]
    pub filename: String,
    #[serde(default)]
    pub subfolder: String,
    /// `input`, `output` or `temp`.
    #[serde(rename = "type")]
    pub kind: String,
}

impl ComfyClient {
    /// Streams a file into the input folder; ComfyUI says under which name it is there.
    pub async fn upload_input(
        &self,
        place: UploadInput<'_>,
        content: impl Into<reqwest::Body>,
    ) -> Result<StoredFile, ClientError> {
        const CALL: &str = "/upload/image";
        let file = Part::stream_with_length(content, place.bytes).file_name(place.filename.to_owned());
        let overwrite = if place.if_there == IfThere::Overwrite { "true" } else { "false" };
        let form = Form::new()
            .text("type", "input")
            .text("subfolder", place.subfolder.to_owned())
            .text("overwrite", overwrite)
            .part("image", file);
        let request = self.http.post(self.url(CALL)).multipart(form).timeout(FILE_LIMIT);
        let body = Self::send(request, CALL).await?.bytes().await;
        let body = body.map_err(|source| ClientError::Transport { call: CALL.to_owned(), source })?;
        serde_json::from_slice(&body).map_err(|source| ClientError::Decode { call: CALL.to_owned(), source })
    }

    /// Opens a file for reading: its size, where ComfyUI says it, and its bytes.
    pub async fn view(
        &self,
        file: &StoredFile,
    ) -> Result<(Option<u64>, impl Stream<Item = Result<Bytes, ClientError>> + Send + use<>), ClientError>
    {
        const CALL: &str = "/view";
        let query = [("filename", &file.filename), ("subfolder", &file.subfolder), ("type", &file.kind)];
        let request = self.http.get(self.url(CALL)).query(&query).timeout(FILE_LIMIT);
        let response = Self::send(request, CALL).await?;
        let length = response.content_length();
        let bytes = response
            .bytes_stream()
            .map_err(|source| ClientError::Transport { call: CALL.to_owned(), source });
        Ok((length, bytes))
    }
}
