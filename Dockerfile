# The service as an image, with the drivers of both databases and of the bus: docs/operations.md, "The image".
# Everything comes from wheels with hashes, so no stage needs a compiler.

# Python of the version that the tests run on.
FROM python:3.11-slim-bookworm AS wheel
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1 PIP_ROOT_USER_ACTION=ignore
WORKDIR /source
COPY requirements-build.txt ./
RUN pip install --require-hashes --only-binary :all: --requirement requirements-build.txt
COPY pyproject.toml README.md LICENSE ./
COPY src ./src
COPY clients/javascript/sanctum.js ./clients/javascript/
RUN pip wheel --no-deps --no-build-isolation --wheel-dir /wheels .

FROM python:3.11-slim-bookworm AS environment
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1 PIP_ROOT_USER_ACTION=ignore
COPY requirements-runtime.txt /
RUN python -m venv --without-pip /opt/sanctum && \
    pip --python /opt/sanctum/bin/python install --require-hashes --only-binary :all: --requirement /requirements-runtime.txt
COPY --from=wheel /wheels /wheels
RUN pip --python /opt/sanctum/bin/python install --no-deps --no-index /wheels/*.whl

FROM python:3.11-slim-bookworm
RUN groupadd --gid 10001 sanctum && \
    useradd --uid 10001 --gid 10001 --home-dir /data --no-create-home --shell /usr/sbin/nologin sanctum && \
    install --directory --mode 0700 --owner sanctum --group sanctum /data
COPY --from=environment /opt/sanctum /opt/sanctum
ENV PATH=/opt/sanctum/bin:$PATH PYTHONDONTWRITEBYTECODE=1 HOST=0.0.0.0 PORT=8080 DATA_DIR=/data
WORKDIR /data
VOLUME /data
USER 10001:10001
EXPOSE 8080
STOPSIGNAL SIGTERM
# Asks past any proxy that the environment may name.
HEALTHCHECK --interval=10s --timeout=5s --start-period=30s --retries=3 \
    CMD ["python", "-c", "import http.client, os, sys; c = http.client.HTTPConnection('127.0.0.1', int(os.environ.get('PORT') or 8080), timeout=4); c.request('GET', '/healthz'); sys.exit(c.getresponse().status != 200)"]
ENTRYPOINT ["sanctum"]
CMD ["serve"]
