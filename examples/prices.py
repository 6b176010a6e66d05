"""Prices over time: the next day's change of several goods, and their range over three days, from the past only.

`python prices.py PRICES.csv` reads real prices: a column of dates, then one per good, such as the European Central
Bank's history of exchange rates (eurofxref-hist.csv). Without a file THE PRICES ARE MADE UP: no dependency has any.
`time="day"` puts validation after training and test after validation; a random split would leak neighbouring days.
What to expect of the made-up prices: ranges are a little predictable (R2 .03 to .16: volatility comes in clusters),
changes hardly (R2 about 0), and a linear model, shown beside each target, is nearly as good.
"""

import sys

import numpy as np
import pandas as pd

import polytask as pt

GOODS = ("wheat", "oil", "copper", "cocoa")


def made_up(days=2500, seed=0):
    """Four coupled series: returns follow the market of the day before, and volatility comes in clusters."""
    rng = np.random.default_rng(seed)
    changes, calm = np.zeros((days, 4)), np.ones(4)
    for day in range(1, days):
        market = changes[day - 1].mean()
        changes[day] = 0.25 * market + calm * rng.normal(size=4) * 0.01
        calm = np.sqrt(0.1 + 0.6 * calm**2 + 0.3 * (changes[day] / 0.01) ** 2)
    return pd.DataFrame(np.exp(changes.cumsum(0)), pd.date_range("2019-01-01", periods=days, freq="D"), GOODS)


def read(file):
    """Prices by day, oldest first; a day without one has that of the day before."""
    prices = pd.read_csv(file, index_col=0, parse_dates=True).sort_index()
    return prices.dropna(axis="columns", thresh=len(prices) // 2).ffill()


def features(prices):
    """Past changes and volatility of each good as features, and its next change and range as targets."""
    columns = {"day": prices.index}
    for good, change in np.log(prices).diff().items():
        columns |= {f"{good} change {lag}": change.shift(lag).to_numpy() for lag in range(3)}
        columns[f"{good} swing 10"] = change.rolling(10).std().to_numpy()
        columns[f"{good} next change"] = change.shift(-1).to_numpy()
        columns[f"{good} next range"] = change.abs().shift(-1).rolling(3).max().shift(-2).to_numpy()
    return pd.DataFrame(columns).iloc[10:-3].reset_index(drop=True)


def main(file=None):
    table = features(read(file) if file else made_up())
    targets = [column for column in table.columns if "next" in column]
    predictor = pt.TablePredictor(targets, time="day", networks=1, steps=300, threads=1, max_baselines=1).fit(table)
    linear = predictor.results["baselines"]["linear"]
    for name, task in predictor.results["tasks"].items():
        print(f"{name}: {task['metric']} {task['test']:.3f}, linear model {linear[name]['test']:.3f}")
    return predictor.results


if __name__ == "__main__":
    main(*sys.argv[1:2])
