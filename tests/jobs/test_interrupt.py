"""A wish to stop, and when it is heard."""

from __future__ import annotations

import signal
from collections.abc import Generator

import pytest

from jobs.interrupt import Interrupted, Stop


@pytest.fixture
def stop() -> Generator[Stop]:
    before = {which: signal.getsignal(which) for which in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}
    made = Stop()
    made.on_signals()
    yield made
    for which, handler in before.items():
        signal.signal(which, handler)


@pytest.mark.parametrize("which", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_interrupts_at_once_or_after_what_is_in_hand(stop: Stop, which: signal.Signals) -> None:
    done: list[str] = []
    with pytest.raises(Interrupted), stop.deferred():
        done += [signal.raise_signal(which) or "finished"]
    assert done == ["finished"]
    signal.raise_signal(which)  # the second of two changes nothing

    other = Stop()
    other.on_signals()
    with pytest.raises(Interrupted):
        signal.raise_signal(which)


@pytest.mark.parametrize("error", [ValueError, SystemExit])
def test_what_an_interruption_broke_is_an_interruption(stop: Stop, error: type[BaseException]) -> None:
    with pytest.raises(error), stop.deferred():
        raise error
    stop.requested = True
    with pytest.raises(Interrupted), stop.deferred():
        raise error


def test_a_job_under_nohup_outlives_its_terminal() -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    kept = {which: signal.getsignal(which) for which in (signal.SIGINT, signal.SIGTERM)}
    try:
        Stop().on_signals()
        assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
    finally:
        for which, handler in {**kept, signal.SIGHUP: before}.items():
            signal.signal(which, handler)
