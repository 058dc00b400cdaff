"""What a run found: one line a check, as it is made."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Check:
    """A promise, whether it held, and the figures behind it."""

    promise: str
    held: bool
    found: str


class Checks:
    """The checks of one run, printed one by one."""

    def __init__(self) -> None:
        self.made: list[Check] = []

    def say(self, text: str) -> None:
        """Print a line that is not a check."""
        print(text, flush=True)

    def check(self, promise: str, held: bool, found: str) -> None:
        """Note and print one check."""
        self.made.append(Check(promise, held, found))
        self.say(f"  {'held  ' if held else 'FAILED'}  {promise}: {found}")

    @property
    def all_held(self) -> bool:
        """Whether there were checks and each of them held."""
        return bool(self.made) and all(check.held for check in self.made)
