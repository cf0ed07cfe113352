"""The resource model against what yosys counted for the grid of bench/resource_model.py."""

import json
import re
from dataclasses import replace
from importlib import import_module

import pytest
from networks import random_network
from test_architecture import ROOT

from hw.compiler import size_array
from hw.config import ArrayConfig
from hw.fpga.devices import DEVICES, device
from hw.fpga.estimate import (
    FABRICS,
    FOLLOWING,
    estimate,
    expected_clock,
    outside_model,
    products,
    scale_blocks,
)
from hw.fpga.fitted import FITTED

GRID = json.loads((ROOT / "bench" / "resource_model.json").read_text(encoding="utf-8"))
ROWS = [row for rows in GRID.values() for row in rows]
ERRORS = {"luts": 0.15, "ffs": 0.1}
"""Greatest error, relative."""


@pytest.mark.parametrize("row", ROWS, ids=lambda row: "-".join(map(str, row["array"])))
def test_the_model_is_near_what_yosys_counted(row):
    found = estimate(ArrayConfig.from_json(row["config"]), DEVICES[row["device"]])
    assert found["dsps"] == row["counts"]["dsps"]
    assert abs(found["brams"] - row["counts"]["brams"]) <= 1
    for name, error in ERRORS.items():
        assert abs(found[name] / row["counts"][name] - 1) <= error, name


@pytest.mark.parametrize("family", FITTED)
def test_the_fitted_ranges_are_those_of_the_grid(family):
    configs = [row["config"] for row in GRID[family]]
    values = {name: [config[name] for config in configs] for name in ArrayConfig().to_json()}
    assert FITTED[family] == {name: (min(each), max(each)) for name, each in values.items()}
    assert set(FITTED) == set(GRID)


@pytest.mark.parametrize("row", ROWS, ids=lambda row: "-".join(map(str, row["array"])))
def test_no_fitted_array_is_outside_of_the_model(row):
    assert outside_model(ArrayConfig.from_json(row["config"]), DEVICES[row["device"]]) == {}


@pytest.mark.parametrize(
    ("name", "inside", "outside"),
    [
        ("weight_bits", 3, 2),
        ("activation_bits", 8, 7),
        ("lanes", 16, 17),
        ("taps", 8, 9),
        ("input_words", 4481, 4482),
        ("weight_words", 204, 203),
        ("multiplier_bits", 0, 16),
        ("reloadable", False, True),
        ("follows_input", False, True),
    ],
)
def test_parameters_outside_of_the_model_are_named_with_what_was_fitted(name, inside, outside):
    config = replace(ArrayConfig.from_json(GRID["ice40"][0]["config"]), drain_parts=1)
    ends = [min(row["config"][name] for row in GRID["ice40"]), max(row["config"][name] for row in GRID["ice40"])]
    for device_name in ("ice40-hx8k", "ice40-up5k"):
        target = DEVICES[device_name]
        assert outside_model(replace(config, **{name: inside}), target) == {}
        found = outside_model(replace(config, **{name: outside}), target)
        assert found == {name: {"value": outside, "fitted": ends}}


def test_small_arrays_and_narrow_weights_are_outside_of_the_model():
    """Where the error was 42 % and -31 %."""
    one_class = size_array(random_network(0, [18, 4, 1]), 4, 3)
    coarse = size_array(random_network(0, [18, 4, 3], weight_bits=2, activation_bits=2), 4, 3)
    for target in (DEVICES["ecp5-25k"], DEVICES["ice40-hx8k"]):
        assert {"input_words", "weight_words"} <= set(outside_model(one_class, target))
        assert {"weight_bits", "activation_bits"} <= set(outside_model(coarse, target))


@pytest.mark.parametrize(
    ("shape", "weight_bits", "name", "multipliers", "expected"),
    [
        ((16, 8, 1), 8, "ecp5-25k", "auto", (28, 0, 100)),
        ((16, 8, 1), 8, "ecp5-85k", "auto", (128, 0, 0)),
        ((16, 8, 1), 8, "ecp5-85k", "lut", (0, 0, 128)),
        ((8, 7, 1), 5, "ecp5-25k", "auto", (28, 28, 0)),
        ((8, 8, 1), 5, "ecp5-25k", "auto", (28, 28, 8)),
        ((3, 2, 2), 5, "ecp5-25k", "auto", (8, 4, 0)),
        ((8, 7, 1), 5, "ice40-up5k", "auto", (8, 0, 48)),
        ((4, 1, 1), 8, "ice40-hx8k", "auto", (0, 0, 4)),
    ],
)
def test_products_are_in_blocks_as_long_as_there_are_any(shape, weight_bits, name, multipliers, expected):
    config = ArrayConfig(**dict(zip(("lanes", "taps", "pixels"), shape, strict=True)), weight_bits=weight_bits)
    assert products(config, DEVICES[name], multipliers) == expected


def test_requantizers_with_a_multiplier_take_blocks():
    config = ArrayConfig(lanes=4, taps=2, multiplier_bits=16, accumulator_bits=20)
    assert estimate(config, DEVICES["ecp5-25k"])["dsps"] == 8 + 2 * 2
    assert scale_blocks(config, DEVICES["gw1n-9c"]) == 2 * 2 * 2
    assert scale_blocks(config, DEVICES["ice40-hx8k"]) == 0


def test_products_leave_the_requantizers_their_blocks():
    config = ArrayConfig(lanes=8, taps=4, multiplier_bits=16, accumulator_bits=20)
    assert products(config, DEVICES["ecp5-25k"]) == (28 - 4 * 2, 0, 12)
    assert estimate(config, DEVICES["ecp5-25k"])["dsps"] == 28
    assert products(config, DEVICES["ice40-up5k"]) == (0, 0, 32)


def test_a_family_without_a_model_has_no_estimate():
    assert estimate(ArrayConfig(), DEVICES["gw1n-9c"]) is None
    assert outside_model(ArrayConfig(), DEVICES["gw1n-9c"]) is None


def test_clock_depends_on_the_size_of_the_array_and_on_the_speed_grade():
    for lanes, taps, mhz in ((8, 7, 175), (16, 8, 130), (16, 16, 120), (32, 16, 85)):
        config = ArrayConfig(lanes=lanes, taps=taps)
        assert expected_clock(config, device("ecp5-25k", "6")) == mhz
        assert expected_clock(config, device("ecp5-85k", "8")) == mhz * FABRICS["ecp5"].speeds["8"]
        following = replace(config, follows_input=True)
        assert expected_clock(following, device("ecp5-25k", "6")) == mhz * FOLLOWING


PLACEMENTS = json.loads((ROOT / "bench" / "placements.json").read_text(encoding="utf-8"))


@pytest.mark.parametrize("name", [name for name in PLACEMENTS if "gw1n" not in name])
def test_the_clock_is_one_that_placements_have_reached(monkeypatch, name):
    monkeypatch.syspath_prepend(ROOT / "bench")
    generate = PLACEMENTS[name]["commands"][-2]
    shape = {key: int(value) for key, value in re.findall(r"--(lanes|taps|pixels) (\d+)", generate)}
    config = ArrayConfig(**shape, follows_input="--schedule latency" in generate)
    expected = expected_clock(config, import_module("placements").placed_device(name))
    assert 0.8 <= expected / PLACEMENTS[name]["clock_mhz"]["median"] <= 1.05
