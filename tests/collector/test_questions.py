"""So many questions are answered at one time, so many wait, and more are refused."""

from __future__ import annotations

import asyncio

import pytest

from fedsight.collector.questions import Questions
from fedsight.door.refusal import RefusedError


def test_more_than_may_wait_are_refused_and_those_that_wait_have_their_turn() -> None:
    async def story() -> None:
        questions, end, done = Questions(at_once=1, most_waiting=2), asyncio.Event(), []

        async def ask(number: int) -> None:
            async with questions:
                await end.wait()
                done.append(number)

        tasks = [asyncio.create_task(ask(number)) for number in range(3)]
        await asyncio.sleep(0)
        with pytest.raises(RefusedError, match="2 questions about samples wait") as refused:
            await ask(3)
        assert (refused.value.status, refused.value.headers) == (429, {"Retry-After": "2"})
        end.set()
        await asyncio.gather(*tasks)
        assert (done, questions.waiting) == ([0, 1, 2], 0)

    asyncio.run(story())


def test_one_that_gives_up_waiting_leaves_its_place() -> None:
    async def story() -> None:
        questions = Questions(at_once=1, most_waiting=1)

        async def wait() -> None:
            async with questions:
                pass

        async with questions:
            task = asyncio.create_task(wait())
            await asyncio.sleep(0)
            assert questions.waiting == 1
            task.cancel()
            await asyncio.wait({task})
            assert questions.waiting == 0
        await wait()

    asyncio.run(story())
