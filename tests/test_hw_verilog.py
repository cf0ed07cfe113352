import json
import re

import pytest
from networks import random_network

from hw.build import write
from hw.compiler import compile_network, size_array
from hw.verilog import PURPOSE, write_memory
from sw.fixed import signed_bits


@pytest.fixture(scope="module")
def build(tmp_path_factory):
    network = random_network(0, [9, 5, 3], multiplier=True)
    return write(compile_network(network, size_array(network, 2, 2)), tmp_path_factory.mktemp("verilog") / "build")


def declared_ports(verilog: str) -> dict[str, tuple[str, int]]:
    """Direction and width of the ports of module accelerator, read from its text."""
    (module,) = re.findall(r"^module accelerator\(.*?^endmodule", verilog, flags=re.MULTILINE | re.DOTALL)
    declarations = re.findall(r"^\s*(input|output) (?:wire |reg )?(?:\[(\d+):0\] )?\\?(\w+) ?;", module, re.MULTILINE)
    return {name: (direction, int(high or 0) + 1) for direction, high, name in declarations}


def test_module_has_the_ports_of_the_port_map(build):
    ports = json.loads((build.folder / "ports.json").read_text())
    assert declared_ports(build.verilog.read_text()) == {
        name: (port["direction"], port["width"]) for name, port in ports.items()
    }
    assert ports == build.ports


def test_port_map_says_what_each_port_is_for(build):
    assert set(build.ports) == {name for name in PURPOSE if not name.startswith(("i_load", "load_status"))}
    for name, port in build.ports.items():
        assert port["purpose"] == PURPOSE[name]


def test_fields_of_a_result(build):
    port = build.ports["o_result__payload"]
    fields = port["fields"]
    assert set(fields) == {"logit", "label", "last"}
    bits = {bit for field in fields.values() for bit in range(field["offset"], field["offset"] + field["width"])}
    assert bits == set(range(port["width"]))
    low, high = build.network.layers[-1].accumulator_range(build.network.source_formats[-1])
    assert fields["logit"]["signed"]
    assert fields["logit"]["width"] >= signed_bits(int(low.min()), int(high.max()))


def test_header_gives_the_file_to_its_user(build):
    header = [line for line in build.verilog.read_text().splitlines()[:8] if line.startswith("//")]
    text = " ".join(line.removeprefix("//").strip() for line in header)
    assert "This file belongs to whoever generated it" in text
    assert "amarray's own licence makes no claim on it" in text
    assert f'"random 0" on 2 lanes x 2 taps, an image every {build.compiled.schedule.round_cycles} cycles' in text


def test_no_paths_of_the_machine(build):
    for file in ("accelerator.v", "ports.json", "build.json"):
        text = (build.folder / file).read_text()
        assert str(build.folder.parent) not in text
        assert not re.search(r'"/|/(home|usr|tmp|root|work)/', text)


@pytest.mark.parametrize("name", ["program", "weights", "parameters"])
def test_hex_files_hold_the_words(build, name):
    lines = (build.folder / f"{name}.hex").read_text().splitlines()
    assert [int(line, 16) for line in lines] == list(getattr(build.compiled, name))
    assert len({len(line) for line in lines}) == 1


def test_words_are_filled_up_to_their_width(tmp_path):
    write_memory([0, 5, 0x1FF], 9, tmp_path / "words.hex")
    assert (tmp_path / "words.hex").read_text() == "000\n005\n1ff\n"


def test_same_network_gives_the_same_verilog(build, tmp_path):
    again = write(build.compiled, tmp_path / "again")
    assert again.verilog.read_text() == build.verilog.read_text()
