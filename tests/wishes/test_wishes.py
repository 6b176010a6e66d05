"""The twenty wishes of users of multi-task tools, each by the code of the FAQ and by what makes it come true."""

from __future__ import annotations

import hashlib
import json
import math
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
import torch
import yaml
from safetensors.torch import load_file, save_file
from torch import Tensor, distributed

import polytask as pt
from documents import ROOT
from frequent_questions import Answer, run_section
from polytask.balancing import BALANCERS
from polytask.balancing.catalogue import sections
from polytask.data import read_table
from polytask.runs import Bundle
from small_table import polytask
from small_training import Interrupt
from spawned import run_in_processes

Faq = Callable[[int], Answer]
#: Rows of the first of two processes; the second has no label for the price.
HALF = 120


def in_process(rank: int, folder: Path) -> None:
    """One step of the FAQ's loop on half of the rows; keeps the gradients and the weights."""
    torch.set_num_threads(1)
    os.chdir(folder)
    distributed.init_process_group("gloo", init_method=f"file://{folder}/store", rank=rank, world_size=2)
    answer = run_section(3, folder)
    x, labels = answer["x"], answer["labels"]
    mine = slice(0, HALF) if rank == 0 else slice(HALF, None)
    weights = answer["step"](x[mine], {task: y[mine] for task, y in labels.items() if rank == 0 or task == "click"})
    gradients = {name: parameter.grad for name, parameter in answer["model"].named_parameters()}
    save_file(gradients | {"weights": weights}, folder / f"{rank}.safetensors")
    distributed.destroy_process_group()


def events(path: Path, event: str = "evaluation") -> list[dict[str, Any]]:
    return [line for text in path.read_text().splitlines() if (line := json.loads(text))["event"] == event]


def same(first: Mapping[str, Tensor], second: Mapping[str, Tensor]) -> bool:
    return all(torch.equal(first[name], second[name]) for name in first)


def test_wish_01_missing_and_partial_labels(faq: Faq) -> None:
    answer = faq(1)
    seen = events(answer.folder / "log.jsonl")[-1]["labels"]
    assert 0 < seen["click"] < 0.3 * seen["price"]
    assert answer["weights"].tolist()[0] == 0  # no click in the batch
    # NaN, the ignore index and an absent key are one thing.
    task = pt.Task("size", kind="multiclass", classes=("a", "b", "c"))
    nan, ignored = (pt.Rows.from_labels(torch.zeros(3, 1), {"size": torch.tensor([1, hole, hole])}, [task])
                    for hole in (math.nan, -100))  # fmt: skip
    assert torch.equal(nan.observed, ignored.observed) and nan.label_counts().tolist() == [1]
    assert pt.Rows.from_labels(torch.zeros(3, 1), {}, [task]).label_counts().tolist() == [0]
    # An absent task is left out of the Gramian.
    theta = torch.zeros(3, requires_grad=True)
    balancer = pt.balancing.UPGrad()
    balancer.bind(["a", "b", "c"])
    balancer.backward({"a": 1 + theta[0], "c": 1 + theta.sum()}, shared=[theta])
    assert balancer.gramian.shape == (2, 2)


def test_wish_02_tasks_with_different_data_sets(faq: Faq) -> None:
    folder = faq(2).folder
    tasks = json.loads((folder / "runs/sources/results.json").read_text())["tasks"]
    assert set(tasks) == {"click", "purchase", "spend"}
    labels = events(folder / "runs/sources/metrics.jsonl")[-1]["labels"]
    assert 0.6 < labels["spend"] / labels["click"] < 1.4  # equal shares, whatever the sizes; some labels are missing
    answer = faq(2)
    assert answer["both"].label_counts().tolist() == [240, 240, 49]
    assert answer["sets"].history[-1].labels == {"click": 240, "price": 240, "spam": 80}  # 24 + 8 rows a step
    assert answer["shares"].shape == (2,) and answer["balancer"].steps == 10


def test_wish_03_several_processes(faq: Faq, tmp_path: Path) -> None:
    answer = faq(3)
    model, x, labels = answer["model"], answer["x"], answer["labels"]
    outputs = model(x)
    (
        torch.nn.functional.binary_cross_entropy_with_logits(outputs["click"], labels["click"])
        + torch.nn.functional.mse_loss(outputs["price"][:HALF], labels["price"][:HALF])
    ).backward()
    run_in_processes(in_process, (tmp_path,), 2, seconds=300)
    both = [load_file(tmp_path / f"{rank}.safetensors") for rank in (0, 1)]
    for name, parameter in model.named_parameters():
        torch.testing.assert_close(both[0][name], parameter.grad)
    assert same(both[0], both[1])  # the weights of the tasks, too


def test_wish_04_cost_of_gradients_is_reported_before_training(faq: Faq) -> None:
    assert "costs every 10 steps: gradients of 3 tasks" in " ".join(faq(4).printed.split())
    cheap = [name for name in BALANCERS if not BALANCERS[name].sees.startswith("gradient")]
    assert {"equal", "static", "dwa", "uw"} <= set(cheap)


def test_wish_05_what_goes_together(faq: Faq) -> None:
    assert "db_mtl" in faq(5)["refused"] and "exact" in faq(5)["refused"]
    # Parts, a scaler and clipping change nothing but precision and length of the step.
    labels, plain = faq(5)["labels"], faq(5)["network"]()
    outputs = plain(faq(5)["x"])
    whole = {"click": torch.nn.functional.binary_cross_entropy_with_logits(outputs["click"], labels["click"]),
             "price": torch.nn.functional.mse_loss(outputs["price"], labels["price"])}  # fmt: skip
    pt.balancing.UncertaintyWeighting().backward(whole)
    length = torch.nn.utils.clip_grad_norm_(plain.parameters(), 0.5)
    assert faq(5)["norm"].item() == pytest.approx(length.item(), rel=0.02) and length > 0.5
    for name, parameter in faq(5)["model"].named_parameters():
        expected = dict(plain.named_parameters())[name].grad
        torch.testing.assert_close(parameter.grad, expected, rtol=0.05, atol=0.01)
    table = (ROOT / "docs/methods/compatibility.md").read_text()
    assert all(f"| {name} | yes" in table or f"| {name} | no" in table for name in BALANCERS)


def test_wish_06_sampling_of_uneven_sources(faq: Faq) -> None:
    shares = faq(6)["shares"]
    assert shares["proportional"][0] == pytest.approx(1 / 101)
    assert shares["equal"] == [0.5, 0.5]
    assert shares["temperature"][0] == pytest.approx(1 / 11)
    assert events(faq(6).folder / "uneven.jsonl", "training_end")[0]["drawn"] == [480, 160]


def test_wish_07_fixed_weights(faq: Faq) -> None:
    answer = faq(7)
    said = " ".join(answer.printed.split())
    assert "weight 0.5" in said and "in the last step, yours included: click 1, spend 0.5" in said
    assert answer["fixed"].history[-1].weights == {"click": 2.0, "price": 0.5}
    assert answer["own_loop"].user_weights.tolist() == [2.0, 0.5]
    # One rule for every method: the user's weight multiplies what the method finds.
    for name in ("equal", "dwa", "uw", "gls", "scale_invariant"):
        balancer, plain = BALANCERS[name](), BALANCERS[name]()
        balancer.bind(["a", "b"], {"a": 3.0, "b": 1.0})
        losses = {"a": torch.tensor(0.5, requires_grad=True), "b": torch.tensor(2.0, requires_grad=True)}
        expected = plain.backward({task: loss * 1 for task, loss in losses.items()})
        losses["a"].grad = losses["b"].grad = None
        balancer.backward({task: loss * 1 for task, loss in losses.items()})
        assert losses["a"].grad == pytest.approx(3 * expected[0].item())


def test_wish_08_a_metric_for_each_task(faq: Faq) -> None:
    answer = faq(8)
    result = answer["result"]
    predicted, true = result.model(answer["x"])["price"].detach(), answer["labels"]["price"]
    found = ((predicted - true).abs() < 1).float().mean().item()
    assert result.tasks["price"].validation == pytest.approx(found)
    assert answer["measured"][0].metric_definition.direction == "min"


def test_wish_09_which_checkpoint(faq: Faq) -> None:
    answer = faq(9)
    click = answer["by"]["task.click"]
    assert click.tasks["click"].validation == max(evaluation.validation["click"] for evaluation in click.history)
    worst = {name: min(task.kept for task in result.tasks.values()) for name, result in answer["by"].items()}
    assert worst["worst"] == max(worst.values())
    for name, (value, _) in answer["best"].best.items():
        assert value == max(evaluation.validation[name] for evaluation in answer["common"].history)
    network, x, labels = answer["click_at_its_best"], answer["x"], answer["labels"]
    rows = pt.Rows.from_labels(x, labels, answer["tasks"])
    assert pt.evaluate(network, rows)["click"] == pytest.approx(answer["best"].best["click"][0])
    config = yaml.safe_load((answer.folder / "runs/main/config.yaml").read_text())
    assert config["training"]["select_by"] == "task.click"


def test_wish_10_honest_baselines(faq: Faq) -> None:
    results = json.loads((faq(10).folder / "studies/first/results.json").read_text())
    text = json.dumps(results)
    assert all(f'"{method}"' in text for method in ("uw", "equal", "single_task", "static"))
    assert (faq(10).folder / "studies/first/report.html").exists()


def test_wish_11_reproducible(faq: Faq) -> None:
    folder = faq(11).folder
    one, again = (json.loads((folder / f"runs/{name}/results.json").read_text())["tasks"] for name in ("one", "again"))
    assert one == again
    made_with = json.loads((folder / "runs/one/results.json").read_text())["made_with"]
    assert made_with["data"] == hashlib.sha256((folder / "customers.csv").read_bytes()).hexdigest()
    assert made_with["versions"]["torch"] and made_with["versions"]["polytask"] == pt.__version__
    config = yaml.safe_load((folder / "runs/one/config.yaml").read_text())
    assert "seed" in config["run"] and "learning_rate" in config["training"] and "split" in config["data"]


def test_wish_12_trust_in_the_methods(faq: Faq) -> None:
    assert "Kendall" in faq(12).printed and "@inproceedings" in faq(12).printed
    for name in BALANCERS:
        assert {"Source", "Cost", "When to choose it"} <= set(sections(name)), name
    log_variance = torch.tensor([0.0, math.log(4)])
    assert pt.balancing.uncertainty_weights(log_variance).tolist() == pytest.approx([1 / 2, 1 / 8])  # 1 / (2 variance)


def test_wish_13_save_load_resume(faq: Faq, tmp_path: Path) -> None:
    answer = faq(13)
    network, data, quick = answer["network"], answer["data"], answer["quick"]
    first = answer["first"].model.state_dict()
    assert same(first, answer["again"].model.state_dict())
    with pytest.raises(KeyboardInterrupt):
        pt.fit(network(), **data, settings=quick, folder=tmp_path / "cut", callbacks=[Interrupt(25)])
    resumed = pt.fit(network(), **data, settings=quick, folder=tmp_path / "cut", callbacks=[Interrupt()])
    assert same(first, resumed.model.state_dict())
    run = answer.folder / "runs/first"
    assert answer["predicted"].equals(answer["bundle"].predict(read_table(answer.folder / "customers.csv")))
    written = read_table(answer.folder / "predictions.csv")
    assert answer["predicted"]["spend"].to_pylist() == pytest.approx(written["spend"].to_pylist())
    assert same(first, answer["loaded"].state_dict())
    assert set(Bundle.load(run).serves) == {"click", "purchase", "spend"}
    files = [path for path in run.rglob("*") if path.is_file()]
    assert not [path for path in files if path.suffix in (".pkl", ".pt", ".pickle", ".joblib")]
    written = [path for path in files if str(answer.folder).encode() in path.read_bytes()]
    assert not written, "an absolute path"


def test_wish_14_freeze_and_add_a_task(faq: Faq) -> None:
    answer = faq(14)
    first, trained = answer["at_first"], answer["frozen"].state_dict()
    moved = {name for name in first if not torch.equal(first[name], trained[name])}
    assert moved and not [name for name in moved if name.startswith(("encoder.0", "encoder.1"))]  # statistics, too
    assert any(name.startswith("encoder.3") for name in moved)
    before, frozen, held = (Bundle.load(answer.folder / f"runs/{name}") for name in ("old", "frozen", "held"))
    results = json.loads((answer.folder / "runs/frozen/results.json").read_text())
    assert {task: entry["change"] for task, entry in results["baselines"]["before"].items()} == {"click": 0, "spend": 0}
    assert same(before.networks[0].state_dict(), frozen.networks[0].state_dict())
    assert set(frozen.serves) == set(held.serves) == {"click", "spend", "returned"}


def test_wish_15_own_model_and_loop(faq: Faq) -> None:
    answer = faq(15)
    assert answer["weights"].sum().item() == pytest.approx(2)
    assert all(parameter.grad is not None for parameter in answer["parameters"])


@pytest.mark.slow
def test_wish_16_export(faq: Faq) -> None:
    faq(13)
    answer = faq(16)
    assert "it agrees with PyTorch on" in answer.printed and "(click, spend)" in answer.printed
    rows = pa.table({"age": [41.0, None], "visits": [5.5, 3.0], "colour": ["r", None]})
    expected = Bundle.load(answer.folder / "runs/first").predict(rows)
    assert answer["spend"].tolist() == pytest.approx(expected["spend"].to_pylist(), abs=1e-4)
    assert answer["click"][:, 1].tolist() == pytest.approx(expected["click_p_yes"].to_pylist(), abs=1e-4)
    program = torch.export.load(answer.folder / "model.pt2")
    assert program.graph_signature.user_outputs


def test_wish_17_what_is_going_on(faq: Faq) -> None:
    seen = events(faq(17).folder / "watched.jsonl")
    assert len(seen) == 4
    for key in ("losses", "weights", "labels", "gradient_norms", "conflicts"):
        assert set(seen[-1][key]) == {"click", "price"}, key
    for name in ("watched", "probed"):
        last = events(faq(17).folder / f"{name}.jsonl")[-1]
        assert -1 <= last["cosines"]["click"]["price"] <= 1
        assert last["share_of_steps"] == {"click": 1.0, "price": 1.0}


def test_wish_18_learned_weights_that_look_broken(faq: Faq) -> None:
    answer = faq(18)
    assert answer["total"] < 0  # and that is as it should be
    assert answer["weights"].tolist() == pytest.approx([math.exp(4) / 2] * 2)
    uw = answer["uw"]
    assert not list(uw.parameters()), "nothing to add to an optimiser, nothing to decay"


def test_wish_19_mixed_kinds_and_several_losses(faq: Faq) -> None:
    answer = faq(19)
    assert set(answer["kinds"].tasks) == {"click", "size", "price", "topics"}
    assert all(math.isfinite(task.validation) for task in answer["kinds"].tasks.values())
    assert answer["depth"]["gradient"].grad == pytest.approx(0.1)
    logged = events(answer.folder / "mixed.jsonl")[-1]["single_losses"]
    assert set(logged) == {"price"} and set(logged["price"]) == {"squared", "absolute"}
    predicted, true = answer["kinds"].model(answer["x"])["price"].detach(), (answer["labels"]["price"] - 10) / 4
    returned = next(e for e in events(answer.folder / "mixed.jsonl") if e["epoch"] == answer["kinds"].epoch)
    assert returned["single_losses"]["price"]["squared"] == pytest.approx(((predicted - true) ** 2).mean().item())


def test_wish_20_rates_of_parts_and_a_pareto_front(faq: Faq) -> None:
    found = json.loads((faq(20).folder / "searches/first/results.json").read_text())
    assert found["objectives"] == ["mean_skill", "parameters"] and len(found["front"]) >= 1

    before, after = faq(20)["network"]().state_dict(), faq(20)["by_part"].model.state_dict()
    moved = {name: (after[name] - before[name]).abs().max().item() for name in before}
    shared = max(value for name, value in moved.items() if name.startswith("encoder"))
    heads = max(value for name, value in moved.items() if not name.startswith("encoder"))
    assert 0 < shared < 40 * 1e-4 * 1.01 < heads  # Adam moves by about the learning rate a step
    config = yaml.safe_load((faq(20).folder / "runs/parts/config.yaml").read_text())
    assert config["training"]["parts"]["shared"]["learning_rate"] == 1e-4


def test_the_questions_are_all_answered() -> None:
    text = (ROOT / "docs" / "faq.md").read_text()
    assert [f"## {number}. " in text for number in range(1, 21)] == [True] * 20
    assert polytask("doctor", "--help").exit_code == 0
