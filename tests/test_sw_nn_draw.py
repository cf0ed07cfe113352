"""sw/nn/draw.py: values and gradients of a small expression; the program that lays it out."""

import sys

import numpy as np
import pytest

from sw.errors import InputError
from sw.nn import draw, functions
from sw.nn.losses import mean_squared_error
from sw.nn.tensor import Tensor


def leaf(*values):
    return Tensor(np.array(values), requires_grad=True)


def test_values_and_gradients_stand_on_the_edges():
    x, w, b = leaf(2.0), leaf(-3.0), leaf(8.0)
    text = draw.dot(functions.relu(x * w + b) - w, {"x": x, "w": w, "b": b})
    first, *body, last = text.splitlines()
    assert (first, last) == ("digraph {", "}")
    assert sorted(line.strip() for line in body) == sorted(
        [
            "rankdir=LR;",
            "result [shape=plaintext];",
            'n0 [label="-", shape=circle];',
            'n1 [label="relu", shape=circle];',
            'n3 [label="+", shape=circle];',
            'n4 [label="·", shape=circle];',
            'n6 [label="x", shape=box];',
            'n2 [label="w", shape=box];',
            'n5 [label="b", shape=box];',
            'n6 -> n4 [label="2\\n-3"];',
            'n2 -> n4 [label="-3\\n2"];',
            'n4 -> n3 [label="-6\\n1"];',
            'n5 -> n3 [label="8\\n1"];',
            'n3 -> n1 [label="2\\n1"];',
            'n1 -> n0 [label="2\\n1"];',
            'n2 -> n0 [label="-3\\n-1"];',
            'n0 -> result [label="5\\n1"];',
        ]
    )


def test_a_tensor_used_twice_is_one_node_with_two_edges():
    x = leaf(3.0)
    text = draw.dot(x * x)
    assert text.count('n1 -> n0 [label="3\\n3"]') == 2
    assert text.count('n1 [label="x0", shape=box]') == 1
    assert x.grad is None


def test_arrays_are_shown_up_to_four_elements():
    text = draw.dot(mean_squared_error(leaf(1.0, 2.5), [0.0, 0.5]))
    assert '[label="[1 2.5]\\n[1 2]"]' in text
    assert '[label="mse", shape=circle]' in text
    x = Tensor(np.zeros((2, 3)), requires_grad=True)
    assert '[label="2x3\\n2x3"]' in draw.dot(functions.total(x))


def test_names_are_quoted():
    x = leaf(1.0)
    assert r'[label="a \"b\" \\c", shape=box]' in draw.dot(x, {r'a "b" \c': x})
    assert '[label="&amp;lt; <b>", shape=box]' in draw.dot(x, {"&lt; <b>": x})


def test_leaves_without_a_name_are_numbered():
    text = draw.dot(leaf(1.0) + leaf(2.0))
    assert text.count('label="x0", shape=box') == text.count('label="x1", shape=box') == 1


def program(folder, monkeypatch, code):
    """Put a `dot` on the PATH that runs Python code."""
    path = folder / "dot"
    path.write_text(f"#!{sys.executable}\nimport sys\n{code}\n")
    path.chmod(0o755)
    monkeypatch.setenv("PATH", str(folder))


def test_svg_is_what_the_program_makes_of_the_text(tmp_path, monkeypatch):
    program(tmp_path, monkeypatch, "print(sys.argv[1:], sys.stdin.buffer.read().decode())")
    x = leaf(1.0)
    assert draw.svg(x * 2.0, {"x": x}) == "['-Tsvg'] " + draw.dot(x * 2.0, {"x": x}) + "\n"


def test_a_program_that_fails_is_reported(tmp_path, monkeypatch):
    program(tmp_path, monkeypatch, "sys.stdin.read(); sys.exit('out of paper')")
    with pytest.raises(InputError, match="dot ended with code 1, must be 0: out of paper"):
        draw.svg(leaf(1.0))


def test_without_graphviz(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(InputError, match="no program `dot` on the PATH; install Graphviz"):
        draw.svg(leaf(1.0))
