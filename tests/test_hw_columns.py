from dataclasses import replace

import numpy as np
import pytest
from networks import random_image_network

from hw.columns import Columns, arrangements
from hw.operations import Operation, lower


def operation(pool: tuple[int, int], shape: tuple[int, int]) -> Operation:
    network = random_image_network(0, ("conv",), shape=(9, 9, 1))
    return replace(lower(network, input_gaps=False)[0], pool=pool, shape=(*shape, 4))


@pytest.mark.parametrize("pool", [(1, 1), (1, 3), (2, 2), (3, 3), (5, 4), (7, 1)])
@pytest.mark.parametrize("pixels", [1, 2, 4])
def test_columns_cover_the_pooling_window_and_nothing_else(pool, pixels):
    of = operation(pool, (3, 4))
    pooling = [columns for columns in arrangements(of, pixels) if columns.pools]
    assert pooling[0] == Columns()
    for columns in pooling:
        assert columns.rows * columns.across <= pixels
        for starts, together, length in zip(columns.pool_starts(of), columns.axes, pool, strict=True):
            places = {start + place for start in starts for place in range(together)}
            assert places == set(range(length))
            assert len(starts) == -(-length // together)


@pytest.mark.parametrize("pixels", [2, 4])
@pytest.mark.parametrize("shape", [(1, 5), (5, 1), (3, 4), (6, 7)])
def test_neighbours_have_every_result_once(shape, pixels):
    of = operation((1, 1), shape)
    beside = [columns for columns in arrangements(of, pixels) if not columns.pools]
    assert len(beside) == sum(length > 1 for length in shape)
    for columns in beside:
        axis = int(columns.across > 1)
        groups = columns.groups(of)
        assert groups[1 - axis] == shape[1 - axis]
        assert (groups[axis] - 1) * pixels + columns.last(of) == shape[axis]
        assert 1 <= columns.last(of) <= pixels


def test_logits_have_one_column():
    of = replace(operation((1, 1), (1, 1)), requantize=None)
    assert list(arrangements(of, 4)) == [Columns()]
    assert np.prod(of.shape[:2]) == 1
