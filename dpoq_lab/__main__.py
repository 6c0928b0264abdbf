"""The command line as a process: `dpoq-lab`, `python -m dpoq_lab`, `accelerate launch -m dpoq_lab`."""

import gc
import sys

from dpoq_lab.commands.cli import main


def process() -> int:
    """Run one command. What the libraries hold stays to the end, so it is seldom searched for garbage."""
    gc.set_threshold(100_000, 10, 10)
    try:
        return main()
    finally:
        gc.freeze()


if __name__ == "__main__":
    sys.exit(process())
