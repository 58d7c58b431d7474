//! Adding files: dropped, or chosen by a button. What ends as a model is taken as one.

use domain::SeatId;
use leptos::ev;
use leptos::prelude::*;
use web_sys::{File, FileList, HtmlInputElement};

use crate::pages::seat::files::plan::FileKind;
use crate::pages::seat::files::transfers::Transfers;
use crate::paths;

#[component]
pub(super) fn AddFiles(seat: SeatId, folders: Memo<Vec<String>>) -> impl IntoView {
    let transfers = expect_context::<Transfers>();
    // Empty until it is chosen: the first folder counts then.
    let chosen = RwSignal::new(String::new());
    let folder = Memo::new(move |_| {
        let folders = folders.get();
        let chosen = chosen.get();
        folders.iter().find(|folder| **folder == chosen).or_else(|| preferred(&folders)).cloned()
    });
    let is_over = RwSignal::new(false);
    let add_all = move |files: Option<FileList>| {
        for file in list(files) {
            let is_model = FileKind::of(&file.name()) != FileKind::Input;
            transfers.add(file, if is_model { folder.get_untracked() } else { None });
        }
    };
    let drop_files = move |event: ev::DragEvent| {
        event.prevent_default();
        is_over.set(false);
        add_all(event.data_transfer().and_then(|dropped| dropped.files()));
    };
    let drag_over = move |event: ev::DragEvent| {
        event.prevent_default();
        is_over.set(true);
    };
    let pick_inputs = move |event: ev::Event| {
        let field = event_target::<HtmlInputElement>(&event);
        add_all(field.files());
        // Else the same file could not be chosen again.
        field.set_value("");
    };
    let pick_models = move |event: ev::Event| {
        let field = event_target::<HtmlInputElement>(&event);
        for file in list(field.files()) {
            transfers.add(file, folder.get_untracked());
        }
        field.set_value("");
    };
    let has_folders = Memo::new(move |_| folders.with(|folders| !folders.is_empty()));
    view! {
        <div
            class="add-files"
            class:add-files--over=move || is_over.get()
            on:dragover=drag_over
            on:dragleave=move |_| is_over.set(false)
            on:drop=drop_files
        >
            <p class="add-files__hint">"Drop pictures, videos, sounds or models here, or"</p>
            <label class="button button--primary pick">
                "Add files"
                <input class="pick__field" type="file" multiple on:change=pick_inputs/>
            </label>
            <Show
                when=move || has_folders.get()
                fallback=|| {
                    view! {
                        <p class="add-files__hint">
                            "Models can be added once the GPU machine has connected for the first time."
                        </p>
                    }
                }
            >
                <div class="add-files__model">
                    <label class="add-files__folder">
                        <span>"Model folder"</span>
                        <select class="field" on:change=move |event| chosen.set(event_target_value(&event))>
                            {move || {
                                let selected = folder.get();
                                folders
                                    .get()
                                    .into_iter()
                                    .map(|name| {
                                        let is_selected = selected.as_ref() == Some(&name);
                                        view! { <option value=name.clone() selected=is_selected>{name.clone()}</option> }
                                    })
                                    .collect_view()
                            }}
                        </select>
                    </label>
                    <label class="button pick">
                        "Add a model"
                        <input class="pick__field" type="file" multiple accept=".safetensors,.gguf" on:change=pick_models/>
                    </label>
                </div>
            </Show>
            <noscript>
                <form method="post" enctype="multipart/form-data" action=paths::editor_upload(seat)>
                    <p class="add-files__hint">
                        "Without JavaScript one small file at a time can be sent. Then come back and reload this page."
                    </p>
                    <input type="file" name="image"/>
                    <button class="button" type="submit">"Send"</button>
                </form>
            </noscript>
        </div>
    }
    .into_any()
}

/// What people bring most.
fn preferred(folders: &[String]) -> Option<&String> {
    folders.iter().find(|folder| *folder == "loras").or_else(|| folders.first())
}

pub(super) fn list(files: Option<FileList>) -> Vec<File> {
    let Some(files) = files else { return Vec::new() };
    (0..files.length()).filter_map(|at| files.get(at)).collect()
}
