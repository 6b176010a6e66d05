"""LoRA in a text model with gradient checkpointing: `python`, or `accelerate launch --num_processes 2 --cpu`."""

import torch
from accelerate import Accelerator
from peft import LoraConfig, get_peft_model
from torch.utils.data import DataLoader, TensorDataset
from transformers import BertConfig, BertModel

import polytask as pt

torch.manual_seed(0)
tokens = torch.randint(3, 60, (1200, 12))
tokens[:, 0] = 2  # the token from which the heads read
labels = (tokens == 7).any(1).float(), (tokens < 12).sum(1).float()
train = TensorDataset(tokens[:1000], *(values[:1000] for values in labels))


class Texts(torch.nn.Module):
    def __init__(self):
        super().__init__()
        small = BertConfig(
            vocab_size=60, hidden_size=32, num_hidden_layers=2, num_attention_heads=2, intermediate_size=64,
            hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0,
        )  # fmt: skip
        adapter = LoraConfig(r=8, target_modules=["query", "value", "dense"], lora_dropout=0.0)
        self.text = get_peft_model(BertModel(small, add_pooling_layer=False), adapter)  # instead of your checkpoint
        # Reentrant checkpointing hides parameters from gradients per task; polytask refuses it.
        self.text.gradient_checkpointing_enable({"use_reentrant": False})
        self.seven, self.small = torch.nn.Linear(32, 1), torch.nn.Linear(32, 1)

    def forward(self, tokens):
        features = self.text(tokens).last_hidden_state[:, 0]
        return {"seven": self.seven(features)[:, 0], "small": self.small(features)[:, 0]}


accelerator, network = Accelerator(cpu=True), Texts()
shared = [parameter for parameter in network.text.parameters() if parameter.requires_grad]  # the adapters
trained = [parameter for parameter in network.parameters() if parameter.requires_grad]
model, optimizer, loader = accelerator.prepare(
    network, torch.optim.Adam(trained, 5e-3), DataLoader(train, 50 // accelerator.num_processes, shuffle=True)
)
balancer = pt.balancing.UPGrad()
for _ in range(12):
    for batch, seven, small in loader:
        outputs = model(batch)
        losses = {
            "seven": torch.nn.functional.binary_cross_entropy_with_logits(outputs["seven"], seven),
            "small": torch.nn.functional.mse_loss(outputs["small"], small),
        }
        balancer.backward(losses, shared=shared, backward=accelerator.backward)
        optimizer.step()
        optimizer.zero_grad()

with torch.no_grad():
    outputs = network(tokens[1000:])
seven, small = (values[1000:] for values in labels)
right = ((outputs["seven"] > 0) == (seven > 0.5)).float().mean()
explained = 1 - torch.nn.functional.mse_loss(outputs["small"], small) / small.var()
accelerator.print({"seven": round(right.item(), 3), "small": round(explained.item(), 3)})
