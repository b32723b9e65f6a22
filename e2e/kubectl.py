"""Real kubectl, of one release and over one transport."""

import os
import pathlib
import subprocess
import tempfile

HERE = pathlib.Path(__file__).parent


class Kubectl:
    def __init__(self, version, transport, kubeconfig):
        self.version = version
        self.transport = transport
        self.path = HERE / ".cache" / "kubectl" / f"kubectl-{version}"
        assert self.path.exists(), f"{self.path} is missing: run e2e/setup"
        websocket = "true" if transport == "websocket" else "false"
        self.env = {
            **os.environ,
            "HOME": tempfile.gettempdir(),  # its discovery cache
            "KUBECONFIG": str(kubeconfig),
            "KUBECTL_REMOTE_COMMAND_WEBSOCKETS": websocket,
            "KUBECTL_PORT_FORWARD_WEBSOCKETS": websocket,
        }

    @property
    def minor(self):
        return int(self.version.split(".")[1])

    def argv(self, *words):
        return [str(self.path), *map(str, words)]

    def run(self, *words, input=b"", check=None, timeout=60):
        """Runs to the end, without a terminal. `check` is the exit status that must be seen."""
        done = subprocess.run(self.argv(*words), input=input, capture_output=True, env=self.env, timeout=timeout)
        if check is not None:
            assert done.returncode == check, f"kubectl {words}: {done.returncode}, {done.stderr.decode()}"
        return done

    def start(self, *words, **how):
        how = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **how}
        return subprocess.Popen(self.argv(*words), env=self.env, **how)
