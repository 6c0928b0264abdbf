"""The command line as a process: `dpoq-lab`, `python -m dpoq_lab`, `accelerate launch -m dpoq_lab`."""

import ctypes
import gc
import sys
from contextlib import suppress

from dpoq_lab.commands.cli import main

M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3  # of glibc's malloc.h


def process() -> int:
    """Run one command, with what only a process of its own may do for speed."""
    keep_freed_memory()
    gc.set_threshold(100_000, 10, 10)  # the libraries stay to the end: seldom search them
    try:
        return main()
    finally:
        gc.freeze()  # nor on the way out


def keep_freed_memory() -> None:
    """Keep what is freed, where glibc gives it back page by page and a training step asks for it again."""
    with suppress(AttributeError, OSError, TypeError):  # another C library
        mallopt = ctypes.CDLL(None).mallopt
        mallopt(M_MMAP_THRESHOLD, 2**30)
        mallopt(M_TRIM_THRESHOLD, -1)


if __name__ == "__main__":
    sys.exit(process())
