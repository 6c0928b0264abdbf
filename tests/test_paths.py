"""Where the kit's own files lie."""

import pytest

from dpoq_lab import paths


def test_the_folders_of_a_clone(tmp_path, monkeypatch):
    monkeypatch.setattr(paths, "__file__", str(tmp_path / "dpoq_lab" / "paths.py"))
    for made in ("data", "notebooks"):
        with pytest.raises(FileNotFoundError, match="pip install -e"):
            paths.kit_folder()
        (tmp_path / made).mkdir()
    assert paths.kit_folder() == tmp_path
    assert (paths.data_folder(), paths.runs_folder()) == (tmp_path / "data", tmp_path / "runs")
    (tmp_path / "data").rmdir()
    with pytest.raises(FileNotFoundError):
        paths.kit_folder()
