"""Invariants of the callback that refreshes a sampler, and of its warm-up:

- in the warm-up draws are uniform, and nothing is refreshed; then refreshes
  come at fixed steps, numbered anew in each epoch;
- each epoch tells what its refreshes did, and how stale its draws were;
- vectors that are not finite are told, and training goes on with the old ones,
  until the next refresh; other errors stop it.
"""

import pytest
from refresh_cases import Steps

from tfxc.negatives import NegativeCache
from tfxc.negatives.checks import NotFiniteError
from tfxc.training import RefreshNegatives, WarmUp


def told(callback):
    """The report, without the times."""
    report = dict(callback.report)
    assert report.pop("refresh_seconds") >= 0
    return report


def test_refreshes(capsys):
    seen = []

    def refresh(number):
        seen.append(number)
        if number == 2:
            raise NotFiniteError("label vectors must be finite. Received: NaN")
        return {"encoded_labels": 7, "code_error": number / 4}

    callback = RefreshNegatives(refresh, 3, 4)
    steps, reports = Steps(callback), []
    for epoch in range(2):
        steps.begin_epoch()
        for step in range(8):
            steps.begin(step, 8 * epoch + step)
        reports.append(told(callback))
    assert seen == [0, 2, 0, 1, 2]
    counts = {"refreshes": 1, "failed_refreshes": 1, "encoded_labels": 7}
    assert reports[0] == {**counts, "code_error": 0.0, "stale_steps": 7 - 4}
    counts = {"refreshes": 2, "failed_refreshes": 1, "encoded_labels": 14}
    assert reports[1] == {**counts, "code_error": 0.25, "stale_steps": 15 - 11}
    output = capsys.readouterr().out
    assert output.count("the old ones stay: label vectors must be finite") == 2


def test_what_follows_a_failed_refresh_begins_anew():
    seen = []

    def refresh(number):
        seen.append(number)
        if len(seen) in (1, 3):
            raise NotFiniteError
        return {}

    steps = Steps(RefreshNegatives(refresh, 1))
    steps.begin_epoch()
    for step in range(6):
        steps.begin(step)
    assert seen == [0, 0, 2, 0, 4, 5]


def test_an_epoch_of_warm_up():
    callback = RefreshNegatives(lambda number: 1 / 0, 3, 8)
    steps = Steps(callback)
    steps.begin_epoch()
    for step in range(8):
        steps.begin(step)
    counts = {"refreshes": 0, "failed_refreshes": 0, "stale_steps": 0}
    assert told(callback) == counts
    with pytest.raises(ZeroDivisionError):
        steps.begin(8)


def test_what_is_no_number_is_not_told():
    error = iter([0.5, float("nan")])
    callback = RefreshNegatives(lambda _: {"code_error": next(error)}, 1)
    steps = Steps(callback)
    steps.begin_epoch()
    steps.begin(0)
    steps.begin(1)
    assert callback.report["code_error"] == 0.5
    assert callback.report["refreshes"] == 2


def test_warm_up(rng):
    cache = NegativeCache([4, 2], rng.normal(size=(2, 3)), 9, 5.0)
    steps = Steps(WarmUp(cache, 3, 20.0))
    heats = []
    for step in range(5):
        steps.begin(step)
        heats.append(float(cache.inverse_temperature))
    assert heats == [0, 0, 0, 20, 20]
    steps.begin(0, done=2)  # as a run that was stopped begins again
    assert float(cache.inverse_temperature) == 0
