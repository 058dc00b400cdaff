"""docs/cli.md says what the parser takes; run this file to write its option lists anew."""

from __future__ import annotations

import argparse
import re
import shlex
from pathlib import Path

import pytest

from memori.cli.output import ExitCode
from memori.cli.parser import build_parser

PAGE = Path(__file__).resolve().parents[2] / "docs" / "cli.md"
BLOCK = re.compile(r"<!-- options of (\S+) -->\n(.*?)<!-- end -->", re.DOTALL)
GLOBAL = "every-verb"


def parsers() -> dict[str, argparse.ArgumentParser]:
    parser = build_parser()
    (verbs,) = (a for a in parser._actions if isinstance(a, argparse._SubParsersAction))
    return {GLOBAL: parser, **verbs.choices}


def option_list(name: str, parser: argparse.ArgumentParser) -> str:
    """The arguments of a verb as a Markdown table; those of every verb stand apart."""
    shared = {option for action in parsers()[GLOBAL]._actions for option in action.option_strings}
    rows: list[str] = []
    for action in parser._actions:
        if isinstance(action, argparse._HelpAction | argparse._SubParsersAction):
            continue
        if name != GLOBAL and shared.intersection(action.option_strings):
            continue
        label = ", ".join(action.option_strings) or str(action.metavar or action.dest)
        if action.option_strings and action.nargs != 0:
            choices = "|".join(map(str, action.choices or ()))
            label += f" {choices or action.metavar}"
        rows.append(f"| `{label}` | {action.help} |")
    if not rows:
        return "No options of its own.\n"
    return "\n".join(["| argument | meaning |", "|---|---|", *map(_escape, rows)]) + "\n"


def _escape(row: str) -> str:
    """A bar inside code ends a table cell unless it is escaped."""
    return re.sub(r"`([^`]*)`", lambda code: "`" + code[1].replace("|", "\\|") + "`", row)


def test_every_verb_has_a_section() -> None:
    sections = re.findall(r"^### `memori (\S+)`", PAGE.read_text(encoding="utf-8"), re.MULTILINE)
    assert sorted(sections) == sorted(set(parsers()) - {GLOBAL})


@pytest.mark.parametrize("name", parsers())
def test_the_option_lists_are_those_of_the_parser(name: str) -> None:
    blocks = dict(BLOCK.findall(PAGE.read_text(encoding="utf-8")))
    expected = option_list(name, parsers()[name])
    assert blocks[name] == expected, "run `python tests/cli/test_cli_docs.py` to write it anew"


def test_every_example_is_taken_by_the_parser() -> None:
    text = PAGE.read_text(encoding="utf-8")
    examples = [
        line
        for block in re.findall(r"```sh\n(.*?)```", text, re.DOTALL)
        for line in block.splitlines()
        if line.startswith("memori ")
    ]
    shown = set()
    for example in examples:
        words = shlex.split(re.split(r"\s[|<>]\s", example)[0], comments=True)
        shown.add(build_parser().parse_args(words[1:]).verb)
    assert shown == set(parsers()) - {GLOBAL}


def test_every_exit_status_is_documented() -> None:
    text = PAGE.read_text(encoding="utf-8")
    documented = {int(status) for status in re.findall(r"^\| (\d+) \|", text, re.MULTILINE)}
    assert documented == set(ExitCode)


if __name__ == "__main__":
    written = BLOCK.sub(
        lambda block: (
            f"<!-- options of {block[1]} -->\n"
            f"{option_list(block[1], parsers()[block[1]])}<!-- end -->"
        ),
        PAGE.read_text(encoding="utf-8"),
    )
    PAGE.write_text(written, encoding="utf-8")
