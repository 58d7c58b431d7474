//! No path leads from one seat's folder to anything else.

use domain::SeatId;

use super::test_seat::TestSeat;
use super::{
    Depth, Existing, FileLocation, FileName, FilesError, FolderKind, SameName, SeatFolders, SeatPath, Upload,
};

/// Spellings that have led out of some file server.
const ESCAPES: [&str; 12] = [
    "..",
    "../user002/input/secret.txt",
    "../../outside.txt",
    "a/../../user002",
    "./../user002",
    "a/..",
    "/etc/passwd",
    "//etc/passwd",
    "..\\user002",
    "a\\..\\..\\user002",
    "secret\0.txt",
    "a/\u{7f}b",
];

#[test]
fn every_way_out_is_refused_as_a_path() {
    for text in ESCAPES {
        assert!(SeatPath::parse(text).is_err(), "{text:?}");
        assert!(FileName::parse(text).is_err(), "{text:?}");
        assert!(FileLocation::parse(FolderKind::Input, text, "x.png").is_err(), "{text:?}");
        assert!(FileLocation::parse(FolderKind::Input, "", text).is_err(), "{text:?}");
    }
}

#[test]
fn an_encoded_way_out_is_only_an_odd_name() {
    for text in ["..%2F..%2Fx.png", "%2e%2e%2fx", "..%5Cx"] {
        assert_eq!(SeatPath::parse(text).unwrap().as_str(), text);
    }
}

#[tokio::test]
async fn seats_do_not_see_each_other() {
    let seat = TestSeat::new().await;
    let other = seat.folders.seat(SeatId::new(2).unwrap()).await.unwrap();
    seat.write("input/mine.png", "mine");
    assert_eq!(seat.files.list_names(FolderKind::Input).await.unwrap(), ["mine.png"]);
    assert!(other.list_names(FolderKind::Input).await.unwrap().is_empty());
    let location = FileLocation::parse(FolderKind::Input, "", "mine.png").unwrap();
    assert!(matches!(other.open(&location).await, Err(FilesError::NotFound)));
}

#[cfg(unix)]
#[tokio::test]
async fn links_out_of_the_folder_lead_nowhere() {
    use std::os::unix::fs::symlink;

    let seat = TestSeat::new().await;
    std::fs::write(seat.outside("outside.txt"), "secret").unwrap();
    symlink(seat.outside("outside.txt"), seat.path("input/file.txt")).unwrap();
    symlink(seat.outside(""), seat.path("input/folder")).unwrap();
    symlink("../../../", seat.path("user/up")).unwrap();

    for (subfolder, name) in [("", "file.txt"), ("folder", "outside.txt")] {
        let location = FileLocation::parse(FolderKind::Input, subfolder, name).unwrap();
        assert!(matches!(seat.files.open(&location).await, Err(FilesError::NotFound)), "{name}");
        assert!(seat.files.content_hash(&location).await.is_err());
    }
    assert!(seat.files.list_names(FolderKind::Input).await.unwrap().is_empty());
    let up = SeatPath::parse("up").unwrap();
    assert!(matches!(seat.files.list_userdata(up, Depth::All).await, Err(FilesError::NotFound)));
    assert!(seat.files.list_userdata(SeatPath::default(), Depth::All).await.unwrap().is_empty());

    for (folder, name) in [("folder", "new.txt"), ("folder/below", "new.txt")] {
        let received = seat.files.receive_bytes(b"x").await.unwrap();
        let upload = Upload {
            kind: FolderKind::Input,
            subfolder: SeatPath::parse(folder).unwrap(),
            name: FileName::parse(name).unwrap(),
            same_name: SameName::Replace,
        };
        assert!(seat.files.store_upload(received, upload).await.is_err(), "{folder}");
    }
    let received = seat.files.receive_bytes(b"x").await.unwrap();
    let path = SeatPath::parse("up/new.json").unwrap();
    assert!(seat.files.store_userdata(received, path, Existing::Replace).await.is_err());
    assert!(!seat.outside("new.txt").exists());
    assert!(!seat.outside("below").exists());
    assert!(!seat.outside("new.json").exists());
}

#[cfg(unix)]
#[tokio::test]
async fn replacing_a_link_leaves_what_it_points_to() {
    use std::os::unix::fs::symlink;

    let seat = TestSeat::new().await;
    std::fs::write(seat.outside("outside.txt"), "secret").unwrap();
    symlink(seat.outside("outside.txt"), seat.path("input/file.txt")).unwrap();
    let received = seat.files.receive_bytes(b"mine").await.unwrap();
    let upload = Upload {
        kind: FolderKind::Input,
        subfolder: SeatPath::default(),
        name: FileName::parse("file.txt").unwrap(),
        same_name: SameName::Replace,
    };
    seat.files.store_upload(received, upload).await.unwrap();
    assert_eq!(seat.read("input/file.txt"), "mine");
    assert_eq!(std::fs::read_to_string(seat.outside("outside.txt")).unwrap(), "secret");
}

#[tokio::test]
async fn what_a_stopped_server_left_half_written_is_cleared() {
    let seat = TestSeat::new().await;
    seat.write("incoming/7", "half");
    seat.write("input/kept.png", "kept");
    let folders = SeatFolders::open(&seat.outside("")).unwrap();
    let files = folders.seat(SeatId::new(1).unwrap()).await.unwrap();
    assert_eq!(files.list_names(FolderKind::Input).await.unwrap(), ["kept.png"]);
    assert!(seat.names("incoming").is_empty());
}
