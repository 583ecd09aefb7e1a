from __future__ import annotations

from pathlib import Path

import pytest
import torch
from transformers import AutoModelForSequenceClassification, AutoTokenizer, PreTrainedModel

from tests.tiny import save_tiny
from theseus_plugin.errors import UserError
from theseus_plugin.methods.teaching.observing import observed, recording_attention
from theseus_plugin.surgery.stack import find_stacks

TEXTS = ["the film was good", "a bad movie", "good"]


def model_and_batch(folder: Path, kind: str) -> tuple[PreTrainedModel, dict[str, torch.Tensor]]:
    save_tiny(folder, kind)
    batch = AutoTokenizer.from_pretrained(folder)(TEXTS, padding=True, return_tensors="pt")
    return AutoModelForSequenceClassification.from_pretrained(folder).eval(), dict(batch)


@pytest.mark.parametrize("kind", ["bert", "roberta", "distilbert", "electra", "gpt2", "qwen2"])
def test_what_is_seen_is_what_the_model_itself_would_tell(tmp_path: Path, kind: str) -> None:
    model, batch = model_and_batch(tmp_path / kind, kind)
    eager = AutoModelForSequenceClassification.from_pretrained(tmp_path / kind, attn_implementation="eager").eval()
    blocks = list(find_stacks(model)[0].blocks(model))
    with torch.no_grad():
        told = eager(**batch, output_hidden_states=True, output_attentions=True)
        before = model(**batch).logits
        with recording_attention(model), observed(blocks) as seen:
            logits = model(**batch).logits
    torch.testing.assert_close(logits, before)
    real = batch["attention_mask"].bool()
    assert len(seen.hidden) == len(seen.scores) == len(blocks) == 6
    torch.testing.assert_close(seen.embedded[0][real], told.hidden_states[0][real], atol=1e-5, rtol=1e-4)
    for place in range(5):  # the last one may be normalised before it is told
        torch.testing.assert_close(seen.hidden[place][real], told.hidden_states[place + 1][real], atol=1e-5, rtol=1e-4)
    for scores, attention in zip(seen.scores, told.attentions, strict=True):
        allowed = real[:, None, None, :].expand_as(scores)
        if kind in ("gpt2", "qwen2"):
            allowed = allowed & torch.ones_like(scores, dtype=torch.bool).tril()
        weights = scores.masked_fill(~allowed, -torch.inf).softmax(-1)
        rows = real[:, None, :].expand(weights.shape[:3])
        torch.testing.assert_close(weights[rows], attention[rows], atol=1e-5, rtol=1e-4)


def test_nothing_is_left_behind(tmp_path: Path) -> None:
    model, batch = model_and_batch(tmp_path / "bert", "bert")
    blocks = list(find_stacks(model)[0].blocks(model))
    before = model.config._attn_implementation
    with recording_attention(model), observed(blocks) as seen:
        pass
    model(**batch)
    assert not seen.hidden and not seen.scores
    assert model.config._attn_implementation == before
    assert not any(block._forward_hooks or block._forward_pre_hooks for block in blocks)


def test_attention_that_cannot_be_seen_is_refused(tmp_path: Path) -> None:
    model, _ = model_and_batch(tmp_path / "deberta", "deberta-v2")
    with (
        pytest.raises(UserError, match="'deberta-v2' does not let its attention scores be seen: use the method kd"),
        recording_attention(model),
    ):
        pass
