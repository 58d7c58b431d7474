"""What the Python scripts share: what to do, from the environment, and how to tell what came of it.

Nothing of a client is touched here. Names below `localhost` are this machine (RFC 6761), which
browsers know and Python's resolver does not; a workshop on the network has real names.
"""

import hashlib
import json
import os
import socket
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

BASE = os.environ["COMFY_BASE"]
TOKEN = os.environ.get("COMFY_TOKEN", "")
PICTURE = os.environ["COMFY_PICTURE"]

resolve = socket.getaddrinfo


def resolve_localhost(host, *args, **kwargs):
    name = host.decode() if isinstance(host, bytes) else host
    return resolve("127.0.0.1" if name and name.endswith(".localhost") else host, *args, **kwargs)


socket.getaddrinfo = resolve_localhost


def graph(image):
    nodes = json.loads((Path(__file__).parent / "graph.json").read_text())
    nodes["1"]["inputs"]["image"] = image
    return nodes


def base_with_password():
    """For clients that take no headers: the token as a password in the address."""
    if not TOKEN:
        return BASE
    parts = urlsplit(BASE)
    return urlunsplit(parts._replace(netloc=f"api:{TOKEN}@{parts.netloc}"))


def tell(prompt_id, picture, messages):
    sha256 = hashlib.sha256(picture).hexdigest()
    print(json.dumps({"promptId": prompt_id, "sha256": sha256, "messages": messages}))
