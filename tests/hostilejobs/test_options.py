"""Words of a job that look like options, filters or quotes reach FFmpeg and the store as plain words."""

import av
import pytest

from recast.spec import Consent, Video
from recast.storage.embedded import EmbeddedStore
from recast.storage.storage import Storage
from tests import clips
from tests.jobs import job, run_job

ODD = "-i /etc/passwd -f lavfi; $(touch pwned) `id` %d 'a' \"b\" \\ = : , [x] @ \u00fc"
KEYS = {"quotes": 'it\'s "a" b', "dash": "-y", "encoded": "%2e%2e/%2F", "shell": "$(id);`id`&|", "filter": "a=b:c,[d]"}


@pytest.mark.parametrize("suffix", ["mp4", "mkv"])
@pytest.mark.parametrize("name", KEYS)
def test_they_are_words(name: str, suffix: str, s3: EmbeddedStore, storage: Storage, prefix: str) -> None:
    source, output = f"{prefix}{KEYS[name]}/in.mp4", f"{prefix}{KEYS[name]}/out.{suffix}"
    storage.upload(source, clips.build("cfr"))
    asked = job(s3, source, output, seconds=100, video=Video(preset="ultrafast"))
    spec = asked.spec.model_copy(update={"consent": Consent(reference=ODD, subject="-y")})
    run_job(asked.model_copy(update={"spec": spec}))
    with storage.open(output) as file, av.open(file) as container:
        comment = {key.lower(): value for key, value in container.metadata.items()}["comment"]
    assert comment == f"Faces changed by recast. Consent: {ODD}, -y"
    assert sorted(info.uri for info in storage.list(prefix)) == sorted([source, output])
