//! ComfyUI's own output, line by line into our log.
//!
//! What it writes while it comes up concerns the operator, and says why it does not. Once it runs
//! jobs, its nodes may print what participants wrote: those lines have the level `debug`.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::io::{AsyncRead, AsyncReadExt};

const KEPT_LINES: usize = 20;
const LONGEST_LINE: usize = 4096;

/// What its readers and its keeper share: the last lines, to explain its end, and whether it is up.
#[derive(Debug, Clone, Default)]
pub struct EngineOutput {
    lines: Arc<Mutex<VecDeque<String>>>,
    runs_jobs: Arc<AtomicBool>,
}

impl EngineOutput {
    /// From now on lines may hold what participants wrote.
    pub fn mark_ready(&self) {
        self.runs_jobs.store(true, Ordering::Relaxed);
    }

    fn push(&self, line: String) {
        let mut lines = self.lines.lock().unwrap_or_else(PoisonError::into_inner);
        if lines.len() == KEPT_LINES {
            lines.pop_front();
        }
        lines.push_back(line);
    }

    /// The last line with anything in it.
    pub fn last(&self) -> Option<String> {
        self.lines.lock().unwrap_or_else(PoisonError::into_inner).back().cloned()
    }
}

/// Passes on all that comes, until the end of the stream.
pub async fn relay(mut stream: impl AsyncRead + Unpin, output: EngineOutput) {
    let mut splitter = Splitter::default();
    let mut chunk = [0_u8; 4096];
    loop {
        match stream.read(&mut chunk).await {
            Ok(0) | Err(_) => break,
            Ok(count) => splitter.take(&chunk[..count], |line, end| pass(line, end, &output)),
        }
    }
    splitter.finish(|line, end| pass(line, end, &output));
}

fn pass(line: &str, end: LineEnd, output: &EngineOutput) {
    match end {
        LineEnd::Line => {
            if output.runs_jobs.load(Ordering::Relaxed) {
                tracing::debug!(target: "comfyui", "{line}");
            } else {
                tracing::info!(target: "comfyui", "{line}");
            }
            output.push(line.to_owned());
        }
        // A progress bar drawn over itself.
        LineEnd::Redrawn => tracing::trace!(target: "comfyui", "{line}"),
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum LineEnd {
    Line,
    Redrawn,
}

/// Cuts bytes into lines, also those that end in a carriage return only.
#[derive(Debug, Default)]
struct Splitter {
    line: Vec<u8>,
    /// A carriage return whose meaning depends on what follows.
    returned: bool,
}

impl Splitter {
    fn take(&mut self, bytes: &[u8], mut pass: impl FnMut(&str, LineEnd)) {
        for &byte in bytes {
            if self.returned && byte != b'\n' {
                self.cut(LineEnd::Redrawn, &mut pass);
            }
            self.returned = byte == b'\r';
            match byte {
                b'\r' => {}
                b'\n' => self.cut(LineEnd::Line, &mut pass),
                _ => {
                    if self.line.len() == LONGEST_LINE {
                        self.cut(LineEnd::Line, &mut pass);
                    }
                    self.line.push(byte);
                }
            }
        }
    }

    fn finish(mut self, mut pass: impl FnMut(&str, LineEnd)) {
        self.cut(LineEnd::Line, &mut pass);
    }

    fn cut(&mut self, end: LineEnd, pass: &mut impl FnMut(&str, LineEnd)) {
        let line = String::from_utf8_lossy(&self.line);
        if !line.trim().is_empty() {
            pass(line.trim_end(), end);
        }
        self.line.clear();
    }
}

#[cfg(test)]
mod tests {
    use runtime::config::Settings;
    use runtime::logging::{self, LogOptions};

    use super::*;

    #[test]
    fn output_is_cut_into_lines_and_progress_bars() {
        let mut seen = Vec::new();
        let mut splitter = Splitter::default();
        for chunk in ["one\ntw", "o\r\n\n 10%\r 2", "0%\r 30%\nrest"] {
            splitter.take(chunk.as_bytes(), |line, end| seen.push((line.to_owned(), end)));
        }
        splitter.finish(|line, end| seen.push((line.to_owned(), end)));
        let expected = [
            ("one", LineEnd::Line),
            ("two", LineEnd::Line),
            (" 10%", LineEnd::Redrawn),
            (" 20%", LineEnd::Redrawn),
            (" 30%", LineEnd::Line),
            ("rest", LineEnd::Line),
        ];
        assert_eq!(seen, expected.map(|(line, end)| (line.to_owned(), end)));
    }

    #[test]
    fn what_nodes_print_is_for_who_asks_for_it() {
        let options = LogOptions::read(&mut Settings::from_parts("", []));
        let (log, subscriber) = logging::capture(&options);
        tracing::subscriber::with_default(subscriber, || {
            let output = EngineOutput::default();
            pass("coming up", LineEnd::Line, &output);
            output.mark_ready();
            pass("a participant's words", LineEnd::Line, &output);
        });
        assert!(log.text().contains("coming up"));
        assert!(!log.text().contains("words"), "{}", log.text());
    }

    #[test]
    fn an_endless_line_is_cut() {
        let mut count = 0;
        let mut splitter = Splitter::default();
        splitter.take(&[b'x'; 3 * LONGEST_LINE], |_, _| count += 1);
        splitter.finish(|_, _| count += 1);
        assert_eq!(count, 3);
    }
}
