"""Writes pytorch.json: what PyTorch computes, in float64, where its definitions are those of sw/nn.

Run it by a Python that has PyTorch; the project itself does not need one:

    python tests/references/pytorch.py

Each record names a function or class of sw/nn, its arguments, its inputs, and PyTorch's results. Arrays lie as in
sw/nn: images (n, height, width, channels), convolution weights (height, width, inputs / groups, outputs).

Where the two differ, the equal form is taken:

- Weights: `mean` divides by their sum, as PyTorch does in `mse_loss`, `l1_loss` and, for weights by class, in
  `cross_entropy`. Its `huber_loss` and `binary_cross_entropy` divide by the number of elements, so their unreduced
  losses are weighted and reduced here.
- RMSE has gradient 0 where its root is 0, PyTorch's root has none: no weight is 0 there.
- `log_loss` adds epsilon inside the logarithm, where `binary_cross_entropy` bounds the logarithm at -100: epsilon is
  0 in the comparison with it. The default epsilon is compared with the formula.
- Epsilon of AdaGrad, RMSProp and Adam is outside of the root in both; the defaults differ, so all are given.
- `weight_decay` of AdamW is multiplied by the learning rate in both.
- Momentum of BatchNorm: PyTorch's is the share of the new batch, ours that of the old mean. The running variance is
  without bias in both.
- `OneCycleLR` starts at a fixed share of the peak and rises along a cosine; ours rises in a straight line. The equal
  form is `LinearLR` followed by `CosineAnnealingLR`.
- RMSE, log-cosh, quantile, hinge, pairwise error and absolute difference are formulas here, for PyTorch has no such
  losses: what is compared is the derivative by its autograd.
"""

import json
import math
from pathlib import Path

import torch
from torch.nn import functional

PATH = Path(__file__).with_suffix(".json")
WEIGHTS = [[0.5], [0.0], [2.0], [1.0]]
REDUCTIONS = ("none", "sum", "mean")

torch.set_default_dtype(torch.float64)
generator = torch.Generator().manual_seed(1)


def draw(*shape):
    """Normal numbers of three decimals: short to write, exact to read."""
    return (torch.randn(shape, generator=generator) * 1000).round() / 1000


def plain(value):
    """Tensors as nested lists, numbers to twelve digits."""
    if isinstance(value, torch.Tensor):
        value = value.tolist()
    if isinstance(value, dict):
        return {name: plain(item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    return float(f"{value:.12g}") if isinstance(value, float) else value


def derived(value, upstream, *leaves):
    """Gradients of Σ value · upstream."""
    return torch.autograd.grad((value * upstream).sum(), leaves)


def reduce(each, weights, reduction):
    """The reduction of sw/nn on losses per element or example."""
    weights = torch.ones_like(each) if weights is None else weights
    weighted = each * weights
    return {"none": weighted, "sum": weighted.sum(), "mean": weighted.sum() / weights.sum()}[reduction]


def own(function):
    """A loss of PyTorch with its own weights and reduction."""
    return lambda p, t, weight, reduction: function(p, t, weight=weight, reduction=reduction)


def formula(function):
    """A loss of unreduced losses, with our weights and reduction."""
    return lambda p, t, weight, reduction: reduce(function(p, t), weight, reduction)


def unreduced(function, **options):
    """A loss of PyTorch, with our weights and reduction."""
    return formula(lambda p, t: function(p, t, reduction="none", **options))


def log_loss(p, t):
    return -t * (p + 1e-7).log() - (1 - t) * (1 - p + 1e-7).log()


def pairwise(p, t):
    error = p - t
    pairs = torch.combinations(torch.arange(error.shape[1]))
    return ((error[:, pairs[:, 0]] - error[:, pairs[:, 1]]) ** 2).mean(dim=1)


def losses():
    x, y, sign, rows = draw(4, 3), draw(4, 3), draw(4, 3).sign(), torch.softmax(draw(4, 3), dim=1)
    share, probability = torch.sigmoid(draw(4, 3)), torch.sigmoid(draw(4, 3))
    full, example = torch.tensor(WEIGHTS).expand(4, 3), torch.tensor(WEIGHTS)[:, 0]
    for name, prediction, target, options, weights, function in (
        ("mean_squared_error", x, y, {}, full, own(functional.mse_loss)),
        ("mean_absolute_error", x, y, {}, full, own(functional.l1_loss)),
        ("huber", x, y, {"delta": 0.75}, full, unreduced(functional.huber_loss, delta=0.75)),
        ("absolute_difference", x, y, {}, full, formula(lambda p, t: (p - t).abs())),
        ("root_mean_squared_error", x, y, {}, full + 1, lambda p, t, w, r: reduce((p - t) ** 2, w, r).sqrt()),
        ("log_cosh", x, y, {}, full, formula(lambda p, t: torch.logaddexp(p - t, t - p) - math.log(2))),
        ("quantile", x, y, {"gamma": 0.9}, full, formula(lambda p, t: torch.maximum(0.9 * (t - p), 0.1 * (p - t)))),
        ("sigmoid_cross_entropy", x, share, {}, full, unreduced(functional.binary_cross_entropy_with_logits)),
        ("log_loss", probability, share, {"epsilon": 0.0}, full, unreduced(functional.binary_cross_entropy)),
        ("log_loss", probability, share, {}, full, formula(log_loss)),
        ("hinge", x, sign, {}, full, formula(lambda p, t: (1 - t * p).clamp(min=0))),
        ("one_hot_cross_entropy", x, rows, {}, example, unreduced(functional.cross_entropy)),
        ("cosine_distance", x, y, {}, example, formula(lambda p, t: 1 - functional.cosine_similarity(p, t, dim=-1))),
        ("mean_pairwise_squared_error", x, y, {}, example, formula(pairwise)),
    ):
        yield from loss_records(name, prediction, target, options, None, None, function)
        yield from loss_records(name, prediction, target, options, weights, weights, function)
    labels, of_class = torch.tensor([2, 0, 1, 2]), torch.tensor([0.5, 2.0, 1.5])
    for weights, given in ((None, None), (of_class[labels], of_class)):
        yield from loss_records("softmax_cross_entropy", x, labels, {}, weights, given, own(functional.cross_entropy))


def loss_records(name, prediction, target, options, weights, given, function):
    """A record for each reduction. `weights` are as sw/nn gets them, `given` as PyTorch does."""
    for reduction in REDUCTIONS:
        leaf = prediction.clone().requires_grad_()
        value = function(leaf, target, given, reduction)
        upstream = draw(*value.shape)
        (gradient,) = derived(value, upstream, leaf)
        yield {
            "name": name,
            "prediction": prediction,
            "target": target,
            "options": {**options, "weights": weights, "reduction": reduction},
            "value": value,
            "upstream": upstream,
            "gradient": gradient,
        }


def optimizers():
    """Ten steps on a linear regression, Σ (x w + b - y)² / n; `path` has the parameters after each."""
    x, y, weight, bias = draw(6, 3), draw(6, 2), draw(3, 2), draw(2)
    optim, betas = torch.optim, (0.8, 0.99)
    for name, options, make in (
        ("SGD", {"momentum": 0.0}, lambda p: optim.SGD(p, lr=0.1)),
        ("SGD", {"momentum": 0.9}, lambda p: optim.SGD(p, lr=0.1, momentum=0.9)),
        ("Nesterov", {"momentum": 0.9}, lambda p: optim.SGD(p, lr=0.1, momentum=0.9, nesterov=True)),
        ("AdaGrad", {"epsilon": 1e-8}, lambda p: optim.Adagrad(p, lr=0.1, eps=1e-8)),
        ("RMSProp", {"decay": 0.8, "epsilon": 1e-6}, lambda p: optim.RMSprop(p, lr=0.1, alpha=0.8, eps=1e-6)),
        ("Adam", {"betas": betas, "epsilon": 1e-4}, lambda p: optim.Adam(p, lr=0.1, betas=betas, eps=1e-4)),
        ("AdamW", {"weight_decay": 0.3}, lambda p: optim.AdamW(p, lr=0.1, weight_decay=0.3)),
    ):
        parameters = [weight.clone().requires_grad_(), bias.clone().requires_grad_()]
        optimizer, path = make(parameters), []
        for _ in range(10):
            optimizer.zero_grad()
            functional.mse_loss(x @ parameters[0] + parameters[1], y).backward()
            optimizer.step()
            path.append([p.detach().tolist() for p in parameters])
        problem = {"x": x, "y": y, "weight": weight, "bias": bias, "rate": 0.1}
        yield {"name": name, "options": options, **problem, "path": path}


def schedules():
    """The rate at each of 30 steps, as a fraction of its peak."""
    scheduler = torch.optim.lr_scheduler
    for name, options, make in (
        ("cosine", {}, lambda o: scheduler.CosineAnnealingLR(o, T_max=30)),
        ("step_decay", {"stages": 5, "factor": 0.5}, lambda o: scheduler.StepLR(o, step_size=6, gamma=0.5)),
        ("one_cycle", {"warm_up": 0.3}, line_and_cosine),
    ):
        optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=1.0)
        schedule, rates = make(optimizer), []
        for _ in range(30):
            rates.append(optimizer.param_groups[0]["lr"])
            optimizer.step()
            schedule.step()
        yield {"name": name, "options": options, "rates": rates}


def line_and_cosine(optimizer):
    """Nine of thirty steps up, the rest down."""
    rise = torch.optim.lr_scheduler.LinearLR(optimizer, start_factor=1 / 10, total_iters=9)
    fall = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=21)
    return torch.optim.lr_scheduler.SequentialLR(optimizer, [rise, fall], milestones=[9])


def images(x):
    """PyTorch's (n, c, h, w) as (n, h, w, c)."""
    return x.permute(0, 2, 3, 1)


def layers():
    for options in (
        {"stride": 1, "padding": 0, "groups": 1},
        {"stride": 2, "padding": 1, "groups": 1},
        {"stride": 1, "padding": 2, "groups": 2},
        {"stride": 2, "padding": 1, "groups": 4},
    ):
        weight, bias = draw(3, 3, 4 // options["groups"], 4), draw(4)
        yield layer_record(
            "Conv2d",
            {"inputs": 4, "outputs": 4, "size": 3, **options},
            draw(2, 6, 5, 4),
            lambda x, p, o=options: images(
                functional.conv2d(x.permute(0, 3, 1, 2), p[0].permute(3, 2, 0, 1), p[1], **o)
            ),
            {"weight": weight, "bias": bias},
        )
    for name, function in (("MaxPool", functional.max_pool2d), ("AvgPool", functional.avg_pool2d)):
        for size, stride in ((2, 2), (3, 2), (2, 1)):
            yield layer_record(
                name,
                {"size": size, "stride": stride},
                draw(2, 6, 5, 2),
                lambda x, _, f=function, s=size, t=stride: images(f(x.permute(0, 3, 1, 2), s, t)),
            )
    for name, options, function in (
        ("Softmax", {}, lambda x, _: torch.softmax(x, dim=-1)),
        ("LeakyReLU", {"slope": 0.2}, lambda x, _: functional.leaky_relu(x, 0.2)),
        ("ReLU", {}, lambda x, _: torch.relu(x)),
        ("Sigmoid", {}, lambda x, _: torch.sigmoid(x)),
        ("Tanh", {}, lambda x, _: torch.tanh(x)),
    ):
        yield layer_record(name, options, draw(3, 4), function)
    for training in (True, False):
        state = {"running_mean": draw(3), "running_variance": draw(3).abs()}
        after = {name: value.clone() for name, value in state.items()}
        record = layer_record(
            "BatchNorm",
            {"channels": 3, "momentum": 0.7, "epsilon": 1e-3},
            draw(2, 3, 2, 3),
            lambda x, p, a=after, t=training: images(
                functional.batch_norm(x.permute(0, 3, 1, 2), *a.values(), *p, training=t, momentum=0.3, eps=1e-3)
            ),
            {"scale": draw(3), "shift": draw(3)},
        )
        yield {**record, "training": training, "state": state, "state after": after}


def layer_record(name, options, x, function, parameters=None):
    """What the layer gives for x, and the gradients of x and of all parameters."""
    parameters = parameters or {}
    x, leaves = x.requires_grad_(), [p.requires_grad_() for p in parameters.values()]
    value = function(x, leaves)
    upstream = draw(*value.shape)
    gradients = derived(value, upstream, x, *leaves)
    return {
        "name": name,
        "options": options,
        "x": x,
        "parameters": parameters,
        "value": value,
        "upstream": upstream,
        "gradients": dict(zip(["x", *parameters], gradients, strict=True)),
    }


if __name__ == "__main__":
    groups = (losses, optimizers, schedules, layers)
    records = {group.__name__: [plain(record) for record in group()] for group in groups}
    text = ",\n".join(
        f"{json.dumps(name)}: [\n" + ",\n".join(json.dumps(record) for record in found) + "\n]"
        for name, found in records.items()
    )
    PATH.write_text(f'{{\n"pytorch": "{torch.__version__}",\n{text}\n}}\n', encoding="utf-8")
