"""Balancing: every way to turn the losses of K tasks into one update."""

from .balancer import Balancer
from .gradient_balancer import GradientBalancer
from .methods.aligned_mtl import AlignedMTL
from .methods.cagrad import CAGrad
from .methods.conf_ig import ConFIG
from .methods.cosmos import COSMOS
from .methods.cr_mogm import CRMOGM
from .methods.db_mtl import DBMTL, db_mtl_scales
from .methods.dtp import DTP, dtp_weights
from .methods.dual_proj import DualProj
from .methods.dwa import DWA, dwa_weights
from .methods.equal import Equal
from .methods.excess_mtl import ExcessMTL, excess_risks
from .methods.fairgrad import FairGrad
from .methods.famo import FAMO, famo_gradient, famo_weights
from .methods.gls import GLS, gls_weights
from .methods.graddrop import GradDrop
from .methods.gradnorm import GradNorm, gradnorm_gradient
from .methods.gradvac import GradVac
from .methods.imtl import IMTL
from .methods.imtl_g import IMTLG
from .methods.imtl_l import IMTLL
from .methods.mgda import MGDA
from .methods.nash_mtl import NashMTL
from .methods.pbi import PBI
from .methods.pcd import PCD
from .methods.pcgrad import PCGrad
from .methods.rlw import RLW
from .methods.scale_invariant import ScaleInvariant, scale_invariant_weights
from .methods.static import Static
from .methods.stch import STCH, stch_mtl_weights, stch_weights
from .methods.uncertainty import UncertaintyWeighting, uncertainty_weights
from .methods.upgrad import UPGrad
from .needs import Needs
from .second_forward import KeptBuffers, repeatable
from .task_losses import OwnOutputs, TaskLosses
from .task_weights import TaskWeights

_METHODS: tuple[type[Balancer], ...] = (
    Static, Equal, DWA, DTP, GradNorm, UncertaintyWeighting, IMTLL, ScaleInvariant, GLS, STCH, COSMOS, PBI,
    RLW, FAMO, DBMTL, UPGrad, DualProj, PCGrad, GradVac, CAGrad, MGDA, IMTLG, IMTL, AlignedMTL, NashMTL, FairGrad,
    ConFIG, GradDrop, PCD, ExcessMTL, CRMOGM,
)  # fmt: skip

#: Methods by the name they have on the command line.
BALANCERS: dict[str, type[Balancer]] = {method.name: method for method in _METHODS}

__all__ = [
    "BALANCERS",
    "COSMOS",
    "CRMOGM",
    "DBMTL",
    "DTP",
    "DWA",
    "FAMO",
    "GLS",
    "IMTL",
    "IMTLG",
    "IMTLL",
    "MGDA",
    "PBI",
    "PCD",
    "RLW",
    "STCH",
    "AlignedMTL",
    "Balancer",
    "CAGrad",
    "ConFIG",
    "DualProj",
    "Equal",
    "ExcessMTL",
    "FairGrad",
    "GradDrop",
    "GradNorm",
    "GradVac",
    "GradientBalancer",
    "KeptBuffers",
    "NashMTL",
    "Needs",
    "OwnOutputs",
    "PCGrad",
    "ScaleInvariant",
    "Static",
    "TaskLosses",
    "TaskWeights",
    "UPGrad",
    "UncertaintyWeighting",
    "db_mtl_scales",
    "dtp_weights",
    "dwa_weights",
    "excess_risks",
    "famo_gradient",
    "famo_weights",
    "gls_weights",
    "gradnorm_gradient",
    "repeatable",
    "scale_invariant_weights",
    "stch_mtl_weights",
    "stch_weights",
    "uncertainty_weights",
]
