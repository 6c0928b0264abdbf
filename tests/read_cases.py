"""What the package makes of each file of a folder of preference data, as a table.

python tests/read_cases.py FOLDER
"""

import sys
from pathlib import Path

from dpoq_lab.preferences import read_pairs
from dpoq_lab.sources import PairsError


def now(path: Path) -> str:
    """One line: how many pairs are usable, in which forms, the first problem and the notes."""
    try:
        reading = read_pairs(path)
    except PairsError as error:
        return f"refused: {error}"
    forms = sorted({pair.form for pair in reading.pairs})
    told = [f"{len(reading.pairs)} read" + (f" ({', '.join(forms)})" if forms else "")]
    if reading.problems:
        told.append(f"{len(reading.problems)} left out, first: {reading.problems[0]}")
    told += [f"{note} ({n})" for note, n in reading.notes().items()]
    return "; ".join(told).replace(f"{path.parent}/", "")


def main(folder: Path) -> None:
    """Print the table."""
    for path in sorted(folder.iterdir()):
        print(f"| `{path.name}` | {now(path)} |")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
