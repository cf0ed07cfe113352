"""`amarray cache` as a user meets it."""

import json

import pytest

from amarray.cli import main
from sw.user_cache import LIMIT, VARIABLE, entry


@pytest.fixture
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv(VARIABLE, str(tmp_path / "cache"))
    return tmp_path / "cache"


def run_json(capsys, *arguments):
    code = main(["cache", *arguments, "--json"])
    return code, json.loads(capsys.readouterr().out)


def fill() -> None:
    for kind, key in (("native", 1), ("native", 2), ("place", 1)):
        entry(kind, key, lambda folder: (folder / "file").write_bytes(bytes(1_000_000)))


def test_size_and_number_of_entries_by_kind(cache, capsys):
    fill()
    code, result = run_json(capsys)
    assert code == 0
    assert (result["folder"], result["entries"], result["limit_bytes"]) == (str(cache), 3, LIMIT)
    assert {kind: found["entries"] for kind, found in result["kinds"].items()} == {"native": 2, "place": 1}
    assert result["bytes"] == sum(path.stat().st_size for path in cache.rglob("*") if path.is_file())
    assert result["bytes"] == sum(found["bytes"] for found in result["kinds"].values())
    assert main(["cache"]) == 0
    text = capsys.readouterr().out
    for part in (f"cache {cache}", "3.0 MB; above 4,000.0 MB the oldest go", "native", "place"):
        assert part in text


def test_clear_says_what_it_removed(cache, capsys):
    fill()
    code, result = run_json(capsys, "--clear")
    assert (code, result["entries"], result["bytes"], result["kinds"]) == (0, 0, 0, {})
    assert result["cleared_bytes"] > 3_000_000
    assert list(cache.iterdir()) == []
    fill()
    assert main(["cache", "--clear"]) == 0
    assert "cleared" in capsys.readouterr().out


def test_a_cache_that_is_not_there_is_empty_and_not_made(cache, capsys):
    code, result = run_json(capsys, "--clear")
    assert (code, result["entries"], result["cleared_bytes"]) == (0, 0, 0)
    assert not cache.exists()


def test_a_cache_that_others_can_write_is_one_line(cache, capsys):
    cache.mkdir()
    cache.chmod(0o777)
    assert main(["cache", "--clear"]) == 2
    assert capsys.readouterr().err.startswith(f"amarray: will not use the cache {cache}: others can write there")
