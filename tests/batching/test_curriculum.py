"""Invariants of the curriculum:

- sizes follow a table worked out by hand, and never fall or pass the maximum;
- both kinds of growth agree where they mean the same;
- clusters are rebuilt when they are first needed, when their size changes, and
  every few epochs; never while batches are plainly shuffled;
- fields out of range are refused.
"""

import pytest

from tfxc.batching import Curriculum


def test_table():
    curriculum = Curriculum(
        start_epoch=3,
        initial_size=4,
        maximum_size=20,
        growth_epochs=(5, 6, 9),
        refresh_interval=2,
    )
    epochs = range(13)
    assert [curriculum.size_at(e) for e in epochs] == (
        [1, 1, 1, 4, 4, 8, 16, 16, 16, 20, 20, 20, 20]
    )
    assert [e for e in epochs if curriculum.refresh_at(e)] == [
        3,
        5,
        6,
        7,
        9,
        11,
    ]


def test_both_kinds_of_growth_agree():
    by_interval = Curriculum(2, 2, 64, growth_interval=3)
    by_list = Curriculum(2, 2, 64, growth_epochs=(5, 8, 11, 14, 17, 20))
    sizes = [by_interval.size_at(e) for e in range(40)]
    assert sizes == [by_list.size_at(e) for e in range(40)]
    assert sizes == sorted(sizes) and sizes[-1] == 64
    assert set(sizes) == {1, 2, 4, 8, 16, 32, 64}


def test_number_of_steps():
    curriculum = Curriculum(2, 30, 60, growth_epochs=(3,))
    # 2 epochs of 16 batches, then 34 clusters, 2 a batch; then 17, 1 a batch.
    assert curriculum.num_steps(4, 1000, 64) == 2 * 16 + 17 + 17
    assert curriculum.num_steps(0, 1000, 64) == 0


def test_constant_size():
    curriculum = Curriculum(0, 8, 8, refresh_interval=4)
    assert {curriculum.size_at(e) for e in range(20)} == {8}
    assert [e for e in range(20) if curriculum.refresh_at(e)] == [
        0, 4, 8, 12, 16,
    ]  # fmt: skip


def test_growth_beyond_the_maximum_rebuilds_nothing():
    curriculum = Curriculum(
        0, 2, 4, growth_epochs=(1, 2, 3), refresh_interval=50
    )
    assert [e for e in range(9) if curriculum.refresh_at(e)] == [0, 1]


def test_size_one_is_plain_shuffling():
    curriculum = Curriculum(0, 1, 4, growth_epochs=(6,), refresh_interval=2)
    assert [e for e in range(11) if curriculum.refresh_at(e)] == [6, 8, 10]


@pytest.mark.parametrize(
    "fields",
    [
        {"initial_size": 0},
        {"initial_size": 8, "maximum_size": 4},
        {"start_epoch": -1},
        {"growth_interval": -1},
        {"refresh_interval": 0},
        {"start_epoch": 5, "growth_epochs": (5, 6)},
        {"start_epoch": 5, "growth_epochs": (8, 6)},
        {"start_epoch": 5, "growth_epochs": (6, 6)},
        {"start_epoch": 5, "growth_epochs": (2, 9)},
        {"growth_epochs": (20,), "growth_interval": 5},
    ],
)
def test_bad_fields(fields):
    with pytest.raises(ValueError, match="Received: "):
        Curriculum(**fields)
