"""Training on several processes: each takes its share of every batch, and all take the same step.

Draws and data are named by the example's place in the whole batch, and what each process finds is weighed by its share.
So a step differs from one process's by the order of float32 sums alone, and a run may go on with another number of them.
"""

from __future__ import annotations

import atexit
import gc
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from importlib import import_module

import torch
import torch.distributed as dist
from accelerate import Accelerator
from accelerate.state import AcceleratorState
from accelerate.utils import DistributedType
from torch import Tensor
from torch.distributed.rendezvous import rendezvous

from mai.compiler.ir.graph import Graph, Node, Region
from mai.compiler.ir.structure import Across, Loop
from mai.compiler.ops.reductions.norm import BatchNorm
from mai.compiler.torch.processes.together import Share
from mai.compiler.training.run.checkpoint import Checkpoint
from mai.spec.diagnostics import Diagnostic, MaiError

MODES = {"float32": "no", "bf16": "bf16", "fp16": "fp16"}
SPLIT_MODELS = (DistributedType.FSDP, DistributedType.DEEPSPEED, DistributedType.MEGATRON_LM)
GLOO = "gloo/transport"  # In what gloo says of a connection that has ended.
WHOLE_BATCH = {Across: "`across`", BatchNorm: "`batch_norm`"}


class Processes:
    """This process among those that `accelerate launch` started; one alone where nothing did."""

    def __init__(self, accelerator: Accelerator) -> None:
        self.count: int = accelerator.num_processes
        self.place: int = accelerator.process_index
        self.main: bool = accelerator.is_main_process
        self.accelerator = accelerator
        # To torch `cpu:0` of several processes is another device than `cpu`: moved there, states would be copied.
        self.device: torch.device = torch.device("cpu") if accelerator.device.type == "cpu" else accelerator.device

    @property
    def context(self) -> Callable[[], AbstractContextManager[object]]:
        """What code runs in whose products have the precision of the run."""
        return nullcontext if self.accelerator.mixed_precision == "no" else self.accelerator.autocast

    def _shares_of(self, parts: int) -> str:
        """What computes a share of a batch, in words."""
        if self.count == 1:
            return "parts"
        return "parts of processes" if parts > 1 else "processes"

    def check(self, graph: Graph, batch: int, parts: int = 1) -> None:
        """Raise `MaiError` for what a batch in shares cannot do: more shares than examples, examples that see those of other parts.

        Every process has a share, which it computes in so many `parts`, one after the other.
        """
        shares = self.count * parts
        if batch < shares:
            message = f"a batch of {batch:,} has no example for each of {shares:,} {self._shares_of(parts)}"
            raise MaiError([Diagnostic("bad-setting", None, message, help="a larger `batch`, or fewer of them")])
        if parts > 1:
            for node in looking_across(graph):
                message = f"{WHOLE_BATCH[node.op]} looks at the whole batch, which `accumulate` computes in parts"
                raise MaiError([Diagnostic("batch-in-parts", node.span, message, help="leave `accumulate` out")])
        for loop in graph.walk() if self.count > 1 else ():
            if loop.op is Loop and Loop.of(loop).stops and any(True for _ in looking_across(loop.regions[0])):
                message = f"this ends when the examples do, {self.count:,} processes after turns of their own, and looks at them all"
                raise MaiError([Diagnostic("batch-in-parts", loop.span, message, help="train it with one process")])

    def check_precision(self) -> None:
        """Raise `MaiError` where weights in parts cannot be trained so: each process would scale its gradients for itself."""
        if self.accelerator.scaler is not None:
            message = "fp16 needs the whole weights in every process"
            raise MaiError([Diagnostic("bad-setting", None, message, help="--precision bf16, or without --shard")])

    def share(self, batch: int) -> Share:
        """This process's examples in a batch."""
        return Share(self.place, tuple(map(len, parts_of(range(batch), self.count))))

    def summed(self, figures: Sequence[Tensor], more: Sequence[float]) -> list[float]:
        """Numbers on the device and others, summed over all processes, in one message. Here the program waits for the device."""
        if self.count == 1:
            return [*(_numbers(figures) if figures else ()), *more]
        said = torch.tensor(more, dtype=torch.float32)
        message = torch.cat([*(f.detach().float().reshape(1) for f in figures), said.to(self.device)])
        dist.all_reduce(message)
        return message.tolist()

    def as_main(self, value: float) -> float:
        """A number as the main process has it."""
        return value if self.count == 1 else self.summed((), [value if self.main else 0.0])[0]

    def from_main(self, checkpoint: Checkpoint | None) -> Checkpoint | None:
        """What the main process has read: only its machine needs the run's folder."""
        if self.count == 1:
            return checkpoint
        box = [checkpoint]
        dist.broadcast_object_list(box, src=0)
        return box[0]

    def spread(self, tensors: Iterable[Tensor]) -> None:
        """Give all processes the tensors of the main one, in place."""
        for tensor in tensors if self.count > 1 else ():
            dist.broadcast(tensor, src=0)

    def wait(self) -> None:
        """Until all are here."""
        if self.count > 1:
            self.accelerator.wait_for_everyone()

    def end(self) -> None:
        """Leave the group, all together; what follows is the main process's alone."""
        if self.count > 1:
            self.wait()
            leave_group()


def _numbers(figures: Sequence[Tensor]) -> list[float]:
    """Numbers on one device, which is waited for once."""
    if figures[0].device.type == "cpu":
        return [figure.item() for figure in figures]
    return torch.stack(list(figures)).tolist()


@contextmanager
def among_others() -> Iterator[None]:
    """Where another process is gone, torch fails in the next message to it. Raises `MaiError` that says so."""
    try:
        yield
    except RuntimeError as error:
        if not (isinstance(error, dist.DistError) or GLOO in str(error)):
            raise
        message = "another process of this run has ended, or cannot be reached, and this one cannot go on without it"
        help = "it says why itself, if it could; with --max_restarts torchrun starts all again, and --resume goes on from the last checkpoint"
        raise MaiError([Diagnostic("process-lost", None, message, help=help)]) from error


def restarts() -> int:
    """How often `torchrun` has started the processes of this machine again, after one of them died."""
    return int(os.environ.get("TORCHELASTIC_RESTART_COUNT", "0"))


def join_again() -> None:
    """Find the other processes after a restart, where all are on this machine.

    The launcher keeps its store of addresses over restarts, and those of the processes before are still in it: ours have names of their
    own. On several machines, which count restarts each for itself, TORCH_DISABLE_SHARE_RDZV_TCP_STORE=1 makes a new store each time.
    """
    is_stale = os.environ.get("TORCHELASTIC_USE_AGENT_STORE") == "True" and os.environ.get("GROUP_WORLD_SIZE") == "1"
    if restarts() and is_stale and not dist.is_initialized():
        store, place, count = next(rendezvous("env://"))
        own = dist.PrefixStore(f"restart {restarts()}", store)  # type: ignore[attr-defined]
        dist.init_process_group(store=own, rank=place, world_size=count)


def leave_group() -> None:
    """End the group's threads, if this process is in one: a program that ends with some of them may be aborted.

    They end when nothing refers to the group any more, also no run that is over and refers to itself.
    """
    if dist.is_initialized():
        dist.destroy_process_group()
    gc.collect()


def looking_across(region: Region) -> Iterator[Node]:
    """The nodes in which examples see each other."""
    for node in region.walk():
        if node.op in WHOLE_BATCH and node.attributes.get("training", True):
            yield node


def parts_of(places: range, count: int) -> list[range]:
    """Places in parts as equal as they can be, in order."""
    start, size = places.start, len(places)
    return [range(start + size * i // count, start + size * (i + 1) // count) for i in range(count)]


def accelerator_of(device: str | None, precision: str) -> Accelerator:
    """Where and how to compute. Raises `MaiError` for what is not here."""
    if device not in (None, "cpu", "cuda", "mps"):
        raise MaiError([Diagnostic("bad-setting", None, f"there is no device `{device}`", help="cpu, cuda or mps")])
    if device == "cuda" and not torch.cuda.is_available():
        raise MaiError([Diagnostic("bad-setting", None, "there is no usable CUDA device here", help="--device cpu")])
    if precision not in MODES:
        raise MaiError([Diagnostic("bad-setting", None, f"there is no precision `{precision}`", help=", ".join(MODES))])
    if precision == "fp16" and (device == "cpu" or not torch.cuda.is_available()):
        raise MaiError([Diagnostic("bad-setting", None, "fp16 needs a GPU", help="--precision bf16 runs on a CPU")])
    if "RANK" in os.environ:
        # Defaults of this module's functions are the group there is when it is imported, which they would never let go of.
        import_module("torch.distributed.nn.functional")
        atexit.register(leave_group)  # However the program ends: after an error, too.
    join_again()
    # Without being told of a CPU, accelerate does not join several processes there.
    on_cpu = device == "cpu" or not torch.accelerator.is_available()
    if not dist.is_initialized():  # A training of this program before may have had another precision or device.
        AcceleratorState._reset_state(reset_partial_state=True)
    accelerator = Accelerator(cpu=on_cpu, mixed_precision=MODES[precision])
    if accelerator.distributed_type in SPLIT_MODELS:
        message = f"every process holds the whole model: {accelerator.distributed_type.value} is not supported"
        raise MaiError([Diagnostic("bad-setting", None, message, help="accelerate launch without it")])
    return accelerator
