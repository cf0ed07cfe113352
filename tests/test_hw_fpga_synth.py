import json

import pytest
from networks import random_network

from hw import yosys
from hw.build import write
from hw.compiler import compile_network, size_array
from hw.fpga.synth import FAMILIES, RESOURCES, synthesize
from sw.errors import InputError

TINY = random_network(0, [5, 3, 2], weight_bits=3, activation_bits=4)


@pytest.fixture(scope="module")
def verilog(tmp_path_factory):
    compiled = compile_network(TINY, size_array(TINY, 2, 2))
    return write(compiled, tmp_path_factory.mktemp("synth") / "build").verilog


@pytest.mark.parametrize("family", FAMILIES)
def test_tiny_build_synthesizes(verilog, family, tmp_path):
    result = synthesize(verilog, family, tmp_path / "synth.json")
    assert json.loads((tmp_path / "synth.json").read_text()) == result
    assert result["family"] == family
    assert result["yosys"] == yosys.version()
    assert set(result["resources"]) == set(RESOURCES)
    assert result["resources"]["luts"] > 100
    assert result["resources"]["ffs"] > 100


def test_unknown_family_is_refused(tmp_path):
    with pytest.raises(InputError, match=r"^device must be one of ecp5, ice40, gowin, xilinx, not 'asic'$"):
        synthesize(tmp_path / "accelerator.v", "asic")


def test_failure_carries_the_message_of_yosys(tmp_path):
    path = tmp_path / "accelerator.v"
    path.write_text("module accelerator(; endmodule\n")
    with pytest.raises(yosys.ToolError, match=r"yosys failed: .*ERROR.*syntax error"):
        synthesize(path, "ice40")
