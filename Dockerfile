# Two images of one recipe; `make image` builds them by buildah, docker or podman.
#
#   docker build --target controller -t recast-controller .
#   docker build --target segment-worker --build-arg RUNTIME=gpu -t recast-segment-worker .
#
# BASE may be any Debian or Ubuntu with Python 3.11 or newer among its packages: one with CUDA's TensorRT, for example.
# Package indexes and certificates of a closed network come by the secrets `pip.conf`, `uv.toml`, `ca.crt` and
# `sources.list`, which are never kept; where none is given, the public ones are used.
ARG BASE=docker.io/library/debian:bookworm-slim

FROM ${BASE} AS base
# libgomp and libstdc++ are what ONNX Runtime, dlib and OpenCV link to. Of the documentation the licences stay.
RUN --mount=type=secret,id=sources.list,target=/run/secrets/sources.list \
    --mount=type=secret,id=ca.crt,target=/run/secrets/ca.crt \
    set -eu; \
    options=""; \
    if [ -s /run/secrets/sources.list ]; then \
        options="-o Dir::Etc::sourcelist=/run/secrets/sources.list -o Dir::Etc::sourceparts=/nowhere"; \
    fi; \
    if [ -s /run/secrets/ca.crt ]; then options="$options -o Acquire::https::CAInfo=/run/secrets/ca.crt"; fi; \
    export DEBIAN_FRONTEND=noninteractive; \
    apt-get $options update -q; \
    apt-get $options install -y -q --no-install-recommends ca-certificates libgomp1 libstdc++6 python3; \
    rm -rf /var/lib/apt/lists/* /var/cache/* /var/log/* /usr/share/man/* /usr/share/locale/*; \
    find /usr/share/doc -type f ! -name copyright -delete; \
    find /usr/lib/python3* -name __pycache__ -prune -exec rm -rf {} +

FROM base AS build
ARG UV_VERSION=0.13.9
RUN --mount=type=secret,id=sources.list,target=/run/secrets/sources.list \
    --mount=type=secret,id=ca.crt,target=/run/secrets/ca.crt \
    --mount=type=secret,id=pip.conf,target=/run/secrets/pip.conf \
    set -eu; \
    options=""; \
    if [ -s /run/secrets/sources.list ]; then \
        options="-o Dir::Etc::sourcelist=/run/secrets/sources.list -o Dir::Etc::sourceparts=/nowhere"; \
    fi; \
    if [ -s /run/secrets/ca.crt ]; then \
        options="$options -o Acquire::https::CAInfo=/run/secrets/ca.crt"; \
        export PIP_CERT=/run/secrets/ca.crt; \
    fi; \
    if [ -s /run/secrets/pip.conf ]; then export PIP_CONFIG_FILE=/run/secrets/pip.conf; fi; \
    export DEBIAN_FRONTEND=noninteractive; \
    apt-get $options update -q; \
    apt-get $options install -y -q --no-install-recommends python3-venv; \
    python3 -m venv /uv; \
    /uv/bin/pip install -q --no-cache-dir --disable-pip-version-check "uv==${UV_VERSION}"
# Bytecode that is known by its source's hash and not by its time: the same sources give the same files.
ENV UV_PROJECT_ENVIRONMENT=/opt/recast \
    UV_PYTHON=/usr/bin/python3 \
    UV_PYTHON_DOWNLOADS=never \
    UV_LINK_MODE=copy \
    UV_NO_CACHE=1 \
    UV_COMPILE_BYTECODE=1 \
    PYC_INVALIDATION_MODE=UNCHECKED_HASH
WORKDIR /src
COPY docker/uv-install docker/check-ffmpeg /usr/local/bin/
COPY pyproject.toml uv.lock ./

# What recast needs and recast itself are layers of their own: a new version of it is a small pull.
FROM build AS code
RUN mkdir /opt/app
COPY . .
RUN --mount=type=secret,id=uv.toml,target=/run/secrets/uv.toml \
    --mount=type=secret,id=ca.crt,target=/run/secrets/ca.crt \
    uv-install code

FROM build AS controller-packages
RUN --mount=type=secret,id=uv.toml,target=/run/secrets/uv.toml \
    --mount=type=secret,id=ca.crt,target=/run/secrets/ca.crt \
    uv-install packages --extra kubernetes --extra content && check-ffmpeg

FROM build AS segment-worker-packages
# cpu or gpu: gpu brings CUDA and cuDNN along, out of NVIDIA's wheels.
ARG RUNTIME=gpu
RUN --mount=type=secret,id=uv.toml,target=/run/secrets/uv.toml \
    --mount=type=secret,id=ca.crt,target=/run/secrets/ca.crt \
    uv-install packages --extra "${RUNTIME}" --extra identity --group mesh-models && check-ffmpeg

FROM base AS runtime
ENV PATH=/opt/app/bin:/opt/recast/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin \
    HOME=/tmp \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1
WORKDIR /tmp
USER 10001:10001
LABEL org.opencontainers.image.source="https://github.com/recast-video/recast" \
      org.opencontainers.image.documentation="https://github.com/recast-video/recast/blob/main/docs/operations.md" \
      org.opencontainers.image.vendor="recast" \
      org.opencontainers.image.licenses="Apache-2.0 AND GPL-3.0-or-later"

# Each image says what is in it, in /usr/share/sbom: looked up in the files themselves, when all of them are there.
FROM runtime AS controller-files
COPY --from=controller-packages /opt/recast /opt/recast
COPY --from=code /opt/app /opt/app

FROM controller-files AS controller-listing
ARG VERSION=0.1.0
COPY docker/sbom.py /tmp/
RUN python /tmp/sbom.py recast-controller "${VERSION}" > /tmp/recast-controller.cdx.json

FROM scratch AS controller-sbom
COPY --from=controller-listing --chown=0:0 /tmp/recast-controller.cdx.json /

FROM controller-files AS controller
ARG VERSION=0.1.0
LABEL org.opencontainers.image.title="recast-controller" \
      org.opencontainers.image.description="recast's controller, and the stages split, normalise, mux and cleanup" \
      org.opencontainers.image.version="${VERSION}"
COPY --from=controller-sbom /recast-controller.cdx.json /usr/share/sbom/
CMD ["python", "-m", "controller"]

FROM runtime AS segment-worker-files
COPY --from=segment-worker-packages /opt/recast /opt/recast
COPY --from=code /opt/app /opt/app

FROM segment-worker-files AS segment-worker-listing
ARG VERSION=0.1.0
COPY docker/sbom.py /tmp/
RUN python /tmp/sbom.py recast-segment-worker "${VERSION}" > /tmp/recast-segment-worker.cdx.json

FROM scratch AS segment-worker-sbom
COPY --from=segment-worker-listing --chown=0:0 /tmp/recast-segment-worker.cdx.json /

# Last, and so the one that is built where none is named.
FROM segment-worker-files AS segment-worker
ARG VERSION=0.1.0
LABEL org.opencontainers.image.title="recast-segment-worker" \
      org.opencontainers.image.description="recast's segment worker" \
      org.opencontainers.image.version="${VERSION}"
# What NVIDIA's container runtime mounts: models (compute), the GPU's name and load (utility), NVENC and NVDEC (video).
ENV NVIDIA_VISIBLE_DEVICES=all \
    NVIDIA_DRIVER_CAPABILITIES=compute,utility,video
COPY --from=segment-worker-sbom /recast-segment-worker.cdx.json /usr/share/sbom/
CMD ["python", "-m", "segment_worker"]
