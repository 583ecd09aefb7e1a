"""What takes long to import, for the server that forks the tests' processes; imported there and nowhere else.

It starts no thread: a lock that another thread holds at that moment is never released in a fork.
"""

from __future__ import annotations

import gc
import importlib
import pkgutil
from contextlib import suppress

from transformers.conversion_mapping import get_checkpoint_conversion_mapping

import theseus_plugin

OTHERS = (
    "datasets",
    "onnx",
    "onnxruntime",
    "optuna",
    "pandas",
    "PIL.Image",
    "pydantic.root_model",
    "pytest",
    "safetensors.torch",
    "scipy.stats",
    "sklearn.metrics",
    "torch.distributed.elastic.multiprocessing.errors",
    "transformers.convert_slow_tokenizer",
    "transformers.models.auto.modeling_auto",
    "transformers.models.auto.tokenization_auto",
    "transformers.models.bert.modeling_bert",
)
ABSENT = ("__main__", "template", "hosts")
"""Parts of the package that are programs, or import what may not be installed."""

for found in pkgutil.walk_packages(theseus_plugin.__path__, "theseus_plugin."):
    if not set(found.name.split(".")) & set(ABSENT):
        importlib.import_module(found.name)
for name in OTHERS:
    with suppress(ImportError):  # an extra that is not installed
        importlib.import_module(name)
get_checkpoint_conversion_mapping("bert")  # a thousand regular expressions, for the first checkpoint to be read
gc.collect()
gc.freeze()  # else the first collection in a fork writes to each object, and copies all of them
