"""How good a ranking is: the measures of recall quality, per question and averaged.

A ranking is a list of turn ids, best first. The evidence of a question is the set of turn ids
that answer it. Evidence that exists nowhere in the conversation stays in the count: it is
never found, so a broken label lowers the figure and never flatters it.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

#: Ranks at which the share of the evidence found is taken.
RECALL_AT = (5, 10, 20)
#: Rank at which hit, all and nDCG are taken.
TOP = 10
#: Number of sessions looked at for the session measures.
SESSIONS_AT = (5, 10)
#: Hits asked for where sessions are ranked by them: enough for ten different ones.
SESSION_DEPTH = 100


@dataclass(frozen=True, slots=True)
class Measure:
    """One figure: its name, and the least number of hits that must have been asked for.

    `by_session` are those that LongMemEval's own evaluation takes, over sessions.
    """

    name: str
    depth: int
    by_session: bool = False


MEASURES: tuple[Measure, ...] = (
    *(Measure(f"recall@{k}", k) for k in RECALL_AT),
    Measure(f"hit@{TOP}", TOP),
    Measure(f"all@{TOP}", TOP),
    Measure("MRR", 1),
    Measure(f"nDCG@{TOP}", TOP),
    Measure(f"session hit@{SESSIONS_AT[0]}", 1),
    *(
        Measure(f"session {kind}@{k}", SESSION_DEPTH, by_session=True)
        for k in SESSIONS_AT
        for kind in ("any", "all", "nDCG")
    ),
)


@dataclass(frozen=True, slots=True)
class Summary:
    """Means over questions, each with its standard error (0 for fewer than two questions)."""

    questions: int
    means: Mapping[str, float]
    errors: Mapping[str, float]


def recall_at(ranked: Sequence[str], evidence: frozenset[str], k: int) -> float:
    """Share of the evidence among the first `k` of the ranking, 0..1."""
    return len(evidence.intersection(ranked[:k])) / len(evidence)


def reciprocal_rank(ranked: Sequence[str], evidence: frozenset[str]) -> float:
    """1 / rank of the first evidence, 0 when the ranking holds none."""
    for rank, item in enumerate(ranked, start=1):
        if item in evidence:
            return 1 / rank
    return 0.0


def ndcg_at(ranked: Sequence[str], evidence: frozenset[str], k: int) -> float:
    """Normalised discounted cumulative gain with binary gain: sum of 1/log2(rank + 1), 0..1."""
    gain = sum(
        1 / math.log2(rank + 1) for rank, item in enumerate(ranked[:k], start=1) if item in evidence
    )
    ideal = sum(1 / math.log2(rank + 1) for rank in range(1, min(k, len(evidence)) + 1))
    return gain / ideal


def rank_sessions(ranked: Iterable[str], sessions: Mapping[str, str]) -> list[str]:
    """Sessions in the order of their best turns."""
    return list(dict.fromkeys(sessions[item] for item in ranked if item in sessions))


def session_measures(
    ranked: Sequence[str], wanted: frozenset[str], turns: int, k: int
) -> dict[str, float]:
    """Any and all of the wanted sessions among the first `k`, and their nDCG.

    As LongMemEval's `evaluate_retrieval_turn2session` has them: the ranking of turns is read until
    it has shown `k` sessions; every turn of a wanted one is a gain, discounted by log2(rank) from
    the second rank on (Jarvelin and Kekalainen 2002).

    Arguments:
        ranked: the sessions of the ranked turns, best first.
        wanted: the sessions that hold evidence.
        turns: how many turns those have.
        k: how many sessions are looked at.
    """
    seen: set[str] = set()
    gain = ideal = 0.0
    for rank, session in enumerate(ranked, start=1):
        if len(seen) == k:
            break
        seen.add(session)
        gain += _discount(rank) if session in wanted else 0.0
        ideal += _discount(rank) if rank <= turns else 0.0
    if len(seen) < k:  # all that was asked for was read: more would not have been cut
        ideal = sum(map(_discount, range(1, turns + 1)))
    found = len(wanted & seen)
    return {
        f"session any@{k}": float(found > 0),
        f"session all@{k}": float(found == len(wanted) > 0),
        f"session nDCG@{k}": gain / ideal if gain else 0.0,
    }


def _discount(rank: int) -> float:
    return 1.0 if rank == 1 else 1 / math.log2(rank)


def score_question(
    ranked: Sequence[str],
    evidence: Iterable[str],
    sessions: Mapping[str, str],
    limit: int,
    depth: int = 0,
    counted: Mapping[str, str] | None = None,
) -> dict[str, float]:
    """Every measure of one answered question.

    `ranked` holds turn ids, best first; an id that comes twice counts where it first came and
    keeps its later place empty. `sessions` maps turn id to session. The first `limit` hits
    count; where `depth` were asked for, the measures of sessions look at all of them. `counted`
    are the sessions as those take them, by default as they are. Measures that look deeper than
    what was asked for are left out.
    Raises ValueError when there is no evidence: such a question has no figure.
    """
    wanted = frozenset(evidence)
    if not wanted:
        raise ValueError("a question without evidence cannot be scored")
    shown = ranked[:limit]
    found = len(wanted.intersection(shown[:TOP]))
    holding = frozenset(sessions[item] for item in wanted if item in sessions)
    counted = sessions if counted is None else counted
    by_turn = [counted[item] for item in dict.fromkeys(ranked) if item in counted]
    answering = frozenset(counted[item] for item in wanted if item in counted)
    turns = sum(session in answering for session in counted.values())
    values = {
        **{f"recall@{k}": recall_at(shown, wanted, k) for k in RECALL_AT},
        f"hit@{TOP}": float(found > 0),
        f"all@{TOP}": float(found == len(wanted)),
        "MRR": reciprocal_rank(shown, wanted),
        f"nDCG@{TOP}": ndcg_at(_first_places(shown), wanted, TOP),
        f"session hit@{SESSIONS_AT[0]}": float(
            not holding.isdisjoint(rank_sessions(shown, sessions)[: SESSIONS_AT[0]])
        ),
    }
    for k in SESSIONS_AT:
        values |= session_measures(by_turn, answering, turns, k)
    return {
        m.name: values[m.name]
        for m in MEASURES
        if m.depth <= (max(limit, depth) if m.by_session else limit)
    }


def _first_places(ranked: Sequence[str]) -> list[str]:
    """The ranking with repeated ids blanked, so that no evidence gains twice."""
    seen: set[str] = set()
    places: list[str] = []
    for item in ranked:
        places.append("" if item in seen else item)
        seen.add(item)
    return places


def summarise(scores: Sequence[Mapping[str, float]]) -> Summary:
    """Means and standard errors (sample deviation / sqrt(n)) over questions.

    Questions of one conversation are not independent, so the true error is somewhat larger.
    """
    n = len(scores)
    names = list(scores[0]) if scores else []
    means = {name: sum(s[name] for s in scores) / n for name in names}
    errors = {
        name: math.sqrt(sum((s[name] - means[name]) ** 2 for s in scores) / (n - 1) / n)
        if n > 1
        else 0.0
        for name in names
    }
    return Summary(n, means, errors)
