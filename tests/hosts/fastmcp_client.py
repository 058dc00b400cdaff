"""FastMCP's client uses all a server has, and prints what it saw as JSON.

python fastmcp_client.py TARGET      # a URL or, as a JSON list, a command
"""

import asyncio
import json
import os
import sys

from fastmcp import Client
from fastmcp.client.transports import StdioTransport

FACT = "The boat Otto lies in the harbour of Porto"


async def main(target: str) -> None:
    if not target.startswith("http"):
        command, *arguments = json.loads(target)
        target = StdioTransport(command, arguments, env=dict(os.environ))
    async with Client(target) as client:
        resources = [str(each.uri) for each in await client.list_resources()]
        templates = [each.uri_template for each in await client.list_resource_templates()]
        seen = {
            "tools": [each.name for each in await client.list_tools()],
            "resources": resources,
            "templates": templates,
            "prompts": [each.name for each in await client.list_prompts()],
            "instructions": client.instructions,
        }
        given = {"content": FACT, "tags": ["sailing"]}
        stored = await client.call_tool("remember", given)
        memory = stored.structured_content["id"]
        question = {"query": "Where does the boat Otto lie?"}
        recalled = await client.call_tool("recall", question)
        structured = recalled.structured_content
        seen["recalled"] = {"text": recalled.content[0].text, "structured": structured}
        seen["read"] = {
            uri: (await client.read_resource(uri))[0].text
            for uri in [*resources, f"memori://memories/{memory}"]
        }
        [filtered] = [uri for uri in templates if ",tag," in uri]
        ref = {"type": "ref/resource", "uri": filtered}
        completed = await client.complete(ref, {"name": "tag", "value": "sail"})
        seen["completed"] = completed.values
        prompt = await client.get_prompt("start_session", {"task": "sailing"})
        seen["prompt"] = prompt.messages[0].content.text
        await client.call_tool("search_memories", {"query": "boat"})
        await client.call_tool("get_working_context", {"task": "sailing"})
        changed = await client.call_tool("update_memory", {"memory_id": memory, "importance": 0.9})
        await client.call_tool("forget", {"memory_ids": [changed.structured_content["id"]]})
        after = await client.call_tool("recall", question)
        seen["afterForgetting"] = len(after.structured_content["items"])
    print(json.dumps(seen))


asyncio.run(main(sys.argv[1]))
