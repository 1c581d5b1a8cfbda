"""Losses for long-tailed multi-label classification, as the authors publish them and as the papers print them.

A loss is a frozen dataclass whose fields are its hyperparameters; calling it on logits and 0/1 targets, both
[..., B, C], returns the loss of each entry, [..., B, C]. The mean over entries is taken by the trainable. The
softmax losses want one-hot targets. `counts` are the training positives of each class, `total` the training images.
"""

from typing import Any

from evenkeel.trainables.losses._stable import Side
from evenkeel.trainables.losses.apl import Apl
from evenkeel.trainables.losses.apl_eq5 import AplEq5
from evenkeel.trainables.losses.asl import Asl
from evenkeel.trainables.losses.asl_softmax import AslSoftmax
from evenkeel.trainables.losses.bal import Bal
from evenkeel.trainables.losses.bal_eq4 import BalEq4
from evenkeel.trainables.losses.bce import Bce
from evenkeel.trainables.losses.cb import Cb
from evenkeel.trainables.losses.ce import Ce
from evenkeel.trainables.losses.db import Db
from evenkeel.trainables.losses.entrywise import EntryLoss, Loss, Places
from evenkeel.trainables.losses.focal import Focal
from evenkeel.trainables.losses.focal_softmax import FocalSoftmax
from evenkeel.trainables.losses.hill import Hill
from evenkeel.trainables.losses.ldam import Ldam
from evenkeel.trainables.losses.r_bce_focal import RBceFocal
from evenkeel.trainables.losses.ral import Ral
from evenkeel.trainables.losses.ral_eq6 import RalEq6
from evenkeel.trainables.losses.ral_hill import RalHill
from evenkeel.trainables.losses.ral_softmax import RalSoftmax

LOSSES: dict[str, type[Any]] = {
    "bce": Bce,
    "focal": Focal,
    "asl": Asl,
    "hill": Hill,
    "apl": Apl,
    "apl-eq5": AplEq5,
    "ral": Ral,
    "ral-eq6": RalEq6,
    "ral-hill": RalHill,
    "bal": Bal,
    "bal-eq4": BalEq4,
    "cb": Cb,
    "db": Db,
    "r-bce-focal": RBceFocal,
    "ce": Ce,
    "focal-softmax": FocalSoftmax,
    "asl-softmax": AslSoftmax,
    "ral-softmax": RalSoftmax,
    "ldam": Ldam,
}

__all__ = [
    "LOSSES",
    "Apl",
    "AplEq5",
    "Asl",
    "AslSoftmax",
    "Bal",
    "BalEq4",
    "Bce",
    "Cb",
    "Ce",
    "Db",
    "EntryLoss",
    "Focal",
    "FocalSoftmax",
    "Hill",
    "Ldam",
    "Loss",
    "Places",
    "RBceFocal",
    "Ral",
    "RalEq6",
    "RalHill",
    "RalSoftmax",
    "Side",
]
