"""Hugging Face's Trainer with a text model of two heads: balanced, and every task keeps its peak. Also torchrun."""

from pathlib import Path

import torch
from transformers import BertConfig, BertModel, TrainingArguments
from transformers.trainer_utils import get_last_checkpoint

import polytask as pt
from polytask.integrations import KeptPeaks
from polytask.integrations.transformers import BalancedTrainer, ConvergenceCallback

torch.manual_seed(0)
small = BertConfig(vocab_size=60, hidden_size=32, num_hidden_layers=2, num_attention_heads=2, intermediate_size=64)
tokens = torch.randint(2, 60, (1600, 12))
labels = {"topic": (tokens < 20).sum(1).clamp(2, 5) - 2, "question": (tokens[:, :6] < 7).any(1).float()}
labels["question"][:1200:4] = float("nan")  # no label here
rows = [{"input_ids": tokens[i], "ids": i, **{task: values[i] for task, values in labels.items()}} for i in range(1600)]
balancer = pt.balancing.UncertaintyWeighting()
tasks = [pt.Task("topic", "multiclass", classes=("a", "b", "c", "d")), pt.Task("question")]


class TwoHeads(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.text = BertModel(small)  # instead of AutoModel.from_pretrained(your checkpoint)
        self.topic, self.question = torch.nn.Linear(32, 4), torch.nn.Linear(32, 1)

    def forward(self, input_ids, **_):
        features = self.text(input_ids).last_hidden_state.mean(1)
        return {"topic": self.topic(features), "question": self.question(features)[:, 0]}


class Balanced(BalancedTrainer):
    peaks = KeptPeaks(tasks, lambda model, task: model(tokens[:1200])[task], balancer=balancer, patience=5,
                      min_evaluations=5)  # fmt: skip

    def compute_loss(self, model, inputs, return_outputs=False, **_):
        loss = torch.tensor(float("nan"))  # an evaluation looks at metrics alone
        return loss, {"loss": loss, **model(**inputs)}

    def compute_losses(self, model, inputs):
        return self.peaks.losses(model(**inputs), inputs, inputs["ids"])


def metrics(evaluated):
    (topic, question), (topics, questions) = evaluated.predictions, evaluated.label_ids
    return {"topic": (topic.argmax(1) == topics).mean(), "question": ((question > 0) == (questions > 0.5)).mean()}


(folder := Path("trainer-run")).mkdir(exist_ok=True)
options = {"per_device_train_batch_size": 16, "gradient_accumulation_steps": 4, "learning_rate": 2e-3, "max_steps": 180,
           "eval_strategy": "steps", "eval_steps": 10, "save_steps": 50, "label_names": list(labels),
           "remove_unused_columns": False, "report_to": [], "disable_tqdm": True, "use_cpu": True}  # fmt: skip
trainer = Balanced(TwoHeads(), TrainingArguments(folder, **options), None, rows[:1200], rows[1200:], balancer=balancer,
                   compute_metrics=metrics, callbacks=[ConvergenceCallback(Balanced.peaks)])  # fmt: skip
trainer.train(resume_from_checkpoint=get_last_checkpoint(folder))  # None for the first time
[trainer.model_wrapped] = trainer.accelerator.free_memory(trainer.model_wrapped)  # lets go of the process group,
trainer.accelerator.end_training()  # whose threads then end before Python does
