//! The instructor, who looks on and now and then holds the queue for a moment.

use std::path::Path;
use std::time::Instant;

use anyhow::Context;
use rand::Rng;
use rand::rngs::StdRng;
use tokio::time::sleep;

use super::browser::{Browser, Notebook, Tab};
use super::pace::Pace;

pub struct Instructor {
    browser: Browser,
    notebook: Notebook,
    random: StdRng,
    pace: Pace,
    seats: u32,
    live: Option<Tab>,
}

impl Instructor {
    pub async fn enter(
        url: &str,
        data_dir: &Path,
        seats: u32,
        pace: Pace,
        random: StdRng,
        notebook: Notebook,
    ) -> anyhow::Result<Self> {
        let password = std::fs::read_to_string(data_dir.join("admin-password"))
            .context("the server made no password for the instructor")?;
        let form = format!("password={}", password.trim());
        let browser = Browser::open(url, "/admin/login", form, notebook.clone()).await?;
        Ok(Self { browser, notebook, random, pace, seats, live: None })
    }

    /// Instructs until then, and leaves the queue running.
    pub async fn take_part(mut self, until: Instant) {
        self.open_page().await;
        while Instant::now() < until {
            match self.random.random_range(0..6) {
                0 => {
                    self.open_page().await;
                }
                1 => {
                    self.pause("/api/pause-queue", "").await;
                }
                2 => {
                    let seat = format!("seat={}&", self.seat());
                    self.pause("/api/pause-seat", &seat).await;
                }
                3 => {
                    let seat = self.seat();
                    self.browser.get(&format!("/user/{seat}")).await;
                }
                _ => {
                    self.browser.get("/metrics").await;
                }
            }
            let left = until.saturating_duration_since(Instant::now());
            sleep(self.pace.thinking(&mut self.random).min(left)).await;
        }
    }

    async fn open_page(&mut self) -> Option<()> {
        self.live = None;
        self.browser.get("/admin").await?;
        self.live = self.browser.listen("/admin/live").await;
        self.browser.get_json("/api/read-admin-page").await.map(drop)
    }

    async fn pause(&mut self, path: &str, fields: &str) {
        self.notebook.note(|notes| *notes.actions.entry("paused and went on").or_default() += 1);
        self.browser.post_form(path, format!("{fields}is_paused=true")).await;
        // A word to the class.
        sleep(self.pace.thinking(&mut self.random) / 2).await;
        self.browser.post_form(path, format!("{fields}is_paused=false")).await;
    }

    fn seat(&mut self) -> String {
        format!("user{:03}", self.random.random_range(1..=self.seats))
    }
}
