//! The real ComfyUI, asked without running anything.

use std::time::Duration;

use comfy_api::client::ComfyClient;
use serde_json::{Value, json};

use super::answer::{Accepted, Answer};
use crate::support::graphs;

/// Long jobs that keep the one executor busy; they are cut short in the end.
const HOLDERS: u32 = 3;

pub struct Engine {
    http: reqwest::Client,
    base_url: String,
}

impl Engine {
    /// Keeps the engine busy, so that accepted prompts wait in its queue, where they show what
    /// became of them, and are removed before they run.
    pub async fn hold(comfyui: &ComfyClient) -> Self {
        let http = reqwest::Client::builder().no_proxy().timeout(Duration::from_secs(60)).build().unwrap();
        let engine = Self { http, base_url: comfyui.base_url().to_owned() };
        for color in 0..HOLDERS {
            let graph = graphs::stepping(4096, 512, 0xc0_0000 + color, "contract");
            let (status, _) =
                engine.post("/prompt", json!({"prompt": graph, "number": -9}).to_string()).await;
            assert_eq!(status, 200);
        }
        engine
    }

    pub async fn ask(&self, body: &str) -> Answer {
        let (status, answer) = self.post("/prompt", body.to_owned()).await;
        let answer = without_sentinels(&answer);
        let accepted = match answer["prompt_id"].as_str() {
            Some(id) => Some(self.take_queued(id).await),
            None => None,
        };
        Answer::new(status, &answer, accepted)
    }

    /// Ends the holding jobs and waits until nothing runs.
    pub async fn release(self) {
        let idle = json!([]);
        self.post("/queue", json!({"clear": true}).to_string()).await;
        loop {
            let queue = self.queue().await;
            if queue["queue_running"] == idle && queue["queue_pending"] == idle {
                return;
            }
            self.post("/interrupt", "{}".to_owned()).await;
        }
    }

    /// What waits under this id: its outputs and values. It will not run.
    async fn take_queued(&self, id: &str) -> Accepted {
        let queue = self.queue().await;
        let items = queue["queue_pending"].as_array().unwrap();
        let item = items.iter().find(|item| item[1] == id).expect("an accepted prompt waits");
        self.post("/queue", json!({"delete": [id]}).to_string()).await;
        let outputs = item[4].as_array().unwrap().iter().map(|output| output.as_str().unwrap().to_owned());
        Accepted::new(outputs, item[2].as_object().expect("an accepted prompt is an object"))
    }

    async fn queue(&self) -> Value {
        let reply = self.http.get(format!("{}/queue", self.base_url)).send().await.unwrap();
        readable(&reply.text().await.unwrap())
    }

    async fn post(&self, path: &str, body: String) -> (u16, Value) {
        let request = self.http.post(format!("{}{path}", self.base_url));
        let reply = request.header("content-type", "application/json").body(body).send().await.unwrap();
        let status = reply.status().as_u16();
        (status, readable(&reply.text().await.unwrap()))
    }
}

/// Python writes numbers that are none, and halves of characters. What is no JSON is null.
fn readable(text: &str) -> Value {
    let mut text = text.replace("\\ud800", "?");
    for number in [": NaN", ": Infinity", ": -Infinity"] {
        text = text.replace(number, ": null");
    }
    serde_json::from_str(&text).unwrap_or(Value::Null)
}

/// The answer without the files by which the worker sees which inputs list which folder; a seat
/// is never shown them.
fn without_sentinels(answer: &Value) -> Value {
    let mut text = answer.to_string();
    while let Some(start) = text.find("'cm/probe-") {
        let length = text[start + 1..].find('\'').expect("the name is quoted") + 2;
        let mut range = start..start + length;
        if text[range.end..].starts_with(", ") {
            range.end += 2;
        } else if text[..range.start].ends_with(", ") {
            range.start -= 2;
        }
        text.replace_range(range, "");
    }
    serde_json::from_str(&text).expect("only parts of texts were taken out")
}
