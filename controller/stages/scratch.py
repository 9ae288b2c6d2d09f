"""What a run leaves in scratch, and how it is removed: `plan.json` first, so that nobody goes on from half of it."""

from recast import log
from recast.errors import RecastError
from recast.layout import RunLayout
from recast.storage.storage import Storage

PLAN = "/plan.json"


def drop_unfinished(storage: Storage, *uris: str) -> None:
    """Remove what killed writers left of objects that nobody writes any more.

    A store that does not let us look costs the job nothing.

    Args:
        storage: where.
        uris: objects, and folders with their slash.
    """
    for uri in uris:
        try:
            storage.drop_uploads(uri)
        except RecastError as error:
            log.warning("unfinished uploads may be left behind", uri=uri, detail=str(error))


def remove_run(storage: Storage, layout: RunLayout) -> None:
    """Remove everything of a run."""
    storage.delete(layout.plan)
    storage.delete_prefix(f"{layout.prefix}/")
    drop_unfinished(storage, f"{layout.prefix}/")


def remove_runs(storage: Storage, folder: str) -> None:
    """Remove every run under a job's folder."""
    for prefix in {info.uri[: -len(PLAN)] for info in storage.list(folder) if info.uri.endswith(PLAN)}:
        remove_run(storage, RunLayout(prefix))
    storage.delete_prefix(folder)
    drop_unfinished(storage, folder)


def remove_work(storage: Storage, layout: RunLayout) -> None:
    """Remove everything of a run but the record of its output, by which it is known again."""
    storage.delete(layout.plan)
    storage.delete_prefix(f"{layout.prefix}/", but=layout.output_record)
