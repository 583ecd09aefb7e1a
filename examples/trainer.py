r"""An ordinary `Trainer` script that fine-tunes a classifier, turned into a compression run by five lines.

    make demo      # for a predecessor and its reviews
    python examples/trainer.py --predecessor runs/demo/predecessor --successor runs/trainer/successor \
        --train runs/demo/train.jsonl --validation runs/demo/validation.jsonl --output_dir runs/trainer/checkpoints \
        --num_train_epochs 4 --learning_rate 1e-4 --per_device_train_batch_size 32 \
        --train_sampling_strategy group_by_length --eval_strategy epoch --save_strategy epoch \
        --load_best_model_at_end --metric_for_best_model accuracy

The data are JSON lines or CSV with the columns `text` and `label`. Started again after an interruption, it goes on from
its last checkpoint.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from datasets import load_dataset
from transformers import (
    AutoModelForSequenceClassification,
    AutoTokenizer,
    EvalPrediction,
    HfArgumentParser,
    Trainer,
    TrainingArguments,
)
from transformers.trainer_utils import get_last_checkpoint

from theseus_plugin.hosts.trainer import TheseusCallback  # 1


@dataclass
class Paths:
    """What to read and to write, beside the arguments of Trainer."""

    predecessor: str
    train: str
    validation: str
    successor: str


def accuracy(prediction: EvalPrediction) -> dict[str, float]:
    """Share of right answers."""
    return {"accuracy": float(np.mean(prediction.predictions.argmax(-1) == prediction.label_ids))}


def main(paths: Paths, args: TrainingArguments) -> None:
    """Train and save."""
    tokenizer = AutoTokenizer.from_pretrained(paths.predecessor)
    model = AutoModelForSequenceClassification.from_pretrained(paths.predecessor)

    def prepare(row: dict[str, Any]) -> dict[str, Any]:
        label = model.config.label2id.get(row["label"], row["label"])
        return {**tokenizer(row["text"], truncation=True, max_length=128), "labels": label}

    files = {"train": paths.train, "validation": paths.validation}
    kind = "csv" if paths.train.endswith(".csv") else "json"
    data = load_dataset(kind, data_files=files).map(prepare, remove_columns=["text", "label"])

    theseus = TheseusCallback(model, successor_blocks=3)  # 2
    trainer = Trainer(
        model=theseus.model,  # 3
        args=args,
        train_dataset=data["train"],
        eval_dataset=data["validation"],
        processing_class=tokenizer,
        compute_metrics=accuracy,
        callbacks=[theseus],  # 4
    )
    begun = Path(args.output_dir).is_dir() and get_last_checkpoint(args.output_dir)
    trainer.train(resume_from_checkpoint=begun or None)
    print(trainer.evaluate())  # noqa: T201
    theseus.save(paths.successor)  # 5


if __name__ == "__main__":
    main(*HfArgumentParser((Paths, TrainingArguments)).parse_args_into_dataclasses())
