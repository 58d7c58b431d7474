//! The server's own answer, by the steps of `workshop::submit`.

use comfy_api::annotated_path::AnnotatedPath;
use comfy_api::catalog::{SeatListing, personalise};
use comfy_api::models::{ModelInputs, SeatModels};
use comfy_api::prompt::{PromptError, PromptRequest, prune_prompt};
use comfy_api::rewrite::{ResolvedInput, RewriteOptions, rewrite_prompt};
use comfy_api::validate::{InputFiles, Validated, validate_prompt};
use serde_json::{Map, Value, json};

use super::answer::{Accepted, Answer};
use super::files::{INPUTS, OUTPUTS};

pub struct Ours {
    object_info: Map<String, Value>,
    /// As a seat that has the engine's files sees it.
    catalog: Map<String, Value>,
}

/// The engine's own models are all there is.
static NO_INPUTS: ModelInputs = ModelInputs::new();
const NO_MODELS: SeatModels<'static> = SeatModels { inputs: &NO_INPUTS, own: &[] };

struct SameFiles;

impl InputFiles for SameFiles {
    fn exists(&self, file: &AnnotatedPath) -> bool {
        let files: &[&str] = match file.kind.as_str() {
            "input" => &INPUTS,
            "output" => &OUTPUTS,
            _ => &[],
        };
        files.contains(&file.relative().as_str())
    }
}

impl Ours {
    pub fn new(object_info: Map<String, Value>) -> Self {
        let catalog =
            personalise(&object_info, &listing(&INPUTS, &OUTPUTS), NO_MODELS, "/user/user001/comfy");
        Self { object_info, catalog }
    }

    pub fn object_info(&self) -> &Map<String, Value> {
        &self.object_info
    }

    pub fn catalog(&self) -> &Map<String, Value> {
        &self.catalog
    }

    /// The catalog of a seat that has no files at all.
    pub fn empty_catalog(&self) -> Map<String, Value> {
        personalise(&self.object_info, &SeatListing::default(), NO_MODELS, "/user/user001/comfy")
    }

    pub fn answer(&self, body: &str) -> Answer {
        match self.validate(body) {
            Ok(validated) => {
                let accepted = Accepted::new(validated.outputs, &validated.prompt);
                Answer::new(200, &json!({"node_errors": validated.node_errors}), Some(accepted))
            }
            Err(PromptError { status, body }) => Answer::new(status, &body, None),
        }
    }

    fn validate(&self, body: &str) -> Result<Validated, PromptError> {
        let request = PromptRequest::parse(body.as_bytes())?;
        let targets = request.partial_execution_targets.as_deref();
        let validated = validate_prompt(&request.prompt, &self.catalog, targets, &SameFiles)?;
        let options =
            RewriteOptions { output_folder: "cm/check", input_folder: "cm/check", models: NO_MODELS };
        let resolve = |path: &AnnotatedPath| {
            SameFiles.exists(path).then(|| ResolvedInput { sha256: "0".repeat(64), bytes: 0 })
        };
        let prompt = prune_prompt(&validated.prompt, &validated.outputs);
        rewrite_prompt(&prompt, &self.catalog, &options, &resolve)
            .map_err(|error| error.to_prompt_error(&prompt))?;
        Ok(validated)
    }
}

fn listing(inputs: &[&str], outputs: &[&str]) -> SeatListing {
    let owned = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
    SeatListing { inputs: owned(inputs), outputs: owned(outputs) }
}
