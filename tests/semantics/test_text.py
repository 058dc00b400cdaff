"""Text and questions of every shape mean the same on every database, to the last hit."""

from __future__ import annotations

import unicodedata
from typing import Any

import pytest
from asking import id_of, kept, listed

from memori import AsyncMemori

pytestmark = pytest.mark.anyio

#: What is kept, by a short name.
TEXTS = {
    "go": "Ana writes Go at work",
    "went": "Ben went home",
    "ai": "Ana studies AI",
    "c": "The C compiler",
    "cpp": "Ben knows C++ well",
    "csharp": "Ben knows C# well",
    "r": "Plots are made in R",
    "net": "The service runs on .NET",
    "cafe": "The caf\u00e9 is closed",
    "zoe": "Zoe\u0308 lives in Malm\u00f6",
    "strasse": "Hauptstra\u00dfe 5",
    "istanbul": "\u0130stanbul is large",
    "tokyo": "私は東京に住んでいます",
    "beijing": "我住在北京",
    "seoul": "저는 서울에 살아요",
    "bangkok": "ฉันอยู่ที่กรุงเทพ",
    "hebrew": "אני גר בתל אביב",
    "arabic": "أنا أعيش في القاهرة",
    "owl": "Her symbol is 🦉",
    "thumb": "He answered 👍🏽",
    "family": "They sent 👨\u200d👩\u200d👧",
    "flag": "The flag is 🇵🇹",
    "percent": "100% cotton",
    "underscore": "The variable is snake_case_name",
    "quotes": "She said \"hello\" or 'goodbye' again",
    "sql": "Robert'); DROP TABLE memories;--",
    "backslash": r"The path is D:\temp\new",
    "nul": "before\x00after",
    "wide": "ＦＵＬＬ ｗｉｄｔｈ ｌｅｔｔｅｒｓ",
    "operators": "black AND white OR grey NOT red NEAR blue",
    "number": "It cost 1,250.50 euros",
    "version": "Version 3.11.4 is out",
    "mail": "Write to rosa@example.com",
    "hyphen": "a state-of-the-art method",
    "nbsp": "non\u00a0breaking space",
    "long": "x" * 300,
    "emoji run": "🎉🎉🎉",
    "stop": "who are you?",
}

#: A question, and the names of all that it finds.
ASKED: dict[str, dict[str, str]] = {
    "short words": {
        "Go": "go went",
        "go": "go went",
        "AI": "ai",
        "ai": "ai",
        "C": "c",
        "c": "c",
        "C++": "cpp",
        "c++": "cpp",
        "C#": "csharp",
        "R": "r",
        "r": "r",
        ".NET": "net",
        "net": "",
        "5": "strasse",
    },
    "accents, case and width": {
        "cafe": "cafe",
        "caf\u00e9": "cafe",
        "CAFE\u0301": "cafe",
        "zoe": "zoe",
        "Zo\u00eb": "zoe",
        "malmo": "zoe",
        "MALMÖ": "zoe",
        "hauptstrasse": "strasse",
        "HAUPTSTRASSE": "strasse",
        "istanbul": "istanbul",
        "ISTANBUL": "istanbul",
        "full": "wide",
        "ＦＵＬＬ": "wide",
        "ｌｅｔｔｅｒｓ": "wide",
        "ａｆｔｅｒ": "nul",
    },
    "scripts without spaces": {
        "東京": "tokyo beijing",
        "京": "tokyo beijing",
        "東": "tokyo",
        "住": "tokyo beijing",
        "北": "beijing",
        "んで": "tokyo",
        "서울": "seoul",
        "울": "seoul",
        "กรุงเทพ": "bangkok",
        "ก": "bangkok",
    },
    "right to left": {
        "אביב": "hebrew",
        "בתל אביב": "hebrew",
        "תל": "",
        "القاهرة": "arabic",
        "\u202bالقاهرة\u202c": "arabic",
    },
    "emoji": {
        "🦉": "owl",
        "🦉🦉": "owl",
        "👍": "thumb",
        "👍🏽": "thumb",
        "👍🏿": "thumb",
        "👨\u200d👩\u200d👧": "family",
        "👩": "family",
        "🇵🇹": "flag",
        "🎉": "emoji run",
        "😀": "",
        "🏽": "",
    },
    "patterns of LIKE": {
        "%": "",
        "_": "",
        "100%": "percent",
        "%otton": "",
        "cotton%": "percent",
        "s_ake": "",
        "snake": "underscore",
        "snake_case_name": "underscore",
        "snake%": "underscore",
        "\\": "",
        "\\%": "",
        r"D:\temp\new": "backslash",
        "temp": "backslash",
    },
    "quotes and SQL": {
        "'": "",
        '"': "",
        "''": "",
        "'goodbye'": "quotes",
        '"hello"': "quotes",
        '"hello': "quotes",
        "Robert'); DROP TABLE memories;--": "sql",
        "'; DROP TABLE memories; --": "sql",
        "' OR '1'='1": "",
        "1 OR 1=1": "",
        "--": "",
        "/* comment": "",
        "$$": "",
        ":cotton": "percent",
        "%(cotton)s": "percent",
        "%s": "",
        "?": "",
        "NULL": "",
        "{}": "",
    },
    "operators of SQLite's FTS5": {
        "black AND nosuch": "operators",
        "black OR nosuch": "operators",
        "NOT black": "operators",
        "black NOT white": "operators",
        "NEAR(black white, 2)": "operators",
        "near": "operators",
        '"white black"': "operators",
        '"black white': "operators",
        "bla*": "",
        "black*": "operators",
        "^black": "operators",
        "content:black": "operators",
        "{content}:black": "operators",
        "term:nosuch": "",
        "*": "",
        "(": "",
        "((black": "operators",
        "black)": "operators",
    },
    "operators of PostgreSQL's tsquery": {
        "black & nosuch": "operators",
        "black | nosuch": "operators",
        "!black": "operators",
        "! black": "operators",
        "black <-> nosuch": "operators",
        "black <2> blue": "operators",
        "bla:*": "",
        "black:*A": "operators",
        "&": "",
        "|": "",
        "<->": "",
        "!": "",
    },
    "operators of MySQL's boolean mode": {
        "+black": "operators",
        "-black": "operators",
        "+black -white": "operators",
        "+nosuch black": "operators",
        "~black": "operators",
        ">black <white": "operators",
        "@black": "operators",
        '"white black" @2': "operators",
        "+": "",
        "-": "",
        "~": "",
        "@": "",
        "+-~<>@()": "",
    },
    "no words, and nothing else": {
        "": "",
        "  \t\n": "",
        "?!": "",
        "...": "",
        "\x00": "",
        "\ud800": "",
        "\u200b": "",
        "black\x00white": "operators",
        "a" * 9_000: "",
        "x" * 300: "long",
        "x" * 48: "long",
        "x" * 47: "",
        "who are you?": "stop",
    },
    "numbers and joined words": {
        "1250.50": "number",
        "1,250.50": "number",
        "3.11.4": "version",
        "3.11": "",
        "rosa@example.com": "mail",
        "example": "mail",
        "state of the art": "hyphen",
        "-art": "hyphen",
        "non breaking": "nbsp",
    },
}
#: What neither an empty search nor a blank one asks: they list.
BLANK = ("", "  \t\n")

#: Names that a collation, padding, pattern or escape would take for one another.
ALIKE = [
    *(
        "tag",
        "Tag",
        "TAG",
        "t\u00e1g",
        "\uff54ag",
        "tag\u200b",
        "tags",
        "ta",
        "t%",
        "ta_",
        "%",
        "_",
    ),
    *(
        "'",
        "''",
        '"',
        "\\",
        "\\\\",
        "--",
        ";",
        "*",
        "+tag",
        "-tag",
        "(tag)",
        "tag|x",
        "tag&x",
        "$1",
    ),
    *("ß", "ss", "ı", "i", "🦉", "🦊", "東京", "京都", "1", "01", "1.0", "null", "NULL", "x" * 128),
]


async def _keep(memori: AsyncMemori, kind: str) -> dict[str, str]:
    """Keep every text; ids to names."""
    if kind == "memory":
        return {await kept(memori, text): name for name, text in TEXTS.items()}
    names: dict[str, str] = {}
    for name, text in TEXTS.items():
        # Each in a conversation of its own: a turn is also found by what is said around it.
        [receipt] = await memori.record([{"content": text}], session_id=name)
        names[id_of(receipt)] = name
    return names


@pytest.mark.parametrize("kind", ["memory", "turn"])
async def test_a_question_finds_exactly_these(memori: AsyncMemori, kind: str) -> None:
    names = await _keep(memori, kind)
    wrong: list[tuple[str, Any, Any]] = []
    for table in ASKED.values():
        for query, expected in table.items():
            wanted = sorted(name for name in TEXTS if name in _names(expected))
            recalled = await memori.recall(query, limit=100)
            found = sorted(names[hit.id] for hit in recalled)
            if found != wanted:
                wrong.append((query, wanted, found))
            if query not in BLANK:
                searched = (await memori.search(query, limit=100)).items
                assert [hit.id for hit in searched] == [hit.id for hit in recalled], query
    assert wrong == []
    assert len(await listed(memori)) == len(TEXTS)


def _names(expected: str) -> set[str]:
    return {expected} if expected in TEXTS else set(expected.split())


@pytest.mark.parametrize("kind", ["memory", "turn"])
async def test_every_text_comes_back_as_it_was_said(memori: AsyncMemori, kind: str) -> None:
    """Composed, and without the one character that not every database can hold."""
    for item_id, name in (await _keep(memori, kind)).items():
        stored = unicodedata.normalize("NFC", TEXTS[name].replace("\x00", "\ufffd"))
        assert (await memori.get(item_id)).content == stored
    every = {
        unicodedata.normalize("NFC", text.replace("\x00", "\ufffd")) for text in TEXTS.values()
    }
    assert set(await listed(memori)) == every


async def test_names_of_conversations_that_look_alike_are_different(memori: AsyncMemori) -> None:
    for number, name in enumerate(ALIKE):
        await memori.record(
            [{"content": f"turn {number}"}],
            session_id=name,
            agent_id=name,
            operation_id=name,
        )
    assert {session.id for session in (await memori.sessions(limit=100)).items} == set(ALIKE)
    for number, name in enumerate(ALIKE):
        assert await listed(memori, session_id=name) == [f"turn {number}"], name
        assert await listed(memori, agent_id=name) == [f"turn {number}"], name
        [turn] = (await memori.turns(name)).items
        assert (turn.session_id, turn.agent_id, turn.content) == (name, name, f"turn {number}")
    await memori.undo(ALIKE[1])
    assert len(await listed(memori, limit=100)) == len(ALIKE) - 1
    assert await listed(memori, session_id=ALIKE[1]) == []


async def test_external_ids_that_look_alike_are_different(memori: AsyncMemori) -> None:
    given = [{"content": f"turn {number}", "id": name} for number, name in enumerate(ALIKE)]
    first = await memori.record(given, session_id="talk")
    assert {receipt.status for receipt in first} == {"stored"}
    again = await memori.record(given, session_id="talk")
    assert [(each.status, each.id) for each in again] == [
        ("duplicate", receipt.id) for receipt in first
    ]
    assert [turn.external_id for turn in (await memori.turns("talk", limit=100)).items] == ALIKE


async def test_labels_that_look_alike_are_different_but_for_case(memori: AsyncMemori) -> None:
    groups: dict[str, set[str]] = {}
    for number, name in enumerate(ALIKE):
        text = f"number {number}"
        await kept(memori, text, tags=[name], entities=[name], metadata={name: name})
        groups.setdefault(name.casefold(), set()).add(text)
    for number, name in enumerate(ALIKE):
        alike = groups[name.casefold()]
        assert set(await listed(memori, tag=name)) == alike, name
        assert set(await listed(memori, entity=name)) == alike, name
        assert await listed(memori, metadata={name: name}) == [f"number {number}"], name
        assert await listed(memori, metadata={name: name.swapcase() + "x"}) == []


async def test_statements_that_look_alike_are_different(memori: AsyncMemori) -> None:
    """But for case, width and what stands at the end, which the word "duplicate" is defined by."""
    texts = [
        *(
            "Ana likes tea",
            "Ana likes te\u00e1",
            "An\u00e1 likes tea",
            "Ana likes te",
            "Ana likes %",
        ),
        *(
            "Ana likes te_",
            "Ana likes 'tea'",
            "Ana likes \\tea",
            "Ana likes tea \u200b",
            "+Ana likes",
        ),
        *("-Ana likes", "Ana likes 🦉", "Ana likes 🦊", "Ana likes 東京", "Ana likes 京東"),
    ]
    for text in texts:
        assert (await memori.remember(text)).status == "stored", text
    for text in ("ana LIKES tea", " Ana  likes tea ", "Ana likes tea.", "\uff21na likes tea"):
        assert (await memori.remember(text)).status == "duplicate", text
    assert len(await listed(memori)) == len(texts)
