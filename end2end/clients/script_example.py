"""As ComfyUI's own script examples: the standard library, and websocket-client to follow."""

import json
import uuid
from pathlib import Path
from urllib.parse import urlencode
from urllib.request import Request, urlopen

import websocket

from support import BASE, PICTURE, TOKEN, graph, tell

HEADERS = {"Authorization": f"Bearer {TOKEN}"} if TOKEN else {}
CLIENT_ID = str(uuid.uuid4())


def ask(path, data=None, **headers):
    with urlopen(Request(f"{BASE}{path}", data=data, headers={**HEADERS, **headers})) as response:
        return response.read()


def upload(path):
    boundary = uuid.uuid4().hex
    head = (
        f"--{boundary}\r\nContent-Disposition: form-data; name=\"image\"; filename=\"{path.name}\"\r\n"
        "Content-Type: image/png\r\n\r\n"
    )
    body = head.encode() + path.read_bytes() + f"\r\n--{boundary}--\r\n".encode()
    answer = json.loads(ask("/upload/image", body, **{"Content-Type": f"multipart/form-data; boundary={boundary}"}))
    return answer["name"]


def queue(nodes):
    body = json.dumps({"prompt": nodes, "client_id": CLIENT_ID}).encode()
    return json.loads(ask("/prompt", body))["prompt_id"]


def follow(socket, prompt_id):
    types = []
    while True:
        frame = socket.recv()
        if not isinstance(frame, str):
            continue
        message = json.loads(frame)
        types.append(message["type"])
        data = message["data"]
        if message["type"] == "executing" and data["node"] is None and data["prompt_id"] == prompt_id:
            return types


socket = websocket.WebSocket()
socket.connect(f"{BASE.replace('http', 'ws', 1)}/ws?clientId={CLIENT_ID}", header=HEADERS)
prompt_id = queue(graph(upload(Path(PICTURE))))
messages = follow(socket, prompt_id)
socket.close()
image = json.loads(ask(f"/history/{prompt_id}"))[prompt_id]["outputs"]["3"]["images"][0]
assert json.loads(ask("/queue")) == {"queue_running": [], "queue_pending": []}
assert "SaveImage" in json.loads(ask("/object_info/SaveImage"))
assert json.loads(ask("/system_stats"))["system"]["comfyui_version"]
assert json.loads(ask("/prompt")) == {"exec_info": {"queue_remaining": 0}}
tell(prompt_id, ask(f"/view?{urlencode(image)}"), messages)
