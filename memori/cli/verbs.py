"""Which function runs each verb, and the engine it runs on."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Coroutine, Mapping
from typing import Any

from memori.api import AsyncMemori
from memori.cli import (
    databases,
    evaluating,
    importing,
    learning,
    looking,
    moving,
    owning,
    promoting,
    reading,
    retention,
    taking_back,
    tokens,
    watching,
    writing,
)
from memori.cli.output import ExitCode, Output
from memori.config import Settings

_Verb = Callable[[AsyncMemori, argparse.Namespace, Output], Coroutine[Any, Any, ExitCode]]
_Runner = Callable[[Settings, argparse.Namespace, Output], Coroutine[Any, Any, ExitCode]]


def _opened(verb: _Verb) -> _Runner:
    async def run(settings: Settings, args: argparse.Namespace, out: Output) -> ExitCode:
        async with AsyncMemori(settings=settings, actor="cli") as memori:
            return await verb(memori, args, out)

    return run


#: Every verb but `path` and `config`, which open no database; `copy`, `db` and `status` open them
#: in their own way.
VERBS: Mapping[str, _Runner] = {
    "copy": moving.copy,
    "db": databases.db,
    "status": watching.status,
} | {
    name: _opened(verb)
    for name, verb in {
        "remember": writing.remember,
        "edit": writing.edit,
        "pin": writing.pin,
        "recall": reading.recall,
        "search": reading.search,
        "context": reading.context,
        "forget": taking_back.forget,
        "restore": taking_back.restore,
        "undo": taking_back.undo,
        "review": taking_back.review,
        "history": looking.history,
        "sessions": looking.sessions,
        "turns": looking.turns,
        "operations": looking.operations,
        "jobs": learning.jobs,
        "promote": promoting.promote,
        "short-term": promoting.short_term,
        "profile": promoting.profile,
        "confirm": promoting.confirm,
        "entities": learning.entities,
        "relations": learning.relations,
        "stats": looking.stats,
        "import": importing.import_,
        "eval": evaluating.eval_,
        "export": moving.export,
        "backup": moving.backup,
        "retention": retention.retention,
        "users": owning.users,
        "token": tokens.token,
        "pause": watching.pause,
        "resume": watching.resume,
        "activity": watching.activity,
        "verify": owning.verify,
    }.items()
}
