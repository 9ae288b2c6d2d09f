"""What a Dockerfile of images for strangers' clusters must not do; each rule is shown to find what it is for."""

import re
from collections.abc import Callable, Iterator

import pytest

from tests.install.recipe import Recipe, parse
from tests.install.test_lock import ROOT

TEXT = (ROOT / "Dockerfile").read_text()
IMAGES = ("controller", "segment-worker")
SECRET_WORDS = re.compile(r"KEY|TOKEN|PASSWORD|PASSWD|SECRET|CREDENTIAL", re.IGNORECASE)

Rule = Callable[[Recipe], Iterator[str]]


def users_are_numbers(recipe: Recipe) -> Iterator[str]:
    """`runAsNonRoot` believes numbers only."""
    for image in IMAGES:
        user = recipe.user(image) or ""
        if not re.fullmatch(r"[1-9]\d*:[1-9]\d*", user):
            yield f"{image} ends as {user!r}"


def nothing_comes_from_urls(recipe: Recipe) -> Iterator[str]:
    """What has no checksum may change."""
    for stage, each in recipe.instructions("ADD"):
        yield f"{stage.name}: ADD {each.rest}"
    for stage, each in recipe.instructions("RUN"):
        if re.search(r"\b(curl|wget)\b|git clone", each.rest):
            yield f"{stage.name}: RUN {each.rest[:80]}"


def bases_have_names(recipe: Recipe) -> Iterator[str]:
    """Either a stage, nothing, or the one image that BASE names with a tag that is no moving one."""
    known = {"scratch", "${BASE}"}
    for stage in recipe.stages.values():
        if stage.base not in known:
            yield f"{stage.name} begins with {stage.base}"
        known.add(stage.name)
    tag = recipe.arguments.get("BASE", "").rpartition("/")[2].partition(":")[2]
    if tag in ("", "latest", "stable", "testing", "unstable"):
        yield f"BASE has the tag {tag!r}"


def apt_leaves_nothing(recipe: Recipe) -> Iterator[str]:
    """Lists of packages grow old in a layer; stages that no image is built on may keep theirs."""
    kept = {stage.name for image in IMAGES for stage in recipe.layers(image)}
    for stage, each in recipe.instructions("RUN"):
        for line in re.findall(r"apt-get \S+ install[^;&]*", each.rest):
            if "--no-install-recommends" not in line or " -y " not in line:
                yield f"{stage.name}: {line}"
        if "install" in each.rest and "apt-get" in each.rest:
            if "apt-get $options update" not in each.rest:
                yield f"{stage.name}: installs from lists of another layer"
            if stage.name in kept and "rm -rf /var/lib/apt/lists/*" not in each.rest:
                yield f"{stage.name}: keeps the lists of apt"


def no_secrets_stay(recipe: Recipe) -> Iterator[str]:
    """Whoever has the image reads its arguments, variables and layers."""
    yield from (f"ARG {name}" for name in recipe.arguments if SECRET_WORDS.search(name))
    for word in ("ARG", "ENV", "LABEL"):
        for stage, each in recipe.instructions(word):
            if SECRET_WORDS.search(each.rest):
                yield f"{stage.name}: {word} {each.rest}"
    for stage, each in recipe.instructions("RUN"):
        shell = re.sub(r"--mount=\S+", "", each.rest)
        mounted = {part.partition("=")[2] for mount in each.mounts for part in mount.split(",") if "target=" in part}
        for used in set(re.findall(r"/run/secrets/[\w.]+", shell)) - mounted:
            yield f"{stage.name}: {used} is not mounted"
        if any("/run/secrets" in mount and not mount.startswith("type=secret,") for mount in each.mounts):
            yield f"{stage.name}: a secret that is mounted as something else"


def users_own_nothing(recipe: Recipe) -> Iterator[str]:
    """What an image runs cannot be changed by who runs in it: files are root's."""
    for image in IMAGES:
        for stage in recipe.layers(image):
            for each in stage.body:
                if each.word == "COPY" and re.search(r"--chown=(?!0:0)|--chmod", each.rest):
                    yield f"{stage.name}: COPY {each.rest}"
    for stage, each in recipe.instructions("COPY"):
        origin = re.search(r"--from=(\S+)", each.rest)
        made_by_user = origin and origin[1] in recipe.stages and recipe.user(origin[1]) not in (None, "0", "0:0")
        if made_by_user and "--chown=0:0" not in each.rest:
            yield f"{stage.name}: COPY {each.rest}"


def shells_stop_at_errors(recipe: Recipe) -> Iterator[str]:
    """A list of commands is as good as its last one, unless the shell is told otherwise."""
    for stage, each in recipe.instructions("RUN"):
        shell = re.sub(r"--mount=\S+\s*", "", each.rest)
        if ";" in shell and not shell.startswith("set -eu;"):
            yield f"{stage.name}: RUN {shell[:80]}"
        if "|" in shell.replace("||", ""):
            yield f"{stage.name}: a pipe hides its first command's end: {shell[:80]}"


def pip_is_pinned(recipe: Recipe) -> Iterator[str]:
    """The lock pins what uv installs; uv itself is what pip installs."""
    for stage, each in recipe.instructions("RUN"):
        for line in re.findall(r"pip install [^;&]*", each.rest):
            if "==" not in line or "--no-cache-dir" not in line:
                yield f"{stage.name}: {line}"


def commands_are_lists(recipe: Recipe) -> Iterator[str]:
    """A shell as first process passes no signals on."""
    for word in ("CMD", "ENTRYPOINT"):
        for stage, each in recipe.instructions(word):
            if not each.rest.startswith("["):
                yield f"{stage.name}: {word} {each.rest}"


RULES = [
    users_are_numbers,
    nothing_comes_from_urls,
    bases_have_names,
    apt_leaves_nothing,
    no_secrets_stay,
    users_own_nothing,
    shells_stop_at_errors,
    pip_is_pinned,
    commands_are_lists,
]


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
def test_the_dockerfile_keeps(rule: Rule) -> None:
    assert list(rule(parse(TEXT))) == []


BREAKS: list[tuple[Rule, str, str]] = [
    (users_are_numbers, "USER 10001:10001", "USER recast"),
    (users_are_numbers, "USER 10001:10001", "USER 0:0"),
    (users_are_numbers, "USER 10001:10001\n", ""),
    (users_are_numbers, 'CMD ["python", "-m", "controller"]', 'USER root\nCMD ["python", "-m", "controller"]'),
    (nothing_comes_from_urls, "COPY . .", "ADD https://example.com/a.tar.gz /src/"),
    (nothing_comes_from_urls, "RUN mkdir /opt/app", "RUN mkdir /opt/app && curl -o /x https://example.com"),
    (bases_have_names, "debian:bookworm-slim", "debian:latest"),
    (bases_have_names, "debian:bookworm-slim", "debian"),
    (bases_have_names, "FROM ${BASE} AS base", "FROM python:3.11 AS base"),
    (apt_leaves_nothing, "rm -rf /var/lib/apt/lists/* ", "rm -rf "),
    (apt_leaves_nothing, "--no-install-recommends python3-venv", "python3-venv"),
    (apt_leaves_nothing, "    apt-get $options update -q; \\\n", ""),
    (no_secrets_stay, "ARG RUNTIME=gpu", "ARG RUNTIME=gpu\nARG PIP_TOKEN"),
    (no_secrets_stay, "HOME=/tmp", "HOME=/tmp AWS_SECRET_ACCESS_KEY=x"),
    (no_secrets_stay, "--mount=type=secret,id=pip.conf,target=/run/secrets/pip.conf", ""),
    (no_secrets_stay, "--mount=type=secret,id=pip.conf", "--mount=type=bind,source=pip.conf"),
    (users_own_nothing, "COPY --from=code /opt/app", "COPY --from=code --chown=10001:10001 /opt/app"),
    (users_own_nothing, "--chown=0:0 /tmp/recast-controller", "/tmp/recast-controller"),
    (shells_stop_at_errors, "    set -eu; \\\n    options", "    options"),
    (shells_stop_at_errors, "RUN mkdir /opt/app", "RUN ls | mkdir /opt/app"),
    (pip_is_pinned, '"uv==${UV_VERSION}"', "uv"),
    (commands_are_lists, 'CMD ["python", "-m", "segment_worker"]', "CMD python -m segment_worker"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("rule", "old", "new"), BREAKS, ids=lambda value: value[:40] if isinstance(value, str) else value.__name__
)
def test_the_rule_finds(rule: Rule, old: str, new: str) -> None:
    assert old in TEXT
    assert list(rule(parse(TEXT.replace(old, new)))) != []


def test_versions_are_those_of_the_other_files() -> None:
    default = dict(each.rest.split("=") for _, each in parse(TEXT).instructions("ARG"))
    makefile = (ROOT / "Makefile").read_text()
    assert f"UV_VERSION := {default['UV_VERSION']}\n" in makefile
    assert f'\nversion = "{default["VERSION"]}"\n' in (ROOT / "pyproject.toml").read_text()


def test_the_worker_is_what_is_built_where_no_target_is_named() -> None:
    assert list(parse(TEXT).stages)[-1] == "segment-worker"


def test_no_file_comes_into_the_build_that_is_not_named() -> None:
    first, *others = (ROOT / ".dockerignore").read_text().splitlines()
    assert first == "*"
    allowed = {line.removeprefix("!") for line in others if line.startswith("!")}
    assert allowed == {
        "LICENSE", "README.md", "controller", "docker", "pyproject.toml", "recast", "segment_worker", "uv.lock",
    }  # fmt: skip


def test_both_images_bring_their_sbom() -> None:
    recipe = parse(TEXT)
    for image in IMAGES:
        copied = [each.rest for each in recipe.stages[image].body if each.word == "COPY"]
        assert f"--from={image}-sbom /recast-{image}.cdx.json /usr/share/sbom/" in copied
        # It looks at exactly what the image is made of.
        assert recipe.stages[f"{image}-listing"].base == recipe.stages[image].base == f"{image}-files"
