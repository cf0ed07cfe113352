"""The networks that come with amarray: architecture and recipe, trained weights, and the quantized network.

Each has a folder under sw/data/networks: NAME.toml beside it, the run that `amarray train NAME` wrote in it, and the
Network file that `amarray quantize` made of that run.
"""

from pathlib import Path

from sw.errors import InputError, did_you_mean

FOLDER = Path(__file__).parent / "data" / "networks"
NAMES = tuple(sorted(path.stem for path in FOLDER.glob("*.toml")))
NETWORK = "network.npz"


def toml_path(name: str) -> Path:
    """The file that describes a network: that of the shipped one, or the path that was given."""
    return FOLDER / f"{name}.toml" if name in NAMES else _existing(name, "a TOML file")


def run_path(name: str) -> Path:
    """The folder of a run: that of the shipped network, or the path that was given."""
    return FOLDER / name if name in NAMES else _existing(name, "a folder that `amarray train` wrote")


def network_path(name: str) -> Path:
    """The Network file: that of the shipped network, or the path that was given."""
    return FOLDER / name / NETWORK if name in NAMES else _existing(name, "a file that `amarray quantize` wrote")


def _existing(name: str, what: str) -> Path:
    if not Path(name).exists():
        like = did_you_mean(name, NAMES)
        raise InputError(f"{name!r} is neither {what} nor a shipped network: {', '.join(NAMES)}{like}")
    return Path(name)
