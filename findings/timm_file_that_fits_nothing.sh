#!/usr/bin/env bash
# timm 1.0.31 (torch 2.15.0): with a class count other than the configuration's, `create_model(…, pretrained=True)`
# drops a head that fits, and accepts a file that fits nothing; both without an error.
#
# Guess: the weights of a file are in the network when create_model returns, or it raises; num_classes=8 with a file
# of eight classes gives the head of the file.
# Seen otherwise: whether num_classes equals that of pretrained_cfg (1000 for ImageNet), not whether it equals the
# file's, decides. If it differs, the file's head is thrown away, even if its shape fits, and loading is no longer
# strict: with a file of another architecture, or of other names, every tensor stays random. A warning of the logger
# timm.models._builder tells of unexpected keys, missing ones are told at level INFO.
# For users: num_classes=0, the usual way to a feature extractor, is such a count. Name the file's class count in
# pretrained_cfg_overlay, too, or load with load_state_dict(strict=True), or count what was taken.
#
# Seen:
#   its own file of 8 classes, num_classes=8: 120 of 122 tensors are the file's; head: random
#   the same, pretrained_cfg_overlay has num_classes=8: 122 of 122 tensors are the file's; head: the file's
#   a ViT's file, num_classes=8: 0 of 122 tensors are the file's; head: random
#   a ViT's file, num_classes=0: 0 of 120 tensors are the file's; head: none
#   a ViT's file, num_classes=1000: RuntimeError
#   its own file with every name behind backbone., num_classes=8: 0 of 122 tensors are the file's; head: random
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python -m venv "$folder/env"
"$folder/env/bin/pip" install -q --disable-pip-version-check uv
"$folder/env/bin/uv" pip install -q --python "$folder/env/bin/python" timm==1.0.31 torch==2.15.0 torchvision==0.29.2

cat > "$folder/load.py" <<'PYTHON'
import logging
import sys
from pathlib import Path

import timm
import torch
from safetensors.torch import save_file

logging.getLogger("timm").setLevel(logging.ERROR)  # a warning lists hundreds of unexpected names
folder = Path(sys.argv[1])


def load(words, tensors, expected, **options):
    file = folder / "weights.safetensors"
    save_file(tensors, file)
    overlay = {"file": str(file), **options.pop("overlay", {})}
    try:
        net = timm.create_model("resnet18", pretrained=True, pretrained_cfg_overlay=overlay, **options)
    except RuntimeError:
        seen = "RuntimeError"
    else:
        there = net.state_dict()
        taken = [name for name in there if name in own and torch.equal(there[name], own[name])]
        head = "none" if "fc.weight" not in there else "the file's" if "fc.weight" in taken else "random"
        seen = f"{len(taken)} of {len(there)} tensors are the file's; head: {head}"
    print(f"{words}: {seen}", flush=True)
    assert seen == expected, f"no longer so: {expected}"


torch.manual_seed(0)
own = timm.create_model("resnet18", num_classes=8).state_dict()
own = {name: torch.full_like(tensor, 0.5) if tensor.is_floating_point() else tensor + 7 for name, tensor in own.items()}
vit = timm.create_model("vit_tiny_patch16_224", num_classes=8).state_dict()

load("its own file of 8 classes, num_classes=8", own, "120 of 122 tensors are the file's; head: random", num_classes=8)
load(
    "the same, pretrained_cfg_overlay has num_classes=8",
    own,
    "122 of 122 tensors are the file's; head: the file's",
    num_classes=8,
    overlay={"num_classes": 8},
)
load("a ViT's file, num_classes=8", vit, "0 of 122 tensors are the file's; head: random", num_classes=8)
load("a ViT's file, num_classes=0", vit, "0 of 120 tensors are the file's; head: none", num_classes=0)
load("a ViT's file, num_classes=1000", vit, "RuntimeError")
wrapped = {f"backbone.{name}": tensor for name, tensor in own.items()}
words = "its own file with every name behind backbone., num_classes=8"
load(words, wrapped, "0 of 122 tensors are the file's; head: random", num_classes=8)
PYTHON
"$folder/env/bin/python" "$folder/load.py" "$folder"
