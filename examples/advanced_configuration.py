"""Settings from a file, the environment and code; and choosing which calls have memory."""

import os
from pathlib import Path

from openai import OpenAI

from memori import ConfigManager, Memori

MODEL = os.environ.get("MODEL", "gpt-4o-mini")

Path("my_settings.toml").write_text(
    """\
[memory]
namespace = "examples"

[intercept]
max_tokens = 400
""",
    encoding="utf-8",
)

config = ConfigManager()
config.auto_load()  # memori.toml here or in your configuration folder, and MEMORI_... variables
config.load_from_file("my_settings.toml")
config.update_setting("intercept.auto_ingest", True)
for setting in config.describe():
    if setting.source != "default":
        print(f"{setting.name} = {setting.value!r}, from {setting.source}")

with Memori(conscious_ingest=True, user_id="alice") as memori:
    # Small helper calls of the program need no memory.
    memori.enable(where=lambda call: call.model != "tiny-router")
    client = OpenAI()

    def ask(question: str, model: str = MODEL) -> str:
        answer = client.chat.completions.create(
            model=model, messages=[{"role": "user", "content": question}]
        )
        return answer.choices[0].message.content or ""

    ask("Is this about billing? yes or no", model="tiny-router")
    with memori.paused():
        ask("Nothing of this is kept")
    with memori.attribution(agent_id="planner", human=False):
        ask("Plan three steps to plant a tree")
    print(ask("My garden is in the shade. Which tree suits it?"))
    memori.flush()
    print(memori.status())
