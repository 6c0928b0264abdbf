"""`python -m dpoq_lab`, and `accelerate launch -m dpoq_lab`: the command line."""

import sys

from dpoq_lab.commands.cli import main

if __name__ == "__main__":
    sys.exit(main())
