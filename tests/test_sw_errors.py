"""sw/errors.py: a wrong word is answered with the one that is most like it, or with nothing."""

import pytest

from sw.errors import did_you_mean


@pytest.mark.parametrize(
    ("word", "answer"),
    [("trian", "; did you mean train?"), ("generat", "; did you mean generate?"), ("fly", ""), (3, ""), (None, "")],
)
def test_the_nearest_word_or_nothing(word, answer):
    assert did_you_mean(word, ["train", "generate", "run"]) == answer
