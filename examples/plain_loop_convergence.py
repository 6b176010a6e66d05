"""Asynchronous convergence in a loop of your own: the monitor, the soft-label store and the objective."""

import copy

import torch
from sklearn.datasets import load_digits

import polytask as pt
from polytask.training import Objective, evaluate
from polytask.training.evaluation import task_outputs, trivial_levels

digits = load_digits()
x, y = torch.tensor(digits.data, dtype=torch.float32) / 16, torch.tensor(digits.target)
tasks = [pt.Task("digit", "multiclass", classes=tuple("0123456789")), pt.Task("even"), pt.Task("size", "regression")]
labels = {"digit": y, "even": (y % 2 == 0).float(), "size": (y - 4.5) / 2.9}
order = torch.randperm(len(x), generator=torch.Generator().manual_seed(0))
rows = pt.Rows.from_labels(x, labels, tasks)
train, validation = rows.subset(order[:1200]), rows.subset(order[1200:])

torch.manual_seed(0)
model = pt.MultiTaskModel(torch.nn.Sequential(torch.nn.Linear(64, 64), torch.nn.ReLU()), tasks)
optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)
objective, trivial = Objective(model.heads.groups, len(tasks)), trivial_levels(tasks, validation)
monitors = [pt.ConvergenceMonitor(patience=5, min_evaluations=10, trivial=trivial[task.name]) for task in tasks]
best = [copy.deepcopy(model) for _ in tasks]

for step in range(1, 1501):
    batch = train[torch.randint(1200, (128,))]
    objective(model.grouped(batch.inputs), batch).values.sum().backward()
    optimizer.step()
    optimizer.zero_grad()
    if step % 25 == 0:
        values = evaluate(model, validation)
        for k, (task, monitor) in enumerate(zip(tasks, monitors, strict=True)):
            if k in objective.soft:
                continue
            converged = monitor.update(step, values[task.name])
            if monitor.best_step == step:
                best[k].load_state_dict(model.state_dict())
            if converged:
                (outputs,) = task_outputs(best[k], train, [k])
                store = pt.SoftLabelStore(task.definition, (len(outputs), 1, *outputs.shape[1:]))
                store.fill(0, [outputs])  # or the outputs of several teachers
                objective.use_soft_labels(k, pt.SoftLabels(store.values, column=0))
                print(f"{task.name}: best {monitor.best:.3f} at step {monitor.best_step}, converged at step {step}")

kept = {task.name: round(values[task.name] / monitor.best, 3) for task, monitor in zip(tasks, monitors, strict=True)}
print("share of the best kept at the end:", kept)
