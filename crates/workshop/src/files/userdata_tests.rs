use super::test_seat::TestSeat;
use super::{Depth, Existing, FilesError, SeatPath, UserEntry, UserFile};

fn path(text: &str) -> SeatPath {
    SeatPath::parse(text).unwrap()
}

async fn store(seat: &TestSeat, to: &str, content: &str, existing: Existing) -> Result<UserFile, FilesError> {
    let received = seat.files.receive_bytes(content.as_bytes()).await.unwrap();
    seat.files.store_userdata(received, path(to), existing).await
}

async fn names(seat: &TestSeat, folder: &str, depth: Depth) -> Vec<String> {
    let files = seat.files.list_userdata(path(folder), depth).await.unwrap();
    files.into_iter().map(|file| file.path.to_string()).collect()
}

#[tokio::test]
async fn a_workflow_is_saved_listed_and_read() {
    let seat = TestSeat::new().await;
    let saved = store(&seat, "workflows/my wörk.json", "{}", Existing::Refuse).await.unwrap();
    assert_eq!((saved.path.as_str(), saved.bytes), ("workflows/my wörk.json", 2));
    store(&seat, "workflows/deep/er/b.json", "[]", Existing::Refuse).await.unwrap();
    store(&seat, "workflows/.index.json", "[]", Existing::Refuse).await.unwrap();
    assert_eq!(names(&seat, "workflows", Depth::Direct).await, ["my wörk.json"]);
    assert_eq!(names(&seat, "workflows/", Depth::All).await, ["deep/er/b.json", "my wörk.json"]);
    let open = seat.files.open_userdata(&path("workflows/.index.json")).await.unwrap();
    assert_eq!(std::io::read_to_string(open.file).unwrap(), "[]");
}

#[tokio::test]
async fn a_saved_file_is_replaced_only_if_asked() {
    let seat = TestSeat::new().await;
    store(&seat, "workflows/a.json", "1", Existing::Refuse).await.unwrap();
    let refused = store(&seat, "workflows/a.json", "2", Existing::Refuse).await;
    assert!(matches!(refused, Err(FilesError::AlreadyExists)));
    assert_eq!(seat.read("user/workflows/a.json"), "1");
    store(&seat, "workflows/a.json", "2", Existing::Replace).await.unwrap();
    assert_eq!(seat.read("user/workflows/a.json"), "2");
    let onto_folder = store(&seat, "workflows", "3", Existing::Replace).await;
    assert!(matches!(onto_folder, Err(FilesError::AlreadyExists)));
    let through_file = store(&seat, "workflows/a.json/b.json", "4", Existing::Replace).await;
    assert!(through_file.is_err());
    assert_eq!(seat.read("user/workflows/a.json"), "2");
    seat.wait_until(|| seat.names("incoming").is_empty()).await;
}

#[tokio::test]
async fn files_are_moved_and_deleted() {
    let seat = TestSeat::new().await;
    store(&seat, "workflows/a.json", "a", Existing::Refuse).await.unwrap();
    store(&seat, "workflows/b.json", "b", Existing::Refuse).await.unwrap();
    let a = path("workflows/a.json");
    let refused = seat.files.move_userdata(&a, path("workflows/b.json"), Existing::Refuse).await;
    assert!(matches!(refused, Err(FilesError::AlreadyExists)));
    let moved = seat.files.move_userdata(&a, path("workflows/new/c.json"), Existing::Refuse).await.unwrap();
    assert_eq!(moved.path.as_str(), "workflows/new/c.json");
    assert_eq!(seat.read("user/workflows/new/c.json"), "a");
    seat.files.move_userdata(&moved.path, path("workflows/b.json"), Existing::Replace).await.unwrap();
    assert_eq!(seat.read("user/workflows/b.json"), "a");

    let absent = seat.files.move_userdata(&a, path("workflows/d.json"), Existing::Refuse).await;
    assert!(matches!(absent, Err(FilesError::NotFound)));
    seat.files.delete_userdata(&path("workflows/b.json")).await.unwrap();
    let gone = seat.files.delete_userdata(&path("workflows/b.json")).await;
    assert!(matches!(gone, Err(FilesError::NotFound)));
    let folder = seat.files.delete_userdata(&path("workflows")).await;
    assert!(matches!(folder, Err(FilesError::IsFolder)));
}

#[tokio::test]
async fn a_folder_moves_but_onto_no_other() {
    let seat = TestSeat::new().await;
    store(&seat, "workflows/old/a.json", "a", Existing::Refuse).await.unwrap();
    let onto = seat.files.move_userdata(&path("workflows/old"), path("subgraphs"), Existing::Replace).await;
    assert!(matches!(onto, Err(FilesError::AlreadyExists)));
    seat.files.move_userdata(&path("workflows/old"), path("workflows/new"), Existing::Replace).await.unwrap();
    assert_eq!(names(&seat, "workflows", Depth::All).await, ["new/a.json"]);
}

#[tokio::test]
async fn the_tree_lists_folders_first() {
    let seat = TestSeat::new().await;
    store(&seat, "workflows/B.json", "1", Existing::Refuse).await.unwrap();
    store(&seat, "workflows/a.json", "1", Existing::Refuse).await.unwrap();
    store(&seat, "workflows/z/c.json", "1", Existing::Refuse).await.unwrap();
    let tree = seat.files.userdata_tree(path("workflows")).await.unwrap();
    let paths: Vec<_> = tree
        .iter()
        .map(|entry| match entry {
            UserEntry::Folder(path) => format!("{path}/"),
            UserEntry::File(file) => file.path.to_string(),
        })
        .collect();
    assert_eq!(paths, ["workflows/z/", "workflows/a.json", "workflows/B.json", "workflows/z/c.json"]);
}

#[tokio::test]
async fn an_absent_folder_is_not_found() {
    let seat = TestSeat::new().await;
    assert!(names(&seat, "workflows", Depth::All).await.is_empty());
    assert!(names(&seat, "subgraphs", Depth::All).await.is_empty());
    let absent = seat.files.list_userdata(path("nothing"), Depth::All).await;
    assert!(matches!(absent, Err(FilesError::NotFound)));
}
