"""Two tables of rows, one after the other."""

import dataclasses
import typing

import numpy as np


@dataclasses.dataclass(frozen=True)
class Joined:
    """The rows of one table, then those of another, without a copy.

    Args:
        first: `Bags` or `Sequences`.
        second: The same, and no longer.
    """

    first: typing.Any
    second: typing.Any

    def __len__(self):
        return len(self.first) + len(self.second)

    @property
    def fields(self):
        """Name, dtype and row shape of what `take` returns."""
        return self.first.fields

    def lengths(self, rows):
        """How long rows are once they are taken: `[n]`."""
        if all(None not in shape for _, shape in self.fields.values()):
            return self.first.lengths(rows)  # `take` makes all as long
        inside = rows < len(self.first)
        lengths = np.empty(len(rows), np.int64)
        lengths[inside] = self.first.lengths(rows[inside])
        lengths[~inside] = self.second.lengths(rows[~inside] - len(self.first))
        return lengths

    def take(self, rows, size=None):
        """Some rows, see `Bags.take`.

        Args:
            rows: `[n]`, int; row numbers, those of the second table after
                those of the first.
            size: Rows of the result; n if left out.
        """
        rows = np.asarray(rows)
        inside = rows < len(self.first)
        one = self.first.take(rows[inside], size or len(rows))
        two = self.second.take(rows[~inside] - len(self.first))
        # Rows of the first table stand in front; put all in their places.
        place = np.argsort(
            np.concatenate([np.flatnonzero(inside), np.flatnonzero(~inside)])
        )
        count = int(inside.sum())
        joined = {}
        for name, array in one.items():
            width = max(array.shape[1], two[name].shape[1])
            array, more = (
                np.pad(
                    part,
                    ((0, 0), (0, width - part.shape[1])),
                    constant_values=self.padding(name),
                )
                for part in (array, two[name])
            )
            array[count : count + len(more)] = more
            array[: len(rows)] = array[place]
            joined[name] = array
        return joined

    def padding(self, name):
        """What stands where there is no token."""
        return getattr(self.first, "pad_id", 0) if name == "token_ids" else 0
