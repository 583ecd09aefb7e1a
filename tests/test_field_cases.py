"""Cases from the field: what users did, by kind, and the test that holds what is right.

A line is `what a user did | test`. The test is a function, or cases of bad input by the way their names begin.
"""

from __future__ import annotations

import ast
import pkgutil
from pathlib import Path

import pytest

from tests import bad_input
from tests.bad_input import driver

HERE = Path(__file__).parent
KINDS = """
# Model, tokenizer and config disagree
had a config that names another padding id than the tokenizer pads with | loading/test_pairing.py::test_a_text_alone_has_the_logits_it_has_in_a_batch
scored such a classifier at batch sizes 1 and 64 | loading/test_pairing.py::test_a_score_does_not_follow_the_batch_size
trained with a tokenizer that pads on the left | loading/test_pairing.py::test_padding_never_counts
asked for 600 tokens of a RoBERTa with 514 positions | loading/test_pairing.py::test_texts_longer_than_the_positions
used XLNet, whose config says -1 positions | loading/test_pairing.py::test_xlnet_reads_its_last_place
added tokens without resizing the embeddings | loading/test_pairing.py::test_tokens_that_the_model_has_no_row_for
gave pairs to a model of one token type | loading/test_pairing.py::test_one_type_of_tokens_needs_no_telling
benched a shape beyond the positions | measure/test_inputs.py::test_a_shape_longer_than_the_model
fitted CANINE or CLIP, which have no single table of tokens | loading/test_pairing.py::test_a_model_without_one_table_of_tokens_has_room

# Weights that do not fit
edited positions, vocabulary or widths in config.json | test_checkpoint.py::test_what_does_not_fit_is_refused
fitted three classes from a checkpoint of three other classes | test_checkpoint.py::test_a_new_head_is_new
had more blocks in the file than in the config | test_checkpoint.py::test_blocks_too_many_in_a_file_without_a_head
compressed four of six blocks | bad input: compresses four of the six blocks

# A published folder that stock transformers cannot read
compressed ESM, whose contact head follows the depth | training/test_readback.py::test_esm_is_compressed_and_its_contact_head_keeps_the_kept_blocks
saved a two-class BART, whose class names stock drops | training/test_readback.py::test_generic_names_of_two_classes_reach_a_model_of_three_by_default
published a head of another size than the task's | training/test_readback.py::test_a_head_of_another_size_than_the_tasks_is_refused
left a Qwen3-Next without a block of attention | bad input: leaves a Qwen3-Next without

# Missing labels
left a label empty in CSV | bad input: leaves a label empty in CSV
gave a row too few cells | bad input: gives a CSV row too few cells
ended a CoNLL line after its tab | bad input: ends a CoNLL line after its tab
wrote ` pos` beside `pos` | tasks/test_labels.py::test_labels_that_differ_in_blanks_only
used NA, null and None as labels, which they may | tasks/test_labels.py::test_what_is_not_missing

# Integer labels and tags
numbered twelve tags 0 to 11 | tasks/test_token_classification.py::test_ids_of_tags_are_sorted_as_numbers_for_a_new_head
hid tags as -1 or -100 | tasks/test_token_classification.py::test_ids_that_no_name_stands_for
gave class ids to a trained head | tasks/test_token_classification.py::test_ids_of_tags_are_those_of_a_trained_head

# Lists as labels
gave [0, 1] as a label | tasks/test_labels.py::test_several_labels_for_one_example_are_not_supported
saved a column of lists of classes | bad input: gives a column of lists of classes
took a multi-label head for a regression | tasks/test_labels.py::test_a_head_of_one_output_that_is_no_regression

# What ends a line and separates words
wrote 10<nbsp>000 into a CoNLL file | tasks/test_conll.py::test_only_line_ends_end_a_line_and_only_blanks_separate
left CoNLL-U comments in | tasks/test_conll.py::test_comments_of_conll_u_are_no_words
had U+2028 in a cell | tasks/test_textfiles.py::test_only_line_ends_end_a_row
put a next-line character between facts | bad input: puts a next-line character between facts

# Byte order marks
saved facts, queries or stop words with a mark | tasks/test_textfiles.py::test_the_mark_is_no_part_of_the_first_name
saved files in UTF-16 | bad input: saves CSV in UTF-16

# Reinterpreted text and images
had texts that look like dates, numbers or booleans | tasks/test_textfiles.py::test_text_that_looks_like_another_type_stays_text
trained on 16-bit greyscale images | tasks/test_image_modes.py::test_pixels_of_every_mode
had .ipynb_checkpoints among the classes | tasks/test_image_modes.py::test_hidden_files_and_folders_are_no_images_and_no_classes
put images outside the folders of classes | tasks/test_image_modes.py::test_an_image_outside_the_folders_of_classes_is_not_passed_over

# Unlike examples in a pair
compared language models whose blocks differ | measure/test_alike.py::test_blocks_of_tokens_are_examples_only_if_they_are_the_same
compared masked language models with other tokenizers | measure/test_alike.py::test_hidden_tokens_are_those_of_one_tokenizer
timed the examples of unlike models | measure/test_alike.py::test_unlike_examples_are_not_timed_against_each_other

# Resumed runs
resumed masked-lm, and every other task, in a later epoch | training/test_resume_every_task.py::test_stopped_in_a_later_epoch_it_goes_on_as_it_was
resumed a task of their own whose split has set_epoch | training/test_resume_every_task.py::test_nobody_but_the_loop_tells_a_split_its_epoch
resumed with a shorter training file | bad input: resumes with a training file that became shorter
resumed with another predecessor of the same name | bad input: resumes with another predecessor

# Launch options that the loop does not read
launched with --gradient_accumulation_steps 4 | launching/test_asked_for.py::test_the_launchers_accumulation_is_the_recipes
launched with DeepSpeed | bad input: launches with ACCELERATE_USE_DEEPSPEED
launched with a dynamo backend | bad input: launches with ACCELERATE_DYNAMO_BACKEND

# Blocks split over processes, weights saved in half precision
split blocks to save memory, with teachers | training/test_sharding.py::test_between_passes_a_process_holds_its_part_of_every_block
compressed a predecessor saved in bf16 or fp16 | training/test_rounding.py::test_a_successor_is_saved_as_its_predecessor_was
fitted a bf16 regression | training/test_rounding.py::test_the_metrics_are_those_of_the_rounded_weights

# Logits that are no numbers
benched a model with NaN weights | test_finite.py::test_accuracy_of_nan_is_no_score
exported a regression to fp16 whose activations overflow | test_finite.py::test_what_fp16_does_not_hold_stays_in_fp32
exported a checkpoint with NaN weights | test_finite.py::test_a_checkpoint_with_nan_is_named_not_the_tolerance
ruled a class out by -inf, which is fine | test_finite.py::test_a_class_that_is_minus_infinity_throughout_is_ruled_out

# Passes without labels, texts without tokens
trained on a batch without labels | training/test_unlabelled.py::test_a_pass_without_labels_changes_nothing
tagged a zero-width space | tasks/test_token_classification.py::test_words_without_pieces_have_no_label_and_are_said
classified an empty text with GPT-2 | bad input: classifies nothing with GPT-2
had words without any token in every row | bad input: has words without any token in every row

# Alternating stacks
halved Gemma-2, Gemma-3, ModernBERT and Qwen3-Next | surgery/test_kinds.py::test_counts_by_kind
halved a Qwen3-MoE that is sparse by place alone | surgery/test_kinds.py::test_kinds_that_no_list_tells_of
chose the first blocks of Gemma-3 | surgery/test_kinds.py::test_explicit_initialisations_stay_and_are_told_of

# Nodes left in fp32, by fp16
left any node of four architectures in fp32 | onnx/test_fp16.py::test_any_node_may_stay_in_fp32
exported fp16 with --leave-out | onnx/test_fp16.py::test_a_node_is_left_out_by_the_export

# Encoder-decoders in bench, regressions in parity
benched T5 and BART classifiers at the default shapes | measure/test_inputs.py::test_classifiers_read_every_shape
exported a regression at the scale of prices | test_finite.py::test_parity_of_a_regression_goes_by_the_spread_of_its_values
exported a model whose masked class has -1e9 | onnx/test_parity.py::test_a_class_that_is_ruled_out_does_not_widen_the_bound

# Foreign records, weights beside the graph
exported a checkpoint with another tool's result.json | test_records.py::test_a_checkpoint_with_a_foreign_record_is_exported
benched a model whose record is a list | bad input: benches a model whose record is
lowered a model above 2 GiB, node by node | onnx/test_fp16.py::test_weights_beside_the_graph_do_not_grow_with_every_try

# Shards and pickles
exported sharded safetensors | test_checkpoint.py::test_shards_are_read
had pytorch_model.bin alone | test_checkpoint.py::test_the_lines_that_convert_pickled_weights
had an index that names a pickle | bad input: exports shards of which one is a pickled file
had a shard at ../../etc/passwd | bad input: compresses shards of which one is a parent's file
left a folder step-old among the checkpoints | training/test_checkpoints.py::test_what_else_lies_among_checkpoints_is_ignored
resumed from an optimizer file that is a pickle | bad input: resumes from an optimizer file that is a pickle

# Names of classes, code of a checkpoint, blocks of two stacks
named classes by numbers and booleans | test_checkpoint.py::test_names_of_classes_that_are_numbers
had a checkpoint that brings code of its own | test_checkpoint.py::test_code_of_a_checkpoint_is_never_run
measured the size of a BART and a T5 | measure/test_size.py::test_blocks_of_a_stock_encoder_and_decoder

# Exporters that talk
exported what makes exporters talk in every way | onnx/test_convert.py::test_an_exporter_that_talks_while_it_fails_is_not_heard
exported a Longformer | onnx/test_export.py::test_a_graph_for_one_shape_alone_is_told_of_the_model

# The command line and recipes
set a list that does not end | bad input: sets a list that does not end
named a package inside of one that is not there | bad input: sets a package inside of one
wrote ten thousand million laughs | bad input: writes ten thousand million laughs
wrote a key twice | bad input: writes a key twice
gave any number true, infinity, NaN or 10^30 | test_validation.py::test_no_option_takes_what_is_no_number_of_its_size
wrote learning-rate for learning_rate | test_validation.py::test_the_whole_key_is_named

# Plugins
had a plugin that ends the program | bad input: compresses with a method that ends the program
had one damaged entry_points.txt installed | test_registry.py::test_a_distribution_that_cannot_be_read_hurts_nobody
had a plugin that gives no record | bad input: compresses with a method that gives None
had a task that gives no data | bad input: fits with a task that gives None

# Disk, outputs, two at once
filled the disk in the middle of any command | bad input: lacks space for files
wrote with eleven libraries onto a full disk | writing/test_disk.py::test_they_say_it_of_a_disk_that_is_full
wrote into a file as if it were a folder | bad input: writes into a file as if it were a folder
gave an output a name of 300 characters | bad input: gives an output a name of 300 characters
started a command twice into one output | bad input: starts it twice into one output
started four writers at once | writing/test_claims.py::test_many_at_once_leave_one_whole_result
tuned a recipe whose first trial cannot start | tuning/test_study.py::test_a_first_trial_that_cannot_start_leaves_nothing
wrote the report over the model | bad input: writes the report over the model

# The terminal
piped into head, or closed standard output | test_ending.py::test_standard_output_that_takes_nothing
named a folder with escape sequences | test_console.py::test_a_terminal_sees_no_controls
named a folder [red]x[/] | test_console.py::test_rich_reads_no_markup

# Odd files beside a model
had an ONNX model whose weights lie at an absolute path | bad input: measures an ONNX model whose weights lie at an absolute path
had a config with no attention heads | bad input: exports a checkpoint with no attention heads
ranked queries of an unknown relation | relations/test_evaluator.py::test_a_query_of_an_unknown_relation_is_named
gave token ids beyond the vocabulary | onnx/test_session.py::test_a_token_beyond_the_vocabulary_is_named
"""  # noqa: E501 - one line a case
LINES = [line.split(" | ") for line in KINDS.splitlines() if " | " in line]


def test_every_kind_has_several_members() -> None:
    kinds = [kind.splitlines() for kind in KINDS.strip().split("\n\n")]
    assert all(head.startswith("# ") and len(members) >= 2 for head, *members in kinds)


@pytest.mark.parametrize(("did", "test"), LINES)
def test_it_is_held_by_a_test(did: str, test: str) -> None:
    beginning = test.removeprefix("bad input: ")
    if beginning != test:
        modules = [found.name for found in pkgutil.iter_modules(bad_input.__path__) if found.name.startswith("cases_")]
        assert any(case.did.startswith(beginning) for module in modules for case in driver.load(module))
        return
    file, _, name = test.partition("::")
    functions = [node for node in ast.parse((HERE / file).read_text()).body if isinstance(node, ast.FunctionDef)]
    assert name in {function.name for function in functions}
