"""A chat in the terminal that streams its answers and knows you the next time.

Type a line and press Enter; `forget LINE` hides what fits the line; end with Ctrl-D.
"""

import os
import sys

from openai import OpenAI

from memori import Memori

MODEL = os.environ.get("MODEL", "gpt-4o-mini")


def main() -> None:
    client = OpenAI()
    history = [{"role": "system", "content": "You are a brief, friendly personal assistant."}]
    with Memori(conscious_ingest=True, auto_ingest=True) as memori:
        memori.enable()
        for line in sys.stdin:
            words = line.strip()
            if words.startswith("forget "):
                found = memori.recall(words.removeprefix("forget "), limit=3)
                if found:
                    memori.forget([hit.id for hit in found])
                print(f"(forgot {len(found)})")
                continue
            history.append({"role": "user", "content": words})
            answer = ""
            stream = client.chat.completions.create(model=MODEL, messages=history, stream=True)
            for chunk in stream:
                if chunk.choices:
                    piece = chunk.choices[0].delta.content or ""
                    answer += piece
                    print(piece, end="", flush=True)
            print()
            history.append({"role": "assistant", "content": answer})


if __name__ == "__main__":
    main()
