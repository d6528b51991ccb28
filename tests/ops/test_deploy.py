"""Requirements of what is shipped for running Winnow: units that systemd takes and that give away
little, manifests that Kubernetes takes, a compose file and an image without rights."""

from __future__ import annotations

import ctypes
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from service.setting_sources import PREFIX
from service.settings import table
from tests.conftest import ROOT, SERVE

DEPLOY = ROOT / "deploy"
UNITS = sorted((DEPLOY / "systemd").iterdir())
EXPOSED_MOST = 2.0
PR_SET_MDWE, PR_MDWE_REFUSE_EXEC_GAIN = 65, 1


def run(*words: str, **more: Any) -> subprocess.CompletedProcess[str]:
    return subprocess.run(words, capture_output=True, text=True, check=False, timeout=120, **more)


def needs(program: str) -> str:
    found = shutil.which(program)
    if found is None:
        pytest.skip(f"no {program} is installed")
    return found


# -------------------------------------------------------------------------- systemd


def test_systemd_takes_the_units(tmp_path: Path) -> None:
    analyze = needs("systemd-analyze")
    for unit in UNITS:  # the program is where the operator installed it, which is not here
        text = unit.read_text().replace("/opt/winnow/bin/winnow", "/bin/true")
        (tmp_path / unit.name).write_text(text)
    names = [str(tmp_path / unit.name) for unit in UNITS]
    done = run(analyze, "verify", "--man=no", *names)
    ours = [line for line in done.stderr.splitlines() if "winnow" in line]
    assert (done.returncode, ours) == (0, []), done.stderr


@pytest.mark.parametrize("name", ["winnow.service", "winnow-backup.service"])
def test_a_unit_gives_away_little(name: str) -> None:
    analyze = needs("systemd-analyze")
    done = run(analyze, "security", "--offline=true", "--no-pager", str(DEPLOY / "systemd" / name))
    found = re.search(r"exposure level for \S+: ([0-9.]+)", done.stdout)
    assert found, done.stdout + done.stderr
    assert float(found[1]) <= EXPOSED_MOST


def test_the_unit_waits_for_readiness_watches_and_lets_requests_finish() -> None:
    text = (DEPLOY / "systemd" / "winnow.service").read_text()
    for line in ("Type=notify", "WatchdogSec=15", "TimeoutStopSec=40", "Restart=on-failure",
                 "StateDirectory=winnow"):  # fmt: skip
        assert f"\n{line}\n" in text


def test_the_service_runs_where_no_memory_may_be_written_and_executed(tmp_path: Path) -> None:
    """As MemoryDenyWriteExecute asks; the kernel itself refuses here (Linux 6.3, prctl(2))."""
    libc = ctypes.CDLL(None, use_errno=True)
    probe = f"import ctypes; print(ctypes.CDLL(None).prctl({PR_SET_MDWE}, 1, 0, 0, 0))"
    if run(sys.executable, "-c", probe).stdout.strip() != "0":
        pytest.skip("this kernel cannot refuse such memory")

    def refuse() -> None:
        libc.prctl(PR_SET_MDWE, PR_MDWE_REFUSE_EXEC_GAIN, 0, 0, 0)

    with (tmp_path / "out").open("wb") as out:
        serving = subprocess.Popen(
            [sys.executable, "-c", SERVE],
            cwd=tmp_path, stdout=out, stderr=out, preexec_fn=refuse,
            env={"PYTHONPATH": str(ROOT), "PATH": "/usr/bin:/bin", "WINNOW_PORT": "0",
                 "WINNOW_DRAIN_S": "10"},
        )  # fmt: skip
    try:
        from tests.conftest import until

        def up() -> bool:
            assert serving.poll() is None, (tmp_path / "out").read_text()
            return "Winnow listens on" in (tmp_path / "out").read_text()

        until(up, 60)
    finally:
        serving.terminate()
        assert serving.wait(60) == 0


# ------------------------------------------------------------------------- kubernetes


@pytest.fixture(scope="module", params=["embedded", "scaled"])
def manifests(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What `kubectl apply -k` would send."""
    kubectl = needs("kubectl")
    done = run(kubectl, "kustomize", str(DEPLOY / "kubernetes" / request.param))
    assert done.returncode == 0, done.stderr
    path = tmp_path_factory.mktemp("kubernetes") / f"{request.param}.yaml"
    path.write_text(done.stdout)
    return path


def pods(path: Path) -> dict[str, dict[str, Any]]:
    found = [d for d in yaml.safe_load_all(path.read_text()) if "template" in d.get("spec", {})]
    return {each["metadata"]["name"]: each["spec"]["template"]["spec"] for each in found}


def test_the_manifests_fit_kubernetes_schemas(manifests: Path) -> None:
    pytest.importorskip("kubernetes_validate")
    done = run(sys.executable, "-m", "kubernetes_validate", "--strict", str(manifests))
    assert done.returncode == 0, done.stdout + done.stderr


def test_a_pod_has_no_rights_and_time_to_finish(manifests: Path) -> None:
    for name, pod in pods(manifests).items():
        assert pod["terminationGracePeriodSeconds"] == 45, name
        assert pod["automountServiceAccountToken"] is False
        assert pod["securityContext"]["runAsNonRoot"] is True
        assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
        (container,) = pod["containers"]
        own = container["securityContext"]
        assert own["allowPrivilegeEscalation"] is False
        assert own["readOnlyRootFilesystem"] is True
        assert own["capabilities"] == {"drop": ["ALL"]}
        assert {"requests", "limits"} <= set(container["resources"])
        assert {"startupProbe", "livenessProbe"} <= set(container)
        if "worker" not in name:
            assert container["readinessProbe"]["httpGet"]["path"] == "/readyz"
            assert container["lifecycle"]["preStop"]["exec"]["command"] == ["sleep", "3"]


def test_liveness_asks_nothing_of_the_store(manifests: Path) -> None:
    """A store that is away must not have every pod restarted."""
    for pod in pods(manifests).values():
        for probe in ("startupProbe", "livenessProbe"):
            assert pod["containers"][0][probe]["httpGet"]["path"] == "/livez"


def test_disruption_budgets_leave_one_and_one_pod_alone_has_none(manifests: Path) -> None:
    documents = list(yaml.safe_load_all(manifests.read_text()))
    budgets = [d for d in documents if d["kind"] == "PodDisruptionBudget"]
    assert all(budget["spec"]["minAvailable"] == 1 for budget in budgets)
    assert len(budgets) == (2 if manifests.stem == "scaled" else 0)
    if manifests.stem == "embedded":
        (alone,) = [d for d in documents if d["kind"] == "StatefulSet"]
        assert alone["spec"]["replicas"] == 1


# ------------------------------------------------------------------ compose and image


def test_the_compose_services_have_no_rights_and_are_watched() -> None:
    services = yaml.safe_load((DEPLOY / "compose.yaml").read_text())["services"]
    for name, service in services.items():
        assert service["read_only"] is True, name
        assert service["cap_drop"] == ["ALL"]
        assert service["security_opt"] == ["no-new-privileges:true"]
        assert service["healthcheck"]["test"][0] == "CMD"
        assert service["mem_limit"]
    assert "--appendfsync always" in services["redis"]["command"]


def test_the_image_runs_without_rights_from_pinned_packages() -> None:
    text = (ROOT / "Dockerfile").read_text()
    assert "--require-hashes --only-binary :all: -r requirements/run.txt" in text
    final = text[text.rindex("\nFROM ") :]
    assert "\nUSER winnow\n" in final
    assert '\nENTRYPOINT ["tini", "--"]\n' in final


def test_every_setting_that_is_shipped_exists() -> None:
    known = {PREFIX + name.upper() for name in table()}
    known |= {"WINNOW_PUBLISH", "WINNOW_MEMORY"}  # compose's own
    files = [p for p in DEPLOY.rglob("*") if p.is_file()] + [ROOT / "Dockerfile"]
    for path in files:
        named = set(re.findall(r"\bWINNOW_[A-Z_]+[A-Z]\b", path.read_text())) - {"WINNOW_NAME"}
        assert named <= known, path
