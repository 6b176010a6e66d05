"""Whether isotonic regression calibrates better than a temperature: on drawn binary targets, by the size of validation.

    python benchmarks/isotonic.py [--draws 20]

Every line: the mean gain in log loss on 20,000 new rows (times 1000; plus: isotonic is better), in how many draws it is
better, in how many a cross-fitted gain on the validation rows is beyond chance, and the mean gain of those.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable

import numpy as np
from scipy.special import expit
from sklearn.isotonic import IsotonicRegression

Array = np.ndarray
TEMPERATURES = np.logspace(-0.75, 1, 71)
SIZES, TEST, FOLDS = (200, 500, 1000, 2000, 5000), 20_000, 5
#: Standard errors of the gain from which it is believed.
BELIEVED = 2.33
#: What a network makes of the true logits.
DISTORTIONS: dict[str, Callable[[Array, np.random.Generator], Array]] = {
    "true": lambda z, draw: z,
    "too sure": lambda z, draw: 2 * z,
    "not sure enough": lambda z, draw: z / 2,
    "too sure above 0": lambda z, draw: np.where(z > 0, 2 * z, z),
    "flat tails": lambda z, draw: 2 * np.tanh(z / 2),
    "steep tails": lambda z, draw: z * np.abs(z) ** 0.5,
    "shifted": lambda z, draw: z + 0.5,
    "too sure, noise": lambda z, draw: 2 * (z + draw.normal(size=len(z))),
}


def log_loss(p: Array, y: Array) -> Array:
    """``[n]`` of probabilities ``[n]`` and classes ``[n]``."""
    p = np.clip(p, 1e-12, 1 - 1e-12)
    return -(y * np.log(p) + (1 - y) * np.log(1 - p))


def tempered(z: Array, y: Array) -> Callable[[Array], Array]:
    """Probabilities by the temperature with the lowest log loss."""
    best = min(TEMPERATURES, key=lambda t: log_loss(expit(z / t), y).mean())
    return lambda new: expit(new / best)


def stepped(z: Array, y: Array) -> Callable[[Array], Array]:
    """Probabilities by isotonic regression, never 0 or 1."""
    fitted, least = IsotonicRegression(out_of_bounds="clip").fit(z, y), 1 / (len(y) + 2)
    return lambda new: np.clip(fitted.predict(new), least, 1 - least)


def gains(z: Array, y: Array, new_z: Array, new_y: Array) -> Array:
    """``[m]`` how much lower the log loss of new rows is by steps than by a temperature."""
    return log_loss(tempered(z, y)(new_z), new_y) - log_loss(stepped(z, y)(new_z), new_y)


def believed(z: Array, y: Array) -> bool:
    """Whether a cross-fitted gain on the validation rows is beyond chance."""
    fold = np.arange(len(y)) % FOLDS
    found = np.concatenate([gains(z[fold != k], y[fold != k], z[fold == k], y[fold == k]) for k in range(FOLDS)])
    return bool(found.mean() > BELIEVED * found.std() / np.sqrt(len(found)))


def main() -> None:
    """Print a line for every distortion, base rate and size."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--draws", type=int, default=20)
    draws = parser.parse_args().draws
    draw = np.random.default_rng(0)
    print(f"{'share':>6} {'distortion':18} {'rows':>5} {'gain':>8} {'better':>7} {'chosen':>7} {'its gain':>9}")
    for base in (0.0, -2.5):
        for name, distort in DISTORTIONS.items():
            for rows in SIZES:
                found, chosen = np.empty(draws), np.zeros(draws, bool)
                for number in range(draws):
                    true = base + 1.5 * draw.normal(size=rows + TEST)
                    y = (draw.random(len(true)) < expit(true)).astype(float)
                    z = distort(true, draw)
                    chosen[number] = believed(z[:rows], y[:rows])
                    found[number] = 1000 * gains(z[:rows], y[:rows], z[rows:], y[rows:]).mean()
                own = f"{found[chosen].mean():9.2f}" if chosen.any() else f"{'-':>9}"
                share = f"{0.5 if not base else 0.13:6.2f}"
                print(f"{share} {name:18} {rows:5} {found.mean():8.2f} {(found > 0).mean():7.0%} "
                      f"{chosen.mean():7.0%} {own}", flush=True)  # fmt: skip


if __name__ == "__main__":
    main()
