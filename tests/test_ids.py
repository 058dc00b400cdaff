"""Ids sort by time, and no two are the same."""

from __future__ import annotations

import threading
import time
import uuid

from memori.ids import new_id, new_number


def test_an_id_is_a_uuid_of_version_7() -> None:
    before = time.time_ns() // 1_000_000
    made = uuid.UUID(new_id())
    after = time.time_ns() // 1_000_000
    assert made.version == 7
    assert made.variant == uuid.RFC_4122
    # Counting up within a millisecond may borrow from the next ones.
    assert before <= made.int >> 80 <= after + 10


def test_ids_sort_in_the_order_they_were_made() -> None:
    ids = [new_id() for _ in range(20_000)]
    assert ids == sorted(ids)
    assert len(set(ids)) == len(ids)


def test_ids_of_many_threads_never_repeat() -> None:
    made: list[str] = []

    def make() -> None:
        made.extend([new_id() for _ in range(2_000)])

    threads = [threading.Thread(target=make) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(made)) == 16_000


def test_an_id_is_written_one_way() -> None:
    made = new_id()
    assert str(uuid.UUID(made)) == made
    assert len(made) == 36


def test_numbers_fit_a_signed_64_bit_column_and_follow_time() -> None:
    first = new_number()
    time.sleep(0.002)
    second = new_number()
    assert 0 < first < second < 2**63
