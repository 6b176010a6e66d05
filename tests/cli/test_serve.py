"""``polytask serve``: what it answers, what it refuses, and that it keeps answering."""

import asyncio
import json
import re
import socket
import threading
import time
from contextlib import contextmanager

import httpx
import numpy as np
import pyarrow as pa
import pytest
import uvicorn
from pydantic import ValidationError
from starlette.testclient import TestClient
from uvicorn.protocols.http.auto import AutoHTTPProtocol

from polytask.data import read_table
from polytask.errors import UserError
from polytask.runs.bundle import Bundle
from polytask.serving import make_application
from polytask.serving.application import MOST_BYTES
from polytask.serving.batcher import Batcher
from polytask.serving.body_limit import BODY_SECONDS, BodyLimit
from polytask.serving.patience import Patience, patient
from polytask.serving.rows import Moment, row_model
from polytask.serving.token import read_token
from small_table import assert_refused, polytask

FEATURES = ("a", "b", "c", "colour", "note")


@pytest.fixture(scope="module")
def rows(fitted):
    table = read_table(fitted.data).slice(0, 20)
    return [{name: row[name] for name in FEATURES} for row in table.to_pylist()]


@pytest.fixture(scope="module")
def client(fitted):
    with TestClient(make_application(fitted.run, most_rows=50, most_bytes=20_000)) as client:
        yield client


def test_predictions_are_those_of_predict(fitted, client, rows):
    response = client.post("/predict", json={"rows": rows})
    assert response.status_code == 200, response.text
    expected = Bundle.load(fitted.run).predict(read_table(fitted.data).slice(0, 20)).drop_columns("key").to_pylist()
    for found, other in zip(response.json()["predictions"], expected, strict=True):
        assert found["click"] == other["click"]
        np.testing.assert_allclose(found["price"], other["price"], rtol=1e-5)
        np.testing.assert_allclose(found["size_p_small"], other["size_p_small"], atol=1e-6)


def test_a_body_that_is_not_called_json_is_explained(client, rows):
    form = {"content-type": "application/x-www-form-urlencoded"}  # what curl sends with -d
    response = client.post("/predict", content=json.dumps({"rows": rows}), headers=form)
    assert response.status_code == 415 and "Content-Type: application/json" in response.json()["detail"]


def test_missing_values_are_null(client, rows):
    row = {**rows[0], "a": None, "colour": None, "more": "has no effect"}
    assert client.post("/predict", json={"rows": [row]}).status_code == 200


@pytest.mark.parametrize(
    ("change", "place"),
    [
        ({"a": "abc"}, ["body", "rows", 0, "a"]),
        ({"b": None, "colour": 3}, ["body", "rows", 0, "colour"]),
        ({"c": "Infinity"}, ["body", "rows", 0, "c"]),
    ],
)
def test_a_wrong_cell_is_named(client, rows, change, place):
    response = client.post("/predict", json={"rows": [{**rows[0], **change}]})
    assert response.status_code == 422
    assert response.json()["detail"][0]["loc"] == place


def test_a_truth_value_is_no_date():
    row = row_model({"day": (Moment, pa.string())})
    assert row.model_validate({"day": 5}).column_0 == 5.0
    with pytest.raises(ValidationError):
        row.model_validate({"day": True})


def test_a_missing_column_is_named(client, rows):
    row = {name: value for name, value in rows[0].items() if name != "note"}
    response = client.post("/predict", json={"rows": [row]})
    assert response.status_code == 422
    assert response.json()["detail"][0]["loc"][-1] == "note"


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b'{"rows": []}', b'{"rows": 3}', b"\xff\xfe"])
def test_what_is_no_request(client, body):
    response = client.post("/predict", content=body, headers={"content-type": "application/json"})
    assert response.status_code in (400, 422)
    assert response.json()["detail"]


@pytest.mark.parametrize("cell", ["NaN", "Infinity", "1e999", "1" + 400 * "0", '"\\ud800"', "[]", "{}"])
@pytest.mark.parametrize("column", ["a", "colour"])
def test_cells_that_are_no_values_are_refused_and_not_repeated(client, rows, column, cell):
    body = json.dumps({"rows": [{**rows[0], column: "CELL"}]}).replace('"CELL"', cell)
    response = client.post("/predict", content=body, headers={"content-type": "application/json"})
    assert response.status_code == 422, response.text
    assert response.json()["detail"][0]["loc"][:4] == ["body", "rows", 0, column]
    assert len(response.content) < 400


def test_the_answer_to_many_mistakes_is_short(client):
    response = client.post("/predict", json={"rows": [{"note": "x" * 200}] * 50})
    assert response.status_code == 422 and len(response.content) < 4000
    assert len(response.json()["detail"]) + response.json()["more"] == 200


def test_brackets_without_end(client):
    body = b'{"rows":' + b"[" * 9000 + b"]" * 9000 + b"}"
    response = client.post("/predict", content=body, headers={"content-type": "application/json"})
    assert response.status_code in (400, 422)


def test_limits(client, rows):
    assert client.post("/predict", json={"rows": rows[:1] * 51}).status_code == 422
    assert client.post("/predict", content=b"x" * 30_000).status_code == 413


def test_a_body_without_its_length_is_limited_too(client):
    began = time.monotonic()
    assert client.post("/predict", content=(b"x" * 1000 for _ in range(100))).status_code == 413
    assert time.monotonic() - began < BODY_SECONDS / 2  # all of it was there: no more is awaited


def test_health_metrics_and_documentation(client, rows):
    assert client.get("/health").json() == {"status": "ok", "tasks": ["click", "size", "price", "rank"], "networks": 2}
    client.post("/predict", json={"rows": rows})
    metrics = client.get("/metrics").text
    assert 'polytask_requests_total{path="/predict",status="200"}' in metrics
    assert "polytask_rows_total" in metrics
    schema = client.get("/openapi.json").json()
    assert set(FEATURES) <= set(schema["components"]["schemas"]["Row"]["properties"])


@pytest.fixture
def server(fitted):
    """The service on loopback, as ``polytask serve`` runs it."""
    with running(fitted.run) as address:
        yield address


@contextmanager
def running(run):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    config = uvicorn.Config(make_application(run), host="127.0.0.1", port=port, log_level="warning", ws="none",
                            http=patient(AutoHTTPProtocol), timeout_graceful_shutdown=8)  # fmt: skip
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        time.sleep(0.01)
    yield f"http://127.0.0.1:{port}"
    server.should_exit = True
    thread.join(10)


def test_200_concurrent_requests_with_malformed_ones_among_them(server, rows):
    async def one(client, number):
        if number % 5 == 0:
            response = await client.post("/predict", content=b'{"rows": [{"a": ')
            return number, response.status_code, None
        response = await client.post("/predict", json={"rows": rows[number % 20 : number % 20 + 1]})
        return number, response.status_code, response.json()

    async def everything():
        limits = httpx.Limits(max_connections=200)
        async with httpx.AsyncClient(base_url=server, timeout=60, limits=limits) as client:
            alone = [(await client.post("/predict", json={"rows": [row]})).json()["predictions"][0] for row in rows]
            answers = await asyncio.gather(*(one(client, number) for number in range(200)))
            return alone, answers, (await client.get("/health")).status_code

    alone, answers, health = asyncio.run(everything())
    assert health == 200
    for number, status, answer in answers:
        assert status == (422 if number % 5 == 0 else 200)
        if answer:  # everybody gets the answer to the own question, whoever was predicted in the same batch
            found, expected = answer["predictions"][0], alone[number % 20]
            np.testing.assert_allclose(found["price"], expected["price"], rtol=1e-5)


def test_requests_that_wait_are_worked_on_together():
    sizes = []

    def work(items):
        sizes.append(len(items))
        time.sleep(0.02)
        if -1 in items:
            raise UserError("no")
        return [2 * item for item in items]

    async def everything():
        batcher = Batcher(work, most=10)
        return await asyncio.gather(*(batcher([k, k]) for k in range(12)), batcher([-1]), return_exceptions=True)

    *results, failed = asyncio.run(everything())
    assert results == [[2 * k, 2 * k] for k in range(12)]
    assert isinstance(failed, UserError)
    assert len(sizes) < 12 and max(sizes) <= 10


def test_a_port_that_is_taken(fitted):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        result = polytask("serve", fitted.run, "--port", taken.getsockname()[1])
    assert_refused(result, "cannot listen there", "choose another")


def test_not_a_run(tmp_path):
    assert_refused(polytask("serve", tmp_path), "not a run")


def test_a_missing_package_is_named(fitted, monkeypatch):
    from polytask import extras

    monkeypatch.setattr(extras, "find_spec", lambda name: None if name == "fastapi" else True)
    assert_refused(polytask("serve", fitted.run), "needs fastapi", "pip install 'polytask[serve]'")


def test_the_documentation_needs_nothing_from_elsewhere(client):
    page = client.get("/docs")
    assert page.status_code == 200 and page.headers["content-type"].startswith("text/html")
    assert not re.search(r"<script|<link|src=|://", page.text)
    for name in FEATURES:
        assert f"<td>{name}</td>" in page.text
    assert "default-src 'none'" in page.headers["content-security-policy"]


def test_durations_are_a_histogram(client, rows):
    client.post("/predict", json={"rows": rows})
    metrics = client.get("/metrics").text
    assert 'polytask_request_seconds_bucket{le="0.01",path="/predict"}' in metrics
    assert "polytask_predict_seconds_bucket" in metrics


def test_1000_rows_of_many_columns_are_not_too_much():
    row = {f"a_column_with_quite_a_name_{number}": -0.12345678901234567 for number in range(100)}
    assert len(json.dumps({"rows": [row] * 1000})) < MOST_BYTES


def test_only_who_has_the_token_is_answered(fitted, rows, tmp_path):
    (tmp_path / "token").write_text("0123456789abcdef\n")
    token = read_token(tmp_path / "token")
    with TestClient(make_application(fitted.run, token=token)) as client:
        assert client.get("/health").status_code == 200
        for path in ("/metrics", "/docs", "/openapi.json"):
            assert client.get(path).status_code == 401
        refused = client.post("/predict", content=b"x" * (1 << 24), headers={"authorization": "Bearer other"})
        assert refused.status_code == 401 and refused.headers["www-authenticate"] == "Bearer"
        given = {"authorization": f"Bearer {token}"}
        assert client.post("/predict", json={"rows": rows}, headers=given).status_code == 200


@pytest.mark.parametrize("content", ["short", "two words are no token at all", ""])
def test_a_token_that_is_none(fitted, tmp_path, content):
    (tmp_path / "token").write_text(content)
    assert_refused(polytask("serve", fitted.run, "--token-file", tmp_path / "token"), "--token-file", "16")
    assert_refused(polytask("serve", fitted.run, "--token-file", tmp_path / "none"), "--token-file", "cannot be read")


def test_a_certificate_that_is_none(fitted, tmp_path):
    (tmp_path / "cert.pem").write_text("no certificate")
    assert_refused(polytask("serve", fitted.run, "--ssl-certfile", tmp_path / "cert.pem"), "--ssl-certfile", "PEM")
    assert_refused(polytask("serve", fitted.run, "--ssl-keyfile", tmp_path / "cert.pem"), "needs --ssl-certfile")


def test_a_body_that_does_not_come_is_answered_with_408():
    async def silent():
        await asyncio.sleep(60)

    async def run():
        sent = []

        async def send(message):
            sent.append(message)

        await BodyLimit(None, most=10, seconds=0.05)({"type": "http", "headers": []}, silent, send)
        return sent

    start, body = asyncio.run(run())
    assert start["status"] == 408 and (b"connection", b"close") in start["headers"] and b"0.05 seconds" in body["body"]


def half_sent(address):
    """Connections with nothing, half a head and half a body."""
    host, port = address.removeprefix("http://").split(":")
    head = b"POST /predict HTTP/1.1\r\nhost: x\r\ncontent-length: 100\r\n\r\n"
    found = []
    for part in (b"", head[:30], head + b'{"rows'):
        found.append(socket.create_connection((host, int(port)), timeout=20))
        found[-1].sendall(part)
    return found


def ended(connection):
    try:
        return connection.recv(1000) == b""
    except ConnectionError:
        return True


def test_who_does_not_send_headers_is_dropped(fitted, monkeypatch):
    monkeypatch.setattr(Patience, "header_seconds", 0.3)
    with running(fitted.run) as address:
        assert httpx.get(f"{address}/health").status_code == 200
        silent, head, body = half_sent(address)
        assert ended(silent) and ended(head)
        body.settimeout(0.5)  # that one has the time of bodies
        with pytest.raises(TimeoutError):
            body.recv(1000)


def test_the_service_ends_beside_requests_that_are_half_there(fitted):
    with running(fitted.run) as address:
        held = half_sent(address)
        time.sleep(0.3)
        started = time.monotonic()
    assert time.monotonic() - started < 5
    assert all(map(ended, held))
