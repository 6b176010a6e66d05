"""Small checkpoints, made once."""

from __future__ import annotations

from pathlib import Path

import pytest

from small_encoder import image_encoder, text_encoder


@pytest.fixture(scope="session")
def bert(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return text_encoder(tmp_path_factory.mktemp("checkpoints") / "bert")


@pytest.fixture(scope="session")
def vit(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return image_encoder(tmp_path_factory.mktemp("checkpoints") / "vit")


@pytest.fixture(scope="session")
def convnext(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return image_encoder(tmp_path_factory.mktemp("checkpoints") / "convnext", "convnext", 32)
