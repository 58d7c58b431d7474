//! What a participant does in a workshop, in an order left to chance.

use std::time::{Duration, Instant};

use anyhow::Context;
use rand::Rng;
use rand::rngs::StdRng;
use reqwest::multipart::{Form, Part};
use serde_json::{Value, json};
use tokio::time::sleep;

use super::browser::{Browser, Notebook, Tab};
use super::pace::Pace;
use crate::picture::png;

/// A participant waits with the next job while so many of theirs are in line.
const MOST_WAITING: usize = 4;
/// Of the editor's files that a page load asks for again.
const ASSETS: usize = 6;
const THUMBNAILS: usize = 8;
/// Workflows under so many names: later ones replace earlier ones.
const WORKFLOWS: u32 = 12;

/// How often each is done, of all.
const ACTIONS: [(Action, u32); 11] = [
    (Action::Run, 34),
    (Action::Cancel, 5),
    (Action::LookAtHistory, 12),
    (Action::LookAtGallery, 12),
    (Action::Upload, 6),
    (Action::SaveWorkflow, 8),
    (Action::DeleteAndUndo, 6),
    (Action::OpenPortal, 6),
    (Action::OpenEditor, 6),
    (Action::TakeHome, 1),
    (Action::Rest, 4),
];

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Action {
    Run,
    Cancel,
    LookAtHistory,
    LookAtGallery,
    Upload,
    SaveWorkflow,
    DeleteAndUndo,
    OpenPortal,
    OpenEditor,
    TakeHome,
    Rest,
}

pub struct Participant {
    seat: String,
    browser: Browser,
    notebook: Notebook,
    random: StdRng,
    pace: Pace,
    portal: Option<Tab>,
    editor: Option<Tab>,
    /// The latest picture brought.
    brought: Option<String>,
    job: u32,
}

impl Participant {
    pub async fn join(
        number: u32,
        url: &str,
        pace: Pace,
        random: StdRng,
        notebook: Notebook,
    ) -> anyhow::Result<Self> {
        let seat = format!("user{:03}", number + 1);
        let browser = Browser::open(url, "/open", format!("seat={}", number + 1), notebook.clone())
            .await
            .with_context(|| format!("{seat} cannot join"))?;
        let (portal, editor, brought) = (None, None, None);
        Ok(Self { seat, browser, notebook, random, pace, portal, editor, brought, job: 0 })
    }

    /// Works until then.
    pub async fn take_part(mut self, until: Instant) {
        sleep(self.pace.thinking(&mut self.random)).await;
        self.act(Action::OpenPortal).await;
        self.act(Action::OpenEditor).await;
        while Instant::now() < until {
            let action = self.choose();
            self.act(action).await;
            let left = until.saturating_duration_since(Instant::now());
            sleep(self.pace.thinking(&mut self.random).min(left)).await;
        }
    }

    fn choose(&mut self) -> Action {
        let all = ACTIONS.iter().map(|(_, weight)| weight).sum();
        let mut drawn = self.random.random_range(0..all);
        for (action, weight) in ACTIONS {
            if drawn < weight {
                return action;
            }
            drawn -= weight;
        }
        Action::Run
    }

    /// What goes wrong is noted where it is met, and the participant does something else next.
    async fn act(&mut self, action: Action) -> Option<()> {
        self.notebook.note(|notes| *notes.actions.entry(action.name()).or_default() += 1);
        match action {
            Action::Run => self.run().await,
            Action::Cancel => self.cancel().await,
            Action::LookAtHistory => self.look_at_history().await,
            Action::LookAtGallery => self.look_at_gallery().await,
            Action::Upload => self.upload().await,
            Action::SaveWorkflow => self.save_workflow().await,
            Action::DeleteAndUndo => self.delete_and_undo().await,
            Action::OpenPortal => self.open_portal().await,
            Action::OpenEditor => self.open_editor().await,
            Action::TakeHome => self.take_home().await,
            Action::Rest => self.rest().await,
        }
    }

    async fn run(&mut self) -> Option<()> {
        let queue = self.browser.get_json(&self.comfy("api/queue")).await?;
        let waiting = queue["queue_pending"].as_array().map_or(0, Vec::len);
        let count = self.random.random_range(1..=3_usize).min(MOST_WAITING.saturating_sub(waiting));
        let path = self.comfy("api/prompt");
        for _ in 0..count {
            self.job += 1;
            let graph = self.graph();
            let body = json!({"prompt": graph, "client_id": self.client(), "extra_data": {
                "extra_pnginfo": {"workflow": {"id": format!("soak-{}", self.job % WORKFLOWS), "nodes": []}}}});
            self.browser.post_json(&path, &body).await?;
        }
        if self.random.random_bool(0.1) {
            let wrong = json!({"1": {"class_type": "SaveImage", "inputs": {"filename_prefix": "no image"}}});
            let body = json!({"prompt": wrong, "client_id": self.client()});
            self.browser.post_to_be_refused(&path, &body).await;
        }
        Some(())
    }

    /// Of a few shapes, as people have a few workflows.
    fn graph(&mut self) -> Value {
        let colour = self.random.random_range(0..0xff_ffff);
        let empty = |pictures: u32| {
            json!({"class_type": "EmptyImage",
                   "inputs": {"width": 8, "height": 8, "batch_size": pictures, "color": colour}})
        };
        let invert = |from: &str| json!({"class_type": "ImageInvert", "inputs": {"image": [from, 0]}});
        let save = |from: &str, prefix: &str| json!({"class_type": "SaveImage", "inputs": {"images": [from, 0], "filename_prefix": prefix}});
        match (self.random.random_range(0..4), &self.brought) {
            (0, Some(name)) => json!({
                "1": {"class_type": "LoadImage", "inputs": {"image": name}},
                "2": invert("1"), "3": save("2", "inverted"),
            }),
            (1, _) => {
                json!({"1": empty(1), "2": invert("1"), "3": save("1", "both"), "4": save("2", "both")})
            }
            (2, _) => json!({"1": empty(4), "2": save("1", "batch/four")}),
            _ => json!({"1": empty(1), "2": save("1", "plain")}),
        }
    }

    async fn cancel(&self) -> Option<()> {
        let queue = self.browser.get_json(&self.comfy("api/queue")).await?;
        match queue["queue_pending"][0][1].as_str() {
            Some(job) => {
                self.browser.post_json(&self.comfy("api/queue"), &json!({"delete": [job]})).await?;
            }
            None => {
                self.browser.post_json(&self.comfy("api/interrupt"), &json!({})).await?;
            }
        }
        Some(())
    }

    async fn look_at_history(&self) -> Option<()> {
        self.browser.get_json(&self.comfy("api/queue")).await?;
        let history = self.browser.get_json(&self.comfy("api/history?max_items=64")).await?;
        self.browser.get_json(&self.comfy("api/jobs")).await?;
        if let Some(job) = history.as_object().and_then(|history| history.keys().next_back()) {
            self.browser.get_json(&self.comfy(&format!("api/history/{job}"))).await?;
        }
        Some(())
    }

    async fn look_at_gallery(&self) -> Option<()> {
        let page = self.gallery().await?;
        self.browser.get(&format!("/api/read-gallery-choices?seat={}&ahead=60", self.seat)).await?;
        let items = page["items"].as_array().cloned().unwrap_or_default();
        for item in items.iter().take(THUMBNAILS) {
            self.browser.get(&self.portal(&format!("/results/{}/thumbnail", item["id"]))).await?;
        }
        if let Some(item) = items.first() {
            let file = |name: &str| item["file"][name].as_str().unwrap_or_default().to_owned();
            let (name, folder) = (file("filename"), file("subfolder"));
            self.browser
                .get(&self.comfy(&format!("api/view?filename={name}&subfolder={folder}&type=output")))
                .await?;
            let job = item["job"].as_str()?;
            self.browser.get_json(&self.portal(&format!("/jobs/{job}/workflow.json"))).await?;
        }
        Some(())
    }

    async fn gallery(&self) -> Option<Value> {
        self.browser.get_json(&format!("/api/read-gallery?seat={}&query=", self.seat)).await
    }

    async fn upload(&mut self) -> Option<()> {
        let colour = self.random.random_range(0..0xff_ffff);
        let picture = png(colour).expect("a picture of one colour can be written");
        // Under one of a few names, which a later one replaces.
        let name = format!("picture-{}.png", colour % 8);
        let form =
            Form::new().part("image", Part::bytes(picture).file_name(name.clone())).text("overwrite", "true");
        self.browser.upload(&self.comfy("api/upload/image"), form).await?;
        self.brought = Some(name);
        Some(())
    }

    async fn save_workflow(&mut self) -> Option<()> {
        let number = self.random.random_range(0..WORKFLOWS);
        let path = self.comfy(&format!("api/userdata/workflows%2Fsoak%20{number}.json?overwrite=true"));
        let nodes: Vec<_> = (0..self.random.random_range(1..200)).map(|id| json!({"id": id})).collect();
        self.browser.post_json(&path, &json!({"id": format!("soak-{number}"), "nodes": nodes})).await?;
        self.browser.get_json(&self.comfy("api/userdata?dir=workflows&recurse=true&full_info=true")).await?;
        self.browser.get_json(&self.comfy(&format!("api/userdata/workflows%2Fsoak%20{number}.json"))).await?;
        self.browser.post_json(&self.comfy("api/settings"), &json!({"Comfy.Soak": number})).await?;
        Some(())
    }

    async fn delete_and_undo(&mut self) -> Option<()> {
        let page = self.gallery().await?;
        let Some(item) = page["items"][0]["id"].as_i64() else { return Some(()) };
        let chosen = format!("seat={}&chosen=ids%3D{item}", self.seat);
        self.browser.post_form("/api/discard-results", chosen).await?;
        let undo = self.gallery().await?["undo"]["trash"].as_i64();
        if let Some(trash) = undo.filter(|_| self.random.random_bool(0.5)) {
            let form = format!("seat={}&trash={trash}", self.seat);
            self.browser.post_form("/api/undo-discard", form).await?;
        }
        Some(())
    }

    async fn open_portal(&mut self) -> Option<()> {
        self.portal = None;
        self.browser.get(&self.portal("")).await?;
        self.portal = self.browser.listen(&self.portal("/live")).await;
        self.browser.get_json(&format!("/api/read-files?seat={}", self.seat)).await?;
        self.gallery().await.map(drop)
    }

    async fn open_editor(&mut self) -> Option<()> {
        self.editor = None;
        let page = self.browser.get(&self.comfy("")).await?;
        for asset in assets(&String::from_utf8_lossy(&page)).into_iter().take(ASSETS) {
            self.browser.get(&self.comfy(&asset)).await?;
        }
        for path in ["api/object_info", "api/settings", "api/users", "api/extensions", "api/system_stats"] {
            self.browser.get_json(&self.comfy(path)).await?;
        }
        self.editor = self.browser.listen(&self.comfy(&format!("ws?clientId={}", self.client()))).await;
        Some(())
    }

    async fn take_home(&self) -> Option<()> {
        self.browser.get(&self.portal("/take-home.zip?inputs=1")).await.map(drop)
    }

    /// Leaves for a coffee, with the browser closed.
    async fn rest(&mut self) -> Option<()> {
        (self.portal, self.editor) = (None, None);
        let resting: Duration = (0..5).map(|_| self.pace.thinking(&mut self.random)).sum();
        sleep(resting).await;
        self.open_portal().await?;
        self.open_editor().await
    }

    fn client(&self) -> String {
        format!("soak-{}", self.seat)
    }

    fn portal(&self, path: &str) -> String {
        format!("/user/{}{path}", self.seat)
    }

    fn comfy(&self, path: &str) -> String {
        format!("/user/{}/comfy/{path}", self.seat)
    }
}

impl Action {
    fn name(self) -> &'static str {
        match self {
            Self::Run => "queued graphs",
            Self::Cancel => "cancelled",
            Self::LookAtHistory => "read the history",
            Self::LookAtGallery => "looked at the gallery",
            Self::Upload => "uploaded a picture",
            Self::SaveWorkflow => "saved a workflow",
            Self::DeleteAndUndo => "deleted a result",
            Self::OpenPortal => "opened the portal",
            Self::OpenEditor => "opened the editor",
            Self::TakeHome => "took everything home",
            Self::Rest => "left for a while",
        }
    }
}

/// The files beside the page that it names.
fn assets(page: &str) -> Vec<String> {
    let named = page.split(['"', '\'']).filter_map(|word| word.strip_prefix("./"));
    let is_file = |name: &&str| name.starts_with("assets/") && !name.contains(char::is_whitespace);
    named.filter(is_file).map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_names_its_files() {
        let page = r#"<script src="./assets/index-1.js"></script><link href="./assets/a.css"><a href="./x">"#;
        assert_eq!(assets(page), ["assets/index-1.js", "assets/a.css"]);
    }
}
