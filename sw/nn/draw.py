"""Drawing of a graph: operations as circles, leaves as boxes, and on each edge its value above its gradient."""

import shutil
import subprocess

import numpy as np

from sw.errors import InputError
from sw.nn.tensor import Tensor, walk_back

SHOWN = 4
"""Arrays of more elements are drawn as their shape."""


def dot(root: Tensor, names: dict[str, Tensor] | None = None) -> str:
    """The graph that led to `root`, as text in the DOT language of Graphviz.

    On each edge stand the value that ran forward and, below it, the gradient of root (of its sum, where it has
    several elements) that comes back this way. Where a tensor is used twice, its gradient is the sum of two edges.
    Operands that lead to no leaf with a gradient are not in the graph, and so not in the drawing.

    Parameters
    ----------
    root: the result. Nothing in the graph is changed; no `grad` is written.
    names: what leaves are called; others are x0, x1, ... in the order in which the walk back finds them.
    """
    called = {id(tensor): name for name, tensor in (names or {}).items()}
    lines, numbers, unnamed = [], {}, 0
    for tensor, gradient, parts in walk_back(root):
        number = numbers.setdefault(id(tensor), len(numbers))
        label, shape = tensor.operation, "circle"
        if not label:
            label, shape = called.get(id(tensor)) or f"x{unnamed}", "box"
            unnamed += id(tensor) not in called
        lines.append(f"  n{number} [label={_quoted(label)}, shape={shape}];")
        if tensor is root:
            lines += ["  result [shape=plaintext];", _edge(f"n{number}", "result", tensor.data, gradient)]
        for (parent, _), part in zip(tensor.edges, parts, strict=True):
            start = numbers.setdefault(id(parent), len(numbers))
            lines.append(_edge(f"n{start}", f"n{number}", parent.data, part))
    return "\n".join(["digraph {", "  rankdir=LR;", *lines, "}", ""])


def svg(root: Tensor, names: dict[str, Tensor] | None = None) -> str:
    """The drawing of `dot`, laid out by the program of that name.

    Raises InputError where Graphviz is not installed, or its program fails.
    """
    program = shutil.which("dot")
    if program is None:
        raise InputError("no program `dot` on the PATH; install Graphviz for SVG, or take the DOT text")
    done = subprocess.run([program, "-Tsvg"], input=dot(root, names), capture_output=True, encoding="utf-8")
    if done.returncode != 0:
        reason = (done.stderr.strip() or "no message").splitlines()[-1]
        raise InputError(f"{program} ended with code {done.returncode}, must be 0: {reason}")
    return done.stdout


def _edge(start: str, end: str, value: np.ndarray, gradient: np.ndarray) -> str:
    label = _quoted(_short(value) + "\n" + _short(gradient))
    return f"  {start} -> {end} [label={label}];"


def _short(array: np.ndarray) -> str:
    array = array + 0.0  # -0 becomes 0
    if array.size > SHOWN:
        return "x".join(map(str, array.shape))
    if array.size == 1:
        return f"{array.item():.4g}"
    return np.array2string(array, formatter={"float": lambda x: f"{x:.4g}"}).replace("\n", "")


def _quoted(text: str) -> str:
    text = text.replace("&", "&amp;")  # Graphviz reads the entities of HTML in any label
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n") + '"'
