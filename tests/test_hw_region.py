import pytest

from hw.region import Region


@pytest.mark.parametrize("border", [0, 1, 2])
@pytest.mark.parametrize("shape", [(1, 1, 1), (3, 4, 2), (2, 5, 1)])
def test_elements_are_apart_and_windows_at_the_edge_meet_only_border(shape, border):
    region, (height, width, channels) = Region(shape, border), shape
    inside = {
        region.origin + y * region.pitch + x * channels + c: (y, x, c)
        for y in range(height)
        for x in range(width)
        for c in range(channels)
    }
    assert len(inside) == height * width * channels
    for y in range(-border, height + border):
        for x in range(-border, width + border):
            for c in range(channels):
                place = region.origin + y * region.pitch + x * channels + c
                assert 0 <= place < region.size
                assert inside.get(place, (y, x, c)) == (y, x, c)
                assert (place in inside) == (0 <= y < height and 0 <= x < width)
    # The border on the right of a row is that on the left of the next one, and nothing lies beyond the borders.
    assert region.pitch == (width + border) * channels
    assert region.size == (height + 2 * border) * region.pitch + border * channels
    assert region.contiguous == (border == 0)
    assert border or region.size == height * width * channels
