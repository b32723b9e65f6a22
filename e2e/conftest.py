"""What every end-to-end test starts from: the program's binary, and one demo that all of them share."""

import pathlib

import pytest

from cluster import CannotBeHad, Cluster, Gateway
from program import Demo, binary
from kubectl import Kubectl

HERE = pathlib.Path(__file__).parent

# Every release with each transport it has (kubernetes-streaming reference, section 1.1: WebSocket came with 1.29).
CLIENTS = [
    ("1.20", "spdy"),
    ("1.29", "spdy"),
    ("1.29", "websocket"),
    ("1.33", "spdy"),
    ("1.33", "websocket"),
    ("1.37", "spdy"),
    ("1.37", "websocket"),
]


@pytest.fixture(scope="session")
def kubetape():
    return binary("kubetape")


@pytest.fixture(scope="session")
def demo(tmp_path_factory):
    with Demo(tmp_path_factory.mktemp("demo")) as running:
        yield running


@pytest.fixture(scope="session")
def cluster():
    """Kubernetes itself, for all tests that need it; where it cannot be had, they are skipped and say why."""
    starting = Cluster()
    try:
        starting.__enter__()
    except CannotBeHad as why:
        pytest.skip(str(why))
    yield starting
    starting.__exit__()


@pytest.fixture(scope="session")
def behind(cluster, tmp_path_factory):
    """A gateway in front of it."""
    with Gateway(tmp_path_factory.mktemp("behind"), cluster) as running:
        yield running


@pytest.fixture(params=CLIENTS, ids=lambda client: "-".join(client))
def client(request, demo):
    """kubectl of one release over one transport, pointed at the demo's gateway."""
    version, transport = request.param
    return Kubectl(version, transport, demo.kubeconfig)


@pytest.fixture
def kubectl(demo):
    """The newest kubectl, with the transport it chooses itself."""
    return Kubectl("1.37", "websocket", demo.kubeconfig)


@pytest.fixture(scope="session")
def screenshots():
    folder = HERE / ".cache" / "screenshots"
    folder.mkdir(parents=True, exist_ok=True)
    return folder
