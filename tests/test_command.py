"""Invariants of `run_command`:

- wrong input is one message on the error stream and exit code 2;
- Ctrl-C is one line and exit code 130; a reader that has gone is no error;
- a mistake in the program keeps its traceback.
"""

import subprocess
import sys

import pytest

from tfxc.command import run_command
from tfxc.errors import InputError


def fail_with(error):
    def command():
        raise error

    return command


def test_success(capsys):
    assert run_command(lambda: print("done")) == 0
    assert capsys.readouterr() == ("done\n", "")


@pytest.mark.parametrize(
    ("error", "code", "message"),
    [
        (InputError("-k: expected 1. Received: 0"), 2, "error: -k: expected "),
        (KeyboardInterrupt(), 130, "stopped"),
        (PermissionError(13, "denied", "/x/y"), 2, "error: /x/y: expected "),
        (OSError(28, "No space left on device"), 2, "error: expected to read"),
        (OSError("5 requested and 0 written"), 2, "error: expected to read"),
    ],
)
def test_one_message(capsys, error, code, message):
    assert run_command(fail_with(error)) == code
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith(message) and err.count("\n") == 1


@pytest.mark.parametrize("error", [ValueError("x"), KeyError("x")])
def test_mistakes_keep_their_traceback(error):
    with pytest.raises(type(error)):
        run_command(fail_with(error))


def test_reader_that_has_gone():
    program = (
        "import sys; from tfxc.command import run_command\n"
        "def f():\n    for i in range(10**6): print(i)\n"
        "sys.exit(run_command(f))"
    )
    with subprocess.Popen(
        [sys.executable, "-c", program],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        assert process.stdout.readline() == b"0\n"
        process.stdout.close()
        assert process.wait(60) == 141
        assert process.stderr.read() == b""
