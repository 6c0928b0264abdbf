"""Values of the command line's arguments: from text, or refused in words."""

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import Any

from dpoq_lab.records import read_json


def _number(text: str, kind: type, right: Callable[[Any], bool], what: str) -> Any:
    try:
        value = kind(text)
    except ValueError:
        value = None
    if value is None or not right(value):
        raise argparse.ArgumentTypeError(f"must be {what}, not {text or 'empty'}")
    return value


def name(text: str) -> str:
    """A text that is not empty."""
    return _number(text, str, bool, "a name")


def folder(text: str) -> Path:
    """A path that is not empty."""
    return Path(_number(text, str, bool, "a folder"))


def positive(text: str) -> float:
    """A number above 0 that float32 can hold."""
    return _number(text, float, lambda x: 0 < x <= 1e6, "a number above 0, and at most 1,000,000")


def positive_int(text: str) -> int:
    """A whole number from 1 to a thousand million."""
    return _number(text, int, lambda n: 0 < n <= 10**9, "a whole number from 1 to 1,000,000,000")


def seed(text: str) -> int:
    """A whole number that every library takes as a seed."""
    return _number(text, int, lambda n: 0 <= n < 2**32, "a whole number from 0 to 2**32 - 1")


def port(text: str) -> int:
    """The number of a port."""
    return _number(text, int, lambda n: 0 <= n < 2**16, "a whole number from 0 to 65535")


def json_object(text: str) -> dict:
    """A JSON object."""
    try:
        value = read_json(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"is not JSON: {error}") from error
    if not isinstance(value, dict):
        raise argparse.ArgumentTypeError(f"must be a JSON object, not {text}")
    return value


def share(text: str) -> float:
    """A share below 1."""
    return _number(text, float, lambda x: 0 <= x < 1, "at least 0 and below 1")
