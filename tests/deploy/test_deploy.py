"""What config/ has for several machines, checked without one of them."""

import os
import pathlib
import subprocess
import sys
import tempfile
import unittest

import kubernetes_validate
import yaml

ROOT = pathlib.Path(__file__).parents[2]
COMPOSE = ROOT / "config/compose.yaml"
CLUSTER = ROOT / "config/kubernetes"
KUBERNETES = ("1.30", "1.33", "1.37")
# Kinds of KEDA, which has no place in the schemas of Kubernetes itself: fields of each, as its documentation has them.
KEDA = {
    "TriggerAuthentication": {"secretTargetRef"},
    "ScaledObject": {
        "scaleTargetRef", "minReplicaCount", "maxReplicaCount", "pollingInterval", "cooldownPeriod", "advanced", "triggers",
    },
}
POSTGRESQL_TRIGGER = {"host", "port", "userName", "dbName", "sslmode", "query", "targetQueryValue", "activationTargetQueryValue"}


def objects():
    return [one for file in sorted(CLUSTER.glob("*.yaml")) for one in yaml.safe_load_all(file.read_text())]


def of(kind):
    return {one["metadata"]["name"]: one for one in objects() if one["kind"] == kind}


def matches(selector, labels):
    return all(labels.get(name) == value for name, value in selector.items())


class Compose(unittest.TestCase):
    def test_it_is_read_and_names_what_is_there(self):
        with tempfile.TemporaryDirectory() as folder:
            # It asks podman for its version only.
            podman = pathlib.Path(folder, "podman")
            podman.write_text("#!/bin/sh\necho podman version 5.4.0\n")
            podman.chmod(0o755)
            command = [pathlib.Path(sys.executable).with_name("podman-compose"), "-f", COMPOSE, "config"]
            environment = {**os.environ, "PATH": f"{folder}:{os.environ['PATH']}"}
            read = subprocess.run(command, env=environment, capture_output=True, text=True)
        self.assertEqual(read.returncode, 0, read.stderr)
        read = yaml.safe_load(read.stdout)
        plain = yaml.safe_load(COMPOSE.read_text())
        self.assertEqual(set(read["services"]), {"postgres", "bucket", "s3", "api", "worker", "proxy"})
        for name, service in plain["services"].items():
            with self.subTest(name):
                named = {volume.split(":")[0] for volume in service.get("volumes", [])}
                self.assertLessEqual(named, set(plain["volumes"]))
                self.assertLessEqual(set(service.get("secrets", [])), set(plain["secrets"]))
                self.assertLessEqual({one["source"] for one in service.get("configs", [])}, set(plain["configs"]))
                self.assertLessEqual(set(service.get("depends_on", [])), set(plain["services"]))
        self.assertEqual(plain["services"]["worker"]["deploy"]["replicas"], 2)


class Cluster(unittest.TestCase):
    def test_every_object_fits_its_schema(self):
        for one in objects():
            for version in KUBERNETES:
                with self.subTest(f"{one['kind']} {one['metadata']['name']} {version}"):
                    if one["apiVersion"] == "keda.sh/v1alpha1":
                        self.assertLessEqual(set(one["spec"]), KEDA[one["kind"]])
                    else:
                        kubernetes_validate.validate(one, version, strict=True)

    def test_what_is_named_is_there(self):
        pods = {name: one["spec"]["template"] for name, one in of("Deployment").items()}
        self.assertEqual(set(pods), {"cleanplate-api", "cleanplate-worker"})
        for name, deployment in of("Deployment").items():
            self.assertEqual(deployment["spec"]["selector"]["matchLabels"], pods[name]["metadata"]["labels"])
        budgets = {name: one["spec"]["selector"]["matchLabels"] for name, one in of("PodDisruptionBudget").items()}
        self.assertEqual(budgets, {name: pod["metadata"]["labels"] for name, pod in pods.items()})
        for name, service in of("Service").items():
            chosen = [pod for pod in pods.values() if matches(service["spec"]["selector"], pod["metadata"]["labels"])]
            self.assertEqual(chosen, [pods["cleanplate-api"]], name)
            ports = {port["name"] for container in chosen[0]["spec"]["containers"] for port in container["ports"]}
            self.assertLessEqual({port["targetPort"] for port in service["spec"]["ports"]}, ports)
        for ingress in of("Ingress").values():
            for path in (path for rule in ingress["spec"]["rules"] for path in rule["http"]["paths"]):
                service = of("Service")[path["backend"]["service"]["name"]]
                self.assertIn(path["backend"]["service"]["port"]["name"], {port["name"] for port in service["spec"]["ports"]})

    def test_pods_are_watched_bounded_and_unprivileged(self):
        configs = of("ConfigMap")
        for name, deployment in of("Deployment").items():
            spec = deployment["spec"]["template"]["spec"]
            with self.subTest(name):
                # The service is called cleanplate: its variables would be taken for options.
                self.assertIs(spec["enableServiceLinks"], False)
                self.assertTrue(spec["securityContext"]["runAsNonRoot"])
                volumes = {volume["name"] for volume in spec["volumes"]}
                for volume in spec["volumes"]:
                    self.assertIn(volume.get("configMap", {"name": "cleanplate"})["name"], configs)
                (container,) = spec["containers"]
                self.assertEqual({mount["name"] for mount in container["volumeMounts"]}, volumes)
                self.assertEqual(container["livenessProbe"]["httpGet"]["path"], "/healthz")
                self.assertEqual(container["readinessProbe"]["httpGet"]["path"], "/readyz")
                self.assertIn("memory", container["resources"]["limits"])
                self.assertTrue(container["securityContext"]["readOnlyRootFilesystem"])

    def test_workers_follow_the_queue(self):
        (scaled,) = of("ScaledObject").values()
        target = scaled["spec"]["scaleTargetRef"]["name"]
        self.assertNotIn("replicas", of("Deployment")[target]["spec"], "KEDA sets them: applying the file again must not")
        (trigger,) = scaled["spec"]["triggers"]
        self.assertEqual(trigger["type"], "postgresql")
        self.assertLessEqual(set(trigger["metadata"]), POSTGRESQL_TRIGGER)
        self.assertTrue(all(isinstance(value, str) for value in trigger["metadata"].values()), "KEDA takes texts only")
        secret = of("TriggerAuthentication")[trigger["authenticationRef"]["name"]]["spec"]["secretTargetRef"]
        self.assertEqual([one["parameter"] for one in secret], ["password"])


if __name__ == "__main__":
    unittest.main()
