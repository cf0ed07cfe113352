"""The computational graph: a Tensor remembers how it was made, and `backward` walks that way back.

An operation returns `node(name, value, (parent, gradient), ...)`: what drawings call it, its value, and
for every operand one edge whose function turns the gradient of the result into the gradient of that
operand. So forward and backward of an operation stand side by side, and an edge that nobody needs is
never recorded. Operands broadcast as in numpy; no edge takes care of that, because the walk back does it
once for all.
"""

from collections.abc import Callable, Iterator

import numpy as np

Gradient = Callable[[np.ndarray], np.ndarray]


class Tensor:
    """An array in the graph.

    Parameters
    ----------
    data: float32 or float64 array; all tensors of a graph should agree on which.
    requires_grad: whether `backward` computes the gradient of this leaf.

    Attributes
    ----------
    grad: the sum of the gradients of all `backward` calls, of the shape of `data`; None before the first.
    operation: what made it, as a drawing shows it; empty for a leaf.
    edges: the operands that lead to a leaf that requires a gradient, each with its local derivative.

    Raises TypeError where data is not float32 or float64.
    """

    def __init__(self, data, requires_grad: bool = False):
        self.data = np.asarray(data)
        if self.data.dtype not in (np.float32, np.float64):
            raise TypeError(f"a tensor holds float32 or float64, not {self.data.dtype}")
        self.requires_grad = requires_grad
        self.grad: np.ndarray | None = None
        self.operation = ""
        self.edges: tuple[tuple[Tensor, Gradient], ...] = ()

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of the array."""
        return self.data.shape

    def backward(self) -> None:
        """Add to the `grad` of every leaf that requires it the derivative of this scalar.

        Raises ValueError where this tensor has more than one element.
        """
        if self.data.size != 1:
            raise ValueError(f"backward starts from a scalar, not from shape {self.shape}")
        for tensor, gradient, _ in walk_back(self):
            if not tensor.edges and tensor.requires_grad:
                tensor.grad = gradient if tensor.grad is None else tensor.grad + gradient

    def __add__(self, other) -> "Tensor":
        """Return self + other."""
        other = _operand(other, self)
        return node("+", self.data + other.data, (self, lambda g: g), (other, lambda g: g))

    def __sub__(self, other) -> "Tensor":
        """Return self - other."""
        other = _operand(other, self)
        return node("-", self.data - other.data, (self, lambda g: g), (other, lambda g: -g))

    def __mul__(self, other) -> "Tensor":
        """Return self · other, element by element."""
        other = _operand(other, self)
        return node("·", self.data * other.data, (self, lambda g: g * other.data), (other, lambda g: g * self.data))

    def __truediv__(self, other) -> "Tensor":
        """Return self / other, element by element."""
        other = _operand(other, self)
        value = self.data / other.data
        return node("/", value, (self, lambda g: g / other.data), (other, lambda g: -g * value / other.data))

    def __matmul__(self, other: "Tensor") -> "Tensor":
        """Return the matrix product; both at least of rank 2, leading axes broadcast."""
        if min(self.data.ndim, other.data.ndim) < 2:
            raise ValueError(f"a matrix product needs two axes on both sides, not {self.shape} and {other.shape}")
        return node(
            "@",
            self.data @ other.data,  # (..., n, k) @ (..., k, m) = (..., n, m)
            (self, lambda g: g @ other.data.swapaxes(-1, -2)),
            (other, lambda g: self.data.swapaxes(-1, -2) @ g),
        )

    def __neg__(self) -> "Tensor":
        """Return -self."""
        return node("-", -self.data, (self, lambda g: -g))

    def __radd__(self, other) -> "Tensor":
        """Return other + self, where other is a number or an array."""
        return self + other

    def __rmul__(self, other) -> "Tensor":
        """Return other · self, where other is a number or an array."""
        return self * other

    def __rsub__(self, other) -> "Tensor":
        """Return other - self, where other is a number or an array."""
        return _operand(other, self) - self

    def __rtruediv__(self, other) -> "Tensor":
        """Return other / self, where other is a number or an array."""
        return _operand(other, self) / self

    __array_ufunc__ = None  # array + tensor must come to __radd__, not be tried element by element


def node(operation: str, value: np.ndarray, *edges: tuple[Tensor, Gradient]) -> Tensor:
    """The result of an operation, with those edges recorded whose operand leads to a leaf that requires a gradient."""
    result = Tensor(value)
    result.operation = operation
    result.edges = tuple(edge for edge in edges if edge[0].requires_grad)
    result.requires_grad = bool(result.edges)
    return result


def walk_back(root: Tensor) -> Iterator[tuple[Tensor, np.ndarray, list[np.ndarray]]]:
    """Every tensor that `root` depends on, root first, each with two gradients of the sum of root's elements.

    The first is its own; the second a list, what each of its edges adds to the gradient of the operand there.
    """
    gradients = {id(root): np.ones_like(root.data)}
    for tensor in reversed(_topological_order(root)):
        gradient = gradients.pop(id(tensor))
        parts = [_sum_to_shape(to_parent(gradient), parent.shape) for parent, to_parent in tensor.edges]
        for (parent, _), part in zip(tensor.edges, parts, strict=True):
            known = gradients.get(id(parent))
            gradients[id(parent)] = part if known is None else known + part
        yield tensor, gradient, parts


def _operand(value, like: Tensor) -> Tensor:
    return value if isinstance(value, Tensor) else Tensor(np.asarray(value, dtype=like.data.dtype))


def _topological_order(root: Tensor) -> list[Tensor]:
    """Every tensor that `root` depends on, each after all of its parents; `root` is last."""
    order, seen, stack = [], set(), [(root, False)]
    while stack:
        tensor, parents_done = stack.pop()
        if parents_done:
            order.append(tensor)
        elif id(tensor) not in seen:
            seen.add(id(tensor))
            stack.append((tensor, True))
            stack.extend((parent, False) for parent, _ in tensor.edges)
    return order


def _sum_to_shape(gradient: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """Sum over the axes along which an operand of `shape` was broadcast: each copy has its share."""
    if gradient.shape == shape:
        return gradient
    added = gradient.ndim - len(shape)
    stretched = tuple(i + added for i, size in enumerate(shape) if size == 1)
    return gradient.sum(axis=(*range(added), *stretched), keepdims=True).reshape(shape)
