"""Scopes for reading: memories by category, conversations with their turns.

Everything that was stored is written as quoted text in which no Markdown, HTML or link has a
meaning, so that reading a file runs or fetches nothing that somebody once said.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from datetime import datetime
from typing import Any, TextIO

from memori.errors import Interrupted
from memori.model import CATEGORIES
from memori.store.catalogue import Values
from memori.store.rows import in_offset
from memori.store.tables import memories, sessions, turns
from memori.transfer.copying import CopyProgress
from memori.transfer.source import Head, Source

#: Every ASCII mark that Markdown or HTML gives a meaning; a backslash takes it away.
_MARKS = re.compile(r"([\\`*_{}\[\]()<>#+\-.!|~&$:@=\"'/^])")
#: Characters that break lines where nobody sees it, or reorder or hide text.
_DECEPTIVE = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff"
    "\U000e0000-\U000e007f]"
)
_TITLES = {
    "fact": "Facts",
    "preference": "Preferences",
    "skill": "Skills",
    "rule": "Rules",
    "context": "Context",
}


def write_markdown(
    source: Source,
    stream: TextIO,
    *,
    written_at: datetime,
    progress: Callable[[CopyProgress], None] | None = None,
    stopped: Callable[[], bool] = lambda: False,
) -> dict[str, int]:
    """Write every scope of a source.

    Returns:
        How many memories, sessions and turns were written.

    Raises:
        Interrupted: it was asked to stop.
    """
    heads = source.heads()
    written = {"memories": 0, "sessions": 0, "turns": 0}
    stream.write(f"# Memory, exported {written_at:%Y-%m-%d %H:%M} UTC\n")
    for number, head in enumerate(heads, 1):
        stream.write(f"\n# User {escape(head.scope.user_id)}, ")
        stream.write(f"namespace {escape(head.scope.namespace)}\n")

        def tell(
            table: str, done: int, rows: int, *, head: Head = head, number: int = number
        ) -> None:
            if stopped():
                raise Interrupted("stopped; no file was written")
            if progress is not None:
                progress(
                    CopyProgress(
                        scope=head.scope,
                        table=table,
                        rows_done=done,
                        rows=rows,
                        scope_number=number,
                        scopes=len(heads),
                    )
                )

        written["memories"] += _memories(source, head, stream, tell)
        said = _sessions(source, head, stream, tell)
        written["sessions"] += said[0]
        written["turns"] += said[1]
    return written


def escape(text: str) -> str:
    """Text as it was, with no mark in it that means anything; line breaks stay."""
    return _MARKS.sub(r"\\\1", _DECEPTIVE.sub("\N{REPLACEMENT CHARACTER}", text))


def _quoted(text: str) -> str:
    """A block quote; two spaces at the end keep a line break, and an indent means nothing."""
    lines = escape(text.expandtabs(4)).replace("\r\n", "\n").replace("\r", "\n").split("\n")
    return "".join(f"> {_indented(line)}  \n" for line in lines)


def _indented(line: str) -> str:
    bare = line.lstrip(" ")
    return "\N{NO-BREAK SPACE}" * (len(line) - len(bare)) + bare


def _memories(
    source: Source, head: Head, stream: TextIO, tell: Callable[[str, int, int], None]
) -> int:
    """Memories that hold first, by category; then those that were replaced."""
    total = source.count(head, memories)
    done = 0
    for category in (*CATEGORIES, None):
        title = _TITLES[category] if category else "Replaced or held back"
        begun = False
        for values in _all(source, head, memories):
            aside = _is_aside(values)
            if aside != (category is None) or (not aside and values["category"] != category):
                continue
            if not begun:
                stream.write(f"\n## {title}\n")
                begun = True
            done += 1
            tell("memories", done, total)
            stream.write(f"\n{_quoted(values['content'] or '')}>\n> {_memory_note(values)}\n")
    return done


def _is_aside(values: Values) -> bool:
    return (
        values["superseded_by"] is not None
        or values["quarantined"]
        or values["forgotten_at"] is not None
    )


def _memory_note(values: Values) -> str:
    notes = [f"{values['recorded_at']:%Y-%m-%d %H:%M}", f"said by {escape(values['source'])}"]
    if values["tags"]:
        notes.append("tags " + ", ".join(map(escape, values["tags"])))
    for name, word in (("valid_from", "true from"), ("valid_until", "true until")):
        if values[name] is not None:
            notes.append(f"{word} {in_offset(values[name], values[f'{name}_offset']):%Y-%m-%d}")
    if values["superseded_by"] is not None:
        notes.append(f"{escape(values['category'])}, replaced by {values['superseded_by']}")
    if values["quarantined"]:
        notes.append("held back until somebody reviews it")
    if values["forgotten_at"] is not None:
        notes.append("forgotten")
    return f"*{'; '.join(notes)}; {values['id']}*"


def _sessions(
    source: Source, head: Head, stream: TextIO, tell: Callable[[str, int, int], None]
) -> tuple[int, int]:
    total = source.count(head, turns)
    names: dict[int, str] = {}
    for values in _all(source, head, sessions):
        names[values["session_no"]] = values["session_id"]
    if total:
        stream.write("\n## Conversations\n")
    done, current = 0, None
    for values in _all(source, head, turns):
        if values["session_no"] != current:
            current = values["session_no"]
            stream.write(f"\n### {escape(names.get(current, str(current)))}\n")
        done += 1
        tell("turns", done, total)
        who = escape(values["speaker"] or values["role"])
        at = in_offset(values["at"], values["at_offset"])
        when = f", {at:%Y-%m-%d %H:%M}" if at is not None else ""
        aside = ", held back" if values["quarantined"] else ""
        aside += ", forgotten" if values["forgotten_at"] is not None else ""
        stream.write(f"\n**{who}**{when}{aside} *{values['id']}*\n\n")
        stream.write(_quoted(values["content"] or ""))
    return len(names), done


def _all(source: Source, head: Head, table: Any) -> Iterator[Values]:
    for rows in source.batches(head, table):
        yield from rows
