import numpy as np
import pytest
from sim_designs import FIELDS, NETWORK, TAPS, images

from sim.job import Job
from sw.errors import InputError


def job(pixels, **options):
    return Job.of(NETWORK, pixels, TAPS, FIELDS, ["cycles"], lambda count: 100 * count, **options)


def test_job_survives_its_file(tmp_path):
    given = job(images(4), idle="rare", back_pressure="late", seed=3, reset_after=17)
    given.save(tmp_path / "job.npz")
    found = Job.load(tmp_path / "job.npz")
    assert (found.beats == given.beats).all()
    assert {**vars(found), "beats": 0} == {**vars(given), "beats": 0}


def test_job_knows_when_each_image_is_due():
    assert job(images(3)).due == [100, 200, 300]


@pytest.mark.parametrize(
    ("pixels", "options", "message"),
    [
        (images(1)[:0], {}, "images must be one or more, not 0"),
        (images(1) + np.int64(256), {}, "pixels must be 0..255"),
        (images(1) / 2, {}, "integer pixels 0..255, not float64"),
        (images(2)[:, :, 1:], {}, r"shape \(n, 1, 20, 1\), not \(2, 1, 19, 1\)"),
        (images(1), {"idle": "seldom"}, "must be one of none, .*, not 'seldom'"),
        (images(1), {"back_pressure": "seldom"}, "must be one of none, .*, not 'seldom'"),
        (images(1), {"reset_after": -1}, "reset_after must be .* 0 or more, not -1"),
    ],
)
def test_bad_job_is_refused(pixels, options, message):
    with pytest.raises(InputError, match=message):
        job(pixels, **options)
