"""sw/augment.py: every drawn image is one of the legal shifts, and all of them occur."""

import numpy as np

from sw.augment import Shifter

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


def test_draws_all_shifts_and_no_other_image():
    rows = np.arange(200) % 5
    batch = Shifter(IMAGES, 1).sample(rows, np.random.default_rng(1))
    assert batch.shape == (200, 4, 6, 2)
    seen = set()
    for row, image in zip(rows, batch, strict=True):
        places = [(y, x) for y in (-1, 0, 1) for x in (-1, 0, 1) if (shifted(IMAGES[row], y, x) == image).all()]
        assert len(places) == 1
        seen.add(places[0])
    assert len(seen) == 9


def test_no_shift_leaves_images_as_they_are():
    batch = Shifter(IMAGES, 0).sample(np.array([3, 1, 3]), np.random.default_rng(0))
    np.testing.assert_array_equal(batch, IMAGES[[3, 1, 3]])
