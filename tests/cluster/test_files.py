from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import zipfile
from copy import deepcopy
from importlib.metadata import distributions
from pathlib import Path

import jsonschema
import pytest
import ray
import tyro
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from ray._private.runtime_env.packaging import create_package
from ray.autoscaler._private.util import prepare_config, validate_config
from ray.runtime_env import RuntimeEnv

from kdner.jobs.pipeline import Pipeline
from kdner.teacher.by_name import encoder_of

ROOT = Path(__file__).parents[2]
CLUSTER = ROOT / "cluster"
FILES = sorted(CLUSTER.iterdir())
LAUNCHERS = ("aws.yaml", "gcp.yaml")
LOCK = "requirements.lock"

KUBERAY = {
    "RayJob": "apiVersion kind metadata:ObjectMeta spec:RayJobSpec",
    "RayJobSpec": "activeDeadlineSeconds backoffLimit clusterSelector deletionStrategy entrypoint entrypointNumCpus "
    "entrypointNumGpus entrypointResources jobId managedBy metadata preRunningDeadlineSeconds "
    "rayClusterSpec:RayClusterSpec runtimeEnvYAML shutdownAfterJobFinishes submissionMode "
    "submitterConfig:SubmitterConfig submitterPodTemplate:PodTemplateSpec suspend ttlSecondsAfterFinished",
    "SubmitterConfig": "backoffLimit",
    "RayClusterSpec": "authOptions:AuthOptions autoscalerOptions:AutoscalerOptions enableInTreeAutoscaling "
    "gcsFaultToleranceOptions headGroupSpec:HeadGroupSpec headServiceAnnotations managedBy rayVersion suspend "
    "upgradeStrategy workerGroupSpecs:WorkerGroupSpec",
    "AuthOptions": "enableK8sTokenAuth mode secretName",
    "AutoscalerOptions": "env envFrom idleTimeoutSeconds image imagePullPolicy resources:ResourceRequirements "
    "securityContext:SecurityContext upscalingMode version volumeMounts:VolumeMount",
    "HeadGroupSpec": "enableIngress headService labels rayStartParams resources serviceType template:PodTemplateSpec",
    "WorkerGroupSpec": "groupName idleTimeoutSeconds labels maxReplicas minReplicas numOfHosts rayStartParams replicas "
    "resources scaleStrategy suspend template:PodTemplateSpec",
    # Of Kubernetes, what is used here.
    "ObjectMeta": "annotations labels name namespace",
    "PodTemplateSpec": "metadata:ObjectMeta spec:PodSpec",
    "PodSpec": "containers:Container nodeSelector restartPolicy securityContext:PodSecurityContext serviceAccountName "
    "tolerations:Toleration volumes:Volume",
    "Container": "env image imagePullPolicy name resources:ResourceRequirements securityContext:SecurityContext "
    "volumeMounts:VolumeMount",
    "ResourceRequirements": "claims limits requests",
    "PodSecurityContext": "fsGroup fsGroupChangePolicy runAsGroup runAsNonRoot runAsUser seccompProfile",
    "SecurityContext": "allowPrivilegeEscalation capabilities:Capabilities privileged readOnlyRootFilesystem "
    "runAsGroup runAsNonRoot runAsUser seccompProfile",
    "Capabilities": "add drop",
    "Toleration": "effect key operator tolerationSeconds value",
    "Volume": "configMap emptyDir name persistentVolumeClaim:PersistentVolumeClaim secret",
    "PersistentVolumeClaim": "claimName readOnly",
    "VolumeMount": "mountPath name readOnly subPath",
}
"""The fields of each type, with the type of those that have fields of their own: KubeRay's docs/reference/api.md,
release v1.6.2, whose fields are those of its custom resource definitions."""

IMAGE_ENVIRONMENT = {
    "implementation_name": "cpython",
    "platform_machine": "x86_64",
    "platform_python_implementation": "CPython",
    "platform_system": "Linux",
    "python_full_version": "3.11.9",
    "python_version": "3.11",
    "sys_platform": "linux",
    "extra": "",
}

SECRET = re.compile(
    r"AKIA[0-9A-Z]{16}|-----BEGIN|\bgh[pousr]_\w{20}|\bhf_\w{20}"
    r"|(?i:password|passwd|secret_?(access_?)?key|api_?key|auth_token)[\"']?\s*[:=]\s*[\"']?[^\s~/\"'{]"
)


def text(name):
    return (CLUSTER / name).read_text("utf-8")


def load(name):
    return yaml.safe_load(text(name))


def unknown_fields(value, kind, path=""):
    if isinstance(value, list):
        return [field for item in value for field in unknown_fields(item, kind, path)]
    known = dict((field + ":").split(":")[:2] for field in KUBERAY[kind].split())
    found = [f"{path}.{field}" for field in value if field not in known]
    for field, inner in value.items():
        if known.get(field):
            found += unknown_fields(inner, known[field], f"{path}.{field}")
    return found


def requirements():
    """What the image needs: the package with its extra `ray`, which brings `train`."""
    written = (ROOT / "pyproject.toml").read_text("utf-8")
    lists = (re.search(rf"^{name} = \[(.*?)\]$", written, re.M | re.S)[1] for name in ("dependencies", "train", "ray"))
    listed = [Requirement(line) for part in lists for line in re.findall(r'"(.+?)"', part)]
    return [need for need in listed if need.name != "kdner"]


def locked():
    return {canonicalize_name(name): version for name, version in re.findall(r"^([\w.-]+)==(\S+)", text(LOCK), re.M)}


@pytest.fixture(params=LAUNCHERS)
def launcher(request):
    return load(request.param)


@pytest.fixture
def rayjob():
    return load("rayjob.yaml")


def pods(rayjob):
    cluster = rayjob["spec"]["rayClusterSpec"]
    groups = [cluster["headGroupSpec"], *cluster["workerGroupSpecs"]]
    return [group["template"]["spec"] for group in groups]


def test_ray_up_accepts_the_launcher_files(launcher):
    validate_config(prepare_config(deepcopy(launcher)))
    with pytest.raises(jsonschema.ValidationError, match="idle_timeout_minute"):
        validate_config(prepare_config({**launcher, "idle_timeout_minute": 10}))


def test_machines_come_for_work_and_go_without(launcher):
    types = launcher["available_node_types"]
    head = types.pop(launcher["head_node_type"])
    assert head["resources"] == {"CPU": 0}
    assert launcher["idle_timeout_minutes"] > 0
    assert [kind["resources"].get("GPU", 0) > 0 for kind in types.values()] == [True, False]
    assert sum(kind["max_workers"] for kind in types.values()) == launcher["max_workers"]
    for kind in types.values():
        assert kind["min_workers"] == 0 < kind["resources"]["CPU"]
        assert "spot" in str(kind["node_config"]).lower()
    assert "spot" not in str(head["node_config"]).lower()


def test_the_launchers_differ_only_by_cloud(launcher):
    other = load(LAUNCHERS[launcher["provider"]["type"] == "aws"])
    of_cloud = {"provider", "initialization_commands", "available_node_types"}
    assert {key: launcher[key] for key in launcher.keys() - of_cloud} == {
        key: other[key] for key in other.keys() - of_cloud
    }
    assert {name: kind["resources"] for name, kind in launcher["available_node_types"].items()} == {
        name: kind["resources"] for name, kind in other["available_node_types"].items()
    }


def test_nodes_install_nothing_and_every_one_sees_the_shared_folder(launcher):
    filled = prepare_config(launcher)
    commands = [command for key, listed in filled.items() if key.endswith("setup_commands") for command in listed]
    assert commands == []
    assert any(re.search(r"mount -t nfs .* /shared$", command) for command in filled["initialization_commands"])
    assert "--volume /shared:/shared" in filled["docker"]["run_options"]


def test_the_head_scales_and_the_workers_find_it(launcher):
    head, worker = (" ".join(launcher[f"{node}_start_ray_commands"]) for node in ("head", "worker"))
    assert "ray start --head" in head and "--autoscaling-config=~/ray_bootstrap_config.yaml" in head
    assert "--address=$RAY_HEAD_IP:6379" in worker and "--port=6379" in head


def test_a_token_guards_every_cluster(launcher, rayjob):
    assert "--env RAY_AUTH_MODE=token" in launcher["docker"]["run_options"]
    assert launcher["file_mounts"] == {"/home/ray/.ray/auth_token": "~/.ray/auth_token"}
    assert rayjob["spec"]["rayClusterSpec"]["authOptions"] == {"mode": "token"}


def test_kuberay_knows_every_field(rayjob):
    assert (rayjob["apiVersion"], rayjob["kind"]) == ("ray.io/v1", "RayJob")
    assert unknown_fields(rayjob, "RayJob") == []
    for group in (
        rayjob["spec"]["rayClusterSpec"]["headGroupSpec"],
        *rayjob["spec"]["rayClusterSpec"]["workerGroupSpecs"],
    ):
        assert all(isinstance(value, str) for value in group["rayStartParams"].values())


def test_a_typo_in_a_field_is_found(rayjob):
    rayjob["spec"]["backOffLimit"] = rayjob["spec"].pop("backoffLimit")
    rayjob["spec"]["rayClusterSpec"]["workerGroupSpecs"][1]["template"]["spec"]["container"] = []
    assert unknown_fields(rayjob, "RayJob") == [
        ".spec.backOffLimit",
        ".spec.rayClusterSpec.workerGroupSpecs.template.spec.container",
    ]


def test_the_rayjob_ends_with_its_cluster_and_tries_again(rayjob):
    spec = rayjob["spec"]
    assert spec["shutdownAfterJobFinishes"] is True
    assert spec["backoffLimit"] > 0
    assert "activeDeadlineSeconds" not in spec  # what has passed it is not tried again
    cluster = spec["rayClusterSpec"]
    assert cluster["enableInTreeAutoscaling"] and cluster["autoscalerOptions"]["idleTimeoutSeconds"] > 0
    assert cluster["headGroupSpec"]["rayStartParams"]["num-cpus"] == "0"
    gpu, cpu = cluster["workerGroupSpecs"]
    assert all(group["minReplicas"] == 0 < group["maxReplicas"] for group in (gpu, cpu))
    assert ["nvidia.com/gpu" in pod["containers"][0]["resources"]["limits"] for pod in pods(rayjob)] == [
        False,
        True,
        False,
    ]


def test_the_pod_that_submits_is_let_into_restricted_name_spaces(rayjob):
    pod = rayjob["spec"]["submitterPodTemplate"]["spec"]
    (container,), (ray_pod, *_) = pod["containers"], pods(rayjob)
    assert pod["restartPolicy"] == "Never" and pod["securityContext"]["runAsNonRoot"]
    assert container["securityContext"] == ray_pod["containers"][0]["securityContext"]
    assert container["image"] == ray_pod["containers"][0]["image"]


def test_no_pod_is_root_and_all_see_the_shared_folder(rayjob):
    autoscaler = rayjob["spec"]["rayClusterSpec"]["autoscalerOptions"]["securityContext"]
    for pod in pods(rayjob):
        assert pod["securityContext"]["runAsNonRoot"] and pod["securityContext"]["runAsUser"] == 1000
        (container,) = pod["containers"]
        assert container["securityContext"] == autoscaler
        assert not autoscaler["allowPrivilegeEscalation"] and autoscaler["capabilities"] == {"drop": ["ALL"]}
        (mount,), (volume,) = container["volumeMounts"], pod["volumes"]
        assert mount["mountPath"] == "/shared" and mount["name"] == volume["name"]


def test_the_rayjob_runs_the_main_job_of_the_image(rayjob):
    *shell, command = shlex.split(rayjob["spec"]["entrypoint"])
    assert shell == ["bash", "-o", "pipefail", "-c"]  # the exit code is the job's, not that of tee
    command, log = command.split(" 2>&1 | tee -a ")
    python, script, *flags = shlex.split(command)
    folder = re.findall(r"^WORKDIR (\S+)", text("Dockerfile"), re.M)[-1]
    assert (python, script) == ("python", f"{folder}/jobs/pipeline.py")
    config = tyro.cli(Pipeline, args=flags)
    paths = (config.labeled, config.test, *config.corpus, *map(encoder_of, config.teacher), config.out)
    assert all(path.startswith("/shared/") for path in paths) and log == f"{config.out}.log"
    assert config.actors.count  # else none asks for the workers that are not there yet


def test_jobs_have_the_same_variables_everywhere(rayjob):
    submitted = load("runtime_env.yaml")["env_vars"]
    assert yaml.safe_load(rayjob["spec"]["runtimeEnvYAML"]) == {"env_vars": submitted}


def test_one_ray_version():
    (pin,) = (need for need in requirements() if need.name == "ray")
    found = {
        name: set(re.findall(r"(?:\bray[-:]|^ray==|\brayVersion: \"|grep -F )(\d[\d.]*\d)", text(name), re.M))
        for name in ("Dockerfile", LOCK, "rayjob.yaml", *LAUNCHERS)
    }
    assert found == {name: {locked()["ray"]} for name in found}
    assert all(pin.specifier.contains(version) for version in (locked()["ray"], ray.__version__))


def test_every_image_is_the_one_that_is_built(launcher, rayjob):
    built = re.search(r"-t REGISTRY/(\S+)", text("Dockerfile"))[1]
    images = [launcher["docker"]["image"], *(pod["containers"][0]["image"] for pod in pods(rayjob))]
    assert {image.partition("/")[2] for image in images} == {built}


def test_the_image_has_what_it_copies_and_does_not_run_as_root():
    lines = text("Dockerfile").splitlines()
    base = next(line for line in lines if line.startswith("FROM "))
    assert re.fullmatch(r"FROM rayproject/ray:[\d.]+-py311-cu\d+", base)
    copied = [source for line in lines if line.startswith("COPY ") for source in line.split()[2:-1]]
    assert sorted(copied) == sorted(re.findall(r"^!(\S+)", text("Dockerfile.dockerignore"), re.M))
    assert all((ROOT / source).exists() for source in copied)
    assert {"jobs", "kdner", f"cluster/{LOCK}"} <= set(copied)
    assert [line for line in lines if line.startswith("USER ")] == ["USER 1000"]
    assert "ARG COMMIT" in lines and "ENV KDNER_COMMIT=$COMMIT" in lines


def test_the_lock_fulfills_every_requirement():
    of_launchers = [line for line in text("requirements.in").splitlines() if not line.startswith("#")]
    versions = locked()
    for need in [*requirements(), *map(Requirement, of_launchers)]:
        assert need.specifier.contains(versions[canonicalize_name(need.name)]), need
    assert all("+" not in version for version in versions.values())  # such as +cpu, which only some indexes have


def test_the_lock_is_complete_and_hashed():
    versions = locked()
    pinned = re.split(r"^(?=[\w.-]+==)", text(LOCK), flags=re.M)[1:]
    assert len(pinned) == len(versions) and all("--hash=sha256:" in entry for entry in pinned)
    checked = set()
    for package in distributions():
        name = canonicalize_name(package.metadata["Name"])
        if versions.get(name) != package.version:
            continue
        checked.add(name)
        extras = ("data", "default", "train") if name == "ray" else ("",)
        for need in map(Requirement, package.requires or ()):
            if any(not need.marker or need.marker.evaluate({**IMAGE_ENVIRONMENT, "extra": extra}) for extra in extras):
                version = versions.get(canonicalize_name(need.name), "missing")
                assert version != "missing" and need.specifier.contains(version), f"{name} needs {need}: {version}"
    assert checked or ray.__version__ != versions["ray"]


def test_a_submitted_job_brings_the_code_and_its_commit_and_nothing_heavy(tmp_path):
    config = load("runtime_env.yaml")
    assert config.keys() <= RuntimeEnv.known_fields
    assert RuntimeEnv(working_dir="s3://bucket/code.zip", **config).env_vars() == config["env_vars"]

    checkout = tmp_path / "checkout"
    for name in ("jobs", "kdner"):
        shutil.copytree(ROOT / name, checkout / name, symlinks=True, ignore=shutil.ignore_patterns("__pycache__"))
    planted = {
        ".git/HEAD": "ref: refs/heads/main\n",
        ".git/refs/heads/main": "0123abcd\n",
        ".git/packed-refs": "",
        ".git/config": "[remote]",
        ".git/objects/pack/all.pack": "heavy",
        "tests/test_it.py": "",
        "venv/bin/python": "",
        "kdner/__pycache__/text.pyc": "",
        "cluster/aws.yaml": "",
        "runs/out/_summary.json": "{}",
        "news.parquet": "",
        "models/teacher/model.safetensors": "",
        "README.md": "",
    }
    for name, content in planted.items():
        (checkout / name).parent.mkdir(parents=True, exist_ok=True)
        (checkout / name).write_text(content)
    package = tmp_path / "package.zip"
    create_package(str(checkout), package, include_gitignore=True, excludes=config["excludes"])
    with zipfile.ZipFile(package) as file:
        packed = {name for name in file.namelist() if not name.endswith("/")}
        file.extractall(tmp_path / "unpacked")
    places = {name: ROOT / name for name in ("jobs", "kdner", "kdner/jobs")}  # the last is a link to the first
    code = {
        f"{name}/{path.relative_to(at)}"
        for name, at in places.items()
        for path in at.rglob("*")
        if path.is_file() and not {"__pycache__", "results"} & set(path.parts)
    }
    assert packed == code | {"README.md", ".git/HEAD", ".git/refs/heads/main", ".git/packed-refs"}

    image = {**os.environ, "KDNER_COMMIT": "of-the-image", "PYTHONPATH": str(tmp_path / "unpacked")}
    command = [sys.executable, "-c", "from kdner.runs.provenance import git_commit; print(git_commit())"]
    ran = subprocess.run(
        command, env={**image, **config["env_vars"]}, cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert ran.stdout == "0123abcd\n"


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_no_secret_and_no_open_dashboard(path):
    content = path.read_text("utf-8")
    assert not SECRET.search(content)
    assert "0.0.0.0" not in content
    if "ray start --head" in content:
        assert "--dashboard-host=127.0.0.1" in content


@pytest.mark.parametrize(
    "line", ["key: AKIAABCDEFGHIJKLMNOP", "-----BEGIN RSA PRIVATE KEY-----", "API_KEY=abc", 'auth_token: "6f1c"']
)
def test_a_secret_would_be_found(line):
    assert SECRET.search(line)


def test_the_dashboard_shows_the_metrics_that_jobs_give():
    dashboard = json.loads(text("grafana.json"))
    shown = set(re.findall(r"ray_kdner_\w+", " ".join(t["expr"] for p in dashboard["panels"] for t in p["targets"])))
    given = {f"ray_kdner_{name}" for name in re.findall(r"ray_kdner_(\w+)", text("README.md"))}
    steps = {name.replace("documents", "steps") for name in given if "documents" in name}
    assert {"ray_kdner_documents_done", "ray_kdner_words_total", "ray_kdner_errors"} <= shown <= given | steps
    assert len({panel["id"] for panel in dashboard["panels"]}) == len(dashboard["panels"])
