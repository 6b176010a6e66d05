"""The HTTP service: health, metrics, predictions."""
# Without postponed annotations: the framework reads the request's model, which is made here, from the signature.

import json
import time
from pathlib import Path
from typing import Annotated, Any

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import HTMLResponse, JSONResponse
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, Counter, Histogram, generate_latest
from pydantic import BaseModel, Field, create_model

from ..errors import UserError
from ..runs.use import bundle_of_a_table
from .batcher import Batcher
from .body_limit import BodyLimit
from .page import documentation
from .quiet import few_lines
from .request_metrics import BUCKETS, RequestMetrics
from .rows import as_json, as_table, column_types, row_model
from .token import BearerToken

#: Mistakes of a request that are named.
MOST_NAMED = 20
#: Bytes of a request's body: 1,000 rows of a hundred columns.
MOST_BYTES = 1 << 23


def make_application(
    run: Path, *, most_rows: int = 1000, most_bytes: int = MOST_BYTES, trust: bool = False, token: str | None = None
) -> FastAPI:
    """The service of a finished run.

    ``POST /predict`` takes ``{"rows": [{column: value}]}``, an image as the base64 of its file, and gives
    ``{"predictions": [{...}]}`` with the columns of ``polytask predict``; ``GET /health``, ``GET /metrics``
    (Prometheus), ``GET /docs`` (a page that needs nothing from elsewhere), ``GET /openapi.json``.

    Args:
        run: Folder of the run.
        most_rows: Rows of one request.
        most_bytes: Bytes of one request's body.
        trust: Import and run the code that the run names, if its encoder is a custom class.
        token: Answer only requests that give it (``Authorization: Bearer TOKEN``), but for ``/health``.

    Raises:
        UserError: If the run is not finished or damaged, or learned from arrays.
    """
    bundle = bundle_of_a_table(run, trust)
    schema = bundle.schema
    # A service must not open files that somebody names: images come in the request.
    images = bundle.encoded.columns if bundle.encoded and bundle.encoded.checkpoint.reads == "image" else ()
    types = column_types(schema, images)
    tasks = [task.name for task in schema.tasks]
    row: Any = row_model(types)
    request_model: Any = create_model(
        "Rows", rows=(Annotated[list[row], Field(min_length=1, max_length=most_rows)], ...)
    )
    registry = CollectorRegistry()
    seconds = Histogram("polytask_predict_seconds", "Seconds from valid rows to predictions", buckets=BUCKETS,
                        registry=registry)  # fmt: skip
    predicted = Counter("polytask_rows", "Rows predicted", registry=registry)

    def work(rows: list[BaseModel]) -> list[dict[str, Any]]:
        return as_json(bundle.predict(as_table(rows, types), where="rows"))

    work([row.model_validate(dict.fromkeys(types))])  # loads now what the first request would wait for
    batcher: Batcher[BaseModel, dict[str, Any]] = Batcher(work, most_rows)
    app = FastAPI(title="polytask", description=f"Predictions of {', '.join(tasks)}", version="1", docs_url=None,
                  redoc_url=None, lifespan=few_lines)  # fmt: skip
    app.add_middleware(BodyLimit, most=most_bytes)
    if token is not None:
        app.add_middleware(BearerToken, token=token)
    app.add_middleware(RequestMetrics, registry=registry)
    page = documentation(tasks, types, most_rows)

    @app.exception_handler(UserError)
    async def refuse(request: Request, error: UserError) -> JSONResponse:
        return JSONResponse({"detail": list(error.problems)}, status_code=422)

    @app.exception_handler(RequestValidationError)
    async def explain(request: Request, error: RequestValidationError) -> JSONResponse:
        if "json" not in (kind := request.headers.get("content-type", "json")):
            what = f"expected JSON, with the header Content-Type: application/json; found {kind[:80]}"
            return JSONResponse({"detail": what}, status_code=415)
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

    @app.get("/docs", response_class=HTMLResponse, include_in_schema=False)
    async def docs() -> HTMLResponse:
        return HTMLResponse(page, headers={"content-security-policy": "default-src 'none'; style-src 'unsafe-inline'"})

    @app.post("/predict", response_class=JSONResponse, responses={200: {"model": Predictions}})
    async def predict(body: request_model) -> Response:
        """Predictions for every row, in order."""
        started = time.monotonic()
        found = await batcher(body.rows)  # type: ignore[attr-defined]
        seconds.observe(time.monotonic() - started)
        predicted.inc(len(found))
        # Written here: the framework would look at every value once more before it does the same.
        return Response(json.dumps({"predictions": found}), media_type="application/json")

    return app


class Predictions(BaseModel):
    """What ``/predict`` answers."""

    predictions: list[dict[str, Any]]
