{{/* What is wrong with the values, a sentence a line. `checks.yaml` fails with all of them. */}}
{{- define "podlift.checks" -}}
{{- include "podlift.checkStrangers" . }}
{{- include "podlift.checkDags" . }}
{{- include "podlift.checkLogs" . }}
{{- include "podlift.checkDatabase" . }}
{{- include "podlift.checkKeys" . }}
{{- include "podlift.checkComponents" . }}
{{- include "podlift.checkNamespaces" . }}
{{- include "podlift.checkCluster" . }}
{{- end }}

{{/* Values of Airflow's own chart that this one has no use for, each with what to do instead. */}}
{{- define "podlift.checkStrangers" -}}
{{- $instead := dict
  "executor" "This chart always runs podlift.executor.KubernetesExecutor. To have others beside it, set config.core.executor to a list."
  "webserver" "Airflow 3 has an API server in its place: use apiServer."
  "webserverSecretKey" "Use apiSecretKey."
  "webserverSecretKeySecretName" "Use apiSecretKeySecretName."
  "redis" "Only Celery needs it, and every task has a pod of its own here: remove it."
  "flower" "Only Celery needs it, and every task has a pod of its own here: remove it."
  "pgbouncer" "This chart brings none: point data.metadataConnection at yours."
  "statsd" "This chart brings none: set config.metrics.statsd_on, statsd_host and statsd_port to yours."
  "airflowVersion" "The chart's appVersion is for the tag of the image; use images.airflow.tag."
  "defaultAirflowRepository" "Use images.airflow.repository."
  "defaultAirflowTag" "Use images.airflow.tag."
  "defaultAirflowDigest" "Use images.airflow.digest."
  "registry" "Use imagePullSecrets."
  "kerberos" "This chart does not set it up: use extraContainers and extraVolumes."
  "elasticsearch" "Use config.elasticsearch and extraEnv."
  "opensearch" "Use config.opensearch and extraEnv."
  "celery" "Every task has a pod of its own here: remove it."
  "cleanup" "The executor removes pods itself: remove it."
  "databaseCleanup" "Run `airflow db clean` in a CronJob of your own."
  "securityContext" "Use uid, gid, or securityContexts of a component."
  "securityContexts" "Use securityContexts of each component."
  "volumeClaimTemplates" "Use persistence of the scheduler and the triggerer."
-}}
{{- range $name, $sentence := $instead }}
{{- if hasKey $.Values $name }}
{{ $name }}: {{ $sentence }}
{{- end }}
{{- end }}
{{- end }}

{{- define "podlift.checkDags" -}}
{{- $sync := .Values.dags.gitSync }}
{{- $claim := .Values.dags.persistence }}
{{- if and $sync.enabled $claim.enabled }}
dags.gitSync.enabled and dags.persistence.enabled are two ways to bring the DAGs to the same folder: choose one.
{{- end }}
{{- if $sync.enabled }}
{{- if not $sync.repo }}
dags.gitSync.repo is empty: say which repository holds the DAGs.
{{- else }}
{{- $ssh := not (or (hasPrefix "https://" $sync.repo) (hasPrefix "http://" $sync.repo) (hasPrefix "file://" $sync.repo)) }}
{{- if and (regexMatch "^[0-9a-f]{7,39}$" $sync.rev) (regexMatch "[a-f]" $sync.rev) (regexMatch "[0-9]" $sync.rev) }}
dags.gitSync.rev {{ $sync.rev }} is the beginning of a commit's hash, and Git servers give out commits by the whole hash only: `git rev-parse {{ $sync.rev }}` tells it.
{{- end }}
{{- if and $ssh $sync.credentialsSecret }}
dags.gitSync.repo {{ $sync.repo }} is reached by SSH, and dags.gitSync.credentialsSecret is for https://: use sshKeySecret.
{{- end }}
{{- if and $ssh (not $sync.sshKeySecret) (not (hasPrefix "git://" $sync.repo)) }}
dags.gitSync.repo {{ $sync.repo }} is reached by SSH: name the Secret that has its key as dags.gitSync.sshKeySecret (an entry gitSshKey).
{{- end }}
{{- if and (not $ssh) $sync.sshKeySecret }}
dags.gitSync.repo {{ $sync.repo }} is not reached by SSH, and dags.gitSync.sshKeySecret is for git@…: use credentialsSecret.
{{- end }}
{{- end }}
{{- end }}
{{- if and $claim.enabled (not $claim.existingClaim) (ne $claim.accessMode "ReadWriteMany") }}
dags.persistence.accessMode is {{ $claim.accessMode }}, and the DAG processor and all task pods, on any node, mount the claim that this chart makes, which somebody has to fill: it has to be ReadWriteMany. Take a storageClassName that offers that (NFS, CephFS, EFS, Filestore, Azure Files), or dags.gitSync.
{{- end }}
{{- if and (hasKey (.Values.config.dag_processor | default dict) "dag_bundle_config_list") .Values.dagProcessor.dagBundleConfigList }}
dagProcessor.dagBundleConfigList and config.dag_processor.dag_bundle_config_list are the same option: set one.
{{- end }}
{{- end }}

{{- define "podlift.checkLogs" -}}
{{- $claim := .Values.logs.persistence }}
{{- if and $claim.enabled (not $claim.existingClaim) (ne $claim.accessMode "ReadWriteMany") }}
logs.persistence.accessMode is {{ $claim.accessMode }}, and all components and all task pods, on any node, write to that claim: it has to be ReadWriteMany. Take a storageClassName that offers that (NFS, CephFS, EFS, Filestore, Azure Files), remote logging, or leave logs to the scheduler (scheduler.persistence).
{{- end }}
{{- $logging := .Values.config.logging | default dict }}
{{- $remote := eq "true" (lower (toString (get $logging "remote_logging"))) }}
{{- if and $remote (not $logging.remote_base_log_folder) }}
config.logging.remote_logging is on without config.logging.remote_base_log_folder: say where the logs go, for example s3://bucket/logs.
{{- end }}
{{- if and (not $remote) $logging.remote_base_log_folder }}
config.logging.remote_base_log_folder has no effect without config.logging.remote_logging: "True".
{{- end }}
{{- if hasKey $logging "base_log_folder" }}
config.logging.base_log_folder: volumes are mounted at {{ .Values.airflowHome }}/logs, so it has to stay as it is.
{{- end }}
{{- end }}

{{- define "podlift.checkDatabase" -}}
{{- $external := or .Values.data.metadataConnection.host .Values.data.metadataConnection.pass }}
{{- $auth := .Values.postgresql.auth }}
{{- if .Values.postgresql.enabled }}
{{- if $external }}
postgresql.enabled is true, and data.metadataConnection names a database of yours: set postgresql.enabled to false, or leave that empty.
{{- end }}
{{- if and .Values.data.metadataSecretName (not $auth.existingSecret) }}
postgresql.enabled is true, and data.metadataSecretName names a database: set postgresql.enabled to false, or, for a password of yours, name its Secret as postgresql.auth.existingSecret too.
{{- end }}
{{- if and $auth.existingSecret (not .Values.data.metadataSecretName) }}
postgresql.auth.existingSecret has the password, which the chart does not read: name a Secret as data.metadataSecretName too, whose entry connection is postgresql+psycopg2://{{ $auth.username }}:PASSWORD@{{ include "podlift.fullname" . }}-postgresql.{{ .Release.Namespace }}.svc:5432/{{ $auth.database }}
{{- end }}
{{- if and $auth.existingSecret $auth.password }}
postgresql.auth.password and postgresql.auth.existingSecret are two passwords: set one.
{{- end }}
{{- else if not (or .Values.data.metadataConnection.host .Values.data.metadataSecretName) }}
There is no database: with postgresql.enabled false, give data.metadataConnection.host, user, pass and db, or data.metadataSecretName.
{{- else if and .Values.data.metadataSecretName $external }}
data.metadataSecretName and data.metadataConnection are two databases: set one.
{{- end }}
{{- with (.Values.config.database | default dict) }}
{{- if hasKey . "sql_alchemy_conn" }}
config.database.sql_alchemy_conn would be readable in every task pod: use data.metadataConnection or data.metadataSecretName.
{{- end }}
{{- end }}
{{- end }}

{{- define "podlift.checkKeys" -}}
{{- range $value, $secret := dict "fernetKey" "fernetKeySecretName" "apiSecretKey" "apiSecretKeySecretName" "jwtSecret" "jwtSecretName" "sealKey" "sealKeySecretName" }}
{{- if and (get $.Values $value) (get $.Values $secret) }}
{{ $value }} and {{ $secret }} are two places for the same key: set one.
{{- end }}
{{- end }}
{{- range $name := list "fernetKey" "sealKey" }}
{{- with get $.Values $name }}
{{- if not (regexMatch "^[A-Za-z0-9_-]{43}=$" .) }}
{{ $name }} is not 32 bytes in url-safe base64: make one with `openssl rand -base64 32 | tr '+/' '-_'`.
{{- end }}
{{- end }}
{{- end }}
{{- range $section, $option := dict "core" "fernet_key" "api" "secret_key" "api_auth" "jwt_secret" }}
{{- if hasKey (get $.Values.config $section | default dict) $option }}
config.{{ $section }}.{{ $option }} would be readable in every task pod: use {{ get (dict "core" "fernetKey or fernetKeySecretName" "api" "apiSecretKey or apiSecretKeySecretName" "api_auth" "jwtSecret or jwtSecretName") $section }}.
{{- end }}
{{- end }}
{{- if and .Values.adminUser.password .Values.adminUser.passwordSecretName }}
adminUser.password and adminUser.passwordSecretName are two passwords: set one.
{{- end }}
{{- if regexMatch "[:,|]" .Values.adminUser.username }}
adminUser.username {{ .Values.adminUser.username }} has a colon, a comma or a bar in it, which mean something in Airflow's list of users.
{{- end }}
{{- with (.Values.config.core | default dict) }}
{{- if and (hasKey . "auth_manager") (ne $.Values.authManager "other") }}
config.core.auth_manager and authManager {{ $.Values.authManager }} are two answers to who lets users in: set authManager to other.
{{- end }}
{{- end }}
{{- end }}

{{- define "podlift.checkComponents" -}}
{{- with (.Values.config.core | default dict).executor }}
{{- if not (contains "podlift.executor.KubernetesExecutor" (toString .)) }}
config.core.executor is {{ . }}: it has to have podlift.executor.KubernetesExecutor in it, which this chart is for.
{{- end }}
{{- end }}
{{- range $name := list "scheduler" "apiServer" "triggerer" }}
{{- with (get $.Values $name).hpa }}
{{- if and .enabled (gt (int .minReplicaCount) (int .maxReplicaCount)) }}
{{ $name }}.hpa.minReplicaCount is {{ .minReplicaCount }}, more than maxReplicaCount, {{ .maxReplicaCount }}.
{{- end }}
{{- end }}
{{- end }}
{{- range $name := list "scheduler" "apiServer" "dagProcessor" "triggerer" }}
{{- with (get $.Values $name).podDisruptionBudget }}
{{- if and .enabled (hasKey .config "minAvailable") (hasKey .config "maxUnavailable") (not (kindIs "invalid" .config.maxUnavailable)) }}
{{ $name }}.podDisruptionBudget.config: Kubernetes takes minAvailable or maxUnavailable, not both; for minAvailable set maxUnavailable to null.
{{- end }}
{{- end }}
{{- end }}
{{- if and .Values.podTemplate (not (regexMatch "(?m)^kind:\\s*Pod\\s*$" .Values.podTemplate)) }}
podTemplate is not a Pod: it is the whole pod as text, with apiVersion: v1, kind: Pod and a container called base.
{{- end }}
{{- end }}

{{- define "podlift.checkNamespaces" -}}
{{- if and .Values.multiNamespaceModeNamespaceList (not .Values.multiNamespaceMode) }}
multiNamespaceModeNamespaceList has no effect without multiNamespaceMode: true.
{{- end }}
{{- if ne (include "podlift.taskNamespace" .) .Release.Namespace }}
{{- range $what := list "dags" "logs" }}
{{- with (get $.Values $what).persistence }}
{{- if and .enabled (not .existingClaim) }}
workers.namespace is another one than the release's, and a claim is in one namespace: make one for the same volume in each, under one name, and give that as {{ $what }}.persistence.existingClaim.
{{- end }}
{{- end }}
{{- end }}
{{- end }}
{{- end }}

{{/* What the cluster can tell. `helm template` and `helm lint` have none, and find nothing wrong. */}}
{{- define "podlift.checkCluster" -}}
{{- if lookup "v1" "ServiceAccount" .Release.Namespace "default" }}
{{- $sync := .Values.dags.gitSync }}
{{- $secrets := list
  (list "fernetKeySecretName" .Values.fernetKeySecretName (list "fernet-key") .Release.Namespace)
  (list "apiSecretKeySecretName" .Values.apiSecretKeySecretName (list "api-secret-key") .Release.Namespace)
  (list "jwtSecretName" .Values.jwtSecretName (list "jwt-secret") .Release.Namespace)
  (list "sealKeySecretName" .Values.sealKeySecretName (list "key") (include "podlift.taskNamespace" .))
  (list "data.metadataSecretName" .Values.data.metadataSecretName (list "connection") .Release.Namespace)
  (list "postgresql.auth.existingSecret" (ternary .Values.postgresql.auth.existingSecret "" .Values.postgresql.enabled) (list "password") .Release.Namespace)
  (list "adminUser.passwordSecretName" (ternary "" .Values.adminUser.passwordSecretName (eq .Values.authManager "other")) (list "password") .Release.Namespace)
}}
{{- if $sync.enabled }}
{{- range $namespace := list .Release.Namespace (include "podlift.taskNamespace" .) | uniq }}
{{- $secrets = append $secrets (list "dags.gitSync.sshKeySecret" $sync.sshKeySecret (list "gitSshKey") $namespace) }}
{{- $secrets = append $secrets (list "dags.gitSync.credentialsSecret" $sync.credentialsSecret (list "GITSYNC_USERNAME" "GITSYNC_PASSWORD") $namespace) }}
{{- end }}
{{- end }}
{{- range $entry := .Values.secret }}
{{- range $namespace := list $.Release.Namespace (include "podlift.taskNamespace" $) | uniq }}
{{- $secrets = append $secrets (list "secret" $entry.secretName (list $entry.secretKey) $namespace) }}
{{- end }}
{{- end }}
{{- range $secrets }}
{{- $value := index . 0 }}{{ $name := index . 1 }}{{ $namespace := index . 3 }}
{{- if $name }}
{{- $found := lookup "v1" "Secret" $namespace $name }}
{{- if not $found }}
{{ $value }}: there is no Secret {{ $name }} in namespace {{ $namespace }}. Make it, with {{ join " and " (index . 2) }} in it.
{{- else }}
{{- range index . 2 }}
{{- if not (hasKey ($found.data | default dict) .) }}
{{ $value }}: Secret {{ $name }} in namespace {{ $namespace }} has no entry {{ . }}.
{{- end }}
{{- end }}
{{- end }}
{{- end }}
{{- end }}
{{- range $what := list "dags" "logs" }}
{{- $claim := (get $.Values $what).persistence }}
{{- if and $claim.enabled $claim.existingClaim }}
{{- range $namespace := list $.Release.Namespace (include "podlift.taskNamespace" $) | uniq }}
{{- $found := lookup "v1" "PersistentVolumeClaim" $namespace $claim.existingClaim }}
{{- if not $found }}
{{ $what }}.persistence.existingClaim: there is no PersistentVolumeClaim {{ $claim.existingClaim }} in namespace {{ $namespace }}.
{{- else }}
{{- $modes := $found.spec.accessModes }}
{{- if not (or (has "ReadWriteMany" $modes) (and (eq $what "dags") (has "ReadOnlyMany" $modes))) }}
{{ $what }}.persistence.existingClaim: PersistentVolumeClaim {{ $claim.existingClaim }} in namespace {{ $namespace }} is {{ join ", " $modes }}, and pods on several nodes mount it: it has to be ReadWriteMany{{ ternary " or ReadOnlyMany" "" (eq $what "dags") }}.
{{- end }}
{{- end }}
{{- end }}
{{- end }}
{{- end }}
{{- if ne (include "podlift.taskNamespace" .) .Release.Namespace }}
{{- if not (lookup "v1" "ServiceAccount" (include "podlift.taskNamespace" .) "default") }}
workers.namespace: there is no namespace {{ include "podlift.taskNamespace" . }}: `kubectl create namespace {{ include "podlift.taskNamespace" . }}`.
{{- end }}
{{- end }}
{{- end }}
{{- end }}
