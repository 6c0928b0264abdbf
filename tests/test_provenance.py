"""Where a result comes from: the command, the commit, the machine."""

import subprocess

from dpoq_lab import records


def test_a_commit_is_12_digits_and_a_plus_where_files_have_changed(tmp_path, monkeypatch):
    """A clone is made: with its commit it has that name, changed a plus; files unknown to git are none."""
    clone = tmp_path / "kit"
    (clone / "dpoq_lab").mkdir(parents=True)
    monkeypatch.setattr(records, "__file__", str(clone / "dpoq_lab" / "records.py"))

    def git(*words):
        command = ["git", "-C", str(clone), "-c", "user.name=a", "-c", "user.email=a@b", *words]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()

    git("init", "-q")
    (clone / "a").write_text("1")
    git("add", "a")
    git("commit", "-qm", "one")
    head = git("rev-parse", "HEAD")
    assert records.commit() == head[:12]
    (clone / "new").write_text("unknown to git")
    assert records.commit() == head[:12]
    (clone / "a").write_text("2")
    assert records.commit() == head[:12] + "+"


def test_outside_a_clone_or_without_git_there_is_no_commit(tmp_path, monkeypatch):
    monkeypatch.setattr(records, "__file__", str(tmp_path / "dpoq_lab" / "records.py"))
    assert records.commit() is None
    monkeypatch.setenv("PATH", str(tmp_path))
    assert records.commit() is None


def test_provenance_says_what_was_run_of_which_commit_on_what(monkeypatch):
    monkeypatch.setattr("sys.argv", ["/somewhere/dpoq-lab", "study", "a b"])
    monkeypatch.setattr(records, "commit", lambda: "abc")
    found = records.provenance()
    assert (found["command"], found["commit"]) == ("dpoq-lab study 'a b'", "abc")
    assert set(found["versions"]) == {"dpoq-lab", "torch", "transformers", "accelerate", "tokenizers"}
    assert found["python"].startswith("3.")
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    monkeypatch.setattr("torch.get_num_threads", lambda: 3)
    assert records.provenance()["device"] == "CPU, 3 threads"
    monkeypatch.setattr("torch.cuda.is_available", lambda: True)
    monkeypatch.setattr("torch.cuda.get_device_name", lambda: "a card")
    assert records.provenance()["device"] == "a card"
