"""A schedule of cluster sizes: from random batches to hard ones."""

import dataclasses

from tfxc.batching.plan import num_batches

NEVER = 1_000_000  # a `start_epoch` after the last epoch of any run


@dataclasses.dataclass(frozen=True)
class Curriculum:
    """When to cluster the rows, and how large the clusters are.

    Early in training the vectors mean little, and the hardest negatives are
    often labels that should have been relevant. So the batches start random
    and become harder:

    ```
    size(epoch) = 1                                     before start_epoch
                  min(initial_size * 2^g, maximum_size) from then on
    g           = growth epochs passed, counting this one
    ```

    A size of 1 means plain shuffling. The clusters are rebuilt at
    `start_epoch`, every `refresh_interval` epochs after it, and whenever the
    size changes; the epoch that rebuilds them is the first to use them.
    Epochs count from 0.

    Args:
        start_epoch: First epoch with clusters; `NEVER` for none.
        initial_size: Rows per cluster at `start_epoch`.
        maximum_size: Rows per cluster at most.
        growth_epochs: Epochs at which the size doubles, ascending, all after
            `start_epoch`.
        growth_interval: Instead: the size doubles every so many epochs after
            `start_epoch`. 0 for never.
        refresh_interval: Epochs between two refreshes.

    Raises:
        ValueError: if a field is out of range, or both kinds of growth are
            given.

    Example:

    >>> curriculum = tfxc.batching.Curriculum(
    ...     start_epoch=10, initial_size=2, maximum_size=16,
    ...     growth_epochs=(20, 25, 50, 75), refresh_interval=5)
    >>> [curriculum.size_at(epoch) for epoch in (9, 10, 20, 25, 50, 75, 99)]
    [1, 2, 4, 8, 16, 16, 16]
    >>> [epoch for epoch in range(22) if curriculum.refresh_at(epoch)]
    [10, 15, 20]

    Reference:
        [Dahiya et al., 2023](https://arxiv.org/abs/2207.04452)
    """

    start_epoch: int = 10
    initial_size: int = 2
    maximum_size: int = 64
    growth_epochs: tuple[int, ...] = ()
    growth_interval: int = 0
    refresh_interval: int = 5

    def __post_init__(self):
        growth = self.growth_epochs
        if not 1 <= self.initial_size <= self.maximum_size:
            raise ValueError(
                "`initial_size` must be in [1, maximum_size]. "
                f"Received: {self.initial_size} of {self.maximum_size}"
            )
        if min(self.start_epoch, self.growth_interval) < 0:
            raise ValueError(
                "`start_epoch` and `growth_interval` must not be negative. "
                f"Received: {self.start_epoch}, {self.growth_interval}"
            )
        if self.refresh_interval < 1:
            raise ValueError(
                "`refresh_interval` must be positive. "
                f"Received: {self.refresh_interval}"
            )
        if list(growth) != sorted({self.start_epoch, *growth})[1:]:
            raise ValueError(
                "`growth_epochs` must ascend and come after `start_epoch`. "
                f"Received: {growth} with start_epoch={self.start_epoch}"
            )
        if growth and self.growth_interval:
            raise ValueError(
                "Give `growth_epochs` or `growth_interval`, not both. "
                f"Received: {growth} and {self.growth_interval}"
            )

    def size_at(self, epoch):
        """Rows per cluster in an epoch; 1 for plain shuffling."""
        if epoch < self.start_epoch:
            return 1
        if self.growth_interval:
            doublings = (epoch - self.start_epoch) // self.growth_interval
        else:
            doublings = sum(epoch >= grown for grown in self.growth_epochs)
        return min(self.initial_size << doublings, self.maximum_size)

    def num_steps(self, epochs, num_rows, batch_size):
        """The most steps that so many epochs have; see `num_batches`."""
        return sum(
            num_batches(num_rows, batch_size, self.size_at(epoch))
            for epoch in range(epochs)
        )

    def refresh_at(self, epoch):
        """Whether the clusters are rebuilt at the start of an epoch."""
        size = self.size_at(epoch)
        if size == 1:
            return False
        since = epoch - self.start_epoch
        grown = size != self.size_at(epoch - 1)
        return grown or since % self.refresh_interval == 0
