"""Tasks that SLURM's ``srun`` has started together, as torchrun would tell its workers."""

from __future__ import annotations

from collections.abc import Mapping

from ..errors import UserError

#: Where ports begin that depend on the job, and how many there are: below those that systems give away themselves.
PORTS = 15000, 17000


def workers_of_srun(environment: Mapping[str, str]) -> dict[str, str]:
    """Variables of torchrun's workers for a task of a job step; none outside of steps of several tasks.

    A batch script that may start several tasks is none of them, nor is what it starts without ``srun``.

    Args:
        environment: Of the process. ``MASTER_ADDR`` and ``MASTER_PORT`` stay what they are there; otherwise they are
            the first machine and a port that depends on job and step.

    Raises:
        UserError: If the machines do not have as many tasks each.

    Source:
        https://slurm.schedmd.com/srun.html, "OUTPUT ENVIRONMENT VARIABLES".

    Example:
        >>> step = {"SLURM_STEP_NUM_TASKS": "4", "SLURM_STEP_NUM_NODES": "2", "SLURM_STEP_TASKS_PER_NODE": "2(x2)",
        ...         "SLURM_STEP_NODELIST": "gpu[03-04]", "SLURM_JOB_ID": "71", "SLURM_STEP_ID": "0",
        ...         "SLURM_PROCID": "3", "SLURM_LOCALID": "1", "SLURM_NODEID": "1"}
        >>> found = workers_of_srun(step)
        >>> [found[name] for name in ("RANK", "WORLD_SIZE", "LOCAL_RANK", "MASTER_ADDR", "MASTER_PORT")]
        ['3', '4', '1', 'gpu03', '15710']
        >>> workers_of_srun({"SLURM_NTASKS": "4"})
        {}
    """
    tasks = int(environment.get("SLURM_STEP_NUM_TASKS", "1"))
    if tasks == 1:
        return {}
    from lightning_fabric.plugins.environments import SLURMEnvironment

    nodes, spread = int(environment["SLURM_STEP_NUM_NODES"]), environment["SLURM_STEP_TASKS_PER_NODE"]
    if "," in spread:
        raise UserError(
            f"SLURM: as many tasks on every machine are expected, found {spread} on {nodes}; "
            "start them with srun --ntasks-per-node=N"
        )
    first, count = PORTS
    port = first + (10 * int(environment["SLURM_JOB_ID"]) + int(environment["SLURM_STEP_ID"])) % count
    address = SLURMEnvironment.resolve_root_node_address(environment["SLURM_STEP_NODELIST"])
    return {
        "RANK": environment["SLURM_PROCID"],
        "WORLD_SIZE": str(tasks),
        "LOCAL_RANK": environment["SLURM_LOCALID"],
        "LOCAL_WORLD_SIZE": str(tasks // nodes),
        "GROUP_RANK": environment["SLURM_NODEID"],
        "GROUP_WORLD_SIZE": str(nodes),
        "MASTER_ADDR": environment.get("MASTER_ADDR", address),
        "MASTER_PORT": environment.get("MASTER_PORT", str(port)),
    }
