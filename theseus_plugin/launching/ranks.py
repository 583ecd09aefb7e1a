"""`accelerate launch --cpu --num_processes N` starts one process, not N: start the ones that were asked for.

Without mpirun, Accelerate's launcher leaves the ranks of a CPU run to MPI and quietly runs the program once. A user
who asked for two processes would get one. So the process that finds itself alone starts over under torchrun.
"""

from __future__ import annotations

import json
import os
import sys
import time
from contextlib import suppress
from pathlib import Path

from theseus_plugin.launching.command_line import parse

_RANKS = ("RANK", "PMI_RANK", "OMPI_COMM_WORLD_RANK", "MV2_COMM_WORLD_RANK")


def is_first_process() -> bool:
    """Whether this is the process of a run that speaks to the user, or the only one."""
    return os.environ.get("RANK", "0") == "0"


def start_missing_ranks() -> None:
    """Replace this process by torchrun with the launcher's number of processes; return if all is well already."""
    # The launcher sets an address to meet at if and only if it was asked for several processes.
    alone = "MASTER_ADDR" in os.environ and not any(name in os.environ for name in _RANKS)
    if not alone or os.environ.get("ACCELERATE_USE_CPU", "").lower() not in ("true", "1"):
        return
    import psutil

    # The parent alone: where the launcher runs a script that runs us, there is but one of us to start over.
    processes = _asked_for(psutil.Process(os.getppid()).cmdline())
    if processes is None:
        return
    del os.environ["MASTER_ADDR"], os.environ["MASTER_PORT"]
    torchrun = ["-m", "torch.distributed.run", "--standalone", f"--nproc_per_node={processes}"]
    os.execv(sys.executable, [sys.executable, *torchrun, "-m", "theseus_plugin", *sys.argv[1:]])


def tell_launcher(line: str) -> None:
    """Put what ended this process into torchrun's own report, which comes after it, if there is to be one."""
    if file := os.environ.get("TORCHELASTIC_ERROR_FILE"):
        said = {"message": {"message": line, "extraInfo": {"timestamp": str(int(time.time()))}}}
        with suppress(OSError):  # it has been told once
            Path(file).write_text(json.dumps(said), encoding="utf-8")


def leave_process_group() -> None:
    """Take leave of the other processes of a run that went well, if there are any: they complain otherwise."""
    torch = sys.modules.get("torch")
    if torch is not None and torch.distributed.is_available() and torch.distributed.is_initialized():
        torch.distributed.destroy_process_group()


def _asked_for(words: list[str]) -> int | None:
    """`num_processes` as typed or by the file, in words of Accelerate's launcher on a single machine; else None."""
    from accelerate.commands.config.config_args import load_config_from_file

    typed = parse(words)
    if typed is None:
        return None
    processes, machines = typed.get("num_processes"), typed.get("num_machines")
    if processes is None:  # several were asked for, so there is a file that says how many
        file = load_config_from_file(typed.get("config_file"))
        processes, machines = file.num_processes, machines or file.num_machines
    return int(processes) if int(machines or 1) == 1 else None
