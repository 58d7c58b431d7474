//! Whether the files that an input names are there.

use serde_json::Value;

use super::InputFiles;
use crate::annotated_path::AnnotatedPath;
use crate::file_inputs::{FileForm, FileInput, SCENE_MEMBERS, names_nothing};
use crate::python;

/// What is wrong with `value`, in the words of ComfyUI's own loaders where it has some.
pub(super) fn problem(input: &FileInput, value: &Value, files: &dyn InputFiles) -> Option<String> {
    match input.form {
        FileForm::Name => {
            let value = value.get("__value__").unwrap_or(value);
            match value {
                Value::Array(names) => names.iter().find_map(|name| name_problem(input, name, files)),
                name => name_problem(input, name, files),
            }
        }
        FileForm::Scene => match value {
            Value::Object(members) => SCENE_MEMBERS
                .iter()
                .filter_map(|member| members.get(*member))
                .filter(|name| !name.as_str().is_some_and(names_nothing))
                .find_map(|name| name_problem(input, name, files)),
            Value::String(name) if !names_nothing(name) => name_problem(input, value, files),
            _ => None,
        },
        FileForm::Folder => Some("Reading a whole folder is not available here".to_owned()),
        FileForm::EngineFolder => Some("Folders of the machine cannot be read here".to_owned()),
    }
}

fn name_problem(input: &FileInput, name: &Value, files: &dyn InputFiles) -> Option<String> {
    let path = name.as_str().and_then(|name| AnnotatedPath::parse(name).ok());
    let exists = path.is_some_and(|path| files.exists(&path));
    (!exists).then(|| format!("Invalid {} file: {}", input.noun, python::str(name)))
}
