//! Files that the workshop gives to a seat, never over what the participant made of them.

use super::error::FilesError;
use super::incoming::ReceivedFile;
use super::path::SeatPath;
use super::read::ContentHash;
use super::seat::SeatFiles;
use super::userdata::user_path;

/// What the seat has now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Given {
    /// The version that was to be given.
    Current,
    /// What the participant made of it: a file of their own, a changed one, or none at all.
    Left,
}

impl SeatFiles {
    /// Puts a version of a file into the user directory. `before` is the hash of the version
    /// that the seat was given before: only an untouched copy of it is replaced, and where
    /// it is gone it stays gone. One that the seat was never given takes nobody's place.
    pub async fn give_userdata(
        &self,
        received: ReceivedFile,
        path: SeatPath,
        before: Option<String>,
    ) -> Result<Given, FilesError> {
        self.blocking(move |shared, folder| {
            let place = user_path(&path);
            // Held from looking to replacing, so that no save of the participant falls between.
            let _choosing = shared.choose_name();
            let found = match shared.content_hash(folder, &place) {
                Ok(ContentHash { sha256, .. }) => Some(sha256),
                Err(FilesError::NotFound) => None,
                Err(FilesError::IsFolder | FilesError::IsFile) => return Ok(Given::Left),
                Err(error) => return Err(error),
            };
            if found.as_deref() == Some(received.sha256()) {
                return Ok(Given::Current);
            }
            if found != before {
                return Ok(Given::Left);
            }
            folder.create_dir_all(user_path(&path.parent())).map_err(FilesError::of("make a folder"))?;
            received.move_to(folder, &place)?;
            Ok(Given::Current)
        })
        .await
    }
}

#[cfg(test)]
mod tests {
    use super::super::test_seat::TestSeat;
    use super::*;

    const PLACE: &str = "user/workflows/a/b.json";

    async fn give(seat: &TestSeat, content: &str, before: Option<&str>) -> Given {
        let received = seat.files.receive_bytes(content.as_bytes()).await.unwrap();
        let path = SeatPath::parse_file("workflows/a/b.json").unwrap();
        let before = match before {
            Some(text) => Some(seat.files.receive_bytes(text.as_bytes()).await.unwrap().sha256().to_owned()),
            None => None,
        };
        seat.files.give_userdata(received, path, before).await.unwrap()
    }

    #[tokio::test]
    async fn a_new_file_is_placed_and_an_untouched_one_replaced() {
        let seat = TestSeat::new().await;
        assert_eq!(give(&seat, "one", None).await, Given::Current);
        assert_eq!(seat.read(PLACE), "one");
        assert_eq!(give(&seat, "two", Some("one")).await, Given::Current);
        assert_eq!(seat.read(PLACE), "two");
        assert_eq!(give(&seat, "two", Some("two")).await, Given::Current);
    }

    #[tokio::test]
    async fn what_the_participant_made_of_it_stays() {
        let seat = TestSeat::new().await;
        seat.write(PLACE, "mine");
        assert_eq!(give(&seat, "one", None).await, Given::Left);
        assert_eq!(give(&seat, "two", Some("one")).await, Given::Left);
        assert_eq!(seat.read(PLACE), "mine");
        std::fs::remove_file(seat.path(PLACE)).unwrap();
        assert_eq!(give(&seat, "two", Some("one")).await, Given::Left);
        assert!(!seat.path(PLACE).exists());
    }

    #[tokio::test]
    async fn a_link_leads_nowhere_else() {
        let seat = TestSeat::new().await;
        std::fs::write(seat.outside("victim.json"), "victim").unwrap();
        std::fs::create_dir_all(seat.path("user/workflows/a")).unwrap();
        std::os::unix::fs::symlink(seat.outside("victim.json"), seat.path(PLACE)).unwrap();
        let _either = give(&seat, "one", None).await;
        assert_eq!(std::fs::read_to_string(seat.outside("victim.json")).unwrap(), "victim");
    }
}
