"""What the fork server imports: all that a stage does, the S3 client's data included, before its first request."""

import importlib
import os

import boto3

# Threads of a parent are not in its fork.
os.environ["OPENBLAS_NUM_THREADS"] = "1"
for name in ("controller.stages.split", "controller.stages.mux", "segment_worker.worker"):
    importlib.import_module(name)
client = boto3.session.Session().client(
    "s3",
    region_name="us-east-1",
    aws_access_key_id="-",
    aws_secret_access_key="-",  # noqa: S106  # none at all
)
client.close()
