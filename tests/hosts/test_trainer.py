"""`Trainer` as a host: the same draws, phases and weights as the loop's, its own checkpoints, several processes."""

from __future__ import annotations

import csv
import json
import os
import runpy
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import datasets
import numpy as np
import pytest
import torch
import transformers
from safetensors.numpy import load_file, save_file
from transformers import (
    AutoModelForSequenceClassification,
    AutoTokenizer,
    EarlyStoppingCallback,
    Trainer,
    TrainerCallback,
    TrainingArguments,
)

from tests import warm
from tests.clean_process import exit_code
from tests.stock_process import StockProcess
from tests.tiny import save_decoder, save_tiny
from tests.toy_data import write_reviews
from theseus_plugin import UserError, compress
from theseus_plugin.hosts.trainer import TheseusCallback
from theseus_plugin.methods.replacing.switch import Switch, draw
from theseus_plugin.training.batches import BatchStream

EXAMPLE = Path(__file__).parents[2] / "examples" / "trainer.py"
STILL = {"hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0}
SCHEDULE = {"name": "linear", "base_rate": 0.3, "slope": 0.1}  # 1 from step 7 on
STEPS, REPLACING = 10, 7


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A predecessor with dropout and one without, and 88 reviews: 11 batches of 8."""
    folder = tmp_path_factory.mktemp("trainer")
    save_tiny(folder / "predecessor")
    save_tiny(folder / "still", **STILL)
    write_reviews(folder / "train.csv", 88, seed=1)
    return folder


def examples(folder: Path) -> list[dict[str, Any]]:
    tokenizer = AutoTokenizer.from_pretrained(folder / "predecessor")
    with (folder / "train.csv").open(encoding="utf-8") as file:
        return [{**tokenizer(row["text"]), "labels": int(row["label"])} for row in csv.DictReader(file)]


def arguments(output: Path, **more: Any) -> TrainingArguments:
    options: dict[str, Any] = {
        "output_dir": str(output),
        "use_cpu": True,
        "max_steps": STEPS,
        "per_device_train_batch_size": 8,
        "learning_rate": 1e-3,
        "weight_decay": 0.1,
        "seed": 3,
        "save_strategy": "no",
        "report_to": "none",
        "disable_tqdm": True,
    }
    return TrainingArguments(**options | more)


def callback(model: Path, **options: Any) -> TheseusCallback:
    loaded = AutoModelForSequenceClassification.from_pretrained(model)
    return TheseusCallback(loaded, **{"successor_blocks": 3, "schedule": SCHEDULE} | options)


def trainer(folder: Path, theseus: TheseusCallback, args: TrainingArguments, **more: Any) -> Trainer:
    options: dict[str, Any] = {
        "model": theseus.model,
        "train_dataset": examples(folder),
        "processing_class": AutoTokenizer.from_pretrained(folder / "predecessor"),
        "callbacks": [theseus],
    }
    return Trainer(args=args, **options | more)


def weights(model: Path) -> dict[str, np.ndarray]:
    return load_file(model / "model.safetensors")


@pytest.fixture
def draws(monkeypatch: pytest.MonkeyPatch) -> list[tuple[float, int, tuple[bool, ...]]]:
    """(rate, micro-step, what was replaced) of every draw."""
    seen: list[tuple[float, int, tuple[bool, ...]]] = []
    set_draw = Switch.set

    def spy(self: Switch, rate: float, micro_step: int) -> tuple[bool, ...]:
        chosen = set_draw(self, rate, micro_step)
        seen.append((rate, micro_step, chosen))
        return chosen

    monkeypatch.setattr(Switch, "set", spy)
    return seen


def ran(theseus: TheseusCallback) -> list[list[str]]:
    """Blocks that run in training, by pass, told by their weights: `p0` to `p5`, `s0` to `s2`."""
    passes: list[list[str]] = []
    predecessor = theseus._assembly.predecessor.bert.encoder.layer
    for name, blocks in (
        ("p", [slot.predecessor for slot in predecessor]),
        ("s", theseus.model.bert.encoder.layer),
    ):
        for index, block in enumerate(blocks):
            block.register_forward_pre_hook(
                lambda block, given, what=f"{name}{index}": passes[-1].append(what) if block.training else None
            )
    theseus.model.register_forward_pre_hook(lambda model, given: passes.append([]) if model.training else None)
    return passes


def test_one_draw_a_pass_by_the_optimizer_steps_and_none_in_evaluation(
    folder: Path, tmp_path: Path, draws: Any
) -> None:
    """Six steps an epoch, of two passes each but for the last, which has one."""
    theseus = callback(folder / "predecessor")
    passes = ran(theseus)
    args = arguments(tmp_path, gradient_accumulation_steps=2, eval_strategy="steps", eval_steps=2, eval_on_start=True)
    training = trainer(folder, theseus, args, eval_dataset=examples(folder)[:8])
    training.train()
    steps = [0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 6, 6]
    expected = [(0.3 + 0.1 * step, number) for number, step in enumerate(steps)]
    assert [(rate, number) for rate, number, _ in draws] == [(pytest.approx(rate), number) for rate, number in expected]
    assert [chosen for *_, chosen in draws] == [draw(rate, 3, 3, number) for rate, number, _ in draws]
    for blocks, (*_, chosen) in zip(passes, draws, strict=False):
        wanted = [f"s{i}" if one else f"p{2 * i} p{2 * i + 1}" for i, one in enumerate(chosen)]
        assert " ".join(blocks) == " ".join(wanted)
    assert passes[len(draws) :] == [["s0", "s1", "s2"]] * 6  # steps 7 to 9
    assert theseus.effective_rate == pytest.approx(np.mean([chosen for *_, chosen in draws]))


def test_the_rate_is_logged(folder: Path, tmp_path: Path) -> None:
    training = trainer(folder, callback(folder / "predecessor"), arguments(tmp_path, logging_steps=4))
    training.train()
    logged = {row["step"]: row["replacing_rate"] for row in training.state.log_history if "loss" in row}
    assert logged == {4: pytest.approx(0.6), 8: 1.0}


@pytest.fixture(scope="module")
def checkpoints(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run with a checkpoint and an evaluation after every step, and what was saved in `successor`."""
    output = tmp_path_factory.mktemp("checkpoints")
    theseus = callback(folder / "predecessor")
    args = arguments(
        output, save_strategy="steps", save_steps=1, eval_strategy="steps", eval_steps=1, gradient_accumulation_steps=2
    )
    trainer(folder, theseus, args, eval_dataset=examples(folder)[:8]).train()
    theseus.save(output / "successor")
    return output


def test_what_a_checkpoint_keeps_of_the_run(checkpoints: Path) -> None:
    """Checkpoints of earlier versions are read again, so the names stay: step 4, two passes each, three modules."""
    state = json.loads((checkpoints / "checkpoint-4" / "trainer_state.json").read_text())
    kept = state["stateful_callbacks"]["TheseusCallback"]
    assert kept["args"] == {}
    assert kept["attributes"].keys() == {"run", "micro_step", "counts"}
    assert kept["attributes"]["micro_step"] == 8
    drawn = [draw(0.3 + 0.1 * (number // 2), 3, 3, number) for number in range(8)]
    counts = {"decided": 24, "replaced": sum(map(sum, drawn)), "module_costs": []}
    assert kept["attributes"]["counts"] == counts
    assert kept["attributes"]["run"]["max_steps"] == STEPS


def test_the_replacing_phase_moves_blocks_only_and_the_other_all(folder: Path, checkpoints: Path) -> None:
    before = weights(folder / "predecessor")
    last, end = weights(checkpoints / f"checkpoint-{REPLACING}"), weights(checkpoints / f"checkpoint-{STEPS}")
    for name, value in last.items():
        assert np.array_equal(value, before[name]) is ("encoder.layer" not in name), name
    for name, value in end.items():
        assert not np.array_equal(value, last[name]), name


def test_blocks_alone_are_trained_where_that_is_asked_for(folder: Path, tmp_path: Path) -> None:
    theseus = callback(folder / "predecessor", successor_phase="blocks")
    trainer(folder, theseus, arguments(tmp_path)).train()
    theseus.save(tmp_path / "successor")
    before, after = weights(folder / "predecessor"), weights(tmp_path / "successor")
    for name, value in after.items():
        assert np.array_equal(value, before[name]) is ("encoder.layer" not in name), name


def test_a_frozen_predecessor_is_trained_on_all_the_same(folder: Path, tmp_path: Path) -> None:
    """Trainer's optimizer takes what requires a gradient when it is made, before the first phase."""
    model = AutoModelForSequenceClassification.from_pretrained(folder / "predecessor").requires_grad_(False)
    theseus = TheseusCallback(model, 3, schedule=SCHEDULE)
    trainer(folder, theseus, arguments(tmp_path)).train()
    before = weights(folder / "predecessor")
    for name, value in theseus.model.state_dict().items():
        assert not np.array_equal(value.numpy(), before[name]), name


def test_no_layer_is_dropped_and_both_branches_can_be_mixed(tmp_path: Path) -> None:
    """BART's own LayerDrop would leave out most blocks, on each process others."""
    save_decoder(tmp_path / "bart", "bart", "SequenceClassification", encoder_layerdrop=0.95, decoder_layerdrop=0.95)
    theseus = callback(tmp_path / "bart", successor_blocks={"encoder": 1, "decoder": 1}, mixing="deterministic")
    stacks = [theseus.model.model.encoder.layers, theseus.model.model.decoder.layers]
    runs: list[int] = []
    for number, stack in enumerate(stacks):
        stack[0].register_forward_pre_hook(lambda block, given, number=number: runs.append(number))
    tokenizer = AutoTokenizer.from_pretrained(tmp_path / "bart")
    data = [{**tokenizer("a good film"), "labels": index % 2} for index in range(16)]
    Trainer(theseus.model, arguments(tmp_path / "out"), train_dataset=data, callbacks=[theseus]).train()
    assert runs == [0, 1] * STEPS
    assert theseus.effective_rate == pytest.approx(0.6)  # the mean of 0.3 to 0.9
    assert theseus.model.model.encoder.layerdrop == 0.95


def test_what_is_evaluated_is_what_a_checkpoint_holds(folder: Path, checkpoints: Path) -> None:
    """The stock model of each checkpoint has the loss that Trainer gave for that step, in both phases."""
    history = json.loads((checkpoints / f"checkpoint-{STEPS}" / "trainer_state.json").read_text())["log_history"]
    told = {row["step"]: row["eval_loss"] for row in history if "eval_loss" in row}
    assert sorted(told) == list(range(1, STEPS + 1))
    for step in (1, REPLACING, REPLACING + 1, STEPS):
        model = AutoModelForSequenceClassification.from_pretrained(checkpoints / f"checkpoint-{step}")
        assert model.config.num_hidden_layers == 3
        losses = []
        for example in examples(folder)[:8]:
            with torch.no_grad():
                losses.append(model(**{name: torch.tensor([value]) for name, value in example.items()}).loss.item())
        assert told[step] == pytest.approx(np.mean(losses), abs=1e-5)


def test_what_is_saved_is_stock(folder: Path, tmp_path: Path, stock_process: StockProcess) -> None:
    theseus = callback(folder / "predecessor")
    trainer(folder, theseus, arguments(tmp_path)).train()
    theseus.save(tmp_path / "successor")
    batch = AutoTokenizer.from_pretrained(tmp_path / "successor")(["a good film", "dull"], padding=True)
    arrays = {name: np.array(value) for name, value in batch.items()}
    logits, parameters = stock_process.read(tmp_path / "successor", "AutoModelForSequenceClassification", arrays)
    with torch.no_grad():
        ours = theseus.model.eval()(**{name: torch.from_numpy(array) for name, array in arrays.items()}).logits
    np.testing.assert_array_equal(np.float32(logits), ours.numpy())
    whole = sum(
        p.numel() for p in AutoModelForSequenceClassification.from_pretrained(folder / "predecessor").parameters()
    )
    assert parameters == whole - 3 * sum(p.numel() for p in theseus.model.bert.encoder.layer[0].parameters())


def train(folder: Path, output: Path, until: int | None = None) -> TheseusCallback:
    """With dropout: until a step that kills the process, or from the last checkpoint."""
    theseus = callback(folder / "predecessor")
    args = arguments(
        output,
        save_strategy="steps",
        save_steps=2,
        gradient_accumulation_steps=2,
        eval_strategy="steps",
        eval_steps=1,
    )
    killer = [] if until is None else [Killer(until)]
    given = trainer(folder, theseus, args, eval_dataset=examples(folder)[:8], callbacks=[theseus, *killer])
    given.train(resume_from_checkpoint=until is None)
    return theseus


@pytest.mark.parametrize(("at", "last"), [(3, 2), (REPLACING, 6), (9, 8)])
def test_killed_and_resumed_it_is_bit_for_bit_the_same(
    at: int, last: int, folder: Path, checkpoints: Path, tmp_path: Path
) -> None:
    """The sixth step ends an epoch, the seventh the replacing phase."""
    assert exit_code(train, folder, tmp_path, at) == -signal.SIGKILL
    assert transformers.trainer_utils.get_last_checkpoint(str(tmp_path)) == str(tmp_path / f"checkpoint-{last}")
    theseus = train(folder, tmp_path)
    theseus.save(tmp_path / "successor")
    ours, theirs = weights(tmp_path / "successor"), weights(checkpoints / "successor")
    for name in theirs:
        np.testing.assert_array_equal(ours[name], theirs[name], err_msg=name)
    state = [json.loads((place / f"checkpoint-{STEPS}" / "trainer_state.json").read_text())
             for place in (tmp_path, checkpoints)]  # fmt: skip
    assert state[0]["stateful_callbacks"]["TheseusCallback"] == state[1]["stateful_callbacks"]["TheseusCallback"]


class Killer(TrainerCallback):
    """Kills its process within a step, or right after one that wrote a checkpoint."""

    def __init__(self, step: int) -> None:
        self.step = step

    def on_pre_optimizer_step(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        if state.global_step == self.step:
            os.kill(os.getpid(), signal.SIGKILL)


@pytest.mark.parametrize("accumulation", [1, 2])
def test_it_is_the_loop_on_the_same_batches(
    accumulation: int, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without dropout, warm-up and precision made equal, the batches of the loop fed to Trainer one by one."""
    batches: list[dict[str, Any]] = []
    take = BatchStream.take

    def spy(self: BatchStream, count: int) -> list[dict[str, torch.Tensor]]:
        taken = take(self, count)
        batches.extend(taken)
        return taken

    monkeypatch.setattr(BatchStream, "take", spy)
    method = {
        "name": "theseus",
        "successor_blocks": 3,
        "schedule": SCHEDULE,
        "training": {"max_steps": STEPS, "batch_size": 8, "gradient_accumulation": accumulation, "learning_rate": 1e-3,
                     "weight_decay": 0.1, "warmup_share": 0.2, "lr_per_phase": False, "precision": "fp32", "seed": 3,
                     "eval_steps": STEPS},
    }  # fmt: skip
    reviews = str(folder / "train.csv")
    task = {"name": "text-classification", "train": reviews, "validation": reviews, "text": "text"}
    recipe = {"predecessor": str(folder / "still"), "successor": str(tmp_path / "loop"), "task": task, "method": method}
    result = compress(recipe)
    assert len(batches) == STEPS * accumulation

    theseus = callback(folder / "still")
    theseus.model.accepts_loss_kwargs = False  # BERT's head takes no `num_items_in_batch`, whatever its signature says
    args = arguments(
        tmp_path / "out",
        per_device_train_batch_size=1,
        gradient_accumulation_steps=accumulation,
        warmup_steps=2,
        train_sampling_strategy="sequential",
    )
    collator: Callable[[list[Any]], Any] = lambda one: dict(one[0])  # noqa: E731
    trainer(folder, theseus, args, train_dataset=batches, data_collator=collator).train()
    theseus.save(tmp_path / "trainer")
    ours, theirs = weights(tmp_path / "loop"), weights(tmp_path / "trainer")
    assert ours.keys() == theirs.keys()
    for name in ours:
        np.testing.assert_allclose(theirs[name], ours[name], rtol=0, atol=1e-5, err_msg=name)
    moved = max(np.abs(ours[name] - value).max() for name, value in weights(folder / "still").items() if name in ours)
    assert moved > 1e-3
    assert theseus.effective_rate == result["training"]["effective_rate"]


def test_the_best_checkpoint_is_the_successors(folder: Path, tmp_path: Path) -> None:
    """Early stopping and `load_best_model_at_end` go by the successor's metric, also within the replacing phase."""
    theseus = callback(folder / "predecessor")
    args = arguments(
        tmp_path,
        learning_rate=0.5,  # it only gets worse
        save_strategy="steps",
        save_steps=1,
        eval_strategy="steps",
        eval_steps=1,
        load_best_model_at_end=True,
        metric_for_best_model="eval_loss",
    )
    stopper = EarlyStoppingCallback(early_stopping_patience=2)
    training = trainer(folder, theseus, args, eval_dataset=examples(folder)[:8], callbacks=[theseus, stopper])
    training.train()
    assert training.state.global_step < REPLACING
    theseus.save(tmp_path / "successor")
    best, saved = weights(Path(training.state.best_model_checkpoint)), weights(tmp_path / "successor")
    assert all(np.array_equal(best[name], saved[name]) for name in best)


@pytest.mark.parametrize("more", [{"bf16": True}, {"activation_checkpointing": True}])
def test_with_what_wraps_the_model(more: dict[str, Any], folder: Path, tmp_path: Path) -> None:
    """Autocast wraps its forward, checkpointing its blocks: the training stays what it is, to the precision."""
    kept = []
    for name, options in (("plain", {}), ("wrapped", more)):
        theseus = callback(folder / "still")
        trainer(folder, theseus, arguments(tmp_path / name, learning_rate=1e-4, **options)).train()
        theseus.save(tmp_path / f"{name}-successor")
        kept.append(weights(tmp_path / f"{name}-successor"))
    for name in kept[0]:
        np.testing.assert_allclose(*(one[name] for one in kept), atol=5e-4 if "bf16" in more else 1e-6, err_msg=name)


@pytest.mark.parametrize(
    ("save", "head", "blocks"),
    [
        (lambda path: save_tiny(path, "t5", layers=4), "SequenceClassification", {"encoder": 2, "decoder": 1}),
        (lambda path: save_decoder(path, "llama", "CausalLM"), "CausalLM", 1),
        (lambda path: save_decoder(path, "gpt2", "SequenceClassification"), "SequenceClassification", 1),
    ],
    ids=["t5", "llama", "gpt2"],
)
def test_other_architectures(save: Any, head: str, blocks: Any, tmp_path: Path, stock_process: StockProcess) -> None:
    """Two stacks; blocks counted by the config; a padding token that only Trainer puts into the config."""
    save(tmp_path / "predecessor")
    tokenizer = AutoTokenizer.from_pretrained(tmp_path / "predecessor")
    if tokenizer.pad_token_id is None:
        tokenizer.pad_token = tokenizer.eos_token
    auto = f"AutoModelFor{head}"
    theseus = TheseusCallback(
        getattr(transformers, auto).from_pretrained(tmp_path / "predecessor"), successor_blocks=blocks
    )
    texts = ["the film was good", "a bad movie"] * 8
    if head == "CausalLM":
        data = [{**(given := tokenizer(text)), "labels": given["input_ids"]} for text in texts]
        collator = transformers.DataCollatorForSeq2Seq(tokenizer)
    else:
        data = [{**tokenizer(text), "labels": index % 2} for index, text in enumerate(texts)]
        collator = transformers.DataCollatorWithPadding(tokenizer)
    args = arguments(tmp_path / "out", max_steps=4)
    Trainer(
        model=theseus.model,
        args=args,
        train_dataset=data,
        processing_class=tokenizer,
        data_collator=collator,
        callbacks=[theseus],
    ).train()
    theseus.save(tmp_path / "successor")
    batch = {name: np.array(value) for name, value in tokenizer(texts[:2], padding=True).items()}
    logits, _ = stock_process.read(tmp_path / "successor", auto, batch)
    with torch.no_grad():
        ours = theseus.model.eval()(**{name: torch.from_numpy(array) for name, array in batch.items()}).logits
    np.testing.assert_array_equal(np.float32(logits), ours.numpy())


def in_each_step_the_same(folder: Path, output: Path, accumulation: int, processes: int) -> None:
    """Train on the same examples in each step, whatever the number of processes; leave this process's weights."""
    theseus = callback(folder / "still")
    theseus.model.accepts_loss_kwargs = False
    args = arguments(output, gradient_accumulation_steps=accumulation, per_device_train_batch_size=8 // processes)
    trainer(folder, theseus, args).train()
    theseus.save(output / "successor")
    save_file({name: value.numpy() for name, value in theseus.model.state_dict().items()},
              output / f"rank{args.process_index}.safetensors")  # fmt: skip


def two_trainings_and_refusals(folder: Path, home: Path) -> None:
    """What each of two processes does; writes its draws, and what is refused."""
    draws: list[Any] = []
    refused, set_draw = [], Switch.set

    def spy(self: Switch, rate: float, micro_step: int) -> tuple[bool, ...]:
        chosen = set_draw(self, rate, micro_step)
        draws.append([rate, micro_step, chosen])
        return chosen

    Switch.set = spy  # type: ignore[method-assign]
    for accumulation in (1, 2):
        in_each_step_the_same(folder, home / f"two-{accumulation}", accumulation, processes=2)
    for wrong in ({"ddp_find_unused_parameters": False}, {"activation_checkpointing": True}, {"fsdp": True}):
        try:
            trainer(folder, callback(folder / "still"), arguments(home, **wrong))
        except UserError as error:
            refused.append(str(error))
    (home / f"rank{os.environ['RANK']}.json").write_text(json.dumps({"draws": draws, "refused": refused}))


def test_two_processes_make_the_draws_and_the_weights_of_one(folder: Path, tmp_path: Path, draws: Any) -> None:
    """One process of batch 8 and two of batch 4, with and without accumulation."""
    warm.right(*warm.two_ranks(two_trainings_and_refusals, folder, tmp_path))
    for accumulation in (1, 2):
        in_each_step_the_same(folder, tmp_path / f"one-{accumulation}", accumulation, processes=1)
        home = tmp_path / f"two-{accumulation}"
        ranks = [load_file(home / f"rank{rank}.safetensors") for rank in (0, 1)]
        alone, saved = weights(tmp_path / f"one-{accumulation}" / "successor"), weights(home / "successor")
        for name in alone:
            np.testing.assert_array_equal(ranks[0][name], ranks[1][name], err_msg=name)
            np.testing.assert_array_equal(ranks[0][name], saved[name], err_msg=name)
            if not name.endswith("key.bias"):  # its gradient is 0 but for rounding, which AdamW makes whole steps of
                np.testing.assert_allclose(saved[name], alone[name], rtol=0, atol=1e-5, err_msg=name)
    told = [json.loads((tmp_path / f"rank{rank}.json").read_text()) for rank in (0, 1)]
    assert told[0] == told[1]
    assert told[0]["draws"] == [[rate, number, list(chosen)] for rate, number, chosen in draws]
    unused, checkpointing, split = told[0]["refused"]
    assert "set ddp_find_unused_parameters=True" in unused
    assert checkpointing == unused
    assert split.startswith("TheseusCallback does not work with FSDP, which wraps one model for good: leave it out")


def test_mistakes_with_the_model(folder: Path, tmp_path: Path) -> None:
    theseus = callback(folder / "predecessor")
    with pytest.raises(UserError, match=r"another model than its TheseusCallback: write Trainer\(model=theseus.model"):
        trainer(folder, theseus, arguments(tmp_path), model=AutoModelForSequenceClassification.from_pretrained(
            folder / "predecessor"))  # fmt: skip
    with pytest.raises(UserError, match="given to a TheseusCallback before, which took it over: load it anew"):
        TheseusCallback(theseus._assembly.predecessor, 3)
    with pytest.raises(UserError, match=r"a Linear cannot be compressed by TheseusCallback: give a model"):
        TheseusCallback(torch.nn.Linear(2, 2), 3)
    with pytest.raises(UserError, match=r"trained without its callback: give Trainer callbacks=\[theseus\]"):
        trainer(folder, theseus, arguments(tmp_path), callbacks=[]).train()


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"scedule": {"name": "linear"}}, "unknown key 'scedule': did you mean 'schedule'?"),
        ({"training": {"epochs": 1}}, "training is not an option here: the arguments of Trainer say how to train"),
        ({"clip_scope": "all"}, "clip_scope: 'all' cannot be had here: Trainer clips what it trains"),
        ({"logits_share": 0.5}, "logits_share: cannot be had here, Trainer computes the loss"),
        ({"module_costs": True}, "module_costs: not measured here: use `theseus-plugin compress`"),
        ({"successor_blocks": 0}, "successor_blocks: input should be greater than or equal to 1"),
        ({"schedule": {"name": "linera"}}, "did you mean 'linear'?"),
    ],
)
def test_mistakes_with_the_options(options: dict[str, Any], words: str, folder: Path) -> None:
    with pytest.raises(UserError) as error:
        callback(folder / "predecessor", **options)
    assert words in str(error.value)


@pytest.mark.parametrize(
    ("argument", "value"),
    [("torch_compile", True), ("neftune_noise_alpha", 5.0), ("restore_callback_states_from_checkpoint", True)],
)
def test_mistakes_with_the_arguments(argument: str, value: Any, folder: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=f"does not work with {argument}: leave it out of TrainingArguments"):
        trainer(folder, callback(folder / "predecessor"), arguments(tmp_path, **{argument: value}))


@pytest.mark.parametrize("name", ["FSDP", "DeepSpeed"])
def test_launched_with_what_splits_the_model(
    name: str, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    training = trainer(folder, theseus := callback(folder / "predecessor"), arguments(tmp_path), callbacks=[])
    monkeypatch.setenv(f"ACCELERATE_USE_{name.upper()}", "true")
    training.add_callback(theseus)
    with pytest.raises(UserError, match=f"does not work with {name}, which wraps one model for good: leave it out"):
        training.train()


def test_several_gpus_in_one_process(folder: Path, tmp_path: Path) -> None:
    args = arguments(tmp_path)
    assert args.n_gpu == 0
    args._n_gpu = 2  # as Trainer would find them
    with pytest.raises(
        UserError, match="over 2 GPUs in one process, where modules cannot be switched: start the script"
    ):
        trainer(folder, callback(folder / "predecessor"), args)


def test_too_few_steps(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"comes to 0.80 in the 5 steps of this Trainer, and has to reach 1: train for"):
        trainer(folder, callback(folder / "predecessor"), arguments(tmp_path, max_steps=5)).train()


def test_saving_before_the_end_and_over_something(folder: Path, tmp_path: Path) -> None:
    theseus = callback(folder / "predecessor")
    with pytest.raises(UserError, match=r"no successor to save yet: call save after trainer.train\(\) has ended"):
        theseus.save(tmp_path / "successor")
    training = trainer(folder, theseus, arguments(tmp_path / "out"))
    training.train()
    (tmp_path / "successor").mkdir()
    with pytest.raises(UserError, match="exists already"):
        theseus.save(tmp_path / "successor")
    with pytest.raises(UserError, match="has let go of its predecessor in an earlier run: load the model anew"):
        training.train()


def test_a_checkpoint_of_another_run(folder: Path, checkpoints: Path, tmp_path: Path) -> None:
    other = trainer(folder, callback(folder / "predecessor"), arguments(tmp_path, seed=4))
    with pytest.raises(UserError, match=r"of a run with other options \(seed was 3, is 4\): use those to go on"):
        other.train(resume_from_checkpoint=str(checkpoints / "checkpoint-4"))
    plain = Trainer(
        model=AutoModelForSequenceClassification.from_pretrained(checkpoints / "successor"),
        args=arguments(tmp_path, max_steps=1, save_strategy="steps", save_steps=1),
        train_dataset=examples(folder),
        processing_class=AutoTokenizer.from_pretrained(folder / "predecessor"),
    )
    plain.train()
    with pytest.raises(UserError, match="the checkpoint is not of a run with TheseusCallback"):
        trainer(folder, callback(folder / "predecessor"), arguments(tmp_path)).train(resume_from_checkpoint=True)


def test_a_forward_that_something_else_has_put_into_the_model(folder: Path, tmp_path: Path) -> None:
    theseus = callback(folder / "predecessor")
    training = trainer(folder, theseus, arguments(tmp_path))
    theseus.model.forward = type(theseus.model).forward.__get__(theseus.model)
    with pytest.raises(UserError, match="do not reach the predecessor"):
        training.train()


def test_the_example(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    command = ["--predecessor", str(folder / "predecessor"), "--successor", str(tmp_path / "successor"),
               "--train", str(folder / "train.csv"), "--validation", str(folder / "train.csv"),
               "--output_dir", str(tmp_path / "checkpoints"), "--max_steps", "3", "--use_cpu"]  # fmt: skip
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")
    monkeypatch.setattr(sys, "argv", [str(EXAMPLE), *command])
    runpy.run_path(str(EXAMPLE), run_name="__main__")
    config = json.loads((tmp_path / "successor" / "config.json").read_text())
    assert config["num_hidden_layers"] == 3
    assert weights(tmp_path / "successor")
