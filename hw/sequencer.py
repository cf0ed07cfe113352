"""Sequencer: starts instructions at their exact cycle, several images in flight.

The program has two segments. The *body* runs once for every image that is *admitted*: an instruction
of age a works for the image admitted a rounds before, as in modulo scheduling with one predicate per
stage (Rau, "Iterative Modulo Scheduling", 1994). When a round has ended and no further image is
loaded, the *drain* segment finishes the images in flight. An instruction whose image does not exist
is started all the same and passes its time, so that no schedule depends on the data.

Verbs. `start`: the next instruction goes to the nest. `admit`: the start of the body takes a
loaded image in. `divert`: at the end of a round, fetch the drain instead of the body. `wait`: ready
to start, but an image or room for its logits is missing.

What a start depends on is kept in flags and in counters whose sign is the answer, so that no comparison
stands between the end of one instruction and the start of the next.
"""

from amaranth import Cat, Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import ceil_log2

from hw.config import ArrayConfig
from hw.program import header_layout, instruction_layout

ADMIT_CYCLES = 2
"""Cycles from `arrives` to the first one in which the body can start with that image."""
ROOM_CYCLES = 2
"""Cycles from a logit that leaves to the first one in which its room can be reserved again."""
RESERVE_CYCLES = 3
"""Least cycles between the starts of two operations that give logits: until then their room is being counted."""


class Sequencer(wiring.Component):
    """Runs the program.

    Parameters
    ----------
    config: the array.

    Members
    -------
    header: In(header_layout).
    next, valid, advance, upcoming_wait: In, divert: Out: the fetcher, which takes `start` as well.
    start, enable, odd: Out, to the nest, with `next`; running, done, moves: In, from it.
    arrives: In(1), one more image may be admitted.
    taken: In(1), a logit has left.
    waits_input, waits_output: Out(1), no step is made because an image, or room for its logits, is missing.
    quiet: Out(1), no image is in flight and all logits have left.
    current: Out, index of the instruction that was started last.
    """

    def __init__(self, config: ArrayConfig):
        self.config = config
        super().__init__(
            {
                "header": In(header_layout(config)),
                "next": In(instruction_layout(config)),
                "valid": In(1),
                "advance": In(1),
                "upcoming_wait": In(instruction_layout(config)["wait"].shape),
                "divert": Out(1),
                "start": Out(1),
                "enable": Out(1),
                "odd": Out(1),
                "running": In(1),
                "done": In(1),
                "moves": In(1),
                "arrives": In(1),
                "taken": In(1),
                "waits_input": Out(1),
                "waits_output": Out(1),
                "quiet": Out(1),
                "current": Out(ceil_log2(config.program_words)),
            }
        )

    def elaborate(self, platform):
        """Build the start condition and what it depends on."""
        m = Module()
        instruction, at_boundary = self.next, Signal(init=1)  # `next` begins the body
        rests, free, admit, draining = Signal(), Signal(), Signal(), Signal()
        m.d.comb += rests.eq(self.moves & (self.done | ~self.running))
        m.d.comb += free.eq(rests & self.valid & self._delay_is_over(m, rests))
        loaded = self._loaded(m, admit)
        unfinished = self._images_in_flight(m, admit, at_boundary, draining)
        needs_room = instruction.is_result & self.enable
        has_room, is_empty = self._room(m, needs_room)
        m.d.comb += [
            self.start.eq(free & (~at_boundary | loaded) & (~needs_room | has_room)),
            admit.eq(self.start & at_boundary),
            self.divert.eq(free & at_boundary & ~loaded & unfinished),
        ]
        # The first cycle in which an instruction could start is not yet one in which it waits.
        late = Signal(init=1)
        with m.If(self.moves):
            m.d.sync += late.eq((late | free) & ~self.start & ~self.divert)
        waits = late & self.moves
        m.d.comb += [
            self.waits_input.eq(waits & at_boundary & ~loaded),
            self.waits_output.eq(waits & (~at_boundary | loaded) & needs_room & ~has_room),
            self.quiet.eq(self.valid & at_boundary & ~self.running & ~loaded & ~unfinished & is_empty),
        ]
        place = Signal.like(self.current)
        with m.If(self.start):
            m.d.sync += [
                self.current.eq(place),
                place.eq(Mux(instruction.ends_segment, 0, place + 1)),
                at_boundary.eq(instruction.ends_segment),
            ]
            with m.If(instruction.ends_segment):
                m.d.sync += draining.eq(0)
        with m.If(self.divert):
            m.d.sync += [place.eq(self.header.drain_start), at_boundary.eq(0), draining.eq(1)]
        return m

    def _delay_is_over(self, m: Module, rests: Signal):
        """Count the cycles since the last step down, from `wait` of the next instruction; negative at the end."""
        left, started = Signal.like(self.upcoming_wait, init=-1), Signal()  # nothing is waited for behind a reset
        with m.If(self.start):
            m.d.sync += started.eq(1)
        with m.If(self.start | (self.advance & started)):
            m.d.sync += left.eq(self.upcoming_wait)
        with m.Elif(rests & ~left[-1]):
            m.d.sync += left.eq(left - 1)
        return left[-1]

    def _loaded(self, m: Module, admit: Signal) -> Signal:
        """Count the images that may be admitted, two at most; returns whether there is one."""
        one, two, arrives = Signal(), Signal(), Signal()
        m.d.sync += arrives.eq(self.arrives)
        m.d.sync += one.eq(Mux(admit, two | arrives, one | arrives))
        m.d.sync += two.eq(Mux(admit, two & arrives, two | (one & arrives)))
        return one

    def _images_in_flight(self, m: Module, admit: Signal, at_boundary: Signal, draining: Signal):
        """Keep a bit for each age: whether the image admitted so many rounds ago exists.

        Returns whether one is unfinished: an image is finished after as many rounds as the program has stages.
        """
        stages, age = self.config.stages, self.next.age
        in_flight, parity = Signal(stages), Signal(init=1)
        visible, newest = Signal(stages), Signal()
        m.d.comb += visible.eq(Mux(at_boundary, Cat(1, in_flight)[:stages], in_flight))
        m.d.comb += newest.eq(Mux(at_boundary, ~parity, parity))
        m.d.comb += self.enable.eq(visible.bit_select(age, 1))
        m.d.comb += self.odd.eq(newest ^ (age[0] if len(age) else 0))
        with m.If(admit):
            m.d.sync += [in_flight.eq(visible), parity.eq(newest)]
        with m.If(self.start & self.next.ends_segment & draining):
            m.d.sync += in_flight.eq(0)
        return Cat(in_flight[each] & (self.header.stages > each + 1) for each in range(stages)).any()

    def _room(self, m: Module, needs_room) -> tuple:
        """Reserve room for logits a whole image at a time.

        Returns whether there is room for another image, and whether none is reserved.
        """
        most, reserve, reserved = self.config.result_words, Signal(2), Signal(range(self.config.result_words + 1))
        fits = Signal(init=1)
        m.d.sync += reserve.eq(Cat(self.start & needs_room, reserve))
        m.d.sync += reserved.eq(reserved + Mux(reserve[0], self.header.classes, 0) - self.taken)
        m.d.sync += fits.eq(reserved + self.header.classes <= most)
        return fits & (reserve == 0), (reserved == 0) & (reserve == 0)
