from __future__ import annotations

import pytest
import torch

from coilal.fit.dropout import AHEAD, DeviceDropout, HostDropout, dropout, kept_share

CPU = torch.device("cpu")
KINDS = pytest.mark.parametrize("kind", [HostDropout, DeviceDropout])  # the latter draws on any device


@KINDS
def test_what_a_run_draws_depends_on_its_own_seed_only(kind: type[HostDropout | DeviceDropout]) -> None:
    alone, beside = kind(0.3, (16, 48), [5], CPU), kind(0.3, (16, 48), [1, 5, 9], CPU)
    seen = []
    for images in (7, 7, 3) * AHEAD:  # the last batch of each epoch is smaller
        ours, theirs = alone.draw(images), beside.draw(images)
        assert [tuple(layer.shape) for layer in theirs] == [(3, images, 16), (3, images, 48)]
        for own, other in zip(ours, theirs, strict=True):
            assert torch.equal(own[0], other[1])
            assert not torch.equal(other[0], other[1])
        seen.append(ours[0].flatten().tolist())
    assert len(set(map(tuple, seen))) == len(seen), "each step draws anew"


@KINDS
def test_the_share_is_the_one_asked_for(kind: type[HostDropout | DeviceDropout]) -> None:
    (many,) = kind(0.3, (1000,), [0], CPU).draw(1000)
    assert set(many.unique().tolist()) == {0.0, 1.0}
    assert float(many.float().mean()) == pytest.approx(0.7, abs=0.002)  # four standard errors


@pytest.mark.parametrize("share", [0.0, 0.5, 0.6612682419347087])
def test_what_is_kept_is_known_to_a_draw(share: float) -> None:
    assert abs(kept_share(share) - (1 - share)) <= 2**-17
    assert kept_share(0.5) == 0.5


def test_no_dropout_keeps_all() -> None:
    (kept,) = dropout(0.0, (16,), [0], CPU).draw(100)
    assert bool((kept == 1).all())
