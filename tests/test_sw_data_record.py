"""sw/data_record.py: what is written is read again, and every JSON value that is no record is refused in one line."""

import json

import pytest

from sw.data_record import DataRecord
from sw.errors import InputError

RECORD = DataRecord("signs", "0123456789abcdef" * 4, (4, 5, 1), 3, "../my signs")


@pytest.mark.parametrize(
    "record",
    [RECORD, DataRecord("数字", None, (1, 1, 1), 256, None), DataRecord("a" * 100, None, (9, 9, 3), 1, "b" * 4096)],
)
def test_round_trip(record):
    assert DataRecord.from_json(json.loads(json.dumps(record.to_json()))) == record


def test_images_are_said_in_words():
    assert RECORD.images == "4 x 5 x 1 in 3 classes"


@pytest.mark.parametrize(
    ("field", "values", "says"),
    [
        (
            "name",
            ["", "a" * 101, "a\nb", "\x1b[2J", "a\u202eb", 3, None, ["a"]],
            "name of a data set must be 1..100 printable characters",
        ),
        (
            "path",
            ["", "a" * 4097, "a\nb", "\ud800", 3, ["a"]],
            "path of a data set must be 1..4096 printable characters",
        ),
        ("sha256", ["", "0" * 63, "0" * 65, "g" * 64, "A" * 64, "0" * 64 + "\n", 0], "must be 64 hexadecimal digits"),
        (
            "shape",
            [None, 3, [], [4, 5], [4, 5, 1, 1], [4, 0, 1], [4, -5, 1], [4, 5.0, 1], [True, 5, 1], "451", {}],
            "shape",
        ),
        ("classes", [0, -1, 257, 3.0, True, "3", None, 10**30], "classes must be 1..256"),
    ],
)
def test_a_wrong_field_is_refused_in_one_line(field, values, says):
    for value in values:
        with pytest.raises(InputError, match=says) as caught:
            DataRecord.from_json(RECORD.to_json() | {field: value})
        assert str(caught.value).isprintable()
        assert len(str(caught.value)) < 300


@pytest.mark.parametrize("value", [None, 3, "signs", [], [["name", "signs"]], {}, {"name": "signs"}])
def test_what_is_no_description_is_refused(value):
    with pytest.raises(InputError, match="must be described by name, sha256, shape, classes, path, and nothing else"):
        DataRecord.from_json(value)


def test_a_further_field_is_refused():
    with pytest.raises(InputError, match="and nothing else"):
        DataRecord.from_json(RECORD.to_json() | {"url": "https://example.org"})
