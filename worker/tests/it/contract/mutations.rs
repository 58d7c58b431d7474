//! A graph for every node class, as right as it can be made without models, and the same with
//! one input changed. Drawn with a fixed seed.

use serde_json::{Map, Value, json};

use super::cases::Case;

/// Mutations per class.
const MUTATIONS: usize = 2;
/// How far back sources are filled in.
const DEPTH: usize = 3;

/// Classes whose answer departs on purpose.
const DEPARTING: [(&str, &str); 8] = [
    ("KlingCameraControls", "a validator of comfy.org's paid API"),
    ("FluxProUltraImageNode", "a validator of comfy.org's paid API"),
    ("TripoConversionNode", "a validator of comfy.org's paid API"),
    ("LoadImageDataSetFromFolder", "whole folders are not brought to the engine"),
    ("LoadImageTextDataSetFromFolder", "whole folders are not brought to the engine"),
    ("LoadTrainingDataset", "whole folders are not brought to the engine"),
    ("RecordAudio", "the engine has only the files that are brought to it"),
    ("Load3D", "the engine has only the files that are brought to it"),
];

pub fn of_every_class(catalog: &Map<String, Value>) -> Vec<Case> {
    let mut random = Random(0x00c0_ffee);
    let mut cases = Vec::new();
    for class in catalog.keys() {
        if DEPARTING.iter().any(|(departing, _)| departing == class) {
            continue;
        }
        let graph = Builder::new(catalog).graph(class);
        cases.push(case(format!("{class} as it should be"), &graph));
        for number in 0..MUTATIONS {
            let (mutated, what) = mutate(&graph, catalog, class, &mut random);
            cases.push(case(format!("{class}, mutation {number}: {what}"), &mutated));
        }
    }
    cases
}

fn case(name: String, graph: &Map<String, Value>) -> Case {
    Case { name, body: json!({"prompt": graph}).to_string(), departs: None }
}

struct Builder<'a> {
    catalog: &'a Map<String, Value>,
    graph: Map<String, Value>,
}

impl<'a> Builder<'a> {
    fn new(catalog: &'a Map<String, Value>) -> Self {
        Self { catalog, graph: Map::new() }
    }

    /// Node 1 is of this class; one that is no output is shown by another.
    fn graph(mut self, class: &str) -> Map<String, Value> {
        let id = self.add(class, DEPTH);
        if self.catalog[class]["output_node"] != true {
            let show = json!({"class_type": "PreviewAny", "inputs": {"source": [id, 0]}});
            self.graph.insert("show".to_owned(), show);
        }
        self.graph
    }

    fn add(&mut self, class: &str, depth: usize) -> String {
        let id = (self.graph.len() + 1).to_string();
        self.graph.insert(id.clone(), Value::Null);
        let mut inputs = Map::new();
        let required = self.catalog[class]["input"]["required"].as_object().cloned().unwrap_or_default();
        for (name, entry) in &required {
            if let Some(value) = self.value(entry, depth) {
                inputs.insert(name.clone(), value);
            }
        }
        self.graph.insert(id.clone(), json!({"class_type": class, "inputs": inputs}));
        id
    }

    fn value(&mut self, entry: &Value, depth: usize) -> Option<Value> {
        let options = &entry[1];
        let or_default = |value: Value| options.get("default").cloned().unwrap_or(value);
        let first = |choices: &Value| choices.get(0).cloned().unwrap_or_else(|| json!("none-such"));
        Some(match entry[0].as_str() {
            None => first(&entry[0]),
            Some("COMBO") => first(&options["options"]),
            Some("INT" | "FLOAT") => or_default(options.get("min").cloned().unwrap_or_else(|| json!(1))),
            Some("STRING") => or_default(json!("x")),
            Some("BOOLEAN") => or_default(json!(true)),
            Some("WEBCAM") => json!("in.png"),
            Some(kind) => {
                let source = self.source(kind).filter(|_| depth > 0)?;
                let slot = self.slot(&source, kind)?;
                json!([self.add(&source, depth - 1), slot])
            }
        })
    }

    /// The class with the fewest inputs that makes this type.
    fn source(&self, kind: &str) -> Option<String> {
        let kinds: Vec<&str> = kind.split(',').collect();
        let makes = |definition: &Value| {
            definition["output"].as_array().is_some_and(|outputs| {
                outputs.iter().any(|output| output.as_str().is_some_and(|output| kinds.contains(&output)))
            })
        };
        let size = |definition: &Value| definition["input"]["required"].as_object().map_or(0, Map::len);
        let candidates = self.catalog.iter().filter(|(_, definition)| makes(definition));
        let candidates = candidates.filter(|(class, definition)| {
            definition["output_node"] != true && !DEPARTING.iter().any(|(departing, _)| departing == class)
        });
        candidates.min_by_key(|(_, definition)| size(definition)).map(|(class, _)| class.clone())
    }

    fn slot(&self, class: &str, kind: &str) -> Option<usize> {
        let outputs = self.catalog[class]["output"].as_array()?;
        outputs.iter().position(|output| kind.split(',').any(|kind| output == kind))
    }
}

/// The graph with one input of node 1 changed, and the change.
fn mutate(
    graph: &Map<String, Value>,
    catalog: &Map<String, Value>,
    class: &str,
    random: &mut Random,
) -> (Map<String, Value>, String) {
    let mut graph = graph.clone();
    let names: Vec<String> = ["required", "optional"]
        .iter()
        .filter_map(|section| catalog[class]["input"][section].as_object())
        .flat_map(|inputs| inputs.keys().cloned())
        .collect();
    let any_node = random.pick(&graph.keys().cloned().collect::<Vec<_>>()).clone();
    let unknown = "an_input_it_does_not_have".to_owned();
    let name = if names.is_empty() { unknown } else { random.pick(&names).clone() };
    let inputs = graph["1"]["inputs"].as_object_mut().unwrap();
    let old = inputs.shift_remove(&name).unwrap_or(Value::Null);
    let values = [
        None,
        Some(json!(null)),
        Some(json!("7")),
        Some(json!("none-such")),
        Some(json!("")),
        Some(json!("nan")),
        Some(json!(-3)),
        Some(json!(0)),
        Some(json!(2.5)),
        Some(json!(1e30)),
        Some(json!(-1e30)),
        Some(json!(true)),
        Some(json!({"a": "b"})),
        Some(json!({"__value__": old})),
        Some(json!({"__value__": ["a", "b", "c"]})),
        Some(json!(["1"])),
        Some(json!(["1", 0, 0])),
        Some(json!(["1", 0])),
        Some(json!(["nowhere", 0])),
        Some(json!([any_node, 0])),
        Some(json!([any_node, 99])),
        Some(json!([any_node, "0"])),
        Some(json!([1, 0])),
    ];
    let value = random.pick(&values).clone();
    let what = format!("{name} = {}", value.as_ref().map_or("left out".to_owned(), Value::to_string));
    if let Some(value) = value {
        inputs.insert(name, value);
    }
    (graph, what)
}

/// SplitMix64.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn pick<'a, T>(&mut self, items: &'a [T]) -> &'a T {
        &items[self.next() as usize % items.len()]
    }
}
