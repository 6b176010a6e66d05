"""Start the processes that train jointly, or join those that torchrun or SLURM have started."""

from __future__ import annotations

import logging
import os
from dataclasses import dataclass

from ..errors import UserError, did_you_mean
from .lost import remember_members
from .meeting import watched
from .open_files import reserve_files
from .slurm import workers_of_srun

STRATEGIES = ("ddp", "fsdp")


@dataclass(frozen=True)
class Processes:
    """How many processes train one network.

    Attributes:
        devices: Processes of this machine: one per GPU, or any number on a CPU.
        nodes: Machines; on each the same command is started, by SLURM or with ``NODE_RANK``, ``MASTER_ADDR`` and
            ``MASTER_PORT`` set.
        strategy: ``ddp``: every process has the whole network and a share of every batch; ``fsdp``: also a share of the
            encoder, see :mod:`polytask.training.sharding`.

    Raises:
        UserError: If the strategy is not known.
    """

    devices: int = 1
    nodes: int = 1
    strategy: str = "ddp"

    def __post_init__(self) -> None:
        if self.strategy not in STRATEGIES:
            raise UserError(
                f"strategy: expected {' or '.join(STRATEGIES)}, found {self.strategy!r}; "
                f"{did_you_mean(self.strategy, STRATEGIES)}"
            )

    def launch(self, device: str) -> None:
        """Return in every process, with ``torch.distributed`` ready; do nothing for one process.

        The command of this process is run again for the others of this machine, unless torchrun or ``srun`` have.

        Args:
            device: ``auto``, ``cpu`` or ``cuda``.

        Raises:
            UserError: If ``srun`` has started other numbers than ``devices`` and ``nodes`` ask for.
            OSError: Too few files can be opened for this many processes.
        """
        from torch import distributed

        torchrun = distributed.is_available() and distributed.is_torchelastic_launched()
        joined = torchrun or self._join_srun()
        if self.devices * self.nodes == 1 and not (joined and int(os.environ["WORLD_SIZE"]) > 1):
            return
        reserve_files(self.devices)
        from lightning_fabric import Fabric
        from lightning_fabric.plugins.environments import LightningEnvironment, TorchElasticEnvironment

        logging.getLogger("lightning_fabric").setLevel(logging.WARNING)
        devices = int(os.environ.get("LOCAL_WORLD_SIZE", self.devices))  # torchrun knows how many there are
        nodes = int(os.environ.get("GROUP_WORLD_SIZE", self.nodes))
        _forget_addresses_before_restart()
        environment = TorchElasticEnvironment() if joined else LightningEnvironment()
        fabric = Fabric(accelerator=device, devices=devices, num_nodes=nodes, strategy="ddp", plugins=[environment])
        with watched(getattr(fabric.strategy.launcher, "procs", ())):
            fabric.launch()
            remember_members()

    def _join_srun(self) -> bool:
        """Whether SLURM has started this process as one of several; it is then told so in torchrun's way."""
        found = workers_of_srun(os.environ)
        if not found:
            return False
        started = int(found["LOCAL_WORLD_SIZE"]), int(found["GROUP_WORLD_SIZE"])
        if (self.devices, self.nodes) not in ((1, 1), started):
            raise UserError(
                f"devices and nodes: srun has started {started[0]} tasks on each of {started[1]} machines, found "
                f"devices {self.devices} and nodes {self.nodes}; leave them out, or start one task per device with "
                f"srun --nodes={self.nodes} --ntasks-per-node={self.devices}"
            )
        os.environ.update(found)
        return True


def _forget_addresses_before_restart() -> None:
    """Join the others of torchrun under a name of this attempt.

    torchrun keeps one store over its restarts, so that a worker can find the address of one that is dead
    (pytorch/pytorch#135712). The count of restarts is the same everywhere on one machine only: for several,
    torchrun itself has to be told, by ``TORCH_DISABLE_SHARE_RDZV_TCP_STORE=1``.
    """
    from torch import distributed

    if int(os.environ.get("TORCHELASTIC_RESTART_COUNT", "0")) == 0 or os.environ.get("GROUP_WORLD_SIZE") != "1":
        return
    store, rank, world_size = next(distributed.rendezvous("env://"))
    attempt = distributed.PrefixStore(f"restart {os.environ['TORCHELASTIC_RESTART_COUNT']}", store)
    distributed.init_process_group(store=attempt, rank=rank, world_size=world_size)
