"""Medians, spreads, ratios within rounds, and whether two series differ. Pure."""
import itertools
import math
import statistics


def summary(values):
    """{"median", "min", "max", "values"}; None for no values."""
    values = [v for v in values if v is not None]
    if not values:
        return None
    return {"median": statistics.median(values), "min": min(values), "max": max(values), "values": values}


def ratios(of, to):
    """Summary of of[i] / to[i], round by round; a round without a positive divisor is left out."""
    return summary([a / b for a, b in zip(of, to) if b > 0])


def added_ratios(of, other, base):
    """Summary of what `of` adds to `base`, to what `other` adds, round by round."""
    return summary([(a - c) / (b - c) for a, b, c in zip(of, other, base) if b > c])


def differ_p(first, second):
    """Two-sided p of the Mann-Whitney U test, exact for few values without ties, else by the normal
    approximation: how likely series of one distribution differ at least so much."""
    n, m = len(first), len(second)
    u = sum((a > b) + (a == b) / 2 for a, b in itertools.product(first, second))
    ties = len(set(first) | set(second)) < n + m
    if n + m <= 40 and not ties:
        counts = _u_counts(n, m)
        tail = sum(counts[:int(min(u, n * m - u)) + 1])
        return min(1.0, 2 * tail / math.comb(n + m, n))
    spread = math.sqrt(n * m * (n + m + 1) / 12)
    return math.erfc(abs(u - n * m / 2) / spread / math.sqrt(2))


def _u_counts(n, m):
    """How many orders of n and m values have each U: the coefficients of a Gaussian binomial."""
    counts = [1] + [0] * (n * m)
    for i in range(1, m + 1):
        for u in range(n * m, n + i - 1, -1):  # times (1 - x^(n+i))
            counts[u] -= counts[u - n - i]
        for u in range(i, n * m + 1):          # divided by (1 - x^i)
            counts[u] += counts[u - i]
    return counts
