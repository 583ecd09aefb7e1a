"""Microsoft Olive: every registered method as an Olive pass.

Olive finds passes in a JSON file, its package configuration; `package_config` is that of the installed Olive with ours
added. `ModelCompression` runs any method; beside it each method has a pass of its own, such as `TheseusCompression`,
whose parameters are the method's options. Those classes are made when Olive asks this module for them.
"""

from __future__ import annotations

import functools
import logging
import os
import re
import shutil
from abc import abstractmethod
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field, field_validator, model_validator

from theseus_plugin.api import compress
from theseus_plugin.contract import as_recipe
from theseus_plugin.errors import Interrupted, UserError, did_you_mean
from theseus_plugin.files import read_json
from theseus_plugin.hosts.olive_parameters import python_type
from theseus_plugin.hosts.olive_processes import compress_in_processes
from theseus_plugin.plugins import registry
from theseus_plugin.plugins.schemas import resolved, resuming
from theseus_plugin.recipe import Recipe, load_recipe

try:
    from olive.model import HfModelHandler
    from olive.package_config import OlivePackageConfig
    from olive.passes import Pass
    from olive.passes.pass_config import PassConfigParam
    from olive.passes.pytorch.common import inherit_hf_from_hf
    from olive.search.search_parameter import Categorical
except ModuleNotFoundError as error:
    raise UserError(f"Olive cannot be imported ({error}): pip install 'theseus-plugin[olive]'") from None

logger = logging.getLogger(__name__)

GENERIC = "ModelCompression"
"""Name of the pass that runs any method."""


def passes() -> dict[str, str]:
    """The methods' own passes: names of methods by name of pass. No plugin is imported.

    Raises:
        UserError: the names of two methods give the same name of a pass.
    """
    found: dict[str, str] = {}
    for method in registry.names("method"):
        words = re.split(r"[^0-9A-Za-z]+", method)
        name = "".join(word[:1].upper() + word[1:] for word in words) + "Compression"
        if twin := next((found[other] for other in found if other.lower() == name.lower()), None):
            raise UserError(f"methods {twin!r} and {method!r} would both be Olive's {name}: uninstall one of them")
        found[name] = method
    return found


def package_config() -> dict[str, Any]:
    """The installed Olive's package configuration, with a pass for each registered method added.

    It is what `olive run --package-config` reads from a file, and `olive.workflows.run(package_config=...)` takes.

    Raises:
        UserError: a pass would have the name of another.
    """
    content: dict[str, Any] = read_json(Path(OlivePackageConfig.get_default_config_path()))
    taken = {name.lower() for name in content["passes"]}
    origins: dict[str, list[str]] = {}
    for row in registry.listing():
        if row.kind == "method":
            origins.setdefault(row.name, []).append(row.distribution)
    for name, needs in {GENERIC: [], **{name: origins[method] for name, method in passes().items()}}.items():
        if name.lower() in taken:
            raise UserError(f"the pass {name} would hide Olive's own: uninstall the method it is named after")
        taken.add(name.lower())
        content["passes"][name] = {
            "module_path": f"{__name__}.{name}",
            "supported_providers": ["*"],
            "supported_accelerators": ["*"],
            "supported_precisions": ["*"],
            "supported_algorithms": [],
            "supported_quantization_encodings": [],
            "dataset": "dataset_required",
            "module_dependencies": sorted({"theseus-plugin", *needs}),
        }
    return content


class _Compression(Pass):  # type: ignore[misc]
    """What the passes have in common. They differ in how a method and its options are named."""

    @classmethod
    @abstractmethod
    def _method_parameters(cls) -> dict[str, PassConfigParam]:
        """The parameters that name the method and its options."""

    @classmethod
    @abstractmethod
    def _method_section(cls, config: Any) -> dict[str, Any]:
        """The section `method` of the recipe: what those parameters say."""

    @classmethod
    def _default_config(cls, accelerator_spec: Any) -> dict[str, PassConfigParam]:
        common = {
            "task": PassConfigParam(
                type_=dict | str,
                required=True,
                description="Data and metric: the section `task` of a recipe, or the path of a recipe that has one",
            ),
            "processes": PassConfigParam(
                type_=Annotated[int, Field(ge=1)],
                default_value=1,
                description="Processes to train in; more than one: started with `accelerate launch`",
            ),
            "cache_key": PassConfigParam(
                type_=dict,
                default_value=_cache_key(),
                description="Not to be set: what a result depends on beside the other parameters",
            ),
        }
        own = cls._method_parameters()
        if twice := own.keys() & common.keys():
            raise ValueError(f"{cls.__name__}: the method has an option named {min(twice)}: use the pass {GENERIC}")
        return own | common

    @classmethod
    def _validators(cls) -> dict[str, Any]:
        names = cls._default_config(None)

        def refuse_unknown(cls: Any, values: Any) -> Any:
            for key in values if isinstance(values, Mapping) else ():
                if key not in names:
                    raise ValueError(f"unknown key {key!r}: {did_you_mean(key, names)}")
            return values

        return {
            "refuse_unknown": model_validator(mode="before")(refuse_unknown),
            "read_task": field_validator("task", mode="before")(_task),
        }

    @classmethod
    def validate_config(cls, config: Any, accelerator_spec: Any) -> bool:
        """Olive calls it before it looks into its cache.

        Raises:
            ValueError: a wrong option, or a plugin that is missing or broken.
        """
        with _olive_errors():
            recipe = cls._recipe(config)
            recipe.create_method()
            recipe.create_task()
        return True

    @classmethod
    def _recipe(cls, config: Any, **folders: str) -> Recipe:
        method = _names_restored(cls._method_section(config))
        return load_recipe({"task": config.task, "method": method, **folders})

    def _run_for_config(self, model: Any, config: Any, output_model_path: str) -> Any:
        with _olive_errors():
            source = self._source(model)
            # Made by Olive beforehand, or left by a run that was killed: what it had trained lies beside it.
            shutil.rmtree(output_model_path, ignore_errors=True)
            recipe = self._recipe(config, predecessor=source, successor=output_model_path)
            recipe = recipe.model_copy(update={"method": resuming(recipe.method or {})})
            if config.processes == 1:
                compress(recipe)
            else:
                content = recipe.model_dump(mode="json", include={"predecessor", "successor", "task", "method"})
                compress_in_processes(content, config.processes)
        model.save_metadata(output_model_path)
        return inherit_hf_from_hf(model, output_model_path)

    def _source(self, model: Any) -> str:
        """The folder or hub name of the model that came in."""
        name = type(self).__name__
        if not isinstance(model, HfModelHandler):
            raise UserError(f"{name} takes a model of type HfModel, not {type(model).__name__}: put it before others")
        if model.adapter_path:
            raise UserError(f"{name} takes no model with an adapter: put Olive's MergeAdapterWeights before it")
        return str(model.model_name_or_path)


class ModelCompression(_Compression):
    """Any registered method, by name."""

    @classmethod
    def _method_parameters(cls) -> dict[str, PassConfigParam]:
        return {
            "method": PassConfigParam(
                type_=str, required=True, description=f"One of: {', '.join(registry.names('method'))}"
            ),
            "options": PassConfigParam(
                type_=dict, default_value={}, description="The method's options, as in a recipe"
            ),
        }

    @classmethod
    def _method_section(cls, config: Any) -> dict[str, Any]:
        return {**(config.options or {}), "name": config.method}


class _NamedCompression(_Compression):
    """One method, whose options are the pass's parameters."""

    @property
    @abstractmethod
    def method(self) -> str:
        """The method's name; an attribute of the class."""

    @classmethod
    def _method_parameters(cls) -> dict[str, PassConfigParam]:
        with _olive_errors():
            schema = registry.schema("method", str(cls.method))
        return {name: _parameter(schema, name) for name in schema.get("properties", {})}

    @classmethod
    def _method_section(cls, config: Any) -> dict[str, Any]:
        # A default that the schema does not tell stands here as None: left out, the method fills it in.
        defaults = {name: parameter.default_value for name, parameter in cls._method_parameters().items()}
        given = {name: getattr(config, name) for name in defaults}
        return {name: value for name, value in given.items() if value != defaults[name]} | {"name": cls.method}


def __getattr__(name: str) -> type[Pass]:
    """The class of a method's own pass."""
    if name.startswith("_") or name not in (known := passes()):
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return _named(name, known[name])


@functools.cache
def _named(name: str, method: str) -> type[Pass]:
    return type(name, (_NamedCompression,), {"method": method, "__module__": __name__})


def _parameter(schema: Mapping[str, Any], name: str) -> PassConfigParam:
    """An option as a parameter. That one must be given is for the method to check: Olive does not search over those
    that it requires itself.
    """
    part = resolved(schema, schema["properties"][name])
    needed = " (must be given)" if name in schema.get("required", ()) else ""
    return PassConfigParam(
        type_=python_type(schema, part),
        default_value=part.get("default"),
        description=part.get("description", name) + needed,
        search_defaults=Categorical(part["search"]) if "search" in part else None,
    )


def _task(cls: Any, given: Any) -> Any:
    """The task's section in full, so that it and not the path of a file is in Olive's cache key."""
    with _olive_errors():
        recipe = load_recipe(given if isinstance(given, str) else {"task": _names_restored(given)})
        return as_recipe(recipe.create_task())


def _names_restored(value: Any) -> Any:
    """Texts as the user wrote them: Olive takes a name for a path where a file or folder of that name lies in the
    current folder.
    """
    if isinstance(value, Mapping):
        return {key: _names_restored(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_names_restored(item) for item in value]
    if isinstance(value, str) and os.path.isabs(value) and os.path.dirname(value) == os.getcwd():
        return os.path.basename(value)
    return value


def _cache_key() -> dict[str, str]:
    """The folder that relative paths start from, and the version of each distribution that could take part."""
    versions = {row.distribution: row.version for row in registry.listing() if row.kind != "evaluator"}
    return {"folder": os.getcwd(), **dict(sorted(versions.items()))}


@contextmanager
def _olive_errors() -> Iterator[None]:
    """A user's mistake as the error that Olive takes for one: after others it ends with status 0, or keeps in its
    cache that the model failed.
    """
    try:
        yield
    except Interrupted as error:
        logger.error("%s", error)
        raise SystemExit(error.status) from None
    except UserError as error:
        raise ValueError(str(error)) from None
