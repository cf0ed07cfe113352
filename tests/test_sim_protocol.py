from itertools import pairwise

import numpy as np
import pytest

from sim.protocol import BACK_PRESSURE, IDLE, pack, payloads, stall_pattern, unpack
from sw.errors import InputError


def stalls(name, seed, cycles=400):
    stall = stall_pattern(name, BACK_PRESSURE, seed)
    return [stall(cycle % 3 == 0) for cycle in range(cycles)]


@pytest.mark.parametrize("name", BACK_PRESSURE)
def test_pattern_repeats_with_its_seed(name):
    assert stalls(name, "7") == stalls(name, "7")


@pytest.mark.parametrize("name", ["random", "bursts", "rare"])
def test_random_pattern_depends_on_its_seed(name):
    assert stalls(name, "7") != stalls(name, "8")


@pytest.mark.parametrize("name", BACK_PRESSURE[1:])
def test_pattern_stalls_and_lets_pass(name):
    assert set(stalls(name, "7")) == {True, False}


def test_none_never_stalls():
    assert not any(stalls("none", "7"))


def test_alternate_alternates():
    found = stalls("alternate", "7")
    assert all(now != then for now, then in pairwise(found))


def test_late_is_ready_once_it_saw_valid():
    stall = stall_pattern("late", BACK_PRESSURE, "")
    assert [stall(waiting) for waiting in (False, True, False)] == [True, False, True]


def test_a_source_cannot_be_late():
    with pytest.raises(InputError, match="must be one of none, random, bursts, alternate, rare, not 'late'"):
        stall_pattern("late", IDLE, "")


@pytest.mark.parametrize("taps", [1, 3, 4, 8, 16])
def test_pixels_survive_packing(taps):
    pixels = np.random.default_rng(0).integers(0, 256, (5, 20))
    beats = pack(pixels, taps, seed=1)
    assert beats.shape == (5, -(-20 // taps), taps)
    words = np.array([word >> 8 * tap & 255 for word in payloads(beats) for tap in range(taps)])
    assert (words.reshape(5, -1)[:, :20] == pixels).all()


def test_the_last_beat_is_filled_with_something():
    beats = pack(np.zeros((20, 5), int), 8, seed=1)
    assert beats[:, 0, 5:].any()
    assert (beats == pack(np.zeros((20, 5), int), 8, seed=1)).all()


def test_unpack_reads_signed_and_unsigned_fields():
    fields = {
        "logit": {"offset": 0, "width": 60, "signed": True},
        "label": {"offset": 60, "width": 4, "signed": False},
        "last": {"offset": 64, "width": 1, "signed": False},
    }
    for logit in (-(1 << 59), -1, 0, (1 << 59) - 1):
        for label, last in ((0, 1), (15, 0)):
            word = logit & (1 << 60) - 1 | label << 60 | last << 64
            assert unpack(word, fields) == {"logit": logit, "label": label, "last": last}
