"""Values of the command line, at their borders."""

import argparse
from pathlib import Path

import pytest

from dpoq_lab.commands import values


@pytest.mark.parametrize(
    ("read", "good", "bad"),
    [
        (values.name, {"a": "a"}, [""]),
        (values.folder, {"a/b": Path("a/b")}, [""]),
        (values.positive, {"0.5": 0.5, "1e-9": 1e-9, "1e6": 1e6}, ["0", "-1", "1000001", "inf", "nan", "x"]),
        (values.positive_int, {"1": 1, "1000000000": 10**9}, ["0", "-1", "1000000001", "1.5", ""]),
        (values.seed, {"0": 0, "4294967295": 2**32 - 1}, ["-1", "4294967296"]),
        (values.port, {"0": 0, "65535": 65535}, ["-1", "65536"]),
        (values.share, {"0": 0.0, "0.99": 0.99}, ["1", "-0.1", "nan"]),
        (values.json_object, {'{"a": 1}': {"a": 1}}, ["[1]", "3", "{", "null"]),
    ],
)
def test_values_within_their_borders(read, good, bad):
    assert {text: read(text) for text in good} == good
    for text in bad:
        with pytest.raises(argparse.ArgumentTypeError) as error:
            read(text)
        assert str(error.value).startswith(("must be ", "is not JSON: "))
