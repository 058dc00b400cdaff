"""A web service with one memory for each user; Swagger is at /docs.

    uvicorn examples.fastapi_multi_user:app

Who the user is comes from your authentication; here it stands in the path.
"""

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI
from fastapi.responses import StreamingResponse
from openai import AsyncOpenAI
from pydantic import BaseModel

from memori import Memori

MODEL = os.environ.get("MODEL", "gpt-4o-mini")


class Message(BaseModel):
    """What a user says; `session` names a conversation."""

    text: str
    session: str | None = None


class Answer(BaseModel):
    """What the model answers."""

    text: str


class Remembered(BaseModel):
    """What is kept of a user, newest first."""

    lines: list[str]


# Without a user a call is left alone, instead of everybody's being one user's.
memori = Memori(conscious_ingest=True, require_scope=True)


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    await asyncio.to_thread(memori.enable)
    app.state.client = AsyncOpenAI()
    yield
    await app.state.client.close()
    await asyncio.to_thread(memori.close)


app = FastAPI(title="A service that remembers", lifespan=lifespan)


@app.post("/users/{user}/chat")
async def chat(user: str, message: Message) -> Answer:
    """Say something and read the answer."""
    with memori.scope(user_id=user, session_id=message.session):
        answer = await app.state.client.chat.completions.create(
            model=MODEL, messages=[{"role": "user", "content": message.text}]
        )
    return Answer(text=answer.choices[0].message.content or "")


@app.post("/users/{user}/chat/stream")
async def chat_stream(user: str, message: Message) -> StreamingResponse:
    """Say something and read the answer as it comes; it is recorded when it ends."""
    with memori.scope(user_id=user, session_id=message.session):
        stream = await app.state.client.chat.completions.create(
            model=MODEL, messages=[{"role": "user", "content": message.text}], stream=True
        )

    async def pieces() -> AsyncIterator[str]:
        async for chunk in stream:
            if chunk.choices:
                yield chunk.choices[0].delta.content or ""

    return StreamingResponse(pieces(), media_type="text/plain")


@app.get("/users/{user}/memory")
async def memory(user: str) -> Remembered:
    """What is kept of a user."""
    page = await asyncio.to_thread(lambda: memori.search(limit=100, user_id=user))
    return Remembered(lines=[hit.text for hit in page.items])
