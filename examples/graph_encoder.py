"""Graphs of any size in plain PyTorch: a collate function joins them. Also under `torchrun --nproc-per-node 2`."""

import os

import torch
from torch.utils.data import DataLoader

import polytask as pt


def random_graph(generator):
    """Nodes, edges, and what is to be predicted of the whole graph."""
    nodes = torch.randn(int(torch.randint(3, 9, (), generator=generator)), 4, generator=generator)
    edges = torch.randint(len(nodes), (2, 12), generator=generator)
    attraction = (nodes[edges[0]] * nodes[edges[1]]).sum(1).mean()
    return nodes, edges, {"attracts": (attraction > 0).float(), "charge": 9 * nodes[:, 0].mean()}


def collate(graphs):
    """The nodes of all graphs one after the other, with the number of each node's graph; labels by task."""
    all_nodes, all_edges, labels = zip(*graphs, strict=True)
    sizes = torch.tensor([len(nodes) for nodes in all_nodes])
    first = sizes.cumsum(0) - sizes
    inputs = {
        "nodes": torch.cat(all_nodes),
        "edges": torch.cat([edges + shift for edges, shift in zip(all_edges, first, strict=True)], 1),
        "graph": torch.repeat_interleave(torch.arange(len(graphs)), sizes),
    }
    return inputs, {task: torch.stack([one[task] for one in labels]) for task in labels[0]}


class GraphEncoder(torch.nn.Module):
    out_features = 32

    def __init__(self):
        super().__init__()
        self.node, self.edge = torch.nn.Linear(4, 32), torch.nn.Bilinear(4, 4, 32)

    def forward(self, batch):
        nodes, (start, end), graph = batch["nodes"], batch["edges"], batch["graph"]
        hidden = self.node(nodes).index_add(0, end, self.edge(nodes[start], nodes[end])).relu()
        sums = hidden.new_zeros(int(graph.max()) + 1, 32).index_add(0, graph, hidden)
        return sums / graph.bincount()[:, None]


if "RANK" in os.environ:
    torch.distributed.init_process_group("gloo")
generator = torch.Generator().manual_seed(0)
train, validation = (
    DataLoader([random_graph(generator) for _ in range(n)], 64, collate_fn=collate) for n in (900, 300)
)
tasks = pt.standardise([pt.Task("attracts"), pt.Task("charge", kind="regression")], train)
torch.manual_seed(0)
model = pt.MultiTaskModel(GraphEncoder(), tasks)
settings = pt.TrainingSettings(steps=200, batch_size=64, learning_rate=1e-2, threads=1)
result = pt.fit(model, train=train, validation=validation, balancer=pt.balancing.UPGrad(), settings=settings)
if os.environ.get("RANK", "0") == "0":
    print({name: round(task.validation, 3) for name, task in result.tasks.items()})
