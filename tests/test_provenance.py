"""Where a result comes from: the command, the commit, the machine."""

import subprocess

from dpoq_lab import provenance


def test_a_commit_is_12_digits_and_a_plus_where_files_have_changed(tmp_path, monkeypatch):
    """A clone is made: with its commit it has that name, changed a plus; files unknown to git are none."""
    clone = tmp_path / "kit"
    (clone / "dpoq_lab").mkdir(parents=True)
    monkeypatch.setattr(provenance, "__file__", str(clone / "dpoq_lab" / "provenance.py"))

    def git(*words):
        command = ["git", "-C", str(clone), "-c", "user.name=a", "-c", "user.email=a@b", *words]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()

    git("init", "-q")
    (clone / "a").write_text("1")
    git("add", "a")
    git("commit", "-qm", "one")
    head = git("rev-parse", "HEAD")
    assert provenance.commit() == head[:12]
    (clone / "new").write_text("unknown to git")
    assert provenance.commit() == head[:12]
    (clone / "a").write_text("2")
    assert provenance.commit() == head[:12] + "+"


def test_outside_a_clone_or_without_git_there_is_no_commit(tmp_path, monkeypatch):
    monkeypatch.setattr(provenance, "__file__", str(tmp_path / "dpoq_lab" / "provenance.py"))
    assert provenance.commit() is None
    monkeypatch.setenv("PATH", str(tmp_path))
    assert provenance.commit() is None


def test_provenance_says_what_was_run_of_which_commit_on_what(monkeypatch):
    monkeypatch.setattr("sys.argv", ["/somewhere/dpoq-lab", "study", "a b"])
    monkeypatch.setattr(provenance, "commit", lambda: "abc")
    found = provenance.provenance()
    assert (found["command"], found["commit"]) == ("dpoq-lab study 'a b'", "abc")
    assert set(found["versions"]) == {"dpoq-lab", "torch", "transformers", "accelerate", "tokenizers"}
    assert found["python"].startswith("3.")
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    monkeypatch.setattr("torch.get_num_threads", lambda: 3)
    assert provenance.provenance()["device"] == "CPU, 3 threads"
    monkeypatch.setattr("torch.cuda.is_available", lambda: True)
    monkeypatch.setattr("torch.cuda.get_device_name", lambda: "a card")
    assert provenance.provenance()["device"] == "a card"


def test_the_hash_of_a_file(tmp_path):
    (tmp_path / "abc").write_bytes(b"abc")
    assert provenance.sha256(tmp_path / "abc").startswith("ba7816bf8f01cfea")
