"""The model looks things up itself: memory as functions it may call."""

import os

from openai import OpenAI

from memori import Memori, create_memory_tool

MODEL = os.environ.get("MODEL", "gpt-4o-mini")


def ask(client: OpenAI, memori: Memori, question: str) -> str:
    """Answer a question; the model may search and add to memory on the way."""
    tool = create_memory_tool(memori)
    messages = [
        {"role": "system", "content": "Look in memory before you answer."},
        {"role": "user", "content": question},
    ]
    while True:
        answer = client.chat.completions.create(
            model=MODEL, messages=messages, tools=tool.definitions()
        )
        message = answer.choices[0].message
        if not message.tool_calls:
            return message.content or ""
        messages.append(message.model_dump(exclude_none=True))
        for call in message.tool_calls:
            result = tool.execute(call)
            messages.append({"role": "tool", "tool_call_id": call.id, "content": result})


if __name__ == "__main__":
    with Memori() as memori:
        memori.remember("The user's bicycle is green and has a flat tyre")
        print(ask(OpenAI(), memori, "What colour is my bicycle?"))
