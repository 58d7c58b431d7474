//! What workers and the server say to each other is read back as it was written.
#![no_main]

use libfuzzer_sys::fuzz_target;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

#[allow(dead_code)]
#[path = "../../crates/queue/src/report.rs"]
mod report;

use report::{ArtifactQuery, Assignment, Catalog, Claim, Release, ResultReport, ServerFrame, WorkerFrame};

fuzz_target!(|text: &[u8]| {
    check::<WorkerFrame>(text);
    check::<ServerFrame>(text);
    check::<Catalog>(text);
    check::<Claim>(text);
    check::<Assignment>(text);
    check::<ArtifactQuery>(text);
    check::<ResultReport>(text);
    check::<Release>(text);
});

fn check<T: Serialize + DeserializeOwned>(text: &[u8]) {
    let Ok(read) = serde_json::from_slice::<T>(text) else { return };
    let written = serde_json::to_string(&read).expect("what was read can be written");
    let again: T = serde_json::from_str(&written).expect("what was written can be read");
    let [one, other] = [&read, &again].map(|frame| serde_json::to_value(frame).unwrap_or(Value::Null));
    assert!(fuzz::is_same(&one, &other), "{one} is read back as {other}");
}
