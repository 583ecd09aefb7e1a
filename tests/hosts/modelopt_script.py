"""A user's training loop with ModelOpt: `python modelopt_script.py PREDECESSOR FOLDER` writes what it saw."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import modelopt.torch.opt as mto
import modelopt.torch.quantization as mtq
import torch
from transformers import AutoModelForSequenceClassification

import theseus_plugin.hosts.modelopt

STEPS, PASSES = 12, 2
SETTINGS = {"steps": STEPS, "seed": 5, "options": {"successor_blocks": 3}}
PREDECESSOR, FOLDER = sys.argv[1], Path(sys.argv[2])


def batch(number):
    chance = torch.Generator().manual_seed(number)
    words = torch.randint(5, 60, (4, 9), generator=chance)
    return {"input_ids": words, "labels": torch.randint(0, 2, (4,), generator=chance)}


def load():
    return AutoModelForSequenceClassification.from_pretrained(PREDECESSOR)


def train(model, optimizer, first, last, seen):
    """With accumulated gradients, an evaluation after each step, and an optimizer of something else."""
    other = torch.nn.Linear(2, 2)
    other_optimizer = torch.optim.SGD(other.parameters(), lr=0.1)
    for step in range(first, last):
        model.train()
        for part in range(PASSES):
            torch.manual_seed(PASSES * step + part)  # dropout
            model(**batch(PASSES * step + part)).loss.backward()
            seen["draws"].append([module.replaced for module in model.theseus.assembly.modules])
        seen["rates"].append(model.theseus.rate)
        before = model.bert.embeddings.word_embeddings.weight.clone()
        optimizer.step()
        optimizer.zero_grad()
        seen["embeddings_moved"].append(not model.bert.embeddings.word_embeddings.weight.equal(before))
        other(torch.ones(2)).sum().backward()
        other_optimizer.step()
        model.eval()
        model(**batch(999))


def optimizer_of(model):
    return torch.optim.AdamW([p for p in model.parameters() if p.requires_grad], lr=1e-3)


def refusal(mode, model):
    try:
        mto.apply_mode(model, mode)
    except theseus_plugin.errors.UserError as error:
        return str(error)


def logits(model):
    model.eval()
    with torch.no_grad():
        return model(input_ids=batch(7)["input_ids"]).logits


seen = {"draws": [], "rates": [], "embeddings_moved": []}
model = mto.apply_mode(load(), [("theseus_replace", SETTINGS)])
train(model, optimizer_of(model), 0, STEPS, seen)
stock = load().bert.encoder.layer
kept = [slot.predecessor.state_dict() for slot in model.bert.encoder.layer]
seen["predecessor_kept"] = all(
    weights.equal(stock[i].state_dict()[name]) for i, block in enumerate(kept) for name, weights in block.items()
)
seen["words"] = batch(7)["input_ids"].tolist()
seen["logits"] = logits(model).tolist()
successor = mto.apply_mode(model, "export_successor")
successor.save_pretrained(FOLDER / "successor")

first = mto.apply_mode(load(), [("theseus_replace", SETTINGS)])
optimizer = optimizer_of(first)
again = {"draws": [], "rates": [], "embeddings_moved": []}
train(first, optimizer, 0, 5, again)
mto.save(first, FOLDER / "checkpoint.pt")
resumed = mto.restore(load(), FOLDER / "checkpoint.pt")
continued = optimizer_of(resumed)
continued.load_state_dict(optimizer.state_dict())
train(resumed, continued, 5, STEPS, again)
mto.apply_mode(resumed, "export_successor").save_pretrained(FOLDER / "resumed")
seen["resumed_draws"] = again["draws"]

quantized = mtq.quantize(successor, mtq.INT8_DEFAULT_CFG, lambda model: model(**batch(1)))
seen["quantized_logits"] = logits(quantized).tolist()

replace = [("theseus_replace", SETTINGS)]
seen["refused"] = {
    "untrained": refusal("export_successor", mto.apply_mode(load(), replace)),
    "option": refusal([("theseus_replace", {"steps": 9, "options": {"succesor_blocks": 3}})], load()),
    "training": refusal(
        [("theseus_replace", {"steps": 9, "options": {"successor_blocks": 3, "training": {"epochs": 9}}})], load()
    ),
    "costs": refusal(
        [("theseus_replace", {"steps": 9, "options": {"successor_blocks": 3, "module_costs": True}})], load()
    ),
    "quantized before": refusal(replace, quantized),
    "not of transformers": refusal(replace, torch.nn.Linear(2, 2)),
}
(FOLDER / "seen.json").write_text(json.dumps(seen))
