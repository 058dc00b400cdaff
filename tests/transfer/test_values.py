"""JSON values out of files: any bytes, any size, any shape."""

from __future__ import annotations

import io
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from memori.transfer import values
from memori.transfer.values import Broken, Value, read_values

json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**9), 10**9) | st.text(max_size=12),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=6), inner, max_size=4)
    ),
    max_leaves=8,
)


def read(data: bytes) -> list[Value | Broken]:
    return list(read_values(io.BytesIO(data)))


def contents(data: bytes) -> list[object]:
    found = read(data)
    assert not [one for one in found if isinstance(one, Broken)], found
    return [one.content for one in found if isinstance(one, Value)]


@given(st.binary(max_size=400))
def test_no_bytes_can_crash_the_reader(data: bytes) -> None:
    read(data)


@given(st.lists(st.sampled_from([b'{"a":1}', b"[", b"{", b"]", b",", b"\n", b"1", b'"', b"\xff"])))
def test_no_arrangement_of_json_pieces_can_crash_the_reader(pieces: list[bytes]) -> None:
    read(b"".join(pieces))


@given(st.lists(st.dictionaries(st.text(max_size=6), json_values, max_size=4), max_size=6))
def test_every_value_of_json_lines_is_read_back(objects: list[dict[str, object]]) -> None:
    data = "".join(json.dumps(one) + "\n" for one in objects).encode()
    assert contents(data) == objects


@given(
    st.lists(json_values, max_size=8),
    st.sampled_from([None, 1, 4]),
    st.integers(min_value=1, max_value=64),
)
def test_every_element_of_a_list_is_read_back_whatever_the_chunks(
    elements: list[object], indent: int | None, chunk: int
) -> None:
    data = json.dumps(elements, indent=indent, ensure_ascii=False).encode("utf-8", "replace")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(values, "_CHUNK_BYTES", chunk)
        assert contents(data) == json.loads(data)


def test_a_broken_line_costs_only_itself() -> None:
    found = read(b'{"a": 1}\n{"a": \n\n{"a": 3}\n')
    assert [one.line for one in found] == [1, 2, 4]
    assert [type(one).__name__ for one in found] == ["Value", "Broken", "Value"]


def test_a_broken_first_line_does_not_make_the_file_a_document() -> None:
    found = read(b'{"a": "cut off\n{"a": 2}\n')
    assert [type(one).__name__ for one in found] == ["Broken", "Value"]


def test_what_comes_before_a_broken_element_of_a_list_is_kept() -> None:
    found = read(b'[{"a": 1},\n {"a": 2},\n {"a" 3},\n {"a": 4}]')
    assert [one.content for one in found if isinstance(one, Value)] == [{"a": 1}, {"a": 2}]
    broken = found[-1]
    assert isinstance(broken, Broken)
    assert broken.line == 3
    assert "rest of the file" in broken.reason


def test_what_comes_before_a_byte_that_is_not_utf8_is_kept() -> None:
    value, broken = read(b'[\n{"a": 1},\n{"a": "\xff"}]')
    assert isinstance(value, Value)
    assert isinstance(broken, Broken)
    assert broken.line == 3
    assert "byte 0xff" in broken.reason


def test_a_list_that_is_cut_off_gives_what_is_whole() -> None:
    value, broken = read(b'[\n{"a": 1},\n')
    assert isinstance(value, Value)
    assert isinstance(broken, Broken)
    assert "not closed" in broken.reason


def test_elements_of_a_list_know_their_line_and_their_list() -> None:
    found = read(b'\n[\n {"a": 1},\n {"a": 2}\n]\n[{"a": 3}]')
    assert [(one.line, one.list_number) for one in found if isinstance(one, Value)] == [
        (3, 1),
        (4, 1),
        (6, 2),
    ]


def test_a_list_per_line_is_a_list_of_its_own() -> None:
    found = read(b"[1, 2]\n[3]\n")
    assert [(v.content, v.line, v.list_number) for v in found if isinstance(v, Value)] == [
        (1, 1, 1),
        (2, 1, 1),
        (3, 2, 2),
    ]


def test_an_object_over_several_lines_is_one_value() -> None:
    assert contents(b'{\n "messages": [\n  1,\n  2\n ]\n}\n') == [{"messages": [1, 2]}]


def test_a_byte_order_mark_is_no_part_of_the_first_value() -> None:
    assert contents(b'\xef\xbb\xbf{"a": 1}\n') == [{"a": 1}]


def test_utf16_is_named_as_what_it_is() -> None:
    (broken,) = read('{"a": 1}'.encode("utf-16"))
    assert isinstance(broken, Broken)
    assert "UTF-8" in broken.reason


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (b'{"a": NaN}', "NaN"),
        (b'{"a": "\xff"}', "not UTF-8: byte 0xff"),
        (b"[" * 100_000 + b"\n", "not"),
        (b'{"a": ' + b"9" * 5_000 + b"}", "not JSON"),
        (b'{"a":' * 50_000 + b"\n", "nested too deeply"),
    ],
)
def test_what_json_cannot_say_is_a_broken_line(line: bytes, reason: str) -> None:
    broken = read(line)[0]
    assert isinstance(broken, Broken)
    assert reason in broken.reason


def test_a_value_that_is_too_large_is_refused_and_the_next_is_read(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(values, "MAX_VALUE_BYTES", 100)
    monkeypatch.setattr(values, "_CHUNK_BYTES", 16)
    broken, value = read(b'{"a": "' + b"x" * 500 + b'"}\n{"a": 2}\n')
    assert isinstance(broken, Broken)
    assert "larger than" in broken.reason
    assert isinstance(value, Value)
    assert (value.content, value.line) == ({"a": 2}, 2)


def test_a_list_on_one_long_line_is_streamed_not_held(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(values, "MAX_VALUE_BYTES", 200)
    monkeypatch.setattr(values, "_CHUNK_BYTES", 64)
    elements = [{"text": "x" * 50} for _ in range(100)]
    assert contents(json.dumps(elements).encode()) == elements
