"""After a command: syncs the listeners with the journal and bounds the store."""

import os
from pathlib import Path

from mlops_nb.context import Context, real_time
from mlops_nb.governance import prune
from mlops_nb.integrations import catch_up


def follow(ctx: Context) -> bool:
    """Sync MLflow and OpenLineage and bound the store, in the background if possible.

    Return whether the listeners have caught up already, as with `MLOPS_NB_MIRROR=wait`.

    Raises Refused if the environment gives a bound of the store that is no size.
    """
    prune.limit(ctx)  # a wrong bound is refused here, where the user sees it
    if ctx.environment.get("MLOPS_NB_MIRROR") == "wait":
        _now(ctx)
        return True
    ctx.warnings += catch_up.problems(ctx)
    if ctx.warnings:
        prune.bounded(ctx)
        return False
    if catch_up.hand_over(ctx, __name__, in_background.__name__):
        return False
    _now(ctx)
    return True


def begin(ctx: Context, run: str) -> None:
    """Start to sync MLflow in the background while a promotion works, if it can be reached.

    run: the run of the promotion; when it has finished, its verdict is awaited and synced at once
    """
    waits = ctx.environment.get("MLOPS_NB_MIRROR") == "wait"
    if not waits and not catch_up.unreachable(ctx):
        catch_up.hand_over(ctx, __name__, ahead.__name__, run)


def ahead(root: str, run: str) -> None:
    """Prepare MLflow for a project and sync it; the entry point of a subprocess."""
    ctx = Context(Path(root), os.environ, real_time)
    catch_up.sync_and_note(ctx, prepared=True)
    if ctx.warnings or not catch_up.has_finished(ctx, run):
        return
    with ctx.journal.holding("verdict", wait=False) as alone:
        if alone and catch_up.await_verdict(ctx, run):
            catch_up.sync_and_note(ctx)


def in_background(root: str) -> None:
    """Sync the listeners of a project and bound its store; the entry point of a subprocess."""
    ctx = Context(Path(root), os.environ, real_time)
    catch_up.sync_and_note(ctx)
    prune.bounded(ctx)


def _now(ctx: Context) -> None:
    catch_up.sync(ctx)
    prune.bounded(ctx)
