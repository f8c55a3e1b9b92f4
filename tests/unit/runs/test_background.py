"""A coroutine in a thread of its own, and signals that still reach the task."""

from __future__ import annotations

import asyncio
import os
import signal
import threading
from collections.abc import Iterator
from concurrent.futures import CancelledError

import pytest

from podlift.runs.background import Background


class Interrupted(BaseException):
    """What a signal handler raises."""


@pytest.fixture
def usr1() -> Iterator[None]:
    before = signal.getsignal(signal.SIGUSR1)
    yield
    signal.signal(signal.SIGUSR1, before)


def test_the_result_is_handed_over() -> None:
    async def work() -> str:
        return threading.current_thread().name

    assert Background(work).result() == "podlift-pod"


def test_an_error_is_handed_over() -> None:
    async def work() -> None:
        raise KeyError("x")

    with pytest.raises(KeyError):
        Background(work).result()


def test_a_signal_handler_can_stop_it_and_it_cleans_up_first(usr1: None) -> None:
    cleaned_up: list[bool] = []

    async def work() -> None:
        try:
            os.kill(os.getpid(), signal.SIGUSR1)
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(0)
            cleaned_up.append(True)

    background = Background(work)
    signal.signal(signal.SIGUSR1, lambda *_: background.stop())
    with pytest.raises(CancelledError):
        background.result()
    assert cleaned_up == [True]


@pytest.mark.parametrize("pause", [0, 0.1], ids=["while the thread starts", "later"])
def test_an_exception_of_a_signal_handler_ends_it_and_goes_on(usr1: None, pause: float) -> None:
    cleaned_up: list[bool] = []

    async def work() -> None:
        try:
            await asyncio.sleep(pause)
            os.kill(os.getpid(), signal.SIGUSR1)
            await asyncio.Event().wait()
        finally:
            cleaned_up.append(True)

    def interrupt(*_: object) -> None:
        raise Interrupted

    signal.signal(signal.SIGUSR1, interrupt)
    with pytest.raises(Interrupted):
        Background(work).result()
    assert cleaned_up == [True]


def test_stopping_twice_interrupts_the_clean_up_no_more_than_once() -> None:
    cleaned_up: list[bool] = []
    began = threading.Event()

    async def work() -> None:
        began.set()
        try:
            await asyncio.Event().wait()
        finally:
            background.stop()
            await asyncio.sleep(0)
            cleaned_up.append(True)

    def stop_once_it_runs() -> None:
        began.wait()
        background.stop()

    background = Background(work)
    threading.Thread(target=stop_once_it_runs).start()
    with pytest.raises(CancelledError):
        background.result()
    assert cleaned_up == [True]


def test_stopping_before_it_runs_and_after_it_ran_is_harmless() -> None:
    async def work() -> int:
        await asyncio.sleep(0)
        return 1

    early = Background(work)
    early.stop()
    with pytest.raises(CancelledError):
        early.result()
    late = Background(work)
    assert late.result() == 1
    late.stop()
