"""Prices over time: the next day's change of each price and the largest move of the next five days, from the past only.

The prices are real: daily closes of the S&P 500, the Nasdaq and crude oil from 1999 to 2018, which come with the
package arch (`pip install 'polytask[examples]'`). `python prices.py PRICES.csv` reads others: a column of dates, then
one per price, such as the European Central Bank's history of exchange rates (eurofxref-hist.csv). `time="day"` puts
validation after training and test after validation; a random split would leak neighbouring days.

What to expect: changes cannot be predicted (R2 within .01 of 0); moves can, as volatility comes in clusters (R2 .29 for
the S&P 500, .31 for the Nasdaq, .35 for oil). A linear model, shown beside each, is not far behind (.26, .27, .30).
"""

import sys

import numpy as np
import pandas as pd

import polytask as pt


def shipped():
    """Closing prices of the days on which all three were traded."""
    from arch.data import nasdaq, sp500, wti

    closes = {"S&P 500": sp500.load()["Adj Close"], "Nasdaq": nasdaq.load()["Adj Close"]}
    return pd.DataFrame(closes | {"oil": wti.load()["DCOILWTICO"]}).dropna()


def read(file):
    """Prices by day, oldest first; a day without one has that of the day before."""
    prices = pd.read_csv(file, index_col=0, parse_dates=True).sort_index()
    return prices.dropna(axis="columns", thresh=len(prices) // 2).ffill()


def features(prices):
    """Past changes and volatility of each price as features; its next change and next largest move as targets."""
    columns = {"day": prices.index}
    for name, change in (100 * np.log(prices).diff()).items():
        size = change.abs()
        columns |= {f"{name} change {lag}": change.shift(lag).to_numpy() for lag in range(3)}
        columns |= {f"{name} volatility {days}": size.rolling(days).mean().to_numpy() for days in (5, 20, 60)}
        columns[f"{name} next change"] = change.shift(-1).to_numpy()
        columns[f"{name} next move"] = size.rolling(5).max().shift(-5).to_numpy()
    return pd.DataFrame(columns).iloc[60:-5].reset_index(drop=True)


def main(file=None):
    table = features(read(file) if file else shipped())
    targets = [column for column in table.columns if "next" in column]
    predictor = pt.TablePredictor(targets, time="day", networks=1, steps=300, threads=1, max_baselines=1).fit(table)
    linear = predictor.results["baselines"]["linear"]
    for name, task in predictor.results["tasks"].items():
        print(f"{name}: {task['metric']} {task['test']:.3f}, linear model {linear[name]['test']:.3f}")
    return predictor.results


if __name__ == "__main__":
    main(*sys.argv[1:2])
