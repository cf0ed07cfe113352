"""amarray/streams.py: what cannot be printed costs no work, and no traceback."""

import io
import os
import subprocess
import sys

import pytest

from amarray.cli import main
from amarray.streams import Stream, guarded_streams

COMMANDS = [["evaluate", "mlp", "--json"], ["evaluate", "mlp"], ["--help"], ["--version"]]
RUN = "import sys; from amarray.cli import main; sys.exit(main())"


@pytest.fixture(autouse=True)
def _quick(monkeypatch):
    """`amarray evaluate` prints something on both streams, and no more."""

    def work(options):
        print("progress", file=sys.stderr, flush=True)
        return {"name": "x"}

    monkeypatch.setattr("amarray.cli.commands.evaluate", work)
    monkeypatch.setattr("amarray.cli.report.show_evaluation", print)


@pytest.mark.parametrize("arguments", COMMANDS)
def test_a_full_standard_output_is_one_line(capsys, monkeypatch, arguments):
    with open("/dev/full", "w") as full:
        monkeypatch.setattr("sys.stdout", full)
        assert main(arguments) == 2
    errors = capsys.readouterr().err.removeprefix("progress\n")
    assert errors == "amarray: cannot write standard output: No space left on device\n"


@pytest.mark.parametrize("arguments", COMMANDS)
def test_a_reader_that_has_seen_enough_is_no_error(capsys, monkeypatch, arguments):
    reader, writer = os.pipe()
    os.close(reader)
    with open(writer, "w") as pipe:
        monkeypatch.setattr("sys.stdout", pipe)
        assert main(arguments) == 0
    assert capsys.readouterr().err in ("progress\n", "")


def test_the_interpreter_does_not_complain_at_its_end():
    with open("/dev/full", "w") as full:
        command = [sys.executable, "-c", RUN, "--help"]
        done = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True, check=False)
    assert (done.returncode, done.stderr) == (2, "amarray: cannot write standard output: No space left on device\n")


def test_a_standard_error_that_fails_costs_nothing(capsys, monkeypatch):
    with open("/dev/full", "w") as full:
        monkeypatch.setattr("sys.stderr", full)
        assert main(["evaluate", "mlp", "--json"]) == 0
        assert main(["fly"]) == 2
    assert capsys.readouterr().out == '{"name": "x"}\n'


@pytest.mark.parametrize("closed", ["sys.stdout", "sys.stderr"])
def test_closed_streams_go_nowhere(capsys, monkeypatch, closed):
    monkeypatch.setattr(closed, None)
    assert main(["evaluate", "mlp", "--json"]) == 0
    assert main(["fly"]) == 2
    captured = capsys.readouterr()
    assert captured.out == ("" if closed == "sys.stdout" else '{"name": "x"}\n')


def test_a_stream_keeps_its_first_error():
    class Broken(io.StringIO):
        def write(self, text):
            raise OSError(28, text)

        def flush(self):
            raise OSError(5, "flush")

    stream = Stream(Broken())
    assert stream.write("first") == 5
    assert stream.write("second") == 6
    stream.flush()
    assert stream.error.strerror == "first"
    assert stream.isatty() is False


def test_streams_are_given_back():
    before = sys.stdout, sys.stderr
    with guarded_streams() as output:
        assert sys.stdout is output
        assert sys.stderr is not before[1]
    assert (sys.stdout, sys.stderr) == before
