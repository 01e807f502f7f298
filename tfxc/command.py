"""What every command of tfxc does around its work."""

import os
import sys

from tfxc.allocator import keep_freed_memory
from tfxc.errors import InputError


def run_command(command):
    """Runs a command and turns what stops it into an exit code.

    Wrong input, and a file system that refuses, are told in one message,
    without a traceback. A traceback thus always means a mistake in the program.

    Args:
        command: Function without arguments, which parses the command line and
            does the work. It imports TensorFlow after parsing, so that
            `--help` and mistakes are answered at once.

    Returns:
        The exit code: 0; 2 for an `InputError` or an `OSError`; 130 for Ctrl-C,
        as shells expect; 141 where the reader of the output has gone
        (`... | head`).

    Example:

    >>> if __name__ == "__main__":
    ...     sys.exit(run_command(main))
    """
    # Set before TensorFlow is imported: it logs its search for a GPU.
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    keep_freed_memory()
    try:
        command()
        sys.stdout.flush()
    except InputError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except BrokenPipeError:
        # Python flushes at exit and would complain once more.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 141
    except OSError as error:
        # A folder that cannot be read or written, a disk that is full.
        name = f"{error.filename}: " if error.filename else ""
        reason = error.strerror or error
        print(
            f"error: {name}expected to read or write here. Received: {reason}",
            file=sys.stderr,
        )
        return 2
    except KeyboardInterrupt:
        print("stopped", file=sys.stderr)
        return 130
    return 0
