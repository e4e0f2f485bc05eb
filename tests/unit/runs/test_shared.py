from __future__ import annotations

import torch

from coilal.features import timm_trunk
from coilal.features.backbone import Backbone
from coilal.runs.shared import Loaded, Recent


def test_the_last_used_are_kept() -> None:
    made: list[int] = []
    recent: Recent[int] = Recent(most=2)

    def get(number: int) -> int:
        return recent.get({"number": number, "nested": {"list": [number]}}, lambda: made.append(number) or number)

    assert [get(n) for n in (1, 2, 1, 3, 1, 2)] == [1, 2, 1, 3, 1, 2]
    assert made == [1, 2, 3, 2], "3 took the place of 2, which was used longest ago"
    recent.forget()
    get(2)
    assert made[-1] == 2


def test_what_was_trained_does_not_reach_the_next_run() -> None:
    backbone = Backbone(timm_trunk.build("mobilenetv2_035"), "mean", 2, (32, 32))
    loaded = Loaded(backbone)
    before = {name: tensor.clone() for name, tensor in backbone.state_dict().items()}
    backbone.trained.train()
    images = torch.randint(0, 256, (4, 1, 32, 32), dtype=torch.uint8)
    with torch.no_grad():
        boundary = backbone.prefix(images)
    backbone.suffix(boundary).sum().backward()
    torch.optim.SGD(backbone.trained.parameters(), lr=1.0).step()
    assert any(not torch.equal(tensor, before[name]) for name, tensor in backbone.state_dict().items())
    again = loaded.untrained()
    assert all(torch.equal(tensor, before[name]) for name, tensor in again.state_dict().items())
    assert all(parameter.grad is None for parameter in again.parameters())
    assert not any(part.training for part in again.modules())
