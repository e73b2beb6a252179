"""The command line as a user meets it: output, files, exit codes."""

import json
import subprocess
import sys

import pytest

P, Q = "0,1/5,4/5", "3/5,3/10,1/10"


def run(*args, cwd=None):
    return subprocess.run(
        [sys.executable, "-m", "spechub_lp", *map(str, args)], capture_output=True, text=True, timeout=300, cwd=cwd
    )


def test_solve_certify_verify(tmp_path):
    file, figures = tmp_path / "c.json", tmp_path / "f.json"
    done = run(
        "solve", "--p", P, "--q", Q, "--k", 2, "--drafts", "iid", "--full", "--certificate", file, "--json", figures
    )
    assert done.returncode == 0, done.stderr
    assert "alpha = 39/100 = 0.39, proved by a coupling and by H = {0, 1}" in done.stdout
    document = json.loads(figures.read_text())
    assert document["alpha"] == "39/100"
    assert document["agree"] is True
    assert len(document["methods"]) == 9
    assert {m["value"] for m in document["methods"] if isinstance(m["value"], str)} == {"39/100"}
    done = run("verify", file, "--json", "-")
    assert done.returncode == 0
    assert json.loads(done.stdout)["alpha"] == "39/100"
    assert "proved: no rule accepts more than alpha = 39/100" in done.stderr
    file.write_text(file.read_text().replace('"39/100"', '"40/100"'))
    done = run("verify", file)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "error: certificate refused: the coupling accepts 39/100; the claim is alpha = 2/5\n"


def test_solve_other_drafts():
    for policy, alpha in [("without_replacement", "69/140"), ("hub", "9/20"), ("top_k", "1/5"), ("greedy", "9/20")]:
        done = run("solve", "--p", P, "--q", Q, "--drafts", policy)
        assert done.returncode == 0, done.stderr
        assert f"alpha = {alpha} = " in done.stdout
    done = run("solve", "--p", "1/2,1/2", "--q", "1/3,2/3;1,0", "--drafts", "product")
    assert done.returncode == 0
    assert "2 product drafts" in done.stdout


def test_sample(tmp_path):
    figures = tmp_path / "s.json"
    done = run("sample", "--sampler", "spechub", "--p", P, "--q", Q, "-n", 20000, "--json", figures)
    assert done.returncode == 0, done.stdout
    assert "lossless, exactly" in done.stdout
    document = json.loads(figures.read_text())
    assert document["output_law"] == ["0", "1/5", "4/5"]
    assert sum(document["counts"]) == 20000
    done = run("sample", "--sampler", "rrs", "--drafts", "top_k", "--p", "1/2,1/2", "--q", "1/3,2/3", "-n", 1000)
    assert done.returncode == 1
    assert "BIASED: distance 1/4 = 0.25 from the target" in done.stdout


def test_audit_small(tmp_path):
    figures = tmp_path / "a.json"
    done = run("audit", "--instances", 16, "--positions", 2, "--rows", 0, "--jobs", 1, "--json", figures)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "PASS  every sampler keeps the target law with its own drafts, exactly" in done.stdout
    document = json.loads(figures.read_text())
    assert document["failures"] == []
    record = document["records"][0]
    assert set(record) >= {"sampler", "acceptance", "optimum", "distance"}
    assert isinstance(record["acceptance"], str)


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (["solve", "--p", "1/2,1/4", "--q", "1/2,1/2"], "error: p sums to 3/4, not 1"),
        (["solve", "--p", "1", "--q", "1", "--drafts", "idd"], "Did you mean 'iid'?"),
        (["sample", "--sampler", "rss", "--p", "1", "--q", "1"], "error: unknown sampler 'rss'. Did you mean 'rrs'?"),
        (["sample", "--sampler", "spechub", "--k", "3", "--p", "1", "--q", "1"], "spechub verifies two drafts"),
        (["verify", "no-such-file.json"], "error: cannot read no-such-file.json"),
        (["solve", "--p", "1", "--q", "1", "--json", "no/such/folder/x.json"], "error: cannot write"),
        (["audit", "--captured", "no.safetensors"], "no.safetensors"),
    ],
)
def test_bad_input_is_one_line_and_exit_code_2(args, message, tmp_path):
    done = run(*args, cwd=tmp_path)
    assert done.returncode == 2
    assert message in done.stderr
    assert done.stderr.count("\n") == 1
    assert done.stdout == ""
    assert list(tmp_path.iterdir()) == []


def test_usage_errors_are_exit_code_2():
    for args in (["solve"], ["nonsense"], ["solve", "--p", "1", "--q", "1", "--k", "0"]):
        assert run(*args).returncode == 2


def test_help_has_an_example():
    for command in ("audit", "solve", "verify", "sample"):
        done = run(command, "--help")
        assert done.returncode == 0
        assert "Example: spechub-lp" in done.stdout


def test_version():
    import spechub_lp

    assert run("--version").stdout == f"spechub-lp {spechub_lp.__version__}\n"


def test_files_are_whole_or_not_at_all(tmp_path, monkeypatch):
    from spechub_lp import files
    from spechub_lp.errors import SpecHubError

    file = tmp_path / "x.json"
    file.write_text("old")

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(files.os, "replace", full)
    with pytest.raises(SpecHubError, match="No space left"):
        files.write_json(file, {"new": 1})
    assert [path.name for path in tmp_path.iterdir()] == ["x.json"]
    assert file.read_text() == "old"
