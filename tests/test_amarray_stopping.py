"""amarray/stopping.py: whatever is ignored, SIGTERM stops a command, and what it started."""

import os
import signal
import subprocess
import sys

import pytest

from amarray.cli import main
from amarray.stopping import deferred_stop, handling, stop

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
TREE = """
import subprocess, sys
from amarray.stopping import handling, stop
with handling(stop):
    try:
        subprocess.run(["sh", "-c", "(sleep 10; echo survived) & echo started; wait"])
    except KeyboardInterrupt:
        sys.exit(130)
"""


IMPORTS = """
import os, sys
class Stopping:
    def find_spec(self, name, path=None, target=None):
        if name == sys.argv[2]:
            os.kill(os.getpid(), int(sys.argv[1]))
sys.meta_path.insert(0, Stopping())
from amarray.__main__ import main
sys.exit(main())
"""


@pytest.fixture(params=["as usual", "ignored"])
def interrupt(request):
    """Signals as in a shell, or ignored as in a background job of a script and worse; given back at the end."""
    handler = signal.default_int_handler if request.param == "as usual" else signal.SIG_IGN
    before = {number: signal.signal(number, handler) for number in SIGNALS}
    yield request.param
    for number, old in before.items():
        signal.signal(number, old)


@pytest.mark.parametrize("number", SIGNALS)
def test_a_stop_is_one_line_and_its_own_code(interrupt, capsys, monkeypatch, number):
    def work(options):
        signal.raise_signal(number)
        return {"ended": True}

    monkeypatch.setattr("amarray.cli.commands.evaluate", work)
    monkeypatch.setattr("amarray.cli.report.show_evaluation", print)
    before = [signal.getsignal(each) for each in SIGNALS]
    code = main(["evaluate", "mlp"])
    assert [signal.getsignal(each) for each in SIGNALS] == before
    captured = capsys.readouterr()
    if interrupt == "ignored" and number != signal.SIGTERM:
        assert (code, captured.out) == (0, "{'ended': True}\n")
    else:
        assert (code, captured.out) == (130, "")
        assert captured.err == "amarray: stopped; nothing was left half-written\n"


@pytest.mark.parametrize("module", ["amarray.cli", "numpy"])
@pytest.mark.parametrize("number", SIGNALS)
def test_a_stop_while_the_program_starts_is_the_same_line(number, module):
    command = [sys.executable, "-c", IMPORTS, str(int(number)), module]
    taken = (signal.signal(each, signal.default_int_handler) for each in SIGNALS)
    before = dict(zip(SIGNALS, taken, strict=True))  # a process inherits what is ignored
    try:
        done = subprocess.run(command, capture_output=True, text=True)
    finally:
        for each, old in before.items():
            signal.signal(each, old)
    assert (done.returncode, done.stdout) == (130, "")
    assert done.stderr == "amarray: stopped; nothing was left half-written\n"


def test_the_first_stop_waits_and_the_second_does_not(interrupt):
    with handling(stop), deferred_stop() as stopped:
        assert not stopped()
        signal.raise_signal(signal.SIGTERM)
        assert stopped()
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGTERM)


def test_all_processes_below_end_too():
    with subprocess.Popen([sys.executable, "-c", TREE], stdout=subprocess.PIPE) as process:
        assert process.stdout.readline() == b"started\n"
        os.kill(process.pid, signal.SIGTERM)
        assert process.stdout.read() == b""  # its end comes when the last process has gone that could write
        assert process.wait() == 130
