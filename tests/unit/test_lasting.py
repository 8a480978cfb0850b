"""A thread that looks after something outlives the failure of one of its steps."""

from __future__ import annotations

import logging

import pytest

from services.lasting import Lasting


def test_a_step_that_fails_is_logged_once_in_a_row(caplog: pytest.LogCaptureFixture) -> None:
    steps, results = Lasting("the guard"), iter((1, None, None, 2, None))

    def step() -> int:
        result = next(results)
        if result is None:
            raise OSError(24, "Too many open files")
        return result

    with caplog.at_level(logging.ERROR):
        assert [steps.do(step) for _ in range(5)] == [1, None, None, 2, None]
    assert [record.getMessage() for record in caplog.records] == ["the guard goes on after an error"] * 2
    assert "Too many open files" in caplog.text


def test_another_failure_is_logged_too(caplog: pytest.LogCaptureFixture) -> None:
    steps, errors = Lasting("the guard"), iter((ValueError("one"), ValueError("two")))

    def step() -> None:
        raise next(errors)

    steps.do(step)
    steps.do(step)
    assert len(caplog.records) == 2
