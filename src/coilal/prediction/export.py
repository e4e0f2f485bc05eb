"""A run's model as one ONNX or TorchScript file, checked against what the run itself has predicted."""

from __future__ import annotations

import importlib.util
import json
import logging
import warnings
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from coilal.common.machine import ensure_writable, writing
from coilal.common.types import UserError
from coilal.inspection.operating_point import Classes
from coilal.prediction.network import Network
from coilal.prediction.own_data import NotAtHandError, OwnData, found_rules
from coilal.prediction.predict import in_words
from coilal.prediction.request import Request
from coilal.prediction.trained_run import TrainedRun
from coilal.prediction.whole_model import WholeModel

log = logging.getLogger(__name__)

TOLERANCE = 1e-4
"""Most that a probability of the file may differ from the run's."""

CHECKED, AT_ONCE = 128, 16
"""Test images that a file is checked on, at most, and how many go in at once; the last batch is smaller."""

INPUT, OUTPUT = "images", "probabilities"
METADATA = "coilal.json"
NEEDED = ("onnx", "onnxruntime", "onnxscript")

Images = NDArray[np.uint8]
Model = Callable[[Images], NDArray[np.float32]]


def export(request: Request) -> Path:
    """Write the model of a run as one file, and return it.

    Raises:
        UserError: the run cannot be used, a library is missing, the file is there already, or what was written does
            not give what the run has given.
    """
    assert request.export is not None
    load = _ensure_libraries() if request.export == "onnx" else _load_torchscript
    if request.out.exists() and not request.force:
        raise UserError(f"{request.out} is there; give another out=FILE, or replace it with force=true")
    ensure_writable(request.out.parent, "Give another file with out=FILE.")
    run = TrainedRun.of(request)
    run.ensure_fits(request)
    network = Network.of(run, request.accelerator)
    about = _metadata(run, network, request.overkill)
    model = WholeModel.of(network)  # last: it takes the backbone to the CPU
    images, expected, against = _reference(run, network, model)
    with writing(request.out):
        request.out.parent.mkdir(parents=True, exist_ok=True)
    partial = request.out.with_name(f".{request.out.name}.partial")
    try:
        with writing(request.out), torch.inference_mode(False), torch.no_grad():
            (_write_onnx if request.export == "onnx" else _write_torchscript)(model, network, partial, about)
        found = checked(load(partial), images, expected)
        if found > TOLERANCE:
            raise UserError(
                f"the exported model differs from {against} by up to {found:.1e} in a probability, more than "
                f"{TOLERANCE:.0e}; nothing was written. Try the other format."
            )
        partial.replace(request.out)
    finally:
        partial.unlink(missing_ok=True)
    log.info(
        "%s: %.1f MB; %d images checked against %s",
        request.out,
        request.out.stat().st_size / 1e6,
        len(images),
        against,
    )
    log.info("  largest difference of a probability: %.1e", found)
    return request.out


def checked(model: Model, images: Images, expected: NDArray[np.float32]) -> float:
    """Return the largest difference between probabilities of a model and those expected; inf where one is NaN.

    Args:
        model: from images to probabilities.
        images: uint8 (n, C, H, W).
        expected: (n, K).
    """
    parts = [model(images[first : first + AT_ONCE]) for first in range(0, len(images), AT_ONCE)]
    found = float(np.abs(np.concatenate(parts) - expected).max())
    return found if np.isfinite(found) else float("inf")


def _reference(run: TrainedRun, network: Network, model: WholeModel) -> tuple[Images, NDArray[np.float32], str]:
    """Return images, probabilities that they must get, and whose these are."""
    tested = np.arange(len(run.tested))[:: max(1, -(-len(run.tested) // CHECKED))]
    try:
        if not len(tested):
            raise NotAtHandError("it has none")
        data = OwnData.of(run)
        ids = data.ids([run.tested[number] for number in tested.tolist()], ("content",))
    except UserError as error:
        log.info("the run's test images are not at hand (%s): the file is checked on noise", error)
        images: Images = model.example(network, AT_ONCE + 1).numpy()
        return images, _eager(model, images), "the model in memory"
    images, own = np.stack([data.images.pixels[number] for number in ids.tolist()]), run.probabilities[tested]
    precision = network.settings.trainer["precision"]
    if str(precision) in ("32-true", "32"):
        return images, own, "the run's own predictions of test images"
    eager = _eager(model, images)
    difference = np.abs(eager - own).max()
    log.info("the run was computed in %s, the file in float32: up to %.1e apart", precision, difference)
    return images, eager, "the model in memory, in float32, on test images"


def _eager(model: WholeModel, images: Images) -> NDArray[np.float32]:
    with torch.inference_mode():
        blocks = torch.split(torch.from_numpy(images), AT_ONCE)
        found: NDArray[np.float32] = torch.cat([model(block) for block in blocks]).numpy()
    return found


def _metadata(run: TrainedRun, network: Network, overkill: float) -> dict[str, Any]:
    """Return what whoever uses the file must know."""
    classes = Classes(run.kind, run.names, run.good)
    rules = found_rules(run, network, classes, overkill)
    for line in in_words(classes, rules):
        log.info("%s", line)
    image = run.image
    return {
        "classes": list(run.names),
        "kind": run.kind,
        "good_class": None if classes.good is None else run.names[classes.good],
        **rules.as_json(),
        "image": {
            "size": list(image.size),
            "mode": image.mode,
            "fit": image.fit,
            "range": image.range if isinstance(image.range, str) else list(image.range),
        },
        "run": run.status.get("identity"),
        "model": run.settings.model.name,
        "weights": run.status.get("weights"),
    }


def _write_onnx(model: WholeModel, network: Network, file: Path, about: Mapping[str, Any]) -> None:
    import onnx

    images = model.example(network, 2)
    for library in ("onnxscript", "onnx_ir"):
        logging.getLogger(library).setLevel(logging.WARNING)  # each pass of theirs
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of the exporter's own code
        program = torch.onnx.export(
            model,
            (images,),
            input_names=[INPUT],
            output_names=[OUTPUT],
            dynamic_shapes={"images": {0: torch.export.Dim("batch")}},
            dynamo=True,
            verbose=False,
        )
    assert program is not None
    content = program.model_proto
    for key, value in about.items():
        entry = content.metadata_props.add()
        entry.key, entry.value = key, value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    onnx.checker.check_model(content)
    file.write_bytes(content.SerializeToString())


def _write_torchscript(model: WholeModel, network: Network, file: Path, about: Mapping[str, Any]) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the sizes of images are constants, and are meant to be
        traced = torch.jit.trace(model, (model.example(network, 2),), check_trace=False)  # type: ignore[no-untyped-call]
        torch.jit.save(traced, str(file), _extra_files={METADATA: json.dumps(about, ensure_ascii=False)})


def _ensure_libraries() -> Callable[[Path], Model]:
    """Return what loads an ONNX file.

    Raises:
        UserError: a library that it takes is not installed.
    """
    if missing := [name for name in NEEDED if importlib.util.find_spec(name) is None]:
        raise UserError(
            f"export=onnx needs {', '.join(missing)}: install the extra, pip install 'coilal[export]', or use "
            "export=torchscript, which needs nothing more"
        )
    return _load_onnx


def _load_onnx(file: Path) -> Model:
    import onnxruntime

    session = onnxruntime.InferenceSession(str(file), providers=["CPUExecutionProvider"])

    def run(images: Images) -> NDArray[np.float32]:
        (found,) = session.run([OUTPUT], {INPUT: images})
        return np.asarray(found, dtype=np.float32)

    return run


def _load_torchscript(file: Path) -> Model:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)
        model = torch.jit.load(str(file))  # type: ignore[no-untyped-call]

    def run(images: Images) -> NDArray[np.float32]:
        with torch.inference_mode():
            found: NDArray[np.float32] = model(torch.from_numpy(images)).numpy()
        return found

    return run
