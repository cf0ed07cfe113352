"""Lowering: which layers become one operation, where a copy is made, and whose tensors lie alike."""

from dataclasses import replace

import numpy as np
import pytest
from networks import random_image_network

from hw.operations import INPUT, can_interleave, interleaved, lower, plan_regions, tied_operands
from sw.fixed import Format
from sw.network import Add, AvgPool, Conv2d, Dense, InputContract, MaxPool, Network, Requantize


def names(network: Network, *, input_gaps: bool = True) -> list[str]:
    return [operation.name for operation in lower(network, input_gaps=input_gaps)]


def conv(inputs: int, outputs: int, **fields) -> Conv2d:
    ones = np.ones(outputs, dtype=np.int64)
    weight = np.ones((outputs, 3, 3, inputs), dtype=np.int64)
    return Conv2d(weight, 0 * ones, 8, Requantize(ones, 4 * ones, Format(8, signed=False)), **fields)


def dense(inputs: int) -> Dense:
    return Dense(np.ones((2, inputs), dtype=np.int64), np.zeros(2, dtype=np.int64), 8, None)


def network(*layers) -> Network:
    shapes = [(8, 8, 1)]
    for layer in layers:
        shapes.append(layer.output_shape(shapes[-1]))
    return Network("n", InputContract((8, 8, 1)), (*layers, dense(int(np.prod(shapes[-1])))))


def add(source: int, other: int, channels: int) -> Add:
    ones = np.ones(channels, dtype=np.int64)
    scale = Requantize(ones, ones, Format(8, signed=False))
    return Add(other=other, weight=np.ones(2, dtype=np.int64), weight_bits=2, requantize=scale, source=source)


@pytest.mark.parametrize(
    ("pools", "expected"),
    [
        ((MaxPool(2),), ["conv2d + maxpool", "dense"]),
        ((MaxPool(2, 3),), ["conv2d + maxpool", "dense"]),
        ((MaxPool(3, 2),), ["conv2d", "maxpool", "dense"]),
        ((MaxPool(2), MaxPool(2)), ["conv2d + maxpool", "maxpool", "dense"]),
    ],
)
def test_a_pool_is_fused_where_its_windows_do_not_overlap(pools, expected):
    assert names(network(conv(1, 3), *pools)) == expected


def test_a_pool_whose_source_has_another_reader_is_an_operation_of_its_own():
    shared = network(conv(1, 3), MaxPool(2), conv(3, 3, padding=1), add(1, 2, 3))
    assert names(shared) == ["conv2d + maxpool", "conv2d", "add", "dense"]
    twice = [conv(1, 3), MaxPool(2, source=0), MaxPool(2, source=0), add(1, 2, 3)]
    of = Network("n", InputContract((8, 8, 1)), (*twice, dense(27)))
    assert names(of) == ["conv2d", "maxpool", "maxpool", "add", "dense"]


def test_a_pool_of_the_input_is_an_operation():
    assert names(network(MaxPool(2), conv(1, 2))) == ["maxpool", "conv2d", "dense"]


def test_the_input_is_copied_where_the_input_memory_does_not_do():
    assert names(network(conv(1, 2))) == ["conv2d", "dense"]
    assert names(network(conv(1, 2, padding=1))) == ["conv2d", "dense"]
    assert names(network(conv(1, 2, padding=1)), input_gaps=False) == ["copy", "conv2d", "dense"]
    assert names(network(conv(1, 1, padding=1), add(-1, 0, 1))) == ["copy", "conv2d", "add", "dense"]


def test_both_operands_of_a_sum_have_the_greater_border():
    operations = lower(network(conv(1, 2), conv(2, 2, padding=1), add(0, 1, 2)), input_gaps=True)
    assert tied_operands(operations) == [{0, 1}]
    regions = plan_regions(operations, (8, 8, 1))
    assert [regions[index].border for index in (INPUT, 0, 1, 2)] == [0, 1, 1, 0]
    assert regions[0].size == regions[1].size


def test_ties_join():
    layers = [conv(1, 2), conv(2, 2, padding=1), add(0, 1, 2), conv(2, 2, padding=1), add(2, 3, 2)]
    assert tied_operands(lower(network(*layers), input_gaps=True)) == [{0, 1}, {2, 3}]
    layers[-1] = add(1, 3, 2)
    layers.append(add(2, 4, 2))
    assert tied_operands(lower(network(*layers), input_gaps=True)) == [{0, 1, 3}, {2, 4}]


@pytest.mark.parametrize(
    ("shift", "multiplier", "bias", "uniform"),
    [
        ([4] * 3, [1] * 3, [0] * 3, True),
        ([4, 5, 4], [1] * 3, [0] * 3, False),
        ([4] * 3, [1, 1, 3], [0] * 3, False),
        ([4] * 3, [1] * 3, [0, 1, 0], False),
    ],
)
def test_channels_are_alike_where_weight_bias_and_scale_are(shift, multiplier, bias, uniform):
    scale = Requantize(np.array(multiplier), np.array(shift), Format(8, signed=False))
    weight = np.ones((3, 2, 2, 1), dtype=np.int64)
    depthwise = Conv2d(weight, np.array(bias), 8, scale, groups=3)
    assert lower(network(conv(1, 3), depthwise), input_gaps=True)[1].is_uniform == uniform
    weight = weight * np.array([1, 1, 2]).reshape(3, 1, 1, 1)
    assert not lower(network(conv(1, 3), replace(depthwise, weight=weight)), input_gaps=True)[1].is_uniform


def test_channels_are_alike_without_a_scale_but_not_where_they_share_inputs_or_are_alone():
    of = Network("n", InputContract((8, 8, 1)), (conv(1, 3), AvgPool(None)))
    assert [operation.is_uniform for operation in lower(of, input_gaps=True)] == [False, True]
    assert not lower(network(AvgPool(2, requantize=conv(1, 1).requantize)), input_gaps=True)[0].is_uniform


def test_an_operation_has_the_widths_of_its_layer():
    five = replace(conv(1, 2), weight_bits=5, weight=np.full((2, 3, 3, 1), 15))
    pool = AvgPool(2, requantize=conv(1, 2).requantize)
    operations = lower(network(five, pool), input_gaps=True)
    assert [operation.weight_bits for operation in operations] == [5, 2, 8]  # a mean has weights of 1
    # 9 weights of 15 and pixels up to 255; 4 activations up to 255; 18 of those
    assert [operation.accumulator_bits for operation in operations] == [17, 11, 14]


@pytest.mark.parametrize("seed", range(10))
def test_every_layer_is_in_one_operation_and_the_macs_are_those_of_the_network(seed):
    of = random_image_network(seed)
    operations = lower(of, input_gaps=False)
    layers = [layer for operation in operations for layer in operation.layers]
    assert sorted(layers) == list(range(len(of.layers)))
    assert sum(operation.macs for operation in operations) == of.macs
    assert [operation.is_result for operation in operations] == [False] * (len(operations) - 1) + [True]


@pytest.mark.parametrize("rows", range(1, 5))
def test_interleaved_kernel_rows_are_channels(rows):
    (first, _) = lower(network(conv(1, 2)), input_gaps=True)
    assert can_interleave(first)
    many = interleaved(first, rows)
    assert many.weight.shape == (2, 1, -(-3 // rows), 3, rows)
    for i in range(3):
        assert (many.weight[:, 0, i // rows, :, i % rows] == first.weight[:, 0, i, :, 0]).all()
    assert many.weight.sum() == first.weight.sum()
    assert not can_interleave(lower(network(MaxPool(2), conv(1, 2)), input_gaps=True)[1])
