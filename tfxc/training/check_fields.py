"""Whether the numbers of a recipe make sense."""

import math
import numbers

from tfxc.errors import InputError


def check_fields(recipe, ranges, note=""):
    """Raises one `InputError` that names every field out of its range.

    Numbers must be finite, whether or not they are listed.

    Args:
        recipe: Dataclass; a field may hold a tuple, whose entries are checked.
        ranges: `{field: (least, most)}`, both included; `None` for no limit.
            A `least` of `ABOVE_0` leaves out 0.
        note: Sentence that explains limits which come from the data.

    Raises:
        InputError: with one line for each field.
    """
    problems = []
    for field, value in vars(recipe).items():
        least, most = ranges.get(field, (None, None))
        if not all(
            within(entry, least, most)
            for entry in (value if isinstance(value, tuple) else (value,))
            if isinstance(entry, numbers.Number)
        ):
            problems.append(
                f"--{field.replace('_', '-')}: expected "
                f"{describe(least, most)}. Received: {value}"
            )
    if problems:
        raise InputError("\n       ".join([*problems, note]).rstrip())


def within(number, least, most):
    """Whether a number is finite and in the range."""
    return (
        math.isfinite(number)
        and (least is None or number >= least)
        and (most is None or number <= most)
    )


ABOVE_0 = math.ulp(0.0)  # the smallest positive float


def describe(least, most):
    """The range in words."""
    if least == ABOVE_0:
        lower = "a number above 0"
    else:
        lower = "a number" if least is None else f"at least {least:,}"
    if most is None:
        return lower if least is not None else "a finite number"
    return f"{lower} and at most {most:,}"
