# The one image: control plane, Dagster's webserver and daemon, code server, run workers, hooks and schedules.
# Builds elsewhere pin the base by digest: --build-arg BASE=python:3.11.14-slim-bookworm@sha256:...
ARG BASE=python:3.11.14-slim-bookworm

FROM ${BASE} AS build
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1 PIP_ROOT_USER_ACTION=ignore
WORKDIR /src
COPY requirements/platform.txt requirements/platform.txt
# Wheels pinned by hash; --compile writes byte-code, without which every process costs twice the CPU.
RUN python -m venv --without-pip /opt/elder \
    && pip --python /opt/elder install --require-hashes --no-deps --compile --only-binary :all: -r requirements/platform.txt
COPY pyproject.toml README.md LICENSE ./
COPY elder_assets elder_assets
COPY resources resources
COPY sensors sensors
COPY dash_app dash_app
# The tests of the four largest packages are a part of their size and are never imported.
RUN PATH="/opt/elder/bin:${PATH}" pip --python /opt/elder install --no-deps --no-build-isolation --compile . \
    && find /opt/elder/lib/python3.11/site-packages/numpy /opt/elder/lib/python3.11/site-packages/pandas \
        /opt/elder/lib/python3.11/site-packages/pyarrow /opt/elder/lib/python3.11/site-packages/scipy \
        -type d -name tests -prune -exec rm -rf {} +

FROM ${BASE}
# The base's own patch level decides the versions; git is the only program that audits call.
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install -y --no-install-recommends git openssh-client \
    && rm -rf /var/lib/apt/lists/* \
    && groupadd --gid 10001 elder \
    && useradd --uid 10001 --gid 10001 --no-create-home --home-dir /tmp --shell /usr/sbin/nologin elder \
    && install -d -o 10001 -g 10001 /var/lib/elder /opt/dagster/home
COPY --from=build /opt/elder /opt/elder
ENV PATH=/opt/elder/bin:/usr/local/bin:/usr/bin:/bin \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    DAGSTER_DISABLE_TELEMETRY=1 \
    DAGSTER_HOME=/opt/dagster/home \
    ELDER_HOME=/var/lib/elder \
    HOME=/tmp
USER 10001:10001
WORKDIR /tmp
CMD ["elder", "--help"]
