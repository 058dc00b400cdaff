"""One turn of an agent of Pydantic AI with the server's tools.

python agent_pydantic.py MODEL_URL PROMPT COMMAND...
"""

import asyncio
import sys

from fastmcp.client.transports import StdioTransport
from pydantic_ai import Agent
from pydantic_ai.mcp import MCPToolset
from pydantic_ai.models.openai import OpenAIChatModel
from pydantic_ai.providers.openai import OpenAIProvider


async def main(url: str, prompt: str, command: str, *arguments: str) -> None:
    provider = OpenAIProvider(base_url=url, api_key="not-a-key")
    model = OpenAIChatModel("scripted", provider=provider)
    agent = Agent(model, toolsets=[MCPToolset(StdioTransport(command, list(arguments)))])
    async with agent:
        print((await agent.run(prompt)).output)


asyncio.run(main(*sys.argv[1:]))
