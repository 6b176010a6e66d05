"""``polytask serve``: what it answers, what it refuses, and that it keeps answering."""

import asyncio
import json
import socket
import threading
import time

import httpx
import numpy as np
import pytest
import uvicorn
from starlette.testclient import TestClient

from polytask.data import read_table
from polytask.errors import UserError
from polytask.runs.bundle import Bundle
from polytask.serving import make_application
from polytask.serving.batcher import Batcher
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
    assert client.post("/predict", content=(b"x" * 1000 for _ in range(100))).status_code == 413


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
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    config = uvicorn.Config(make_application(fitted.run), host="127.0.0.1", port=port, log_level="warning")
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
