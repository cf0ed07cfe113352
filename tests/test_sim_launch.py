import pytest
from sim_designs import FIELDS, NETWORK, TAPS, VERILOG, images

from sim import build
from sim.bench import SimulationError
from sim.job import Job
from sim.launch import launch

pytestmark = pytest.mark.icarus


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (
            "assign i_pixels__ready = 1; assign o_result__valid = 0;",
            "^cycle 100: 0 of 2 images are answered .2 taken.; the answer to image 0 was due by cycle 100",
        ),
        (
            "assign i_pixels__ready = 0; assign o_result__valid = 0;",
            "^cycle 100: 0 of 2 images are answered .0 taken.",
        ),
        (
            "assign i_pixels__ready = 1; assign o_result__valid = cycles == 9 || cycles == 12;",
            r"^cycle (10|13): o_result\.valid fell before ready",
        ),
        (
            "assign i_pixels__ready = 1; assign o_result__valid = cycles > 3;",
            r"^cycle \d: beat 3 of the result of image 0 has last=0; beat 3, and only it, must have last=1",
        ),
        ("assign i_pixels__ready = 1;", "^cycle 0: an output is neither 0 nor 1: "),
        (
            "assign i_pixels__ready = 1; assign o_result__valid = 0; always @(posedge clk) if (cycles == 7) $finish;",
            "the simulation ended prematurely",
        ),
    ],
)
def test_failure_gives_its_reason_in_one_line(tmp_path, body, message):
    source = tmp_path / "accelerator.v"
    source.write_text(VERILOG.format(body=body))
    folder = build.compiled(source, "icarus")
    job = Job.of(NETWORK, images(2), TAPS, FIELDS, ["cycles"], lambda count: 100 * count, back_pressure="alternate")
    with pytest.raises(SimulationError, match=message) as error:
        launch("icarus", folder, job)
    assert "\n" not in str(error.value)
