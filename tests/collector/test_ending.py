"""Tasks end, whatever they make of a cancellation."""

from __future__ import annotations

import asyncio
import logging

import pytest

from fedsight.collector.ending import end, end_loops


async def swallowing(times: int) -> None:
    """Goes on after so many cancellations, as a library may."""
    for _ in range(times):
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            continue
    await asyncio.Event().wait()


async def failing() -> None:
    raise ValueError("it broke")


def test_a_task_that_swallows_a_cancellation_ends_all_the_same() -> None:
    async def story() -> list[asyncio.Task[None]]:
        tasks = [asyncio.create_task(swallowing(times)) for times in (0, 1, 3)]
        await asyncio.sleep(0)
        assert await end(tasks, again_seconds=0.01) == []
        return tasks

    assert all(task.cancelled() for task in asyncio.run(story()))


def test_a_task_that_never_ends_is_told_and_left(caplog: pytest.LogCaptureFixture) -> None:
    async def story() -> None:
        task = asyncio.create_task(swallowing(1000))
        await asyncio.sleep(0)
        await end([task], seconds=0.05, again_seconds=0.01)
        assert not task.done()
        while not task.done():
            task.cancel()
            await asyncio.sleep(0)

    asyncio.run(story())
    assert "does not end and is left" in caplog.text
    assert "swallowing" in caplog.text


def test_what_failed_before_is_returned_and_told(caplog: pytest.LogCaptureFixture) -> None:
    async def story() -> list[BaseException]:
        task = asyncio.create_task(failing())
        await asyncio.wait([task])
        await end_loops(task, None)
        return await end([task])

    with caplog.at_level(logging.ERROR):
        (error,) = asyncio.run(story())
    assert str(error) == "it broke"
    assert "had failed" in caplog.text
