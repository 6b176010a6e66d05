"""Sequential cooperative distillation: similarity of tasks, blocks, their complexity, the queue and its phases."""

from .blocks import find_blocks
from .complexity import block_complexities, gap, skill_gap
from .phases import Phase, phase_plan, queue
from .similarity import given_similarity, linear_cka, teacher_similarity

__all__ = [
    "Phase",
    "block_complexities",
    "find_blocks",
    "gap",
    "given_similarity",
    "linear_cka",
    "phase_plan",
    "queue",
    "skill_gap",
    "teacher_similarity",
]
