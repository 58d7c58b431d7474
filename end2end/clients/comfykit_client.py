"""ComfyKit, following over the WebSocket: takes a path, and no headers there."""

import asyncio
import json
import logging
import tempfile
from pathlib import Path

from support import PICTURE, base_with_password, graph, tell

import aiohttp
from comfykit import ComfyKit


async def main():
    kit = ComfyKit(comfyui_url=base_with_password(), executor_type="websocket")
    nodes = graph("")
    # Its own marks: this input is a parameter to upload, that node is a result.
    nodes["1"]["_meta"]["title"] = "$picture.image!"
    with tempfile.TemporaryDirectory() as folder:
        workflow = Path(folder) / "workflow.json"
        workflow.write_text(json.dumps(nodes))
        result = await kit.execute(str(workflow), {"picture": PICTURE})
    assert result.status == "completed", result
    async with aiohttp.ClientSession() as session:
        async with session.get(result.images[0]) as response:
            assert response.status == 200, response.status
            tell(result.prompt_id, await response.read(), [])


asyncio.run(main())
