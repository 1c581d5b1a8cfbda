"""What is said when a run has ended, on the command line and in Python."""

from evenkeel.study.run.interfaces import RunResult


def closing_lines(result: RunResult) -> list[str]:
    """One line each: trials that MLflow lacks, why trials failed, why the run stopped before its end."""
    lines = [f"  {line}" for line in result.reasons]
    if result.num_untracked:
        lines.insert(0, f"{result.num_untracked:,} trials are not in MLflow yet; the next run catches up")
    if result.num_lost:
        lines.append(
            f"evenkeel: {result.num_lost:,} trials ran, but no record of them can be read; does the place of "
            "the records keep what is written there?"
        )
    if result.same_reason:
        lines.append(
            f"evenkeel: stopped, since every trial failed for one reason: {result.same_reason}. Correct it and run "
            "again with --retry-failed, or give --keep-going"
        )
    if result.stopped:
        lines.append("evenkeel: stopped; nothing is lost: the same command goes on")
    return lines
