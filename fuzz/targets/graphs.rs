//! Graphs of known classes with unforeseen values: a line is a node, its first letter the
//! class, the rest the value of every input. `>` begins a link to the line of that number.
#![no_main]

use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use serde_json::{Map, Value, json};

static CATALOG: LazyLock<Map<String, Value>> = LazyLock::new(fuzz::catalog);

fuzz_target!(|text: &str| {
    let classes: Vec<&String> = CATALOG.keys().collect();
    let mut prompt = Map::new();
    for (line, number) in text.split('\n').zip(0..) {
        let Some(letter) = line.chars().next() else { continue };
        let class = classes[letter as usize % classes.len()];
        let text = &line[letter.len_utf8()..];
        let value = match text.as_bytes() {
            [b'>', ..] => json!([text[1..].trim(), 0]),
            [b'{' | b'[', ..] => serde_json::from_str(text).unwrap_or(Value::Null),
            [b'*', ..] => json!({"__value__": text[1..].split('|').collect::<Vec<_>>()}),
            _ => Value::from(text),
        };
        prompt.insert(i32::to_string(&number), json!({"class_type": class, "inputs": inputs(class, &value)}));
    }
    fuzz::graphs::run(&prompt, None);
});

/// Every input that the class has, with this value; images come from the node before.
fn inputs(class: &str, value: &Value) -> Map<String, Value> {
    let forms = ["required", "optional"];
    let declared = forms.iter().filter_map(|form| CATALOG[class]["input"][form].as_object());
    declared.flat_map(Map::keys).map(|name| (name.clone(), value.clone())).collect()
}
