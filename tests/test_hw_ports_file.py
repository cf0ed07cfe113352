"""hw/ports_file.py: ports as they are compiled, and any others; a reason for everything else."""

import json

import pytest

from hw.ports_file import read_ports
from sw.errors import InputError

PORTS = {
    "clk": {"direction": "input", "width": 1, "purpose": "clock"},
    "status": {"direction": "output", "width": 2, "fields": {"busy": {"offset": 0, "width": 1, "signed": False}}},
}


def with_port(name, **changes):
    return lambda ports: ports | {name: ports.get(name, {"direction": "input", "width": 1}) | changes}


def read(tmp_path, data: bytes) -> dict:
    (tmp_path / "ports.json").write_bytes(data)
    return read_ports(tmp_path / "ports.json", PORTS)


@pytest.mark.parametrize("change", [dict, with_port("debug", width=1 << 16), with_port("clk", purpose="other")])
def test_reads(tmp_path, change):
    assert read(tmp_path, json.dumps(change(PORTS)).encode()) == change(PORTS)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda ports: [], "it is not a map of ports, or truncated or damaged"),
        (lambda ports: {}, "it must have the port clk as the network and the array need it"),
        (lambda ports: ports | {"clk": 3}, "port 'clk' must be a Verilog name with a direction and a width in bits"),
        (with_port("a) $system(b"), r"port 'a\) \$system\(b' must be a Verilog name"),
        (with_port("x" * 101), "port .x*. must be a Verilog name"),
        (with_port("debug", direction="inout"), "port 'debug' must be a Verilog name with"),
        (with_port("debug", direction=[]), "port 'debug' must be a Verilog name with"),
        (with_port("debug", width=0), "port 'debug' must be"),
        (with_port("debug", width=(1 << 16) + 1), "port 'debug' must be"),
        (with_port("debug", width=True), "port 'debug' must be"),
        (with_port("debug", width="1"), "port 'debug' must be"),
        (with_port("clk", width=2), "it must have the port clk as"),
        (with_port("clk", fields={}), "it must have the port clk as"),
        (
            with_port("status", fields={"busy": {"offset": 1, "width": 1, "signed": False}}),
            "it must have the port status as",
        ),
        (with_port("status", fields=None), "it must have the port status as"),
    ],
)
def test_refuses(tmp_path, change, message):
    with pytest.raises(InputError, match=rf"^cannot read .*ports\.json: {message}"):
        read(tmp_path, json.dumps(change(PORTS)).encode())


@pytest.mark.parametrize("data", [b"", b"{", b"\xf8", b"[" * 10**5, b" " * (2**20 + 1)])
def test_refuses_what_is_no_json(tmp_path, data):
    with pytest.raises(InputError, match=r"^cannot read .*ports\.json: "):
        read(tmp_path, data)
