//! Models that a participant brought, each below its ComfyUI model folder.

use super::error::FilesError;
use super::incoming::ReceivedFile;
use super::path::FileName;
use super::read::OpenFile;
use super::seat::SeatFiles;

const MODELS: &str = "models";

impl SeatFiles {
    /// Puts a received model in its place, over one of the same name.
    pub async fn place_model(
        &self,
        received: ReceivedFile,
        folder: &FileName,
        name: &FileName,
    ) -> Result<(), FilesError> {
        let (parent, place) = (format!("{MODELS}/{folder}"), model_path(folder, name));
        self.blocking(move |shared, seat| {
            let _choosing = shared.choose_name();
            seat.create_dir_all(parent).map_err(FilesError::of("make a model folder"))?;
            received.move_to(seat, &place)
        })
        .await
    }

    /// Opens a model for reading. One that is replaced meanwhile is read to its end as it was.
    pub async fn open_model(&self, folder: &FileName, name: &FileName) -> Result<OpenFile, FilesError> {
        let path = model_path(folder, name);
        self.blocking(move |_, seat| OpenFile::open(seat, &path)).await
    }
}

/// The path below the seat's folder.
pub(super) fn model_path(folder: &FileName, name: &FileName) -> String {
    format!("{MODELS}/{folder}/{name}")
}

#[cfg(test)]
mod tests {
    use super::super::test_seat::TestSeat;
    use super::*;

    fn name(text: &str) -> FileName {
        FileName::parse(text).unwrap()
    }

    async fn place(seat: &TestSeat, content: &str) -> Result<(), FilesError> {
        let received = seat.files.receive_bytes(content.as_bytes()).await.unwrap();
        seat.files.place_model(received, &name("loras"), &name("a.safetensors")).await
    }

    #[tokio::test]
    async fn a_model_lies_in_its_folder_and_replaces_its_namesake() {
        let seat = TestSeat::new().await;
        place(&seat, "first").await.unwrap();
        let open = seat.files.open_model(&name("loras"), &name("a.safetensors")).await.unwrap();
        place(&seat, "second").await.unwrap();
        assert_eq!(seat.read("models/loras/a.safetensors"), "second");
        assert_eq!(std::io::read_to_string(open.file).unwrap(), "first");
        let absent = seat.files.open_model(&name("vae"), &name("a.safetensors")).await;
        assert!(matches!(absent, Err(FilesError::NotFound)));
    }

    #[cfg(unix)]
    #[tokio::test]
    async fn a_link_leads_no_model_out_of_the_seat() {
        let seat = TestSeat::new().await;
        std::fs::create_dir_all(seat.outside("elsewhere")).unwrap();
        std::fs::create_dir_all(seat.path("models")).unwrap();
        std::os::unix::fs::symlink(seat.outside("elsewhere"), seat.path("models/loras")).unwrap();
        assert!(place(&seat, "x").await.is_err());
        assert!(std::fs::read_dir(seat.outside("elsewhere")).unwrap().next().is_none());
    }
}
