# One image for every service; docker-compose.yml says which one a container runs.
# Alone it runs everything: docker run --init -p 127.0.0.1:8000:8000 -p 127.0.0.1:8001:8001 \
#   -e API_AUTH=a-key-of-yours -v footfall:/data footfall
FROM python:3.13-slim

ENV PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    PIP_DISABLE_PIP_VERSION_CHECK=1 \
    PIP_NO_CACHE_DIR=1 \
    PIP_ROOT_USER_ACTION=ignore

WORKDIR /app

# Before the code, so that a change of the code does not install everything anew.
COPY requirements.lock ./
RUN pip install --require-hashes --only-binary :all: -r requirements.lock

COPY . .
RUN pip install --no-build-isolation --no-deps -e . \
    && useradd --system --uid 10001 --no-create-home footfall \
    && install -d -o footfall -g footfall /data

ENV DATA_DIR=/data \
    INGESTION_HOST=0.0.0.0 \
    REPORTING_HOST=0.0.0.0

USER footfall
EXPOSE 8000 8001
CMD ["python", "-m", "footfall", "run"]
