"""Copies the workflow templates and the node help that a ComfyUI has installed.

Run with ComfyUI's Python: `frontend_extras.py TEMPLATES_FOLDER DOCS_FOLDER`. The
folders get what ComfyUI serves at /templates and /docs.
"""

import importlib.resources
import pathlib
import shutil
import sys


def templates(target):
    try:
        from comfyui_workflow_templates import get_asset_path, iter_templates
    except ImportError:  # before 0.3 the package held the served tree itself
        package = importlib.resources.files("comfyui_workflow_templates")
        shutil.copytree(package / "templates", target, dirs_exist_ok=True)
        return
    for template in iter_templates():
        for asset in template.assets:
            try:
                source = get_asset_path(template.template_id, asset.filename)
            except FileNotFoundError:  # in a package of media that is not installed
                continue
            file = target / asset.filename
            file.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(source, file)


def docs(target):
    package = importlib.resources.files("comfyui_embedded_docs")
    shutil.copytree(package / "docs", target, dirs_exist_ok=True)


def main():
    templates_folder, docs_folder = map(pathlib.Path, sys.argv[1:])
    failed = False
    for copy, target in ((templates, templates_folder), (docs, docs_folder)):
        try:
            copy(target)
        except (ImportError, OSError) as error:
            print(f"{target.name}: {error}", file=sys.stderr)
            failed = True
    return failed


if __name__ == "__main__":
    sys.exit(main())
