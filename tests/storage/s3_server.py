"""A server of S3's HTTP interface, in a thread of this process, for the prediction log."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import pytest

BUCKET = "logs"
MISSING = "moto[s3] and s3fs of the development group are not installed"


class S3Server:
    """A server with one bucket, which can be away for a time; what was stored stays."""

    def __init__(self) -> None:
        from moto.server import ThreadedMotoServer

        self.make = ThreadedMotoServer
        self.port = 0
        self.start()

    def start(self) -> None:
        """Answer again, at the same port."""
        self.server = self.make(ip_address="127.0.0.1", port=self.port, verbose=False)
        self.server.start()
        _, self.port = self.server.get_host_and_port()

    def stop(self) -> None:
        """Refuse connections."""
        with suppress(AttributeError):  # stopped already
            self.server.stop()

    def names(self) -> list[str]:
        """Return the names of all objects, as another client sees them."""
        import boto3

        pages = boto3.client("s3").get_paginator("list_objects_v2").paginate(Bucket=BUCKET)
        return [found["Key"] for page in pages for found in page.get("Contents", ())]


@contextmanager
def running() -> Iterator[S3Server]:
    """Run a server, which the environment variables of AWS name meanwhile."""
    pytest.importorskip("moto", reason=MISSING)
    s3fs = pytest.importorskip("s3fs", reason=MISSING)
    import boto3

    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = S3Server()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{server.port}")
        patch.setenv("AWS_ACCESS_KEY_ID", "id")
        patch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
        patch.setenv("AWS_DEFAULT_REGION", "us-east-1")
        patch.setenv("AWS_MAX_ATTEMPTS", "1")  # s3fs tries again as well
        s3fs.S3FileSystem.clear_instance_cache()
        boto3.client("s3").create_bucket(Bucket=BUCKET)
        try:
            yield server
        finally:
            s3fs.S3FileSystem.clear_instance_cache()
            server.stop()
