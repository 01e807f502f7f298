"""Invariants of the settings of the C library:

- where it takes them, a buffer that is asked for again and again is not
  cleared anew each time, and what is larger than is kept goes back;
- other systems are left alone.
"""

import subprocess
import sys

import pytest

from tfxc import allocator

PROGRAM = """
import resource, sys
import numpy as np
from tfxc.allocator import KEPT, keep_freed_memory

if sys.argv[1] == "keep":
    assert keep_freed_memory()
np.ones(int(float(sys.argv[2]) * KEPT), np.int8)
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(10):
    np.ones(int(float(sys.argv[2]) * KEPT), np.int8)
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


def page_faults(setting, share_of_kept):
    arguments = [sys.executable, "-c", PROGRAM, setting, str(share_of_kept)]
    result = subprocess.run(
        arguments, capture_output=True, check=True, text=True
    )
    return int(result.stdout)


def takes_settings():
    program = (
        "import sys; from tfxc.allocator import keep_freed_memory as keep;"
        "sys.exit(not keep())"
    )
    return subprocess.run([sys.executable, "-c", program]).returncode == 0


@pytest.mark.skipif(not takes_settings(), reason="no GNU C library")
def test_pages_are_cleared_once():
    kept = page_faults("keep", 0.3)
    assert kept < page_faults("leave", 0.3) / 5
    # How many, depends on the size of pages, which the system chooses.
    assert page_faults("keep", 1.2) > 5 * kept


def test_other_systems(monkeypatch):
    monkeypatch.setattr(allocator.sys, "platform", "darwin")
    assert allocator.keep_freed_memory() is False


def test_other_c_libraries(monkeypatch):
    monkeypatch.setattr(allocator.sys, "platform", "linux")
    monkeypatch.setattr(allocator.ctypes, "CDLL", lambda _: object())
    assert allocator.keep_freed_memory() is False
