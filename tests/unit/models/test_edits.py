from __future__ import annotations

import torch

from coilal.models.edits import KINDS, edit

HEIGHT, WIDTH, PITCH = 96, 128, 8


def windings(count: int = 16) -> torch.Tensor:
    """Strands of 8 rows on the columns 32 … 95, flat background beside them."""
    images = torch.full((count, 1, HEIGHT, WIDTH), 0.2)
    strands = 0.5 - 0.4 * torch.cos(torch.arange(HEIGHT) * (2 * torch.pi / PITCH))
    images[:, :, :, 32:96] = strands[:, None]
    return images


def test_pictures_change_where_the_map_says_so_and_nowhere_else() -> None:
    """A thickened strand pushes its neighbours away over some rows, so only the map's zeros far off are checked."""
    images = windings()
    edited = edit(images, (12, 16), torch.Generator().manual_seed(0))
    assert edited.images.shape == images.shape
    assert edited.where.shape == (16, len(KINDS), 12, 16)
    assert edited.where.min() >= 0
    assert edited.where.max() <= 1
    changed = (edited.images - images).abs().amax((1, 2, 3)) > 0.02
    marked = edited.where.amax((1, 2, 3)) > 0.5
    assert marked.any()
    assert not marked.all()
    assert changed[marked].all()
    assert not changed[edited.where.amax((1, 2, 3)) == 0].any()


def test_the_background_keeps_its_brightness() -> None:
    """Otherwise a line beside the winding would give an edit away."""
    edited = edit(windings(), (12, 16), torch.Generator().manual_seed(1))
    torch.testing.assert_close(edited.images[:, :, :, :16], torch.full((16, 1, HEIGHT, 16), 0.2))


def test_every_kind_comes_up_and_a_seed_decides_all() -> None:
    first = edit(windings(), (12, 16), torch.Generator().manual_seed(2))
    again = edit(windings(), (12, 16), torch.Generator().manual_seed(2))
    assert torch.equal(first.images, again.images)
    assert (first.where.amax((2, 3)) > 0.5).any(0).all()
