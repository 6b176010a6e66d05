"""Two processes that distil, or share in another way, are one."""

import time

import pytest
import torch
from torch import multiprocessing

import distilled_processes
from small_training import differences


@pytest.fixture(scope="module")
def found(tmp_path_factory):
    path = tmp_path_factory.mktemp("distilled")
    context = multiprocessing.spawn(distilled_processes.run, (str(path),), nprocs=2, join=False)
    assert context is not None
    give_up = time.monotonic() + 100
    try:
        while not context.join(timeout=1):
            assert time.monotonic() < give_up, "the processes wait for each other"
    finally:
        for process in context.processes:
            process.kill()
    return [torch.load(path / f"{number}.pt", weights_only=False) for number in range(2)]


@pytest.mark.parametrize("method", distilled_processes.METHODS)
def test_two_processes_are_one(method, found):
    assert differences(found[0][method], found[1][method]) == []
    alone = distilled_processes.train(method)
    for name, value in alone.items():
        torch.testing.assert_close(found[0][method][name], value, rtol=1e-4, atol=1e-5)
