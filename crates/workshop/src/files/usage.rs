//! How much room a seat's files take, and what takes most of it.

use std::collections::VecDeque;
use std::io;

use cap_std::fs::Dir;
use domain::SeatId;

use super::error::FilesError;
use super::parts::PARTS;
use super::seat::{INCOMING, SeatFolders};

/// How many of the largest files are told.
const LARGEST: usize = 3;

/// Bytes on disk by what they are.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SeatUsage {
    pub input_bytes: u64,
    /// Results, previews among them.
    pub output_bytes: u64,
    pub model_bytes: u64,
    /// Deleted, and still to be brought back.
    pub trash_bytes: u64,
    /// Workflows, settings and all else.
    pub other_bytes: u64,
    /// The largest files, with their paths in the seat's folder, largest first.
    pub largest: Vec<(String, u64)>,
}

impl SeatUsage {
    /// All of it. Unfinished uploads are not in it: they count with the length that they will have.
    pub fn bytes(&self) -> u64 {
        [self.input_bytes, self.output_bytes, self.model_bytes, self.trash_bytes, self.other_bytes]
            .into_iter()
            .fold(0, u64::saturating_add)
    }

    fn add(&mut self, top: &str, path: &str, bytes: u64) {
        let count = match top {
            "input" => &mut self.input_bytes,
            "output" | "temp" => &mut self.output_bytes,
            "models" => &mut self.model_bytes,
            "trash" => &mut self.trash_bytes,
            _ => &mut self.other_bytes,
        };
        *count = count.saturating_add(bytes);
        if top != "trash" && (self.largest.len() < LARGEST || self.largest.iter().any(|file| file.1 < bytes))
        {
            self.largest.push((path.to_owned(), bytes));
            self.largest.sort_by(|file, other| other.1.cmp(&file.1).then_with(|| file.0.cmp(&other.0)));
            self.largest.truncate(LARGEST);
        }
    }
}

impl SeatFolders {
    /// Whether the seat has a folder of parts, looked for without making anything.
    pub async fn has_parts(&self, seat: SeatId) -> Result<bool, FilesError> {
        let seats = self.seats();
        let looked = tokio::task::spawn_blocking(move || seats.try_exists(format!("{seat}/{PARTS}")));
        looked.await.map_err(FilesError::CutShort)?.map_err(FilesError::of("look for uploads"))
    }

    /// Walks the seat's folder; one that was never made holds nothing.
    pub async fn measure(&self, seat: SeatId) -> Result<SeatUsage, FilesError> {
        let seats = self.seats();
        let measured = tokio::task::spawn_blocking(move || match seats.open_dir(seat.to_string()) {
            Ok(folder) => measure(&folder),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(SeatUsage::default()),
            Err(error) => Err(error),
        });
        measured.await.map_err(FilesError::CutShort)?.map_err(FilesError::of("measure a seat's files"))
    }
}

fn measure(folder: &Dir) -> io::Result<SeatUsage> {
    let mut usage = SeatUsage::default();
    let mut to_read = VecDeque::from([String::new()]);
    while let Some(path) = to_read.pop_front() {
        let entries = match folder.read_dir(if path.is_empty() { "." } else { &path }) {
            Ok(entries) => entries,
            // Moved away since its own folder was read.
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            Err(error) => return Err(error),
        };
        for entry in entries {
            let entry = entry?;
            let Ok(name) = entry.file_name().into_string() else { continue };
            if path.is_empty() && (name == PARTS || name == INCOMING) {
                continue;
            }
            let below = if path.is_empty() { name } else { format!("{path}/{name}") };
            let kind = entry.file_type()?;
            if kind.is_dir() {
                to_read.push_back(below);
            } else if kind.is_file()
                && let Ok(metadata) = entry.metadata()
            {
                let top = below.split('/').next().unwrap_or_default();
                usage.add(top, &below, metadata.len());
            }
        }
    }
    Ok(usage)
}

#[cfg(test)]
mod tests {
    use super::super::test_seat::TestSeat;
    use super::*;

    #[tokio::test]
    async fn each_kind_of_file_is_counted_once() {
        let seat = TestSeat::new().await;
        for (path, content) in [
            ("input/sub/a.png", "1"),
            ("output/b.png", "22"),
            ("temp/c.png", "333"),
            ("models/loras/d.safetensors", "4444"),
            ("user/workflows/e.json", "55555"),
            ("trash/1/f.png", "666666"),
            ("uploads/g", "7777777"),
            ("incoming/0", "88888888"),
        ] {
            seat.write(path, content);
        }
        let usage = seat.folders.measure(SeatId::new(1).unwrap()).await.unwrap();
        let expected = SeatUsage {
            input_bytes: 1,
            output_bytes: 5,
            model_bytes: 4,
            trash_bytes: 6,
            other_bytes: 5,
            largest: vec![
                ("user/workflows/e.json".into(), 5),
                ("models/loras/d.safetensors".into(), 4),
                ("temp/c.png".into(), 3),
            ],
        };
        assert_eq!(usage, expected);
        assert_eq!(usage.bytes(), 21);
    }

    #[tokio::test]
    async fn a_seat_that_nobody_used_holds_nothing() {
        let seat = TestSeat::new().await;
        assert_eq!(seat.folders.measure(SeatId::new(2).unwrap()).await.unwrap(), SeatUsage::default());
        assert!(!seat.outside("seats/user002").exists());
    }
}
