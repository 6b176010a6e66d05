"""Tasks of ``srun`` are told what torchrun tells its workers."""

import pytest

import polytask as pt
from polytask.processes.launch import Processes
from polytask.processes.slurm import workers_of_srun

STEP = {
    "SLURM_STEP_NUM_TASKS": "2",
    "SLURM_STEP_NUM_NODES": "1",
    "SLURM_STEP_TASKS_PER_NODE": "2",
    "SLURM_STEP_NODELIST": "host7",
    "SLURM_JOB_ID": "1234567",
    "SLURM_STEP_ID": "0",
    "SLURM_PROCID": "1",
    "SLURM_LOCALID": "1",
    "SLURM_NODEID": "0",
}
#: What a batch script that may start two tasks finds, and what `srun` with one task does.
OTHERS = [{"SLURM_NTASKS": "2", "SLURM_PROCID": "0", "SLURM_JOB_ID": "1"}, {"SLURM_STEP_NUM_TASKS": "1"}, {}]


@pytest.mark.parametrize("environment", OTHERS)
def test_only_tasks_of_a_step_of_several_are_workers(environment):
    assert workers_of_srun(environment) == {}


def test_what_the_user_states_of_the_meeting_place_stays():
    found = workers_of_srun(STEP | {"MASTER_ADDR": "10.0.0.1", "MASTER_PORT": "29500"})
    assert (found["MASTER_ADDR"], found["MASTER_PORT"]) == ("10.0.0.1", "29500")
    assert (found["RANK"], found["WORLD_SIZE"], found["GROUP_WORLD_SIZE"]) == ("1", "2", "1")


def test_steps_of_one_job_do_not_meet_at_one_port():
    ports = {workers_of_srun(STEP | {"SLURM_STEP_ID": str(step)})["MASTER_PORT"] for step in range(5)}
    assert len(ports) == 5 and all(15000 <= int(port) < 32000 for port in ports)


def test_machines_with_different_numbers_of_tasks_are_refused():
    with pytest.raises(pt.UserError, match=r"2,1 on 2; .*--ntasks-per-node"):
        workers_of_srun(STEP | {"SLURM_STEP_NUM_NODES": "2", "SLURM_STEP_TASKS_PER_NODE": "2,1"})


def test_other_numbers_than_srun_has_started_are_refused(monkeypatch):
    for name, value in STEP.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(pt.UserError, match=r"2 tasks on each of 1 machines, found devices 4 and nodes 1"):
        Processes(devices=4).launch("cpu")
