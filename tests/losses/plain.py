"""The losses written plainly from their equations, with autograd for the slope. The reference, never imported by us.

y l+ + (1 - y) l-, p = sigmoid(x), P = max(p - m, 0). Valid where nothing under- or overflows, |x| <= 12 in float64.
"""

import torch


def _parts(x, clip):
    p = torch.sigmoid(x)
    return p, 1 - p, torch.clamp(p - clip, min=0)


def _weight(base, gamma, focusing):
    weight = base**gamma
    return weight.detach() if focusing == "held" else weight


def bce(x, y):
    p, q, _ = _parts(x, 0.0)
    return -y * torch.log(p) - (1 - y) * torch.log(q)


def focal(x, y, gamma=2.0, alpha=None):
    p, q, _ = _parts(x, 0.0)
    positive, negative = (1.0, 1.0) if alpha is None else (alpha, 1 - alpha)
    return -y * positive * q**gamma * torch.log(p) - (1 - y) * negative * p**gamma * torch.log(q)


def asl(x, y, gamma_neg=4.0, gamma_pos=0.0, clip=0.05, focusing="held"):
    p, q, P = _parts(x, clip)
    positive = -_weight(q, gamma_pos, focusing) * torch.log(p)
    return y * positive - (1 - y) * _weight(P, gamma_neg, focusing) * torch.log(1 - P)


def hill(x, y, hill_lambda=1.5, margin=1.0, gamma=2.0):
    p = torch.sigmoid(x)
    moved = torch.sigmoid(x - margin)
    return -y * (1 - moved) ** gamma * torch.log(moved) + (1 - y) * (hill_lambda - p) * p**2


def _apl(x, y, psi, gamma_neg, gamma_pos, clip, alpha1, alpha2, beta0, beta1, focusing):
    p, q, P = _parts(x, clip)
    positive = -torch.log(p) + (alpha1 - 1) * q + (alpha2 - 0.5) * q**2
    negative = (-torch.log(1 - P) + (beta1 - 1) * P + beta0) * psi(p, P)
    return y * _weight(q, gamma_pos, focusing) * positive + (1 - y) * _weight(P, gamma_neg, focusing) * negative


def apl(x, y, gamma_neg=4.0, gamma_pos=0.0, clip=0.05, alpha1=0.0, alpha2=1.75, beta0=0.0, beta1=1.0, focusing="held"):
    return _apl(x, y, lambda p, P: 1.0, gamma_neg, gamma_pos, clip, alpha1, alpha2, beta0, beta1, focusing)


def ral(x, y, hill_lambda=1.5, gamma_neg=4.0, gamma_pos=0.0, clip=0.05, alpha1=0.0, alpha2=1.75, beta0=0.0, beta1=1.0,
        focusing="full"):  # fmt: skip
    def psi(p, P):
        return (hill_lambda - p) * p**2 * (hill_lambda - 1 + P)

    return _apl(x, y, psi, gamma_neg, gamma_pos, clip, alpha1, alpha2, beta0, beta1, focusing)


def ral_hill(x, y, hill_lambda=1.5, gamma_neg=4.0, gamma_pos=0.0, clip=0.05, alpha1=0.0, alpha2=1.75, beta0=0.0,
             beta1=1.0, focusing="full"):  # fmt: skip
    psi = lambda p, P: (hill_lambda - p) * p**2  # noqa: E731
    return _apl(x, y, psi, gamma_neg, gamma_pos, clip, alpha1, alpha2, beta0, beta1, focusing)


def _printed(x, y, psi, gamma_neg, gamma_pos, clip, alpha1, alpha2, beta1, terms, focusing):
    p, q, P = _parts(x, clip)
    alphas = [alpha1, alpha2, *(1 / m for m in range(3, terms + 1))][:terms]
    betas = [beta1, *(1 / n for n in range(2, terms + 1))][:terms]
    positive = sum(a * q**m for m, a in enumerate(alphas, 1))
    negative = sum(b * P**n for n, b in enumerate(betas, 1)) * psi(p)
    return y * _weight(q, gamma_pos, focusing) * positive + (1 - y) * _weight(P, gamma_neg, focusing) * negative


def apl_eq5(x, y, gamma_neg=4.0, gamma_pos=0.0, clip=0.05, alpha1=0.0, alpha2=1.75, beta1=1.0, terms=None,
            focusing="held"):  # fmt: skip
    if terms is None:
        return _apl(x, y, lambda p, P: 1.0, gamma_neg, gamma_pos, clip, alpha1, alpha2, 0.0, beta1, focusing)
    return _printed(x, y, lambda p: 1.0, gamma_neg, gamma_pos, clip, alpha1, alpha2, beta1, terms, focusing)


def ral_eq6(x, y, hill_lambda=1.5, gamma_neg=4.0, gamma_pos=0.0, clip=0.05, alpha1=0.0, alpha2=1.75, beta1=1.0,
            terms=None, focusing="full"):  # fmt: skip
    if terms is None:
        psi = lambda p, P: hill_lambda - p  # noqa: E731
        return _apl(x, y, psi, gamma_neg, gamma_pos, clip, alpha1, alpha2, 0.0, beta1, focusing)
    return _printed(x, y, lambda p: hill_lambda - p, gamma_neg, gamma_pos, clip, alpha1, alpha2, beta1, terms, focusing)


def _class_weights(counts, s, x):
    counts = torch.tensor(counts, dtype=x.dtype)
    return (counts.min() / counts) ** s


def bal(x, y, gamma_neg=9.8, gamma_pos=0.0, clip=0.05, s=1.35, smoothing=0.1, focusing="full", counts=None,
        weights=None):  # fmt: skip
    z = x / x.amax(dim=(-2, -1), keepdim=True)
    p, _, P = _parts(z, clip)
    w = 0.0 if counts is None and weights is None else _class_weights(counts, s, x) if weights is None else weights
    t = (1 - smoothing) * y + smoothing / x.shape[-1]
    a = 1 - y
    base = torch.clamp(1 - p * t - (1 - P) * a, min=0)
    weight = base ** (gamma_pos * t + gamma_neg * a)
    weight = weight.detach() if focusing == "held" else weight
    return -(t * (w + 1) * torch.log(p) + a * torch.log(1 - P)) * weight


def bal_eq4(x, y, gamma_neg=9.8, gamma_pos=0.0, clip=0.05, s=1.35, smoothing=0.1, temperature=1.0, focusing="full",
            counts=None, weights=None):  # fmt: skip
    p, q, P = _parts(x / temperature, clip)
    w = 1.0 if counts is None and weights is None else _class_weights(counts, s, x) if weights is None else weights
    smoothed = (1 - smoothing) * y + smoothing / x.shape[-1]
    positive = -smoothed * w * _weight(q, gamma_pos, focusing) * torch.log(p)
    return positive - (1 - y) * _weight(P, gamma_neg, focusing) * torch.log(1 - P)


def _effective(n, beta):
    return (1 - beta) / (1 - beta**n)


def cb(x, y, counts, cb_beta=0.9, weighing="by_class", gamma=2.0):
    n = torch.tensor(counts, dtype=x.dtype)
    if weighing == "by_class":
        return _effective(n, cb_beta) * focal(x, y, gamma)
    rows = []
    for row in y:
        of_row = n[row > 0.5] if (row > 0.5).any() else n
        rows.append(
            {
                "average_n": _effective(of_row.mean(), cb_beta).expand(len(n)),
                "average_w": _effective(of_row, cb_beta).mean().expand(len(n)),
                "min_n": _effective(of_row.min(), cb_beta).expand(len(n)),
            }[weighing]
        )
    return torch.stack(rows) * focal(x, y, gamma)


def db(x, y, counts, total, map_alpha=0.1, map_beta=10.0, map_mu=0.3, init_bias=0.05, neg_scale=5.0, gamma=2.0,
       balance=2.0):  # fmt: skip
    n = torch.tensor(counts, dtype=x.dtype)
    rarity = (1 / n) / (y / n).sum(-1, keepdim=True)
    weight = map_alpha + torch.sigmoid(map_beta * (rarity - map_mu))
    moved = x - init_bias * torch.log(total / n - 1) / neg_scale
    scaled = torch.where(y > 0.5, moved, moved * neg_scale)
    entropy = torch.where(y > 0.5, -torch.log(torch.sigmoid(scaled)), -torch.log(1 - torch.sigmoid(scaled)))
    weight = torch.where(y > 0.5, weight, weight / neg_scale)
    return balance * (1 - torch.exp(-entropy)) ** gamma * entropy * weight


def r_bce_focal(x, y, counts, map_alpha=0.1, map_beta=10.0, map_mu=0.3, gamma=2.0, balance=2.0):
    return db(x, y, counts, 10**6, map_alpha, map_beta, map_mu, 0.0, 1.0, gamma, balance)


def ce(x, y):
    return -y * torch.log(torch.softmax(x, -1))


def focal_softmax(x, y, gamma=2.0):
    P = torch.softmax(x, -1)
    return -y * (1 - P) ** gamma * torch.log(P)


def asl_softmax(x, y, gamma_neg=4.0, gamma_pos=0.0, smoothing=0.1):
    P = torch.softmax(x, -1)
    base = 1 - y * P - (1 - y) * (1 - P)
    weight = base ** (y * gamma_pos + (1 - y) * gamma_neg)
    return -((1 - smoothing) * y + smoothing / x.shape[-1]) * weight * torch.log(P)


def ral_softmax(x, y, gamma_neg=4.0, gamma_pos=0.0, smoothing=0.1, alpha1=0.0, alpha2=1.75, beta0=0.0, beta1=1.0,
                hill_lambda=1.5):  # fmt: skip
    """In the published names; their single eps_neg is split into its zeroth and first coefficient."""
    eps_pos, eps_pow = 1 - alpha1, 1 - 2 * alpha2
    P = torch.softmax(x, -1)
    N = 1 - P
    c = lambda u: u.clamp(min=smoothing)  # noqa: E731
    A = P * (torch.log(c(P)) + eps_pos * (1 - c(P)) + eps_pow / 2 * (1 - c(P)) ** 2) * torch.log(P)
    bracket = torch.log(c(N)) - (beta1 - 1) * (1 - c(N)) - beta0
    B = -(1 - A) * bracket * (hill_lambda - N) * N**2
    weight = (1 - A - B) ** (y * gamma_pos + (1 - y) * gamma_neg)
    return -((1 - smoothing) * y + smoothing / x.shape[-1]) * weight * torch.log(P)


def ldam(x, y, counts, max_margin=0.5, scale=30.0, drw=False):
    n = torch.tensor(counts, dtype=x.dtype) ** -0.25
    return ce(scale * (x - y * max_margin * n / n.max()), y)


PLAIN = {
    "bce": bce,
    "focal": focal,
    "asl": asl,
    "hill": hill,
    "apl": apl,
    "apl-eq5": apl_eq5,
    "ral": ral,
    "ral-eq6": ral_eq6,
    "ral-hill": ral_hill,
    "bal": bal,
    "bal-eq4": bal_eq4,
    "cb": cb,
    "db": db,
    "r-bce-focal": r_bce_focal,
    "ce": ce,
    "focal-softmax": focal_softmax,
    "asl-softmax": asl_softmax,
    "ral-softmax": ral_softmax,
    "ldam": ldam,
}
