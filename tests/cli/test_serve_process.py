"""``polytask serve`` as a process of its own, under 200 requests at once of a real client."""

from __future__ import annotations

import asyncio
import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pyarrow.parquet as pq
import pytest

from polytask.data import read_table
from polytask.runs.bundle import Bundle
from small_encoder import text_encoder
from small_table import TARGETS, fit, polytask, table_rows, write_table

#: What is no request, and how it is answered.
MALFORMED = (
    (b'{"rows": [{', 422),
    (b'{"rows": [{"a": "abc"}]}', 422),
    (b'{"rows": []}', 422),
    (b"\xff\xfe", 422),
    (b"x" * (1 << 24), 413),  # more than what fits into the buffers of a connection
)


@contextmanager
def served(run: Path, *options: object) -> Iterator[str]:
    """The address of the service, which ends by Ctrl-C and says nothing of its own."""
    command = [sys.executable, "-m", "polytask", "serve", run, "--port", 0, *options]
    process = subprocess.Popen(list(map(str, command)), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        yield process.stdout.readline().split()[0]
        process.send_signal(signal.SIGINT)
        rest = process.communicate(timeout=30)
        assert (process.returncode, *rest) == (0, "", "")
    finally:
        process.kill()
        process.communicate()


async def ask(address: str, rows: list[dict[str, Any]], number: int = 200) -> list[httpx.Response]:
    """Answers to requests of one to three rows, every fifth malformed, all at once."""
    async with httpx.AsyncClient(base_url=address, timeout=60, limits=httpx.Limits(max_connections=number)) as client:

        def send(place: int) -> Any:
            content = MALFORMED[place // 5 % len(MALFORMED)][0]
            if place % 5:
                content = json.dumps({"rows": some(rows, place)}).encode()
            return client.post("/predict", content=content, headers={"content-type": "application/json"})

        return list(await asyncio.gather(*map(send, range(number))))


def some(rows: list[Any], place: int) -> list[Any]:
    return [rows[(place + more) % len(rows)] for more in range(1 + place % 3)]


def check(run: Path, data: Path, folder: Path) -> None:
    """The answers are what ``polytask predict`` writes, mistakes are refused, and the figures count both."""
    assert polytask("predict", run, data, "--out", folder / "p.parquet").exit_code == 0
    schema = Bundle.load(run).schema
    expected = pq.read_table(folder / "p.parquet").to_pylist()
    table = read_table(data, text=schema.word_columns).select(schema.feature_names).to_pylist()
    with served(run) as address:
        assert httpx.get(f"{address}/health").json()["networks"] == 2
        answers = asyncio.run(ask(address, table))
        metrics = httpx.get(f"{address}/metrics").text
        assert httpx.get(f"{address}/health").status_code == 200
    for place, answer in enumerate(answers):
        if place % 5 == 0:
            assert answer.status_code == MALFORMED[place // 5 % len(MALFORMED)][1] and answer.json()["detail"]
            continue
        assert answer.status_code == 200, answer.text
        for found, row in zip(answer.json()["predictions"], some(expected, place), strict=True):
            assert found == {name: pytest.approx(row[name], abs=1e-5) for name in found}
            assert set(row) - set(found) <= {schema.id_column}
    for status, count in ((200, 160), (422, 32), (413, 8)):
        assert f'polytask_requests_total{{path="/predict",status="{status}"}} {count}.0' in metrics
    assert f"polytask_rows_total {sum(1 + place % 3 for place in range(200) if place % 5)}.0" in metrics


@pytest.mark.slow
def test_several_networks_of_a_table(fitted, tmp_path):
    check(fitted.run, fitted.data, tmp_path)


@pytest.mark.slow
def test_texts_with_a_pretrained_encoder_and_several_networks(tmp_path):
    data = write_table(tmp_path / "table.csv", table_rows(150))
    encoder = text_encoder(tmp_path / "bert", words=["good", "bad", "row", "thing"])
    result = fit(data, tmp_path / "run", "--networks", 2, "--no-baselines", "--set", f"encoder=hf:{encoder}",
                 "--set", "column_kind={note: text}", targets=TARGETS[:3])  # fmt: skip
    assert result.exit_code == 0, result.output
    check(tmp_path / "run", data, tmp_path)
