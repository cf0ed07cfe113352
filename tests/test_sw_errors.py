"""sw/errors.py: a message is one short line that a terminal only prints; a wrong word is answered with one like it."""

import pickle

import pytest

from sw.errors import LONGEST, InputError, did_you_mean


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("a\n b\t\tc ", "a b c"),
        ("\x1b[2J é 数", r"\x1b[2J é 数"),
        ("\udc80", r"\udc80"),
        ("\u202egnp", r"\u202egnp"),
    ],
)
def test_what_does_not_print_is_escaped(text, line):
    assert str(InputError(text)) == line


def test_the_middle_of_a_long_message_is_left_out():
    text = str(InputError("the start " + "x" * 10**6 + " the end"))
    assert text.startswith("the start xxx")
    assert text.endswith("xxx the end")
    assert LONGEST * 2 // 3 < len(text) <= LONGEST
    assert str(InputError("x" * LONGEST)) == "x" * LONGEST


def test_an_error_can_be_sent_to_another_process():
    assert str(pickle.loads(pickle.dumps(InputError("width must be 3")))) == "width must be 3"


@pytest.mark.parametrize(
    ("word", "answer"),
    [("trian", "; did you mean train?"), ("generat", "; did you mean generate?"), ("fly", ""), (3, ""), (None, "")],
)
def test_the_nearest_word_or_nothing(word, answer):
    assert did_you_mean(word, ["train", "generate", "run"]) == answer
