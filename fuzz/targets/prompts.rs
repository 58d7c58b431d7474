//! The body of `POST /prompt`, from its bytes to what the engine would be given.
#![no_main]

use comfy_api::prompt::PromptRequest;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|body: &[u8]| {
    if let Ok(request) = PromptRequest::parse(body) {
        fuzz::graphs::run(&request.prompt, request.partial_execution_targets.as_deref());
    }
});
