//! Turns what the engine says about a rewritten prompt back into the seat's own words.
//!
//! Invariant: after [`restore_event`] an `execution_error` holds no absolute path of the
//! engine, and no event names an engine-side file that we put there: not this seat's, and of no
//! other seat's model so much as its hash.

use std::collections::HashSet;

use serde_json::{Map, Value};

use crate::models::{OwnModel, SENTINEL_PREFIX};
use crate::rewrite::{Rewritten, RewrittenInput};

const ADDED_NODE_MARK: &str = "cm";

/// The names of one rewritten prompt.
#[derive(Debug, Clone, Default)]
pub struct EngineNames {
    /// Engine-side path below the input or a model folder → what the seat calls it.
    files: Vec<(String, String)>,
    /// With a final slash.
    output_folder: String,
    added_nodes: HashSet<String>,
    /// The participant's own nodes; empty where they are not known.
    nodes: HashSet<String>,
    /// Absolute folders of the engine, which are redacted in every event.
    roots: Vec<String>,
}

impl EngineNames {
    pub fn new(inputs: &[RewrittenInput], output_folder: &str, added_nodes: &[String]) -> Self {
        let files = inputs
            .iter()
            .map(|input| (format!("{}/{}", input.subfolder, input.filename), input.path.to_string()))
            .collect();
        Self {
            files,
            output_folder: format!("{}/", output_folder.trim_end_matches('/')),
            added_nodes: added_nodes.iter().cloned().collect(),
            ..Self::default()
        }
    }

    pub fn of(rewritten: &Rewritten, output_folder: &str) -> Self {
        let nodes = rewritten.prompt.keys().filter(|id| !rewritten.added_nodes.contains(id));
        Self::new(&rewritten.inputs, output_folder, &rewritten.added_nodes)
            .with_models(&rewritten.models)
            .with_nodes(nodes.cloned())
    }

    /// With these, the seat's models are called as the seat does.
    pub fn with_models(mut self, models: &[OwnModel]) -> Self {
        self.files.extend(models.iter().map(|model| (model.engine_name(), model.seat_name())));
        self
    }

    /// With these, ids of other prompts' nodes are taken out of errors.
    pub fn with_nodes(mut self, nodes: impl IntoIterator<Item = String>) -> Self {
        self.nodes = nodes.into_iter().collect();
        self
    }

    /// With these, the engine's folders are redacted in every event, not only in errors.
    pub fn with_roots(mut self, roots: impl IntoIterator<Item = String>) -> Self {
        self.roots = roots.into_iter().filter(|root| root.trim_matches('/').len() > 1).collect();
        self
    }
}

/// Restores `event`, `{"type", "data"}`, in place. False if it is only about a node that
/// the rewriting added: then it is not the participant's to see.
#[must_use]
pub fn restore_event(event: &mut Value, names: &EngineNames) -> bool {
    let is_error = event.get("type").and_then(Value::as_str) == Some("execution_error");
    let Some(data) = event.get_mut("data") else { return true };
    if let Some(members) = data.as_object_mut()
        && !keep_own_nodes(members, names, is_error)
    {
        return false;
    }
    restore_value(data, names, is_error);
    true
}

/// Restores the data of an `execution_error`, as history and jobs keep it.
pub fn restore_error(data: &mut Value, names: &EngineNames) {
    if let Some(members) = data.as_object_mut() {
        keep_own_nodes(members, names, true);
    }
    restore_value(data, names, true);
}

/// Restores the texts of a node's outputs, or of anything else without node ids.
pub fn restore_value(value: &mut Value, names: &EngineNames, redacts_paths: bool) {
    // Values come from JSON, whose parser bounds their depth.
    match value {
        Value::String(text) => {
            if let Some(restored) = restore_text(text, names, redacts_paths) {
                *text = restored;
            }
        }
        Value::Array(items) => items.iter_mut().for_each(|item| restore_value(item, names, redacts_paths)),
        Value::Object(members) => {
            members.values_mut().for_each(|member| restore_value(member, names, redacts_paths));
        }
        _ => {}
    }
}

pub(crate) fn added_node_id(number: u32, purpose: &str, owner: &str) -> String {
    format!("{ADDED_NODE_MARK}{number}-{purpose}-{owner}")
}

/// The participant's node that an added node serves.
fn owner_of(added: &str) -> Option<&str> {
    added.splitn(3, '-').nth(2)
}

/// Takes added and foreign nodes out of the lists of ids; false if nothing is left.
fn keep_own_nodes(members: &mut Map<String, Value>, names: &EngineNames, is_error: bool) -> bool {
    let is_added = |id: &Value| id.as_str().is_some_and(|id| names.added_nodes.contains(id));
    for key in ["nodes", "executed", "current_outputs"] {
        if let Some(Value::Array(ids)) = members.get_mut(key) {
            ids.retain(|id| !is_added(id));
            if is_error {
                ids.retain(|id| id.as_str().is_none_or(|id| is_own(id, names)));
            }
        }
    }
    if let Some(Value::Object(states)) = members.get_mut("nodes") {
        let had_states = !states.is_empty();
        states.retain(|id, _| !names.added_nodes.contains(id));
        if had_states && states.is_empty() {
            return false;
        }
    }
    for key in ["node", "node_id", "display_node"] {
        let owner = match members.get(key).and_then(Value::as_str) {
            Some(id) if names.added_nodes.contains(id) => owner_of(id).map(str::to_owned),
            _ => continue,
        };
        let ends_run = is_error || members.contains_key("node_type");
        match owner {
            Some(owner) if ends_run => members.insert(key.to_owned(), Value::String(owner)),
            _ => return false,
        };
    }
    true
}

/// Nodes that a node expands into are called `<id>.…`.
fn is_own(id: &str, names: &EngineNames) -> bool {
    let base = id.split('.').next().unwrap_or(id);
    names.nodes.is_empty() || names.nodes.contains(id) || names.nodes.contains(base)
}

fn restore_text(text: &str, names: &EngineNames, redacts_paths: bool) -> Option<String> {
    let mut restored = text.to_owned();
    for (engine, seat) in &names.files {
        replace_path(&mut restored, engine, seat);
    }
    redact_models(&mut restored);
    if names.output_folder.len() > 1 {
        replace_path(&mut restored, &names.output_folder, "");
        replace_path(&mut restored, names.output_folder.trim_end_matches('/'), "output");
    }
    for root in &names.roots {
        replace_path(&mut restored, root.trim_end_matches('/'), "…");
    }
    if redacts_paths {
        restored = redact_absolute_paths(&restored);
    }
    (restored != text).then_some(restored)
}

/// Takes out what is left of the names of models' copies: a refusal lists all choices, and those
/// that are not restored by now are other seats'.
fn redact_models(text: &mut String) {
    const FOLDER: &str = "cm/";
    const HASH_CHARS: usize = 64;
    let mut searched = 0;
    while let Some(found) = text[searched..].find(FOLDER) {
        let start = searched + found;
        let name = &text[start + FOLDER.len()..];
        let length = name.find(|end: char| !is_name_character(end)).unwrap_or(name.len());
        let is_hash = name.chars().take_while(char::is_ascii_hexdigit).count() >= HASH_CHARS;
        if is_hash || name.starts_with(SENTINEL_PREFIX) {
            text.replace_range(start..start + FOLDER.len() + length, "…");
            searched = start + "…".len();
        } else {
            searched = start + FOLDER.len();
        }
    }
}

/// Replaces `from` and whatever absolute path leads to it.
fn replace_path(text: &mut String, from: &str, to: &str) {
    let mut searched = 0;
    while let Some(found) = text[searched..].find(from) {
        let found = searched + found;
        let lead = leading_path(&text[..found]);
        // Only whole names: `cm/1/2` must not be found in `cm/1/23`.
        let end = found + from.len();
        let goes_on = !from.ends_with('/') && text[end..].starts_with(|next: char| is_name_character(next));
        if goes_on {
            searched = end;
            continue;
        }
        text.replace_range(found - lead..end, to);
        searched = found - lead + to.len();
    }
}

/// How many bytes before the end of `text` belong to an absolute path, drive included.
fn leading_path(text: &str) -> usize {
    let is_path = |character: char| is_name_character(character) || matches!(character, '/' | '\\');
    let run = text.len() - text.trim_end_matches(is_path).len();
    let mut start = text.len() - run;
    if text[start..].is_empty() {
        return 0;
    }
    let before = &text[..start];
    let drive = before.strip_suffix(':').and_then(|rest| rest.chars().next_back());
    if drive.is_some_and(|letter| letter.is_ascii_alphabetic()) {
        start -= 2;
    }
    let is_absolute = text[start..].starts_with(['/', '\\']) || start + run != text.len();
    if is_absolute { text.len() - start } else { 0 }
}

fn is_name_character(character: char) -> bool {
    character.is_alphanumeric() || matches!(character, '_' | '-' | '.' | '~' | '+' | '@' | '%' | '#' | '…')
}

/// Leaves the last part of each absolute path: `/opt/ComfyUI/nodes.py` → `nodes.py`.
/// Web addresses stay.
fn redact_absolute_paths(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    let mut previous: Option<char> = None;
    while let Some(character) = rest.chars().next() {
        let is_word_start = previous.is_none_or(|previous| !is_name_character(previous));
        if is_word_start && let Some(length) = address_length(rest) {
            out.push_str(&rest[..length]);
            rest = &rest[length..];
            previous = out.chars().next_back();
            continue;
        }
        let follows_path = previous.is_some_and(|previous| matches!(previous, '/' | '\\'));
        if is_word_start
            && !follows_path
            && let Some(start) = absolute_start(rest)
        {
            let length = path_length(rest, start, previous);
            let path = &rest[..length];
            let name = path.trim_end_matches(['/', '\\']).rsplit(['/', '\\', ':']).next().unwrap_or_default();
            out.push_str(if name.is_empty() || name == ".." { "…" } else { name });
            rest = &rest[length..];
            previous = out.chars().next_back();
            continue;
        }
        out.push(character);
        previous = Some(character);
        rest = &rest[character.len_utf8()..];
    }
    out
}

/// How much of `text` a web address at its start takes.
fn address_length(text: &str) -> Option<usize> {
    let is_address = ["http://", "https://", "ws://", "wss://"].iter().any(|scheme| text.starts_with(scheme));
    is_address.then(|| {
        text.find(|end: char| end.is_whitespace() || matches!(end, '"' | '\'' | '<' | '>'))
            .unwrap_or(text.len())
    })
}

/// How many bytes make `text` start an absolute path: `/x`, `//x`, `~/x`, `C:\x`, `\\x`, `file:///x`.
fn absolute_start(text: &str) -> Option<usize> {
    let scheme = if text.starts_with("file:") { "file:".len() } else { 0 };
    let path = &text[scheme..];
    let slashes = path.len() - path.trim_start_matches(['/', '\\']).len();
    let is_named = |rest: &str| rest.starts_with(is_name_character);
    // A lone backslash is an escape, not a path.
    let is_rooted = slashes > 0 && (path.starts_with('/') || slashes > 1) && is_named(&path[slashes..]);
    if is_rooted {
        return Some(scheme + slashes);
    }
    if path.starts_with("~/") {
        return Some(scheme + 2);
    }
    let has_drive = crate::annotated_path::has_drive(path) && path[2..].starts_with(['/', '\\']);
    has_drive.then_some(scheme + 3)
}

/// The end of the path that starts `text`. Inside quotes it may hold spaces.
fn path_length(text: &str, start: usize, previous: Option<char>) -> usize {
    if let Some(quote) = previous.filter(|previous| matches!(previous, '"' | '\'' | '`')) {
        let line = text[start..].split('\n').next().unwrap_or_default();
        if let Some(end) = line.find(quote) {
            return start + end;
        }
    }
    let is_path = |character: char| is_name_character(character) || matches!(character, '/' | '\\');
    let after = text[start..].find(|character: char| !is_path(character));
    after.map_or(text.len(), |end| start + end)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;
    use crate::annotated_path::AnnotatedPath;

    fn names() -> EngineNames {
        let input = RewrittenInput {
            path: AnnotatedPath::parse("pasted/photo.png").unwrap(),
            sha256: "ab12".to_owned(),
            bytes: 3,
            subfolder: "cm/user001".to_owned(),
            filename: "ab12.png".to_owned(),
        };
        EngineNames::new(&[input], "cm/job/1", &["cm1-join-9".to_owned()])
            .with_nodes(["5".to_owned(), "9".to_owned()])
            .with_roots(["/srv/engine".to_owned()])
    }

    #[test]
    fn an_error_speaks_of_the_seats_own_files() {
        let mut event = json!({"type": "execution_error", "data": {
            "prompt_id": "p", "node_id": "cm1-join-9", "node_type": "StringConcatenate",
            "executed": ["5", "cm1-join-9"], "current_outputs": ["5", "5.0.1", "77"],
            "exception_message": "cannot read /opt/My Models/x.bin, [Errno 2] No such file: '/opt/My UI/in/y.png'",
            "exception_type": "FileNotFoundError",
            "traceback": ["  File \"/opt/ComfyUI/execution.py\", line 496, in execute\n    x = a/b\n"],
            "current_inputs": {"image": ["cm/user001/ab12.png"], "filename_prefix": ["cm/job/1/a/b"], "url": ["https://example.org/a/b"]},
        }});
        assert!(restore_event(&mut event, &names()));
        assert_eq!(
            event["data"],
            json!({
                "prompt_id": "p", "node_id": "9", "node_type": "StringConcatenate",
                "executed": ["5"], "current_outputs": ["5", "5.0.1"],
                "exception_message": "cannot read My Models/x.bin, [Errno 2] No such file: 'y.png'",
                "exception_type": "FileNotFoundError",
                "traceback": ["  File \"execution.py\", line 496, in execute\n    x = a/b\n"],
                "current_inputs": {"image": ["pasted/photo.png"], "filename_prefix": ["a/b"], "url": ["https://example.org/a/b"]},
            })
        );
    }

    #[test]
    fn engine_names_are_found_behind_absolute_paths() {
        let mut text =
            json!("open('/srv/engine/input/cm/user001/ab12.png') and C:\\comfy\\output\\cm/job/1/x");
        restore_value(&mut text, &names(), false);
        assert_eq!(text, "open('pasted/photo.png') and x");
        let mut kept = json!("cm/job/12 and /home/me in my prompt");
        restore_value(&mut kept, &names(), false);
        assert_eq!(kept, "cm/job/12 and /home/me in my prompt");
    }

    #[test]
    fn events_of_added_nodes_are_not_the_participants() {
        let mut executing =
            json!({"type": "executing", "data": {"node": "cm1-join-9", "display_node": "cm1-join-9"}});
        assert!(!restore_event(&mut executing, &names()));
        let mut progress = json!({"type": "progress_state", "data": {"nodes": {"cm1-join-9": {}, "9": {}}}});
        assert!(restore_event(&mut progress, &names()));
        assert_eq!(progress["data"]["nodes"], json!({"9": {}}));
        let mut cached = json!({"type": "execution_cached", "data": {"nodes": ["5", "cm1-join-9"]}});
        assert!(restore_event(&mut cached, &names()));
        assert_eq!(cached["data"]["nodes"], json!(["5"]));
        let mut end = json!({"type": "executing", "data": {"node": null, "prompt_id": "p"}});
        assert!(restore_event(&mut end, &names()));
    }

    #[test]
    fn models_are_called_as_the_seat_does_and_others_not_at_all() {
        let own = OwnModel {
            folder: "loras".into(),
            name: "style.safetensors".into(),
            sha256: "a".repeat(64),
            bytes: 1,
        };
        let (mine, theirs) = (own.engine_name(), format!("cm/{}.safetensors", "b".repeat(64)));
        let names = names().with_models(&[own]);
        let mut text = json!(format!(
            "'{mine}' of ['{mine}', '{theirs}', 'cm/probe-loras.safetensors', 'cm/other'], /srv/m/loras/{mine}, embedding:{mine}"
        ));
        restore_value(&mut text, &names, false);
        let seen = "'mine/style.safetensors' of ['mine/style.safetensors', '…', '…', 'cm/other'], mine/style.safetensors, embedding:mine/style.safetensors";
        assert_eq!(text, seen);
    }

    proptest! {
        #[test]
        fn texts_without_a_path_stay(text in "[^/\\\\~]{0,40}") {
            prop_assert_eq!(redact_absolute_paths(&text), text);
        }

        #[test]
        fn any_text_is_restored(text in "[a:é/\\\\~. '\"\n…]{0,20}", root in "/[aé]{2,3}") {
            let mut value = json!({"type": "execution_error", "data": {"exception_message": format!("{text}{root}/x{text}")}});
            let names = names().with_roots([root]);
            prop_assert!(restore_event(&mut value, &names));
        }

        #[test]
        fn no_absolute_path_passes(
            before in "[ ='\"(\\[,:>]?",
            folders in proptest::collection::vec("[a-zA-Z0-9_.-]{1,8}", 2..5),
            after in "[ '\")\\],:]?[a-z]{0,4}",
            root in prop_oneof![Just("/"), Just("//"), Just("C:\\"), Just("C:/"), Just("file:///")],
        ) {
            let path = format!("{root}{}", folders.join("/"));
            let mut event = json!({"type": "execution_error", "data": {
                "exception_message": format!("{before}{path}{after}"), "traceback": [format!("File \"{path}\", line 1")],
            }});
            prop_assert!(restore_event(&mut event, &EngineNames::default()));
            let lead = format!("{root}{}/", folders[0]);
            prop_assert!(!event.to_string().contains(&lead.replace('\\', "\\\\")), "{}", event);
        }
    }
}
