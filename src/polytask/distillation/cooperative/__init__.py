"""Sequential cooperative distillation: similarity of tasks, blocks, their complexity, the queue and its phases."""

from .blocks import find_blocks
from .complexity import block_complexities, gap, loss_ratio, skill_gap, speed
from .phases import Phase, end_phase, phase_plan, queue
from .similarity import as_similarity, linear_cka, representation_similarity, similarity_matrix

__all__ = [
    "Phase",
    "as_similarity",
    "block_complexities",
    "end_phase",
    "find_blocks",
    "gap",
    "linear_cka",
    "loss_ratio",
    "phase_plan",
    "queue",
    "representation_similarity",
    "similarity_matrix",
    "skill_gap",
    "speed",
]
