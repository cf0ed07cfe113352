"""Classifier: logits out one at a time, with the index of the greatest."""

from amaranth import Module, Mux, Signal, signed
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import ceil_log2

from hw.compare import exceeds
from hw.config import ArrayConfig
from hw.result_queue import ResultQueue
from hw.stream import connect, pipeline


def result_layout(config: ArrayConfig) -> data.StructLayout:
    """One beat of the result stream.

    Members
    -------
    logit: signed. last: the image's last logit. label: with `last`, index of the greatest logit of the
    image, the lowest index on a tie; before that, of the logits so far.
    """
    return data.StructLayout(
        {
            "logit": signed(config.logit_bits),
            "label": ceil_log2(config.result_words),
            "last": 1,
        }
    )


class Classifier(wiring.Component):
    """Serializes words of logits, finds the greatest, and queues them for the receiver.

    Parameters
    ----------
    config: the array.

    Members
    -------
    i: In(pipeline): `totals` [drain_channels], `mask` (which of them are logits, from bit 0 on), `final` (the image's
        last word). A word may come `drain_channels` cycles after the one before it.
    o: Out(stream(result_layout)), honours back pressure.

    The queue holds `result_words` logits and is never asked to hold more: the sequencer starts an image's
    last layer only when there is room for all its logits.
    """

    latency = 2 + ResultQueue.latency  # word register, comparison, queue

    def __init__(self, config: ArrayConfig):
        self.config = config
        word = {
            "totals": data.ArrayLayout(signed(config.logit_bits), config.drain_channels),
            "mask": config.drain_channels,
            "final": 1,
        }
        super().__init__(
            {
                "i": In(pipeline(data.StructLayout(word))),
                "o": Out(stream.Signature(result_layout(config))),
            }
        )

    def elaborate(self, platform):
        """Build the shift register, the running maximum and the queue."""
        m = Module()
        config, channels, result = self.config, self.config.drain_channels, result_layout(self.config)
        logit, word = signed(config.logit_bits), self.i.payload
        # The total in turn, as its complement, and those that wait for theirs.
        not_total = Signal(logit, reset_less=True)
        waiting = [Signal(logit, name=f"waiting_{i}", reset_less=True) for i in range(1, channels)]
        behind = [*waiting, word.totals[-1]]  # behind the last one nothing waits
        following = [Mux(self.i.valid, new, next_) for new, next_ in zip(word.totals, behind, strict=True)]
        m.d.sync += not_total.eq(~following[0])
        m.d.sync += [total.eq(value) for total, value in zip(waiting, following[1:], strict=True)]
        left, final = Signal(channels), Signal(reset_less=True)  # a bit for each logit that is left
        m.d.sync += left.eq(left >> 1)
        with m.If(self.i.valid):
            m.d.sync += [left.eq(word.mask), final.eq(word.final)]

        beat, beat_valid = Signal(result, reset_less=True), Signal()
        index, label = Signal(beat.label.shape()), Signal(beat.label.shape(), reset_less=True)
        not_best = Signal(logit, reset_less=True)
        is_last, is_greater, is_first = Signal(), Signal(), Signal(init=1)
        m.d.comb += is_last.eq(final & ~left[1:2].any())
        # A logit is compared a cycle before its turn, with the best one and with the one that may be the best by then.
        beats_best, beats_previous, previous_is_best = Signal(), Signal(), Signal()
        m.d.sync += [
            beats_best.eq(exceeds(following[0], not_best)),
            beats_previous.eq(exceeds(following[0], not_total)),
            previous_is_best.eq(left[0] & is_greater),
        ]
        m.d.comb += is_greater.eq(is_first | Mux(previous_is_best, beats_previous, beats_best))
        m.d.sync += [
            beat.logit.eq(~not_total),
            beat.label.eq(Mux(is_greater, index, label)),
            beat.last.eq(is_last),
            beat_valid.eq(left[0]),
        ]
        with m.If(left[0]):
            m.d.sync += [index.eq(Mux(is_last, 0, index + 1)), is_first.eq(is_last)]
            with m.If(is_greater):
                m.d.sync += [not_best.eq(not_total), label.eq(index)]

        m.submodules.queue = queue = ResultQueue(result, config.result_words)
        m.d.comb += [queue.i.payload.eq(beat), queue.i.valid.eq(beat_valid)]
        connect(m, queue.o, wiring.flipped(self.o))
        return m
