"""Entries of the losses at 50 digits, written from the equations, scalar by scalar. Never imported by the product.

`POSITIVE[name](p, q)` and `NEGATIVE[name](p, q)` at the published defaults; q = 1 - p is given, so that
neither loses its digits.
"""

from mpmath import log, mp

mp.dps = 50


def shifted(p, m):
    return max(p - m, mp.mpf(0))


def apl_positive(p, q):
    return -log(p) - q + (mp.mpf("1.75") - mp.mpf("0.5")) * q**2


def apl_negative(P):
    return -(P**4) * log(1 - P)


def printed_positive(p, q):
    return mp.mpf("1.75") * q**2 + q**3 / 3 + q**4 / 4


def printed_negative(P):
    return P**4 * (P + P**2 / 2 + P**3 / 3 + P**4 / 4)


def hill_positive(p, q):
    moved = p / (p + q * mp.e)  # sigmoid(x - 1)
    return -((1 - moved) ** 2) * log(moved)


LAMBDA = mp.mpf("1.5")
CLIP = mp.mpf("0.0625")

POSITIVE = {
    "bce": lambda p, q: -log(p),
    "focal": lambda p, q: -(q**2) * log(p),
    "asl": lambda p, q: -log(p),
    "hill": hill_positive,
    "apl": apl_positive,
    "apl-eq5": printed_positive,
    "ral": apl_positive,
    "ral-eq6": printed_positive,
    "bal-eq4": lambda p, q: -(1 - mp.mpf("0.125") + mp.mpf("0.125") / 4) * log(p),
}
NEGATIVE = {
    "bce": lambda p, q: -log(q),
    "focal": lambda p, q: -(p**2) * log(q),
    "asl": lambda p, q: apl_negative(shifted(p, CLIP)),
    "hill": lambda p, q: (LAMBDA - p) * p**2,
    "apl": lambda p, q: apl_negative(shifted(p, CLIP)),
    "apl-eq5": lambda p, q: printed_negative(shifted(p, CLIP)),
    "ral": lambda p, q: apl_negative(shifted(p, CLIP)) * (LAMBDA - p) * p**2 * (LAMBDA - 1 + shifted(p, CLIP)),
    "ral-eq6": lambda p, q: printed_negative(shifted(p, CLIP)) * (LAMBDA - p),
    "bal-eq4": lambda p, q: -mp.mpf("0.125") / 4 * log(p) - shifted(p, CLIP) ** 10 * log(1 - shifted(p, CLIP)),
}
SETTINGS = {
    "asl": {"clip": 0.0625, "focusing": "full"},
    "apl": {"clip": 0.0625, "focusing": "full"},
    "apl-eq5": {"clip": 0.0625, "focusing": "full", "terms": 4},
    "ral": {"clip": 0.0625},
    "ral-eq6": {"clip": 0.0625, "terms": 4},
    "bal-eq4": {"clip": 0.0625, "smoothing": 0.125, "gamma_neg": 10.0},
}
GAMMA = {"focal": 2, "asl": 4, "apl": 4, "apl-eq5": 4, "ral": 4, "ral-eq6": 4, "bal-eq4": 10, "hill": 2, "bce": 0}


def entry(name, positive, x):
    """The loss at the exact logit x."""
    p, q = 1 / (1 + mp.exp(-x)), 1 / (1 + mp.exp(x))
    return (POSITIVE if positive else NEGATIVE)[name](p, q)


def slope(name, positive, x):
    """Its derivative by x."""
    return mp.diff(lambda t: entry(name, positive, t), x)
