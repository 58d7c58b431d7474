//! Turns what the engine says about a rewritten prompt back into the seat's own words.
//!
//! Invariant: after [`restore_event`] an `execution_error` holds no absolute path of the
//! engine, and no event names an engine-side file that we put there: not this seat's, and of no
//! other seat's model so much as its hash.

#[cfg(test)]
mod tests;

use std::borrow::Cow;
use std::cmp::Reverse;
use std::collections::HashSet;
use std::ops::Range;

use serde_json::{Map, Value};

use crate::models::{OwnModel, SENTINEL_PREFIX};
use crate::rewrite::{Rewritten, RewrittenInput};

const ADDED_NODE_MARK: &str = "cm";

/// The names of one rewritten prompt.
#[derive(Debug, Clone, Default)]
pub struct EngineNames {
    /// Engine-side path below the input or a model folder → what the seat calls it. The longest
    /// first: `cm/user001/ab.glb` ends `3d/cm/user001/ab.glb`.
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
            .map(|input| (format!("{}/{}", input.subfolder, input.filename), input.path.to_string()));
        let names = Self {
            output_folder: format!("{}/", output_folder.trim_end_matches('/')),
            added_nodes: added_nodes.iter().cloned().collect(),
            ..Self::default()
        };
        names.with_files(files)
    }

    fn with_files(mut self, files: impl IntoIterator<Item = (String, String)>) -> Self {
        self.files.extend(files);
        self.files.sort_by_key(|(engine, _)| Reverse(engine.len()));
        self
    }

    pub fn of(rewritten: &Rewritten, output_folder: &str) -> Self {
        let nodes = rewritten.prompt.keys().filter(|id| !rewritten.added_nodes.contains(id));
        Self::new(&rewritten.inputs, output_folder, &rewritten.added_nodes)
            .with_models(&rewritten.models)
            .with_nodes(nodes.cloned())
    }

    /// With these, the seat's models are called as the seat does.
    pub fn with_models(self, models: &[OwnModel]) -> Self {
        self.with_files(models.iter().map(|model| (model.engine_name(), model.seat_name())))
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
    let mut pieces = vec![Piece::Said(text)];
    for (engine, seat) in &names.files {
        pieces = pieces.into_iter().flat_map(|piece| piece.restore(engine, seat)).collect();
    }
    let redacted = pieces.into_iter().map(|piece| match piece {
        Piece::Said(said) => Cow::Owned(redact(said, names, redacts_paths)),
        Piece::Restored(seat) => Cow::Borrowed(seat),
    });
    let restored: String = redacted.collect();
    (restored != text).then_some(restored)
}

/// A part of a text. What was restored is final: the participant's own name of a file may look
/// like one that we put there.
enum Piece<'a> {
    Said(&'a str),
    Restored(&'a str),
}

impl<'a> Piece<'a> {
    fn restore(self, engine: &str, seat: &'a str) -> Vec<Self> {
        let Self::Said(mut rest) = self else { return vec![self] };
        let mut pieces = Vec::new();
        while let Some(found) = find_path(rest, engine) {
            pieces.extend([Self::Said(&rest[..found.start]), Self::Restored(seat)]);
            rest = &rest[found.end..];
        }
        pieces.push(Self::Said(rest));
        pieces
    }
}

/// Takes out what is not the participant's to see.
fn redact(said: &str, names: &EngineNames, redacts_paths: bool) -> String {
    let mut redacted = redact_models(said);
    if names.output_folder.len() > 1 {
        redacted = replace_path(&redacted, &names.output_folder, "");
        redacted = replace_path(&redacted, names.output_folder.trim_end_matches('/'), "output");
    }
    for root in &names.roots {
        redacted = replace_path(&redacted, root.trim_end_matches('/'), "…");
    }
    if redacts_paths { redact_absolute_paths(&redacted) } else { redacted }
}

/// Takes out what is left of the names of models' copies: a refusal lists all choices, and those
/// that are not restored by now are other seats'.
fn redact_models(text: &str) -> String {
    const FOLDER: &str = "cm/";
    const HASH_CHARS: usize = 64;
    let mut redacted = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(found) = rest.find(FOLDER) {
        let (before, name) = (&rest[..found], &rest[found + FOLDER.len()..]);
        let length = name.find(|end: char| !is_name_character(end)).unwrap_or(name.len());
        let is_hash = name.chars().take_while(char::is_ascii_hexdigit).count() >= HASH_CHARS;
        redacted.push_str(before);
        if is_hash || name.starts_with(SENTINEL_PREFIX) {
            redacted.push('…');
            rest = &name[length..];
        } else {
            redacted.push_str(FOLDER);
            rest = name;
        }
    }
    redacted + rest
}

/// Replaces `from` and whatever absolute path leads to it.
fn replace_path(text: &str, from: &str, to: &str) -> String {
    let mut replaced = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(found) = find_path(rest, from) {
        replaced.push_str(&rest[..found.start]);
        replaced.push_str(to);
        rest = &rest[found.end..];
    }
    replaced + rest
}

/// Where `path` is, with whatever absolute path leads to it.
fn find_path(text: &str, path: &str) -> Option<Range<usize>> {
    // Only whole names: `cm/1/2` must not be found in `cm/1/23`.
    let is_whole = |end: usize| path.ends_with('/') || !text[end..].starts_with(is_name_character);
    let (start, _) = text.match_indices(path).find(|(start, _)| is_whole(start + path.len()))?;
    Some(start - leading_path(&text[..start])..start + path.len())
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
