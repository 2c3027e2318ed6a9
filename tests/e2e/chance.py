"""Whether shares of many requests are as their probabilities say.

A share is off where it is more than SIGMAS standard deviations from what was expected. That happens by chance, once in 16,000
times; so what is off is drawn once more, and must not be off again to the same side: that happens once in 500 million times.
"""
SIGMAS = 4


def sides_off(counts, shares):
    """{name: the side, -1 or 1} of what is off; `shares` are probabilities, of which none is 0 or 1."""
    total, out = sum(counts.values()), {}
    for name, share in shares.items():
        more = counts.get(name, 0) - total * share
        if abs(more) > SIGMAS * (total * share * (1 - share)) ** .5:
            out[name] = 1 if more > 0 else -1
    return out


def drawn(draw, shares):
    """What draw() gave, {name: count}: nothing but these names, each as often as its share of all says."""
    first = draw()
    assert set(first) <= set(shares), first
    off = sides_off(first, shares)
    if not off:
        return first
    second = draw()
    assert set(second) <= set(shares), second
    again = off.items() & sides_off(second, shares).items()
    assert not again, (again, first, second, shares)
    return second
