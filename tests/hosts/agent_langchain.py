"""One turn of an agent of LangChain with the server's tools, by langchain-mcp-adapters.

python agent_langchain.py MODEL_URL PROMPT COMMAND...
"""

import asyncio
import sys

from langchain.agents import create_agent
from langchain_mcp_adapters.client import MultiServerMCPClient
from langchain_openai import ChatOpenAI


async def main(url: str, prompt: str, command: str, *arguments: str) -> None:
    server = {"transport": "stdio", "command": command, "args": list(arguments)}
    tools = await MultiServerMCPClient({"memori": server}).get_tools()
    agent = create_agent(ChatOpenAI(model="scripted", base_url=url, api_key="not-a-key"), tools)
    answer = await agent.ainvoke({"messages": [{"role": "user", "content": prompt}]})
    print(answer["messages"][-1].content)


asyncio.run(main(*sys.argv[1:]))
