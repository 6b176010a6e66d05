"""The queue of blocks, and the phases of a training that follow from it."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass, replace

from .blocks import Blocks

ORDERS = ("complex_first", "simple_first", "random")
SCHEDULES = ("cumulative", "exclusive", "decay")
PHASE_ENDS = ("share", "patience")


def queue(blocks: Blocks, complexities: Sequence[float], order: str = "complex_first", seed: int = 0) -> Blocks:
    """Blocks in the order in which they are distilled.

    Args:
        blocks: The blocks.
        complexities: One number per block.
        order: ``complex_first`` (descending; of equal ones the larger block first, then in the order of tasks),
            ``simple_first`` (its reverse), or ``random``.
        seed: Of the random order.

    Example:
        >>> queue(((0, 1), (2, 3)), [.017778, .225])
        ((2, 3), (0, 1))
    """
    ranked = sorted(range(len(blocks)), key=lambda b: (-complexities[b], -len(blocks[b]), blocks[b]))
    if order == "simple_first":
        ranked.reverse()
    elif order == "random":
        random.Random(seed).shuffle(ranked)
    return tuple(blocks[b] for b in ranked)


@dataclass(frozen=True)
class Phase:
    """A part of a training.

    Attributes:
        name: ``warm-up``, ``phase 1`` ..., ``final``.
        start: Its first step.
        weights: Weight of the distillation of every block that is on, by the block's place in the queue.
        block: The block that it is for; None for warm-up and final phase.
    """

    name: str
    start: int
    weights: dict[int, float]
    block: int | None = None


def phase_plan(
    queued: Blocks, steps: int, warmup: int, final: int, schedule: str = "cumulative", rho: float = 0.5
) -> list[Phase]:
    """The phases of a training: warm-up without distillation, one phase per block, a final one with all blocks.

    The steps between warm-up and final phase are shared out by the blocks' sizes.

    Args:
        queued: The blocks in order.
        steps: All steps.
        warmup: Steps without distillation; at most a fifth of all.
        final: Steps with all blocks; at most a fifth of all.
        schedule: ``cumulative``: blocks stay on; ``exclusive``: only the phase's own block; ``decay``: the weight of
            earlier blocks is multiplied by ``rho`` with every phase.
        rho: See ``decay``.

    Example:
        >>> for phase in phase_plan(((2, 3), (0, 1)), steps=100, warmup=10, final=10):
        ...     print(phase.name, phase.start, phase.weights)
        warm-up 0 {}
        phase 1 10 {0: 1.0}
        phase 2 50 {0: 1.0, 1: 1.0}
        final 90 {0: 1.0, 1: 1.0}
    """
    warmup, final = min(warmup, steps // 5), min(final, steps // 5)
    tasks, between = sum(map(len, queued)), steps - warmup - final
    phases = [Phase("warm-up", 0, {})] if warmup else []
    before = 0
    for number, block in enumerate(queued):
        weights = {earlier: _weight(schedule, number - earlier, rho) for earlier in range(number + 1)}
        weights = {earlier: weight for earlier, weight in weights.items() if weight > 0}
        phases.append(Phase(f"phase {number + 1}", warmup + round(between * before / tasks), weights, number))
        before += len(block)
    return [*phases, Phase("final", steps - final, dict.fromkeys(range(len(queued)), 1.0))] if final else phases


def end_phase(plan: Sequence[Phase], number: int, step: int, steps: int) -> list[Phase]:
    """The plan when phase ``number`` ends at ``step``: what it leaves goes to the phases of later blocks, in proportion
    to their lengths, or to the final phase if there are none.

    Args:
        plan: The phases so far.
        number: The phase's place in it.
        step: Not after the phase's planned end.
        steps: All steps.

    Example:
        >>> plan = phase_plan(((2, 3), (0, 1), (4, 5)), steps=100, warmup=10, final=10)
        >>> [(phase.name, phase.start) for phase in end_phase(plan, 1, 20, 100)]
        [('warm-up', 0), ('phase 1', 10), ('phase 2', 20), ('phase 3', 54), ('final', 90)]
    """
    rest = list(plan[number + 1 :])
    if not rest:
        return list(plan)
    fixed = [phase.start for phase in rest if phase.block is None]
    begin, end = rest[0].start, fixed[0] if fixed else steps
    stretch = (end - step) / (end - begin) if end > begin else 0.0
    moved = [
        phase if phase.block is None and place else replace(phase, start=step + round(stretch * (phase.start - begin)))
        for place, phase in enumerate(rest)
    ]
    return [*plan[: number + 1], *moved]


def _weight(schedule: str, age: int, rho: float) -> float:
    if age == 0 or schedule == "cumulative":
        return 1.0
    return 0.0 if schedule == "exclusive" else rho**age
