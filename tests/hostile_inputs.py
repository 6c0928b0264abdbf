"""Malformed inputs of every kind, each with what is expected, against the commands as they are.

python tests/hostile_inputs.py [--kind K] [--only TEXT] [--list]

Prints how many of each kind were tried and how many handled as expected, then every input that was not, with
what happened; exit 1 if there is any. The inputs are written anew from a seed. `--kind` and `--only` take
those whose kind, or name, has this text in it.
"""

import argparse
import os
import shlex
import sys
import tempfile
from collections import Counter
from importlib import import_module
from pathlib import Path
from random import Random

SEED = 20
MEMORY = 6 * 2**30  # bytes of address space that a command may take beyond what is taken at the start
QUIET = {"HF_HUB_OFFLINE": "1", "TQDM_DISABLE": "1", "PYTHONWARNINGS": ""}


KINDS = (
    "pair_fields pair_files pair_names model_folders model_code adapter_folders run_folders "
    "command_lines command_names log_files inspected_files kept_files"
)


def all_cases(seed: int = SEED) -> list:
    """Every input, in the same order each time."""
    modules = [import_module(f"hostile.{name}") for name in KINDS.split()]
    return [case for module in modules for case in module.cases(Random(seed))]


def _limit_memory() -> None:
    """What fills the memory fails here, and not the machine."""
    import resource

    taken = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (taken + MEMORY, resource.RLIM_INFINITY))


def _table(tried: Counter, handled: Counter) -> str:
    rows = [f"{'kind':24} {'tried':>6} {'handled':>8}"]
    rows += [f"{kind:24} {n:6} {handled[kind]:8}" for kind, n in tried.items()]
    return "\n".join([*rows, f"{'all':24} {tried.total():6} {handled.total():8}"])


def main() -> int:
    """Try the inputs and print the table."""
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--kind", default="", help="only kinds with this text in their name")
    options.add_argument("--only", default="", help="only inputs with this text in their name")
    options.add_argument("--list", action="store_true", help="print the inputs, run none")
    asked = options.parse_args()
    chosen = [case for case in all_cases() if asked.kind in case.kind and asked.only in case.name]
    if asked.list:
        print("\n".join(f"{case.kind}; {case.name}; {case.status}" for case in chosen))
        return 0
    from hostile.judge import make_beside, tried

    attempts, handled, failed = Counter(), Counter(), []
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        make_beside(root)
        _limit_memory()
        for case in chosen:
            attempts[case.kind] += 1
            found = tried(case, root)
            handled[case.kind] += not found
            failed += [(case, found)] if found else []
    print(_table(attempts, handled))
    for case, found in failed:
        command = shlex.join(word if len(word) < 80 else f"{word[:80]}..." for word in case.argv)
        print(ascii(f"\n{case.kind}; {case.name}\n  {command}")[1:-1].replace("\\n", "\n"))
        print("\n".join(ascii(f"  - {line}")[1:-1] for line in found))
    return 1 if failed else 0


if __name__ == "__main__":
    sys.path.insert(1, str(Path(__file__).resolve().parent.parent))  # this clone's package
    os.environ |= QUIET
    os.environ.pop("DPOQ_DEBUG", None)
    sys.exit(main())
