"""``polytask serve`` under load, on this machine only (127.0.0.1): latency, requests per second, and hostile clients.

    python benchmarks/serve_load.py [--clients 64] [--requests 20000]

Trains a small run, serves it in a process of its own, and prints one table. Every loop is bounded, and the service
ends with the script, which takes about two minutes.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import signal
import socket
import ssl
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from statistics import quantiles

import numpy as np
import pyarrow as pa
import pyarrow.csv

COLUMNS = 38
HOST = "127.0.0.1"


def make_run(folder: Path) -> Path:
    """A run of three targets on 38 columns of numbers."""
    draw = np.random.default_rng(0)
    values = draw.normal(size=(600, COLUMNS))
    table = {f"c{k:02d}": values[:, k] for k in range(COLUMNS)}
    targets = {
        "a": (values[:, 0] > 0).astype(int),
        "b": values[:, 1] + values[:, 2],
        "c": (values[:, 3] > 0).astype(int),
    }
    pa.csv.write_csv(pa.table(table | targets), folder / "table.csv")
    command = ["fit", folder / "table.csv", "--targets", "a,b,c", "--out", folder / "run", "--steps", "60",
               "--networks", "1", "--no-baselines", "--quiet"]  # fmt: skip
    subprocess.run([sys.executable, "-m", "polytask", *map(str, command)], check=True, timeout=300)
    return folder / "run"


@contextlib.contextmanager
def served(run: Path, *options: str) -> Iterator[tuple[subprocess.Popen[str], int]]:
    """The service and its port."""
    command = [sys.executable, "-m", "polytask", "serve", str(run), "--port", "0", *options]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        yield process, int(process.stdout.readline().split()[0].rsplit(":", 1)[1])
    finally:
        process.kill()
        process.communicate(timeout=30)


def request(rows: int) -> bytes:
    """A whole request with this many rows."""
    draw = np.random.default_rng(1)
    body = json.dumps({"rows": [{f"c{k:02d}": draw.normal() for k in range(COLUMNS)} for _ in range(rows)]}).encode()
    head = f"POST /predict HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: {len(body)}\r\n\r\n"
    return head.encode() + body


async def answer(reader: asyncio.StreamReader) -> int:
    """Read one answer; gives its status."""
    head = await reader.readuntil(b"\r\n\r\n")
    length = next(
        int(line.split(b":")[1]) for line in head.lower().split(b"\r\n") if line.startswith(b"content-length")
    )
    await reader.readexactly(length)
    return int(head.split()[1])


async def client(port: int, content: bytes, number: int, seconds: list[float], context: ssl.SSLContext | None) -> None:
    """Requests one after the other on one connection."""
    reader, writer = await asyncio.open_connection(HOST, port, ssl=context)
    for _ in range(number):
        started = time.perf_counter()
        writer.write(content)
        status = await answer(reader)
        assert status == 200, status
        seconds.append(time.perf_counter() - started)
    writer.close()


def load(port: int, clients: int, requests: int, rows: int = 1) -> str:
    """Requests per second and latencies of this many clients at once."""
    content, seconds = request(rows), []

    async def run() -> float:
        warm: list[float] = []
        await client(port, content, 20, warm, None)
        started = time.perf_counter()
        await asyncio.gather(*(client(port, content, requests // clients, seconds, None) for _ in range(clients)))
        return time.perf_counter() - started

    took = asyncio.run(asyncio.wait_for(run(), 240))
    cuts = quantiles(seconds, n=100)
    return (f"{len(seconds) / took:7.0f} requests/s, p50 {1e3 * cuts[49]:6.1f} ms, p95 {1e3 * cuts[94]:6.1f} ms, "
            f"p99 {1e3 * cuts[98]:6.1f} ms")  # fmt: skip


def half_sent(port: int, number: int) -> list[socket.socket]:
    """Connections with half a head, half a body, or nothing."""
    whole = request(1)
    parts = (b"", whole[:40], whole[: whole.index(b"\r\n\r\n") + 60])
    found = []
    for place in range(number):
        connection = socket.create_connection((HOST, port))
        connection.sendall(parts[place % len(parts)])
        found.append(connection)
    return found


def end(process: subprocess.Popen[str]) -> str:
    """How the service ends by SIGTERM."""
    started = time.perf_counter()
    process.send_signal(signal.SIGTERM)
    _, errors = process.communicate(timeout=60)
    lines = len(errors.splitlines())
    return f"{time.perf_counter() - started:.1f} s, status {process.returncode}, {lines} lines on standard error"


def dropped(connections: list[socket.socket], most: float) -> str:
    """When the last of the connections has been ended by the service."""
    started = time.perf_counter()
    for connection in connections:
        connection.settimeout(max(0.1, most - (time.perf_counter() - started)))
        try:
            while connection.recv(4096):
                pass
        except TimeoutError:
            return f"not after {most:.0f} s"
        except ConnectionError:
            pass
    return f"{time.perf_counter() - started:.1f} s"


def without_files(run: Path) -> str:
    """Lines that a service with 64 files says while 200 clients connect."""
    limited = f"ulimit -n 64; exec {sys.executable} -m polytask serve {run} --port 0"
    process = subprocess.Popen(["sh", "-c", limited], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        port = int(process.stdout.readline().split()[0].rsplit(":", 1)[1])
        held = half_sent(port, 200)
        time.sleep(5)
        for connection in held:
            connection.close()
        time.sleep(2)
        with socket.create_connection((HOST, port), timeout=30) as one:
            one.sendall(b"GET /health HTTP/1.1\r\nhost: x\r\n\r\n")
            status = one.recv(4096).split()[1].decode()
        process.send_signal(signal.SIGTERM)
        errors = process.communicate(timeout=60)[1]
        return f"{len(errors.splitlines())} lines in 5 s, then answers {status}"
    finally:
        process.kill()


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--clients", type=int, default=64)
    parser.add_argument("--requests", type=int, default=20_000)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        run = make_run(Path(folder))
        with served(run) as (process, port):
            print(f"1 client, 1 row:          {load(port, 1, 1000)}")
            print(f"{arguments.clients} clients, 1 row:        {load(port, arguments.clients, arguments.requests)}")
            print(f"1 client, 1000 rows:      {load(port, 1, 30, rows=1000)}")
            held = half_sent(port, 60)
            print(f"60 half-sent requests are dropped after: {dropped(held, 60)}")
            kept = half_sent(port, 60)
            print(f"SIGTERM beside 60 half-sent requests: {end(process)}")
            del kept
        print(f"64 files, 200 clients: {without_files(run)}")


if __name__ == "__main__":
    main()
