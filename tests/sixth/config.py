"""The choices of the made-up paper, and what it says of itself."""

from dataclasses import dataclass

import numpy as np

from common.paper import BaseConfig, Paper, number, whole


@dataclass(frozen=True)
class Config(BaseConfig):
    dataset: str = "line-mock"
    n: int = 3000
    n_pixels: int = 176
    split: tuple = (0.7, 0.1, 0.2)
    epochs: int = 30
    batch_size: int = 32
    learning_rate: float = 3e-3
    precision: str = "float32"

    @property
    def grid(self):
        return np.linspace(6550.0, 6900.0, self.n_pixels)


PAPER = Paper(
    package="tests.sixth",
    network="Nobody 2026",
    about="Train a network that finds the redshift of one line.",
    config=Config,
    datasets=("line-mock", "line"),
    scales={"smoke": dict(n=120, epochs=2), "demo": dict(n=600, epochs=20), "paper": {}},
    options=(
        whole("--epochs", "epochs", sets="epochs"),
        number("--learning-rate", "learning rate", sets="learning_rate"),
    ),
    data_dir="folder with spectra of LAMOST",
)
