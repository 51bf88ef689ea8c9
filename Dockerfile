# syntax=docker/dockerfile:1
# For a reproducible base give its digest: --build-arg PYTHON_IMAGE=python:3.13-slim-trixie@sha256:…
ARG PYTHON_IMAGE=python:3.13-slim-trixie

FROM ${PYTHON_IMAGE} AS build
WORKDIR /src
COPY requirements-uv.lock requirements.lock ./
RUN pip install --no-cache-dir --require-hashes --requirement requirements-uv.lock \
 && python -m venv --without-pip /opt/oneshape \
 && uv pip sync --no-cache --python /opt/oneshape/bin/python --require-hashes --compile-bytecode requirements.lock
COPY pyproject.toml LICENSE ./
COPY app app
COPY migrations migrations
RUN uv pip install --no-cache --offline --python /opt/oneshape/bin/python --no-deps --compile-bytecode .

FROM ${PYTHON_IMAGE} AS run
RUN useradd --system --uid 10001 --no-create-home --shell /usr/sbin/nologin oneshape \
 && install --directory --owner=oneshape --mode=0700 /data
COPY --from=build /opt/oneshape /opt/oneshape
ENV PATH=/opt/oneshape/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    ONESHAPE_DATA_DIR=/data
USER oneshape
WORKDIR /data
VOLUME /data
EXPOSE 8080
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=3s --start-period=20s --retries=3 \
    CMD ["python", "-c", "import urllib.request as u; u.urlopen('http://127.0.0.1:8080/healthz', timeout=2)"]
ENTRYPOINT ["oneshape"]
CMD ["serve", "--host", "0.0.0.0", "--port", "8080"]
