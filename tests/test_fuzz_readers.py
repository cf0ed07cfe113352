"""Every reader of bytes from outside, against damage of every kind: see fuzz.py."""

import fuzz
import pytest

SEED = 20261128
CASES = 1000
"""Of each kind."""


@pytest.mark.filterwarnings("ignore")  # of zipfile about names, of numpy about overflows in what is then refused
@pytest.mark.parametrize("kind", fuzz.KINDS)
def test_damage_is_refused_in_one_line_or_harmless(kind, tmp_path):
    found = fuzz.run(kind, SEED, range(20), tmp_path)
    assert found.total() == 20


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("kind", fuzz.KINDS)
def test_a_thousand_damages_of_each_kind(kind, tmp_path):
    found = fuzz.run(kind, SEED, range(CASES), tmp_path)
    assert found["refused"] > 0
