"""Control tests need no privileges but the creation of Unix sockets."""
import pytest

import control as parts


@pytest.fixture(scope="session", autouse=True)
def protos(tmp_path_factory):
    parts.generate_protos(tmp_path_factory.mktemp("protos"))


@pytest.fixture
def control(tmp_path):
    c = parts.Control(tmp_path)
    try:
        yield c
    finally:
        c.close()


@pytest.fixture
def subscribe(control):
    made = []

    def make(node="n1", **options):
        made.append(parts.Subscriber(control.channel(node), **options))
        return made[-1]

    yield make
    for subscriber in made:
        subscriber.close()
