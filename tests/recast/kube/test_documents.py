"""YAML as FaceSwapJobs: what is wrong is named with its line; one template makes stable jobs."""

from pathlib import Path

import pytest

from recast.kube.documents import find_doubles, parse_jobs
from recast.kube.each import LABEL_TEMPLATE, expand, folder

ROOT = Path(__file__).parents[3]
HEAD = """\
apiVersion: recast.video/v1alpha1
kind: FaceSwapJob
metadata: {name: interview}
spec:
  source: {uri: s3://studio/in/interview.mov}
  output: {uri: s3://studio/out/interview.mp4}
  engine: {name: Passthrough}
  storage: {scratch: s3://scratch/recast}
"""


def problems(text: str) -> list[str]:
    parsed = parse_jobs(text, "jobs.yaml")
    assert not (parsed.jobs and parsed.problems)
    return parsed.problems


@pytest.mark.parametrize("path", sorted((ROOT / "manifests" / "samples").glob("*.yaml")), ids=lambda path: path.name)
def test_the_samples_are_jobs(path: Path) -> None:
    assert problems(path.read_text()) == []


def test_a_job_is_what_the_file_says_and_no_more() -> None:
    (job,) = parse_jobs(HEAD, "jobs.yaml").jobs
    assert (job.place, job.name, job.namespace, job.spec.video.quality) == ("jobs.yaml:1", "interview", None, 18)
    assert job.manifest["spec"]["storage"] == {"scratch": "s3://scratch/recast"} and "video" not in job.manifest["spec"]


def test_many_documents_are_many_jobs_and_empty_ones_none() -> None:
    text = f"# two\n---\n{HEAD}---\n---\n{HEAD.replace('interview', 'trailer')}"
    assert [(job.name, job.place) for job in parse_jobs(text, "-").jobs] == [("interview", "-:3"), ("trailer", "-:13")]


def test_of_two_jobs_of_one_name_the_second_is_too_many() -> None:
    parsed = parse_jobs(f"{HEAD}---\n{HEAD}", "jobs.yaml")
    (problem,) = find_doubles(parsed.jobs)
    assert problem.startswith("jobs.yaml:10: metadata.name: interview: jobs.yaml:1 has this name already")


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("  video: {quality: 70}", "9: spec.video.quality: 70: must be less than or equal to 63 or must be 'Lossless'"),
        ("  video:\n    codec: H264\n    threads: '2'", '11: spec.video.threads: "2": must be a valid integer'),
        ("  video: {codek: H264}", "9: spec.video.codek: there is no such field: did you mean codec?"),
        (
            "  segments: {max_parallelism: 3}",
            "9: spec.segments.max_parallelism: there is no such field: did you mean maxParallelism?",
        ),
        ("  colour: red", "9: spec.colour: there is no such field"),
        ("  faces: [{source: [/ada.png]}]", "9: spec.faces[0].source[0]: /ada.png: write s3://bucket/key"),
        (
            "  faces:\n  - source:\n    - file:///ada.png",
            "11: spec.faces[0].source[0]: file:///ada.png: a pod cannot see this machine's files: "
            "write s3://bucket/key",
        ),
        ("  worker: {resources: {requests: {cpu: lots}}}", "9: spec.worker.resources.requests.cpu: lots: must "),
        ("  storage: {}", "9: storage: is there twice: remove one of them"),
        ("status: {phase: Failed}", "9: status: the controller writes it: remove it"),
        ("  video: [", "10: not YAML: "),
        ("  deadlineSeconds: .inf", "1: says what JSON cannot: "),
        ("  consent: {subject: Ada}", "9: spec.consent.reference: missing"),
        ('  consent: {reference: " "}', '9: spec.consent.reference: " ": write a line that is not blank'),
    ],
)
def test_what_is_wrong_is_named_with_its_line(line: str, said: str) -> None:
    (problem,) = problems(f"{HEAD}{line}\n")
    assert problem.startswith(f"jobs.yaml:{said}")


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("video/v1alpha1", "video/v9", "1: apiVersion: recast.video/v9: this recast knows recast.video/v1alpha1"),
        ("FaceSwapJob", "Secret", "2: kind: Secret: only FaceSwapJob is submitted; the rest is for `kubectl apply`"),
        ("{name: interview}", "{}", "3: metadata.name: missing"),
        ("name: interview", "name: Interview", "3: metadata.name: Interview: must match"),
        ("{name: interview}", "{generateName: a-}", "3: metadata.generateName: a name must be stable"),
        ("name: interview", "name: a, uid: b", "3: metadata.uid: the cluster sets it: remove it"),
        ("name: interview", "name: a, labels: {x: on}", "3: metadata.labels.x: true: must be text: put it in quotes"),
        ("Passthrough", "Mesh", "4: spec.faces: at least one is needed"),
        ("out/interview.mp4", "out/a.avi", "6: spec.output: "),
        ("s3://studio/in", "file:///in", "5: spec.source.uri: file:///in/interview.mov: a pod cannot see"),
    ],
)
def test_what_is_wrong_with_the_rest_is_named_too(old: str, new: str, said: str) -> None:
    (problem,) = problems(HEAD.replace(old, new))
    assert problem.startswith(f"jobs.yaml:{said}")


def test_all_that_is_wrong_is_said_at_once_line_by_line() -> None:
    text = HEAD.replace("Passthrough", "Magic") + "  audio: {codec: Mp3}\n---\nkind: Pod\n"
    assert [problem.split(": ")[:2] for problem in problems(text)] == [
        ["jobs.yaml:7", "spec.engine.name"], ["jobs.yaml:9", "spec.audio.codec"], ["jobs.yaml:11", "kind"],
    ]  # fmt: skip


def test_a_file_without_jobs_is_one_problem() -> None:
    assert problems("# nothing\n") == ["jobs.yaml:1: holds no FaceSwapJob"]
    assert problems("- 1\n")[0].startswith("jobs.yaml:1: not a FaceSwapJob")


def test_dates_are_text_and_empty_fields_are_left_out_as_kubernetes_has_it() -> None:
    text = HEAD.replace("{name: Passthrough}", "{name: Passthrough}\n  consent: {reference: 2026-01-17}\n  segments:")
    (job,) = parse_jobs(text, "-").jobs
    assert job.spec.consent is not None and job.spec.consent.reference == "2026-01-17"
    assert "segments" not in job.manifest["spec"]


def test_aliases_work_and_a_bomb_of_them_does_not() -> None:
    shared = HEAD.replace("scratch: s3:", "scratch: &a s3:") + "  consent: {reference: *a}\n"
    assert parse_jobs(shared, "-").jobs[0].manifest["spec"]["consent"] == {"reference": "s3://scratch/recast"}
    bomb = "a: &a [x,x,x,x,x,x,x,x,x,x]\n" + "".join(
        f"{new}: &{new} [{','.join(10 * [f'*{old}'])}]\n" for old, new in zip("abcdef", "bcdefg", strict=True)
    )
    assert "values in one document" in problems(bomb)[0]
    assert "an alias stands for something that it is in" in problems("a: &a [*a]\n")[0]


# --each

TEMPLATE = """\
apiVersion: recast.video/v1alpha1
kind: FaceSwapJob
metadata: {name: Dailies, labels: {a: b}}
spec:
  engine: {name: Passthrough}
  storage: {scratch: s3://scratch/recast}
""".replace("Dailies", "dailies")
OVERWRITING = TEMPLATE + "  output: {overwrite: true}\n"
WITH_OUTPUT = TEMPLATE + "  output: {uri: s3://any/where.mov, overwrite: true}\n"


def expanded(uris: list[str], text: str = TEMPLATE) -> list[tuple[str, str]]:
    (template,) = parse_jobs(text, "t.yaml", template=True).jobs
    found = expand(template, uris, "s3://studio/a/", "s3://studio/b/")
    assert not found.problems
    return [(job.name, job.spec.output.uri) for job in found.jobs]


def test_a_video_becomes_a_job_whose_name_and_output_are_the_same_each_time() -> None:
    assert expanded(["s3://studio/a/Zoë/Take 1.mov", "s3://studio/a/b.mp4"]) == [
        ("dailies-zoe-take-1-ded2cfbb", "s3://studio/b/Zoë/Take 1.mov"),
        ("dailies-b-548bf3da", "s3://studio/b/b.mp4"),
    ]


@pytest.mark.parametrize(
    ("key", "plain", "chosen"),
    [
        ("c.mp4", "c.mp4", "c.mov"),
        ("c.M4V", "c.mp4", "c.mov"),
        ("c.mxf", "c.mkv", "c.mov"),
        ("c.x.ts", "c.x.mkv", "c.x.mov"),
    ],
)
def test_the_templates_suffix_chooses_the_container_or_the_sources(key: str, plain: str, chosen: str) -> None:
    assert expanded([f"s3://studio/a/{key}"])[0][1] == f"s3://studio/b/{plain}"
    assert expanded([f"s3://studio/a/{key}"], OVERWRITING)[0][1] == f"s3://studio/b/{plain}"
    assert expanded([f"s3://studio/a/{key}"], WITH_OUTPUT)[0][1] == f"s3://studio/b/{chosen}"


def test_names_are_labels_whatever_the_keys_are() -> None:
    keys = ["x" * 300 + ".mov", "日本語.mov", "a/b/c/d.mov", "A.mov", "a.mov", "a.mkv", "-.mov"]
    names = [name for name, _ in expanded([f"s3://studio/a/{key}" for key in keys])]
    assert len(set(names)) == len(keys)
    text = "\n---\n".join(TEMPLATE.replace("dailies", name, 1) for name in names)
    assert len(parse_jobs(text, "-", template=True).jobs) == len(keys)
    assert all(len(name) <= 63 for name in names)


def test_what_is_no_video_is_counted_and_the_template_stays_what_it_was() -> None:
    (template,) = parse_jobs(WITH_OUTPUT, "t.yaml", template=True).jobs
    found = expand(
        template,
        ["s3://studio/a/notes.txt", "s3://studio/a/day/", "s3://studio/a/c.mov"],
        "s3://studio/a/",
        "s3://studio/b/",
    )
    (job,) = found.jobs
    assert found.others == 2
    assert job.manifest["metadata"]["labels"] == {"a": "b", LABEL_TEMPLATE: "dailies"}
    assert job.manifest["spec"]["source"] == {"uri": "s3://studio/a/c.mov"}
    assert (
        job.manifest["spec"]["output"] == {"uri": "s3://studio/b/c.mov", "overwrite": True}
        and job.spec.output.overwrite
    )
    assert template.manifest["metadata"]["name"] == "dailies"


def test_two_sources_of_one_output_and_names_that_are_no_addresses_are_refused() -> None:
    (template,) = parse_jobs(WITH_OUTPUT, "t.yaml", template=True).jobs
    uris = ["s3://studio/a/c.mkv", "s3://studio/a/c.mp4", "s3://studio/a/d\n.mp4"]
    found = expand(template, uris, "s3://studio/a/", "s3://studio/b/")
    assert [problem.partition(": ")[2].split(",")[0] for problem in found.problems] == [
        "its output would be s3://studio/b/c.mov", "its name cannot be part of an address: rename it",
    ]  # fmt: skip


def test_a_source_is_not_its_own_output() -> None:
    (template,) = parse_jobs(WITH_OUTPUT, "t.yaml", template=True).jobs
    found = expand(template, ["s3://studio/a/c.mov", "s3://studio/a/d.mp4"], "s3://studio/a/", "s3://studio/a/")
    assert found.problems == ["s3://studio/a/c.mov: its output would take its place: give another --output"]
    assert [job.spec.output.uri for job in found.jobs] == ["s3://studio/a/d.mov"]


def test_a_prefix_is_a_folder() -> None:
    assert folder("s3://in") == "s3://in/" and folder("s3://studio/a/") == "s3://studio/a/"
