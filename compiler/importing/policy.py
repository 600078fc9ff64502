"""A policy of LeRobot: what it observes of a robot, what its actions are, and how both are normalised, by its config."""

from __future__ import annotations

from collections.abc import Mapping

from mai.compiler.importing.config import Settings, refused
from mai.compiler.importing.folder import CONFIG
from mai.compiler.weights.policy import MODES

STATE, ENVIRONMENT, IMAGE, IMAGES, ACTION = (
    "observation.state", "observation.environment_state", "observation.image", "observation.images.", "action",
)  # fmt: skip


def read_policy(config: Mapping[str, object]) -> Settings:
    """The features of a policy as `policy`: `state`, `environment`, `action`, `cameras`, all of them as `features`.

    Raises:
        MaiError: `config-unknown` for a feature or a way of normalising that is not known.
    """
    modes = _table(config, "normalization_mapping")
    inputs, outputs = _table(config, "input_features"), _table(config, "output_features")
    if list(outputs) != [ACTION]:
        raise refused("config-unknown", f"{CONFIG}: `output_features` are {', '.join(outputs)}; known here: {ACTION}")
    action = _feature(ACTION, outputs[ACTION], modes)
    named = {_name(key): _feature(key, said, modes) for key, said in inputs.items()}
    if len(named) < len(inputs):
        raise refused("config-unknown", f"{CONFIG}: `{IMAGE}` and `{IMAGES}image` would both be called `image`")
    cameras = [feature for name, feature in named.items() if name not in ("state", "environment")]
    if not cameras and "environment" not in named:
        raise refused("config-unknown", f"{CONFIG}: `input_features` has neither images nor `{ENVIRONMENT}`")
    sizes = {(camera["height"], camera["width"]) for camera in cameras}
    if len(sizes) > 1:
        raise refused("config-unknown", f"{CONFIG}: cameras have several sizes, {', '.join(sorted(map(str, sizes)))}")
    height, width = sizes.pop() if sizes else (0, 0)
    return {
        "policy": {
            "state": named.get("state"), "environment": named.get("environment"), "action": action, "cameras": cameras,
            "features": [*named.values(), action], "height": height, "width": width,
        }
    }  # fmt: skip


def _table(config: Mapping[str, object], field: str) -> Mapping[str, object]:
    table = config.get(field)
    if not isinstance(table, Mapping):
        raise refused(
            "config-unknown", f"{CONFIG}: it does not say its `{field}`", "LeRobot's own `save_pretrained` writes them"
        )
    return table


def _name(key: str) -> str:
    """What a feature is called in a spec."""
    name = {STATE: "state", ENVIRONMENT: "environment", IMAGE: "image"}.get(key, key.removeprefix(IMAGES))
    if not name.isidentifier() or (key == name):
        raise refused("config-unknown", f"{CONFIG}: `input_features` has `{key[:60]}`, which has no name in a spec")
    return name


def _feature(key: str, said: object, modes: Mapping[str, object]) -> dict[str, object]:
    """A feature's name, width or size, and what it is normalised by."""
    kind, shape = (said.get("type"), said.get("shape")) if isinstance(said, Mapping) else (None, None)
    mode = str(modes.get(str(kind), "IDENTITY"))
    if mode not in MODES:
        raise refused(
            "config-unknown", f"{CONFIG}: `normalization_mapping.{kind}` is {mode}; known here: {', '.join(MODES)}"
        )
    name = "action" if key == ACTION else _name(key)
    feature: dict[str, object] = {"name": name, "norm": MODES[mode]}
    match shape:
        case [int(width)] if kind in ("STATE", "ENV", "ACTION") and name in ("state", "environment", "action"):
            return feature | {"width": width, "shape": f"[{width}]"}
        case [3, int(height), int(width)] if kind == "VISUAL" and name not in ("state", "environment", "action"):
            return feature | {"height": height, "width": width, "shape": "[3, 1, 1]"}
    raise refused(
        "config-unknown",
        f"{CONFIG}: `{key[:60]}` is {str(kind)[:20]} of the shape {str(shape)[:40]}, which is not known here",
    )
