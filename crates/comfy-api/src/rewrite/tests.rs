use proptest::prelude::*;

use super::*;
use crate::annotated_path::FileKind;
use crate::models::{ModelInputs, OwnModel, SeatModels};

fn catalog() -> Map<String, Value> {
    let prefix = |default: &str| json!(["STRING", {"default": default}]);
    let catalog = json!({
        "LoadImage": {"input": {"required": {"image": [[], {"image_upload": true}]}}, "output": ["IMAGE"]},
        "Many": {"input": {"required": {"image": ["COMBO", {"options": [], "multiselect": true, "image_upload": true}]}}, "output": ["IMAGE"]},
        "Load3D": {"input": {"required": {"model_file": [[], {"file_upload": true}], "image": ["LOAD_3D", {}]}}, "output": []},
        "SaveImage": {"input": {"required": {"images": ["IMAGE"], "filename_prefix": prefix("ComfyUI")}}, "output": [], "output_node": true},
        "SaveOptional": {"input": {"optional": {"filename_prefix": prefix("clips/out")}}, "output": [], "output_node": true},
        "SaveLoRANode": {"input": {"required": {"prefix": prefix("loras/x")}}, "output": [], "output_node": true},
        "LossGraphNode": {"input": {"required": {"filename_prefix": prefix("loss")}}, "output": [], "output_node": true},
        "SaveDataSet": {
            "input": {"required": {"folder_name": prefix("dataset"), "filename_prefix": prefix("image")}},
            "output": [], "output_node": true,
        },
        "LoadTrainingDataset": {"input": {"required": {"folder_name": prefix("x")}}, "output": ["LATENT"]},
        "BuildPrefix": {"input": {"required": {"filename_prefix": prefix("x")}}, "output": ["STRING"], "output_node": false},
        "Custom": {"input": {"required": {"video_path": ["STRING", {}], "prompt": ["STRING", {}], "profile": ["STRING", {}]}}, "output": []},
        "Choose": {"input": {"required": {"name": ["COMBO", {"options": ["a"]}]}}, "output": []},
        "PrimitiveString": {"input": {"required": {"value": ["STRING", {}]}}, "output": ["STRING"]},
        "StringConcatenate": {"input": {"required": {}}, "output": ["STRING"]},
        "StringReplace": {"input": {"required": {}}, "output": ["STRING"]},
    });
    catalog.as_object().unwrap().clone()
}

static NO_MODELS: ModelInputs = ModelInputs::new();

const OPTIONS: RewriteOptions<'_> = RewriteOptions {
    output_folder: "cm/job/2",
    input_folder: "cm/user001",
    models: SeatModels { inputs: &NO_MODELS, own: &[] },
};

fn resolve(path: &AnnotatedPath) -> Option<ResolvedInput> {
    let letter = match path.kind {
        FileKind::Input => "a",
        FileKind::Output => "b",
        FileKind::Temp => "c",
    };
    (!path.filename.starts_with("gone")).then(|| ResolvedInput { sha256: letter.repeat(4), bytes: 5 })
}

fn rewrite_in(
    class_type: &str,
    inputs: Value,
    catalog: &Map<String, Value>,
) -> Result<Rewritten, RewriteError> {
    let prompt = json!({
        "1": {"class_type": class_type, "inputs": inputs},
        "2": {"class_type": "PrimitiveString", "inputs": {"value": "x"}},
    });
    rewrite_prompt(prompt.as_object().unwrap(), catalog, &OPTIONS, &resolve)
}

fn rewritten(class_type: &str, inputs: Value) -> String {
    match rewrite_in(class_type, inputs, &catalog()) {
        Ok(rewritten) => rewritten.prompt["1"]["inputs"].to_string(),
        Err(error) => error.to_string(),
    }
}

#[test]
fn input_files_get_the_name_of_their_content() {
    let load = |name: &str| rewritten("LoadImage", json!({"image": name}));
    assert_eq!(load("pasted/My Photo.PNG"), r#"{"image":"cm/user001/aaaa.png"}"#);
    assert_eq!(load("out_00001_.webp [output]"), r#"{"image":"cm/user001/bbbb.webp"}"#);
    assert_eq!(load("no extension"), r#"{"image":"cm/user001/aaaa"}"#);
    assert_eq!(load("gone.png"), "node 1, input image: the file gone.png does not exist");
    assert_eq!(load("../x.png"), "node 1, input image: the path must not contain `.` or `..`");
    assert_eq!(
        rewritten("LoadImage", json!({"image": ["2", 0]})),
        "node 1, input image: the file must be chosen in the node, it cannot come from another one"
    );
    assert_eq!(rewritten("LoadImage", json!({"image": 3})), "node 1, input image: a file name is expected");
    assert_eq!(
        rewritten("Many", json!({"image": {"__value__": ["a.png", "b.png [temp]"]}})),
        r#"{"image":{"__value__":["cm/user001/aaaa.png","cm/user001/cccc.png"]}}"#
    );
}

#[test]
fn scenes_are_rewritten_member_by_member() {
    let scene =
        json!({"image": "threed/s.png [temp]", "mask": "m.png", "recording": "", "camera_info": {"zoom": 1}});
    let result =
        rewrite_in("Load3D", json!({"model_file": "3d/chair.glb", "image": scene}), &catalog()).unwrap();
    assert_eq!(
        result.prompt["1"]["inputs"],
        json!({"model_file": "3d/cm/user001/aaaa.glb", "image": {
            "image": "cm/user001/cccc.png", "mask": "cm/user001/aaaa.png", "recording": "", "camera_info": {"zoom": 1},
        }})
    );
    let placed: Vec<String> = result
        .inputs
        .iter()
        .map(|input| format!("{} → {}/{}", input.path, input.subfolder, input.filename))
        .collect();
    assert_eq!(
        placed,
        [
            "3d/chair.glb → 3d/cm/user001/aaaa.glb",
            "threed/s.png [temp] → cm/user001/cccc.png",
            "m.png → cm/user001/aaaa.png",
        ]
    );
    assert_eq!(
        rewritten("Load3D", json!({"model_file": "none", "image": {"backdrop": "/etc/passwd"}})),
        "node 1, input image: backdrop: paths outside of your own folders cannot be used here"
    );
}

#[test]
fn literal_prefixes_stay_in_the_jobs_folder() {
    let save = |prefix: Value| rewritten("SaveImage", json!({"filename_prefix": prefix}));
    assert_eq!(save(json!("a/%date%")), r#"{"filename_prefix":"cm/job/2/a/%date%"}"#);
    assert_eq!(save(json!("a\\b")), r#"{"filename_prefix":"cm/job/2/a/b"}"#);
    assert_eq!(save(json!("./a//b/")), r#"{"filename_prefix":"cm/job/2/a/b"}"#);
    assert_eq!(save(json!("")), r#"{"filename_prefix":"cm/job/2/ComfyUI"}"#);
    assert_eq!(save(json!(7)), r#"{"filename_prefix":"cm/job/2/7"}"#);
    for refused in ["../x", "a/../../x", "a\\..\\x", "/abs", "\\abs", "C:/x", "a\0b"] {
        assert!(save(json!(refused)).starts_with("node 1, input filename_prefix: the prefix"), "{refused}");
    }
    assert_eq!(rewritten("SaveOptional", json!({})), r#"{"filename_prefix":"cm/job/2/clips/out"}"#);
    assert_eq!(rewritten("SaveLoRANode", json!({"prefix": "loras/x"})), r#"{"prefix":"cm/job/2/loras/x"}"#);
    assert_eq!(
        rewritten("LossGraphNode", json!({"filename_prefix": "a/b.c"})),
        r#"{"filename_prefix":"a_b_c"}"#
    );
    assert_eq!(
        rewritten("SaveDataSet", json!({"folder_name": "set", "filename_prefix": "a/b"})),
        r#"{"folder_name":"cm/job/2/set","filename_prefix":"a_b"}"#
    );
    assert_eq!(rewritten("BuildPrefix", json!({"filename_prefix": "x"})), r#"{"filename_prefix":"x"}"#);
}

#[test]
fn computed_prefixes_are_joined_on_the_engine() {
    let result = rewrite_in("SaveImage", json!({"filename_prefix": ["2", 0]}), &catalog()).unwrap();
    assert_eq!(result.added_nodes, ["cm1-clean-1", "cm1-join-1"]);
    assert_eq!(result.prompt["1"]["inputs"]["filename_prefix"], json!(["cm1-join-1", 0]));
    assert_eq!(
        result.prompt["cm1-join-1"],
        json!({"class_type": "StringConcatenate", "inputs": {"string_a": "cm/job/2/", "string_b": ["cm1-clean-1", 0], "delimiter": ""}})
    );
    assert_eq!(
        result.prompt["cm1-clean-1"],
        json!({"class_type": "StringReplace", "inputs": {"string": ["2", 0], "find": "..", "replace": "_"}})
    );
    let mut without = catalog();
    without.remove("StringConcatenate");
    let error = rewrite_in("SaveImage", json!({"filename_prefix": ["2", 0]}), &without).unwrap_err();
    assert_eq!(error.input, "filename_prefix");
    assert!(
        rewritten("LossGraphNode", json!({"filename_prefix": ["2", 0]}))
            .contains("must be written in the node")
    );
}

#[test]
fn paths_in_other_inputs_are_refused_where_the_input_holds_one() {
    let custom = |name: &str, value: &str| rewrite_in("Custom", json!({name: value}), &catalog()).is_ok();
    for outside in [
        "/etc/passwd",
        "../x",
        "a/../../b",
        "C:\\x",
        "\\\\host\\x",
        "~/x",
        "file:///etc",
        "x/.. [input]",
        "cm/user002/x.mp4",
    ] {
        assert!(!custom("video_path", outside), "{outside}");
        assert!(custom("prompt", outside) && custom("profile", outside), "{outside}");
    }
    assert!(custom("video_path", "clips/a..b.mp4"));
    assert!(rewritten("LoadTrainingDataset", json!({"folder_name": "x"})).contains("cannot be read here"));
}

#[test]
fn a_refusal_marks_its_node_in_the_editor() {
    let prompt = json!({"1": {"class_type": "SaveImage", "inputs": {"filename_prefix": "../x"}}});
    let prompt = prompt.as_object().unwrap();
    let error = rewrite_prompt(prompt, &catalog(), &OPTIONS, &resolve).unwrap_err().to_prompt_error(prompt);
    assert_eq!(error.body["node_errors"]["1"]["class_type"], "SaveImage");
    assert_eq!(error.body["node_errors"]["1"]["errors"][0]["extra_info"]["input_name"], "filename_prefix");
}

proptest! {
    #[test]
    fn no_prefix_leaves_the_jobs_folder(prefix in "[a.:/\\\\ %~\0-]{0,14}|.{0,8}", class in "SaveImage|SaveOptional|SaveDataSet|LossGraphNode") {
        let result = rewrite_in(&class, json!({"filename_prefix": prefix, "folder_name": prefix}), &catalog());
        if let Ok(result) = result {
            for name in ["filename_prefix", "folder_name"] {
                let Some(value) = result.prompt["1"]["inputs"][name].as_str() else { continue };
                let is_declared = class != "SaveDataSet" && name == "folder_name";
                if is_declared {
                    continue;
                }
                let is_name_only = name == "filename_prefix" && matches!(class.as_str(), "SaveDataSet" | "LossGraphNode");
                let below = if is_name_only { Some(value) } else { value.strip_prefix("cm/job/2/") };
                let below = below.unwrap();
                prop_assert!(!below.is_empty() && !below.contains('\\') && !below.contains('\0'));
                prop_assert!(below.split('/').all(|segment| !matches!(segment, "" | "." | "..")), "{value:?}");
                prop_assert!(!is_name_only || !value.contains('/'));
            }
        }
    }

    #[test]
    fn no_input_leaves_the_seats_folder(name in "[a.:/\\\\ \\[\\]~\0]{0,10}( \\[(input|output|temp)\\])?") {
        if let Ok(result) = rewrite_in("LoadImage", json!({"image": name}), &catalog()) {
            let value = result.prompt["1"]["inputs"]["image"].as_str().unwrap();
            let below = value.strip_prefix("cm/user001/");
            prop_assert!(below.is_some_and(|below| !below.contains('/') && !below.contains("..")) || value.is_empty(), "{value:?}");
        }
    }

    #[test]
    fn other_inputs_stay_as_they_are(text in ".{0,20}", number in any::<i64>(), flag in any::<bool>()) {
        let inputs = json!({"prompt": text, "n": number, "flag": flag, "list": ["2", 0], "nested": {"a": [text]}});
        let result = rewrite_in("Custom", inputs.clone(), &catalog()).unwrap();
        prop_assert_eq!(&result.prompt["1"]["inputs"], &inputs);
        prop_assert_eq!(result.prompt.len(), 2);
    }
}

#[test]
fn own_models_get_the_name_of_their_content() {
    let own = |folder: &str, name: &str, letter: &str| OwnModel {
        folder: folder.into(),
        name: name.into(),
        sha256: letter.repeat(64),
        bytes: 1,
    };
    let own = [
        own("loras", "style.safetensors", "a"),
        own("vae", "style.safetensors", "b"),
        own("embeddings", "word.safetensors", "c"),
    ];
    let inputs: ModelInputs =
        serde_json::from_value(json!({"LoraLoader": {"lora_name": {"loras": [".safetensors"]}}})).unwrap();
    let options = RewriteOptions { models: SeatModels { inputs: &inputs, own: &own }, ..OPTIONS };
    let catalog = json!({"LoraLoader": {"input": {"required": {"lora_name": [[]], "text": ["STRING", {}]}}, "output": []}});
    let rewrite = |inputs: Value| {
        let prompt = json!({"7": {"class_type": "LoraLoader", "inputs": inputs}});
        rewrite_prompt(prompt.as_object().unwrap(), catalog.as_object().unwrap(), &options, &resolve)
    };
    let found =
        rewrite(json!({"lora_name": "mine/style.safetensors", "text": "embedding:mine/word"})).unwrap();
    let [lora, word] = ["a", "c"].map(|letter| format!("cm/{}.safetensors", letter.repeat(64)));
    assert_eq!(found.prompt["7"]["inputs"], json!({"lora_name": lora, "text": format!("embedding:{word}")}));
    assert_eq!(found.models, [own[0].clone(), own[2].clone()]);
    assert_eq!(rewrite(json!({"lora_name": "shared.safetensors"})).unwrap().models, []);
    for (inputs, reason) in [
        (
            json!({"lora_name": "mine/gone.safetensors"}),
            "lora_name: the model mine/gone.safetensors does not exist",
        ),
        (json!({"lora_name": format!("cm/{}.safetensors", "b".repeat(64))}), "lora_name: the model cm/"),
        (json!({"lora_name": ["2", 0]}), "lora_name: the model must be chosen in the node"),
        (json!({"text": "embedding:cm/x"}), "text: the embedding cm/x is not among"),
    ] {
        let refused = rewrite(inputs).unwrap_err().to_string();
        assert!(refused.starts_with(&format!("node 7, input {reason}")), "{refused}");
    }
}

#[test]
fn a_choice_that_the_node_checks_itself_leads_nowhere_else() {
    let choose = |name: &str| {
        let prompt = json!({"1": {"class_type": "Choose", "inputs": {"name": name}}});
        rewrite_prompt(prompt.as_object().unwrap(), &catalog(), &OPTIONS, &resolve)
    };
    for name in ["a", "unlisted", "folder/x.safetensors"] {
        assert!(choose(name).is_ok(), "{name}");
    }
    for name in ["../x", "/etc/passwd", "a\\..\\x", "cm/user002/x.safetensors", "C:\\x", "file:///x"] {
        assert_eq!(choose(name).unwrap_err().input, "name", "{name}");
    }
}
