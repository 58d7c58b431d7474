//! Gives input files their names on the engine.

use serde_json::{Map, Value};

use super::{ResolvedInput, RewriteOptions, RewrittenInput};
use crate::annotated_path::{AnnotatedPath, has_drive};
use crate::catalog::is_engine_path;
use crate::file_inputs::{FileForm, FileInput, SCENE_MEMBERS, names_nothing};

type Resolve<'a> = &'a dyn Fn(&AnnotatedPath) -> Option<ResolvedInput>;

/// The value for the engine; its files are added to `files`.
pub(super) fn rewrite(
    input: &FileInput,
    value: &Value,
    options: &RewriteOptions<'_>,
    resolve: Resolve<'_>,
    files: &mut Vec<RewrittenInput>,
) -> Result<Value, String> {
    let mut renaming = Renaming { input, options, resolve, files };
    match (input.form, value) {
        (_, Value::Array(_)) => {
            Err("the file must be chosen in the node, it cannot come from another one".to_owned())
        }
        (FileForm::Folder, _) => Err("reading a whole folder is not available here".to_owned()),
        (FileForm::EngineFolder, _) => Err("folders of the machine cannot be read here".to_owned()),
        (FileForm::Scene, Value::Object(members)) => renaming.scene(members).map(Value::Object),
        // Without a scene the engine says what it makes of the value.
        (FileForm::Scene, Value::Null | Value::Bool(_) | Value::Number(_)) => Ok(value.clone()),
        (FileForm::Name, Value::Object(members)) => match members.get("__value__") {
            Some(Value::Array(names)) => {
                let names = names.iter().map(|name| renaming.name(name)).collect::<Result<Vec<_>, _>>()?;
                Ok(Value::Object(Map::from_iter([("__value__".to_owned(), Value::Array(names))])))
            }
            Some(name) => renaming.name(name),
            None => Err("a file name is expected".to_owned()),
        },
        (FileForm::Scene | FileForm::Name, name) => renaming.name(name),
    }
}

struct Renaming<'a> {
    input: &'a FileInput,
    options: &'a RewriteOptions<'a>,
    resolve: Resolve<'a>,
    files: &'a mut Vec<RewrittenInput>,
}

impl Renaming<'_> {
    fn name(&mut self, value: &Value) -> Result<Value, String> {
        let Some(name) = value.as_str() else { return Err("a file name is expected".to_owned()) };
        // A loader's own choice for no file; it opens none.
        if names_nothing(name) {
            return Ok(value.clone());
        }
        let path = AnnotatedPath::parse(name).map_err(|error| error.to_string())?;
        let Some(content) = (self.resolve)(&path) else {
            return Err(format!("the file {path} does not exist"));
        };
        let is_plain =
            !content.sha256.is_empty() && content.sha256.bytes().all(|byte| byte.is_ascii_alphanumeric());
        if !is_plain {
            return Err(format!("the file {path} has no usable content name"));
        }
        let filename = match path.extension() {
            Some(extension) => format!("{}.{extension}", content.sha256),
            None => content.sha256.clone(),
        };
        let subfolder = format!("{}{}", self.input.engine_prefix, self.options.input_folder);
        let engine_name = format!("{subfolder}/{filename}");
        let file = RewrittenInput { path, sha256: content.sha256, bytes: content.bytes, subfolder, filename };
        if !self.files.contains(&file) {
            self.files.push(file);
        }
        Ok(Value::String(engine_name))
    }

    fn scene(&mut self, members: &Map<String, Value>) -> Result<Map<String, Value>, String> {
        let mut scene = members.clone();
        for (name, value) in &mut scene {
            if !SCENE_MEMBERS.contains(&name.as_str()) {
                refuse_outside(value).map_err(|reason| format!("{name}: {reason}"))?;
                continue;
            }
            if value.is_null() {
                continue;
            }
            *value = self.name(value).map_err(|reason| format!("{name}: {reason}"))?;
        }
        Ok(scene)
    }
}

/// Refuses a path that leads out of the seat's folders, or into all seats' on the engine, in an input whose name says that
/// it holds one: many custom nodes open whatever such an input names.
pub(super) fn refuse_outside_path(name: &str, value: &Value) -> Result<(), String> {
    const PATH_WORDS: [&str; 9] =
        ["path", "paths", "file", "files", "filename", "filepath", "folder", "dir", "directory"];
    let name = name.to_ascii_lowercase();
    let holds_path = name.split(['_', '-', ' ', '.']).any(|word| PATH_WORDS.contains(&word));
    if holds_path { refuse_outside(value) } else { Ok(()) }
}

pub(super) fn refuse_outside(value: &Value) -> Result<(), String> {
    match value {
        Value::String(text) if leads_outside(text) => {
            Err("paths outside of your own folders cannot be used here".to_owned())
        }
        Value::Object(members) => members.values().try_for_each(refuse_outside),
        Value::Array(items) => items.iter().try_for_each(refuse_outside),
        _ => Ok(()),
    }
}

fn leads_outside(text: &str) -> bool {
    let text = text.trim_start();
    text.starts_with(['/', '\\', '~'])
        || (has_drive(text) && text[2..].starts_with(['/', '\\']))
        || text.starts_with("file:")
        || text
            .split(['/', '\\'])
            .any(|segment| segment.trim() == ".." || segment.trim_start().starts_with(".. ["))
        || is_engine_path(text)
}
