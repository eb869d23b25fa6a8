"""The seen templates that are kept out of training, so that something may be chosen by the error on them."""

from __future__ import annotations

import random

# Of the first so many seen templates so many are kept out of training, by this seed. They were kept for
# the choices before the ablations, too: no other template was ever chosen by.
KEPT, AMONG, KEPT_BY = 6, 26, 99


def split_templates(texts: tuple[str, ...], seen: int | None = None) -> dict[str, list[str]]:
    """The field ``templates`` with some seen ones as the held-out ones.

    Args:
        texts: the specification's seen templates.
        seen: how many of the others are trained on, fewer being a part of more; None for all.
    """
    rng = random.Random(KEPT_BY)
    kept = rng.sample(range(min(AMONG, len(texts))), min(KEPT, len(texts) // 2))
    others = [i for i in range(len(texts)) if i not in kept]
    chosen = set(others if seen is None else random.Random(KEPT_BY).sample(others, len(others))[:seen])
    return {"seen": [texts[i] for i in others if i in chosen], "heldout": [texts[i] for i in sorted(kept)]}
