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


def bal_positive(p, q):
    t1 = 1 - mp.mpf("0.125") + mp.mpf("0.125") / 4
    return -t1 * log(p)


def bal_negative(p, q):
    t0, P = mp.mpf("0.125") / 4, shifted(p, CLIP)
    return (-t0 * log(p) - log(1 - P)) * max(P - t0 * p, mp.mpf(0)) ** 10


def effective(n):
    beta = mp.mpf("0.875")
    return (1 - beta) / (1 - beta**n)


def re_balancing(r):
    """W of the distribution-balanced losses at map_alpha 1/8, map_beta 8, map_mu 1/4."""
    return mp.mpf("0.125") + 1 / (1 + mp.exp(-8 * (r - mp.mpf("0.25"))))


def focal_of(x):
    """(1 - exp(-l))^2 l for l = log(1 + exp(x)), the entropy of a negative."""
    entropy = mp.log1p(mp.exp(x))
    return (-mp.expm1(-entropy)) ** 2 * entropy


def db(x, positive, rarities, bias=0.0625, neg_scale=4, total=540):
    """Entry of the first class in a row with all labels or with none."""
    own = rarities[0]
    weight = re_balancing(own / mp.fsum(rarities)) if positive else mp.mpf("1.125")
    moved = x - bias * log(total * own - 1) / neg_scale
    return 2 * weight * (focal_of(-moved) if positive else focal_of(neg_scale * moved) / neg_scale)


LAMBDA = mp.mpf("1.5")
CLIP = mp.mpf("0.0625")

COUNTS = (8, 4, 2, 1)
RARITIES = [1 / mp.mpf(n) for n in COUNTS]

POSITIVE = {
    "bce": lambda p, q: -log(p),
    "focal": lambda p, q: -(q**2) * log(p),
    "asl": lambda p, q: -log(p),
    "hill": hill_positive,
    "apl": apl_positive,
    "apl-eq5": printed_positive,
    "ral": apl_positive,
    "ral-eq6": printed_positive,
    "ral-hill": apl_positive,
    "bal-eq4": bal_positive,
    "bal": bal_positive,
    "cb": lambda p, q: -effective(COUNTS[0]) * q**2 * log(p),
    "db": lambda p, q: db(log(p / q), True, RARITIES),
    "r-bce-focal": lambda p, q: db(log(p / q), True, RARITIES, bias=0, neg_scale=1),
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
    "ral-hill": lambda p, q: apl_negative(shifted(p, CLIP)) * (LAMBDA - p) * p**2,
    "bal-eq4": lambda p, q: -mp.mpf("0.125") / 4 * log(p) - shifted(p, CLIP) ** 10 * log(1 - shifted(p, CLIP)),
    "bal": bal_negative,
    "cb": lambda p, q: -effective(COUNTS[0]) * p**2 * log(q),
    "db": lambda p, q: db(log(p / q), False, RARITIES),
    "r-bce-focal": lambda p, q: db(log(p / q), False, RARITIES, bias=0, neg_scale=1),
}
MAP = {"map_alpha": 0.125, "map_beta": 8.0, "map_mu": 0.25}
SETTINGS: dict[str, dict] = {
    "asl": {"clip": 0.0625, "focusing": "full"},
    "apl": {"clip": 0.0625, "focusing": "full"},
    "apl-eq5": {"clip": 0.0625, "focusing": "full", "terms": 4},
    "ral": {"clip": 0.0625},
    "ral-eq6": {"clip": 0.0625, "terms": 4},
    "ral-hill": {"clip": 0.0625},
    "bal-eq4": {"clip": 0.0625, "smoothing": 0.125, "gamma_neg": 10.0},
    "bal": {"clip": 0.0625, "smoothing": 0.125, "gamma_neg": 10.0},
    "cb": {"cb_beta": 0.875, "counts": COUNTS},
    "db": MAP | {"init_bias": 0.0625, "neg_scale": 4.0, "counts": COUNTS, "total": 540},
    "r-bce-focal": MAP | {"counts": COUNTS},
}
"""Numbers that single precision holds exactly."""
GAMMA = (
    dict.fromkeys(("focal", "hill", "cb", "db", "r-bce-focal"), 2)
    | dict.fromkeys(("asl", "apl", "apl-eq5", "ral", "ral-eq6", "ral-hill"), 4)
    | {"bal-eq4": 10, "bal": 10, "bce": 0}
)


def entry(name, positive, x):
    """The loss at the exact logit x."""
    p, q = 1 / (1 + mp.exp(-x)), 1 / (1 + mp.exp(x))
    return (POSITIVE if positive else NEGATIVE)[name](p, q)


def slope(name, positive, x):
    """Its derivative by x."""
    return mp.diff(lambda t: entry(name, positive, t), x)


def _softmax(x):
    most = max(x)
    total = mp.fsum(mp.exp(z - most) for z in x)
    return [mp.exp(z - most) / total for z in x], [z - most - log(total) for z in x]


def _complements(x):
    """1 - P of each class, with all digits."""
    return [
        mp.fsum(mp.exp(z) for j, z in enumerate(x) if j != c) / mp.fsum(mp.exp(z) for z in x) for c in range(len(x))
    ]


def _ral_base(P, N, log_P):
    clamp, lam = mp.mpf("0.125"), LAMBDA
    c, k = max(P, clamp), max(N, clamp)
    A = -P * (-log(c) - (1 - c) + mp.mpf("1.25") * (1 - c) ** 2) * log_P
    return 1 - A - (1 - A) * -log(k) * (lam - N) * N**2


def softmax_entries(name, x, label):
    """Entries of one row of a loss for one label an image, at smoothing 1/8, and their focusing weights."""
    if name == "ldam":
        margins = [(mp.mpf(COUNTS[-1]) / n) ** mp.mpf("0.25") / 2 for n in COUNTS]
        x = [4 * (z - (margins[j] if j == label else 0)) for j, z in enumerate(x)]
    P, log_P = _softmax(x)
    N = _complements(x)
    hot = [mp.mpf(j == label) for j in range(len(x))]
    soft = [mp.mpf("0.875") * y + mp.mpf("0.125") / len(x) for y in hot]
    weights, targets = {
        "ce": (lambda j: 1, hot),
        "ldam": (lambda j: 1, hot),
        "focal-softmax": (lambda j: N[j] ** 2, hot),
        "asl-softmax": (lambda j: 1 if j == label else P[j] ** 4, soft),
        "ral-softmax": (lambda j: 1 if j == label else _ral_base(P[j], N[j], log_P[j]) ** 4, soft),
    }[name]
    weighed = [weights(j) for j in range(len(x))]
    return [-targets[j] * weighed[j] * log_P[j] for j in range(len(x))], weighed, log_P


SOFTMAX_SETTINGS: dict[str, dict] = {
    "ce": {},
    "ldam": {"scale": 4.0, "counts": COUNTS},
    "focal-softmax": {},
    "asl-softmax": {"smoothing": 0.125},
    "ral-softmax": {"smoothing": 0.125},
}
