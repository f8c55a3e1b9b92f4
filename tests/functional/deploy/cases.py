"""Values that people install the chart with, by what they want."""

from __future__ import annotations

from typing import Any

EXTRA: dict[str, Any] = {
    "env": [{"name": "OWN", "value": "1"}],
    "extraEnvFrom": [{"secretRef": {"name": "mine"}}],
    "extraContainers": [{"name": "beside", "image": "registry.example/beside:1"}],
    "extraInitContainers": [{"name": "before", "image": "registry.example/before:1"}],
    "extraVolumes": [{"name": "mine", "emptyDir": {}}],
    "extraVolumeMounts": [{"name": "mine", "mountPath": "/mine"}],
    "nodeSelector": {"disk": "ssd"},
    "tolerations": [{"key": "airflow", "operator": "Exists"}],
    "priorityClassName": "high",
    "podLabels": {"team": "data"},
    "podAnnotations": {"note": "mine"},
}

CASES: dict[str, dict[str, Any]] = {
    "nothing given": {},
    "a database of one's own": {
        "postgresql": {"enabled": False},
        "data": {
            "metadataConnection": {
                "host": "db.example",
                "user": "me",
                "pass": "p@ss/word",
                "db": "airflow",
                "sslmode": "require",
            }
        },
    },
    "a database in a Secret": {
        "postgresql": {"enabled": False},
        "data": {"metadataSecretName": "mine"},
    },
    "all Secrets one's own": {
        "fernetKeySecretName": "a",
        "apiSecretKeySecretName": "b",
        "jwtSecretName": "c",
        "sealKeySecretName": "d",
        "adminUser": {"passwordSecretName": "e"},
        "data": {"metadataSecretName": "f"},
        "postgresql": {"auth": {"existingSecret": "g"}},
    },
    "DAGs on a claim": {"dags": {"persistence": {"enabled": True, "subPath": "dags"}}},
    "DAGs on a claim of one's own": {
        "dags": {
            "persistence": {"enabled": True, "existingClaim": "x", "accessMode": "ReadOnlyMany"}
        }
    },
    "DAGs from Git by SSH": {
        "dags": {
            "gitSync": {
                "enabled": True,
                "repo": "git@git.example:data/dags.git",
                "sshKeySecret": "key",
                "knownHosts": "git.example ssh-ed25519 AAAA\nother.example ssh-ed25519 BBBB",
                "subPath": "dags",
            }
        }
    },
    "DAGs from Git with a token": {
        "dags": {
            "gitSync": {
                "enabled": True,
                "repo": "https://git.example/data/dags.git",
                "credentialsSecret": "token",
                "rev": "0123456789abcdef0123456789abcdef01234567",
            }
        }
    },
    "DAGs from Git with runs that are not pinned": {
        "dags": {
            "gitSync": {"enabled": True, "repo": "https://git.example/d.git", "pinRuns": False}
        }
    },
    "DAGs from Airflow's Git bundle": {
        "dagProcessor": {
            "dagBundleConfigList": [
                {
                    "name": "dags",
                    "classpath": "airflow.providers.git.bundles.git.GitDagBundle",
                    "kwargs": {"git_conn_id": "git", "tracking_ref": "main", "subdir": "dags"},
                }
            ]
        }
    },
    "logs on a claim": {"logs": {"persistence": {"enabled": True, "storageClassName": "nfs"}}},
    "logs in S3": {
        "config": {
            "logging": {
                "remote_logging": True,
                "remote_base_log_folder": "s3://bucket/logs",
                "remote_log_conn_id": "logs",
            }
        },
        "secret": [{"envName": "AIRFLOW_CONN_LOGS", "secretName": "s3", "secretKey": "uri"}],
    },
    "nothing kept": {
        "postgresql": {"persistence": {"enabled": False}},
        "scheduler": {"persistence": {"enabled": False}},
        "triggerer": {"persistence": {"enabled": False}},
    },
    "several of each": {
        "scheduler": {"replicas": 3},
        "apiServer": {"replicas": 2},
        "triggerer": {"replicas": 2},
        "dagProcessor": {"replicas": 2},
    },
    "as many as are needed": {
        "scheduler": {"hpa": {"enabled": True, "minReplicaCount": 2}},
        "apiServer": {"hpa": {"enabled": True, "behavior": {"scaleDown": {}}}},
        "triggerer": {"hpa": {"enabled": True}, "persistence": {"enabled": False}},
    },
    "an ingress below a path": {
        "ingress": {
            "apiServer": {
                "enabled": True,
                "path": "/airflow",
                "ingressClassName": "nginx",
                "hosts": [
                    {"name": "a.example", "tls": {"enabled": True, "secretName": "tls"}},
                    {"name": "b.example"},
                ],
            }
        },
        "apiServer": {"networkPolicy": {"ingress": {"from": [{"namespaceSelector": {}}]}}},
    },
    "users in the database": {"authManager": "fab"},
    "users elsewhere": {
        "authManager": "other",
        "config": {"core": {"auth_manager": "example.Manager"}},
    },
    "tasks that run pods": {
        "allowPodLaunching": True,
        "allowJobLaunching": True,
        "workers": {
            "extraRules": [{"apiGroups": ["ray.io"], "resources": ["rayjobs"], "verbs": ["get"]}]
        },
    },
    "tasks in a namespace of their own": {
        "workers": {"namespace": "tasks", "networkPolicy": {"enabled": True}},
        "allowPodLaunching": True,
    },
    "tasks in several namespaces": {
        "multiNamespaceMode": True,
        "multiNamespaceModeNamespaceList": ["blue", "green"],
    },
    "tasks anywhere": {"multiNamespaceMode": True},
    "extras everywhere": {
        **{name: dict(EXTRA) for name in ("scheduler", "apiServer", "dagProcessor", "triggerer")},
        "workers": dict(EXTRA),
        "labels": {"cost-center": "7"},
        "airflowPodAnnotations": {"scrape": "true"},
        "airflowLocalSettings": "def task_policy(task):\n    task.queue = '{{ .Release.Name }}'\n",
        "extraEnv": [{"name": "RELEASE", "value": "{{ .Release.Name }}"}],
        "volumes": [{"name": "ca", "configMap": {"name": "ca"}}],
        "volumeMounts": [{"name": "ca", "mountPath": "/ca"}],
        "imagePullSecrets": [{"name": "registry"}],
    },
    "only what is needed": {
        "dagProcessor": {"enabled": False},
        "triggerer": {"enabled": False},
        "migrateDatabaseJob": {"enabled": False},
        "networkPolicies": {"enabled": False},
        "rbac": {"create": False},
        "scheduler": {
            "podDisruptionBudget": {"enabled": False},
            "serviceAccount": {"create": False, "name": "mine"},
            "waitForMigrations": {"enabled": False},
        },
    },
    "a pod of one's own for tasks": {
        "podTemplate": "apiVersion: v1\nkind: Pod\nmetadata: {}\nspec:\n  containers:\n"
        "    - {name: base, image: 'registry.example/{{ .Release.Name }}:1'}\n"
    },
    "a team's options": {"config": {"blue=podlift": {"namespace": "blue"}}},
}
"""Each is rendered, and every object of it looked at."""
