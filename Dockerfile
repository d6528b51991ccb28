# Two stages: the first builds a virtual environment from hash-pinned requirements, the second carries
# only that, the code and the model. Runs as a user without rights; everything kept is in /data.
FROM python:3.12-slim-bookworm AS build
WORKDIR /app
COPY requirements/run.txt requirements/run.txt
RUN python -m venv /app/.venv \
 && /app/.venv/bin/python -m pip install --quiet --no-cache-dir --disable-pip-version-check \
      --require-hashes --only-binary :all: -r requirements/run.txt
COPY pyproject.toml README.md ./
COPY service service
COPY classifier classifier
RUN /app/.venv/bin/python -m pip install --quiet --no-cache-dir --disable-pip-version-check \
      --no-deps --no-build-isolation . \
 && /app/.venv/bin/python -m compileall -q /app/.venv/lib

FROM python:3.12-slim-bookworm
# tini is process 1: it passes signals on and buries what nobody waits for.
RUN apt-get update \
 && apt-get install --yes --no-install-recommends tini \
 && rm -rf /var/lib/apt/lists/*
RUN useradd --uid 10001 --user-group --no-create-home --home-dir /data --shell /usr/sbin/nologin winnow \
 && install --directory --owner=winnow --group=winnow --mode=0700 /data
COPY --from=build /app/.venv /app/.venv
ENV PATH=/app/.venv/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    WINNOW_HOST=0.0.0.0 \
    WINNOW_PORT=8080 \
    WINNOW_DATA_DIR=/data
USER winnow
WORKDIR /data
VOLUME /data
EXPOSE 8080
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=3s --start-period=20s --retries=3 \
  CMD ["python", "-c", "import os,urllib.request as u; u.urlopen('http://127.0.0.1:' + os.environ['WINNOW_PORT'] + '/readyz', timeout=2)"]
ENTRYPOINT ["tini", "--"]
CMD ["winnow", "serve"]
