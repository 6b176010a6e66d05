"""What a teacher says is recorded without a trace in it, or brought by the user."""

import copy

import pytest
import torch

from polytask import MTLKD, Teacher, UserError
from small_distillation import ROWS, weights_of
from small_training import TASKS, differences, make_model


def test_recording_a_teacher_changes_neither_weights_nor_buffers_nor_modes():
    model = make_model(norm=True)
    model.encoder[0].eval()
    before, modes = copy.deepcopy(model.state_dict()), [part.training for part in model.modules()]
    teacher = Teacher.from_model(model, TASKS[2], ROWS)
    assert differences(dict(before), dict(model.state_dict())) == []
    assert modes == [part.training for part in model.modules()]
    model.eval()
    torch.testing.assert_close(teacher.outputs, model(ROWS.inputs)["topic"])
    assert torch.equal(teacher.features, model.features(ROWS.inputs))


def test_outputs_alone_from_a_table_of_predictions():
    ids = [f"r{number}" for number in range(96)]
    tables = {
        "spam": dict.fromkeys(ids, 0.9),
        "price": dict.fromkeys(ids, 2.0),
        "topic": {row: [0.2, 0.5, 0.3] for row in ids},
        "click": dict.fromkeys(ids, 0.1),
    }
    brought = {task.name: Teacher.from_predictions(task, tables[task.name], ids) for task in TASKS}
    torch.testing.assert_close(brought["topic"].outputs[0].softmax(0), torch.tensor([0.2, 0.5, 0.3]))
    found = weights_of(MTLKD(brought, features=False, kappa=1.0))
    assert differences(weights_of()[-1], found[-1])
    with pytest.raises(UserError, match="no prediction for 1 of 97 rows, first 'new'"):
        Teacher.from_predictions(TASKS[0], tables["spam"], [*ids, "new"])
