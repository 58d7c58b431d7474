//! Gives the seat's own models their names on the engine.

use serde_json::{Map, Value};

use crate::models::{OwnModel, SEAT_PREFIX, is_reserved};

/// The value for the engine; the models that it names are added to `needed`.
pub(super) fn rewrite<'a, I>(
    value: &Value,
    offered: impl Fn() -> I,
    needed: &mut Vec<OwnModel>,
) -> Result<Value, String>
where
    I: Iterator<Item = &'a OwnModel>,
{
    match value {
        Value::String(name) => rename(name, offered(), needed).map(Value::String),
        // Nobody can say here what it will name.
        Value::Array(_) => {
            Err("the model must be chosen in the node, it cannot come from another one".to_owned())
        }
        Value::Object(members) => match members.get("__value__") {
            Some(Value::Array(names)) => {
                let names = names.iter().map(|name| match name {
                    Value::String(name) => rename(name, offered(), needed).map(Value::String),
                    other => Ok(other.clone()),
                });
                let names = names.collect::<Result<Vec<_>, _>>()?;
                Ok(Value::Object(Map::from_iter([("__value__".to_owned(), Value::Array(names))])))
            }
            Some(Value::String(name)) => rename(name, offered(), needed).map(Value::String),
            _ => Ok(value.clone()),
        },
        other => Ok(other.clone()),
    }
}

fn rename<'a>(
    name: &str,
    mut offered: impl Iterator<Item = &'a OwnModel>,
    needed: &mut Vec<OwnModel>,
) -> Result<String, String> {
    let Some(own) = name.strip_prefix(SEAT_PREFIX) else {
        return if is_reserved(name) { Err(absent(name)) } else { Ok(name.to_owned()) };
    };
    let model = offered.find(|model| model.name == own).ok_or_else(|| absent(name))?;
    need(model, needed);
    Ok(model.engine_name())
}

pub(super) fn need(model: &OwnModel, needed: &mut Vec<OwnModel>) {
    if !needed.contains(model) {
        needed.push(model.clone());
    }
}

pub(super) fn absent(name: &str) -> String {
    format!("the model {name} does not exist")
}
