"""Several users in one process: a scope says whose a call is, and nothing crosses over."""

import os

from openai import OpenAI

from memori import Memori

MODEL = os.environ.get("MODEL", "gpt-4o-mini")

SAID = {
    "alice": ("I keep bees", "What should I do in spring?"),
    "bob": ("I sail a small boat", "What should I do in spring?"),
}

with Memori(conscious_ingest=True) as memori:
    memori.enable()
    client = OpenAI()
    for user, lines in SAID.items():
        with memori.scope(user_id=user):
            for line in lines:
                answer = client.chat.completions.create(
                    model=MODEL, messages=[{"role": "user", "content": line}]
                )
                print(f"{user}: {line}\n  {answer.choices[0].message.content}")
    memori.flush()
    for user in SAID:
        print(user, [hit.text for hit in memori.search(kind="turn", user_id=user).items])
