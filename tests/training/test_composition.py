"""Affinity, distillation and convergence in one training, with gradients balanced, in every sharing architecture."""

import numpy as np
import pytest

from polytask import AsynchronousConvergence, SequentialConvergence, UserError
from polytask.balancing import UPGrad
from polytask.models.sharing import SHARING
from polytask.training.callbacks import AffinityProbe, affinity_from_state
from small_distillation import small_scd, two_layers
from small_training import RARE, TASKS, Interrupt, assert_same_result, train


@pytest.mark.parametrize(
    ("sharing", "precision"), [(sharing, precision) for precision in ("32", "bf16") for sharing in SHARING]
)
def test_all_methods_in_one_training_that_is_interrupted(sharing, precision, tmp_path):
    def run(step=None, folder=None):
        methods = (
            AffinityProbe(every=2),
            small_scd(kappa=0.5),
            AsynchronousConvergence(patience=1),
        )
        seconds = RARE if step is None else 0.0
        settings = {"checkpoint_seconds": seconds, "evaluate_every": 4, "precision": precision}
        balancer = UPGrad()
        return train(
            *methods, Interrupt(step), model=two_layers(sharing), balancer=balancer, folder=folder, settings=settings
        )

    whole = run()
    assert np.isfinite(affinity_from_state(whole.callbacks["affinity"], [task.name for task in TASKS]).matrix).all()
    with pytest.raises(KeyboardInterrupt):
        run(23, tmp_path)
    assert_same_result(whole, run(folder=tmp_path))


def test_two_methods_that_decide_which_tasks_learn_are_refused():
    with pytest.raises(UserError, match=r"sequential.* and sequential.* both decide which tasks learn"):
        train(SequentialConvergence(), SequentialConvergence())
