"""From a study to its trials: pure, the same list every time."""

from dataclasses import dataclass
from typing import Any

from study.file.study import Loss, StudyConfig
from trainables import Trial


@dataclass(frozen=True)
class Planner:
    """Makes the trials of a study. `data` and `backbone` are their identities (content hashes, no paths)."""

    config: StudyConfig
    data: dict[str, Any]
    backbone: dict[str, Any]

    @property
    def trainable(self) -> dict[str, Any]:
        """The trainable's settings as they decide a result. What is switched off is left out: new switches keep ids."""
        return self.config.trainable.model_dump(mode="json", exclude_none=True) | {"backbone": self.backbone}

    def trial(self, loss: Loss, setting: dict[str, Any], seed: int, design: str, group: int | None = None) -> Trial:
        """One trial with every hyperparameter spelled out."""
        return Trial(
            loss=loss.loss,
            hyperparameters=_typed(loss.setting(**setting)),
            seed=seed,
            data=self.data,
            trainable=self.trainable,
            design=design,
            label=loss.label,
            group=group,
        )

    def planned(self) -> list[Trial]:
        """All sweep and Sobol trials, each id once."""
        trials: dict[str, Trial] = {}
        for design, settings in (("sweep", self._sweep), ("sobol", self._sobol)):
            for loss in self.config.losses:
                for setting in settings(loss):
                    for seed in self.config.seeds:
                        trial = self.trial(loss, setting, seed, design)
                        trials.setdefault(trial.id, trial)
        return list(trials.values())

    def _sweep(self, loss: Loss) -> list[dict[str, Any]]:
        sweep = self.config.designs.sweep
        if sweep is None:
            return []
        settings: list[dict[str, Any]] = [{}]
        for name, parameter in loss.space().parameters.items():
            if sweep.hyperparameters is None or name in sweep.hyperparameters or name in loss.levels:
                levels = loss.levels.get(name) or parameter.levels(sweep.levels)
                settings += [{name: level} for level in levels if level != parameter.default]
        return settings

    def _sobol(self, loss: Loss) -> list[dict[str, Any]]:
        sobol = self.config.designs.sobol
        if sobol is None:
            return []
        from search_spaces.sobol import shared_axes, sobol_points

        axes = shared_axes(other.space() for other in self.config.losses)
        return sobol_points(loss.space(), axes, m=sobol.m, seed=sobol.seed)

    def num_search_trials(self, loss: Loss) -> dict[str, int]:
        """How many searched and confirming trials a loss will get; a loss without hyperparameters is not searched."""
        search = self.config.designs.search
        if search is None or not loss.space().parameters:
            return {"search": 0, "confirm": 0}
        return {
            "search": search.groups * search.trials * search.seeds_per_group,
            "confirm": (search.groups + 1) * search.fresh_seeds,
        }


def _typed(setting: dict[str, Any]) -> dict[str, Any]:
    """Whole numbers written for real hyperparameters become real, so that 4 and 4.0 are one trial."""
    return {
        k: float(v) if isinstance(v, int) and not isinstance(v, bool) and k != "terms" else v
        for k, v in setting.items()
    }
