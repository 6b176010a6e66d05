"""The HTTP service: health, metrics, predictions."""
# Without postponed annotations: the framework reads the request's model, which is made here, from the signature.

import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Annotated, Any

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, Counter, Histogram, generate_latest
from pydantic import BaseModel, Field, create_model

from ..errors import UserError
from ..runs.use import bundle_of_a_table
from .batcher import Batcher
from .body_limit import BodyLimit
from .rows import as_json, as_table, column_types, row_model

#: Mistakes of a request that are named.
MOST_NAMED = 20


def make_application(run: Path, *, most_rows: int = 1000, most_bytes: int = 1 << 20, trust: bool = False) -> FastAPI:
    """The service of a finished run.

    ``POST /predict`` takes ``{"rows": [{column: value}]}``, a picture as the base64 of its file, and gives
    ``{"predictions": [{...}]}`` with the columns of ``polytask predict``; ``GET /health``, ``GET /metrics``
    (Prometheus), ``GET /docs`` (OpenAPI).

    Args:
        run: Folder of the run.
        most_rows: Rows of one request.
        most_bytes: Bytes of one request's body.
        trust: Import and run the code that the run names, if its encoder is a class of somebody's.

    Raises:
        UserError: If the run is not finished or damaged, or learned from arrays.
    """
    bundle = bundle_of_a_table(run, trust)
    schema = bundle.schema
    # A service must not open files that somebody names: pictures come in the request.
    pictures = bundle.encoded.columns if bundle.encoded and bundle.encoded.checkpoint.reads == "image" else ()
    types = column_types(schema, pictures)
    tasks = [task.name for task in schema.tasks]
    row: Any = row_model(types)
    request_model: Any = create_model(
        "Rows", rows=(Annotated[list[row], Field(min_length=1, max_length=most_rows)], ...)
    )
    registry = CollectorRegistry()
    requests = Counter("polytask_requests", "Requests by path and status", ["path", "status"], registry=registry)
    seconds = Histogram("polytask_predict_seconds", "Seconds per prediction request", registry=registry)
    predicted = Counter("polytask_rows", "Rows predicted", registry=registry)

    def work(rows: list[BaseModel]) -> list[dict[str, Any]]:
        return as_json(bundle.predict(as_table(rows, types), where="rows"))

    work([row.model_validate(dict.fromkeys(types))])  # loads now what the first request would wait for
    batcher: Batcher[BaseModel, dict[str, Any]] = Batcher(work, most_rows)
    app = FastAPI(title="polytask", description=f"Predictions of {', '.join(tasks)}", version="1")
    app.add_middleware(BodyLimit, most=most_bytes)

    @app.middleware("http")
    async def count(request: Request, handle: Callable[[Request], Awaitable[Response]]) -> Response:
        response = await handle(request)
        known = request.url.path if request.url.path in ("/predict", "/health", "/metrics") else "other"
        requests.labels(known, response.status_code).inc()
        return response

    @app.exception_handler(UserError)
    async def refuse(request: Request, error: UserError) -> JSONResponse:
        return JSONResponse({"detail": list(error.problems)}, status_code=422)

    @app.exception_handler(RequestValidationError)
    async def explain(request: Request, error: RequestValidationError) -> JSONResponse:
        # Without the cells themselves: NaN or half a surrogate would not go into the answer, many rows would swell it.
        named = [{key: found[key] for key in ("type", "loc", "msg")} for found in error.errors()]
        more = {"more": len(named) - MOST_NAMED} if len(named) > MOST_NAMED else {}
        return JSONResponse({"detail": named[:MOST_NAMED], **more}, status_code=422)

    @app.get("/health")
    async def health() -> dict[str, Any]:
        """Whether the service answers, and for which targets."""
        return {"status": "ok", "tasks": tasks, "networks": len(bundle.networks)}

    @app.get("/metrics", response_class=Response)
    async def metrics() -> Response:
        """Counters and durations as Prometheus reads them."""
        return Response(generate_latest(registry), media_type=CONTENT_TYPE_LATEST)

    @app.post("/predict")
    async def predict(body: request_model) -> dict[str, list[dict[str, Any]]]:
        """Predictions for every row, in order."""
        started = time.monotonic()
        found = await batcher(body.rows)  # type: ignore[attr-defined]
        seconds.observe(time.monotonic() - started)
        predicted.inc(len(found))
        return {"predictions": found}

    return app
