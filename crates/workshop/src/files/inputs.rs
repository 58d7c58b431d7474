//! The seat's input files, as the Files tab lists them.

use super::error::FilesError;
use super::location::FolderKind;
use super::path::SeatPath;
use super::seat::SeatFiles;
use super::userdata::{Depth, UserEntry, UserFile, walk};

impl SeatFiles {
    /// All input files, newest first, with paths below the input folder.
    pub async fn list_inputs(&self) -> Result<Vec<UserFile>, FilesError> {
        self.blocking(|_, folder| {
            let input =
                folder.open_dir(FolderKind::Input.as_str()).map_err(FilesError::of("open a folder"))?;
            let entries = walk(&input, &SeatPath::default(), Depth::All, |_| true)?;
            let mut files: Vec<UserFile> = entries.into_iter().filter_map(UserEntry::into_file).collect();
            files.sort_by(|file, other| {
                other.modified_at.cmp(&file.modified_at).then_with(|| file.path.cmp(&other.path))
            });
            Ok(files)
        })
        .await
    }
}

#[cfg(test)]
mod tests {
    use super::super::test_seat::TestSeat;

    #[tokio::test]
    async fn the_newest_come_first_from_all_folders() {
        let seat = TestSeat::new().await;
        for (age, name) in ["b.png", "pasted/a.png", "c.mp4"].into_iter().enumerate() {
            seat.write(&format!("input/{name}"), name);
            seat.set_age(&format!("input/{name}"), age as u64);
        }
        let files = seat.files.list_inputs().await.unwrap();
        let listed: Vec<_> = files.iter().map(|file| (file.path.as_str(), file.bytes)).collect();
        assert_eq!(listed, [("c.mp4", 5), ("pasted/a.png", 12), ("b.png", 5)]);
    }
}
