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
stands between the end of one instruction and the start of the next. Whether an instruction may start is found
a cycle before, from `next` if that stays and from `upcoming` if that takes its place.
"""

from amaranth import Cat, Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from hw.config import ArrayConfig
from hw.program import header_layout, instruction_layout

ADMIT_CYCLES = 2
"""Cycles from `arrives` to the first one in which the body can start with that image."""
ROOM_CYCLES = 3
"""Cycles from a logit that leaves to the first one in which its room can be reserved again."""
RESERVE_CYCLES = 4
"""Least cycles between the starts of two operations that give logits: until then their room is being counted."""


class Sequencer(wiring.Component):
    """Runs the program.

    Parameters
    ----------
    config: the array.

    Members
    -------
    header: In(header_layout).
    next, valid, upcoming, upcoming_valid, advance: In, divert: Out: the fetcher, which takes `start` as well.
    start, enable, odd: Out, to the nest, with `next`; running, rests, moves: In, from it.
    arrives: In(1), one more image may be admitted.
    taken: In(1), a logit has left.
    waits_input, waits_output: Out(1), no step is made because an image, or room for its logits, is missing.
    quiet: Out(1), no image is in flight and all logits have left.
    """

    def __init__(self, config: ArrayConfig):
        self.config = config
        super().__init__(
            {
                "header": In(header_layout(config)),
                "next": In(instruction_layout(config)),
                "valid": In(1),
                "upcoming": In(instruction_layout(config)),
                "upcoming_valid": In(1),
                "advance": In(1),
                "divert": Out(1),
                "start": Out(1),
                "enable": Out(1),
                "odd": Out(1),
                "running": In(1),
                "rests": In(1),
                "moves": In(1),
                "arrives": In(1),
                "taken": In(1),
                "waits_input": Out(1),
                "waits_output": Out(1),
                "quiet": Out(1),
            }
        )

    def elaborate(self, platform):
        """Build the start condition and what it depends on."""
        m = Module()
        rests, delay_is_over, turns, admit = Signal(), Signal(), Signal(), Signal()
        at_boundary, draining = Signal(init=1), Signal()  # `next` begins the body; the drain segment runs
        m.d.comb += [
            rests.eq(self.moves & self.rests),
            delay_is_over.eq(self._delay_is_over(m, rests)),
            turns.eq(self.valid & self.next.ends_segment),
            admit.eq(self.start & at_boundary),
        ]
        loaded, loads, loads_behind = self._loaded(m, admit)
        unfinished, following, following_unfinished = self._images_in_flight(m, turns, draining)
        needs_room, following_needs_room = Signal(), Signal()
        m.d.comb += following_needs_room.eq(self.upcoming.is_result & following)
        with m.If(self.advance):
            m.d.sync += [self.enable.eq(following), needs_room.eq(following_needs_room)]
        has_room, is_empty = self._room(m, needs_room)

        # Whether what is next in the following cycle, `upcoming` or still `next`, may start or leaves for the drain.
        may_start_behind, leaves_behind = _verdict(
            begins=Mux(self.valid, self.next.ends_segment, at_boundary),
            loaded=Mux(self.valid & at_boundary, loads_behind, loads),
            unfinished=following_unfinished,
            has_room=~following_needs_room | (has_room & ~(self.valid & needs_room)),
        )
        may_start, may_leave = _verdict(
            begins=at_boundary, loaded=loads, unfinished=unfinished, has_room=~needs_room | has_room
        )
        ready, leaves = Signal(), Signal()
        m.d.sync += [
            ready.eq(Mux(self.advance, self.upcoming_valid & may_start_behind, may_start & ~self.divert)),
            leaves.eq(Mux(self.advance, self.upcoming_valid & leaves_behind, may_leave & ~self.divert)),
        ]
        m.d.comb += [
            self.start.eq(rests & delay_is_over & ready),
            self.divert.eq(rests & delay_is_over & leaves),
        ]

        # The first cycle in which an instruction could start is not yet one in which it waits.
        late = Signal(init=1)
        with m.If(self.moves):
            m.d.sync += late.eq((late | (rests & delay_is_over & self.valid)) & ~self.start & ~self.divert)
        waits = late & self.moves
        m.d.comb += [
            self.waits_input.eq(waits & at_boundary & ~loaded),
            self.waits_output.eq(waits & (~at_boundary | loaded) & needs_room & ~ready),
            self.quiet.eq(self.valid & at_boundary & ~self.running & ~loaded & ~unfinished & is_empty),
        ]
        with m.If(self.start):
            m.d.sync += at_boundary.eq(turns)
            with m.If(turns):
                m.d.sync += draining.eq(0)
        with m.If(self.divert):
            m.d.sync += [at_boundary.eq(0), draining.eq(1)]
        return m

    def _delay_is_over(self, m: Module, rests: Signal):
        """Count the cycles since the last step down, from `wait` of the next instruction; negative at the end."""
        left, started = Signal.like(self.upcoming.wait, init=-1), Signal()  # nothing is waited for behind a reset
        with m.If(self.start):
            m.d.sync += started.eq(1)
        with m.If(self.start | (self.advance & started)):
            m.d.sync += left.eq(self.upcoming.wait)
        with m.Elif(rests & ~left[-1]):
            m.d.sync += left.eq(left - 1)
        return left[-1]

    def _loaded(self, m: Module, admit: Signal) -> tuple:
        """Count the images that may be admitted, two at most.

        Returns whether there is one, and whether there is one in the next cycle, if none is admitted and if one is.
        """
        one, two, arrives = Signal(), Signal(), Signal()
        m.d.sync += arrives.eq(self.arrives)
        m.d.sync += one.eq(Mux(admit, two | arrives, one | arrives))
        m.d.sync += two.eq(Mux(admit, two & arrives, two | (one & arrives)))
        return one, one | arrives, two | arrives

    def _images_in_flight(self, m: Module, turns: Signal, draining: Signal) -> tuple:
        """Keep a bit for each age: whether that image exists; where `next` begins the body, age 0 is to be admitted.

        Returns whether one is unfinished, for an image is finished after as many rounds as the program has stages;
        of `upcoming` if it takes the place of `next`, whether its image exists, and whether one is unfinished then.
        """
        stages, age = self.config.stages, self.next.age
        exists, turned, newest = Signal(stages, init=1), Signal(stages), Signal()
        m.d.comb += turned.eq(Cat(1, Mux(draining, 0, exists)))
        with m.If(self.start & turns):
            m.d.sync += exists.eq(turned)
        with m.If(self.divert):
            m.d.sync += exists.eq(exists >> 1)
        with m.If((self.start & turns) | self.divert):
            m.d.sync += newest.eq(~newest)
        m.d.comb += self.odd.eq(newest ^ (age[0] if len(age) else 0))
        unfinished, turned_unfinished = (
            Cat(images[rounds] & (self.header.stages > rounds) for rounds in range(1, stages)).any()
            for images in (exists, turned)
        )
        stays, turns_to = (images.bit_select(self.upcoming.age, 1) for images in (exists, turned))
        return unfinished, Mux(turns, turns_to, stays), Mux(turns, turned_unfinished, unfinished)

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


def _verdict(begins, loaded, unfinished, has_room) -> tuple:
    """Whether an instruction may start, and whether it leaves for the drain.

    begins: it begins the body; then an image must be loaded, or else one be unfinished for the drain.
    """
    return (~begins | loaded) & has_room, begins & ~loaded & unfinished
