"""One line gives a program memory. Run it twice: the second run knows the first."""

import os

from openai import OpenAI

from memori import Memori

MODEL = os.environ.get("MODEL", "gpt-4o-mini")

memori = Memori(conscious_ingest=True)
memori.enable()
client = OpenAI()

for question in ("I'm building a FastAPI project", "Help me add authentication"):
    answer = client.chat.completions.create(
        model=MODEL, messages=[{"role": "user", "content": question}]
    )
    print(f"> {question}\n{answer.choices[0].message.content}\n")
