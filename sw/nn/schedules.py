"""Schedules: the learning rate at each step of a training, as a fraction of its peak."""

import math


def constant(step: int, steps: int) -> float:
    """1 at every step."""
    return 1.0


def step_decay(step: int, steps: int, stages: int = 3, factor: float = 0.1) -> float:
    """1, factor, factor², ... over `stages` equal parts of the training: a staircase downwards.

    Large steps go far, then small ones settle. Krizhevsky et al., "ImageNet classification", 2012, section 5.
    """
    return factor ** (step * stages // steps)


def cosine(step: int, steps: int) -> float:
    """Half a cosine from 1 at step 0 to 0 at step `steps`. Loshchilov and Hutter, "SGDR", 2017, equation 5."""
    return (1 + math.cos(math.pi * step / steps)) / 2


def one_cycle(step: int, steps: int, warm_up: float = 0.2) -> float:
    """A straight line from 0 to 1 over the first `warm_up` part of the steps, then half a cosine to 0.

    The slow start lets a high peak be used without diverging; the long descent settles the weights.
    After Smith, "A disciplined approach to neural network hyper-parameters", 2018.
    """
    rise = warm_up * steps
    if step < rise:
        return (step + 1) / (rise + 1)
    return cosine(step - rise, steps - rise)
