"""The queue of blocks, and the phases of a training that follow from it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from .blocks import Blocks


def queue(blocks: Blocks, complexities: Sequence[float]) -> Blocks:
    """Blocks in the order in which they are distilled: complex ones first.

    Args:
        blocks: The blocks.
        complexities: One number per block; of equal ones the larger block is first, then the order of tasks decides.

    Example:
        >>> queue(((0, 1), (2, 3)), [.017778, .225])
        ((2, 3), (0, 1))
    """
    ranked = sorted(range(len(blocks)), key=lambda b: (-complexities[b], -len(blocks[b]), blocks[b]))
    return tuple(blocks[b] for b in ranked)


@dataclass(frozen=True)
class Phase:
    """A part of a training.

    Attributes:
        name: ``warm-up``, ``phase 1`` ..., ``final``.
        start: Its first step.
        blocks: How many blocks of the queue are distilled.
    """

    name: str
    start: int
    blocks: int


def phase_plan(queued: Blocks, steps: int, warmup: int, final: int) -> list[Phase]:
    """The phases of a training: warm-up without distillation, one phase per block, a final one with all blocks.

    The steps between warm-up and final phase are shared out by the blocks' sizes.

    Args:
        queued: The blocks in order.
        steps: All steps.
        warmup: Steps without distillation; at most a fifth of all.
        final: Steps with all blocks; at most a fifth of all.

    Example:
        >>> for phase in phase_plan(((2, 3), (0, 1)), steps=100, warmup=10, final=10):
        ...     print(phase.name, phase.start, phase.blocks)
        warm-up 0 0
        phase 1 10 1
        phase 2 50 2
        final 90 2
    """
    warmup, final = min(warmup, steps // 5), min(final, steps // 5)
    tasks, between = sum(map(len, queued)), steps - warmup - final
    phases = [Phase("warm-up", 0, 0)] if warmup else []
    before = 0
    for number, block in enumerate(queued, 1):
        phases.append(Phase(f"phase {number}", warmup + round(between * before / tasks), number))
        before += len(block)
    return [*phases, Phase("final", steps - final, len(queued))] if final else phases
