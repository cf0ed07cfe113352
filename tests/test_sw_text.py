"""sw/text.py: what a name may be, and what is left of it in paths, identifiers and comments."""

import re

import pytest

from sw.errors import InputError
from sw.text import (
    NAME_LENGTH,
    canonical_json,
    check_json_object,
    check_name,
    comment_word,
    identifier,
    path_word,
)

NAMES = {
    "words": "my net, 2",
    "a space": " ",
    "one letter": "x",
    "longest": "x" * NAME_LENGTH,
    "scripts": "네트워크 сеть 网络 \U0001f600",
    "marks": "\"'`*/ // \\ ??/ $x$ [bold] {} %s; rm -rf ~ <b>&amp;",
}
NO_NAMES = {
    "nothing": "",
    "too long": "x" * (NAME_LENGTH + 1),
    "line end": "net\nendmodule",
    "carriage return": "net\r",
    "tab": "a\tb",
    "escape": "\x1b[31mred",
    "zero": "a\0b",
    "other direction": "a\u202eb",
    "line separator": "a\u2028b",
    "no-break space": "a\u00a0b",
    "half of a pair": "a\ud800",
    "bytes": b"net",
    "number": 1,
    "none": None,
    "list": ["net"],
}


@pytest.mark.parametrize("name", NAMES)
def test_any_printable_text_is_a_name(name):
    check_name(NAMES[name], "a network")


@pytest.mark.parametrize("name", NO_NAMES)
def test_what_is_no_name_is_refused_in_one_printable_line(name):
    with pytest.raises(InputError, match=r"the name of a network must be 1\.\.100 printable characters, not") as error:
        check_name(NO_NAMES[name], "a network")
    assert str(error.value).isprintable()
    assert len(str(error.value)) < 200


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("cnn-8k", "cnn-8k"),
        ("my_net 2.0", "my_net_2_0"),
        ("../../etc/passwd", "______etc_passwd"),
        ("..", "__"),
        ("/root", "_root"),
        ("~x", "_x"),
        ("C:\\net", "C__net"),
        ("网络 é٣", "网络_é٣"),
        ("\U0001f600", "_"),
        ("x" * 100, "x" * 100),
        ("网" * 100, "网" * 66),
    ],
)
def test_a_path_word_never_leaves_its_folder(text, expected):
    assert path_word(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [("mlp", "mlp"), ("cnn-8k", "cnn_8k"), ("8bit", "_8bit"), ("é 网", "___"), ("a.b_C9", "a_b_C9"), ("٣", "_")],
)
def test_identifiers(text, expected):
    assert identifier(text) == expected


def test_a_word_in_a_comment_has_only_characters_that_mean_nothing():
    assert comment_word("cnn-8k, 2.0 a+b_c") == '"cnn-8k, 2.0 a+b_c"'
    assert comment_word("a*/b\\ ??/`x` $y 网\"'") == '"a__b_ ____x_ _y ___"'
    for text in [*NAMES.values(), "\n", "\r\n", "synopsys translate_off"]:
        assert re.fullmatch(r'"[A-Za-z0-9 \-_.,+]*"', comment_word(text))


def nested(depth: int) -> list:
    value = []
    for _ in range(depth):
        value = [value]
    return value


def circle() -> dict:
    value = {}
    value["self"] = value
    return value


@pytest.mark.parametrize(
    "value",
    [
        float("nan"),
        float("-inf"),
        {1, 2},
        b"x",
        {1: "a", "b": 2},
        {"a": {10: "a", 9: "b"}},
        {(1, 2): 3},
        nested(200_000),
        circle(),
        10**5000,
    ],
    ids=lambda value: type(value).__name__,
)
def test_what_json_cannot_hold_is_refused(value):
    with pytest.raises(InputError, match=r"^notes must be JSON values.*") as error:
        canonical_json(value, "notes")
    assert len(str(error.value).splitlines()) == 1


def test_canonical_json_is_one_text_in_ascii():
    assert canonical_json({"b": [1.5, None], "a": "é\ud800"}, "notes") == b'{"a":"\\u00e9\\ud800","b":[1.5,null]}'


def test_the_limit_of_a_json_object():
    check_json_object({"a": "x" * (64 * 1024 - len('{"a":""}'))}, "notes")
    with pytest.raises(InputError, match="notes must be at most 65,536 bytes of JSON, not 65,537"):
        check_json_object({"a": "x" * (64 * 1024 - len('{"a":""}') + 1)}, "notes")
    for value in (None, [], "{}", 1):
        with pytest.raises(InputError, match="notes must be a JSON object, not"):
            check_json_object(value, "notes")
