"""The editors of JSON and TOML text, on texts that nobody thought of."""

from __future__ import annotations

import contextlib
import json
import tomllib
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from memori_mcp.install import jsonc, toml_text

_CHECKED = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
_BLANK = st.lists(
    st.sampled_from([" ", "\n", "\r\n", "\t", "  ", "// c }\n", "/* , ] */", '// "x": {\r\n']),
    max_size=3,
).map("".join)
_TEXTS = st.text(st.characters(codec="utf-8"), max_size=8)
_SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(allow_nan=False, allow_infinity=False),
    _TEXTS,
)


@st.composite
def _written(draw: st.DrawFn, depth: int = 3) -> tuple[str, Any]:
    """A JSON text as somebody may have written it, and what it says."""
    kind = draw(st.sampled_from(["scalar", "object", "list"] if depth else ["scalar"]))
    if kind == "scalar":
        value = draw(_SCALARS)
        return json.dumps(value, ensure_ascii=draw(st.booleans())), value
    return draw(_container(depth, kind == "object"))


@st.composite
def _container(draw: st.DrawFn, depth: int, is_object: bool) -> tuple[str, Any]:
    parts: list[str] = []
    values: Any = {} if is_object else []
    for number in range(draw(st.integers(0, 3))):
        text, value = draw(_written(depth - 1))
        if is_object:
            key = draw(_TEXTS) + str(number)
            values[key] = value
            text = f"{json.dumps(key)}{draw(_BLANK)}:{draw(_BLANK)}{text}"
        else:
            values.append(value)
        parts.append(draw(_BLANK) + text + draw(_BLANK))
    body = ",".join(parts)
    if parts and draw(st.booleans()):
        body += "," + draw(_BLANK)
    opened, closed = "{}" if is_object else "[]"
    return f"{opened}{body or draw(_BLANK)}{closed}", values


@st.composite
def _files(draw: st.DrawFn) -> tuple[str, dict[str, Any]]:
    text, value = draw(_container(3, True))
    return draw(_BLANK) + text + draw(_BLANK), value


@_CHECKED
@given(_files())
def test_any_json_is_read_as_it_is_meant(written: tuple[str, dict[str, Any]]) -> None:
    text, value = written
    assert json.dumps(jsonc.parse(text)) == json.dumps(value)


@_CHECKED
@given(_files(), _TEXTS, st.one_of(_SCALARS, st.dictionaries(_TEXTS, st.lists(_TEXTS))))
def test_what_is_put_in_is_there_and_nothing_else_has_changed(
    written: tuple[str, dict[str, Any]], name: str, value: Any
) -> None:
    text, before = written
    after = jsonc.put(text, ["servers", name], value)
    wanted = before | {"servers": {name: value}}
    assert json.dumps(jsonc.parse(after)) == json.dumps(wanted)
    rest = iter(after)
    assert all(char in rest for char in "".join(text.split()))
    gone = jsonc.remove(jsonc.remove(after, ["servers", name]), ["servers"])
    assert json.dumps(jsonc.parse(gone)) == json.dumps(before)
    if before:
        assert gone == text


@_CHECKED
@given(_files(), st.data())
def test_what_is_taken_out_is_gone_and_its_comments_do_not_break_the_rest(
    written: tuple[str, dict[str, Any]], data: st.DataObject
) -> None:
    text, value = written
    if not value:
        return
    key = data.draw(st.sampled_from(sorted(value)))
    after = jsonc.remove(text, [key])
    wanted = {name: each for name, each in value.items() if name != key}
    assert json.dumps(jsonc.parse(after)) == json.dumps(wanted)
    assert jsonc.remove(text, ["not there"]) == text


@_CHECKED
@given(_files(), st.data())
def test_a_list_grows_at_its_end_and_shrinks_again(
    written: tuple[str, dict[str, Any]], data: st.DataObject
) -> None:
    text, value = written
    lists = sorted(key for key, each in value.items() if isinstance(each, list))
    if not lists:
        return
    key = data.draw(st.sampled_from(lists))
    size = len(value[key])
    after = jsonc.put(text, [key, size], {"hooks": [{"a": "b"}]})
    assert jsonc.parse(after)[key] == [*value[key], {"hooks": [{"a": "b"}]}]
    assert jsonc.parse(jsonc.remove(after, [key, size])) == value
    if size:
        assert jsonc.remove(after, [key, size]) == text


@_CHECKED
@given(st.text(max_size=40))
def test_any_other_text_is_malformed_and_no_crash(text: str) -> None:
    with contextlib.suppress(jsonc.Malformed):
        jsonc.parse(text)


@pytest.mark.parametrize(
    "text", ['{"a": 01}', '{"a": NaN}', '{"a" 1}', '{"a": "\n"}', "{,}", "[1 2]"]
)
def test_what_no_client_reads_is_malformed(text: str) -> None:
    with pytest.raises(jsonc.Malformed):
        jsonc.parse(text)


_KEYS = st.sampled_from(["a", "memori", "x y", "é", "mcp_servers", "projects", "'", '"', "a.b"])
_VALUES = st.sampled_from(
    ["1", "'x'", '"#"', '"""\n[mcp_servers.memori]\n"""', "[\n  1, # one\n  [2],\n]", "{a = 1}"]
)
_COMMENTS = st.sampled_from(["", " # c", "\n", "\n# [mcp_servers.memori]", "\n\n# c\n"])


@st.composite
def _toml(draw: st.DrawFn) -> str:
    newline = draw(st.sampled_from(["\n", "\r\n"]))
    text = ""
    for _ in range(draw(st.integers(0, 5))):
        path = draw(st.lists(_KEYS, min_size=1, max_size=3))
        if path[:2] == ["mcp_servers", "memori"]:
            continue
        head = ".".join(toml_text._key(name) for name in path)
        text += f"[{head}]{draw(_COMMENTS)}\n"
        for number in range(draw(st.integers(0, 2))):
            text += f"k{number} = {draw(_VALUES)}{draw(_COMMENTS)}\n"
    return text.replace("\n", newline)


@_CHECKED
@given(_toml(), st.lists(_TEXTS, max_size=3), st.booleans())
def test_a_table_of_toml_comes_and_goes_and_all_else_stays(
    text: str, args: list[str], whole: bool
) -> None:
    try:
        before = tomllib.loads(text)
    except tomllib.TOMLDecodeError:
        return  # the same table twice
    if not isinstance(before.get("mcp_servers", {}), dict):
        return
    if not whole:
        text = text.rstrip("\r\n")
        before = tomllib.loads(text)
    path = ["mcp_servers", "memori"]
    entry = {"command": "/a \\ b/ü\x7f", "args": args}
    after = toml_text.put(text, path, entry)
    assert after.startswith(text)
    wanted = before | {"mcp_servers": before.get("mcp_servers", {}) | {"memori": entry}}
    assert tomllib.loads(after) == wanted
    again = toml_text.put(after, path, {"command": "x", "args": [], "env": {"A": "b"}})
    assert tomllib.loads(again)["mcp_servers"]["memori"]["env"] == {"A": "b"}
    gone = toml_text.remove(again, path)
    assert gone.rstrip("\r\n") == text.rstrip("\r\n")
    assert toml_text.remove(after, path).rstrip("\r\n") == text.rstrip("\r\n")
