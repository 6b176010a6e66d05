"""Prices over time: tomorrow's change of four goods, and their range over three days, from the past only.

`time="day"` puts validation after training and the test after validation; a random split would leak neighbouring
days. What to expect: ranges are a little predictable (R2 .03 to .16: calm follows calm), changes hardly (R2 about 0),
and a linear model, which every run shows beside each target, is only a little behind.
"""

import numpy as np
import pandas as pd

import polytask as pt

GOODS = ("wheat", "oil", "copper", "cocoa")


def daily(days=2500, seed=0):
    """Four coupled series; returns lean on the market of the day before, and volatility comes in clusters."""
    rng = np.random.default_rng(seed)
    changes, calm = np.zeros((days, 4)), np.ones(4)
    for day in range(1, days):
        market = changes[day - 1].mean()
        changes[day] = 0.25 * market + calm * rng.normal(size=4) * 0.01
        calm = np.sqrt(0.1 + 0.6 * calm**2 + 0.3 * (changes[day] / 0.01) ** 2)
    table = pd.DataFrame({"day": pd.date_range("2019-01-01", periods=days, freq="D")})
    for number, good in enumerate(GOODS):
        change = pd.Series(changes[:, number])
        for lag in range(3):
            table[f"{good} change {lag}"] = change.shift(lag)
        table[f"{good} swing 10"] = change.rolling(10).std()
        table[f"{good} next change"] = change.shift(-1)
        table[f"{good} next range"] = change.abs().shift(-1).rolling(3).max().shift(-2)
    return table.iloc[10:-3].reset_index(drop=True)


def main():
    table = daily()
    targets = [column for column in table.columns if "next" in column]
    predictor = pt.TablePredictor(
        targets, time="day", networks=1, steps=300, threads=1, encoder="mlp", max_baselines=1
    ).fit(table)
    linear = predictor.results["baselines"]["linear"]
    for name, task in predictor.results["tasks"].items():
        print(f"{name}: {task['metric']} {task['test']:.3f}, linear model {linear[name]['test']:.3f}")
    return predictor.results


if __name__ == "__main__":
    main()
