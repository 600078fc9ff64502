"""The weights of a spec in Python: first values, modules of torch, and what is taken back from them."""

from __future__ import annotations

import re
import textwrap
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

import mai
from tests.support.cases.from_python import FLOW, HOUSES, POINTS, PRICES


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_weights_that_do_not_fit_are_told_by_their_names() -> None:
    spec = mai.Spec(FLOW, "flow", data=POINTS)
    weights = {name: each.numpy() for name, each in spec.torch().state_dict().items()}
    name, array = next(iter(weights.items()))
    others = {other: each for other, each in weights.items() if other != name}
    shape = re.escape(str([*array.shape]))
    for changed, words in (
        (others, rf"there is no `{name}` {shape} among the weights .*state_dict"),
        (others | {f"{name}s": array}, rf"there is no `{name}` .*is it `{name}s`\?"),
        (weights | {name: array[:1, :1]}, rf"`{name}` is {shape} in the spec and \[1, 1\] among the weights"),
        (weights | {"foo": array}, "the spec has no parameter `foo`"),
    ):
        with pytest.raises(mai.MaiError, match=words):
            spec.export("sample", weights=changed)


def test_without_a_run_first_values_are_called() -> None:
    spec = mai.Spec(FLOW, "flow", data=POINTS)
    first = spec.sample(batch=2)
    assert first.shape == (2, 2)
    spec.train(quiet=True)
    assert not np.allclose(first, spec.sample(batch=2))


DATED = """data sold: [], town: class[2], price: [] from python(houses)
net f(town: class[2]) -> [] { return sum(embed(town, 2)) }
train(steps = 3, batch = 8) { minimize (sold / 1000 + f(town) - price)^2 }
export worth(sold: [], town: class[2]) -> [2] { return [sold, f(town)] }
"""


def test_first_values_know_labels_and_dates_by_the_words_of_the_data() -> None:
    houses = {**HOUSES, "sold": pd.to_datetime(["2024-05-01", "2024-05-02"] * 8)}
    spec = mai.Spec(DATED, "dated", data=pd.DataFrame(houses))
    by_words, by_numbers = spec.worth(sold="2024-05-02", town="Ulm"), spec.worth(sold=19845, town=1)
    assert by_words.tolist() == by_numbers.tolist() and by_words[0, 0] == 19845


def test_the_module_computes_what_files_compute_and_training_minimizes() -> None:
    spec = mai.Spec(FLOW, "flow", data=POINTS)
    run = spec.train(1, batch=64, quiet=True, seed=0)
    module = mai.Spec(FLOW, "flow", data=POINTS).torch(seed=0)
    assert list(dict(module.named_parameters())) == list(spec.parameters)
    loss = run.metrics["loss"][0]
    near = float(module.loss(x=POINTS).detach())
    assert abs(near - loss) < 0.5 * loss  # of all points, where the run had nine tenths of them
    file = spec.export("sample", weights=module)
    np.testing.assert_allclose(
        module.export("sample")(batch=4, seed=1).detach().numpy(), file(batch=4, seed=1), atol=1e-5
    )


def test_a_loop_of_ones_own_trains_what_is_taken_back() -> None:
    spec = mai.Spec(PRICES, "prices", data=HOUSES)
    module = spec.torch()
    optimizer = torch.optim.Adam(module.parameters(), 0.1)
    batch = {"area": torch.tensor([1.0, 2.0]), "town": torch.tensor([0, 1]), "price": torch.tensor([3.0, 4.0])}
    for step in range(200):
        loss = module.loss(step=step, **batch)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert loss.item() < 1e-2
    worth = spec.export("worth", weights=module)
    np.testing.assert_allclose(worth(area=[1.0, 2.0], town=["Bonn", "Ulm"]), [3.0, 4.0], atol=0.2)
    with pytest.raises(mai.MaiError, match="`price` is missing"):
        module.loss(area=batch["area"], town=batch["town"])
    with pytest.raises(mai.MaiError, match="inputs and settings are given by name"):
        module(batch["area"])
    with pytest.raises(mai.MaiError, match=r"prices has no export `wort` .*did you mean `worth`"):
        module.export("wort")
    worth = spec.train(steps=1, weights=module).export("worth")
    np.testing.assert_allclose(worth(area=[1.0, 2.0], town=["Bonn", "Ulm"]), [3.0, 4.0], atol=0.4)


def test_every_call_of_a_loss_has_draws_of_its_own() -> None:
    """As a torch module's dropout has; the steps say the same draws again, and held-out examples always have the same ones."""
    module, again = (mai.Spec(FLOW, "flow", data=POINTS).torch() for _ in range(2))
    called = [module.loss(x=POINTS).item() for _ in range(3)]
    assert len({*called}) == 3 and called == [again.loss(x=POINTS, step=step).item() for step in range(3)]
    assert again.loss(x=POINTS).item() == module.loss(x=POINTS).item() != called[-1]
    module.eval()
    assert module.loss(x=POINTS).item() == module.loss(x=POINTS).item()


def test_states_move_in_training_alone_and_the_module_goes_to_other_types() -> None:
    text = textwrap.dedent("""
        data x: [2] from python(points)
        net f(x: [2]) -> [2] { return dropout(batch_norm(linear(x, 2)[:, None, None])[:, 0, 0], 0.5) }
        train(steps = 1) { minimize sum((f(x) - x)^2) }
        export out(x: [2]) -> [2] { return f(x) }
    """)
    module = mai.Spec(text, data=POINTS).torch()
    before = {name: tensor.clone() for name, tensor in module.named_buffers()}
    module.loss(x=POINTS)
    assert before
    assert all(not torch.equal(tensor, before[name]) for name, tensor in module.named_buffers())
    moved = {name: tensor.clone() for name, tensor in module.named_buffers()}
    module.eval()
    losses = {float(module.loss(x=POINTS, step=step).detach()) for step in range(3)}
    assert losses == {float(((module(x=POINTS).detach() - torch.tensor(POINTS)) ** 2).sum(1).mean())}
    assert all(torch.equal(tensor, moved[name]) for name, tensor in module.named_buffers())
    assert float(module.train().loss(x=POINTS).detach()) not in losses
    module.to("cpu")
    assert module(x=POINTS).shape == (64, 2)


def test_first_values_are_what_the_examples_say() -> None:
    text = """data area: real, town: class[2], price: real from python(houses)
net f(area: real) -> real { return linear([normalise(area)], 1)[0] }
train(steps = 1) { minimize (f(area) - price)^2 }
export worth(area: real) -> real { return f(area) }
"""
    spec = mai.Spec(text, data={**HOUSES, "town": [0, 1] * 8})
    module = spec.torch()
    means = {name: float(tensor) for name, tensor in module.named_buffers() if tensor.numel() == 1}
    assert any(abs(value - 2.5) < 0.3 for value in means.values())
    np.testing.assert_array_equal(spec.export(weights=module)(area=[1.0]), spec.worth(area=[1.0]))


def test_a_model_takes_tensors_that_are_trained_and_no_masks() -> None:
    model = mai.Spec("export twice(x: [2]) -> [2] { return 2 * x }").twice
    assert (model(x=torch.ones(1, 2, requires_grad=True)) == 2).all()
    with pytest.raises(mai.ModelError, match="under a mask"):
        model(x=np.ma.masked_equal([[1.0, 2.0]], 1))
