//! Files that arrive in pieces: begun, gone on with, judged once they are whole.
//!
//! Invariant: one writer per upload. Each request's work is a task of its own, so that it
//! ends in order when its caller is gone: what arrived counts, and a whole file gets its
//! place. The file on disk says how far it is; its row says what it will be.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use comfy_api::model_file::{ModelFileError, ModelFormat, NotAModel};
use domain::{SeatId, Timestamp, UploadId, readable_size};
pub use store::{StoredUpload, UploadOutcome, UploadTarget};
use tokio::io::{AsyncRead, AsyncReadExt};

use crate::files::{
    FileName, FilesError, FolderKind, OpenFile, OpenPart, PartHash, ReceivedFile, SameName, SeatFiles,
    SeatPath, Upload,
};
use crate::hub::lock;
use crate::{Inner, Workshop, WorkshopError};

/// An upload that nothing has arrived for so long is dropped.
pub const UPLOAD_EXPIRY: Duration = Duration::from_secs(24 * 3600);
/// Collected before they go to a blocking thread; all that one upload holds in memory.
const CHUNK_BYTES: usize = 1 << 20;
/// A sender that is silent for so long has gone; another request may go on.
const SILENCE_LIMIT: Duration = Duration::from_secs(30);
/// More than anybody has under way at once.
const MAX_OPEN_UPLOADS: usize = 100;
const SHA256_DIGITS: usize = 64;

/// What an upload is to become.
#[derive(Debug, Clone)]
pub struct NewUpload {
    pub target: UploadTarget,
    /// As the browser calls the file; its last part counts.
    pub name: String,
    pub bytes: u64,
    /// What the whole must hash to, in hexadecimal.
    pub sha256: Option<String>,
    /// `Upload-Metadata` as it was sent.
    pub metadata: String,
}

/// Why an upload is not taken. The words are for whoever sent it.
#[derive(Debug, thiserror::Error)]
pub enum UploadError {
    #[error(transparent)]
    NotAModel(#[from] NotAModel),
    #[error("`{name}` has {}, and the workshop takes at most {}", readable_size(*bytes), readable_size(*limit_bytes))]
    TooLarge { name: String, bytes: u64, limit_bytes: u64 },
    #[error("you have `{name}` in `{folder}` already: delete it first, or give the file another name")]
    NameTaken { folder: String, name: String },
    #[error("`{0}` is no SHA-256: it has 64 hexadecimal digits")]
    BadHash(String),
    #[error("{MAX_OPEN_UPLOADS} uploads are unfinished: finish or cancel one first")]
    TooMany,
    #[error("{offset} bytes of this upload have arrived: go on from there")]
    WrongOffset { offset: u64 },
    #[error("another request is sending this upload just now")]
    Busy,
    /// The whole file has arrived and is not what it should be; it was dropped.
    #[error("{message}")]
    Refused { status: u16, kind: String, message: String },
}

impl UploadError {
    /// The HTTP status that says this to the caller.
    pub fn status(&self) -> u16 {
        match self {
            Self::NotAModel(_) => 415,
            Self::TooLarge { .. } => 413,
            Self::BadHash(_) => 400,
            Self::NameTaken { .. } => 422,
            Self::TooMany => 429,
            Self::WrongOffset { .. } => 409,
            Self::Busy => 423,
            Self::Refused { status, .. } => *status,
        }
    }

    pub fn kind(&self) -> &str {
        match self {
            Self::NotAModel(NotAModel::Pickle(_)) => "pickle",
            Self::NotAModel(NotAModel::Unknown(_)) => "not_a_model",
            Self::TooLarge { .. } => "too_large",
            Self::BadHash(_) => "bad_hash",
            Self::NameTaken { .. } => "name_taken",
            Self::TooMany => "too_many_uploads",
            Self::WrongOffset { .. } => "wrong_offset",
            Self::Busy => "upload_busy",
            Self::Refused { kind, .. } => kind,
        }
    }
}

/// Which uploads are being written to, and the hashes of the others so far.
#[derive(Default)]
pub(crate) struct Uploads {
    slots: Mutex<HashMap<UploadId, Slot>>,
    /// Held while a model's header is read: its size is the sender's choice.
    judging: tokio::sync::Mutex<()>,
}

enum Slot {
    Writing,
    Idle(PartHash),
}

/// The right to write to one upload, until it is dropped.
struct Writing {
    inner: Arc<Inner>,
    id: UploadId,
    /// What to keep for the next writer; `None` forgets the upload.
    hash: Option<PartHash>,
}

impl Drop for Writing {
    fn drop(&mut self) {
        let mut slots = lock(&self.inner.uploads.slots);
        match self.hash.take() {
            Some(hash) => slots.insert(self.id, Slot::Idle(hash)),
            None => slots.remove(&self.id),
        };
    }
}

impl Workshop {
    /// Begins an upload, if there is room for it and its name can be taken.
    pub async fn create_upload(&self, seat: SeatId, new: NewUpload) -> Result<StoredUpload, WorkshopError> {
        let name = FileName::last_of(&new.name).map_err(FilesError::from)?;
        let limits = &self.settings().storage;
        let limit_bytes = match &new.target {
            UploadTarget::Input { subfolder } => {
                SeatPath::parse(subfolder).map_err(FilesError::from)?;
                limits.max_file_bytes
            }
            UploadTarget::Model { folder } => {
                ModelFormat::of(name.as_str()).map_err(UploadError::from)?;
                self.check_model_place(&FileName::parse(folder).map_err(FilesError::from)?, &name)?;
                limits.max_model_bytes
            }
        };
        if new.bytes > limit_bytes {
            let name = name.to_string();
            return Err(UploadError::TooLarge { name, bytes: new.bytes, limit_bytes }.into());
        }
        // Replacing it would be a deletion that nobody could undo.
        if let UploadTarget::Model { folder } = &new.target
            && self.store().seat_model(seat, folder, name.as_str()).await?.is_some()
        {
            let (folder, name) = (folder.clone(), name.to_string());
            return Err(UploadError::NameTaken { folder, name }.into());
        }
        let sha256 = new.sha256.map(|sha256| checked_sha256(&sha256)).transpose()?;
        if self.store().open_uploads(seat).await?.len() >= MAX_OPEN_UPLOADS {
            return Err(UploadError::TooMany.into());
        }
        self.require_room(seat, new.bytes).await?;

        let now = self.now();
        let upload = StoredUpload {
            id: UploadId::from_uuid(self.inner.parts.mint.uuid()),
            seat,
            target: new.target,
            name: name.to_string(),
            bytes: new.bytes,
            received: 0,
            sha256,
            metadata: new.metadata,
            outcome: None,
            created_at: now,
            updated_at: now,
        };
        self.files().seat(seat).await?.create_part(upload.id).await?;
        self.store().insert_upload(&upload).await?;
        self.inner.hub.files_changed(seat);
        if upload.bytes == 0 {
            self.append_upload(seat, upload.id, 0, tokio::io::empty()).await?;
        }
        Ok(upload)
    }

    /// How far an upload is, or what became of it.
    pub async fn upload(&self, seat: SeatId, id: UploadId) -> Result<StoredUpload, WorkshopError> {
        let mut upload = self.living_upload(seat, id).await?;
        if upload.outcome.is_none() {
            upload.received = match self.files().seat(seat).await?.part_bytes(id).await {
                // The server was stopped between moving the file and writing that down.
                Err(FilesError::NotFound) => {
                    self.store().delete_upload(seat, id).await?;
                    return Err(WorkshopError::NotFound);
                }
                bytes => bytes?,
            };
        }
        Ok(upload)
    }

    /// The seat's unfinished uploads, oldest first.
    pub async fn open_uploads(&self, seat: SeatId) -> Result<Vec<StoredUpload>, WorkshopError> {
        let oldest = self.now() - UPLOAD_EXPIRY;
        let mut uploads = self.store().open_uploads(seat).await?;
        uploads.retain(|upload| upload.updated_at > oldest);
        Ok(uploads)
    }

    /// Appends what `body` brings; gives how much of the file is there then. The last bytes
    /// give the file its place, or an error that says why it was refused.
    pub async fn append_upload(
        &self,
        seat: SeatId,
        id: UploadId,
        offset: u64,
        body: impl AsyncRead + Send + Unpin + 'static,
    ) -> Result<u64, WorkshopError> {
        let workshop = self.clone();
        // A caller that goes away drops this future, and must not drop the work in its middle.
        let work = tokio::spawn(async move { workshop.append(seat, id, offset, body).await });
        work.await.map_err(|error| WorkshopError::Files(FilesError::CutShort(error)))?
    }

    /// Drops an upload.
    pub async fn cancel_upload(&self, seat: SeatId, id: UploadId) -> Result<(), WorkshopError> {
        self.living_upload(seat, id).await?;
        let mut writing = self.begin_writing(id)?;
        writing.hash = None;
        self.store().delete_upload(seat, id).await?;
        self.files().seat(seat).await?.remove_part(id).await?;
        self.inner.hub.files_changed(seat);
        Ok(())
    }

    /// Drops what nobody has gone on with for too long, and files of uploads that are no more.
    pub async fn expire_uploads(&self) -> Result<(), WorkshopError> {
        for (seat, id) in self.store().uploads_idle_since(self.now() - UPLOAD_EXPIRY).await? {
            let Ok(mut writing) = self.begin_writing(id) else { continue };
            writing.hash = None;
            self.store().delete_upload(seat, id).await?;
            self.files().seat(seat).await?.remove_part(id).await?;
            self.inner.hub.files_changed(seat);
        }
        Ok(())
    }

    /// Parts whose row was never written, or was removed before them.
    pub(crate) async fn drop_unknown_parts(&self) -> Result<(), WorkshopError> {
        for number in 1..=self.settings().seats {
            let Ok(seat) = SeatId::new(number) else { continue };
            if self.files().has_parts(seat).await? {
                let known = self.store().open_uploads(seat).await?.into_iter().map(|upload| upload.id);
                self.files().seat(seat).await?.retain_parts(known.collect()).await?;
            }
        }
        Ok(())
    }

    async fn living_upload(&self, seat: SeatId, id: UploadId) -> Result<StoredUpload, WorkshopError> {
        let upload = self.store().upload(seat, id).await?.ok_or(WorkshopError::NotFound)?;
        let is_alive = upload.updated_at > self.now() - UPLOAD_EXPIRY;
        if is_alive { Ok(upload) } else { Err(WorkshopError::NotFound) }
    }

    fn begin_writing(&self, id: UploadId) -> Result<Writing, UploadError> {
        let mut slots = lock(&self.inner.uploads.slots);
        let hash = match slots.insert(id, Slot::Writing) {
            Some(Slot::Writing) => return Err(UploadError::Busy),
            Some(Slot::Idle(hash)) => hash,
            None => PartHash::default(),
        };
        Ok(Writing { inner: Arc::clone(&self.inner), id, hash: Some(hash) })
    }

    async fn append(
        &self,
        seat: SeatId,
        id: UploadId,
        offset: u64,
        body: impl AsyncRead + Send + Unpin,
    ) -> Result<u64, WorkshopError> {
        self.living_upload(seat, id).await?;
        let mut writing = self.begin_writing(id)?;
        // Read again: the writer before may have ended it.
        let upload = self.living_upload(seat, id).await.inspect_err(|_| writing.hash = None)?;
        if let Some(outcome) = upload.outcome {
            writing.hash = None;
            return outcome_of(outcome).map(|()| upload.bytes);
        }
        let files = self.files().seat(seat).await?;
        let mut part = files.open_part(id, writing.hash.take().unwrap_or_default()).await?;
        if part.bytes() != offset {
            let offset = part.bytes();
            writing.hash = Some(part.close().await?);
            return Err(UploadError::WrongOffset { offset }.into());
        }
        // Until the new hash is known, the next writer begins with none.
        writing.hash = Some(PartHash::default());
        let arrived = receive(&mut part, upload.bytes, body).await;
        let received = part.bytes();
        let closed = part.close().await;
        self.store().note_received(seat, id, received, self.now()).await?;
        arrived?;
        let hash = closed?;
        if received < upload.bytes {
            writing.hash = Some(hash);
            return Ok(received);
        }
        let outcome = self.place(&files, &upload, hash).await?;
        self.store().finish_upload(seat, id, &outcome).await?;
        writing.hash = None;
        self.files_came(seat, upload.bytes);
        outcome_of(outcome).map(|()| received)
    }

    /// Judges the whole file and puts it in its place. An error leaves it to be tried again.
    async fn place(
        &self,
        files: &SeatFiles,
        upload: &StoredUpload,
        hash: PartHash,
    ) -> Result<UploadOutcome, WorkshopError> {
        let received = files.take_part(upload.id, hash).await?;
        if let Some(expected) = upload.sha256.as_deref().filter(|expected| *expected != received.sha256()) {
            let message = format!(
                "`{}` arrived damaged or is another file: its SHA-256 is {}, and {expected} was announced. It was dropped; upload it again.",
                upload.name,
                received.sha256(),
            );
            return Ok(refused(460, "wrong_hash", message));
        }
        let name = FileName::parse(&upload.name).map_err(FilesError::from)?;
        let placed = match &upload.target {
            UploadTarget::Input { subfolder } => self.place_input(files, received, subfolder, name).await,
            UploadTarget::Model { folder } => {
                self.place_model(upload.seat, files, received, folder, name).await
            }
        };
        match placed {
            // Its place went away meanwhile, as when the engine came back without the folder.
            Err(WorkshopError::BadRequest(message)) => Ok(refused(409, "no_place", message)),
            placed => placed,
        }
    }

    async fn place_input(
        &self,
        files: &SeatFiles,
        received: ReceivedFile,
        subfolder: &str,
        name: FileName,
    ) -> Result<UploadOutcome, WorkshopError> {
        let open = received.open(files).await?;
        let shown_name = name.to_string();
        if let Some(message) = blocking(open, move |mut open| open.contradiction_to(&shown_name)).await?? {
            return Ok(refused(415, "wrong_content", message));
        }
        let subfolder = SeatPath::parse(subfolder).map_err(FilesError::from)?;
        let upload = Upload { kind: FolderKind::Input, subfolder, name, same_name: SameName::KeepBoth };
        let location = files.store_upload(received, upload).await?.location;
        Ok(UploadOutcome::Stored { folder: location.subfolder.to_string(), name: location.name.to_string() })
    }

    async fn place_model(
        &self,
        seat: SeatId,
        files: &SeatFiles,
        received: ReceivedFile,
        folder: &str,
        name: FileName,
    ) -> Result<UploadOutcome, WorkshopError> {
        let format = ModelFormat::of(name.as_str()).map_err(UploadError::from)?;
        let open = received.open(files).await?;
        let _judging = self.inner.uploads.judging.lock().await;
        let checked = blocking(open, move |open| format.check(open.file, open.bytes)).await?;
        let metadata = match checked {
            Ok(metadata) => metadata,
            Err(ModelFileError::Malformed(message)) => {
                return Ok(refused(422, "bad_model", format!("`{name}` was not kept: {message}.")));
            }
            Err(ModelFileError::Read(source)) => {
                return Err(FilesError::Io { operation: "read a model's header", source }.into());
            }
        };
        let folder = FileName::parse(folder).map_err(FilesError::from)?;
        let model = self.add_model(seat, &folder, &name, received, metadata).await?;
        Ok(UploadOutcome::Stored { folder: model.folder, name: model.name })
    }
}

/// Reads until the file is whole or the body ends; what has arrived is on disk either way.
async fn receive(
    part: &mut OpenPart,
    whole_bytes: u64,
    mut body: impl AsyncRead + Unpin,
) -> Result<(), FilesError> {
    let mut buffer = Vec::with_capacity(CHUNK_BYTES);
    let ended = loop {
        let missing = whole_bytes - part.bytes() - buffer.len() as u64;
        let room = missing.min((CHUNK_BYTES - buffer.len()) as u64);
        if missing == 0 {
            break Ok(());
        }
        let read = async { (&mut body).take(room).read_buf(&mut buffer).await };
        match tokio::time::timeout(SILENCE_LIMIT, read).await {
            Ok(Ok(0)) => break Ok(()),
            Ok(Ok(_)) if buffer.len() == CHUNK_BYTES => buffer = part.append(buffer).await?,
            Ok(Ok(_)) => {}
            Ok(Err(source)) => break Err(FilesError::BodyBroke(source)),
            Err(_) => break Err(FilesError::BodyBroke(std::io::ErrorKind::TimedOut.into())),
        }
    };
    if !buffer.is_empty() {
        part.append(buffer).await?;
    }
    ended
}

async fn blocking<T: Send + 'static>(
    open: OpenFile,
    work: impl FnOnce(OpenFile) -> T + Send + 'static,
) -> Result<T, FilesError> {
    tokio::task::spawn_blocking(move || work(open)).await.map_err(FilesError::CutShort)
}

fn checked_sha256(text: &str) -> Result<String, UploadError> {
    let is_hash = text.len() == SHA256_DIGITS && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    if is_hash { Ok(text.to_ascii_lowercase()) } else { Err(UploadError::BadHash(text.to_owned())) }
}

fn refused(status: u16, kind: &str, message: String) -> UploadOutcome {
    UploadOutcome::Refused { status, kind: kind.to_owned(), message }
}

fn outcome_of(outcome: UploadOutcome) -> Result<(), WorkshopError> {
    match outcome {
        UploadOutcome::Stored { .. } => Ok(()),
        UploadOutcome::Refused { status, kind, message } => {
            Err(UploadError::Refused { status, kind, message }.into())
        }
    }
}

/// When an upload is dropped if nothing more arrives.
pub fn expires_at(upload: &StoredUpload) -> Timestamp {
    upload.updated_at + UPLOAD_EXPIRY
}
