"""The space of every loss: ranges and defaults with their sources (RAL paper, LM-CLIP paper, published code)."""

from evenkeel.search_spaces.space import Choice, Float, Parameter, Space

GAMMA_NEG = Float(
    low=0.0, high=12.0, default=4.0, symbol="γ−", source="ASL code: 4; LM-CLIP sec. IV.C searches 2 to 12"
)
GAMMA_POS = Float(low=0.0, high=2.0, default=0.0, symbol="γ+", source="all published training runs use 0")
CLIP = Float(low=0.0, high=0.25, default=0.05, symbol="m (τ)", source="ASL code and LM-CLIP sec. IV.C: 0.05")
HELD = Choice(options=("full", "held"), default="held", symbol="focusing", source="ASL and APL class defaults")
FULL = Choice(options=("full", "held"), default="full", symbol="focusing", source="RAL and BAL class defaults")
ALPHA1 = Float(low=0.0, high=2.0, default=0.0, symbol="α₁", source="APL code: 1 - eps_pos, eps_pos = 1")
ALPHA2 = Float(low=0.0, high=3.0, default=1.75, symbol="α₂", source="APL code: (1 - eps_pow)/2, eps_pow = -2.5")
BETA0 = Float(low=-1.0, high=1.0, default=0.0, symbol="β₀", source="APL code: -eps_neg, eps_neg = 0")
BETA1 = Float(low=0.0, high=2.0, default=1.0, symbol="β₁", source="APL code: 1 + eps_neg; RAL Fig. 6a")
HILL_LAMBDA = Float(low=1.0, high=4.5, default=1.5, symbol="λ (Hill)", source="RAL Fig. 6b sweeps 1.0 to 4.5")
TERMS = Choice(options=(None, 1, 2, 4, 8), default=None, symbol="M = N", source="RAL eq. 5, no value printed")

GAMMA_FOCAL = Float(low=0.0, high=5.0, default=2.0, symbol="γ", source="Lin et al. 2017, table 1b")
SMOOTHING = Float(low=0.0, high=0.2, default=0.1, symbol="ε", source="ASL and RAL single-label code: 0.1")

_ASL: dict[str, Parameter] = {"gamma_neg": GAMMA_NEG, "gamma_pos": GAMMA_POS, "clip": CLIP}
_APL_PRINTED: dict[str, Parameter] = {**_ASL, "alpha1": ALPHA1, "alpha2": ALPHA2, "beta1": BETA1}
_APL: dict[str, Parameter] = {**_ASL, "alpha1": ALPHA1, "alpha2": ALPHA2, "beta0": BETA0, "beta1": BETA1}
_BAL: dict[str, Parameter] = {
    "gamma_neg": Float(low=0.0, high=12.0, default=9.8, symbol="γ−", source="LM-CLIP Table 3; searched 2 to 12"),
    "gamma_pos": GAMMA_POS,
    "clip": CLIP,
    "s": Float(low=0.0, high=2.0, default=1.35, symbol="s", source="LM-CLIP Table 3; searched 1 to 2, 0.7 used"),
    "smoothing": Float(low=0.0, high=0.2, default=0.1, symbol="ε", source="LM-CLIP Table 3; searched 0.01 to 0.1"),
    "focusing": FULL,
}

_SOFTMAX: dict[str, Parameter] = {"gamma_neg": GAMMA_NEG, "gamma_pos": GAMMA_POS, "smoothing": SMOOTHING}
_REBALANCED: dict[str, Parameter] = {
    "map_alpha": Float(low=0.05, high=0.2, default=0.1, symbol="α (map)", source="DB code, VOC-MLT: 0.1"),
    "map_beta": Float(low=5.0, high=20.0, default=10.0, symbol="β (map)", source="DB code, VOC-MLT: 10"),
    "map_mu": Float(low=0.1, high=0.5, default=0.3, symbol="μ (map)", source="DB code: VOC-MLT 0.3, COCO-MLT 0.2"),
    "gamma": Float(low=0.0, high=3.0, default=2.0, symbol="γ", source="DB code: 2"),
    "balance": Float(low=0.5, high=4.0, default=2.0, symbol="balance", source="DB code: 2; LMPT 0.5", log=True),
}

SPACES = {
    "bce": Space({}),
    "focal": Space(
        {"gamma": GAMMA_FOCAL},
        constants={"alpha": None},
    ),
    "asl": Space({**_ASL, "focusing": HELD}),
    "hill": Space(
        {
            "hill_lambda": Float(low=1.0, high=3.0, default=1.5, symbol="λ (Hill)", source="Hill code"),
            "margin": Float(low=0.0, high=1.0, default=1.0, symbol="m (logit)", source="Hill code"),
            "gamma": Float(low=0.0, high=4.0, default=2.0, symbol="γ", source="Hill code"),
        }
    ),
    "apl": Space({**_APL, "focusing": HELD}),
    "apl-eq5": Space({**_APL_PRINTED, "terms": TERMS, "focusing": HELD}),
    "ral": Space({**_APL, "hill_lambda": HILL_LAMBDA, "focusing": FULL}),
    "ral-hill": Space({**_APL, "hill_lambda": HILL_LAMBDA, "focusing": FULL}),
    "ral-eq6": Space({**_APL_PRINTED, "hill_lambda": HILL_LAMBDA, "terms": TERMS, "focusing": FULL}),
    "bal": Space(_BAL),
    "bal-eq4": Space(_BAL, constants={"temperature": 1.0}),
    "cb": Space(
        {
            "cb_beta": Float(
                low=0.0, high=0.9999, default=0.9, symbol="β (CB)", source="DB code: 0.9; Cui et al. 0.9999"
            ),
            "weighing": Choice(
                options=("by_class", "average_n", "average_w", "min_n"),
                default="by_class",
                symbol="weighing",
                source="DB code; LMPT uses by_class",
            ),
            "gamma": GAMMA_FOCAL,
        }
    ),
    "db": Space(
        {
            **_REBALANCED,
            "init_bias": Float(low=0.0, high=0.1, default=0.05, symbol="κ", source="DB code: 0.05"),
            "neg_scale": Float(
                low=1.0, high=10.0, default=5.0, symbol="λ (DB)", source="DB code: VOC-MLT 5, COCO-MLT 2"
            ),
        }
    ),
    "r-bce-focal": Space(_REBALANCED),
    "ce": Space({}, one_label=True),
    "focal-softmax": Space({"gamma": GAMMA_FOCAL}, one_label=True),
    "asl-softmax": Space(_SOFTMAX, one_label=True),
    "ral-softmax": Space(
        {
            **_SOFTMAX,
            "alpha1": ALPHA1,
            "alpha2": ALPHA2,
            "beta0": BETA0,
            "beta1": BETA1,
            "hill_lambda": HILL_LAMBDA,
        },
        one_label=True,
    ),
    "ldam": Space(
        {
            "max_margin": Float(low=0.0, high=1.0, default=0.5, symbol="max m", source="LDAM code: 0.5"),
            "scale": Float(low=1.0, high=30.0, default=30.0, symbol="s (LDAM)", source="LDAM code: 30", log=True),
            "drw": Choice(options=(False, True), default=False, symbol="DRW", source="LDAM paper: with and without"),
        },
        one_label=True,
    ),
}

LM_CLIP = Space(
    {
        "bal_weight": Float(
            low=0.1,
            high=10.0,
            default=0.4,
            symbol="λ",
            source="LM-CLIP Table 3, VOC-MLT ViT-B/16; searched 0.1 to 10",
            log=True,
        )
    }
)
"""What the total of the LM-CLIP paper adds to the space of its multi-label loss."""
