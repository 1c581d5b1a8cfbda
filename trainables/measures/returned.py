"""A score that a user's training function returns by itself: declared, never computed here."""

from dataclasses import dataclass

from evenkeel.trainables.measures.base import Column, Evidence, Measured, Needs


@dataclass(frozen=True)
class ReturnedScore:
    """`column` on val and test; the study file says what is good."""

    column: str
    needs: Needs = "returned"

    @property
    def columns(self) -> dict[str, Column]:
        return {self.column: Column(self.column.replace("_", " "))}

    def compute(self, evidence: Evidence) -> Measured:
        return Measured()
