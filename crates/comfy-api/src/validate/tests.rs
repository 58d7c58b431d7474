use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::annotated_path::FileKind;

struct OneFile;

impl InputFiles for OneFile {
    fn exists(&self, file: &AnnotatedPath) -> bool {
        (file.kind, file.relative().as_str()) == (FileKind::Input, "in.png")
    }
}

fn catalog() -> Map<String, Value> {
    let numbers = json!({
        "int": ["INT", {"min": 1, "max": 10}],
        "float": ["FLOAT", {"min": 0.0}],
        "text": ["STRING", {}],
        "flag": ["BOOLEAN"],
        "old": [["a", "b"], {}],
        "new": ["COMBO", {"options": ["x", 1]}],
        "many": ["COMBO", {"options": ["p", "q"], "multiselect": true}],
        "fetched": ["COMBO", {"remote": {"route": "/r"}}],
        "bounded": ["FLOATS", {"min": 0}],
    });
    let catalog = json!({
        "Values": {"input": {"optional": numbers}, "output": ["IMAGE", ["a", "b"]], "output_node": true},
        "Image": {"input": {"required": {}, "optional": {"image": ["IMAGE"]}}, "output": ["IMAGE"], "output_node": false},
        "Save": {
            "input": {"required": {"images": ["IMAGE,MASK"]}, "optional": {"mode": [["a", "b"]]}},
            "output": [], "output_node": true,
        },
        "LoadImage": {"input": {"required": {"image": [["in.png"], {"image_upload": true}]}}, "output": ["IMAGE"], "output_node": false},
        "Load3D": {
            "input": {"required": {"model_file": [["3d/x.glb"], {"file_upload": true}], "image": ["LOAD_3D", {}]}},
            "output": ["IMAGE"], "output_node": true,
        },
        "Grow": {"input": {"required": {"images": ["COMFY_AUTOGROW_V3", {}]}}, "output": ["*"], "output_node": true},
    });
    catalog.as_object().unwrap().clone()
}

fn check(prompt: Value) -> Result<Validated, PromptError> {
    validate_prompt(prompt.as_object().unwrap(), &catalog(), None, &OneFile)
}

/// `node.input: type: details` per error, or the converted inputs of node 1.
fn outcome(prompt: Value) -> String {
    match check(prompt) {
        Ok(validated) if validated.node_errors.is_empty() => validated.prompt["1"]["inputs"].to_string(),
        Ok(validated) => lines(&validated.node_errors),
        Err(error) => match error.body["node_errors"].as_object() {
            Some(node_errors) if !node_errors.is_empty() => lines(node_errors),
            _ => format!("{}: {}", error.kind(), error.body["error"]["details"].as_str().unwrap()),
        },
    }
}

fn lines(node_errors: &Map<String, Value>) -> String {
    let mut lines = Vec::new();
    for (id, node) in node_errors {
        for error in node["errors"].as_array().unwrap() {
            let text = |name: &str| error[name].as_str().unwrap().to_owned();
            lines.push(format!("{id} {}: {} {}", text("type"), text("details"), node["dependent_outputs"]));
        }
    }
    lines.join("\n")
}

fn values(inputs: Value) -> String {
    outcome(json!({"1": {"class_type": "Values", "inputs": inputs}}))
}

#[test]
fn values_are_converted_as_python_would() {
    assert_eq!(
        values(json!({"int": "7", "float": 1, "text": 5, "flag": "no", "unknown": [1]})),
        r#"{"int":7,"float":1.0,"text":"5","flag":true,"unknown":[1]}"#
    );
    assert_eq!(values(json!({"int": {"__value__": 3.9}})), r#"{"int":3}"#);
    assert_eq!(values(json!({"text": null})), r#"{"text":"None"}"#);
}

#[test]
fn ranges_and_choices_are_checked() {
    assert_eq!(values(json!({"int": 0})), r#"1 value_smaller_than_min: int ["1"]"#);
    assert_eq!(values(json!({"int": 11})), r#"1 value_bigger_than_max: int ["1"]"#);
    assert_eq!(values(json!({"float": -0.5})), r#"1 value_smaller_than_min: float ["1"]"#);
    assert_eq!(values(json!({"old": "c"})), r#"1 value_not_in_list: old: 'c' not in ['a', 'b'] ["1"]"#);
    assert_eq!(values(json!({"new": "c"})), r#"{"new":"c"}"#);
    assert_eq!(values(json!({"new": true})), r#"{"new":true}"#);
    assert_eq!(values(json!({"fetched": "anything"})), r#"{"fetched":"anything"}"#);
    assert_eq!(values(json!({"many": {"__value__": ["p", "q"]}})), r#"{"many":{"__value__":["p","q"]}}"#);
    assert_eq!(
        values(json!({"int": null})),
        "1 invalid_input_type: int, None, int() argument must be a string, a bytes-like object or a real number, \
         not 'NoneType' [\"1\"]"
    );
}

#[test]
fn long_lists_are_not_sent_back() {
    let choices: Vec<String> = (0..21).map(|number| number.to_string()).collect();
    let catalog = json!({"Values": {"input": {"required": {"a": [choices]}}, "output_node": true}});
    let prompt = json!({"1": {"class_type": "Values", "inputs": {"a": "x"}}});
    let error = validate_prompt(prompt.as_object().unwrap(), catalog.as_object().unwrap(), None, &OneFile)
        .unwrap_err();
    let error = &error.body["node_errors"]["1"]["errors"][0];
    assert_eq!(error["details"], "a: 'x' not in (list of length 21)");
    assert_eq!(error["extra_info"], json!({"input_name": "a", "input_config": null, "received_value": "x"}));
}

#[test]
fn what_raises_in_python_raises_here() {
    assert_eq!(
        values(json!({"bounded": "x"})),
        r#"1 exception_during_validation: '<' not supported between instances of 'str' and 'int' ["1"]"#
    );
    assert_eq!(values(json!({"float": "nan"})), r#"{"float":"nan"}"#);
    assert_eq!(values(json!({"float": "-inf"})), r#"1 value_smaller_than_min: float ["1"]"#);
    let odd = |inputs: Value| outcome(json!({"1": {"class_type": "Save", "inputs": inputs}}));
    assert_eq!(odd(json!([])), r#"1 required_input_missing: images ["1"]"#);
    assert_eq!(
        odd(json!(null)),
        r#"1 exception_during_validation: argument of type 'NoneType' is not iterable ["1"]"#
    );
    assert_eq!(
        odd(json!("images")),
        r#"1 exception_during_validation: string indices must be integers, not 'str' ["1"]"#
    );
    let load = |inputs: Value| {
        outcome(json!({
            "1": {"class_type": "LoadImage", "inputs": inputs},
            "2": {"class_type": "Save", "inputs": {"images": ["1", 0]}},
        }))
    };
    assert_eq!(
        load(json!({})),
        "1 exception_during_inner_validation: LoadImage.VALIDATE_INPUTS() missing 1 required positional argument: 'image' [\"2\"]"
    );
    for (value, kind) in
        [(json!(5), "int"), (json!({"__value__": ["in.png"]}), "list"), (json!(["1", 0]), "NoneType")]
    {
        assert_eq!(
            load(json!({"image": value})),
            format!(
                "1 exception_during_inner_validation: '{kind}' object has no attribute 'endswith' [\"2\"]"
            )
        );
    }
}

#[test]
fn links_are_checked() {
    let with = |link: Value| {
        outcome(json!({
            "1": {"class_type": "Save", "inputs": {"images": link}},
            "2": {"class_type": "Values", "inputs": {}},
        }))
    };
    assert_eq!(with(json!(["2", 0])), r#"{"images":["2",0]}"#);
    assert_eq!(with(json!(["2"])), r#"1 bad_linked_input: images ["1"]"#);
    assert_eq!(
        with(json!(["2", 1])),
        r#"1 return_type_mismatch: images, received_type(['a', 'b']) mismatch input_type(IMAGE,MASK) ["1"]"#
    );
    assert_eq!(with(json!(["9", 0])), r#"1 exception_during_validation: '9' ["1"]"#);
    assert_eq!(with(json!([4, 0])), r#"1 exception_during_validation: 4 ["1"]"#);
    assert_eq!(with(json!(["2", 7])), r#"1 exception_during_validation: tuple index out of range ["1"]"#);
    assert_eq!(with(json!([{}, 0])), r#"1 exception_during_validation: unhashable type: 'dict' ["1"]"#);
}

#[test]
fn a_fault_upstream_is_reported_once_with_the_outputs_it_stops() {
    let prompt = json!({
        "10:2": {"class_type": "Image", "inputs": {"image": ["404", 0]}},
        "3": {"class_type": "Image", "inputs": {"image": ["10:2", 0]}},
        "1": {"class_type": "Save", "inputs": {"images": ["3", 0]}},
        "4": {"class_type": "Save", "inputs": {"images": ["3", 0]}},
        "5": {"class_type": "Values", "inputs": {}},
    });
    assert_eq!(outcome(prompt.clone()), r#"10:2 exception_during_inner_validation: '404' ["1","4"]"#);
    assert_eq!(check(prompt).unwrap().outputs, ["5"]);
}

#[test]
fn missing_files_are_named_as_comfyui_names_them() {
    let load = |value: Value| {
        outcome(json!({
            "1": {"class_type": "LoadImage", "inputs": {"image": value}},
            "2": {"class_type": "Save", "inputs": {"images": ["1", 0]}},
        }))
    };
    assert_eq!(load(json!("in.png [input]")), r#"{"image":"in.png [input]"}"#);
    for (value, shown) in [
        ("nope.png", "nope.png"),
        ("in.png [output]", "in.png [output]"),
        ("../in.png", "../in.png"),
        ("", ""),
    ] {
        let expected = format!("1 custom_validation_failed: image - Invalid image file: {shown} [\"2\"]");
        assert_eq!(load(json!(value)), expected);
    }
    let scene = |scene: Value| {
        outcome(json!({"1": {"class_type": "Load3D", "inputs": {"model_file": "3d/x.glb", "image": scene}}}))
    };
    assert_eq!(
        scene(json!({"image": "in.png", "mask": "gone.png [temp]", "recording": ""})),
        "1 custom_validation_failed: model_file - Invalid input file: 3d/x.glb [\"1\"]\n\
         1 custom_validation_failed: image - Invalid input file: gone.png [temp] [\"1\"]"
    );
}

#[test]
fn members_of_dynamic_inputs_are_followed_but_not_judged() {
    let prompt = |source: &str| {
        json!({
            "1": {"class_type": "Grow", "inputs": {"images.image0": [source, 0], "images.n": 3}},
            "2": {"class_type": "Values", "inputs": {}},
            "3": {"class_type": "Save", "inputs": {}},
        })
    };
    assert_eq!(check(prompt("2")).unwrap().outputs, ["1", "2"]);
    assert_eq!(check(prompt("nowhere")).unwrap().outputs, ["2"]);
}

#[test]
fn cycles_and_depth_end_in_an_answer() {
    let cycle = json!({
        "1": {"class_type": "Save", "inputs": {"images": ["2", 0]}},
        "2": {"class_type": "Image", "inputs": {"image": ["3", 0]}},
        "3": {"class_type": "Image", "inputs": {"image": ["2", 0]}},
    });
    assert_eq!(outcome(cycle), r#"prompt_outputs_failed_validation: Dependency cycle detected: 2 -> 3 -> 2"#);

    let mut deep = Map::new();
    for number in 1..MAX_NODES {
        let inputs = json!({"image": [(number + 1).to_string(), 0]});
        deep.insert(number.to_string(), json!({"class_type": "Image", "inputs": inputs}));
    }
    deep.insert(MAX_NODES.to_string(), json!({"class_type": "Image", "inputs": {}}));
    deep.insert("1".to_owned(), json!({"class_type": "Save", "inputs": {"images": ["2", 0]}}));
    assert_eq!(check(Value::Object(deep.clone())).unwrap().outputs, ["1"]);
    deep.insert("0".to_owned(), json!({"class_type": "Image", "inputs": {}}));
    assert_eq!(check(Value::Object(deep)).unwrap_err().kind(), "invalid_prompt");
}

#[test]
fn targets_choose_the_outputs() {
    let prompt = json!({
        "1": {"class_type": "Values", "inputs": {}},
        "2": {"class_type": "Save", "inputs": {}},
    });
    let run = |targets: &[String]| {
        validate_prompt(prompt.as_object().unwrap(), &catalog(), Some(targets), &OneFile)
    };
    let validated = run(&["1".to_owned()]).unwrap();
    assert_eq!((validated.outputs, validated.node_errors), (vec!["1".to_owned()], Map::new()));
    assert_eq!(run(&["7".to_owned()]).unwrap_err().kind(), "prompt_no_outputs");
}

fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        "[a-z0-9_.]{0,3}|in\\.png|INT|COMBO|IMAGE|COMFY_X_V3".prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 32, 4, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            proptest::collection::vec(("[a-z0-3]|__value__|image|images|inputs|class_type", inner), 0..4)
                .prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}

fn any_node() -> impl Strategy<Value = Value> {
    let class = prop_oneof![
        Just("Values"),
        Just("Image"),
        Just("Save"),
        Just("LoadImage"),
        Just("Load3D"),
        Just("Grow")
    ];
    let value = prop_oneof![any_json(), ("[0-4]", -2..3_i64).prop_map(|(node, slot)| json!([node, slot])),];
    let name = "int|float|text|flag|old|new|many|image|images|images.x|model_file|mode";
    (class, proptest::collection::vec((name, value), 0..6)).prop_map(
        |(class, inputs)| json!({"class_type": class, "inputs": Value::Object(inputs.into_iter().collect())}),
    )
}

proptest! {
    #[test]
    fn any_json_gets_an_answer(prompt in any_json(), catalog in any_json()) {
        if let (Some(prompt), Some(catalog)) = (prompt.as_object(), catalog.as_object()) {
            let _ = validate_prompt(prompt, catalog, None, &OneFile);
        }
    }

    #[test]
    fn any_graph_gets_an_answer_that_accounts_for_every_output(nodes in proptest::collection::vec(any_node(), 1..5)) {
        let prompt: Map<String, Value> = nodes.into_iter().enumerate().map(|(id, node)| (id.to_string(), node)).collect();
        match validate_prompt(&prompt, &catalog(), None, &OneFile) {
            Ok(validated) => {
                prop_assert!(!validated.outputs.is_empty());
                // What passed once passes again, converted as it is.
                let again = validate_prompt(&validated.prompt, &catalog(), Some(&validated.outputs), &OneFile).unwrap();
                prop_assert_eq!(again.outputs, validated.outputs);
                prop_assert_eq!(again.prompt, validated.prompt);
            }
            Err(error) => prop_assert!(
                error.kind() == "prompt_no_outputs"
                    || !error.body["node_errors"].as_object().unwrap().is_empty()
                    || error.body["error"]["details"].as_str().unwrap().contains("cycle")
            ),
        }
    }
}
