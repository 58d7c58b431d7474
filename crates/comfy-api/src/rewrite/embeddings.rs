//! Gives the embeddings in texts their names on the engine.
//!
//! ComfyUI reads `embedding:name` anywhere in a text: the name starts after any blanks, loses the
//! commas around it, and ends before a blank, a parenthesis or the `:` of a weight. What it reads
//! as a name is found here in any place, also where ComfyUI would not look for one.

use serde_json::{Map, Value};

use super::models::{absent, need};
use crate::annotated_path::has_drive;
use crate::models::{OwnModel, SEAT_PREFIX, SeatModels, is_reserved};

const MARK: &str = "embedding:";

/// The value with the seat's embeddings renamed; nothing if there is nothing to change.
pub(super) fn rewrite(
    value: &Value,
    models: SeatModels<'_>,
    needed: &mut Vec<OwnModel>,
) -> Result<Option<Value>, String> {
    // Values come from JSON, whose parser bounds their depth.
    match value {
        Value::String(text) if text.contains(MARK) => {
            let renamed = rename_all(text, models, needed)?;
            Ok((renamed != *text).then_some(Value::String(renamed)))
        }
        Value::Array(items) => {
            let mut changed = None;
            for (index, item) in items.iter().enumerate() {
                if let Some(item) = rewrite(item, models, needed)? {
                    changed.get_or_insert_with(|| items.clone())[index] = item;
                }
            }
            Ok(changed.map(Value::Array))
        }
        Value::Object(members) => {
            let mut changed: Option<Map<String, Value>> = None;
            for (name, member) in members {
                if let Some(member) = rewrite(member, models, needed)? {
                    changed.get_or_insert_with(|| members.clone()).insert(name.clone(), member);
                }
            }
            Ok(changed.map(Value::Object))
        }
        _ => Ok(None),
    }
}

fn rename_all(text: &str, models: SeatModels<'_>, needed: &mut Vec<OwnModel>) -> Result<String, String> {
    let mut renamed = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(found) = rest.find(MARK) {
        let (before, after) = rest.split_at(found + MARK.len());
        renamed.push_str(before);
        let lead = after.len() - after.trim_start_matches(|lead| is_blank(lead) || lead == ',').len();
        let word = word_at(&after[lead..]);
        let name = word.split(':').next().unwrap_or(word).trim_end_matches(',');
        renamed.push_str(&after[..lead]);
        match models.embedding(name) {
            Some(model) => {
                need(model, needed);
                renamed.push_str(&model.engine_name());
            }
            None => {
                refuse_outside(word)?;
                renamed.push_str(name);
            }
        }
        rest = &after[lead + name.len()..];
    }
    renamed.push_str(rest);
    Ok(renamed)
}

/// A name with whatever ComfyUI might take for a part of it, such as a weight.
fn word_at(text: &str) -> &str {
    let end = text.find(|end: char| is_blank(end) || matches!(end, '(' | ')'));
    &text[..end.unwrap_or(text.len())]
}

/// As Python's `str.split` has it.
fn is_blank(character: char) -> bool {
    character.is_whitespace() || matches!(character, '\x1c'..='\x1f')
}

/// Refuses what is no plain name of the engine's own embeddings.
fn refuse_outside(word: &str) -> Result<(), String> {
    if word.starts_with(SEAT_PREFIX) {
        return Err(absent(&format!("{MARK}{word}")));
    }
    let path = word.replace('\\', "/");
    let leads_away = path.starts_with(['/', '~'])
        || (has_drive(&path) && path[2..].starts_with('/'))
        // `./cm/x` and `x//cm/y` are found as well: no embedding needs such a spelling.
        || (path.contains('/') && path.split('/').any(|part| matches!(part, "" | "." | "..")))
        || path.starts_with("..");
    if leads_away || is_reserved(&path) {
        return Err(format!("the embedding {word} is not among those that can be used here"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::models::ModelInputs;

    fn rewritten(value: Value) -> Result<(Option<Value>, usize), String> {
        let own = [OwnModel {
            folder: "embeddings".into(),
            name: "style.safetensors".into(),
            sha256: "ab".repeat(32),
            bytes: 1,
        }];
        let inputs = ModelInputs::new();
        let mut needed = Vec::new();
        let value = rewrite(&value, SeatModels { inputs: &inputs, own: &own }, &mut needed)?;
        Ok((value, needed.len()))
    }

    #[test]
    fn own_embeddings_are_renamed_wherever_comfyui_would_read_them() {
        let engine = format!("embedding:cm/{}.safetensors", "ab".repeat(32));
        for text in [
            "embedding:mine/style",
            "a cat, embedding:mine/style.safetensors, b",
            "(embedding:mine/style:1.2) (x:0.5)",
            "((embedding:mine/style))",
            "a\nembedding:mine/style\n",
            "embedding:mine/style embedding:other embedding:mine/style,",
        ] {
            let expected = text
                .replace("embedding:mine/style.safetensors", &engine)
                .replace("embedding:mine/style", &engine);
            assert_eq!(rewritten(json!(text)), Ok((Some(json!(expected)), 1)), "{text}");
        }
        assert_eq!(
            rewritten(json!("embedding: ,mine/style")).unwrap().0,
            Some(json!(engine.replace("embedding:", "embedding: ,")))
        );
        assert_eq!(
            rewritten(json!({"a": ["x", "embedding:mine/style"]})),
            Ok((Some(json!({"a": ["x", engine]})), 1))
        );
    }

    #[test]
    fn other_texts_stay_as_they_are() {
        for text in
            ["embedding:badhand, a", "embedding:sub/x:1.1", "embedding:", "mine/style", "a/../b embedding"]
        {
            assert_eq!(rewritten(json!(text)), Ok((None, 0)), "{text}");
        }
    }

    #[test]
    fn no_embedding_leads_away() {
        for name in [
            "cm/ff",
            "CM/ff",
            ",cm/ff",
            " cm/ff",
            "\x1ccm/ff",
            "./cm/ff",
            "x/../cm/ff",
            "../x",
            "..",
            "/etc/x",
            "~/x",
            "..\\x",
            "C:/x",
            "x//y",
            "Mine/style",
            "mine/gone",
        ] {
            for text in [format!("a embedding:{name} b"), format!("(embedding:{name}:1.2)")] {
                assert!(rewritten(json!(text)).is_err(), "{text:?}");
            }
        }
    }
}
