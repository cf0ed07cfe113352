"""Optimizers: how parameters follow their gradients."""

from collections.abc import Iterable

import numpy as np

from sw.errors import InputError
from sw.nn.tensor import Tensor


class Optimizer:
    """Holds the parameters; `step` changes them and forgets their gradients.

    No array is ever changed in place: each step puts new ones in the place of the old, which therefore stay what they
    were wherever else they are kept.

    Parameters
    ----------
    parameters: leaves of the graph, each with a gradient when `step` is called.

    Attributes
    ----------
    steps: how many were made.
    """

    def __init__(self, parameters: Iterable[Tensor]):
        self.parameters = list(parameters)
        self.steps = 0

    def step(self, learning_rate: float) -> None:
        """Change every parameter by its update.

        Raises InputError, before anything is changed, where a parameter has no gradient.
        """
        for index, parameter in enumerate(self.parameters):
            if parameter.grad is None:
                raise InputError(
                    f"parameter {index} of shape {parameter.shape} has no gradient; each must have one at a step, "
                    "so leave out what the loss does not depend on"
                )
        self.steps += 1
        for index, parameter in enumerate(self.parameters):
            parameter.data = parameter.data - learning_rate * self.update(index, parameter.grad)
            parameter.grad = None

    def update(self, index: int, gradient: np.ndarray) -> np.ndarray:
        """The direction, for parameter number `index`, to go against; it has the shape and dtype of the gradient."""
        raise NotImplementedError

    def memory(self) -> dict[str, list[np.ndarray]]:
        """What is remembered from step to step, by name: one array for each parameter, of its shape and dtype."""
        return {}

    def state(self) -> dict[str, np.ndarray]:
        """All that an optimizer of the same kind and parameters needs to go on from here, bit for bit.

        `steps`, and the arrays of the memory as `name.index`.
        """
        return {"steps": np.array(self.steps)} | {
            f"{name}.{index}": array for name, arrays in self.memory().items() for index, array in enumerate(arrays)
        }

    def load_state(self, state: dict[str, np.ndarray]) -> None:
        """Go on from a `state`. Raises InputError, before anything is changed, where it is that of something else."""
        own = self.state()
        if state.keys() != own.keys():
            raise InputError(f"the state of an optimizer must hold {', '.join(own)}; not {', '.join(state)}")
        for key, array in own.items():
            if (state[key].shape, state[key].dtype) != (array.shape, array.dtype):
                raise InputError(
                    f"{key} in the state of an optimizer must be {array.dtype} {array.shape}, "
                    f"not {state[key].dtype} {state[key].shape}"
                )
        self.steps = int(state["steps"])
        for name, arrays in self.memory().items():
            arrays[:] = [state[f"{name}.{index}"] for index in range(len(arrays))]


class SGD(Optimizer):
    """Gradient descent with momentum: v = momentum · v + g, direction v; a momentum of 0 is plain gradient descent.

    Robbins and Monro, 1951; Polyak, 1964; in this form Sutskever et al., "On the importance of initialization
    and momentum in deep learning", 2013, equations 1 and 2, with the rate taken out of v.
    Raises InputError unless 0 ≤ momentum < 1, as do all optimizers for their factors.
    """

    def __init__(self, parameters: Iterable[Tensor], momentum: float = 0.9):
        super().__init__(parameters)
        self.momentum = _checked_factor("momentum", momentum)
        self.velocities = [np.zeros_like(p.data) for p in self.parameters]

    def update(self, index: int, gradient: np.ndarray) -> np.ndarray:
        """See the class."""
        self.velocities[index] = self.momentum * self.velocities[index] + gradient
        return self.velocities[index]

    def memory(self) -> dict[str, list[np.ndarray]]:
        """The velocities."""
        return {"velocities": self.velocities}


class Nesterov(SGD):
    """Gradient descent with momentum that looks ahead: v = momentum · v + g, direction g + momentum · v.

    The gradient is meant at the place to which the momentum will carry the parameter, so that a step too far is
    seen before it is taken. The parameters held here are that place. Nesterov, 1983; Sutskever et al., 2013,
    equations 3 and 4, rewritten for it.
    """

    def update(self, index: int, gradient: np.ndarray) -> np.ndarray:
        """See the class."""
        return gradient + self.momentum * super().update(index, gradient)


class AdaGrad(Optimizer):
    """g over the root of the sum of all g² so far: what moved much slows down, each parameter for itself.

    Duchi et al., "Adaptive subgradient methods", 2011, section 1.1, the diagonal form.
    """

    def __init__(self, parameters: Iterable[Tensor], epsilon: float = 1e-8):
        super().__init__(parameters)
        self.epsilon = epsilon
        self.squares = [np.zeros_like(p.data) for p in self.parameters]

    def update(self, index: int, gradient: np.ndarray) -> np.ndarray:
        """See the class."""
        self.squares[index] = self.squares[index] + gradient**2
        return gradient / (np.sqrt(self.squares[index]) + self.epsilon)

    def memory(self) -> dict[str, list[np.ndarray]]:
        """The sums of squares."""
        return {"squares": self.squares}


class RMSProp(Optimizer):
    """g over the root of the running mean of g²: as AdaGrad, but it forgets, and so never comes to a halt.

    Tieleman and Hinton, "Neural Networks for Machine Learning", lecture 6.5, 2012.
    """

    def __init__(self, parameters: Iterable[Tensor], decay: float = 0.9, epsilon: float = 1e-8):
        super().__init__(parameters)
        self.decay, self.epsilon = _checked_factor("decay", decay), epsilon
        self.squares = [np.zeros_like(p.data) for p in self.parameters]

    def update(self, index: int, gradient: np.ndarray) -> np.ndarray:
        """See the class."""
        self.squares[index] = self.decay * self.squares[index] + (1 - self.decay) * gradient**2
        return gradient / (np.sqrt(self.squares[index]) + self.epsilon)

    def memory(self) -> dict[str, list[np.ndarray]]:
        """The running means of the squares."""
        return {"squares": self.squares}


class Adam(Optimizer):
    """Adam: Kingma and Ba, "Adam: A Method for Stochastic Optimization", 2015, algorithm 1.

    The direction is the running mean of the gradient over the root of that of its square, each divided
    by 1 - beta^t to undo its start at 0.
    """

    def __init__(self, parameters: Iterable[Tensor], betas: tuple[float, float] = (0.9, 0.999), epsilon: float = 1e-8):
        super().__init__(parameters)
        self.betas, self.epsilon = tuple(_checked_factor("each of betas", beta) for beta in betas), epsilon
        self.means = [np.zeros_like(p.data) for p in self.parameters]
        self.squares = [np.zeros_like(p.data) for p in self.parameters]

    def update(self, index: int, gradient: np.ndarray) -> np.ndarray:
        """See the class."""
        beta1, beta2 = self.betas
        self.means[index] = beta1 * self.means[index] + (1 - beta1) * gradient
        self.squares[index] = beta2 * self.squares[index] + (1 - beta2) * gradient**2
        mean = self.means[index] / (1 - beta1**self.steps)
        square = self.squares[index] / (1 - beta2**self.steps)
        return mean / (np.sqrt(square) + self.epsilon)

    def memory(self) -> dict[str, list[np.ndarray]]:
        """The running means of the gradients and of their squares."""
        return {"means": self.means, "squares": self.squares}


class AdamW(Adam):
    """Adam with decoupled weight decay: its direction, plus weight_decay · parameter.

    A penalty in the loss would be divided by the root of the squares as well, and so hardly hold back the weights of
    large gradients. Loshchilov and Hutter, "Decoupled weight decay regularization", 2019, algorithm 2; the learning
    rate multiplies both parts, so that weight_decay is their λ over α.
    """

    def __init__(
        self,
        parameters: Iterable[Tensor],
        betas: tuple[float, float] = (0.9, 0.999),
        epsilon: float = 1e-8,
        weight_decay: float = 0.01,
    ):
        super().__init__(parameters, betas, epsilon)
        self.weight_decay = weight_decay

    def update(self, index: int, gradient: np.ndarray) -> np.ndarray:
        """See the class."""
        return super().update(index, gradient) + self.weight_decay * self.parameters[index].data


def _checked_factor(name: str, value: float) -> float:
    if not 0 <= value < 1:
        raise InputError(f"{name} must be at least 0 and below 1, not {value!r}")
    return value
