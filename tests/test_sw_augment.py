"""sw/augment.py: shifts are exact, maps are what they are called, and every value is drawn."""

import numpy as np
import pytest

from sw.augment import Distortion
from sw.errors import InputError

IMAGES = np.random.default_rng(0).integers(1, 256, (5, 4, 6, 2), dtype=np.uint8)


def shifted(image, dy, dx):
    """The image moved down by dy and right by dx, pixel by pixel."""
    result = np.zeros_like(image)
    height, width = image.shape[:2]
    for y in range(height):
        for x in range(width):
            if 0 <= y - dy < height and 0 <= x - dx < width:
                result[y, x] = image[y - dy, x - dx]
    return result


@pytest.mark.parametrize("channels", [1, 2])
def test_a_shift_draws_all_places_and_changes_no_pixel(channels):
    images = IMAGES[np.arange(600) % 5, :, :, :channels]
    batch = Distortion(shift=1).apply(images, np.random.default_rng(1))
    assert batch.shape == images.shape
    seen = set()
    for image, result in zip(images, batch, strict=True):
        places = [(y, x) for y in (-1, 0, 1) for x in (-1, 0, 1) if (shifted(image, y, x) == result).all()]
        assert len(places) == 1
        seen.add(places[0])
    assert len(seen) == 9


def test_no_distortion_leaves_images_as_they_are():
    np.testing.assert_array_equal(Distortion().apply(IMAGES, np.random.default_rng(0)), IMAGES)


def spot(y, x):
    """A soft spot at a place of a 31 x 31 image, whose centre is (15, 15)."""
    rows, columns = np.mgrid[:31, :31]
    return np.rint(255 * np.exp(-((rows - y) ** 2 + (columns - x) ** 2) / 8)).astype(np.uint8)[None, :, :, None]


def places(distortion, y, x, count=400):
    """Where the spot's centre of gravity comes to lie, (count, 2), seen from the image's centre."""
    images = distortion.apply(np.repeat(spot(y, x), count, axis=0), np.random.default_rng(3))[..., 0].astype(float)
    rows, columns = np.mgrid[:31, :31]
    mass = images.sum(axis=(1, 2))
    return np.stack([(images * rows).sum(axis=(1, 2)) / mass, (images * columns).sum(axis=(1, 2)) / mass], 1) - 15


def test_rotation_keeps_the_distance_and_reaches_both_ends():
    found = places(Distortion(rotate=30), 15, 23)
    np.testing.assert_allclose(np.hypot(*found.T), 8, atol=0.1)
    angles = np.rad2deg(np.arctan2(found[:, 0], found[:, 1]))
    assert -30.5 < angles.min() < -27
    assert 27 < angles.max() < 30.5


def test_scale_moves_along_each_axis_for_itself():
    found = places(Distortion(scale=0.2), 21, 23)
    for axis, distance in ((0, 6), (1, 8)):
        factors = found[:, axis] / distance
        assert 0.79 < factors.min() < 0.83
        assert 1.17 < factors.max() < 1.21
    assert abs(np.corrcoef(found.T)[0, 1]) < 0.2


def test_shear_slides_rows_and_keeps_them():
    found = places(Distortion(shear=0.5), 21, 15)
    np.testing.assert_allclose(found[:, 0], 6, atol=0.1)
    assert -3.1 < found[:, 1].min() < -2.7
    assert 2.7 < found[:, 1].max() < 3.1


def test_outside_is_background():
    images = np.full((50, 9, 9, 1), 255, np.uint8)
    result = Distortion(rotate=45).apply(images, np.random.default_rng(0))
    assert result[:, 4, 4].min() == 255
    assert result[:, 0, 0].min() == 0


def test_same_stream_same_images():
    images = np.repeat(IMAGES, 3, axis=0)
    distortion = Distortion(1, 10, 0.1, 0.1)
    first = distortion.apply(images, np.random.default_rng(5))
    np.testing.assert_array_equal(first, distortion.apply(images, np.random.default_rng(5)))
    assert (first != distortion.apply(images, np.random.default_rng(6))).any()


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"shift": 9}, r"shift must be an integer 0\.\.8, not 9"),
        ({"shift": 0.5}, "shift must be an integer .*, not 0.5"),
        ({"rotate": -1}, r"rotate must be a number 0\.\.180, not -1"),
        ({"scale": 1}, r"scale must be a number 0\.\.0.9, not 1"),
        ({"shear": "much"}, "shear must be a number .*, not 'much'"),
    ],
)
def test_refuses(values, message):
    with pytest.raises(InputError, match=message):
        Distortion(**values)
