from __future__ import annotations

from tandem.workloads.backoff import Backoff


def test_the_first_restart_is_immediate_and_the_next_wait_twice_as_long_each() -> None:
    pause = Backoff()
    assert [pause.after(1) for _ in range(8)] == [0, 10, 20, 40, 80, 160, 300, 300]


def test_a_good_run_starts_over() -> None:
    pause = Backoff()
    assert [pause.after(1), pause.after(1), pause.after(600)] == [0, 10, 0]
