"""Training on several processes: each takes its share of every batch, and all take the same step.

Draws and data are named by the example's place in the whole batch, and what each process finds is weighed by its share.
So a step differs from one process's by the order of float32 sums alone, and a run may go on with another number of them.
"""

from __future__ import annotations

import atexit
from collections.abc import Iterable, Sequence

import torch
import torch.distributed as dist
from accelerate import Accelerator
from accelerate.utils import DistributedType
from torch import Tensor, nn

from mai.compiler.ir.graph import Graph
from mai.compiler.ir.structure import Across
from mai.compiler.ops.reductions.norm import BatchNorm
from mai.compiler.training.run.checkpoint import Checkpoint
from mai.spec.diagnostics import Diagnostic, MaiError

MODES = {"float32": "no", "bf16": "bf16", "fp16": "fp16"}
SPLIT_MODELS = (DistributedType.FSDP, DistributedType.DEEPSPEED, DistributedType.MEGATRON_LM)
WHOLE_BATCH = {Across: "`across`", BatchNorm: "`batch_norm`"}


class Processes:
    """This process among those that `accelerate launch` started; one alone where nothing did."""

    def __init__(self, accelerator: Accelerator) -> None:
        self.count: int = accelerator.num_processes
        self.place: int = accelerator.process_index
        self.main: bool = accelerator.is_main_process
        self.accelerator = accelerator

    def check(self, graph: Graph, batch: int, parts: int = 1) -> None:
        """Raise `MaiError` for what a batch in shares cannot do: examples that see each other, more shares than examples.

        Every process has a share, which it computes in so many `parts`, one after the other.
        """
        shares = self.count * parts
        if batch < shares:
            words = f"{shares:,} {'parts' if self.count == 1 else 'parts of processes' if parts > 1 else 'processes'}"
            message = f"a batch of {batch:,} has no example for each of {words}"
            raise MaiError([Diagnostic("bad-setting", None, message, help="a larger `batch`, or fewer of them")])
        for node in graph.walk() if shares > 1 else ():
            if node.op in WHOLE_BATCH and node.attributes.get("training", True):
                what = (
                    f"which {self.count:,} processes share out"
                    if parts == 1
                    else "which `accumulate` computes in parts"
                )
                message = f"{WHOLE_BATCH[node.op]} looks at the whole batch, {what}"
                help = "train this spec with one process" if parts == 1 else "leave `accumulate` out"
                raise MaiError([Diagnostic("one-process", node.span, message, help=help)])

    def share(self, batch: int) -> range:
        """The places of this process's examples in a batch."""
        return parts_of(range(batch), self.count)[self.place]

    def agree(self, loss: Tensor, parameters: Sequence[nn.Parameter], weight: float, stop: bool) -> tuple[float, bool]:
        """The loss over the whole batch, and whether any process is to stop; gradients become those of the whole batch.

        One message: the gradients one after the other, the loss, the stop. `weight` is this process's share of the batch.
        """
        if self.count == 1:
            return float(loss), stop
        gradients = [p.grad for p in parameters if p.grad is not None]
        parts = [weight * g.reshape(-1).float() for g in gradients]
        said = torch.stack([weight * loss.float(), loss.new_tensor(float(stop), dtype=torch.float32)])
        message = torch.cat([*parts, said])
        dist.all_reduce(message)
        for gradient, part in zip(gradients, torch.split(message[:-2], [g.numel() for g in gradients]), strict=True):
            gradient.copy_(part.view_as(gradient))
        return float(message[-2]), bool(message[-1] > 0)

    def average(self, values: Sequence[float], weight: float) -> list[float]:
        """Means over shares as means over the whole batch."""
        if self.count == 1 or not values:
            return list(values)
        message = weight * torch.tensor(values, device=self.accelerator.device)
        dist.all_reduce(message)
        return [float(v) for v in message]

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


def leave_group() -> None:
    """End the group's threads, if this process is in one: a program that ends with some of them is aborted."""
    if dist.is_initialized():
        dist.destroy_process_group()


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
    accelerator = Accelerator(cpu=device == "cpu", mixed_precision=MODES[precision])
    atexit.register(leave_group)  # However the program ends: after an error, too.
    if accelerator.distributed_type in SPLIT_MODELS:
        message = f"every process holds the whole model: {accelerator.distributed_type.value} is not supported"
        raise MaiError([Diagnostic("bad-setting", None, message, help="accelerate launch without it")])
    return accelerator
