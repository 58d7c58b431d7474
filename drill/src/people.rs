//! Participants: they bring pictures, press Run, and note what they are told.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context, ensure};
use futures::StreamExt;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use reqwest::StatusCode;
use reqwest::multipart::{Form, Part};
use serde_json::{Value, json};
use tokio::sync::{broadcast, watch};
use tokio::time::sleep;
use tokio_tungstenite::connect_async;

use crate::engine::KILLER;
use crate::faults::Phase;
use crate::picture::{Colour, inverted, png};
use crate::world::plain_client;

/// A participant waits with the next job while so many are in line.
const MOST_WAITING: u64 = 4;
const RETRY: Duration = Duration::from_millis(200);
const THINKING: std::ops::Range<u64> = 0..400;

/// A job that the server said it has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Accepted {
    pub id: String,
    pub colour: Colour,
    pub pictures: usize,
    /// It kills every ComfyUI but a real one.
    pub is_killer: bool,
}

/// What one participant has seen.
#[derive(Debug, Default)]
pub struct Tally {
    pub accepted: Vec<Accepted>,
    /// Submissions without an answer: the server may have the job or not.
    pub unanswered: u32,
    /// Answers that there is no room.
    pub refused_full: u32,
    /// How often each job's success was told.
    pub successes: HashMap<String, u32>,
}

pub struct Person {
    seat: String,
    /// Distinguishes its colours from others'.
    number: u32,
    url: String,
    http: reqwest::Client,
    random: StdRng,
    tally: Arc<Mutex<Tally>>,
    phases: broadcast::Sender<Phase>,
}

impl Person {
    pub fn new(number: u32, url: &str, seed: u64, phases: broadcast::Sender<Phase>) -> anyhow::Result<Self> {
        Ok(Self {
            seat: format!("user{:03}", number + 1),
            number,
            url: url.to_owned(),
            http: plain_client()?,
            random: StdRng::seed_from_u64(seed ^ u64::from(number + 1) << 40),
            tally: Arc::default(),
            phases,
        })
    }

    pub fn tally(&self) -> Arc<Mutex<Tally>> {
        self.tally.clone()
    }

    /// Submits so many jobs, through whatever happens meanwhile, and with the other participants no
    /// more than `turn` allows yet. The first participant's middle one kills engines.
    pub async fn take_part(
        mut self,
        jobs: u32,
        seats: u32,
        mut turn: watch::Receiver<u32>,
    ) -> anyhow::Result<()> {
        let watching = tokio::spawn(listen(self.socket_url(), self.tally.clone()));
        let brought = self.colour(0);
        self.bring(brought).await?;
        for job in 1..=jobs {
            // Nobody left to allow it: the drill is over, and its error is told elsewhere.
            let earlier = (job - 1) * seats + self.number;
            let _ = turn.wait_for(|allowed| earlier < *allowed).await;
            self.wait_for_room().await;
            let thinking = Duration::from_millis(self.random.random_range(THINKING));
            sleep(thinking).await;
            let loads = self.random.random_bool(0.4);
            let is_killer = self.number == 0 && job == jobs.div_ceil(2);
            let (prompt, colour, pictures) = if is_killer {
                saving(self.colour(job), 1, KILLER)
            } else if loads {
                inverting(brought)
            } else {
                saving(self.colour(job), self.random.random_range(1..=2), "plain")
            };
            self.submit(&prompt, |id| Accepted { id, colour, pictures, is_killer }).await?;
        }
        // Whoever is told later than this sees it after a reload.
        watching.abort();
        Ok(())
    }

    fn colour(&self, job: u32) -> Colour {
        // Odd, so that no two numbers give the same colour.
        ((self.number << 14) + job).wrapping_mul(0x9e_3779) & 0xff_ffff
    }

    fn api(&self, path: &str) -> String {
        format!("{}/user/{}/comfy/api/{path}", self.url, self.seat)
    }

    fn socket_url(&self) -> String {
        let url = self.url.replacen("http", "ws", 1);
        format!("{url}/user/{}/comfy/ws?clientId=drill-{}", self.seat, self.seat)
    }

    async fn bring(&self, colour: Colour) -> anyhow::Result<()> {
        loop {
            let file = Part::bytes(png(colour)?).file_name(file_name(colour));
            let form = Form::new().part("image", file);
            match self.http.post(self.api("upload/image")).multipart(form).send().await {
                Ok(answer) if answer.status().is_success() => return Ok(()),
                Ok(answer) => ensure!(answer.status().is_server_error(), "an upload was refused: {answer:?}"),
                Err(_) => {}
            }
            sleep(RETRY).await;
        }
    }

    async fn wait_for_room(&self) {
        loop {
            let remaining = async {
                let answer = self.http.get(self.api("prompt")).send().await.ok()?;
                let body: Value = serde_json::from_slice(&answer.bytes().await.ok()?).ok()?;
                body["exec_info"]["queue_remaining"].as_u64()
            };
            if remaining.await.is_some_and(|remaining| remaining < MOST_WAITING) {
                return;
            }
            sleep(RETRY).await;
        }
    }

    async fn submit(&self, prompt: &Value, accepted: impl Fn(String) -> Accepted) -> anyhow::Result<()> {
        let body = json!({"prompt": prompt, "client_id": format!("drill-{}", self.seat)});
        loop {
            match self.http.post(self.api("prompt")).json(&body).send().await {
                Ok(answer) if answer.status() == StatusCode::OK => {
                    let answer: Value = match answer.bytes().await {
                        Ok(bytes) => serde_json::from_slice(&bytes).context("an answer that is no JSON")?,
                        Err(_) => {
                            self.note(|tally| tally.unanswered += 1);
                            continue;
                        }
                    };
                    let id = answer["prompt_id"].as_str().context("no prompt_id")?.to_owned();
                    self.note(|tally| tally.accepted.push(accepted(id)));
                    let _ = self.phases.send(Phase::Queued);
                    return Ok(());
                }
                Ok(answer) => {
                    let status = answer.status();
                    if status == StatusCode::INSUFFICIENT_STORAGE {
                        self.note(|tally| tally.refused_full += 1);
                    }
                    let text = answer.text().await.unwrap_or_default();
                    ensure!(status.is_server_error(), "a job was refused: {status} {text}");
                }
                Err(error) if error.is_connect() => {}
                // Whoever is told nothing presses Run again.
                Err(_) => self.note(|tally| tally.unanswered += 1),
            }
            sleep(RETRY).await;
        }
    }

    fn note(&self, change: impl FnOnce(&mut Tally)) {
        change(&mut self.tally.lock().unwrap_or_else(PoisonError::into_inner));
    }
}

/// Notes what the seat's socket tells, and opens it again whenever it is lost.
async fn listen(url: String, tally: Arc<Mutex<Tally>>) {
    loop {
        if let Ok((mut socket, _)) = connect_async(&url).await {
            while let Some(Ok(message)) = socket.next().await {
                let Ok(text) = message.to_text() else { continue };
                let Ok(message) = serde_json::from_str::<Value>(text) else { continue };
                if message["type"] == "execution_success"
                    && let Some(id) = message["data"]["prompt_id"].as_str()
                {
                    let mut tally = tally.lock().unwrap_or_else(PoisonError::into_inner);
                    *tally.successes.entry(id.to_owned()).or_default() += 1;
                }
            }
        }
        sleep(RETRY).await;
    }
}

fn file_name(colour: Colour) -> String {
    format!("{colour:06x}.png")
}

fn saving(colour: Colour, pictures: usize, prefix: &str) -> (Value, Colour, usize) {
    let prompt = json!({
        "1": {"class_type": "EmptyImage", "inputs": {"width": 8, "height": 8, "batch_size": pictures, "color": colour}},
        "2": {"class_type": "SaveImage", "inputs": {"images": ["1", 0], "filename_prefix": prefix}},
    });
    (prompt, colour, pictures)
}

fn inverting(colour: Colour) -> (Value, Colour, usize) {
    let prompt = json!({
        "1": {"class_type": "LoadImage", "inputs": {"image": file_name(colour)}},
        "2": {"class_type": "ImageInvert", "inputs": {"image": ["1", 0]}},
        "3": {"class_type": "SaveImage", "inputs": {"images": ["2", 0], "filename_prefix": "inverted"}},
    });
    (prompt, inverted(colour), 1)
}
