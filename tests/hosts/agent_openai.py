"""One turn of an agent of openai-agents with the server's tools.

python agent_openai.py MODEL_URL PROMPT COMMAND...
"""

import asyncio
import sys

from agents import Agent, OpenAIResponsesModel, Runner, set_tracing_disabled
from agents.mcp import MCPServerStdio
from openai import AsyncOpenAI


async def main(url: str, prompt: str, command: str, *arguments: str) -> None:
    set_tracing_disabled(True)
    server = MCPServerStdio({"command": command, "args": list(arguments)})
    client = AsyncOpenAI(base_url=url, api_key="not-a-key")
    async with server:
        model = OpenAIResponsesModel(model="scripted", openai_client=client)
        agent = Agent(name="scripted", model=model, mcp_servers=[server])
        print((await Runner.run(agent, prompt)).final_output)


asyncio.run(main(*sys.argv[1:]))
