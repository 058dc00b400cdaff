"""What the index has to hold of an item, made from its row: the rule that `verify` checks by."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy import Table

from memori.intake import memory_terms
from memori.store import index
from memori.store.rows import in_offset
from memori.store.tables import MEMORY_SHELF, memories, turns
from memori.text.analyser import index_terms

#: The tables whose rows are indexed.
ITEM_TABLES = (memories, turns)
Values = Mapping[str, Any]


def place_of(table: Table, values: Values) -> index.Place:
    """Where an item is in the index."""
    if table is memories:
        return (MEMORY_SHELF, values["memory_no"])
    return (values["session_no"], values["seq"])


def terms_of(table: Table, values: Values) -> Mapping[str, int]:
    """The index terms of an item."""
    content = values["content"] or ""
    if table is memories:
        return memory_terms(content, values["valid_from"])
    said = in_offset(values["at"], values["at_offset"])
    return index_terms(content, values["speaker"], said)


def labels_of(table: Table, values: Values) -> set[tuple[str, str]]:
    """The labels of an item: field and value."""
    names: Mapping[str, Any] = values if table is memories else {}
    return index.label_pairs(
        names.get("tags", ()), names.get("entities", ()), values["metadata"] or {}
    )


def is_indexed(values: Values) -> bool:
    """Whether an item is in the index: not when it is forgotten or quarantined."""
    return values["forgotten_at"] is None and not values["quarantined"]
