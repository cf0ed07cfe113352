"""Sequencer: fetches instructions and starts them at their exact cycle, several images in flight.

The program has two segments. The *body* runs once for every image that is *admitted*: an instruction
of age a works for the image admitted a rounds before, as in modulo scheduling with one predicate per
stage (Rau, "Iterative Modulo Scheduling", 1994). When a round has ended and no further image is
loaded, the *drain* segment finishes the images in flight. An instruction whose image does not exist
is started all the same and passes its time, so that no schedule depends on the data.

Verbs. `start`: the fetched instruction goes to the nest. `admit`: the start of the body takes a
loaded image in. `divert`: at the end of a round, fetch the drain instead of the body. `wait`: ready
to start, but an image or room for its logits is missing.
"""

from amaranth import Cat, Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import ceil_log2

from hw.config import ArrayConfig
from hw.program import header_layout, instruction_layout

FETCH_CYCLES = 2
"""Least distance in cycles between two starts: program counter, then the memory's read."""


class Sequencer(wiring.Component):
    """Runs the program.

    Parameters
    ----------
    config: the array.

    Members
    -------
    header: In(header_layout).
    address: Out, instruction: In: the program memory, read in one cycle.
    start, enable, odd: Out, to the nest; running, done: In, from it.
    full: In(2), release: Out(2): the input buffers; a buffer is full as soon as its image may be admitted.
    taken: In(1), a logit has left.
    waits_input, waits_output: Out(1), no step is made because an image, or room for its logits, is missing.
    quiet: Out(1), no image is in flight and all logits have left.
    current: Out, index of the instruction that was started last.
    """

    def __init__(self, config: ArrayConfig):
        self.config = config
        index = ceil_log2(config.program_words)
        super().__init__(
            {
                "header": In(header_layout(config)),
                "address": Out(index),
                "instruction": In(instruction_layout(config)),
                "start": Out(1),
                "enable": Out(1),
                "odd": Out(1),
                "running": In(1),
                "done": In(1),
                "full": In(2),
                "release": Out(2),
                "taken": In(1),
                "waits_input": Out(1),
                "waits_output": Out(1),
                "quiet": Out(1),
                "current": Out(index),
            }
        )

    def elaborate(self, platform):
        """Build fetch, the images in flight, the start condition and the credit for logits."""
        m = Module()
        instruction = self.instruction
        fetched = Signal(init=1)  # at reset too: no image is loaded before the first read has ended
        at_boundary = Signal(init=1)  # the fetched instruction begins the body
        loaded = Signal()  # the next image is in its buffer
        admit, divert, free = Signal(), Signal(), Signal()

        # Idle cycles since the last step, 0 in the cycle of that step.
        longest = (1 << self.config.delay_bits) - 1
        counted = Signal(self.config.delay_bits, init=longest)
        idle = Signal.like(counted)
        m.d.comb += idle.eq(Mux(self.done, 0, counted))
        m.d.sync += counted.eq(Mux(idle == longest, longest, idle + 1))
        m.d.comb += free.eq((self.done | ~self.running) & fetched & (idle >= instruction.delay))

        # Images in flight: bit a tells whether the image admitted a rounds ago exists.
        stages = self.config.stages
        in_flight, parity = Signal(stages), Signal(init=1)
        visible, newest = Signal(stages), Signal()
        m.d.comb += visible.eq(Mux(at_boundary, Cat(1, in_flight)[:stages], in_flight))
        m.d.comb += newest.eq(Mux(at_boundary, ~parity, parity))
        m.d.comb += loaded.eq(self.full.bit_select(~parity, 1))
        m.d.comb += self.enable.eq(visible.bit_select(instruction.age, 1))
        m.d.comb += self.odd.eq(newest ^ (instruction.age[0] if len(instruction.age) else 0))

        # Room for logits is reserved for a whole image at a time.
        reserved = Signal(range(self.config.result_words + 1))
        needs_room = instruction.is_result & self.enable
        has_room = Signal()
        m.d.comb += has_room.eq(~needs_room | (reserved + self.header.classes <= self.config.result_words))
        reserve = Mux(self.start & needs_room, self.header.classes, 0)
        m.d.sync += reserved.eq(reserved + reserve - self.taken)

        # An image is finished when it has been through as many rounds as the program has stages.
        unfinished = Cat(in_flight[age] & (self.header.stages > age + 1) for age in range(stages)).any()
        m.d.comb += [
            self.start.eq(free & (~at_boundary | loaded) & has_room),
            admit.eq(self.start & at_boundary),
            divert.eq(free & at_boundary & ~loaded & unfinished),
            self.waits_output.eq(free & (idle > instruction.delay) & (~at_boundary | loaded) & ~has_room),
            self.waits_input.eq(free & (idle > instruction.delay) & at_boundary & ~loaded & ~divert),
        ]
        m.d.comb += self.quiet.eq(fetched & at_boundary & ~self.running & ~loaded & ~unfinished & (reserved == 0))
        m.d.sync += fetched.eq(~(self.start | divert))
        with m.If(divert):
            m.d.sync += [self.address.eq(self.header.drain_start), at_boundary.eq(0)]
        with m.If(admit):
            m.d.sync += [in_flight.eq(visible), parity.eq(newest)]
        with m.If(self.start):
            draining = self.address >= self.header.drain_start
            m.d.sync += self.current.eq(self.address)
            m.d.sync += at_boundary.eq(instruction.ends_segment)
            m.d.sync += self.address.eq(Mux(instruction.ends_segment, 0, self.address + 1))
            with m.If(instruction.ends_segment & draining):
                m.d.sync += in_flight.eq(0)

        # A buffer is free when the layer that reads it has made its last step.
        releases = Signal(2)
        with m.If(self.start):
            m.d.sync += releases.eq(Mux(instruction.releases_input & self.enable, Mux(self.odd, 0b10, 0b01), 0))
        m.d.comb += self.release.eq(Mux(self.done, releases, 0))
        return m
