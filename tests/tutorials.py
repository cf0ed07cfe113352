"""The tutorials in docs/tutorials: runs their Python blocks and compares what they print with what they show.

    python tests/tutorials.py

runs all of them and renews their text blocks and pictures.

Training in floating point repeats bit for bit only on one kind of processor and numpy, so numbers are equal where they
are close: within 5 %, or within two units of the last digit shown. Words must be the same; blanks between them need
not, for a column of numbers moves with their width.
"""

import contextlib
import io
import re
import shutil
import tempfile
from pathlib import Path

import matplotlib
from matplotlib import pyplot
from PIL import Image
from threadpoolctl import threadpool_limits

from sw.files import write_text

FOLDER = Path(__file__).parents[1] / "docs" / "tutorials"
FILES = sorted(FOLDER.glob("[0-9]*.md"))
BLOCK = re.compile(r"^```python\n(.*?)^```\n(?:\n```text\n(.*?)^```\n)?", re.MULTILINE | re.DOTALL)
PICTURE = re.compile(r"^!\[.+\]\((.+)\)$", re.MULTILINE)
NUMBER = re.compile(r"((?<![\w.])[-+]?\d[\d,]*(?:\.\d+)?(?:e[-+]?\d+)?)")
RELATIVE, LAST_DIGITS = 0.05, 2

matplotlib.use("Agg")


def shown(text: str) -> list[str]:
    """What is shown under each Python block of a tutorial; empty where there is no text block."""
    return [output for _, output in BLOCK.findall(text)]


def pictures(text: str) -> list[str]:
    """The pictures of a tutorial that can be made here: those in SVG need Graphviz."""
    return [name for name in PICTURE.findall(text) if shutil.which("dot") or not name.endswith(".svg")]


def printed(path: Path) -> list[str]:
    """What each Python block prints, run in order in one namespace; pictures go to the working directory."""
    text, namespace, outputs = path.read_text(encoding="utf-8"), {"__name__": "__main__"}, []
    with threadpool_limits(1, "blas"), matplotlib.rc_context():
        for block in BLOCK.finditer(text):
            lines_before = "\n" * text.count("\n", 0, block.start(1))  # so that a traceback names the line
            with contextlib.redirect_stdout(io.StringIO()) as output:
                exec(compile(lines_before + block[1], path, "exec"), namespace)
            outputs.append(output.getvalue())
    pyplot.close("all")
    return outputs


def difference(expected: str, actual: str) -> str:
    """The first difference, in words; empty where there is none."""
    old, new = NUMBER.split(expected), NUMBER.split(actual)  # every second piece is a number
    if len(old) != len(new):
        return f"{len(new) // 2} numbers, not {len(old) // 2}"
    for n, (a, b) in enumerate(zip(old, new, strict=True)):
        if not (_close(a, b) if n % 2 else a.split() == b.split()):
            return f"{b.strip()}, not {a.strip()}"
    return ""


def _close(old: str, new: str) -> bool:
    old, new = old.replace(",", ""), new.replace(",", "")
    mantissa, _, exponent = old.partition("e")
    unit = 10.0 ** (int(exponent or 0) - len(mantissa.partition(".")[2]))
    return abs(float(new) - float(old)) <= max(RELATIVE * abs(float(old)), LAST_DIGITS * unit) * (1 + 1e-9)


def renewed(text: str, outputs: list[str]) -> str:
    """The tutorial with other outputs."""
    rest = iter(outputs)

    def block(found: re.Match) -> str:
        output = next(rest)
        return f"```python\n{found[1]}```\n" + (f"\n```text\n{output}```\n" if output else "")

    return BLOCK.sub(block, text)


def keep(picture: Path) -> None:
    """Put a picture beside the tutorials; a PNG gets a palette, which makes it smaller by half and more."""
    if picture.suffix == ".png":
        Image.open(picture).convert("RGB").quantize(128).save(picture, optimize=True)
    shutil.copy(picture, FOLDER)


if __name__ == "__main__":
    for path in FILES:
        with tempfile.TemporaryDirectory() as folder, contextlib.chdir(folder):
            text = path.read_text(encoding="utf-8")
            write_text(path, renewed(text, printed(path)))
            for name in pictures(text):
                keep(Path(name))
