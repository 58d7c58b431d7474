//! Holds the direction of dependencies that docs/ARCHITECTURE.md draws.

#![allow(clippy::unwrap_used, reason = "a test that meets what it does not expect fails")]

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;

use serde_json::Value;

/// Crate → the crates of ours that it may depend on.
const ALLOWED: &[(&str, &[&str])] = &[
    ("domain", &[]),
    ("runtime", &["domain"]),
    ("comfy-api", &[]),
    ("scheduler", &["domain"]),
    ("queue", &["domain"]),
    ("store", &["domain"]),
    ("workshop", &["domain", "scheduler", "comfy-api", "queue", "store"]),
    ("app", &["domain", "workshop"]),
    ("frontend", &["app"]),
    ("server", &["app", "comfy-api", "domain", "queue", "runtime", "scheduler", "store", "workshop"]),
    ("worker", &["comfy-api", "domain", "queue", "runtime"]),
    ("drill", &[]),
];

/// Crates that must stay pure: no runtime, no database, no network among their dependencies.
const PURE: &[&str] = &["domain", "scheduler"];
const IMPURE: &[&str] = &["tokio", "sqlx", "reqwest", "axum", "redis", "rand", "leptos"];

/// Package → its ordinary dependencies, with whether each is optional.
fn dependencies() -> BTreeMap<String, Vec<(String, bool)>> {
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--no-deps", "--format-version", "1", "--offline"])
        .output()
        .expect("cargo runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let metadata: Value = serde_json::from_slice(&output.stdout).expect("cargo prints JSON");
    let normal = |package: &Value| {
        let all = package["dependencies"].as_array().unwrap().iter();
        let normal = all.filter(|dependency| dependency["kind"].is_null());
        normal
            .map(|dependency| {
                (dependency["name"].as_str().unwrap().to_owned(), dependency["optional"] == true)
            })
            .collect()
    };
    let packages = metadata["packages"].as_array().unwrap().iter();
    packages.map(|package| (package["name"].as_str().unwrap().to_owned(), normal(package))).collect()
}

#[test]
fn crates_depend_on_each_other_in_the_drawn_direction_only() {
    let dependencies = dependencies();
    let allowed: BTreeMap<_, BTreeSet<_>> =
        ALLOWED.iter().map(|(name, allowed)| (*name, allowed.iter().copied().collect())).collect();
    let ours: BTreeSet<_> = dependencies.keys().map(String::as_str).collect();
    let drawn: BTreeSet<_> = allowed.keys().copied().collect();
    assert_eq!(ours, drawn, "a crate was added or removed: draw it here and in ARCHITECTURE.md");
    for (package, list) in &dependencies {
        for (dependency, _) in list.iter().filter(|(dependency, _)| ours.contains(dependency.as_str())) {
            assert!(
                allowed[package.as_str()].contains(dependency.as_str()),
                "{package} must not depend on {dependency}"
            );
        }
    }
}

#[test]
fn the_browser_never_carries_the_workshop() {
    let app = &dependencies()["app"];
    assert!(
        app.iter().any(|(name, optional)| name == "workshop" && *optional),
        "`workshop` must be optional in `app`"
    );
}

#[test]
fn the_pure_crates_stay_pure() {
    let dependencies = dependencies();
    for package in PURE {
        for (dependency, _) in &dependencies[*package] {
            assert!(!IMPURE.contains(&dependency.as_str()), "{package} must not depend on {dependency}");
        }
    }
}
