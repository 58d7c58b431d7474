//! Uploads that this page is sending. They live as long as the page, so that another panel
//! may be opened meanwhile; one at a time, so that each is done sooner.

use std::cell::RefCell;
use std::collections::HashMap;

use domain::SeatId;
use leptos::prelude::*;
use leptos::task::spawn_local;
use web_sys::{AbortController, File};

use crate::api::files::UploadView;
use crate::pages::seat::files::plan::{
    FIRST_SLICE_BYTES, FileKind, Phase, metadata, next_slice, retry_ms, smoothed,
};
use crate::pages::seat::files::tus::{self, Failure};
use crate::paths;

thread_local! {
    // What belongs to the browser alone; a row in a signal must be sendable.
    static FILES: RefCell<HashMap<u32, Source>> = RefCell::default();
}

struct Source {
    file: File,
    sending: Option<AbortController>,
}

/// One upload of this page.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Transfer {
    pub(super) key: u32,
    pub(super) name: String,
    pub(super) model_folder: Option<String>,
    pub(super) bytes: u64,
    pub(super) sent: u64,
    /// In bytes per second.
    pub(super) rate: f64,
    pub(super) phase: Phase,
    /// Its address, once it has begun.
    pub(super) upload: Option<String>,
}

/// All uploads of this page, in the order in which they were added.
#[derive(Clone, Copy)]
pub(crate) struct Transfers {
    seat: SeatId,
    list: RwSignal<Vec<Transfer>>,
    next_key: StoredValue<u32>,
}

/// Keeps uploads for as long as the seat's page is open.
pub(crate) fn provide_transfers(seat: SeatId) {
    provide_context(Transfers { seat, list: RwSignal::new(Vec::new()), next_key: StoredValue::new(0) });
}

impl Transfers {
    pub(super) fn list(self) -> Signal<Vec<Transfer>> {
        self.list.into()
    }

    /// Whether this page is at this upload, so that the server's list need not offer it.
    pub(super) fn has(self, id: &str) -> bool {
        self.list.with(|list| {
            list.iter().any(|transfer| transfer.upload.as_deref().is_some_and(|upload| upload.ends_with(id)))
        })
    }

    /// Adds a chosen file; a model goes to `model_folder`.
    pub(super) fn add(self, file: File, model_folder: Option<String>) {
        let name = file.name();
        let phase = match (FileKind::of(&name), &model_folder) {
            (FileKind::Pickle, _) => Phase::Failed(
                "This format can run code on the GPU machine when it is loaded, so it is not taken. Convert it to .safetensors, which many model pages offer too.".to_owned(),
            ),
            (FileKind::Model, None) => Phase::Failed(
                "Models can be added once the GPU machine has connected for the first time.".to_owned(),
            ),
            (FileKind::Input, Some(_)) => {
                Phase::Failed("This is no model: those end in .safetensors or .gguf. Use “Add files” for it.".to_owned())
            }
            _ => Phase::Waiting,
        };
        self.push(file, model_folder, phase, None, 0);
    }

    /// Goes on with an upload of before, whose file was chosen again.
    pub(super) fn resume(self, upload: &UploadView, file: File) {
        let address = format!("{}/{}", paths::uploads(self.seat), upload.id);
        let is_same = file.name() == upload.name && file.size() as u64 == upload.bytes;
        let phase = if is_same {
            Phase::Waiting
        } else {
            Phase::Failed(format!(
                "This is not the file that was begun: choose `{}` with the same size.",
                upload.name
            ))
        };
        let address = is_same.then_some(address);
        self.push(file, upload.model_folder.clone(), phase, address, upload.received);
    }

    fn push(self, file: File, model_folder: Option<String>, phase: Phase, upload: Option<String>, sent: u64) {
        let key = self.next_key.get_value();
        self.next_key.set_value(key + 1);
        let transfer = Transfer {
            key,
            name: file.name(),
            model_folder,
            bytes: file.size() as u64,
            sent,
            rate: 0.0,
            phase,
            upload,
        };
        FILES.with_borrow_mut(|files| files.insert(key, Source { file, sending: None }));
        self.list.update(|list| list.push(transfer));
        self.start_next();
    }

    pub(super) fn pause(self, key: u32) {
        self.change(key, |transfer| transfer.phase = Phase::Paused);
        stop_sending(key);
        self.start_next();
    }

    pub(super) fn go_on(self, key: u32) {
        self.change(key, |transfer| transfer.phase = Phase::Waiting);
        self.start_next();
    }

    /// Takes the row away, and the bytes that the server has of a file that is not whole.
    pub(super) fn remove(self, key: u32) {
        let removed = self.row(key);
        self.list.update(|list| list.retain(|transfer| transfer.key != key));
        stop_sending(key);
        FILES.with_borrow_mut(|files| files.remove(&key));
        if let Some(Transfer { upload: Some(upload), phase, .. }) = removed
            && phase != Phase::Done
        {
            spawn_local(async move {
                // The request that was stopped may not be over on the server.
                for attempt in 0..6 {
                    match tus::cancel(&upload).await {
                        Err(Failure::Passing) => tus::sleep(retry_ms(attempt)).await,
                        Ok(()) | Err(Failure::Refused(_)) => return,
                    }
                }
            });
        }
        self.start_next();
    }

    fn start_next(self) {
        let next = self.list.with_untracked(|list| {
            let is_free = !list.iter().any(|transfer| transfer.phase.is_active());
            let waiting = || list.iter().find(|transfer| transfer.phase == Phase::Waiting);
            if is_free { waiting().map(|transfer| transfer.key) } else { None }
        });
        if let Some(key) = next {
            self.change(key, |transfer| transfer.phase = Phase::Sending);
            spawn_local(async move {
                if let Err(reason) = self.send(key).await {
                    self.change(key, |transfer| transfer.phase = Phase::Failed(reason));
                }
                self.start_next();
            });
        }
    }

    /// Sends until the file is whole, or it is paused or removed.
    async fn send(self, key: u32) -> Result<(), String> {
        let mut slice_bytes = FIRST_SLICE_BYTES;
        let mut failures = 0;
        let mut is_known = false;
        while let Some(transfer) = self.row(key).filter(|transfer| transfer.phase.is_active()) {
            let step = self.step(&transfer, is_known, slice_bytes).await;
            let Some(now) = self.row(key).filter(|transfer| transfer.phase.is_active()) else {
                return Ok(());
            };
            match step {
                Ok(Step::Began(upload)) => {
                    is_known = true;
                    self.change(key, |transfer| transfer.upload = Some(upload));
                }
                Ok(Step::At(offset)) => {
                    is_known = true;
                    self.change(key, |transfer| transfer.sent = offset);
                }
                Ok(Step::Sent { offset, took_ms }) => {
                    failures = 0;
                    slice_bytes = next_slice(slice_bytes, took_ms);
                    let rate = smoothed(now.rate, offset.saturating_sub(now.sent), took_ms);
                    let is_whole = offset >= now.bytes;
                    self.change(key, |transfer| {
                        transfer.sent = offset;
                        transfer.rate = rate;
                        transfer.phase = if is_whole { Phase::Done } else { Phase::Sending };
                    });
                }
                Err(Failure::Passing) => {
                    self.change(key, |transfer| transfer.phase = Phase::Retrying);
                    tus::sleep(retry_ms(failures)).await;
                    failures += 1;
                    // What arrived of the last piece, only the server knows.
                    is_known = false;
                }
                Err(Failure::Refused(reason)) => return Err(reason),
            }
        }
        Ok(())
    }

    async fn step(self, transfer: &Transfer, is_known: bool, slice_bytes: u64) -> Result<Step, Failure> {
        let Some(upload) = &transfer.upload else {
            let metadata = metadata(&transfer.name, transfer.model_folder.as_deref());
            let begun = tus::create(&paths::uploads(self.seat), transfer.bytes, &metadata).await;
            return begun.map(Step::Began);
        };
        if !is_known {
            return tus::offset(upload).await.map(Step::At);
        }
        let end = (transfer.sent + slice_bytes).min(transfer.bytes);
        let unreadable =
            || Failure::Refused("The file cannot be read any more: it was moved or changed.".to_owned());
        let (slice, signal) = FILES
            .with_borrow_mut(|files| {
                let source = files.get_mut(&transfer.key)?;
                let slice = source.file.slice_with_f64_and_f64(transfer.sent as f64, end as f64).ok()?;
                let sending = AbortController::new().ok()?;
                let signal = sending.signal();
                source.sending = Some(sending);
                Some((slice, signal))
            })
            .ok_or_else(unreadable)?;
        let begun_at = js_sys::Date::now();
        let offset = tus::append(upload, transfer.sent, &slice, &signal).await?;
        Ok(Step::Sent { offset, took_ms: js_sys::Date::now() - begun_at })
    }

    fn row(self, key: u32) -> Option<Transfer> {
        self.list.with_untracked(|list| list.iter().find(|transfer| transfer.key == key).cloned())
    }

    fn change(self, key: u32, change: impl FnOnce(&mut Transfer)) {
        self.list.update(|list| {
            if let Some(transfer) = list.iter_mut().find(|transfer| transfer.key == key) {
                change(transfer);
            }
        });
    }
}

enum Step {
    Began(String),
    At(u64),
    Sent { offset: u64, took_ms: f64 },
}

fn stop_sending(key: u32) {
    FILES.with_borrow_mut(|files| {
        if let Some(sending) = files.get_mut(&key).and_then(|source| source.sending.take()) {
            sending.abort();
        }
    });
}
