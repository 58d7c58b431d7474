"""comfy-api-simplified: wants ComfyUI at the root of a host, and takes user and password."""

import logging

from support import BASE, PICTURE, TOKEN, graph, tell

from comfy_api_simplified import ComfyApiWrapper, ComfyWorkflowWrapper

api = ComfyApiWrapper(BASE, user="api" if TOKEN else "", password=TOKEN)
uploaded = api.upload_image(PICTURE)
workflow = ComfyWorkflowWrapper(graph(f"{uploaded['subfolder']}/{uploaded['name']}"))
seen = []
log = logging.getLogger("comfy_api_simplified.comfy_api_wrapper")
log.setLevel(logging.DEBUG)
log.addHandler(logging.NullHandler())
log.addFilter(lambda record: seen.append(record.msg) or True)
pictures = api.queue_and_wait_images(workflow, "Result")
assert len(pictures) == 1, pictures.keys()
prompt_id = next(message["prompt_id"] for message in seen if isinstance(message, dict) and "prompt_id" in message)
messages = [message["type"] for message in seen if isinstance(message, dict) and "type" in message]
assert "SaveImage" in api.get_object_info("SaveImage")
assert api.get_system_stats()["system"]
assert isinstance(api.get_embeddings(), list)
tell(prompt_id, next(iter(pictures.values())), messages)
