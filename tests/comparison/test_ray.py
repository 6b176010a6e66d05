"""A comparison on a real Ray cluster of two nodes on this machine."""

from __future__ import annotations

from pathlib import Path

import pytest

from polytask.comparison.compare import compare
from polytask.comparison.config import read_comparison
from polytask.comparison.pools import RayCluster
from small_study import study

ray = pytest.importorskip("ray", reason="the extra 'ray' is not installed")


@pytest.mark.slow
def test_a_cluster_of_two_nodes_gives_the_same_results(tmp_path: Path) -> None:
    from ray.cluster_utils import Cluster

    path = study(tmp_path, trials=1)
    config, where = read_comparison(path)
    expected = compare(config, tmp_path / "here", where=where)
    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 1, "include_dashboard": False})
    try:
        cluster.add_node(num_cpus=1)
        cluster.wait_for_nodes(timeout=300)
        pool = RayCluster(cluster.address)
        assert pool.cores == 2
        assert sum(node["Alive"] for node in ray.nodes()) == 2
        found = compare(config, tmp_path / "there", where=where, pool=pool)
    finally:
        ray.shutdown()
        cluster.shutdown()
    for method, entry in expected["setups"]["table"]["methods"].items():
        for seed, run in entry["seeds"].items():
            there = found["setups"]["table"]["methods"][method]["seeds"][seed]
            assert there["failure"] is None
            assert there["tasks"] == run["tasks"] and there["run"] == run["run"]
            assert (tmp_path / "there" / "runs" / run["run"] / "metrics.jsonl").exists()
