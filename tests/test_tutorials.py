"""docs/tutorials: every tutorial runs, prints what it shows, and makes its pictures."""

import pytest
import tutorials


@pytest.mark.parametrize("path", tutorials.FILES, ids=lambda path: path.stem)
def test_tutorial(path, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    text = path.read_text(encoding="utf-8")
    for shown, printed in zip(tutorials.shown(text), tutorials.printed(path), strict=True):
        assert tutorials.difference(shown, printed) == "", printed
    for name in tutorials.pictures(text):
        assert (tmp_path / name).is_file()
        assert 0 < (tutorials.FOLDER / name).stat().st_size <= 60_000


def test_the_index_names_every_tutorial():
    index = (tutorials.FOLDER / "README.md").read_text(encoding="utf-8")
    assert tutorials.FILES
    assert [name for name in tutorials.FILES if f"({name.name})" not in index] == []


@pytest.mark.parametrize(
    ("shown", "printed", "difference"),
    [
        ("loss 0.50 after 9", "loss  0.52\nafter 9", ""),
        ("loss 0.50", "loss 0.53", "0.53, not 0.50"),
        ("loss 2.50", "loss 2.60", ""),
        ("loss 0.02", "loss 0.04", ""),
        ("loss 0.02", "loss -0.01", "-0.01, not 0.02"),
        ("1e-07", "3e-07", ""),
        ("1.0e-07", "3.0e-07", "3.0e-07, not 1.0e-07"),
        ("10,000 images", "9,600 images", ""),
        ("float32", "float64", "float64, not float32"),
        ("loss 1", "cost 1", "cost, not loss"),
        ("1 2", "1 2 3", "3 numbers, not 2"),
        ("", "done", "done, not "),
    ],
)
def test_words_are_equal_and_numbers_close(shown, printed, difference):
    assert tutorials.difference(shown, printed) == difference


TUTORIAL = """
```python
x = 1
```

```python
print(x + 1)
```

```text
3
```

![A picture](a.png)
"""


def test_blocks_share_a_namespace_and_outputs_are_renewed(tmp_path):
    path = tmp_path / "a.md"
    path.write_text(TUTORIAL)
    assert tutorials.shown(TUTORIAL) == ["", "3\n"]
    assert tutorials.printed(path) == ["", "2\n"]
    assert tutorials.pictures(TUTORIAL) == ["a.png"]
    assert tutorials.renewed(TUTORIAL, ["1\n", "2\n"]) == TUTORIAL.replace("3\n", "2\n").replace(
        "x = 1\n```\n", "x = 1\n```\n\n```text\n1\n```\n"
    )


def test_an_error_names_its_line(tmp_path):
    path = tmp_path / "a.md"
    path.write_text(TUTORIAL.replace("x + 1", "1 / 0"))
    with pytest.raises(ZeroDivisionError) as error:
        tutorials.printed(path)
    assert error.traceback[-1].lineno + 1 == 7
