"""Memory that is freed stays with the process, for whoever asks next."""

import ctypes
import sys

KEPT = 256 * 2**20  # bytes; larger arrays still go back to the system
TRIM_THRESHOLD, MMAP_THRESHOLD, ARENA_MAX = -1, -3, -8  # of malloc.h


def keep_freed_memory():
    """Tells the C library not to give each freed buffer back.

    A training step takes and frees buffers of tens of megabytes. The GNU C
    library returns those above 32 MB to the system at once, which clears the
    pages when they are asked for again: up to a third of a step on a CPU. All
    threads share one arena, for only the first one keeps large buffers. To be
    called before there are threads; other C libraries are left as they are.

    Returns:
        Whether the C library took the settings.
    """
    if sys.platform != "linux":
        return False
    set_option = getattr(ctypes.CDLL(None), "mallopt", None)
    options = {TRIM_THRESHOLD: KEPT, MMAP_THRESHOLD: KEPT, ARENA_MAX: 1}
    return bool(set_option) and all(map(set_option, options, options.values()))
